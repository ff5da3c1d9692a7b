/* cycles.h - the processor's own clock, for what takes less than reading the others.
 *
 * Cycles of the time-stamp counter, which ticks at one rate whatever the core does; nanoseconds
 * where there is no such counter.
 *
 * Memory:  none.  Threads: any; differences are of one core.
 */
#pragma once

#include <stdint.h>

#ifdef __x86_64__
#include <x86intrin.h>

static inline uint64_t cycles_now(void)
{
    return __rdtsc();
}
#else
#include "dataplane/base/clock.h"

static inline uint64_t cycles_now(void)
{
    return clock_monotonic_ns();
}
#endif
