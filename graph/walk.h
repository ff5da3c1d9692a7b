/* walk.h - spreading activation over a catalog: what some items together point at.
 *
 * Integers only, 16.16 fixed point, so that every host finds the same.  Sources have energy 1.0 at
 * hop 0.  Nodes are expanded best first (energy descending, then item id ascending, then hops
 * ascending), each at most once: an edge passes on (energy * decay / 65536) * strength / 65535, cut
 * to a whole number after each division, which adds to its target's score, and the target is
 * expanded in turn when it is less than max_depth hops away and got at least WALK_FLOOR. What flows
 * into an item is its score; to be a source is none.
 *
 * Memory:  scratch of a fixed size, reused by every walk of a shard without being cleared: slots
 * carry the walk's generation.
 * Threads: one walk at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "graph/rules.h"

#define WALK_ONE         (1u << 16)
#define WALK_FLOOR       (WALK_ONE / 256)
#define WALK_BUDGET_MAX  CONF_EVENT_EDGES_MAX
#define WALK_SOURCES_MAX 16u
#define WALK_ITEMS_MAX   (WALK_BUDGET_MAX + WALK_SOURCES_MAX)
#define WALK_SLOTS_MAX   8192u
#define WALK_BEST_MAX    16u

/* The items of one walk: by number, in the order in which it met them. */
struct walk_table {
    uint32_t generation;
    uint32_t shift; /* there are 2^(32 - shift) slots: small walks stay in a small place */
    uint32_t count;
};

struct walk {
    struct walk_table table;
    uint32_t queue_count, wave_count;
    uint64_t rank[WALK_ITEMS_MAX];      /* score and, below it, ~item: the higher comes first */
    uint32_t energy[WALK_ITEMS_MAX];    /* to expand it with; UINT32_MAX once it was expanded */
    uint64_t queue[WALK_ITEMS_MAX + 1]; /* a binary heap from [1] on, the highest first */
    uint16_t wave[WALK_ITEMS_MAX];      /* to be expanded one after the other, by number */
    uint64_t slots[WALK_SLOTS_MAX];     /* a walk's generation and, below it, an item of it */
    uint16_t number[WALK_SLOTS_MAX];    /* of the slot's item */
};

struct walk_result {
    uint32_t edge_count;          /* visited, at most the hunt's budget */
    bool stopped;                 /* the budget was used up before the walk was done */
    uint32_t best_count;          /* items with a score, at most the hunt's basket_items */
    uint32_t sum;                 /* of their scores */
    uint32_t best[WALK_BEST_MAX]; /* by score descending, then item id ascending */
};

void walk_run(struct walk *walk, const struct rules_hunt *hunt, const uint32_t *sources,
              uint32_t source_count, struct walk_result *result);
