/* rules.h - what a configuration version means to the decision path: types, hunts and catalogs
 * compiled to what shard_apply reads.
 *
 * Built whole beside the old one by the control thread, published by the topology, never changed
 * after.
 *
 * Memory:  one tree, freed with rules_free after a grace period.  Threads: any may read.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "dataplane/base/event.h"
#include "dataplane/base/hash.h"
#include "graph/catalog.h"
#include "graph/schema.h"
#include "graph/tiles.h"

#define RULES_TYPE_SLOTS 256 /* open addressing over at most CONF_TYPES_MAX types */

struct rules_type {
    uint64_t key;            /* hash64 of the name; 0 in an empty slot */
    uint64_t hunts;          /* bit i: hunt i listens */
    uint8_t require, forbid; /* EVENT_HAS_ITEM | EVENT_HAS_TILE */
    bool strict;
    struct schema *schema; /* of data; NULL: nothing is declared */
};

struct rules_variant {
    uint16_t tag;        /* conf_variant_tag: what progress keeps */
    uint64_t weight_end; /* sum of the weights up to and with this one */
    char name[CONF_NAME_MAX + 1];
    char reward[CONF_NAME_MAX + 1];
};

struct rules_hunt {
    uint64_t key; /* hash64 of the name: user state belongs to this, not to the index */
    enum conf_hunt_kind kind;
    struct hash128 mark; /* progress_mark: another kind of hunt under the same name has no use for
                            the old one's progress */
    bool once;
    uint64_t cooldown_ns;
    int64_t starts_ms, ends_ms;
    uint32_t max_depth, max_fanout, budget;
    uint64_t min_step_ns;
    uint32_t recent, basket_items, threshold, decay;
    uint64_t ttl_ns;
    uint32_t start_count, treasure_count;
    uint32_t *start;               /* item ids, sorted */
    uint32_t *treasure;            /* item ids, sorted */
    const struct catalog *catalog; /* NULL for tiles */
    uint32_t tiles, live;
    uint64_t period_ns, map_ttl_ns;
    uint64_t series; /* claims belong to this: the hunt and its seed and period */
    struct tiles_key tiles_key;
    uint32_t variant_count;
    struct rules_variant variants[CONF_VARIANTS_MAX];
    char name[CONF_NAME_MAX + 1];
    uint32_t name_len;
};

struct rules {
    uint32_t version; /* of the configuration */
    struct event_limits limits;
    bool dedupe_shorten; /* else an id for which there is no room is refused */
    uint64_t dedupe_window_ns, skew_tolerance_ns, skew_reject_ns, lateness_ns, user_ttl_ns;
    uint32_t hunt_count;
    uint64_t tile_hunts; /* bit i: hunt i is one of tiles */
    struct rules_hunt hunts[CONF_HUNTS_MAX];
    struct rules_type types[RULES_TYPE_SLOTS];
    struct hash_key key;
    const struct items
        *items; /* names of ids, for outcomes; append-only and longer-lived than any rules */
    uint32_t catalog_count;
    struct catalog *catalogs[CONF_HUNTS_MAX]; /* each file once */
};

/* rules_type_slot returns where a type is, or the empty slot where it would be. */
static inline uint32_t rules_type_slot(const struct rules *rules, uint64_t type_key)
{
    uint32_t at = type_key % RULES_TYPE_SLOTS;
    while (rules->types[at].key && rules->types[at].key != type_key)
        at = (at + 1) % RULES_TYPE_SLOTS;
    return at;
}

/* rules_build compiles conf, loading its catalogs.  Returns the rules, or NULL with the faults in
 * *diags: a catalog that cannot be read, a start or treasure that is in no catalog. */
struct rules *rules_build(const struct conf *conf, uint32_t version, const struct hash_key *key,
                          struct items *items, struct diag_list *diags);
void rules_free(struct rules *rules);

/* rules_find_type returns the type of a name's hash, NULL when there is none. */
static inline const struct rules_type *rules_find_type(const struct rules *rules, uint64_t type_key)
{
    const struct rules_type *type = &rules->types[rules_type_slot(rules, type_key)];
    return type->key ? type : NULL;
}

/* rules_variant_of returns the index of the variant with a tag, -1 when there is none. */
int rules_variant_of(const struct rules_hunt *hunt, uint16_t tag);

/* rules_assign returns the index of the variant that the hunt's weights give to a user: the same as
 * long as they stay.  The hunt has variants. */
uint32_t rules_assign(const struct rules *rules, const struct rules_hunt *hunt,
                      struct hash128 user_key);

int rules_find_hunt(const struct rules *rules, uint64_t hunt_key); /* index, or -1 */
