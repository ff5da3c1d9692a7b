/* blast_nap.h - how a sender at real-time priority leaves the core to others.
 *
 * Idle, it naps.  Without a pause in its work it still stands back for a hundredth of the time: the
 * kernel's own threads wait for the core too, and its throttling of real-time tasks has been seen
 * to let them wait for minutes.
 *
 * Plain values, one thread.
 */
#pragma once

#include <stdint.h>
#include <time.h>

#include "dataplane/base/clock.h"

#define BLAST_NAP_BUSY_MOST_NS (100 * NS_PER_MS)
#define BLAST_NAP_STAND_BACK   NS_PER_MS

struct blast_nap {
    uint64_t ns;      /* asleep when there is nothing to do; 0: never asleep */
    uint64_t last_ns; /* when it was asleep last, clock_monotonic_ns */
};

static inline void blast_nap_sleep(struct blast_nap *nap, uint64_t ns)
{
    clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = (long)ns}, NULL);
    nap->last_ns = clock_monotonic_ns();
}

/* blast_nap_idle is for when there was nothing to do: returns at once without naps. */
static inline void blast_nap_idle(struct blast_nap *nap)
{
    if (nap->ns)
        blast_nap_sleep(nap, nap->ns);
#ifdef __x86_64__
    else
        __builtin_ia32_pause();
#endif
}

/* blast_nap_busy is for when there was something to do, at now_ns of clock_monotonic_ns. */
static inline void blast_nap_busy(struct blast_nap *nap, uint64_t now_ns)
{
    if (nap->ns && now_ns > nap->last_ns + BLAST_NAP_BUSY_MOST_NS)
        blast_nap_sleep(nap, BLAST_NAP_STAND_BACK);
}
