/* block.h - the unit in which a journal is written: a 4 KiB-aligned run of whole records, bound to
 * its place.
 *
 * The shard fills a block, the journal thread seals it (place, chain, CRC-32C) and writes it in one
 * go.  A reader can tell a good block from one that is torn, stale, from another file or at another
 * offset.
 *
 * Memory:  a block's data is BLOCK_BYTES, aligned to BLOCK_ALIGN, from the shard's arena; the same
 * memory is what O_DIRECT reads. Threads: whoever holds the block: shard, then journal thread, then
 * shard again, handed over by rings.
 */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/base/arena.h"
#include "dataplane/base/record.h"
#include "dataplane/base/ring.h"

#define BLOCK_BYTES      (256u << 10)
#define BLOCK_ALIGN      4096u
#define BLOCK_EVENTS_MAX 4096u
#define BLOCK_AHEAD      2048u /* bytes that block_prefetch brings in behind the last record */
#define BLOCK_ASKED      512u  /* bytes that it asks for at once */
#define BLOCK_MAGIC      0x4b4c4254u /* "TBLK" */

/* On disk, little-endian, followed by `bytes` of records and zeros up to BLOCK_ALIGN. */
struct block_header {
    uint32_t magic;
    uint32_t crc;       /* CRC-32C of the header from file_id on, and of the records */
    uint64_t file_id;   /* of the segment */
    uint64_t offset;    /* in the segment */
    uint64_t prev_hash; /* hash of the previous block's header in this journal (its file_id before
                           the first) */
    uint64_t first_ordinal; /* the journal's records are numbered from 1, dense across segments */
    uint32_t record_count;
    uint32_t bytes;
    uint32_t config_version; /* in force for every record of the block */
    uint32_t group_pages; /* 1 + BLOCK_ALIGNs from the first byte written and synced together with
                             the block; 0: not said */
    uint32_t reserved[2]; /* 0 */
};

static_assert(sizeof(struct block_header) == 64, "on disk");

struct block {
    uint8_t *data;     /* header, then records */
    uint64_t *wire_ns; /* of each event in it, for the wire-to-durable histogram */
    uint64_t first_ordinal;
    uint32_t used;       /* bytes, header included */
    uint32_t prefetched; /* bytes asked for by block_prefetch */
    uint32_t record_count;
    uint32_t event_count;
    uint32_t config_version;
    uint32_t group_pages; /* set by the journal thread before it seals */
    struct block *next;   /* of those that the journal thread keeps back, or the shard has free */
};

struct block_ref {
    struct block *block;
};
RING_DEFINE(block, block_ref);

/* Where a block stands; the reader and the writer each keep one per journal. */
struct block_place {
    uint64_t file_id;
    uint64_t offset;
    uint64_t prev_hash;
    uint64_t next_ordinal;
};

enum block_fault {
    BLOCK_OK,
    BLOCK_END,        /* zeros: nothing was written here */
    BLOCK_TORN,       /* header or records do not match the CRC, or it ends past the room given */
    BLOCK_MISPLACED,  /* a good block of another file or offset */
    BLOCK_UNCHAINED,  /* a good block of this place, but not the one that follows its predecessor:
                         stale or out of order */
    BLOCK_UNREADABLE, /* the disk did not give it */
};

size_t block_footprint(void);
void block_init(struct block *block, struct arena *arena);

/* block_start empties the block.  Thread: the shard. */
void block_start(struct block *block, uint64_t first_ordinal, uint32_t config_version);

/* block_room returns the bytes of records that still fit.  block_append adds a record with a body
 * of body_len bytes, zero-padded, for which the caller has checked the room.  Returns where it
 * stands: header and body are the caller's to write, there and at once.  A copy of what was just
 * written elsewhere would wait until those stores are done. */
static inline uint32_t block_room(const struct block *block)
{
    return BLOCK_BYTES - block->used;
}
static inline struct record *block_append(struct block *block, uint32_t body_len)
{
    uint32_t bytes = record_bytes(body_len);
    assert(body_len <= BLOCK_BYTES && bytes <= block_room(block));
    uint8_t *at = block->data + block->used;
    /* The last word first: the body then covers all of it but the padding. */
    if (body_len)
        memset(at + bytes - 8, 0, 8);
    block->used += bytes;
    block->record_count++;
    return (struct record *)(void *)at;
}

/* block_prefetch brings in, to be written, the lines that the next records will cover.  The journal
 * thread read them last, on another core: a store would wait for each to be given up there, and all
 * stores behind it.  At the end of a block it asks for what is behind, which costs nothing. */
static inline void block_prefetch(struct block *block)
{
    while (block->prefetched < block->used + BLOCK_AHEAD) {
        const uint8_t *at = block->data + block->prefetched;
        for (uint32_t line = 0; line < BLOCK_ASKED; line += 64)
            __builtin_prefetch(at + line, 1);
        block->prefetched += BLOCK_ASKED;
    }
}

/* block_seal completes the header for a place and returns the bytes to write, a multiple of
 * BLOCK_ALIGN; *place moves on. */
uint32_t block_seal(struct block *block, struct block_place *place);

/* block_check checks the block at data, of which room bytes were read, against the place where it
 * should be. BLOCK_OK: *place moves past it and *header points at it.  Anything else leaves *place
 * alone. */
enum block_fault block_check(const uint8_t *data, size_t room, struct block_place *place,
                             const struct block_header **header);

/* crc32c continues a CRC-32C (Castagnoli; RFC 3720 section 12.1) from crc, 0 at first. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);
