/* recover.h - from the disk back to the state: the newest checkpoint that verifies, then the
 * journal behind it, every event and correction through state_apply and state_correct, under the
 * rules that were live.  Without a checkpoint the whole journal, from its first record.
 *
 * Partitions are divided among as many threads as there are cores; each reads all journals and
 * takes what is its own.
 *
 * Memory:  for each thread a reader, a block, room for a walk, and the rules of one old version at
 * a time. Threads: the main thread calls, before the parts start.
 */
#pragma once

#include "dataplane/checkpoint.h"
#include "dataplane/store.h"
#include "graph/state.h"

#define RECOVER_THREADS_MAX 8u /* for a shard: each of them reads all there is */

struct recovery {
    uint64_t events; /* applied */
    uint64_t corrections;
    uint64_t segments;
    uint64_t differences; /* outcomes of sequence numbers that came out differently from what was
                             recorded: a bug */
    uint32_t torn;        /* journals that end in a block that was being written */
    uint32_t set_aside;   /* checkpoints that did not verify */
    struct checkpoint_id checkpoint; /* that it began with; number 0: with none */
    uint64_t checkpoint_ns;          /* when that was made */
    double seconds;
};

struct recover_request {
    const struct store *store;
    const struct hash_key *key;
    struct items *items;
    struct state **states; /* [shard] */
    uint32_t shard_count;
    uint64_t window_ns; /* of duplicate detection */
    bool look; /* the disk is left as it is: who reads beside a daemon, or to prove something */
    bool from_first;                  /* not from a checkpoint */
    const struct checkpoint_id *with; /* from this one alone; NULL: the newest that verifies */
    const uint64_t *until; /* [partition]: records behind these are not applied; NULL: all are */
    uint32_t threads;      /* for each shard, at most RECOVER_THREADS_MAX; 0: one for each core that
                              falls to it */
    bool alone; /* on the caller's thread, one shard after the other, without a word of progress */

    /* Asked now and then: true ends the recovery.  NULL: nobody asks. */
    bool (*stop)(void *arg);
    void *stop_arg;
};

#define RECOVER_STOPPED 1

/* recover fills in the states, which are as state_init left them.  Returns 0; RECOVER_STOPPED; or
 * -1 with one line in error: damage in the middle of a journal, another key, a configuration
 * version that is missing, a journal whose beginning is gone and no checkpoint to stand in for it.
 * Nothing but a checkpoint's name is changed unless it returns 0. */
int recover(const struct recover_request *request, struct recovery *recovery, char error[512]);
