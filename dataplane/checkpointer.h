/* checkpointer.h - the part that makes checkpoints: has partition after partition copied by its
 * shard and writes the copies down.
 *
 * A checkpoint counts once the journals are durable up to where its partitions were copied: what is
 * not may be gone after a crash, and the checkpoint would know of it.
 *
 * Memory:  one block and an index while a checkpoint is being made; the mirror is the caller's.
 * Threads: one polls, which may block in the disk; figures are read by others.
 */
#pragma once

#include <stdatomic.h>

#include "dataplane/base/segment.h"
#include "dataplane/checkpoint.h"
#include "graph/mirror.h"

struct checkpointer_wiring {
    const struct file_ops *ops;
    int dir_fd;
    struct mirror *mirror; /* that the shards poll */
    uint32_t epoch, shard_count, partition_count;
    uint64_t key_fingerprint;
    const struct segment_mark *marks[CHECKPOINT_SHARDS_MAX]; /* [shard] */
    const struct items *items;
    const _Atomic uint32_t *item_count; /* of those that are in the dictionary's file */
};

enum checkpointer_step { CHECKPOINTER_IDLE, CHECKPOINTER_COPY, CHECKPOINTER_SYNC };

struct checkpointer {
    struct checkpointer_wiring wiring;
    enum checkpointer_step step;
    struct checkpoint_writer writer;
    uint32_t number;                     /* of the last one begun in this epoch */
    uint64_t began_ns;                   /* CLOCK_MONOTONIC */
    uint64_t began_with;                 /* durable records in all when it began */
    uint64_t made_with[CHECKPOINT_KEPT]; /* as that, of the last ones made; UINT64_MAX: none was */
    uint32_t items_hashed;
    uint64_t items_hash;

    /* Written by the thread that polls, read by others. */
    _Atomic uint64_t made, failed;
    _Atomic uint64_t made_ns; /* CLOCK_REALTIME when the last one was begun; 0: none */
    _Atomic uint64_t took_ns, bytes;
    _Atomic int error; /* errno of the last one, 0 when it went well */
};

void checkpointer_init(struct checkpointer *checkpointer, const struct checkpointer_wiring *wiring);

/* checkpointer_begin begins a checkpoint, unless one is being made, or nothing was recorded since
 * the last two: so in the end both are of the newest state.  Returns whether it did. */
bool checkpointer_begin(struct checkpointer *checkpointer);

/* checkpointer_poll goes on with it.  Returns 1 for work done, 0 when there is nothing to do or it
 * waits for a shard or a journal, or a negative errno: that checkpoint was given up. */
int checkpointer_poll(struct checkpointer *checkpointer);

/* checkpointer_fini gives up what is not finished. */
void checkpointer_fini(struct checkpointer *checkpointer);
