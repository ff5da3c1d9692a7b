/* journal.h - the journal part: takes filled blocks from one shard, writes them to segments, makes
 * them durable as a group.
 *
 * One journal part per shard, on a blocking thread of its own, off the poll-mode cores.  Every
 * block that is waiting when it looks is one group: written and made durable together, then the
 * mark moves and the blocks go back.  One group at a time: of a second one that was on its way when
 * the first failed nobody could say what it stands on.
 *
 * A failed write or sync ends the segment for good: what the system then says of the file means
 * nothing any more.  What is not durable is still here, in its blocks, and is written again in the
 * next segment, whose header says where the chain left the one before.  That is tried at once, then
 * after 100 ms to 5 s for as long as it takes: while it fails nothing is acknowledged and no block
 * goes back, so the shard soon takes nothing more; when it succeeds all goes on, without a restart.
 *
 * Once the disk has no room for another segment, and the reserve of the stock has to be used, what
 * was decided is still written down, but blocks are kept back, for the same effect, until there is
 * room again.
 *
 * Memory:  a page for headers and the open segment; blocks belong to the shard.
 * Threads: one; what is so marked is read by others.
 */
#pragma once

#include "dataplane/base/block.h"
#include "dataplane/base/histogram.h"
#include "dataplane/base/segment.h"
#include "dataplane/journal_file.h"
#include "dataplane/journal_stock.h"

/* So many times in a row a group is written in a new segment before the journal counts as failed.
 */
#define JOURNAL_TRIES 3u

struct journal_counters {
    uint64_t blocks, bytes, syncs, segments;
    uint64_t error_count; /* segments or groups that could not be made, written or synced */
    uint64_t given_up;    /* segments that ended with an error, part of them durable */
};

enum journal_state {
    JOURNAL_OK,
    JOURNAL_DEGRADED,  /* a write, a sync or a new file failed, and is being tried again */
    JOURNAL_DISK_FULL, /* there is no room for the segment after the next */
    JOURNAL_FAILED,    /* nothing can be made durable */
};

/* The blocks that are being written, in order: [0, durable) are with the shard again, [durable,
 * sealed) wait for a sync, some of them in parts yet to be written. */
struct journal_group {
    struct block_ref refs[SEGMENT_GROUP_BLOCKS];
    uint32_t count;
    uint32_t sealed;
    uint32_t durable;
    int part_count;
    uint64_t from; /* offset of the first part, the others follow it */
    struct iovec parts[1 + SEGMENT_GROUP_BLOCKS];
};

/* How far the journal is durable, and so where the next segment's chain goes on. */
struct journal_end {
    uint32_t number; /* of the segment, 0: nothing is */
    bool given_up;   /* that segment has failed */
    struct block_place place;
};

struct journal {
    /* Own. */
    struct journal_file_ops ops;
    struct journal_stock *stock;
    int handle;     /* -1: no open segment */
    int given_up;   /* the segment of `end`, until a next one holds something; -1: none */
    bool ending;    /* blocks are not kept back any more */
    unsigned tries; /* that failed, one after the other */
    uint64_t retry_ns;
    struct segment_id id;
    struct segment_header header;
    uint8_t *page; /* the header as it is written */
    struct block_place place;
    struct journal_end end;
    struct journal_group group;
    struct block *kept; /* blocks that are durable and kept back, oldest first */
    struct block **kept_tail;
    uint64_t segment_bytes;
    struct block_ring *from_shard;
    struct block_ring *to_shard;

    /* Written by the journal thread, read by others. */
    struct segment_mark mark __attribute__((aligned(64)));
    _Atomic int state;         /* enum journal_state */
    _Atomic int error;         /* errno behind that state, 0 when it is OK */
    _Atomic uint64_t since_ns; /* realtime at which it came about */
    _Atomic bool refusing;     /* no blocks go back: nothing more will be taken */
    struct journal_counters counters;
    struct histogram sync;    /* writing and syncing a group */
    struct histogram durable; /* wire to durable, of every event */
};

struct journal_wiring {
    struct journal_file_ops ops;
    struct journal_stock *stock;
    uint32_t epoch, shard, shard_count, partition_count;
    uint64_t key_fingerprint;
    uint64_t segment_bytes; /* a multiple of BLOCK_ALIGN, that of the stock */
    struct block_ring *from_shard, *to_shard;
};

/* journal_init returns 0 or -ENOMEM. */
int journal_init(struct journal *journal, const struct journal_wiring *wiring);

/* journal_poll writes what is waiting and makes it durable.  Returns the number of blocks that
 * became durable, 0 when there was nothing to do, or a negative errno while it fails: then it is to
 * be called again, and tries again when it is time to.  May block in the disk. */
int journal_poll(struct journal *journal);

/* journal_end_soon says that no more is coming: what was kept back goes to the shard, which has
 * decided all there is when it has that. */
void journal_end_soon(struct journal *journal);

/* journal_fini cuts and closes the open segment; of one that has failed everything stays, for
 * recovery to judge. */
void journal_fini(struct journal *journal);

/* journal_has_failed and journal_is_refusing say whether nothing can be made durable, and whether
 * nothing more will be taken.  Thread: any. */
static inline bool journal_has_failed(const struct journal *journal)
{
    return atomic_load(&journal->state) == JOURNAL_FAILED;
}

static inline bool journal_is_refusing(const struct journal *journal)
{
    return atomic_load(&journal->refusing);
}

/* journal_state_name returns ok, degraded, disk_full or failed. */
const char *journal_state_name(enum journal_state state);
