/* segment_reader.c - walks the records of a segment, block by block, trusting no length that it
 * reads. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "dataplane/base/segment.h"

/* A header and the first records; most of a small block. */
#define FIRST_READ BLOCK_ALIGN

int segment_reader_init(struct segment_reader *reader, int dir_fd)
{
    *reader = (struct segment_reader){
        .dir_fd = dir_fd,
        .fd = -1,
        .memory = aligned_alloc(BLOCK_ALIGN, BLOCK_BYTES),
    };
    reader->buffer = reader->memory;
    return reader->memory ? 0 : -ENOMEM;
}

void segment_reader_close(struct segment_reader *reader)
{
    if (reader->fd >= 0)
        segment_file_close(segment_reader_file(reader));
    reader->fd = -1;
    reader->packed = NULL;
    reader->at = reader->end = reader->bytes = 0;
    reader->reads_on = false;
}

void segment_reader_fini(struct segment_reader *reader)
{
    segment_reader_close(reader);
    free(reader->memory);
    *reader = (struct segment_reader){.fd = -1};
}

static bool page_is_blank(const uint8_t *page, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (page[i])
            return false;
    return true;
}

static int read_header(struct segment_file file, struct segment_header *header)
{
    uint8_t page[SEGMENT_HEADER_BYTES] __attribute__((aligned(8)));
    ssize_t got = segment_file_pread(file, page, sizeof page, 0);
    if (got < 0)
        return (int)got;
    if (page_is_blank(page, (size_t)got))
        return -ENODATA;
    return got == (ssize_t)sizeof page ? segment_header_decode(page, header) : -EBADMSG;
}

static bool is_of(const struct segment_header *header, struct segment_id id)
{
    return header->epoch == id.epoch && header->shard == id.shard && header->number == id.number;
}

/* Opens a segment and reads its header; 0 or a negative errno. */
static int open_header(int dir_fd, struct segment_id id, struct segment_file *file,
                       struct segment_header *header)
{
    int rc = segment_file_open(file, dir_fd, id);
    if (rc)
        return rc;
    rc = read_header(*file, header);
    if (!rc && !is_of(header, id))
        rc = -EBADMSG;
    if (rc)
        segment_file_close(*file);
    return rc;
}

/* find_stop asks the next segment where this one ends.  It may not be there yet, nor ever. */
static void find_stop(struct segment_reader *reader)
{
    struct segment_header next = {0};
    struct segment_id id = reader->id;
    if (reader->stop != UINT64_MAX || id.number++ == SEGMENT_NUMBER_MAX)
        return;
    struct segment_file file;
    if (open_header(reader->dir_fd, id, &file, &next))
        return;
    segment_file_close(file);
    reader->stop = next.prev_end;
    reader->given_up = next.prev_given_up;
}

/* The segment that follows the one just read to its end must carry its chain on. */
static int check_chain(const struct segment_reader *reader, const struct segment_header *header)
{
    if (reader->fd < 0 || reader->id.epoch != header->epoch || reader->id.shard != header->shard ||
        reader->id.number + 1 != header->number)
        return 0;
    bool follows = header->prev_hash == reader->place.prev_hash &&
                   header->prev_end == reader->place.offset &&
                   header->first_ordinal == reader->place.next_ordinal;
    return follows ? 0 : -EILSEQ;
}

int segment_reader_open(struct segment_reader *reader, struct segment_id id)
{
    struct segment_header header = {0};
    struct segment_file file;
    int rc = open_header(reader->dir_fd, id, &file, &header);
    if (rc)
        return rc;
    rc = check_chain(reader, &header);
    if (rc) {
        segment_file_close(file);
        return rc;
    }
    segment_reader_close(reader);
    if (reader->is_direct)
        segment_file_direct(file);
    reader->fd = file.fd;
    reader->packed = file.packed;
    reader->id = id;
    reader->place = (struct block_place){
        .file_id = header.file_id,
        .offset = SEGMENT_HEADER_BYTES,
        .prev_hash = header.prev_hash,
        .next_ordinal = header.first_ordinal,
    };
    reader->at = reader->end = 0;
    reader->ordinal = header.first_ordinal - 1;
    reader->config_version = header.config_version;
    reader->partition_count = header.partition_count;
    reader->key_fingerprint = header.key_fingerprint;
    reader->created_ns = header.created_ns;
    reader->stop = UINT64_MAX;
    reader->given_up = false;
    return 0;
}

int segment_reader_return(struct segment_reader *reader, struct segment_id id,
                          const struct block_place *place)
{
    bool same = reader->fd >= 0 && reader->id.epoch == id.epoch && reader->id.shard == id.shard &&
                reader->id.number == id.number;
    int rc = same ? 0 : segment_reader_open(reader, id);
    if (rc)
        return rc;
    if (reader->place.file_id != place->file_id)
        return -EBADMSG;
    reader->place = *place;
    reader->at = reader->end = 0;
    reader->reads_on = false;
    reader->ordinal = place->next_ordinal - 1;
    return 0;
}

/* The CRC says that a block is as it was written; this, that what was written are records. */
static bool records_are_whole(const uint8_t *payload, const struct block_header *header)
{
    uint32_t at = 0, count = 0;
    while (record_next(payload, header->bytes, &at))
        count++;
    return at == header->bytes && count == header->record_count;
}

/* A packed block that cannot be unpacked is as good as one with a wrong checksum. */
static enum block_fault unreadable(ssize_t rc)
{
    return rc == -EBADMSG ? BLOCK_TORN : BLOCK_UNREADABLE;
}

static ssize_t read_at(const struct segment_reader *reader, uint64_t skip, uint64_t len)
{
    return segment_file_pread(segment_reader_file(reader), reader->memory + skip,
                              arena_round(len, BLOCK_ALIGN), reader->place.offset + skip);
}

/* Bytes behind FIRST_READ that the block seems to have. */
static uint32_t bytes_behind(const uint8_t *first)
{
    const struct block_header *header = (const void *)first;
    bool more = header->magic == BLOCK_MAGIC && header->bytes > FIRST_READ - sizeof *header &&
                header->bytes <= BLOCK_BYTES - sizeof *header;
    return more ? (uint32_t)sizeof *header + header->bytes - FIRST_READ : 0;
}

/* fill reads `want` bytes at the reader's place, but nothing behind limit, and the rest of the
 * block when there are no more than its first.  Returns 0 or a negative errno. */
static int fill(struct segment_reader *reader, uint64_t limit, uint64_t want)
{
    uint64_t left = limit - reader->place.offset;
    reader->bytes = 0;
    ssize_t got = read_at(reader, 0, want < left ? want : left);
    if (got < 0)
        return (int)got;
    uint32_t behind = got == FIRST_READ ? bytes_behind(reader->memory) : 0;
    ssize_t more = behind ? read_at(reader, FIRST_READ, behind) : 0;
    if (more < 0)
        return (int)more;
    reader->from = reader->place.offset;
    reader->bytes = (uint32_t)(got + more);
    return 0;
}

/* Who has read the block in front of this one reads on.  What then cannot be read may be none of
 * this block's. */
static int fill_window(struct segment_reader *reader, uint64_t limit)
{
    int rc = reader->reads_on ? fill(reader, limit, BLOCK_BYTES) : -EAGAIN;
    return rc < 0 ? fill(reader, limit, FIRST_READ) : rc;
}

static enum block_fault check_window(struct segment_reader *reader, struct block_place *next,
                                     const struct block_header **header)
{
    uint64_t at = reader->place.offset - reader->from;
    if (at > reader->bytes) /* in front of it, too */
        return BLOCK_TORN;
    reader->buffer = reader->memory + at;
    return block_check(reader->buffer, reader->bytes - at, next, header);
}

/* What the window has may be from before it was written, or cut off where the window ends: only
 * what was read for this block says what is wrong with it. */
static enum block_fault load_block(struct segment_reader *reader, uint64_t limit)
{
    const struct block_header *header;
    struct block_place next = reader->place;
    enum block_fault fault = check_window(reader, &next, &header);
    if (fault != BLOCK_OK) {
        int rc = fill_window(reader, limit);
        if (rc < 0)
            return unreadable(rc);
        fault = check_window(reader, &next, &header);
    }
    if (fault != BLOCK_OK)
        return fault;
    if (!records_are_whole(reader->buffer + sizeof *header, header))
        return BLOCK_TORN;
    reader->at = 0;
    reader->end = header->bytes;
    reader->block_count++;
    reader->reads_on = true;
    reader->ordinal = reader->place.next_ordinal - 1;
    reader->config_version = header->config_version;
    reader->place = next;
    return BLOCK_OK;
}

/* Loads the next block in front of limit.  A segment that ends before the place where its chain
 * goes on has lost something. */
static enum block_fault load_next(struct segment_reader *reader, uint64_t limit)
{
    if (reader->fd < 0)
        return BLOCK_END;
    if (limit == UINT64_MAX)
        find_stop(reader);
    bool stops = reader->stop < limit;
    if (reader->place.offset >= (stops ? reader->stop : limit))
        return BLOCK_END;
    enum block_fault fault = load_block(reader, limit);
    return fault == BLOCK_END && stops ? BLOCK_TORN : fault;
}

const struct record *segment_reader_next(struct segment_reader *reader, uint64_t limit,
                                         enum block_fault *fault)
{
    while (reader->at == reader->end) {
        *fault = load_next(reader, limit);
        if (*fault != BLOCK_OK)
            return NULL;
    }
    const struct record *record =
        record_next(reader->buffer + sizeof(struct block_header), reader->end, &reader->at);
    assert(record);
    reader->ordinal++;
    *fault = BLOCK_OK;
    return record;
}
