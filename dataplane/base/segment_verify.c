/* segment_verify.c - a segment read to its last byte. */
#include "dataplane/base/segment_verify.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* A write that is under way shows pages in any order; it takes milliseconds. */
#define LOOKS   5
#define LOOK_NS 20000000L

struct verify {
    struct segment_reader *reader;
    struct segment_found *found;
    uint8_t *buffer; /* BLOCK_BYTES */
};

static int tell(struct verify *verify, uint64_t offset, const char *what)
{
    verify->found->state = SEGMENT_DAMAGED;
    verify->found->offset = offset;
    verify->found->what = what;
    return 0;
}

static const char *fault_text(enum block_fault fault)
{
    switch (fault) {
    case BLOCK_MISPLACED:
        return "a block of another file or offset";
    case BLOCK_UNCHAINED:
        return "a block that does not follow the one before it";
    case BLOCK_UNREADABLE:
        return "the disk does not give it";
    default:
        return "a block that does not match its checksum";
    }
}

/* first_set returns the offset in [from, to) of the first byte that is not zero, `to` when all are;
 * *rc becomes a negative errno when the file cannot be read. */
static uint64_t first_set(struct verify *verify, uint64_t from, uint64_t to, int *rc)
{
    for (uint64_t at = from; at < to;) {
        uint64_t want = to - at < BLOCK_BYTES ? to - at : BLOCK_BYTES;
        ssize_t got =
            segment_file_pread(segment_reader_file(verify->reader), verify->buffer, want, at);
        if (got <= 0) {
            *rc = (int)got;
            return to;
        }
        for (ssize_t i = 0; i < got; i++)
            if (verify->buffer[i])
                return at + (uint64_t)i;
        at += (uint64_t)got;
    }
    return to;
}

/* blank looks at what must be zero. */
static int blank(struct verify *verify, uint64_t from, uint64_t to)
{
    int rc = 0;
    uint64_t at = first_set(verify, from, to, &rc);
    if (!rc && at < to)
        return tell(verify, at, "bytes where there should be none");
    return rc;
}

/* read_blocks reads on to the last block that there is.  found->state stays WHOLE when nothing is
 * wrong with them. */
static int read_blocks(struct verify *verify)
{
    struct segment_reader *reader = verify->reader;
    struct segment_found *found = verify->found;
    enum block_fault fault = BLOCK_OK;
    uint64_t begin = reader->place.offset, next = begin;
    int rc = 0;
    while (!rc && found->state == SEGMENT_WHOLE &&
           segment_reader_next(reader, UINT64_MAX, &fault)) {
        found->records++;
        if (reader->place.offset == next)
            continue;
        begin = next;
        next = reader->place.offset;
        found->blocks++;
        rc = blank(verify, begin + sizeof(struct block_header) + reader->end, next);
    }
    if (!rc && found->state == SEGMENT_WHOLE && fault != BLOCK_OK && fault != BLOCK_END)
        return tell(verify, reader->place.offset, fault_text(fault));
    return rc;
}

/* read_all reads blocks, and what is behind the last one. */
static int read_all(struct verify *verify)
{
    struct segment_found *found = verify->found;
    const struct segment_reader *reader = verify->reader;
    found->state = SEGMENT_WHOLE;
    found->what = NULL;
    int rc = read_blocks(verify);
    if (!rc)
        rc = segment_bytes(reader->dir_fd, reader->id, &found->bytes);
    if (rc || found->state != SEGMENT_WHOLE)
        return rc;
    found->offset = reader->place.offset;
    return reader->given_up ? 0 : blank(verify, found->offset, found->bytes);
}

/* read_last reads a segment that may be growing. */
static int read_last(struct verify *verify)
{
    struct segment_found *found = verify->found;
    const struct segment_reader *reader = verify->reader;
    int rc = read_all(verify);
    for (int i = 0; !rc && found->state == SEGMENT_DAMAGED && i < LOOKS; i++) {
        if (found->offset < reader->place.offset)
            return 0; /* between blocks: no write is under way there */
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
        rc = read_all(verify);
    }
    if (rc || found->state != SEGMENT_DAMAGED || found->offset < reader->place.offset)
        return rc;
    int later = segment_written_behind(reader->dir_fd, reader->id, reader->place.file_id,
                                       reader->place.offset);
    if (later == 0)
        found->state = SEGMENT_UNFINISHED;
    return later < 0 ? later : 0;
}

static int open_failed(struct verify *verify, int rc, enum segment_stand stand)
{
    switch (rc) {
    case -ENODATA:
        if (stand == SEGMENT_FOLLOWED)
            return tell(verify, 0, "nothing was written to it, though it has a successor");
        verify->found->state = SEGMENT_EMPTY;
        return 0;
    case -EBADMSG:
        return tell(verify, 0, "the header is not this segment's");
    case -EILSEQ:
        return tell(verify, 0, "it does not follow the segment before it");
    case -EPROTONOSUPPORT:
        return tell(verify, 0, "its format is not known to this version");
    default:
        return rc;
    }
}

int segment_verify(struct segment_reader *reader, struct segment_id id, enum segment_stand stand,
                   struct segment_found *found)
{
    struct verify verify = {.reader = reader, .found = found};
    *found = (struct segment_found){.state = SEGMENT_WHOLE};
    int rc = segment_bytes(reader->dir_fd, id, &found->bytes);
    if (rc == -EBADMSG || rc == -EPROTONOSUPPORT)
        return tell(&verify, 0,
                    rc == -EBADMSG ? "it cannot be unpacked"
                                   : "its format is not known to this version");
    if (rc)
        return rc;
    verify.buffer = malloc(BLOCK_BYTES);
    if (!verify.buffer)
        return -ENOMEM;
    rc = segment_reader_open(reader, id);
    if (rc) {
        rc = open_failed(&verify, rc, stand);
    } else {
        found->first_ordinal = reader->place.next_ordinal;
        found->config_version = reader->config_version;
        rc = blank(&verify, sizeof(struct segment_header), SEGMENT_HEADER_BYTES);
        if (!rc && found->state == SEGMENT_WHOLE)
            rc = stand == SEGMENT_OPEN ? read_last(&verify) : read_all(&verify);
    }
    free(verify.buffer);
    return rc;
}
