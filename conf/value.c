/* value.c - parsing and printing of single values. */
#include "conf/value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "dataplane/base/json.h"
#include "dataplane/base/text.h"

#define DECIMALS_MAX 9

typedef unsigned __int128 wide;

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first, and of equal merit the binary ones first: the order in which printing tries. */
static const struct unit sizes[] = {
    {"GiB", 1u << 30}, {"MiB", 1u << 20}, {"KiB", 1u << 10}, {"GB", 1000000000},
    {"MB", 1000000},   {"KB", 1000},      {"B", 1},          {NULL, 0},
};

static const struct unit times[] = {
    {"d", 86400000000000}, {"h", 3600000000000}, {"m", 60000000000}, {"s", 1000000000},
    {"ms", 1000000},       {"us", 1000},         {"ns", 1},          {NULL, 0},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Reads digits with '_' between them.  Returns how many bytes, 0 when there is no such number, or
 * -ERANGE. */
static int take_number(const char *text, size_t len, uint64_t *value)
{
    size_t at = 0;
    *value = 0;
    for (; at < len; at++) {
        if (text[at] == '_' && at > 0 && text[at - 1] != '_' && at + 1 < len &&
            is_digit(text[at + 1]))
            continue;
        if (!is_digit(text[at]))
            break;
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, (uint64_t)(text[at] - '0'), value))
            return -ERANGE;
    }
    return at > 1 && text[0] == '0' ? 0 : (int)at;
}

/* A decimal: whole + fraction / scale, scale being the power of ten of its decimal places. */
struct decimal {
    uint64_t whole;
    uint64_t fraction;
    uint64_t scale;
};

static int take_decimal(const char *text, size_t len, struct decimal *d)
{
    int taken = take_number(text, len, &d->whole);
    size_t at = (size_t)taken;
    d->fraction = 0;
    d->scale = 1;
    if (taken <= 0 || at == len || text[at] != '.')
        return taken;
    size_t first = ++at;
    for (; at < len && is_digit(text[at]); at++) {
        if (at - first == DECIMALS_MAX)
            return 0;
        d->fraction = d->fraction * 10 + (uint64_t)(text[at] - '0');
        d->scale *= 10;
    }
    return at > first ? (int)at : 0;
}

int value_number(const char *text, size_t len, uint64_t *value)
{
    int taken = take_number(text, len, value);
    if (taken < 0)
        return taken;
    return taken == 0 || (size_t)taken < len ? -EINVAL : 0;
}

static int parse_quantity(const char *text, size_t len, const struct unit *units, uint64_t *value)
{
    struct decimal d;
    int taken = take_decimal(text, len, &d);
    if (taken <= 0)
        return taken < 0 ? taken : -EINVAL;
    const char *unit = text + taken;
    size_t unit_len = len - (size_t)taken;
    for (; units->name; units++) {
        if (strlen(units->name) != unit_len || memcmp(units->name, unit, unit_len) != 0)
            continue;
        wide product = ((wide)d.whole * d.scale + d.fraction) * units->factor;
        if (product % d.scale)
            return -EDOM;
        if (product / d.scale > UINT64_MAX)
            return -ERANGE;
        *value = (uint64_t)(product / d.scale);
        return 0;
    }
    return -ENOENT;
}

int value_size(const char *text, size_t len, uint64_t *bytes)
{
    return parse_quantity(text, len, sizes, bytes);
}

int value_time(const char *text, size_t len, uint64_t *ns)
{
    return parse_quantity(text, len, times, ns);
}

int value_fixed(const char *text, size_t len, uint64_t *value)
{
    struct decimal d;
    int taken = take_decimal(text, len, &d);
    if (taken < 0)
        return taken;
    if (taken == 0 || (size_t)taken < len)
        return -EINVAL;
    if (d.whole > UINT32_MAX)
        return -ERANGE;
    *value = (d.whole << 16) + ((d.fraction << 16) + d.scale / 2) / d.scale;
    return 0;
}

static bool is_unicast(const struct conf_addr *addr)
{
    static const uint8_t zero[16];
    if (memcmp(addr->bytes, zero, sizeof zero) == 0)
        return false;
    return addr->family == 4 ? addr->bytes[0] != 0 && addr->bytes[0] < 224 && addr->bytes[0] != 127
                             : addr->bytes[0] != 0xff;
}

int value_address(const char *text, struct conf_addr *addr)
{
    char host[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    if (!slash || (size_t)(slash - text) >= sizeof host)
        return -EINVAL;
    memcpy(host, text, (size_t)(slash - text));
    host[slash - text] = 0;
    *addr = (struct conf_addr){0};
    uint64_t prefix_len;
    if (value_number(slash + 1, strlen(slash + 1), &prefix_len) < 0)
        return -EINVAL;
    if (inet_pton(AF_INET, host, addr->bytes) == 1)
        addr->family = 4;
    else if (inet_pton(AF_INET6, host, addr->bytes) == 1)
        addr->family = 6;
    else
        return -EINVAL;
    if (prefix_len < 1 || prefix_len > (addr->family == 4 ? 32 : 128) || !is_unicast(addr))
        return -EINVAL;
    addr->prefix_len = (uint8_t)prefix_len;
    return 0;
}

int value_mac(const char *text, size_t len, uint8_t mac[6])
{
    static const uint8_t zero[6];
    uint8_t bytes[6];
    if (len != 17)
        return -EINVAL;
    for (size_t i = 0; i < 6; i++) {
        int high = text_hex_digit((uint8_t)text[3 * i]);
        int low = text_hex_digit((uint8_t)text[3 * i + 1]);
        if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
            return -EINVAL;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    if ((bytes[0] & 1) || memcmp(bytes, zero, sizeof zero) == 0)
        return -EINVAL;
    memcpy(mac, bytes, sizeof bytes);
    return 0;
}

bool value_name_valid(const char *text, size_t len, size_t max)
{
    for (size_t i = 0; i < len; i++)
        if (!is_letter(text[i]) && !is_digit(text[i]) && text[i] != '.' && text[i] != '_' &&
            text[i] != '-')
            return false;
    return len >= 1 && len <= max;
}

bool value_versioned_valid(const char *text, size_t len, size_t max)
{
    const char *at = memchr(text, '@', len);
    size_t name_len = at ? (size_t)(at - text) : len;
    return len <= max && value_name_valid(text, name_len, max) &&
           (!at || value_name_valid(at + 1, len - name_len - 1, max));
}

int value_decimal_read(const char *text, size_t len, char out[CONF_DECIMAL_MAX + 1])
{
    struct json json;
    size_t count = 0, exponent;
    out[0] = 0;
    for (size_t i = 0; i < len; i++) {
        bool gap = text[i] == '_' && i > 0 && i + 1 < len && is_digit(text[i - 1]) &&
                   is_digit(text[i + 1]);
        if (!gap && count == CONF_DECIMAL_MAX)
            return -ERANGE;
        if (!gap)
            out[count++] = text[i];
    }
    out[count] = 0;
    json_init(&json, (const uint8_t *)out, count, 1);
    if (json_number(&json, 0) != count)
        return -EINVAL;
    exponent = strcspn(out, "eE");
    exponent += strspn(out + exponent, "eE+-");
    return count - exponent > 4 ? -ERANGE : 0;
}

/* [domain:]bus:device.function */
static bool is_pci_address(const char *text, size_t len)
{
    static const char full[] = "xxxx:xx:xx.x";
    if (len != 12 && len != 7)
        return false;
    const char *shape = full + (12 - len);
    for (size_t i = 0; i < len; i++)
        if (shape[i] == 'x' ? text_hex_digit((uint8_t)text[i]) < 0 : text[i] != shape[i])
            return false;
    return text[len - 1] >= '0' && text[len - 1] <= '7';
}

bool value_device_valid(const char *text, size_t len)
{
    if (is_pci_address(text, len))
        return true;
    if (len < 5 || memcmp(text, "net_", 4) != 0 || !is_letter(text[4]))
        return false;
    size_t at = 4;
    while (at < len && (is_letter(text[at]) || is_digit(text[at]) || text[at] == '_'))
        at++;
    return (at == len || text[at] == ',') && !memchr(text, ' ', len) && value_text_valid(text, len);
}

bool value_text_valid(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return text_utf8_valid((const uint8_t *)text, len) == len;
}

static void print_quantity(FILE *out, uint64_t value, const struct unit *units)
{
    while (value % units->factor)
        units++;
    fprintf(out, "%llu%s", (unsigned long long)(value / units->factor), units->name);
}

void value_print_size(FILE *out, uint64_t bytes)
{
    if (bytes)
        print_quantity(out, bytes, sizes);
    else
        fputs("0B", out);
}

void value_print_time(FILE *out, uint64_t ns)
{
    if (ns)
        print_quantity(out, ns, times);
    else
        fputs("0s", out);
}

/* A step of 16.16 is more than 10^-5, so five places always tell two values apart. */
void value_print_fixed(FILE *out, uint32_t value)
{
    uint64_t scale = 1;
    int places = 0;
    for (;; scale *= 10, places++) {
        uint64_t units = (value * scale + (1u << 15)) >> 16;
        uint64_t back = ((units << 16) + scale / 2) / scale;
        if (back != value)
            continue;
        fprintf(out, "%llu", (unsigned long long)(units / scale));
        if (places)
            fprintf(out, ".%0*llu", places, (unsigned long long)(units % scale));
        return;
    }
}

void value_print_address(FILE *out, const struct conf_addr *addr)
{
    char host[INET6_ADDRSTRLEN];
    inet_ntop(addr->family == 4 ? AF_INET : AF_INET6, addr->bytes, host, sizeof host);
    fprintf(out, "%s/%u", host, addr->prefix_len);
}

static bool is_plain(const char *text)
{
    if (!is_letter(text[0]) && !is_digit(text[0]) && text[0] != '/' && text[0] != '.')
        return false;
    for (; *text; text++)
        if (!is_letter(*text) && !is_digit(*text) && !strchr("._-/+=@", *text) &&
            !(*text == ':' && text[1] && text[1] != ' '))
            return false;
    return true;
}

void value_print_text(FILE *out, const char *text)
{
    if (is_plain(text)) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}
