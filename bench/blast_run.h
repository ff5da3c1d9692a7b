/* blast_run.h - the sender's loop: what is due is built and sent, whatever became of what was
 * before.
 *
 * Open loop: each datagram has a planned time, and how late it left is recorded against it.  A
 * sender that is behind catches up in full bursts.
 *
 * Memory:  the caller's.  Threads: one.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/blast_link.h"
#include "bench/blast_log.h"
#include "bench/blast_nap.h"
#include "bench/blast_source.h"
#include "dataplane/base/histogram.h"

#define BLAST_RUN_HELD 0.99 /* of the rate asked for: that much is holding it */

struct blast_run {
    struct blast_source *source;
    struct blast_link *link;
    const volatile sig_atomic_t *stop;
    uint64_t end_ns;      /* the plan's, UINT64_MAX when a count ends it */
    uint64_t grace_ns;    /* how long after end_ns a late sender may go on */
    struct blast_nap nap; /* between looks at the plan */

    /* What blast_run found. */
    bool interrupted;
    uint64_t elapsed_ns; /* from the start until the last datagram left */
    double asked_per_s;  /* 0 when there was no rate to hold */
    double sent_per_s;
    bool held_rate;       /* nothing unsent, and the rate was reached */
    struct histogram lag; /* ns from planned to sent, per datagram */
    struct blast_log log; /* of lag, where the caller began one */

    uint64_t start_ns;
    uint64_t first_due_ns;
    uint64_t last_due_ns;
    uint64_t first_events; /* of the first burst */
    uint64_t due_ns[BLAST_BURST_MAX];
};

/* blast_run sends until the plan is over, *stop is set or the link breaks. */
void blast_run(struct blast_run *run);
