/* image.h - a partition's state as bytes, and back: what a checkpoint keeps.
 *
 * Said is what is alive, entry by entry, and not where it lies: so a partition goes into tables of
 * any size that have room for it.  Only the ids of duplicate detection need a table of the same
 * size, which a slot's place is a part of.
 *
 * The bytes come in chunks, each a header and entries of one kind, the partition's own first.
 * Little-endian, as laid out here; what is not in use is 0.
 *
 * Memory:  none of its own.  Threads: whoever owns the state.
 */
#pragma once

#include "graph/claims.h"
#include "graph/corrections.h"
#include "graph/dedupe.h"
#include "graph/progress.h"
#include "graph/state.h"

#define IMAGE_FORMAT    1u
#define IMAGE_CHUNK_MAX (18u << 10)
#define IMAGE_LINES     256u /* of ids in a chunk */
#define IMAGE_ENTRIES   64u  /* of anything else */

enum image_kind {
    IMAGE_PARTITION = 1,
    IMAGE_IDS,
    IMAGE_PROGRESS,
    IMAGE_CLAIMS,
    IMAGE_CORRECTIONS,
};

struct image_chunk {
    uint16_t kind; /* enum image_kind */
    uint16_t count;
    uint32_t bytes; /* this header included, a multiple of 8 */
};

struct image_partition {
    struct image_chunk chunk; /* count 1 */
    uint64_t seq, last_ns;
    struct dedupe_saved dedupe;
};

struct image_ids {
    struct image_chunk chunk; /* count: of lines */
    uint32_t first_line;
    uint32_t reserved;
    uint8_t slots[IMAGE_LINES]; /* of each line; behind it all of them */
};

struct image_progress {
    uint32_t tag;
    uint32_t expires_s;
    struct progress_entry entry;
};

/* How much of a partition has been said. */
struct image {
    const struct state *state;
    uint32_t partition;
    uint16_t kind; /* being said, enum image_kind; behind the last one: all is */
    uint32_t at;
};

void image_begin(struct image *image, const struct state *state, uint32_t partition);

/* image_next writes the next chunk to out, which has IMAGE_CHUNK_MAX bytes, aligned to 8.  Returns
 * its bytes, 0 once all has been said. */
uint32_t image_next(struct image *image, uint8_t *out);

/* image_load takes the chunk at bytes, aligned to 8, into a partition that state_clear emptied;
 * without ids those of duplicate detection are passed over.  item_count bounds the items that it
 * may name.  Returns the chunk's bytes, or a negative errno: -EBADMSG it is none, -ESTALE its ids
 * belong to a table of another size, -ENOSPC there is no room. */
int image_load(struct state *state, uint32_t partition, uint32_t item_count, bool ids,
               const uint8_t *bytes, uint32_t len);
