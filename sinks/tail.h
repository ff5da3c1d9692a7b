/* tail.h - follows one journal from segment to segment, up to what is durable of it.
 *
 * The pump has one for each journal of the epoch it reads.  A tail's position is that of the last
 * record accepted; after an error it goes back to where it was saved, which costs a block's reading
 * and not a segment's.
 *
 * Memory:  owns a reader.  Threads: one; the mark is another thread's to write.
 */
#pragma once

#include "dataplane/base/segment.h"

struct tail_point {
    struct segment_id id; /* number 0: nowhere yet */
    struct block_place place;
};

struct tail {
    struct segment_reader reader;
    uint32_t epoch;
    uint32_t shard;
    const struct segment_mark *mark; /* NULL: of an epoch that is over */
    uint32_t oldest;                 /* segment that exists, 0: none known */
    uint32_t newest;                 /* of an epoch that is over; 0: none */
    bool done;                       /* an epoch that is over was read to its end */

    const struct record *event; /* whose outcomes are being read, in the same block */
    struct tail_point block;    /* the block being read */
    struct tail_point saved;

    /* The position: what was accepted last. */
    uint32_t number;
    uint64_t offset;
    uint64_t ordinal;
};

int tail_init(struct tail *tail, int dir_fd);
void tail_fini(struct tail *tail);

/* tail_start points the tail at a journal of which everything up to ordinal, in segment number, was
 * accepted before (0 and 0: nothing). */
void tail_start(struct tail *tail, uint32_t number, uint64_t offset, uint64_t ordinal);

/* tail_open opens the segment to go on with, unless one is open.  Returns 1, 0 when there is
 * nothing to read (yet), -ESTALE when records behind the position are gone, or another negative
 * errno. */
int tail_open(struct tail *tail);

/* tail_next gives the next record behind the position; tail->event is then the event it belongs to.
 * It holds until the next call.  Returns 1, 0 when there is none (yet), or a negative errno:
 * -EBADMSG or -EILSEQ damage, -ESTALE records are gone, -EIO the disk. */
int tail_next(struct tail *tail, const struct record **record);

/* tail_seek points the tail behind a record that it may have accepted long ago; where that is gone,
 * in front of the oldest one there is.  Returns 0 or a negative errno. */
int tail_seek(struct tail *tail, uint64_t ordinal);

/* tail_accept moves the position past the record that tail_next gave. */
void tail_accept(struct tail *tail);

/* tail_save remembers where the tail stands, tail_rewind goes back there, to the position given. */
void tail_save(struct tail *tail);
void tail_rewind(struct tail *tail, uint32_t number, uint64_t offset, uint64_t ordinal);
