/* journal.h - the journal part: takes filled blocks from one shard, writes them to segments, makes
 * them durable as a group.
 *
 * One journal part per shard, on a blocking thread of its own, off the poll-mode cores.  Every
 * block that is waiting when it looks is one group: written with a single pwritev2, made durable
 * with a single fdatasync, then the mark moves and the blocks go back: two waits for the disk,
 * however many blocks there are.  A failed write or sync ends
 * the segment for good: the journal stops, its mark stays, and the daemon says so.
 *
 * Memory:  owns nothing but the open segment; blocks belong to the shard.
 * Threads: one; the mark, counters and histograms are read by others.
 */
#pragma once

#include <sys/uio.h>

#include "dataplane/base/block.h"
#include "dataplane/base/histogram.h"
#include "dataplane/base/segment.h"

/* What the journal asks of a disk, so that tests and the simulator can be one. */
struct journal_file_ops {
    int (*open)(void *disk, int dir_fd, const char *name,
                uint64_t bytes); /* create, preallocate, sync directory: a handle or -errno */
    int (*write)(void *disk, int handle, struct iovec *parts, int count,
                 uint64_t offset); /* all of them, one behind the other, or -errno; may change
                                      parts */
    int (*sync)(void *disk, int handle);
    int (*close)(void *disk, int handle, uint64_t bytes); /* cut to bytes */
    void *disk;
};

extern const struct journal_file_ops
    journal_file_posix; /* pwritev2 with O_DIRECT where the file system has it, fdatasync */

struct journal_counters {
    uint64_t blocks, bytes, syncs, segments;
    uint64_t error_count;
};

struct journal {
    /* Own. */
    struct journal_file_ops ops;
    int dir_fd;
    int handle; /* -1: no open segment */
    struct segment_id id;
    struct segment_header header;
    struct block_place place;
    uint64_t segment_bytes;
    struct block_ring *from_shard;
    struct block_ring *to_shard;

    /* Written by the journal thread, read by others. */
    struct segment_mark mark __attribute__((aligned(64)));
    _Atomic int error; /* errno that stopped it, 0 while it runs */
    struct journal_counters counters;
    struct histogram sync;    /* one fdatasync */
    struct histogram durable; /* wire to durable, of every event */
};

struct journal_wiring {
    struct journal_file_ops ops;
    int dir_fd; /* of the journal directory */
    uint32_t epoch, shard, shard_count, partition_count;
    uint64_t key_fingerprint;
    uint64_t segment_bytes;
    struct block_ring *from_shard, *to_shard;
};

void journal_init(struct journal *journal, const struct journal_wiring *wiring);

/* journal_poll writes what is waiting and makes it durable.  Returns the number of blocks, 0 when
 * none was waiting, or a negative errno once the journal has stopped.  May block in the disk. */
int journal_poll(struct journal *journal);

/* journal_fini cuts and closes the open segment. */
void journal_fini(struct journal *journal);
