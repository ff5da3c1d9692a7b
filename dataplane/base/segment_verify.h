/* segment_verify.h - is a segment, to its last bit, what was written?
 *
 * Headers, checksums, places, the chain and the shape of records are held against each other, and
 * what lies between and behind them must be zero: no byte of the file is left out.
 *
 * Memory:  a buffer of a block's size for the time of a call.  Threads: as the reader; a segment
 * may be verified while it is written.
 */
#pragma once

#include "dataplane/base/segment.h"

enum segment_state {
    SEGMENT_WHOLE,
    SEGMENT_EMPTY,      /* nothing was ever written to it */
    SEGMENT_UNFINISHED, /* whole up to offset, behind which a crash or a write under way left part
                           of a block; or a last block that was damaged: nothing tells them apart */
    SEGMENT_DAMAGED,    /* at offset */
};

struct segment_found {
    enum segment_state state;
    const char *what; /* is wrong; NULL: nothing */
    uint64_t offset;  /* where; of a whole one, its end */
    uint64_t bytes;   /* of the file */
    uint64_t blocks, records;
    uint64_t first_ordinal; /* 0: the header was not read */
    uint32_t config_version;
};

/* Where a segment stands among those of its data directory. */
enum segment_stand {
    SEGMENT_FOLLOWED, /* a later one of its journal is there */
    SEGMENT_LAST,     /* of an epoch that is over: recovery has cut what was unfinished */
    SEGMENT_OPEN,     /* the last, of the newest epoch */
};

/* segment_verify reads all of a segment.  A reader that has just found the one before whole passes
 * the chain on; after any other it is begun anew.  Returns 0, or a negative errno when the file
 * cannot be read. */
int segment_verify(struct segment_reader *reader, struct segment_id id, enum segment_stand stand,
                   struct segment_found *found);
