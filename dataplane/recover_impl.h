/* recover_impl.h - what the files of recovery share: recover.c (the whole, and its threads),
 * recover_load.c (checkpoints), recover_apply.c (records).  Nobody else includes it.
 *
 * Memory:  as recover.h.  Threads: as said at each.
 */
#pragma once

#include <pthread.h>

#include "dataplane/recover.h"
#include "dataplane/replay.h"

/* A thread's part of the work: of all partitions every so-and-so-manieth, all of one shard. */
struct rebuild {
    struct recover_work *work;
    uint32_t index;
    struct state *state; /* the shard's: for what is a partition's own, and corrections */
    struct state *view;  /* to apply events in */
    struct replay replay;
    struct recovery result;
    struct replay_tail *tails; /* of journals, as met */
    uint32_t tail_count;
    uint8_t *block;  /* of a checkpoint */
    uint8_t *memory; /* of the view */

    /* The outcome of the last correction, and where it should be. */
    struct outcome corrected;
    uint32_t partition;
    uint64_t seq; /* 0: none */

    pthread_t thread;
    bool started;
    int rc; /* 0, -1, or in loading a negative errno */
    char error[512];
};

struct recover_work {
    const struct recover_request *request;
    struct rebuild *rebuilds; /* [count] */
    uint32_t count;           /* a multiple of the shards */
    int (*step)(struct rebuild *rebuild);
    const char *doing; /* that step, for who reads of its progress */

    pthread_mutex_t lock;
    pthread_cond_t ended; /* a thread has */
    uint32_t running;     /* under the lock */
    _Atomic bool stop;
    _Atomic uint64_t loaded; /* partitions */

    pthread_mutex_t corrections; /* one table serves all partitions of a shard */

    struct checkpoint checkpoint; /* fd -1: none */
    struct replay_start start;    /* epoch 0: at the first record */
    uint64_t *seq;                /* that it points at */
    bool no_ids;    /* the checkpoint's are for another table: they come from the journal */
    uint64_t bytes; /* to be read of journals, by each thread */
};

/* recover_load finds the newest checkpoint that verifies and loads it, into states that are clear.
 * 0, with or without one; RECOVER_STOPPED; -1 with one line in error. */
int recover_load(struct recover_work *work, struct recovery *recovery, char error[512]);

/* recover_step has every thread do a step, and waits.  0 all went well; RECOVER_STOPPED; else the
 * return value of the first that failed, with its error. */
int recover_step(struct recover_work *work, int (*step)(struct rebuild *rebuild), const char *doing,
                 char error[512]);

/* recover_replay walks the journals, once they are opened. Thread: its own. */
int recover_replay(struct rebuild *rebuild);
