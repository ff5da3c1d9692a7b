/* key.c - one value: read from YAML, described, printed. */
#include "conf/key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/value.h"
#include "dataplane/base/text.h"

static const struct key_fault fine = {0};

static struct key_fault fault(const char *code, const char *text, const struct yaml_node *node)
{
    return (struct key_fault){.code = code, .text = text, .node = node};
}

static void store(const struct key *key, void *base, uint64_t value)
{
    void *field = (char *)base + key->offset;
    switch (key->width) {
    case 1:
        *(uint8_t *)field = (uint8_t)value;
        break;
    case 2:
        *(uint16_t *)field = (uint16_t)value;
        break;
    case 4:
        *(uint32_t *)field = (uint32_t)value;
        break;
    case 8:
        *(uint64_t *)field = value;
        break;
    default:
        break;
    }
}

static int find_word(const char *const *words, const char *text)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], text) == 0)
            return i;
    return -1;
}

static struct key_fault store_in_range(const struct key *key, void *base, int rc, uint64_t value)
{
    if (rc == -ENOENT)
        return fault("bad_unit", NULL, NULL);
    if (rc == -ERANGE)
        return fault("out_of_range", NULL, NULL);
    if (rc < 0)
        return fault(rc == -EDOM ? "bad_value" : "wrong_type", NULL, NULL);
    if (value < key->min || value > key->max)
        return fault("out_of_range", NULL, NULL);
    if ((key->flags & KEY_POWER) && (value & (value - 1)))
        return fault("bad_value", NULL, NULL);
    if (key->scale && value % key->scale)
        return fault("bad_value", NULL, NULL);
    store(key, base, key->scale ? value / key->scale : value);
    return fine;
}

static struct key_fault read_quantity(const struct key *key, const char *text, size_t len,
                                      void *base)
{
    uint64_t value = 0;
    int rc = 0;
    if ((key->flags & KEY_AUTO) && strcmp(text, "auto") == 0) {
        store(key, base, UINT64_MAX);
        return fine;
    }
    if (key->type == KEY_NUMBER)
        rc = value_number(text, len, &value);
    else if (key->type == KEY_SIZE)
        rc = value_size(text, len, &value);
    else if (key->type == KEY_TIME)
        rc = value_time(text, len, &value);
    else
        rc = value_fixed(text, len, &value);
    return store_in_range(key, base, rc, value);
}

static struct key_fault read_date(const struct key *key, const char *text, size_t len, void *base)
{
    int64_t time_ms;
    int rc = text_time_parse((const uint8_t *)text, len, &time_ms);
    if (rc < 0)
        return fault(rc == -ERANGE ? "out_of_range" : "wrong_type", NULL, NULL);
    store(key, base, (uint64_t)time_ms);
    return fine;
}

static struct key_fault read_word(const struct key *key, const char *text, void *base)
{
    static const char *const truth[] = {"false", "true", NULL};
    int index = find_word(key->type == KEY_BOOL ? truth : key->words, text);
    if (index < 0)
        return fault(key->type == KEY_BOOL ? "wrong_type" : "bad_value", NULL, NULL);
    store(key, base, (uint64_t)index);
    return fine;
}

static struct key_fault read_text(const struct key *key, const char *text, size_t len, void *base)
{
    bool valid = key->flags & KEY_VERSIONED ? value_versioned_valid(text, len, key->max)
                 : key->type == KEY_NAME    ? value_name_valid(text, len, key->max)
                 : key->type == KEY_DEVICE  ? value_device_valid(text, len)
                                            : value_text_valid(text, len) && len > 0;
    if (!valid)
        return fault("bad_value", NULL, NULL);
    if (len >= key->width)
        return fault("out_of_range",
                     key->type == KEY_TEXT ? NULL : "longer than the 255 bytes there is room for",
                     NULL);
    memcpy((char *)base + key->offset, text, len + 1);
    return fine;
}

static struct key_fault read_decimal(const struct key *key, const char *text, size_t len,
                                     void *base)
{
    int rc = value_decimal_read(text, len, (char *)base + key->offset);
    return rc < 0 ? fault(rc == -ERANGE ? "out_of_range" : "wrong_type", NULL, NULL) : fine;
}

static struct key_fault read_scalar(const struct key *key, const char *text, size_t len, void *base)
{
    switch (key->type) {
    case KEY_DATE:
        return read_date(key, text, len, base);
    case KEY_BOOL:
    case KEY_CHOICE:
        return read_word(key, text, base);
    case KEY_NAME:
    case KEY_PATH:
    case KEY_DEVICE:
    case KEY_TEXT:
        return read_text(key, text, len, base);
    case KEY_DECIMAL:
        return read_decimal(key, text, len, base);
    case KEY_MAC:
        if (value_mac(text, len, (uint8_t *)base + key->offset) < 0)
            return fault("bad_value", NULL, NULL);
        return fine;
    default:
        return read_quantity(key, text, len, base);
    }
}

static struct key_fault read_address(const struct key *key, const struct yaml_node *node,
                                     void *base, uint32_t index)
{
    struct conf_addr *addrs = (void *)((char *)base + key->offset);
    if (value_address(node->text, &addrs[index]) < 0)
        return fault("bad_value", NULL, node);
    for (uint32_t i = 0; i < index; i++)
        if (memcmp(addrs[i].bytes, addrs[index].bytes, 16) == 0 &&
            addrs[i].family == addrs[index].family)
            return fault("conflict", "this address is in the list already", node);
    return fine;
}

typedef char item_name[CONF_NAME_MAX + 1];

static struct key_fault read_item(const struct key *key, const struct yaml_node *node, void *base,
                                  uint32_t index)
{
    item_name *names = *(item_name **)(void *)((char *)base + key->offset);
    if (node->len < 1 || node->len > CONF_NAME_MAX || !value_text_valid(node->text, node->len))
        return fault("bad_value", NULL, node);
    memcpy(names[index], node->text, node->len + 1);
    for (uint32_t i = 0; i < index; i++)
        if (strcmp(names[i], names[index]) == 0)
            return fault("conflict", "this item is in the list already", node);
    return fine;
}

static int find_type(const struct conf *conf, const char *name)
{
    for (uint32_t i = 0; i < conf->events.type_count; i++)
        if (strcmp(conf->events.types[i].name, name) == 0)
            return (int)i;
    return -1;
}

static struct key_fault read_bit(const struct key *key, const struct conf *conf,
                                 const struct yaml_node *node, void *base)
{
    int index =
        key->type == KEY_TYPES ? find_type(conf, node->text) : find_word(key->words, node->text);
    if (index < 0)
        return fault("bad_value", NULL, node);
    bool *bools = (bool *)base + key->offset;
    uint64_t bits = key->type == KEY_BOOLS ? 0 : key_fetch(key, base);
    if (key->type == KEY_BOOLS ? bools[index] : (bits >> index & 1))
        return fault("conflict", "this word is in the list already", node);
    if (key->type == KEY_BOOLS)
        bools[index] = true;
    else
        store(key, base, bits | 1ull << index);
    return fine;
}

/* Makes room for a list's values and forgets what was there. */
static struct key_fault begin_list(const struct key *key, uint32_t count, void *base)
{
    if (count < key->min)
        return fault("bad_value", NULL, NULL);
    if (count > key->max)
        return fault("out_of_range", NULL, NULL);
    if (key->type == KEY_ITEMS) {
        item_name **names = (void *)((char *)base + key->offset);
        if (*names)
            return fault("conflict", "given twice", NULL);
        *names = calloc(count, sizeof **names);
        if (!*names)
            return fault("unreadable", "not enough memory", NULL);
    }
    if (key->type == KEY_ITEMS || key->type == KEY_ADDRESSES)
        *key_count(key, base) = count;
    else if (key->type != KEY_BOOLS)
        store(key, base, 0);
    return fine;
}

static struct key_fault read_list(const struct key *key, const struct conf *conf,
                                  const struct yaml_node *node, void *base)
{
    bool single = node->kind == YAML_SCALAR; /* one word stands for a list of one */
    struct key_fault result = begin_list(key, single ? 1 : node->count, base);
    uint32_t index = 0;
    for (const struct yaml_node *one = single ? node : node->first; one && !result.code;
         one = single ? NULL : one->next, index++) {
        if (one->kind != YAML_SCALAR)
            return fault("wrong_type", NULL, one);
        if (one->broken)
            continue;
        if (key->type == KEY_ADDRESSES)
            result = read_address(key, one, base, index);
        else if (key->type == KEY_ITEMS)
            result = read_item(key, one, base, index);
        else
            result = read_bit(key, conf, one, base);
    }
    return result;
}

static struct conf_variant *find_variant(const struct key *key, void *base, const char *name)
{
    struct conf_variant *variants = (void *)((char *)base + key->offset);
    for (uint32_t i = 0; i < *key_count(key, base); i++)
        if (strcmp(variants[i].name, name) == 0)
            return &variants[i];
    return NULL;
}

/* The weights by name make the variants; the rewards by name are given to them. */
static struct key_fault read_variant(const struct key *key, const struct yaml_node *node,
                                     void *base)
{
    const char *name = node->key->text;
    struct conf_variant *variant = find_variant(key, base, name);
    uint64_t weight;
    if (node->broken)
        return fine;
    if (key->type == KEY_REWARDS) {
        if (!variant)
            return fault("bad_value", "the hunt's variants have none of this name", node->key);
        if (node->kind != YAML_SCALAR || node->len < 1 || node->len > CONF_NAME_MAX ||
            !value_text_valid(node->text, node->len))
            return fault("bad_value", NULL, node);
        memcpy(variant->reward, node->text, node->len + 1);
        return fine;
    }
    if (!value_name_valid(name, node->key->len, CONF_NAME_MAX))
        return fault("bad_value",
                     "the name of a variant is 1 to 64 characters of A-Z a-z 0-9 . _ -", node->key);
    if (node->kind != YAML_SCALAR || value_number(node->text, node->len, &weight) < 0)
        return fault("wrong_type", NULL, node);
    if (weight > key->max)
        return fault("out_of_range", NULL, node);
    variant = (struct conf_variant *)(void *)((char *)base + key->offset) + *key_count(key, base);
    ++*key_count(key, base);
    memcpy(variant->name, name, node->key->len + 1);
    variant->weight = (uint32_t)weight;
    return fine;
}

static struct key_fault read_variants(const struct key *key, const struct yaml_node *map,
                                      void *base)
{
    struct key_fault result = fine;
    if (map->kind != YAML_MAP)
        return fault("wrong_type", NULL, NULL);
    if (key->type == KEY_VARIANTS && (map->count < 1 || map->count > CONF_VARIANTS_MAX))
        return fault("out_of_range", NULL, NULL);
    for (const struct yaml_node *one = map->first; one && !result.code; one = one->next)
        result = read_variant(key, one, base);
    return result;
}

struct key_fault key_read(const struct key *key, const struct conf *conf,
                          const struct yaml_node *node, void *base)
{
    if (node->broken)
        return fine;
    if (yaml_empty(node))
        return fault("bad_value", "has no value", NULL);
    if (key->type == KEY_VARIANTS || key->type == KEY_REWARDS)
        return read_variants(key, node, base);
    if (node->kind == YAML_MAP)
        return fault("wrong_type", NULL, NULL);
    if (key->type >= KEY_ADDRESSES)
        return read_list(key, conf, node, base);
    if (node->kind != YAML_SCALAR)
        return fault("wrong_type", NULL, NULL);
    return read_scalar(key, node->text, node->len, base);
}

void key_set_default(const struct key *key, const struct conf *conf, void *base)
{
    if (key->fallback) {
        struct key_fault result = read_scalar(key, key->fallback, strlen(key->fallback), base);
        (void)result; /* a test reads every default of the table */
    } else if (key->type == KEY_DATE || key->type == KEY_TIME) {
        store(key, base, key->unset);
    } else if (key->type == KEY_TYPES) {
        uint32_t count = conf->events.type_count;
        store(key, base, count < 64 ? (1ull << count) - 1 : UINT64_MAX);
    } else if (key->type == KEY_BITS) {
        uint32_t count = 0;
        while (key->words[count])
            count++;
        store(key, base, (1ull << count) - 1);
    }
}
