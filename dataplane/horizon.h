/* horizon.h - where the journal begins: what was removed on purpose, written down before it is.
 *
 * One page in the data directory.  Segments in front of the horizon do not count, whether they are
 * still there or not; those behind it must be there.  What came before is in a checkpoint, the
 * base, which stays as long as the journal begins there.
 *
 * Memory:  the caller's.  Threads: one writes; who reads the file has it whole.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/base/segment.h"
#include "dataplane/checkpoint.h"
#include "dataplane/file.h"

#define HORIZON_NAME "horizon"

struct horizon {
    struct checkpoint_id base;              /* number 0: nothing was ever removed */
    uint32_t epoch;                         /* journals of earlier ones are gone */
    uint32_t shard_count;                   /* of number[] */
    uint32_t number[CHECKPOINT_SHARDS_MAX]; /* of that epoch: each journal's first segment */
    uint64_t begins_ns;                     /* no record in front of it is younger than this */
};

/* horizon_load returns 0, with a journal that is whole where there is no file; -EBADMSG the file is
 * damaged; or another negative errno. */
int horizon_load(int dir_fd, struct horizon *horizon);

/* horizon_save makes it durable.  0 or a negative errno: then the one before holds, or this one. */
int horizon_save(const struct file_ops *ops, int dir_fd, const struct horizon *horizon);

static inline bool horizon_is_whole(const struct horizon *horizon)
{
    return !horizon->base.number;
}

/* horizon_has returns whether a segment counts. */
bool horizon_has(const struct horizon *horizon, struct segment_id id);

/* horizon_at makes the horizon that a checkpoint is the base of. */
void horizon_at(struct horizon *horizon, const struct checkpoint_head *head);
