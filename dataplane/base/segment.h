/* segment.h - segment files: their names, their first 4 KiB, and a reader that walks a data
 * directory's journals in order.
 *
 * journal/EEEEEE-SSS-NNNNNN.seg: epoch (each start of the daemon begins one), shard, number.  A
 * partition lives in one shard within an epoch, so reading epoch after epoch, any shard order
 * within one, keeps every partition's records in order.
 *
 * A segment says where the one before it ends.  What stands behind that place is no part of the
 * journal, whole or not: where a write or a sync failed, what had not become durable was written
 * again, with the same ordinals, in the next segment.  spare-SSS-NNNNNN.tmp is a file that a
 * journal has ready to become its next segment: nothing of it was written.
 *
 * A cold segment may be compressed: NAME.seg.zst (segment_packed.h), made whole before NAME.seg
 * goes.  Where both are there, NAME.seg is read; all that reads segments reads either.
 *
 * Memory:  a reader owns one buffer of a block's size.
 * Threads: a reader is one thread's; it may read a segment that is being written, up to the mark it
 * is given.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "dataplane/base/block.h"

#define SEGMENT_MAGIC        0x4745534556525400ull /* "\0TRVESEG" */
#define SEGMENT_FORMAT       2u
#define SEGMENT_HEADER_BYTES BLOCK_ALIGN
#define SEGMENT_NAME_MAX     32
#define SEGMENT_NUMBER_MAX   0xffffffu /* a position has 24 bits for it */

/* On disk, padded with zeros to SEGMENT_HEADER_BYTES. */
struct segment_header {
    uint64_t magic;
    uint32_t crc; /* CRC-32C of all that follows in this struct */
    uint32_t format;
    uint64_t file_id;
    uint64_t key_fingerprint; /* hash.h: whose hashes the state of this journal rests on */
    uint64_t created_ns;
    uint64_t first_ordinal;
    uint64_t prev_hash; /* of the last block of the segment before, the chain's start: the first
                           file_id of the epoch */
    uint32_t epoch;
    uint32_t shard;
    uint32_t number; /* from 1 within (epoch, shard) */
    uint32_t shard_count;
    uint32_t partition_count;
    uint32_t config_version;
    uint64_t prev_end;      /* offset at which the segment before ends; 0: there is none */
    uint32_t prev_given_up; /* 1: a write or sync behind prev_end failed, anything may be there */
    uint32_t reserved;      /* 0 */
};

struct segment_id {
    uint32_t epoch;
    uint32_t shard;
    uint32_t number;
};

/* How far a journal is durable.  Writer: the journal thread.  Readers: pumps, rx parts, the control
 * thread. */
struct segment_mark {
    _Atomic uint64_t ordinal;  /* of the last durable record; 0: none */
    _Atomic uint64_t position; /* segment number << 40 | offset behind the last durable block */
};

#define SEGMENT_POSITION(number, offset) ((uint64_t)(number) << 40 | (uint64_t)(offset))

void segment_name(struct segment_id id, char name[SEGMENT_NAME_MAX]);
/* segment_name_parse returns 0, or -EINVAL when name is not a segment's. */
int segment_name_parse(const char *name, struct segment_id *id);

void segment_packed_name(struct segment_id id, char name[SEGMENT_NAME_MAX]);
/* segment_file_name_parse is segment_name_parse of either kind of file. */
int segment_file_name_parse(const char *name, struct segment_id *id);

/* segment_spare_name names the serial-th file that shard has ready, segment_temporary_name the one
 * into which a segment is being compressed.  segment_is_temporary says whether a name is of one of
 * these kinds: such files hold nothing that is not elsewhere. */
void segment_spare_name(uint32_t shard, uint32_t serial, char name[SEGMENT_NAME_MAX]);
void segment_temporary_name(struct segment_id id, char name[SEGMENT_NAME_MAX]);
bool segment_is_temporary(const char *name);

void segment_header_encode(const struct segment_header *header, uint8_t page[SEGMENT_HEADER_BYTES]);
/* segment_header_decode returns 0, -EBADMSG (magic or CRC), -EPROTONOSUPPORT (a later format). */
int segment_header_decode(const uint8_t page[SEGMENT_HEADER_BYTES], struct segment_header *header);

/* segment_list reads the journal directory into a sorted array (epoch, shard, number) that the
 * caller frees. Returns the count, or a negative errno.  Files that are not segments are counted in
 * *unknown and left alone; temporary ones are passed over. */
int segment_list(int dir_fd, struct segment_id **ids, unsigned *unknown);

/* segment_cut makes a segment end at offset, for good: what recovery does with a torn tail before
 * anyone else reads it.  0 when not even the header is good.  Returns 0 or a negative errno. */
int segment_cut(int dir_fd, struct segment_id id, uint64_t offset);

/* The most that is written and synced together: what a crash may leave unfinished. */
#define SEGMENT_GROUP_BLOCKS 64u

/* segment_written_behind returns 1 when the segment holds a whole block of a group that was written
 * after the one at offset had been synced: what is wrong at offset is then damage, and no write
 * that a crash cut short. 0 when there is none; a negative errno. file_id 0 stands for any. */
int segment_written_behind(int dir_fd, struct segment_id id, uint64_t file_id, uint64_t offset);

/* segment_holds_nothing returns 1 when nothing that the segment holds can ever have been durable:
 * its header is not there or not whole, and no group was written after the first.  What came before
 * it in its journal then ends the journal.  0 or a negative errno else. */
int segment_holds_nothing(int dir_fd, struct segment_id id);

/* segment_bytes returns the length of a segment in *bytes, unpacked; segment_disk_bytes what its
 * files take.  0 or a negative errno. */
int segment_bytes(int dir_fd, struct segment_id id, uint64_t *bytes);
int segment_disk_bytes(int dir_fd, struct segment_id id, uint64_t *bytes);

/* segment_is_packed says whether a segment is there compressed, and only so. */
bool segment_is_packed(int dir_fd, struct segment_id id);

/* segment_remove removes a segment's files.  0 or a negative errno; the directory is the caller's
 * to sync. */
int segment_remove(int dir_fd, struct segment_id id);

/* segment_pread reads len bytes at offset.  Returns how many, fewer only at the end of the file, or
 * a negative errno. */
ssize_t segment_pread(int fd, uint8_t *data, size_t len, uint64_t offset);

/* The bytes of a segment, whether its file is packed or not. */
struct segment_packed;
struct segment_file {
    int fd;
    struct segment_packed *packed; /* NULL: it is not */
};

/* segment_file_open returns 0, or a negative errno: -EBADMSG the packed file is damaged. */
int segment_file_open(struct segment_file *file, int dir_fd, struct segment_id id);
void segment_file_close(struct segment_file file);
/* segment_file_pread is segment_pread; -EBADMSG: what is there cannot be unpacked. */
ssize_t segment_file_pread(struct segment_file file, uint8_t *data, size_t len, uint64_t offset);
int segment_file_bytes(struct segment_file file, uint64_t *bytes);
/* segment_file_direct has it read past the page cache where the file system can: memory, offsets
 * and lengths are then multiples of BLOCK_ALIGN. */
void segment_file_direct(struct segment_file file);

struct segment_reader {
    int dir_fd;
    int fd; /* -1 before the first open */
    struct segment_packed *packed;
    struct segment_id id;
    struct block_place place;
    uint8_t *memory; /* BLOCK_BYTES, aligned: a window of the file, [from, from + bytes) */
    uint64_t from;
    uint32_t bytes;
    bool reads_on;   /* the block in front of this place was read: more is read at once */
    bool is_direct;  /* the owner's wish, of segments that are still written to: past the cache */
    uint8_t *buffer; /* the block, in memory */
    uint32_t at;     /* next record in the block, behind its header */
    uint32_t end;
    uint64_t block_count; /* loaded so far, by this reader */
    uint64_t ordinal;     /* of the last record returned */
    uint32_t config_version;
    uint32_t partition_count;
    uint64_t key_fingerprint;
    uint64_t created_ns; /* of the segment */
    uint64_t stop;       /* where the next segment says that this one ends; UINT64_MAX: nothing */
    bool given_up;       /* and that this one failed there */
};

int segment_reader_init(struct segment_reader *reader, int dir_fd);
void segment_reader_fini(struct segment_reader *reader);

/* segment_reader_close closes the segment, to be as before the first open. */
void segment_reader_close(struct segment_reader *reader);

static inline struct segment_file segment_reader_file(const struct segment_reader *reader)
{
    return (struct segment_file){reader->fd, reader->packed};
}

/* segment_reader_open starts reading segment id at its first block; a reader that has just read the
 * one before passes the chain on and has it checked.  Returns 0 or a negative errno, and then the
 * reader is where it was: -ENODATA nothing was ever written to it (the daemon died before its first
 * group), -EBADMSG not this segment's header, -EILSEQ it does not follow the one just read. */
int segment_reader_open(struct segment_reader *reader, struct segment_id id);

/* segment_reader_return goes back to the block at place, a copy of reader->place from when the
 * reader stood in front of it in segment id.  Returns 0 or what segment_reader_open returns. */
int segment_reader_return(struct segment_reader *reader, struct segment_id id,
                          const struct block_place *place);

/* segment_reader_next returns the next record, loading blocks as needed but none that starts at or
 * behind limit (an offset in this segment; UINT64_MAX for a closed one, which ends where the next
 * one says).  *fault says why there is
 * none: BLOCK_END (limit or end of segment), or what is wrong with the block at
 * reader->place.offset. */
const struct record *segment_reader_next(struct segment_reader *reader, uint64_t limit,
                                         enum block_fault *fault);

/* segment_reader_peek returns the record at *at, reader->at at first, of the block that is loaded,
 * and moves *at past it; NULL at the block's end.  Nothing is taken. */
static inline const struct record *segment_reader_peek(const struct segment_reader *reader,
                                                       uint32_t *at)
{
    return record_next(reader->buffer + sizeof(struct block_header), reader->end, at);
}
