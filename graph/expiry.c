/* expiry.c - a tree of minima, 16 children a node: a node's children are a cache line. */
#include "graph/expiry.h"

#include <assert.h>

#define FAN 16u

static uint32_t nodes_above(uint32_t count)
{
    return (count - 1) / FAN + 1;
}

static size_t level_bytes(uint32_t count)
{
    return (size_t)nodes_above(count) * FAN * sizeof(uint32_t);
}

size_t expiry_footprint(uint32_t limit)
{
    size_t bytes = 64;
    for (uint32_t count = limit;; count = nodes_above(count)) {
        bytes += level_bytes(count);
        if (count == 1)
            return bytes;
    }
}

void expiry_init(struct expiry *e, struct arena *arena, uint32_t limit)
{
    *e = (struct expiry){0};
    for (uint32_t count = limit;; count = nodes_above(count)) {
        assert(e->level_count < EXPIRY_LEVELS_MAX);
        uint32_t *level = arena_alloc(arena, level_bytes(count), 64);
        assert(level);
        e->levels[e->level_count++] = level;
        if (count == 1)
            break;
    }
    expiry_clear(e, limit);
}

void expiry_clear(struct expiry *e, uint32_t limit)
{
    uint32_t count = limit;
    for (uint32_t i = 0; i < e->level_count; i++, count = nodes_above(count))
        for (size_t at = 0; at < level_bytes(count) / sizeof **e->levels; at++)
            e->levels[i][at] = EXPIRY_NEVER;
}

static uint32_t least(const uint32_t *line)
{
    uint32_t least = line[0];
    for (uint32_t i = 1; i < FAN; i++)
        least = line[i] < least ? line[i] : least;
    return least;
}

void expiry_set(struct expiry *e, uint32_t place, uint32_t second)
{
    for (uint32_t level = 0;; level++) {
        uint32_t *line = &e->levels[level][place & ~(FAN - 1)];
        uint32_t before = least(line);
        e->levels[level][place] = second;
        second = least(line);
        if (second == before || level + 1 == e->level_count)
            return;
        place /= FAN;
    }
}

uint32_t expiry_find_dead(const struct expiry *e, uint32_t now_s)
{
    uint32_t place = 0;
    for (uint32_t level = e->level_count; level-- > 0;) {
        const uint32_t *line = e->levels[level];
        uint32_t end = place + (level + 1 < e->level_count ? FAN : 1);
        while (place < end && (line[place] > now_s || line[place] == EXPIRY_NEVER))
            place++;
        if (place == end)
            return EXPIRY_NONE;
        place *= level ? FAN : 1;
    }
    return place;
}

/* As deep as there are levels. */
static uint32_t dead_in(const struct expiry *e, uint32_t level, uint32_t from, uint32_t end,
                        uint32_t now_s, uint32_t most)
{
    uint32_t count = 0;
    for (uint32_t place = from; place < end && count < most; place++) {
        uint32_t second = e->levels[level][place];
        if (second > now_s || second == EXPIRY_NEVER)
            continue;
        count +=
            level ? dead_in(e, level - 1, place * FAN, place * FAN + FAN, now_s, most - count) : 1;
    }
    return count;
}

uint32_t expiry_count_dead(const struct expiry *e, uint32_t now_s, uint32_t most)
{
    return dead_in(e, e->level_count - 1, 0, 1, now_s, most);
}
