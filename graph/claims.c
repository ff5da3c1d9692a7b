/* claims.c - a pool of claims, chains that find them, and a ring of lists by when they end. */
#include "graph/claims.h"

#include "graph/mix.h"

#define RECLAIM_MORE 1u /* dead places taken back beyond those that new claims take */

static uint32_t unit_of(uint64_t ns)
{
    return (uint32_t)(ns / CLAIMS_UNIT_NS);
}

static uint32_t head_count_for(uint32_t limit)
{
    return limit + 1;
}

static uint32_t *head_of(const struct claims *c, uint64_t series, uint64_t tile)
{
    uint64_t mixed = mix64(mix64(series) ^ tile);
    return &c->heads[mix_range((uint32_t)(mixed >> 32), c->head_count)];
}

size_t claims_footprint(uint32_t limit)
{
    return arena_round(limit * sizeof(struct claim), 64) +
           arena_round(head_count_for(limit) * sizeof(uint32_t), 64) +
           CLAIMS_UNITS * sizeof *((struct claims *)NULL)->ends + (size_t)3 * 64;
}

void claims_init(struct claims *c, struct arena *arena, uint32_t limit)
{
    *c = (struct claims){
        .pool = arena_alloc(arena, limit * sizeof *c->pool, 64),
        .heads = arena_alloc(arena, head_count_for(limit) * sizeof *c->heads, 64),
        .ends = arena_alloc(arena, CLAIMS_UNITS * sizeof *c->ends, 64),
        .head_count = head_count_for(limit),
        .limit = limit,
        .free = CLAIMS_NONE,
    };
    assert(c->pool && c->heads && c->ends);
    claims_clear(c);
}

void claims_clear(struct claims *c)
{
    for (uint32_t i = 0; i < c->head_count; i++)
        c->heads[i] = CLAIMS_NONE;
    for (uint32_t i = 0; i < CLAIMS_UNITS; i++)
        c->ends[i].first = CLAIMS_NONE;
    c->fresh = c->used = c->swept = 0;
    c->free = CLAIMS_NONE;
}

/* A copy in the making is told. */
static void changed(struct claims *c, uint32_t place)
{
    if (c->copy)
        c->copy[place] = c->pool[place];
}

/* next_dead returns the claim that is taken back next, or CLAIMS_NONE. */
static uint32_t next_dead(const struct claims *c, uint64_t now_ns)
{
    return c->swept >= unit_of(now_ns) ? CLAIMS_NONE : c->ends[(c->swept + 1) % CLAIMS_UNITS].first;
}

void claims_prefetch_head(const struct claims *c, uint64_t series, uint64_t tile, uint64_t now_ns)
{
    uint32_t old = next_dead(c, now_ns);
    __builtin_prefetch(head_of(c, series, tile), 1);
    if (old != CLAIMS_NONE)
        __builtin_prefetch(&c->pool[old], 1);
}

void claims_prefetch_place(const struct claims *c, uint64_t series, uint64_t tile, uint64_t now_ns)
{
    uint32_t first = *head_of(c, series, tile), old = next_dead(c, now_ns);
    uint32_t place = c->free != CLAIMS_NONE ? c->free : c->fresh;
    if (first != CLAIMS_NONE)
        __builtin_prefetch(&c->pool[first]);
    if (place < c->limit)
        __builtin_prefetch(&c->pool[place], 1);
    if (old != CLAIMS_NONE)
        __builtin_prefetch(head_of(c, c->pool[old].series, c->pool[old].tile), 1);
}

/* find returns the place of a tile that is remembered at now_ns, or CLAIMS_NONE. */
static uint32_t find(const struct claims *c, uint64_t series, uint64_t tile, uint64_t now_ns)
{
    for (uint32_t at = *head_of(c, series, tile); at != CLAIMS_NONE; at = c->pool[at].next) {
        const struct claim *claim = &c->pool[at];
        if (claim->tile == tile && claim->series == series)
            return claim->end > unit_of(now_ns) ? at : CLAIMS_NONE;
    }
    return CLAIMS_NONE;
}

uint32_t claims_find(const struct claims *c, uint64_t series, uint64_t tile, uint64_t now_ns)
{
    uint32_t place = find(c, series, tile, now_ns);
    return place == CLAIMS_NONE ? 0 : c->pool[place].tag;
}

void claims_give_back(struct claims *c, uint64_t series, uint64_t tile, uint64_t now_ns)
{
    uint32_t place = find(c, series, tile, now_ns);
    assert(place != CLAIMS_NONE);
    c->pool[place].tag = 0;
    changed(c, place);
}

/* take_back frees the first claim that ends in a unit. */
static void take_back(struct claims *c, uint32_t slot)
{
    uint32_t place = c->ends[slot].first;
    struct claim *claim = &c->pool[place];
    uint32_t *link = head_of(c, claim->series, claim->tile);
    while (*link != place)
        link = &c->pool[*link].next;
    *link = claim->next;
    c->ends[slot].first = claim->later;
    *claim = (struct claim){.next = c->free};
    c->free = place;
    changed(c, place);
    __atomic_store_n(&c->used, c->used - 1, __ATOMIC_RELAXED);
}

/* reclaim takes back up to most dead claims.  A list whose first one lives has no dead ones behind
 * it: they came in the order in which they end. */
static uint32_t reclaim(struct claims *c, uint32_t most, uint32_t now)
{
    uint32_t taken = 0;
    if (now - c->swept > CLAIMS_UNITS)
        c->swept = now - CLAIMS_UNITS;
    while (c->swept < now) {
        uint32_t slot = (c->swept + 1) % CLAIMS_UNITS, place;
        while ((place = c->ends[slot].first) != CLAIMS_NONE && c->pool[place].end <= now) {
            if (taken == most)
                return taken;
            take_back(c, slot);
            taken++;
        }
        c->swept++;
    }
    return taken;
}

/* can_reclaim returns whether count claims are dead, as reclaim finds them. */
static bool can_reclaim(const struct claims *c, uint32_t count, uint32_t now)
{
    uint32_t unit = now - c->swept > CLAIMS_UNITS ? now - CLAIMS_UNITS : c->swept;
    for (; count && unit < now; unit++) {
        uint32_t place = c->ends[(unit + 1) % CLAIMS_UNITS].first;
        for (; count && place != CLAIMS_NONE && c->pool[place].end <= now; count--)
            place = c->pool[place].later;
    }
    return !count;
}

bool claims_room(struct claims *c, uint32_t count, uint64_t now_ns)
{
    uint32_t left = c->limit - c->used;
    if (left < count && !can_reclaim(c, count - left, unit_of(now_ns)))
        return false;
    reclaim(c, count + RECLAIM_MORE, unit_of(now_ns));
    return c->limit - c->used >= count;
}

static void insert(struct claims *c, const struct claim *claim)
{
    assert(c->used < c->limit);
    uint32_t place = c->free, slot = claim->end % CLAIMS_UNITS;
    if (place != CLAIMS_NONE)
        c->free = c->pool[place].next;
    else
        place = c->fresh++;
    uint32_t *head = head_of(c, claim->series, claim->tile);
    c->pool[place] = *claim;
    c->pool[place].next = *head;
    c->pool[place].later = CLAIMS_NONE;
    *head = place;
    if (c->ends[slot].first == CLAIMS_NONE)
        c->ends[slot].first = place;
    else
        c->pool[c->ends[slot].last].later = place;
    c->ends[slot].last = place;
    __atomic_store_n(&c->used, c->used + 1, __ATOMIC_RELAXED);
    changed(c, place);
}

void claims_insert(struct claims *c, uint64_t series, uint64_t tile, uint32_t tag, uint64_t now_ns,
                   uint64_t end_ns)
{
    assert(tag && end_ns > now_ns && end_ns - now_ns <= CLAIMS_KEEP_MAX);
    uint32_t given_back = find(c, series, tile, now_ns);
    if (given_back != CLAIMS_NONE) {
        c->pool[given_back].tag = tag;
        changed(c, given_back);
        return;
    }
    insert(c,
           &(struct claim){.series = series, .tile = tile, .end = unit_of(end_ns) + 1, .tag = tag});
}

bool claims_load(struct claims *c, const struct claim *claim, uint64_t now_ns)
{
    if (c->used == c->limit)
        return false;
    if (c->swept < unit_of(now_ns))
        c->swept = unit_of(now_ns);
    insert(c, claim);
    return true;
}

bool claims_live(const struct claims *c, uint32_t place, uint64_t now_ns)
{
    return c->pool[place].end > unit_of(now_ns);
}

uint64_t claims_hash(const struct claims *c, uint64_t now_ns)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < c->fresh; i++) {
        const struct claim *claim = &c->pool[i];
        if (claims_live(c, i, now_ns))
            sum += mix64(mix64(mix64(claim->series) ^ claim->tile) ^ claim->end ^
                         (uint64_t)claim->tag << 32);
    }
    return sum;
}
