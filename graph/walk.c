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

static void queue_push(struct walk *w, uint64_t key)
{
    uint32_t at = w->queue_count++;
    while (at && w->queue[(at - 1) / 2] < key) {
        w->queue[at] = w->queue[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    w->queue[at] = key;
}

/* queue_pop lets the hole that the highest leaves sink to the bottom, always on the side of the
 * higher child, and the last entry rise from there: it belongs near the bottom, so hardly a branch
 * is a surprise. */
static uint64_t queue_pop(struct walk *w)
{
    uint64_t *queue = w->queue, top = queue[0], last = queue[--w->queue_count];
    uint32_t at = 0, count = w->queue_count;
    queue[count] = 0; /* less than any entry, for a child that has no sibling */
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        child += queue[child + 1] > queue[child];
        queue[at] = queue[child];
    }
    for (; at && queue[(at - 1) / 2] < last; at = (at - 1) / 2)
        queue[at] = queue[(at - 1) / 2];
    queue[at] = last;
    return top;
}

/* slot_of returns the slot of an item, new with nothing in it when the walk meets it first. */
static uint32_t slot_of(struct walk *w, uint32_t generation, uint32_t slot_bits, uint32_t item)
{
    uint64_t tag = (uint64_t)generation << 32 | item;
    uint32_t mask = (1u << slot_bits) - 1;
    uint32_t at = item * 0x9e3779b1u >> (32 - slot_bits);
    for (; w->slots[at].tag != tag; at = (at + 1) & mask) {
        if (w->slots[at].tag >> 32 == generation)
            continue;
        w->slots[at] = (struct walk_slot){.tag = tag};
        w->seen[w->seen_count++] = (uint16_t)at;
        break;
    }
    return at;
}

static void begin(struct walk *w, uint32_t budget)
{
    assert(budget <= WALK_BUDGET_MAX);
    w->slot_bits = 6;
    while (1u << w->slot_bits < 4 * (budget + WALK_SOURCES_MAX))
        w->slot_bits++;
    w->seen_count = 0;
    w->queue_count = 0;
    if (!++w->generation) {
        memset(w->slots, 0, sizeof w->slots);
        w->generation = 1;
    }
}

static uint32_t item_of(const struct walk *w, uint32_t slot)
{
    return (uint32_t)w->slots[slot].tag;
}

static void queue_item(struct walk *w, const struct catalog *catalog, uint32_t slot,
                       uint32_t energy, uint32_t hop)
{
    w->slots[slot].energy = energy;
    catalog_prefetch_node(catalog, item_of(w, slot));
    queue_push(w, key_of(energy, item_of(w, slot), hop, slot));
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
    bool further = hop + 1 < hunt->max_depth;
    /* Copies, which no store to a slot can change. */
    const struct catalog_edge *edge = edges;
    uint32_t generation = w->generation, slot_bits = w->slot_bits;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t share = (uint32_t)((uint64_t)decayed * edge[i].strength / UINT16_MAX);
        uint32_t slot = slot_of(w, generation, slot_bits, edge[i].to);
        w->slots[slot].score += share;
        /* What it was queued with before, and more, comes first anyway. */
        if (further && share >= WALK_FLOOR && share >= w->slots[slot].energy)
            queue_item(w, hunt->catalog, slot, share, hop + 1);
    }
}

/* tell_best puts the items with the highest scores in order. */
static void tell_best(const struct walk *w, uint32_t want, struct walk_result *result)
{
    uint64_t best[WALK_BEST_MAX], least = UINT32_MAX; /* no score is no rank */
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->seen_count; i++) {
        const struct walk_slot *slot = &w->slots[w->seen[i]];
        uint64_t rank = (uint64_t)slot->score << 32 | (uint32_t)~slot->tag;
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
        queue_item(w, hunt->catalog, slot_of(w, w->generation, w->slot_bits, sources[i]), WALK_ONE,
                   0);
    while (w->queue_count && !result->stopped) {
        uint64_t key = queue_pop(w);
        if (w->queue_count)
            catalog_prefetch(hunt->catalog, item_of(w, w->queue[0] & (WALK_SLOTS_MAX - 1)));
        struct walk_slot *slot = &w->slots[key & (WALK_SLOTS_MAX - 1)];
        if (slot->energy == WALK_EXPANDED)
            continue;
        slot->energy = WALK_EXPANDED;
        uint32_t hop = HOP_MAX - (uint32_t)(key >> KEY_SLOT_BITS & HOP_MAX);
        uint32_t energy = (uint32_t)(key >> (KEY_ITEM_BITS + KEY_HOP_BITS + KEY_SLOT_BITS));
        expand(w, hunt, (uint32_t)slot->tag, energy, hop, result);
    }
    if (hunt->basket_items)
        tell_best(w, hunt->basket_items, result);
}
