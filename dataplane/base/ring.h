/* ring.h - bounded single-producer, single-consumer ring of values.
 *
 * RING_DEFINE(name, type) makes `struct name_ring` and name_ring_* for `struct type`.  Parts meet
 * in these rings and nowhere else.
 *
 * Each side keeps a private copy of the other side's position and refreshes it only when that copy
 * says full, or empty: a burst costs at most one load of a line that the other core writes, and one
 * store.  ck_ring, which reads the other position for every value and has no bursts, takes several
 * times as long between cores: trove-ring (bench/ring.c) shows both.  Order comes from Concurrency
 * Kit's fences.
 *
 * Memory:  init takes the slots from an arena, on the consumer's NUMA node; name_ring_footprint
 * says how much. Threads: one producer, one consumer; name_ring_count from any thread.
 *
 * ThreadSanitizer cannot see the inline assembly of ck's fences; the two annotations here tell it
 * what they order.
 */
#pragma once

#include <assert.h>
#include <ck_pr.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/base/arena.h"

#if defined(__SANITIZE_THREAD__)
#define RING_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RING_TSAN 1
#endif
#endif

#ifdef RING_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define RING_ACQUIRE(address) __tsan_acquire(address)
#define RING_RELEASE(address) __tsan_release(address)
#define RING_FUNCTION         static __attribute__((no_sanitize("thread"), unused))
#else
#define RING_ACQUIRE(address) ((void)0)
#define RING_RELEASE(address) ((void)0)
#define RING_FUNCTION         static inline
#endif

#define RING_CACHE_LINE 64

/* name_ring_footprint returns the bytes that a ring of slots (a power of two, at least 4) takes
 * from its arena; it holds slots - 1 values. name_ring_push_burst copies up to count values and
 * returns how many, fewer only when full; the caller owns and counts the rest. name_ring_pop_burst
 * takes up to count values and returns how many.  name_ring_room says how many the producer could
 * push.  None ever blocks.
 *
 * Values can also be written and read where they lie.  name_ring_slot returns the free slot that is
 * `ahead` values behind the last one, for the producer to fill in, or NULL when the ring is full;
 * name_ring_publish hands the first count of them over.  name_ring_peek sets *values to the oldest,
 * as many of up to count as lie in one piece, and returns how many; they stay the consumer's, and
 * the next peek begins with them, until name_ring_release gives the first count of them back. */
#define RING_DEFINE(name, type)                                                                    \
    struct name##_ring {                                                                           \
        /* Read only. */                                                                           \
        struct type *slots;                                                                        \
        uint32_t mask;                                                                             \
        /* The producer's; others read tail. */                                                    \
        uint32_t tail __attribute__((aligned(RING_CACHE_LINE)));                                   \
        uint32_t head_seen;                                                                        \
        /* The consumer's; others read head. */                                                    \
        uint32_t head __attribute__((aligned(RING_CACHE_LINE)));                                   \
        uint32_t tail_seen;                                                                        \
    };                                                                                             \
    static inline size_t name##_ring_footprint(uint32_t slots)                                     \
    {                                                                                              \
        return arena_round(slots * sizeof(struct type), RING_CACHE_LINE) + RING_CACHE_LINE;        \
    }                                                                                              \
    static inline void name##_ring_init(struct name##_ring *r, struct arena *arena,                \
                                        uint32_t slots)                                            \
    {                                                                                              \
        assert(slots >= 4 && !(slots & (slots - 1)));                                              \
        *r = (struct name##_ring){.mask = slots - 1};                                              \
        r->slots = arena_alloc(arena, slots * sizeof(struct type), RING_CACHE_LINE);               \
        assert(r->slots);                                                                          \
    }                                                                                              \
    RING_FUNCTION uint32_t name##_ring_push_burst(struct name##_ring *r,                           \
                                                  const struct type *values, uint32_t count)       \
    {                                                                                              \
        uint32_t tail = r->tail, room = r->mask - (tail - r->head_seen);                           \
        if (room < count) {                                                                        \
            r->head_seen = ck_pr_load_uint(&r->head);                                              \
            ck_pr_fence_acquire();                                                                 \
            RING_ACQUIRE(&r->head);                                                                \
            room = r->mask - (tail - r->head_seen);                                                \
        }                                                                                          \
        count = count < room ? count : room;                                                       \
        for (uint32_t i = 0; i < count; i++)                                                       \
            r->slots[(tail + i) & r->mask] = values[i];                                            \
        RING_RELEASE(&r->tail);                                                                    \
        ck_pr_fence_release();                                                                     \
        if (count)                                                                                 \
            ck_pr_store_uint(&r->tail, tail + count);                                              \
        return count;                                                                              \
    }                                                                                              \
    RING_FUNCTION uint32_t name##_ring_pop_burst(struct name##_ring *r, struct type *values,       \
                                                 uint32_t count)                                   \
    {                                                                                              \
        uint32_t head = r->head, there = r->tail_seen - head;                                      \
        if (there < count) {                                                                       \
            r->tail_seen = ck_pr_load_uint(&r->tail);                                              \
            ck_pr_fence_acquire();                                                                 \
            RING_ACQUIRE(&r->tail);                                                                \
            there = r->tail_seen - head;                                                           \
        }                                                                                          \
        count = count < there ? count : there;                                                     \
        for (uint32_t i = 0; i < count; i++)                                                       \
            values[i] = r->slots[(head + i) & r->mask];                                            \
        RING_RELEASE(&r->head);                                                                    \
        ck_pr_fence_release();                                                                     \
        if (count)                                                                                 \
            ck_pr_store_uint(&r->head, head + count);                                              \
        return count;                                                                              \
    }                                                                                              \
    RING_FUNCTION struct type *name##_ring_slot(struct name##_ring *r, uint32_t ahead)             \
    {                                                                                              \
        if (ahead >= r->mask - (r->tail - r->head_seen)) {                                         \
            r->head_seen = ck_pr_load_uint(&r->head);                                              \
            ck_pr_fence_acquire();                                                                 \
            RING_ACQUIRE(&r->head);                                                                \
            if (ahead >= r->mask - (r->tail - r->head_seen))                                       \
                return NULL;                                                                       \
        }                                                                                          \
        return &r->slots[(r->tail + ahead) & r->mask];                                             \
    }                                                                                              \
    RING_FUNCTION void name##_ring_publish(struct name##_ring *r, uint32_t count)                  \
    {                                                                                              \
        assert(count <= r->mask - (r->tail - r->head_seen));                                       \
        RING_RELEASE(&r->tail);                                                                    \
        ck_pr_fence_release();                                                                     \
        ck_pr_store_uint(&r->tail, r->tail + count);                                               \
    }                                                                                              \
    RING_FUNCTION uint32_t name##_ring_peek(struct name##_ring *r, const struct type **values,     \
                                            uint32_t count)                                        \
    {                                                                                              \
        uint32_t there = r->tail_seen - r->head, piece = r->mask + 1 - (r->head & r->mask);        \
        if (there < count) {                                                                       \
            r->tail_seen = ck_pr_load_uint(&r->tail);                                              \
            ck_pr_fence_acquire();                                                                 \
            RING_ACQUIRE(&r->tail);                                                                \
            there = r->tail_seen - r->head;                                                        \
        }                                                                                          \
        *values = &r->slots[r->head & r->mask];                                                    \
        count = count < there ? count : there;                                                     \
        return count < piece ? count : piece;                                                      \
    }                                                                                              \
    RING_FUNCTION void name##_ring_release(struct name##_ring *r, uint32_t count)                  \
    {                                                                                              \
        assert(count <= r->tail_seen - r->head);                                                   \
        RING_RELEASE(&r->head);                                                                    \
        ck_pr_fence_release();                                                                     \
        ck_pr_store_uint(&r->head, r->head + count);                                               \
    }                                                                                              \
    RING_FUNCTION uint32_t name##_ring_count(const struct name##_ring *r)                          \
    {                                                                                              \
        uint32_t head = ck_pr_load_uint(&r->head);                                                 \
        ck_pr_fence_acquire();                                                                     \
        return ck_pr_load_uint(&r->tail) - head;                                                   \
    }                                                                                              \
    static inline uint32_t name##_ring_room(const struct name##_ring *r)                           \
    {                                                                                              \
        return r->mask - name##_ring_count(r);                                                     \
    }                                                                                              \
    struct name##_ring
