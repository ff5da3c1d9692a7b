/* event_scan.c - the choice of a scan. */
#include <stdatomic.h>

#include "dataplane/base/event_scan.h"

static bool anywhere(void)
{
    return true;
}

#if defined(__x86_64__)
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vbmi2");
}
#endif

const struct event_scan event_scans[] = {
#if defined(__x86_64__)
    {"avx512", has_avx512, event_scan_avx512},
    {"avx2", has_avx2, event_scan_avx2},
#endif
    {"portable", anywhere, event_scan_portable},
    {0},
};

static event_scan_fn choose;

/* Every thread that finds it unset chooses the same. */
static _Atomic(event_scan_fn *) chosen = choose;

void event_scan_use(const struct event_scan *scan)
{
    atomic_store_explicit(&chosen, scan->scan, memory_order_relaxed);
}

static bool choose(const uint8_t *bytes, uint32_t len, uint32_t depth_max,
                   struct event_members *members)
{
    const struct event_scan *scan = event_scans;
    while (!scan->runs())
        scan++;
    event_scan_use(scan);
    return scan->scan(bytes, len, depth_max, members);
}

bool event_scan(const uint8_t *bytes, uint32_t len, uint32_t depth_max,
                struct event_members *members)
{
    return atomic_load_explicit(&chosen, memory_order_relaxed)(bytes, len, depth_max, members);
}
