/* key.h - what a row of the table of keys is, and how each type of value is read, described and
 * printed.
 *
 * A row says where its value lies in the struct of its set; nothing else in conf/ knows keys by
 * name, but for the few rules that tie two of them together (check.c).
 *
 * Memory:  rows are constant.  Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "conf/conf.h"
#include "conf/yaml.h"

enum key_type {
    KEY_SECTION, /* a mapping of further keys, in the same struct */
    KEY_LIST,    /* a list of mappings, each a struct */
    KEY_MAP,     /* the same, as a mapping from the element's name */
    KEY_NUMBER,
    KEY_SIZE,  /* bytes, kept divided by `scale` */
    KEY_TIME,  /* nanoseconds */
    KEY_FIXED, /* decimal, 16.16 */
    KEY_DATE,  /* RFC 3339, milliseconds since 1970 */
    KEY_BOOL,
    KEY_CHOICE, /* index of a word */
    KEY_NAME,
    KEY_PATH,
    KEY_DEVICE,
    KEY_MAC,
    KEY_DECIMAL,   /* text of a number as JSON writes it */
    KEY_TEXT,      /* any text */
    KEY_ADDRESSES, /* struct conf_addr[CONF_ADDRS_MAX], and their count */
    KEY_ITEMS,     /* names allocated, and their count */
    KEY_BITS,      /* several of the words: a bit each */
    KEY_BOOLS,     /* several of the words: a bool each, one behind the other */
    KEY_TYPES,     /* names of event types: a bit each, as events.types has them */
    KEY_VARIANTS,  /* struct conf_variant[CONF_VARIANTS_MAX] and their count: weights by name */
    KEY_REWARDS,   /* the rewards of those: texts by name */
    KEY_TEMPLATES, /* keys of hunts by name, read where hunts name them and not kept */
};

enum key_flag {
    KEY_HOT = 1 << 0, /* changes while running; else at the next start */
    KEY_REQUIRED = 1 << 1,
    KEY_AUTO = 1 << 2,       /* may be `auto`: all ones; for a list, a bool at auto_offset */
    KEY_POWER = 1 << 3,      /* a power of two */
    KEY_TRAIL = 1 << 4,      /* of trail hunts, */
    KEY_BASKET = 1 << 5,     /* of basket hunts, */
    KEY_TILES = 1 << 6,      /* of tiles hunts; of none of them: of any hunt */
    KEY_VERSIONED = 1 << 16, /* a name may end in @ and a version */
};

#define KEY_KINDS (KEY_TRAIL | KEY_BASKET | KEY_TILES)

struct key_set;

struct key {
    const char *name;
    enum key_type type;
    unsigned flags;
    uint32_t offset;
    uint32_t width; /* bytes of an integer, or of a text with its NUL; 0: checked, not kept */
    uint32_t count_offset;
    uint32_t auto_offset;
    uint64_t min, max; /* of a number, a size, a time; of an array: elements */
    uint64_t scale;
    uint64_t unset;           /* date, time: what says that the key is absent */
    const char *fallback;     /* the default, as one would write it */
    const char *absent;       /* what it means that a key without default is absent */
    const char *const *words; /* NULL behind the last */
    const struct key_set *set;
    const char *help;
};

struct reader;

/* The keys of one mapping. */
struct key_set {
    const char *noun;       /* of one such mapping, in messages */
    const struct key *keys; /* a row without name behind the last */
    const struct key *id;   /* of a list or map: the key by which elements are told apart */
    uint32_t bytes;         /* of the struct that an element is */
    uint32_t place_offset;
    void (*check)(struct reader *reader, const struct yaml_node *map, void *base);
};

/* Why a value was not taken; code NULL when it was.  text NULL: not what key_describe says. */
struct key_fault {
    const char *code;
    const char *text;
    const struct yaml_node *node; /* in a list: which one */
};

/* key_read reads a node into base + key->offset. conf is where the event types are. */
struct key_fault key_read(const struct key *key, const struct conf *conf,
                          const struct yaml_node *node, void *base);

/* key_set_default stores what an absent key means. */
void key_set_default(const struct key *key, const struct conf *conf, void *base);

/* key_print writes the value as one would in YAML, nothing when it is absent. */
void key_print(const struct key *key, const struct conf *conf, const void *base, FILE *out);

/* key_describe writes what a value has to be: "a whole number from 1 to 16". */
void key_describe(const struct key *key, FILE *out);

/* key_fetch returns an integer's value, 0 for what is none. */
uint64_t key_fetch(const struct key *key, const void *base);

static inline bool key_is_set(const struct key *key)
{
    return key->type <= KEY_MAP;
}

/* key_count and key_element reach the elements of a list or map. */
static inline uint32_t *key_count(const struct key *key, void *base)
{
    return (uint32_t *)(void *)((char *)base + key->count_offset);
}

static inline void *key_element(const struct key *key, void *base, uint32_t i)
{
    return (char *)base + key->offset + (size_t)i * key->set->bytes;
}
