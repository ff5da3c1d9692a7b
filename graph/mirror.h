/* mirror.h - a copy of one partition, made by its shard a slice at a time while events flow.
 *
 * The shard's core copies the partition's arrays, so many bytes a poll, and whatever it writes to
 * them meanwhile it writes to the copy as well: so when the last slice is copied, the copy is what
 * the partition is at that moment.  No event waits, nothing is undone or copied twice, and no rate
 * of events can keep the copy from being finished.  Each partition is copied at a moment of its
 * own: partitions are independent, and the copy's sequence says which records are in it.
 *
 * Memory:  room for one partition from an arena, besides the state.
 * Threads: one asks, and reads the copy when it is done; the partition's shard copies.
 */
#pragma once

#include <stdatomic.h>

#include "graph/state.h"

#define MIRROR_SLICE_BYTES (16u << 10) /* copied in a poll */

struct mirror {
    /* Written by who asks, read by the shards. */
    struct state *state; /* of the one partition asked for */
    struct partition *partition;
    uint32_t id;
    _Atomic uint32_t asked; /* 1 + partition while it is being copied, 0 when it is done */

    /* The shard's until it is done. */
    bool begun;
    unsigned part; /* the array being copied */
    size_t at;
    uint32_t correction; /* the next one to copy: place, plus 1 */

    /* Of the copy, once it is done. */
    uint64_t ordinal; /* of the journal's last record when it was finished */
    uint32_t version; /* of the configuration then */
};

/* For the partitions of limits, whichever shard owns them. */
size_t mirror_footprint(const struct state_limits *limits);
void mirror_init(struct mirror *mirror, struct arena *arena, const struct state_limits *limits);

/* mirror_ask asks for a copy of a partition; the one before is done.  mirror_done returns whether
 * mirror->state is that copy.  Thread: who asks. */
void mirror_ask(struct mirror *mirror, uint32_t partition);
bool mirror_done(const struct mirror *mirror);

/* mirror_poll copies a slice when a partition of this state is asked for.  ordinal is the last one
 * that was recorded, version the configuration's in force.  Returns the work done: 0 when nothing
 * is asked of this state.  Thread: the shard's. */
unsigned mirror_poll(struct mirror *mirror, struct state *state, uint64_t ordinal,
                     uint32_t version);
