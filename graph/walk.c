/* walk.c - best-first spreading activation with a heap and a generation-stamped table. */
#include "graph/walk.h"

#include <assert.h>
#include <string.h>

#include "graph/mix.h"

#define WALK_EXPANDED UINT32_MAX

/* A queue entry orders itself: energy, then lower item id, then fewer hops; the slot comes along.
 */
#define KEY_SLOT_BITS 13
#define KEY_HOP_BITS  2
#define KEY_ITEM_BITS 32
#define HOP_MAX       ((1u << KEY_HOP_BITS) - 1)

static_assert(WALK_SLOTS_MAX == 1u << KEY_SLOT_BITS, "a slot fits in a queue entry");
static_assert(WALK_SLOTS_MAX >= 4 * (WALK_BUDGET_MAX + WALK_SOURCES_MAX),
              "three of four slots are free: hardly a probe meets another item");

static uint64_t key_of(uint32_t energy, uint32_t item, uint32_t hop, uint32_t slot)
{
    return (uint64_t)energy << (KEY_ITEM_BITS + KEY_HOP_BITS + KEY_SLOT_BITS) |
           (uint64_t)(uint32_t)~item << (KEY_HOP_BITS + KEY_SLOT_BITS) |
           (uint64_t)(HOP_MAX - hop) << KEY_SLOT_BITS | slot;
}

/* queue[0] is more than any entry, so that what rises stops there. */
static void queue_push(struct walk *w, uint64_t key)
{
    uint32_t at = ++w->queue_count;
    for (; w->queue[at / 2] < key; at /= 2)
        w->queue[at] = w->queue[at / 2];
    w->queue[at] = key;
}

/* queue_pop lets the hole that the highest leaves sink to the bottom, always on the side of the
 * higher child, and the last entry rise from there: it belongs near the bottom, so hardly a branch
 * is a surprise. */
static uint64_t queue_pop(struct walk *w)
{
    uint64_t *queue = w->queue, top = queue[1], last = queue[w->queue_count];
    uint32_t at = 1, count = --w->queue_count;
    queue[count + 1] = 0; /* less than any entry, for a child that has no sibling */
    for (uint32_t child; (child = 2 * at) <= count; at = child) {
        child += queue[child + 1] > queue[child];
        queue[at] = queue[child];
    }
    for (; queue[at / 2] < last; at /= 2)
        queue[at] = queue[at / 2];
    queue[at] = last;
    return top;
}

static uint64_t rank_of(uint32_t score, uint32_t item)
{
    return (uint64_t)score << 32 | (uint32_t)~item;
}

static uint32_t item_of(const struct walk *w, uint32_t slot)
{
    return ~(uint32_t)w->slots[slot].rank;
}

/* credit adds to an item's score and returns its slot, a new one when the walk meets it first.  The
 * table is a copy, which no store to a slot can change. */
static inline uint32_t credit(struct walk *w, struct walk_table *table, uint32_t item,
                              uint32_t share)
{
    uint32_t at = item * 0x9e3779b1u >> table->shift;
    while (w->slots[at].generation == table->generation) {
        if ((uint32_t)w->slots[at].rank == ~item) {
            w->slots[at].rank += (uint64_t)share << 32;
            return at;
        }
        at = (at + 1) & UINT32_MAX >> table->shift;
    }
    struct walk_slot *slot = &w->slots[at];
    slot->rank = rank_of(share, item);
    slot->generation = table->generation;
    slot->energy = 0;
    w->seen[table->seen_count++] = (uint16_t)at;
    return at;
}

/* share_of returns energy * strength / UINT16_MAX, energy being at most WALK_ONE: for products up
 * to 65536 * 65535 the remainder of 65536 is all that the division by it leaves out. */
static uint32_t share_of(uint32_t energy, uint16_t strength)
{
    uint64_t product = (uint64_t)energy * strength;
    return (uint32_t)((product + (product >> 16) + 1) >> 16);
}

static void begin(struct walk *w, uint32_t budget)
{
    assert(budget <= WALK_BUDGET_MAX);
    w->table.shift = (uint32_t)__builtin_clz(4 * (budget + WALK_SOURCES_MAX) - 1);
    w->table.seen_count = 0;
    w->queue_count = 0;
    w->queue[0] = UINT64_MAX;
    if (!++w->table.generation) {
        memset(w->slots, 0, sizeof w->slots);
        w->table.generation = 1;
    }
}

static void queue_item(struct walk *w, const struct catalog *catalog, uint32_t item, uint32_t slot,
                       uint32_t energy, uint32_t hop)
{
    w->slots[slot].energy = energy;
    catalog_prefetch_node(catalog, item);
    queue_push(w, key_of(energy, item, hop, slot));
}

/* pass_on gives energy to the targets of edges. */
static void pass_on(struct walk *w, const struct catalog_edge *edges, uint32_t count,
                    uint32_t energy)
{
    struct walk_table table = w->table;
    for (uint32_t i = 0; i < count; i++)
        credit(w, &table, edges[i].to, share_of(energy, edges[i].strength));
    w->table = table;
}

/* pass_further has the targets expanded in turn, at a hop. */
static void pass_further(struct walk *w, const struct catalog *catalog,
                         const struct catalog_edge *edges, uint32_t count, uint32_t energy,
                         uint32_t hop)
{
    struct walk_table table = w->table;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t share = share_of(energy, edges[i].strength);
        uint32_t slot = credit(w, &table, edges[i].to, share);
        /* What it was queued with before, and more, comes first anyway. */
        if (share >= WALK_FLOOR && share >= w->slots[slot].energy)
            queue_item(w, catalog, edges[i].to, slot, share, hop);
    }
    w->table = table;
}

/* expand passes an item's energy on along its edges. */
static void expand(struct walk *w, const struct rules_hunt *hunt, uint32_t item, uint32_t energy,
                   uint32_t hop, struct walk_result *result)
{
    const struct catalog_edge *edges = NULL;
    uint32_t count = catalog_edges(hunt->catalog, item, &edges);
    count = count < hunt->max_fanout ? count : hunt->max_fanout;
    if (count > hunt->budget - result->edge_count) {
        count = hunt->budget - result->edge_count;
        result->stopped = true;
    }
    result->edge_count += count;
    uint32_t decayed = (uint32_t)((uint64_t)energy * hunt->decay >> 16);
    if (hop + 1 < hunt->max_depth)
        pass_further(w, hunt->catalog, edges, count, decayed, hop + 1);
    else
        pass_on(w, edges, count, decayed);
}

/* tell_best puts the items with the highest scores in order. */
static void tell_best(const struct walk *w, uint32_t want, struct walk_result *result)
{
    uint64_t best[WALK_BEST_MAX], least = UINT32_MAX; /* no score is no rank */
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->table.seen_count; i++) {
        uint64_t rank = w->slots[w->seen[i]].rank;
        if (rank <= least)
            continue;
        uint32_t at = count < want ? count++ : count - 1;
        for (; at && best[at - 1] < rank; at--)
            best[at] = best[at - 1];
        best[at] = rank;
        if (count == want)
            least = best[want - 1];
    }
    result->best_count = count;
    for (uint32_t i = 0; i < count; i++) {
        result->best[i] = ~(uint32_t)best[i];
        result->sum += (uint32_t)(best[i] >> 32);
    }
}

void walk_run(struct walk *w, const struct rules_hunt *hunt, const uint32_t *sources,
              uint32_t source_count, struct walk_result *result)
{
    assert(source_count <= WALK_SOURCES_MAX && hunt->basket_items <= WALK_BEST_MAX);
    *result = (struct walk_result){0};
    begin(w, hunt->budget);
    for (uint32_t i = 0; i < source_count; i++)
        queue_item(w, hunt->catalog, sources[i], credit(w, &w->table, sources[i], 0), WALK_ONE, 0);
    while (w->queue_count && !result->stopped) {
        uint64_t key = queue_pop(w);
        if (w->queue_count)
            catalog_prefetch(hunt->catalog, item_of(w, w->queue[1] & (WALK_SLOTS_MAX - 1)));
        struct walk_slot *slot = &w->slots[key & (WALK_SLOTS_MAX - 1)];
        if (slot->energy == WALK_EXPANDED)
            continue;
        slot->energy = WALK_EXPANDED;
        uint32_t hop = HOP_MAX - (uint32_t)(key >> KEY_SLOT_BITS & HOP_MAX);
        uint32_t energy = (uint32_t)(key >> (KEY_ITEM_BITS + KEY_HOP_BITS + KEY_SLOT_BITS));
        expand(w, hunt, ~(uint32_t)slot->rank, energy, hop, result);
    }
    if (hunt->basket_items)
        tell_best(w, hunt->basket_items, result);
}
