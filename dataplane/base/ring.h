/* ring.h - bounded single-producer, single-consumer ring of values, on Concurrency Kit's ck_ring.
 *
 * RING_DEFINE(name, type) makes `struct name_ring` and name_ring_* for `struct type`.  Parts meet
 * in these rings and nowhere else.
 *
 * Memory:  init takes the slots from an arena, on the consumer's NUMA node; name_ring_footprint
 * says how much. Threads: one producer, one consumer; name_ring_count from any thread.
 *
 * ThreadSanitizer cannot see the inline assembly of ck's fences; the two annotations here tell it
 * what they order.
 */
#pragma once

#include <assert.h>
#include <ck_ring.h>
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
 * takes up to count values and returns how many.  Neither ever blocks. */
#define RING_DEFINE(name, type)                                                                    \
    CK_RING_PROTOTYPE(name, type)                                                                  \
    struct name##_ring {                                                                           \
        struct ck_ring ring;                                                                       \
        struct type *slots;                                                                        \
    };                                                                                             \
    static inline size_t name##_ring_footprint(uint32_t slots)                                     \
    {                                                                                              \
        return arena_round(slots * sizeof(struct type), RING_CACHE_LINE) + RING_CACHE_LINE;        \
    }                                                                                              \
    static inline void name##_ring_init(struct name##_ring *r, struct arena *arena,                \
                                        uint32_t slots)                                            \
    {                                                                                              \
        assert(slots >= 4 && !(slots & (slots - 1)));                                              \
        r->slots = arena_alloc(arena, slots * sizeof(struct type), RING_CACHE_LINE);               \
        assert(r->slots);                                                                          \
        ck_ring_init(&r->ring, slots);                                                             \
    }                                                                                              \
    RING_FUNCTION uint32_t name##_ring_push_burst(struct name##_ring *r,                           \
                                                  const struct type *values, uint32_t count)       \
    {                                                                                              \
        uint32_t n = 0;                                                                            \
        RING_RELEASE(r);                                                                           \
        while (n < count && ck_ring_enqueue_spsc_##name(&r->ring, r->slots,                        \
                                                        (struct type *)(uintptr_t)&values[n]))     \
            n++;                                                                                   \
        return n;                                                                                  \
    }                                                                                              \
    RING_FUNCTION uint32_t name##_ring_pop_burst(struct name##_ring *r, struct type *values,       \
                                                 uint32_t count)                                   \
    {                                                                                              \
        uint32_t n = 0;                                                                            \
        while (n < count && ck_ring_dequeue_spsc_##name(&r->ring, r->slots, &values[n]))           \
            n++;                                                                                   \
        RING_ACQUIRE(r);                                                                           \
        return n;                                                                                  \
    }                                                                                              \
    RING_FUNCTION uint32_t name##_ring_count(const struct name##_ring *r)                          \
    {                                                                                              \
        return ck_ring_size(&r->ring);                                                             \
    }                                                                                              \
    static inline uint32_t name##_ring_room(const struct name##_ring *r)                           \
    {                                                                                              \
        return ck_ring_capacity(&r->ring) - 1 - name##_ring_count(r);                              \
    }                                                                                              \
    struct name##_ring
