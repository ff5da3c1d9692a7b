/* retention.h - which of the journal's beginning goes: by age, by size, by what the disk has left;
 * and how it goes, so that a crash between any two steps leaves a journal that says where it
 * begins.
 *
 * The journal always begins with a checkpoint, the base, so that what is kept can be decided once
 * more: explain, replay and recovery start from it.  So a few older checkpoints are kept besides
 * the newest two, some segments apart: places at which the journal may begin one day.
 *
 * Memory:  the list of segments and some heads of checkpoints, for one run.  Threads: one.
 */
#pragma once

#include "dataplane/horizon.h"

#define RETENTION_BASES 8u /* checkpoints kept to begin with one day, besides the newest two */

/* What is wanted; 0 wants nothing. */
struct retention_wish {
    uint64_t age_ns;     /* records older than this go */
    uint64_t bytes;      /* of segments, at most */
    uint64_t free_bytes; /* that the disk should have left */
};

/* What must stay: somebody reads on from here. */
struct retention_need {
    const char *who;
    bool must; /* what it needs stays, whatever may be lost */
    uint32_t epoch;
    uint32_t shard_count;
    uint32_t number[CHECKPOINT_SHARDS_MAX]; /* the segment that is read next; 0 is as good as 1 */
};

struct retention_request {
    const struct file_ops *ops;
    int dir_fd, journal_fd, checkpoint_fd;
    struct retention_wish wish;
    const struct retention_need *needs;
    uint32_t need_count;
    bool may_lose; /* what is needed goes all the same, but for what must stay */
    uint64_t now_ns;
};

struct retention_done {
    uint64_t segments, bytes; /* removed */
    uint64_t kept_bytes;      /* of segments */
    uint64_t begins_ns;       /* of what is kept; 0: from the first record */
    const char *held_by;      /* who needs more than was wanted; NULL: nobody */
    const char *lost_by;      /* the first who lost records to it; NULL: nobody */
    uint32_t lost_count;      /* and how many did */
};

/* retention_run removes what is not wanted and not needed.  0 with *done, or a negative errno. */
int retention_run(const struct retention_request *request, struct retention_done *done);

/* retention_thin removes the checkpoints that are neither the newest two nor places to begin with:
 * of these RETENTION_BASES stay, far apart by what is wanted, time or bytes.  0 or a negative
 * errno. */
int retention_thin(const struct retention_request *request);

/* retention_finish removes what is in front of the horizon: a run may have been cut short.  0 or a
 * negative errno. */
int retention_finish(const struct file_ops *ops, int dir_fd, int journal_fd,
                     struct retention_done *done);
