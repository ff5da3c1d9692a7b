/* counter.h - counters that one thread writes and any may read.
 *
 * Memory:  the counter is a plain uint64_t of whoever counts.
 * Threads: one writer; readers see some recent value, and what they read later is as new or newer.
 */
#pragma once

#include <stdint.h>

/* counter_add adds n.  Thread: the writer. */
static inline void counter_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* counter_set makes a count what it is now.  Thread: the writer. */
static inline void counter_set(uint64_t *counter, uint64_t value)
{
    __atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

/* counter_read returns the count.  Acquire, so that of two counters read one behind the other the
 * second is not the older; a fence would do, but ThreadSanitizer knows none. */
static inline uint64_t counter_read(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}
