/* http_pool.h - things of one size, taken and given back by number: the last one given back is the
 * next one taken, while it is in the cache.
 *
 * Memory:  from the arena, in http_pool_init.  Threads: one.
 */
#pragma once

#include <assert.h>
#include <stdint.h>

#include "dataplane/base/arena.h"

#define HTTP_NONE UINT32_MAX

struct http_pool {
    uint8_t *base;
    uint32_t *free; /* [count - used] numbers */
    size_t size;
    uint32_t count;
    uint32_t used;
};

static inline size_t http_pool_footprint(uint32_t count, size_t size)
{
    return arena_round((size_t)count * arena_round(size, 64), 64) +
           arena_round(count * sizeof(uint32_t), 64) + 128;
}

static inline void http_pool_init(struct http_pool *pool, struct arena *arena, uint32_t count,
                                  size_t size)
{
    pool->size = arena_round(size, 64);
    pool->count = count;
    pool->used = 0;
    pool->base = arena_alloc(arena, (size_t)count * pool->size, 64);
    pool->free = arena_alloc(arena, count * sizeof(uint32_t), 64);
    assert(pool->base && pool->free);
    for (uint32_t i = 0; i < count; i++)
        pool->free[i] = count - 1 - i;
}

/* http_pool_at returns the thing with a number in [0, count). */
static inline void *http_pool_at(const struct http_pool *pool, uint32_t number)
{
    assert(number < pool->count);
    return pool->base + number * pool->size;
}

/* http_pool_take returns a number, or HTTP_NONE when none is left. */
static inline uint32_t http_pool_take(struct http_pool *pool)
{
    if (pool->used == pool->count)
        return HTTP_NONE;
    return pool->free[pool->count - 1 - pool->used++];
}

static inline void http_pool_give(struct http_pool *pool, uint32_t number)
{
    assert(pool->used && number < pool->count);
    pool->free[pool->count - pool->used--] = number;
}
