/* blast_log.h - what a histogram recorded in each second of a run, kept while it runs and written
 * when it is over.
 *
 * Nothing is written, allocated or deflated beside the sending: once a second the buckets up to the
 * highest one are compared with those of the second before, which takes some 20 us and counts
 * against the run as everything does.  Where the room for buckets is used up, what is left of the
 * run becomes one last interval.
 *
 * Memory:  by malloc, at init.  Threads: one.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "dataplane/base/histogram.h"

#define BLAST_LOG_INTERVAL_NS  1000000000ull
#define BLAST_LOG_INTERVAL_MAX 86400u     /* intervals */
#define BLAST_LOG_ROOM         (8u << 20) /* buckets, over all intervals */

/* A bucket of an interval. */
struct blast_log_bucket {
    uint32_t index;
    uint32_t count;
};

struct blast_log_interval {
    uint64_t end_ns; /* since the start */
    uint64_t first;  /* its buckets, up to the next interval's */
};

struct blast_log {
    const struct histogram *live;
    uint64_t interval_ns;
    uint64_t next_ns; /* when the running interval is over; UINT64_MAX: never */
    uint64_t used;
    uint64_t room;
    uint32_t count;
    struct histogram *before;
    struct blast_log_bucket *buckets;
    struct blast_log_interval *intervals;
};

/* blast_log_init begins a log of live, at 0.  room in [HISTOGRAM_COUNT, ...] is how many buckets it
 * can keep.  Returns 0 or -ENOMEM.  A log that is all zeros is never due: without one, that is what
 * a run has. */
int blast_log_init(struct blast_log *log, const struct histogram *live, uint64_t interval_ns,
                   uint64_t room);
void blast_log_fini(struct blast_log *log);

/* blast_log_tick ends the running interval.  Call it when blast_log_due says so. */
void blast_log_tick(struct blast_log *log, uint64_t since_start_ns);

static inline bool blast_log_due(const struct blast_log *log, uint64_t since_start_ns)
{
    return log->live && since_start_ns >= log->next_ns;
}

/* blast_log_write ends the last interval at since_start_ns and writes the whole of it, begun at
 * start_s seconds since 1970, as an interval log.  Returns 0 or -ENOMEM. */
int blast_log_write(struct blast_log *log, double start_s, uint64_t since_start_ns, FILE *out);
