/* key_print.c - what a value has to be, and what it is, in words. */
#include <stdlib.h>
#include <string.h>

#include "conf/key.h"
#include "conf/value.h"
#include "dataplane/base/text.h"

typedef char item_name[CONF_NAME_MAX + 1];

uint64_t key_fetch(const struct key *key, const void *base)
{
    const void *field = (const char *)base + key->offset;
    switch (key->width) {
    case 1:
        return *(const uint8_t *)field;
    case 2:
        return *(const uint16_t *)field;
    case 4:
        return *(const uint32_t *)field;
    case 8:
        return *(const uint64_t *)field;
    default:
        return 0;
    }
}

static void print_words(const struct key *key, const void *base, FILE *out)
{
    const bool *bools = (const bool *)base + key->offset;
    const char *comma = "";
    fputc('[', out);
    for (uint32_t i = 0; key->words[i]; i++) {
        if (key->type == KEY_BOOLS ? !bools[i] : !(key_fetch(key, base) >> i & 1))
            continue;
        fprintf(out, "%s%s", comma, key->words[i]);
        comma = ", ";
    }
    fputc(']', out);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, for two configurations may hold the same types in another order. */
static void print_types(const struct key *key, const struct conf *conf, const void *base, FILE *out)
{
    const char *names[CONF_TYPES_MAX];
    size_t count = 0;
    for (uint32_t i = 0; i < conf->events.type_count; i++)
        if (key_fetch(key, base) >> i & 1)
            names[count++] = conf->events.types[i].name;
    qsort(names, count, sizeof *names, by_name);
    fputc('[', out);
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%s%s", i ? ", " : "", names[i]);
    fputc(']', out);
}

static void print_array(const struct key *key, const void *base, FILE *out)
{
    uint32_t count = *key_count(key, (void *)(uintptr_t)base);
    const void *field = (const char *)base + key->offset;
    if (count == 0)
        return;
    fputc('[', out);
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            fputs(", ", out);
        if (key->type == KEY_ADDRESSES)
            value_print_address(out, (const struct conf_addr *)field + i);
        else
            value_print_text(out, (*(item_name *const *)field)[i]);
    }
    fputc(']', out);
}

static void print_mac(const uint8_t *mac, FILE *out)
{
    static const uint8_t own[6];
    if (memcmp(mac, own, sizeof own) != 0)
        fprintf(out, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                mac[5]);
}

static void print_date(int64_t time_ms, FILE *out)
{
    char text[TEXT_TIME_LEN + 1];
    text_time_format(time_ms, text);
    fputs(text, out);
}

static void print_variants(const struct key *key, const void *base, FILE *out)
{
    uint32_t count = *key_count(key, (void *)(uintptr_t)base);
    const struct conf_variant *variants = (const void *)((const char *)base + key->offset);
    const char *comma = "{";
    for (uint32_t i = 0; i < count; i++) {
        if (key->type == KEY_REWARDS && !variants[i].reward[0])
            continue;
        fprintf(out, "%s%s: ", comma, variants[i].name);
        if (key->type == KEY_VARIANTS)
            fprintf(out, "%u", variants[i].weight);
        else
            value_print_text(out, variants[i].reward);
        comma = ", ";
    }
    if (*comma == ',')
        fputc('}', out);
}

static void print_number(const struct key *key, uint64_t value, FILE *out)
{
    if ((key->flags & KEY_AUTO) && value == (key->width == 4 ? UINT32_MAX : UINT64_MAX))
        fputs("auto", out);
    else
        fprintf(out, "%llu", (unsigned long long)value);
}

void key_print(const struct key *key, const struct conf *conf, const void *base, FILE *out)
{
    uint64_t value = key_fetch(key, base);
    const char *field = (const char *)base + key->offset;
    bool absent = !key->fallback && key->absent && value == key->unset;
    switch (key->type) {
    case KEY_NUMBER:
        print_number(key, value, out);
        break;
    case KEY_SIZE:
        value_print_size(out, key->scale ? value * key->scale : value);
        break;
    case KEY_TIME:
        if (!absent)
            value_print_time(out, value);
        break;
    case KEY_FIXED:
        value_print_fixed(out, (uint32_t)value);
        break;
    case KEY_DATE:
        if (!absent)
            print_date((int64_t)value, out);
        break;
    case KEY_BOOL:
        fputs(value ? "true" : "false", out);
        break;
    case KEY_CHOICE:
        fputs(key->words[value], out);
        break;
    case KEY_NAME:
    case KEY_PATH:
    case KEY_DEVICE:
    case KEY_TEXT:
        if (*field)
            value_print_text(out, field);
        break;
    case KEY_DECIMAL:
        fputs(field, out);
        break;
    case KEY_MAC:
        print_mac((const uint8_t *)field, out);
        break;
    case KEY_ADDRESSES:
    case KEY_ITEMS:
        print_array(key, base, out);
        break;
    case KEY_BITS:
    case KEY_BOOLS:
        print_words(key, base, out);
        break;
    case KEY_TYPES:
        print_types(key, conf, base, out);
        break;
    case KEY_VARIANTS:
    case KEY_REWARDS:
        print_variants(key, base, out);
        break;
    case KEY_TEMPLATES:
    case KEY_SECTION:
    case KEY_LIST:
    case KEY_MAP:
        break;
    }
}

static void describe_number(const struct key *key, FILE *out)
{
    if (key->flags & KEY_AUTO)
        fputs("auto, or ", out);
    if (key->min == key->max)
        fprintf(out, "%llu", (unsigned long long)key->min);
    else
        fprintf(out, "%s from %llu to %llu",
                key->flags & KEY_POWER ? "a power of two" : "a whole number",
                (unsigned long long)key->min, (unsigned long long)key->max);
}

static void describe_size(const struct key *key, FILE *out)
{
    fputs("a size from ", out);
    value_print_size(out, key->min);
    fputs(" to ", out);
    value_print_size(out, key->max);
    if (key->scale) {
        fputs(", a multiple of ", out);
        value_print_size(out, key->scale);
    }
    fputs(", with a unit (B KiB MiB GiB KB MB GB)", out);
}

static void describe_time(const struct key *key, FILE *out)
{
    fputs("a time from ", out);
    value_print_time(out, key->min);
    fputs(" to ", out);
    value_print_time(out, key->max);
    fputs(", with a unit (ns us ms s m h d)", out);
}

static void describe_words(const struct key *key, const char *lead, FILE *out)
{
    if (key->words[1])
        fputs(lead, out);
    for (unsigned i = 0; key->words[i]; i++)
        fprintf(out, "%s%s", i ? ", " : "", key->words[i]);
}

static void describe_list(const struct key *key, FILE *out)
{
    fprintf(out, "%sa list of %llu to %llu mappings", key->flags & KEY_AUTO ? "auto, or " : "",
            (unsigned long long)key->min, (unsigned long long)key->max);
}

static void describe_fixed(const struct key *key, FILE *out)
{
    fprintf(out, "a decimal number greater than 0, at most %llu",
            (unsigned long long)(key->max >> 16));
}

static void describe_name(const struct key *key, FILE *out)
{
    fprintf(out, "1 to %llu characters of A-Z a-z 0-9 . _ -%s", (unsigned long long)key->max,
            key->flags & KEY_VERSIONED ? " and one @ before a version" : "");
}

static void describe_text(const struct key *key, FILE *out)
{
    fprintf(out, "a text of 1 to %u bytes", key->width - 1);
}

static void describe_addresses(const struct key *key, FILE *out)
{
    fprintf(out, "one to %llu unicast addresses, each with its prefix length, such as 192.0.2.7/24",
            (unsigned long long)key->max);
}

static void describe_items(const struct key *key, FILE *out)
{
    fprintf(out, "a list of 1 to %llu items, each of 1 to %u bytes", (unsigned long long)key->max,
            CONF_NAME_MAX);
}

static void describe_variants(const struct key *key, FILE *out)
{
    fprintf(out, "1 to %u weights from 0 to %llu by name, such as { plain: 90, double: 10 }",
            CONF_VARIANTS_MAX, (unsigned long long)key->max);
}

static void describe_rewards(const struct key *key, FILE *out)
{
    (void)key;
    fprintf(out, "texts of 1 to %u bytes by the variant's name", CONF_NAME_MAX);
}

static void describe_choice(const struct key *key, FILE *out)
{
    describe_words(key, "one of ", out);
}

static void describe_some(const struct key *key, FILE *out)
{
    describe_words(key, "a list of some of ", out);
}

/* What the values of a type have to be: the same for all its keys, or what each row says. */
static const struct {
    const char *text;
    void (*describe)(const struct key *key, FILE *out);
} descriptions[] = {
    [KEY_SECTION] = {"a mapping of keys", NULL},
    [KEY_LIST] = {NULL, describe_list},
    [KEY_MAP] = {"a mapping of keys", NULL},
    [KEY_NUMBER] = {NULL, describe_number},
    [KEY_SIZE] = {NULL, describe_size},
    [KEY_TIME] = {NULL, describe_time},
    [KEY_FIXED] = {NULL, describe_fixed},
    [KEY_DATE] = {"a time as RFC 3339 writes it, such as 2026-03-01T00:00:00Z", NULL},
    [KEY_BOOL] = {"true or false", NULL},
    [KEY_CHOICE] = {NULL, describe_choice},
    [KEY_NAME] = {NULL, describe_name},
    [KEY_PATH] = {"a path without control characters", NULL},
    [KEY_DEVICE] = {"a PCI address such as 0000:8a:00.0, or a DPDK device such as "
                    "net_tap0,iface=trove0",
                    NULL},
    [KEY_MAC] = {"a unicast MAC address such as 02:00:00:00:00:01", NULL},
    [KEY_DECIMAL] = {"a number as JSON writes it, such as -1, 0.25 or 1e6", NULL},
    [KEY_TEXT] = {NULL, describe_text},
    [KEY_ADDRESSES] = {NULL, describe_addresses},
    [KEY_ITEMS] = {NULL, describe_items},
    [KEY_BITS] = {NULL, describe_some},
    [KEY_BOOLS] = {NULL, describe_some},
    [KEY_TYPES] = {"a list of names from events.types", NULL},
    [KEY_VARIANTS] = {NULL, describe_variants},
    [KEY_REWARDS] = {NULL, describe_rewards},
    [KEY_TEMPLATES] = {"a mapping from names to keys of hunts", NULL},
};

void key_describe(const struct key *key, FILE *out)
{
    if (descriptions[key->type].text)
        fputs(descriptions[key->type].text, out);
    else
        descriptions[key->type].describe(key, out);
}
