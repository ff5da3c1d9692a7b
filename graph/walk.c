/* walk.c - best-first spreading activation, with a heap where the order matters, and a
 * generation-stamped table.
 *
 * A guess that the processor gets wrong costs more than an edge, and what a walk meets cannot be
 * guessed.  So an item that is met again is no branch, and what is expanded whatever comes is not
 * put in order first. */
#include "graph/walk.h"

#include <assert.h>
#include <string.h>

#include "graph/mix.h"

#define WALK_EXPANDED UINT32_MAX

/* A queue entry orders itself: energy, then lower item id, then fewer hops; the number comes along.
 */
#define KEY_NUMBER_BITS 13
#define KEY_HOP_BITS    2
#define KEY_ITEM_BITS   32
#define HOP_MAX         ((1u << KEY_HOP_BITS) - 1)
#define NUMBER_MAX      ((1u << KEY_NUMBER_BITS) - 1)

#define SORT_MAX   64u /* items to be compared each with each */
#define WAVE_AHEAD 4u  /* items whose edges are on their way */

static_assert(WALK_ITEMS_MAX - 1 <= NUMBER_MAX, "a number fits in a queue entry");
static_assert(WALK_SLOTS_MAX >= 4 * WALK_ITEMS_MAX,
              "three of four slots are free: hardly a probe meets another item");

static uint64_t key_of(uint32_t energy, uint32_t item, uint32_t hop, uint32_t number)
{
    return (uint64_t)energy << (KEY_ITEM_BITS + KEY_HOP_BITS + KEY_NUMBER_BITS) |
           (uint64_t)(uint32_t)~item << (KEY_HOP_BITS + KEY_NUMBER_BITS) |
           (uint64_t)(HOP_MAX - hop) << KEY_NUMBER_BITS | number;
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

static uint32_t item_of(const struct walk *w, uint32_t number)
{
    return ~(uint32_t)w->rank[number];
}

/* credit adds to an item's score and returns its number, a new one when the walk meets it first: a
 * mask, no branch.  The table is a copy, which no store can change. */
static inline uint32_t credit(struct walk *w, struct walk_table *table, uint32_t item,
                              uint32_t share)
{
    uint64_t key = (uint64_t)table->generation << 32 | item, differs;
    uint32_t at = item * 0x9e3779b1u >> table->shift;
    /* From another item's key of this walk it differs in the lower half alone. */
    while (__builtin_expect((differs = w->slots[at] ^ key) - 1 < UINT32_MAX, 0))
        at = (at + 1) & UINT32_MAX >> table->shift;
    uint64_t known = -(uint64_t)(differs == 0);
    uint32_t number = (w->number[at] & (uint32_t)known) | (table->count & (uint32_t)~known);
    w->slots[at] = key;
    w->number[at] = (uint16_t)number;
    uint64_t score = (w->rank[number] >> 32 & known) + share;
    w->rank[number] = score << 32 | (uint32_t)~item;
    w->energy[number] &= (uint32_t)known;
    table->count += 1 + (uint32_t)known;
    return number;
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
    w->table.count = 0;
    w->queue_count = 0;
    w->queue[0] = UINT64_MAX;
    if (!++w->table.generation) {
        memset(w->slots, 0, sizeof w->slots);
        w->table.generation = 1;
    }
}

static uint32_t edges_of(const struct rules_hunt *hunt, uint32_t item,
                         const struct catalog_edge **edges)
{
    uint32_t count = catalog_edges(hunt->catalog, item, edges);
    return count < hunt->max_fanout ? count : hunt->max_fanout;
}

static uint32_t decayed(const struct rules_hunt *hunt, uint32_t energy)
{
    return (uint32_t)((uint64_t)energy * hunt->decay >> 16);
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

/* pass_to_wave keeps the most that each target got, with which the next wave expands it. */
static void pass_to_wave(struct walk *w, const struct catalog *catalog,
                         const struct catalog_edge *edges, uint32_t count, uint32_t energy)
{
    struct walk_table table = w->table;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t share = share_of(energy, edges[i].strength);
        uint32_t number = credit(w, &table, edges[i].to, share), before = w->energy[number];
        w->energy[number] = share > before ? share : before;
        catalog_prefetch_node(catalog, edges[i].to);
    }
    w->table = table;
}

/* pass_to_queue has the targets expanded in turn, at a hop. */
static void pass_to_queue(struct walk *w, const struct catalog *catalog,
                          const struct catalog_edge *edges, uint32_t count, uint32_t energy,
                          uint32_t hop)
{
    struct walk_table table = w->table;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t share = share_of(energy, edges[i].strength);
        uint32_t number = credit(w, &table, edges[i].to, share);
        /* What it was queued with before, and more, comes first anyway. */
        if (share < WALK_FLOOR || share < w->energy[number])
            continue;
        w->energy[number] = share;
        catalog_prefetch_node(catalog, edges[i].to);
        queue_push(w, key_of(share, edges[i].to, hop, number));
    }
    w->table = table;
}

/* take_edges has an item expanded, with as many of its edges as the budget is enough for. */
static uint32_t take_edges(struct walk *w, const struct rules_hunt *hunt, uint32_t number,
                           const struct catalog_edge **edges, struct walk_result *result)
{
    uint32_t count = edges_of(hunt, item_of(w, number), edges);
    w->energy[number] = WALK_EXPANDED;
    if (count > hunt->budget - result->edge_count) {
        count = hunt->budget - result->edge_count;
        result->stopped = true;
    }
    result->edge_count += count;
    return count;
}

/* run_queue expands best first, until there is nothing or the budget is used up. */
static void run_queue(struct walk *w, const struct rules_hunt *hunt, struct walk_result *result)
{
    while (w->queue_count && !result->stopped) {
        uint64_t key = queue_pop(w);
        if (w->queue_count)
            catalog_prefetch(hunt->catalog, item_of(w, w->queue[1] & NUMBER_MAX));
        uint32_t number = key & NUMBER_MAX;
        if (w->energy[number] == WALK_EXPANDED)
            continue;
        const struct catalog_edge *edges;
        uint32_t count = take_edges(w, hunt, number, &edges, result);
        uint32_t hop = HOP_MAX - (uint32_t)(key >> KEY_NUMBER_BITS & HOP_MAX);
        uint32_t energy = (uint32_t)(key >> (KEY_ITEM_BITS + KEY_HOP_BITS + KEY_NUMBER_BITS));
        if (hop + 1 < hunt->max_depth)
            pass_to_queue(w, hunt->catalog, edges, count, decayed(hunt, energy), hop + 1);
        else
            pass_on(w, edges, count, decayed(hunt, energy));
    }
}

/* list_wave makes a wave of what the walk met as many hops away, from a number on, but for what got
 * less than the floor. */
static void list_wave(struct walk *w, uint32_t first)
{
    w->wave_count = 0;
    for (uint32_t i = first; i < w->table.count; i++) {
        w->wave[w->wave_count] = (uint16_t)i;
        w->wave_count += w->energy[i] >= WALK_FLOOR;
    }
}

/* fits says whether the budget is enough for the wave. */
static bool fits(const struct walk *w, const struct rules_hunt *hunt,
                 const struct walk_result *result)
{
    uint32_t sum = result->edge_count;
    for (uint32_t i = 0; i < w->wave_count && sum <= hunt->budget; i++) {
        const struct catalog_edge *edges;
        sum += edges_of(hunt, item_of(w, w->wave[i]), &edges);
    }
    return sum <= hunt->budget;
}

static uint64_t wave_key(const struct walk *w, uint32_t i, uint32_t hop)
{
    uint32_t number = w->wave[i];
    return key_of(w->energy[number], item_of(w, number), hop, number);
}

static void queue_wave(struct walk *w, uint32_t hop)
{
    for (uint32_t i = 0; i < w->wave_count; i++)
        queue_push(w, wave_key(w, i, hop));
}

/* sort_wave puts a wave of at most SORT_MAX in the order of a queue: the place of each is how many
 * are more than it. Either all have the highest bit, as sources, or none has. */
static void sort_wave(struct walk *w, uint32_t hop)
{
    int64_t keys[SORT_MAX];
    for (uint32_t i = 0; i < w->wave_count; i++)
        keys[i] = (int64_t)wave_key(w, i, hop);
    for (uint32_t i = 0; i < w->wave_count; i++) {
        int64_t above = 0;
        for (uint32_t j = 0; j < w->wave_count; j++)
            above += keys[j] > keys[i];
        w->wave[above] = (uint16_t)(keys[i] & NUMBER_MAX);
    }
}

/* run_wave expands in the wave's order, until the budget is used up. */
static void run_wave(struct walk *w, const struct rules_hunt *hunt, bool is_last,
                     struct walk_result *result)
{
    for (uint32_t i = 0; i < w->wave_count && !result->stopped; i++) {
        const struct catalog_edge *edges;
        uint32_t number = w->wave[i], energy = decayed(hunt, w->energy[number]);
        uint32_t count = take_edges(w, hunt, number, &edges, result);
        if (i + WAVE_AHEAD < w->wave_count)
            catalog_prefetch(hunt->catalog, item_of(w, w->wave[i + WAVE_AHEAD]));
        if (is_last)
            pass_on(w, edges, count, energy);
        else
            pass_to_wave(w, hunt->catalog, edges, count, energy);
    }
}

/* tell_best puts the items with the highest scores in order. */
static void tell_best(const struct walk *w, uint32_t want, struct walk_result *result)
{
    uint64_t best[WALK_BEST_MAX], least = UINT32_MAX; /* no score is no rank */
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->table.count; i++) {
        uint64_t rank = w->rank[i];
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
    for (uint32_t i = 0; i < source_count; i++) {
        w->energy[credit(w, &w->table, sources[i], 0)] = WALK_ONE;
        catalog_prefetch_node(hunt->catalog, sources[i]);
    }
    for (uint32_t hop = 0, first = 0; hop < hunt->max_depth; hop++) {
        bool is_last = hop + 1 == hunt->max_depth;
        list_wave(w, first);
        first = w->table.count;
        /* Order matters where the budget ends, and where a longer way brings more than a shorter
         * one that leads further.  No way brings as much as a source has, unless nothing decays. */
        bool in_waves = (!hop || is_last) && hunt->decay < WALK_ONE;
        bool is_enough = in_waves && fits(w, hunt, result);
        if (in_waves && !is_enough && is_last && w->wave_count <= SORT_MAX) {
            sort_wave(w, hop);
        } else if (!is_enough) {
            queue_wave(w, hop);
            run_queue(w, hunt, result);
            break;
        }
        run_wave(w, hunt, is_last, result);
    }
    if (hunt->basket_items)
        tell_best(w, hunt->basket_items, result);
}
