/* blast_pacer.h - the plan: when each event is due, in nanoseconds since the start.
 *
 * A plan is a list of stages, each with a rate that is constant or changes linearly.  The due time
 * of event n is a closed formula of n, so a sender that falls behind neither drifts nor slows the
 * plan down: open loop.
 *
 * Memory:  the caller's.  Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BLAST_STAGES_MAX 16

struct blast_stage {
    double from; /* events per second */
    double to;
    uint64_t span_ns; /* 0: holds for ever; the last stage only */
    /* What blast_pacer_limit fills in. */
    double start_count;
    uint64_t start_ns;
};

struct blast_pacer {
    uint32_t stage_count; /* 0: everything is due at once */
    uint32_t stage;       /* where blast_pacer_due last was */
    uint64_t end_ns;      /* of the plan, UINT64_MAX when nothing but a count ends it */
    uint64_t total;       /* events planned, UINT64_MAX when nothing but time ends it */
    struct blast_stage stages[BLAST_STAGES_MAX + 1]; /* one more to hold the last rate */
};

/* blast_pacer_parse reads `240k`, `2k..240k/30s`, or several of these separated by commas; all but
 * the last need a span.  Returns 0 or -EINVAL. */
int blast_pacer_parse(struct blast_pacer *pacer, const char *text);

/* blast_pacer_limit ends the plan after events (0: no such limit) or duration_ns (0: when the last
 * stage ends), whichever comes first; a duration beyond the last stage holds its final rate.
 * Returns 0, or -EINVAL when nothing ends the plan: no limit, and the last stage has no span. */
int blast_pacer_limit(struct blast_pacer *pacer, uint64_t events, uint64_t duration_ns);

/* blast_pacer_due returns when event n, in [0, total), is due.  Never smaller for a larger n.
 * Cheap when n goes up. */
uint64_t blast_pacer_due(struct blast_pacer *pacer, uint64_t n);

/* blast_pacer_count returns the number of events that are due before since_ns, to the nearest;
 * at most total. */
uint64_t blast_pacer_count(const struct blast_pacer *pacer, uint64_t since_ns);
