/* replay_base.h - what came before the journal's beginning: the checkpoint that it begins with,
 * once its first records were removed.
 *
 * Memory:  an index and a block.  Threads: one.
 */
#pragma once

#include "dataplane/checkpoint.h"
#include "dataplane/replay.h"

struct replay_base {
    struct checkpoint checkpoint; /* fd -1: the journal has its first record */
    uint64_t *seq;                /* [partition] */
    uint8_t *block;
    uint64_t begins_ns; /* 0: as above */
};

/* replay_base_open opens it.  0, or -1 with one line in error.  replay_base_close in either case.
 */
int replay_base_open(struct replay_base *base, const struct store *store, char error[512]);
void replay_base_close(struct replay_base *base);

/* replay_base_load lets a partition of a state that is clear be what it was then, but for the ids
 * of duplicate detection: what the journal says was accepted is not judged for them again.  0, or
 * -1 with one line in error. */
int replay_base_load(const struct replay_base *base, uint32_t partition, struct state *state,
                     char error[512]);

/* replay_base_start has a walk, right after replay_open, begin behind it. */
void replay_base_start(const struct replay_base *base, struct replay *replay);
