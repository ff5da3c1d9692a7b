/* blast_log.c - differences of a histogram, kept sparse. */
#include "bench/blast_log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/histogram_log.h"

int blast_log_init(struct blast_log *log, const struct histogram *live, uint64_t interval_ns,
                   uint64_t room)
{
    assert(room >= HISTOGRAM_COUNT && interval_ns);
    *log = (struct blast_log){
        .live = live, .interval_ns = interval_ns, .next_ns = interval_ns, .room = room};
    log->before = calloc(1, sizeof *log->before);
    log->buckets = calloc(room, sizeof *log->buckets);
    log->intervals = calloc(BLAST_LOG_INTERVAL_MAX, sizeof *log->intervals);
    return log->before && log->buckets && log->intervals ? 0 : -ENOMEM;
}

void blast_log_fini(struct blast_log *log)
{
    free(log->before);
    free(log->buckets);
    free(log->intervals);
    *log = (struct blast_log){0};
}

/* Takes what was recorded since the last time, and remembers it. */
static void take(struct blast_log *log, uint64_t end_ns)
{
    log->intervals[log->count++] =
        (struct blast_log_interval){.end_ns = end_ns, .first = log->used};
    for (uint32_t i = 0; i <= histogram_index(log->live->max); i++) {
        uint64_t more = log->live->count[i] - log->before->count[i];
        if (!more)
            continue;
        log->before->count[i] += more;
        log->buckets[log->used++] = (struct blast_log_bucket){
            .index = i, .count = more < UINT32_MAX ? (uint32_t)more : UINT32_MAX};
    }
}

void blast_log_tick(struct blast_log *log, uint64_t since_start_ns)
{
    take(log, since_start_ns);
    log->next_ns = since_start_ns - since_start_ns % log->interval_ns + log->interval_ns;
    /* One more interval must fit, whatever it holds: the last. */
    if (log->room - log->used < 2 * (uint64_t)HISTOGRAM_COUNT ||
        log->count + 1 == BLAST_LOG_INTERVAL_MAX)
        log->next_ns = UINT64_MAX;
}

/* Fills in the histogram of one interval. */
static void fill(const struct blast_log *log, uint32_t n, struct histogram *h)
{
    uint64_t end = n + 1 < log->count ? log->intervals[n + 1].first : log->used;
    *h = (struct histogram){0};
    for (uint64_t b = log->intervals[n].first; b < end; b++) {
        const struct blast_log_bucket *bucket = &log->buckets[b];
        h->count[bucket->index] = bucket->count;
        h->total += bucket->count;
        h->max = histogram_highest(bucket->index);
    }
}

int blast_log_write(struct blast_log *log, double start_s, uint64_t since_start_ns, FILE *out)
{
    struct histogram *h = malloc(sizeof *h);
    uint64_t from_ns = 0;
    int rc = h ? 0 : -ENOMEM;
    take(log, since_start_ns);
    histogram_log_begin(out, start_s);
    for (uint32_t n = 0; rc == 0 && n < log->count; n++) {
        uint64_t end_ns = log->intervals[n].end_ns;
        fill(log, n, h);
        if (h->max > log->live->max)
            h->max = log->live->max;
        rc = histogram_log_add(out, (double)from_ns / NS_PER_S,
                               (double)(end_ns - from_ns) / NS_PER_S, h);
        from_ns = end_ns;
    }
    free(h);
    return rc;
}
