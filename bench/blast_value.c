/* blast_value.c - numbers with units, read strictly. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "bench/blast_value.h"
#include "dataplane/base/clock.h"

#define COUNT_MAX    1e15
#define DURATION_MAX (20.0 * 24 * 3600 * NS_PER_S)

struct unit {
    const char *name;
    double factor;
};

int blast_value_decimal(const char *text, double *value, const char **end)
{
    double number = 0;
    double place = 1;
    bool point = false;
    const char *at = text;
    for (;; at++) {
        if (isdigit((unsigned char)*at)) {
            number = number * 10 + (*at - '0');
            place *= point ? 10 : 1;
        } else if (*at == '.' && !point && at > text && isdigit((unsigned char)at[1])) {
            point = true;
        } else if (*at != '_' || at == text || !isdigit((unsigned char)at[1])) {
            break;
        }
    }
    if (at == text)
        return -EINVAL;
    *value = number / place;
    *end = at;
    return 0;
}

static int with_unit(const char *text, const struct unit *units, double *value)
{
    const char *end;
    if (blast_value_decimal(text, value, &end) < 0)
        return -EINVAL;
    for (const struct unit *unit = units; unit->name; unit++) {
        if (strcmp(end, unit->name) == 0) {
            *value *= unit->factor;
            return 0;
        }
    }
    return -EINVAL;
}

int blast_value_count(const char *text, uint64_t *count)
{
    static const struct unit units[] = {{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {NULL, 0}};
    double value;
    if (with_unit(text, units, &value) < 0)
        return -EINVAL;
    if (value > COUNT_MAX)
        return -ERANGE;
    *count = (uint64_t)llround(value);
    return 0;
}

int blast_value_duration(const char *text, uint64_t *ns)
{
    static const struct unit units[] = {{"ns", 1},   {"us", 1e3},   {"ms", 1e6}, {"s", 1e9},
                                        {"m", 6e10}, {"h", 3.6e12}, {NULL, 0}};
    double value;
    if (with_unit(text, units, &value) < 0)
        return -EINVAL;
    if (value > DURATION_MAX)
        return -ERANGE;
    *ns = (uint64_t)llround(value);
    return 0;
}

int blast_value_share(const char *text, uint64_t *share)
{
    static const struct unit units[] = {{"%", 1}, {NULL, 0}};
    double percent;
    if (with_unit(text, units, &percent) < 0 || percent > 100)
        return -EINVAL;
    *share = (uint64_t)llround(percent / 100 * 0x1p32);
    return 0;
}

int blast_value_mac(const char *text, uint8_t mac[6])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 6; i++, text += 3) {
        int byte = 0;
        for (int k = 0; k < 2; k++) {
            const char *digit = text[k] ? strchr(digits, tolower((unsigned char)text[k])) : NULL;
            if (!digit)
                return -EINVAL;
            byte = byte * 16 + (int)(digit - digits);
        }
        if (text[2] != (i < 5 ? ':' : '\0'))
            return -EINVAL;
        mac[i] = (uint8_t)byte;
    }
    return 0;
}

uint64_t blast_value_hash(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3;
    return hash;
}
