/* state_prefetch.c - what an event will touch is brought in before it is decided. */
#include <assert.h>

#include "dataplane/base/reason.h"
#include "graph/state_impl.h"

#define PREFETCH_HUNTS 4 /* of an event: more would push the first ones out again */

/* tile_of reads the tile that an event names. */
static bool tile_of(const struct rules_hunt *hunt, const struct event *event, struct tile *tile)
{
    uint8_t decoded[TILES_NAME_LEN];
    size_t len;
    const uint8_t *name = state_tile_name(event, decoded, &len);
    return tiles_parse(&hunt->tiles_key, hunt->tiles, name, len, tile);
}

/* lowest returns the lowest PREFETCH_HUNTS bits that are set. */
static uint64_t lowest(uint64_t bits)
{
    if (__builtin_popcountll(bits) <= PREFETCH_HUNTS)
        return bits;
    uint64_t rest = bits;
    for (int i = 0; i < PREFETCH_HUNTS; i++)
        rest &= rest - 1;
    return bits ^ rest;
}

/* prefetch_indexes brings in where the hunts' state is found, prefetch_entries then what is there.
 */
static void prefetch_indexes(const struct partition *partition, const struct rules *rules,
                             const struct event *event, uint64_t hunts)
{
    for (; hunts; hunts &= hunts - 1) {
        const struct rules_hunt *hunt = &rules->hunts[__builtin_ctzll(hunts)];
        struct tile tile;
        if (hunt->kind != CONF_TILES) {
            progress_prefetch_index(&partition->progress,
                                    state_progress_key(hunt, event->user_key));
            catalog_prefetch_find(hunt->catalog, event->item_key);
        } else if (tile_of(hunt, event, &tile)) {
            claims_prefetch_head(&partition->claims, hunt->series, state_tile_word(tile),
                                 event->receive_ns);
        }
    }
}

static void prefetch_edges(const struct catalog *catalog, uint64_t item_key)
{
    uint32_t item = catalog_find(catalog, item_key);
    if (item != ITEM_NONE)
        catalog_prefetch(catalog, item);
}

static void prefetch_entries(const struct partition *partition, const struct rules *rules,
                             const struct event *event, uint64_t hunts)
{
    for (; hunts; hunts &= hunts - 1) {
        const struct rules_hunt *hunt = &rules->hunts[__builtin_ctzll(hunts)];
        struct tile tile;
        if (hunt->kind != CONF_TILES) {
            progress_prefetch_entry(&partition->progress,
                                    state_progress_key(hunt, event->user_key));
            if (hunt->kind == CONF_BASKET) /* a trail looks at edges of what was reached */
                prefetch_edges(hunt->catalog, event->item_key);
        } else if (tile_of(hunt, event, &tile)) {
            claims_prefetch_place(&partition->claims, hunt->series, state_tile_word(tile),
                                  event->receive_ns);
        }
    }
}

void state_prefetch(const struct state *state, const struct rules *rules,
                    const struct event *events, uint32_t count,
                    struct hash128 identities[STATE_BURST_MAX])
{
    uint64_t hunts[STATE_BURST_MAX];
    assert(count <= STATE_BURST_MAX);
    /* In loops of a few instructions each: a prefetch waits for its page to be found, and only what
     * the processor sees at once is looked up side by side. */
    for (uint32_t i = 0; i < count; i++) {
        const struct event *event = &events[i];
        hunts[i] = 0;
        if (event->reason != REASON_none)
            continue;
        const struct rules_type *type = rules_find_type(rules, event->type_key);
        hunts[i] = type ? lowest(state_listening(rules, type, event)) : 0;
        identities[i] = event_dedupe_key(&rules->key, event);
    }
    for (uint32_t i = 0; i < count; i++)
        if (events[i].reason == REASON_none)
            dedupe_prefetch(&state_partition(state, events[i].partition)->dedupe, identities[i]);
    for (uint32_t i = 0; i < count; i++)
        if (hunts[i])
            prefetch_indexes(state_partition(state, events[i].partition), rules, &events[i],
                             hunts[i]);
    for (uint32_t i = 0; i < count; i++) {
        if (events[i].reason != REASON_none)
            continue;
        const struct partition *partition = state_partition(state, events[i].partition);
        dedupe_prefetch_other(&partition->dedupe, identities[i]);
        prefetch_entries(partition, rules, &events[i], hunts[i]);
    }
}

void state_prefetch_rest(const struct partition *partition, const struct rules *rules,
                         const struct event *event, uint64_t hunts)
{
    uint64_t rest = hunts ^ lowest(hunts);
    if (!rest)
        return;
    prefetch_indexes(partition, rules, event, rest);
    prefetch_entries(partition, rules, event, rest);
}
