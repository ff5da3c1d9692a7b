/* clock.h - the two clocks of the host, in nanoseconds.  Both are vDSO reads, no system call, about
 * 20 ns.
 *
 * Real time dates events and records; monotonic time measures latencies.  Only rx parts, the
 * journal thread and the control thread read clocks: everything behind the ring takes its time from
 * the event.
 */
#pragma once

#include <stdint.h>
#include <time.h>

#undef NS_PER_S /* DPDK has one that is an int; its headers are included before this one */
#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

static inline uint64_t clock_read_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static inline uint64_t clock_realtime_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME);
}

static inline uint64_t clock_monotonic_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}
