/* segment_scan.c - what stands behind the place where a segment stops making sense. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/segment.h"

/* A group that was begun after the fault starts no further behind it than a group is long. */
#define SCAN_BYTES (SEGMENT_GROUP_BLOCKS * (uint64_t)BLOCK_BYTES + SEGMENT_HEADER_BYTES)

/* Whether data begins with a whole block of this place, whose group began behind fault. */
static bool proves(const uint8_t *data, size_t room, uint64_t file_id, uint64_t offset,
                   uint64_t fault)
{
    struct block_header h;
    if (room < sizeof h)
        return false;
    memcpy(&h, data, sizeof h);
    if (h.magic != BLOCK_MAGIC || h.offset != offset || !h.group_pages ||
        (file_id && h.file_id != file_id))
        return false;
    uint64_t behind_start = (uint64_t)(h.group_pages - 1) * BLOCK_ALIGN;
    if (behind_start > offset || offset - behind_start <= fault)
        return false;
    /* Its own chain is not at hand; it only has to be whole. */
    struct block_place place = {.file_id = h.file_id,
                                .offset = offset,
                                .prev_hash = h.prev_hash,
                                .next_ordinal = h.first_ordinal};
    const struct block_header *header;
    return block_check(data, room, &place, &header) == BLOCK_OK;
}

int segment_written_behind(int dir_fd, struct segment_id id, uint64_t file_id, uint64_t offset)
{
    struct segment_file file;
    int rc = segment_file_open(&file, dir_fd, id);
    if (rc)
        return rc;
    uint8_t *buffer = aligned_alloc(BLOCK_ALIGN, BLOCK_BYTES + BLOCK_ALIGN);
    rc = buffer ? 0 : -ENOMEM;
    uint64_t end = offset + SCAN_BYTES;
    /* Page by page, with a whole block in sight of each only where a page looks like one. */
    for (uint64_t at = offset + BLOCK_ALIGN; rc == 0 && at <= end; at += BLOCK_ALIGN) {
        ssize_t got = segment_file_pread(file, buffer, BLOCK_ALIGN, at);
        uint32_t magic = 0;
        if (got >= (ssize_t)sizeof(struct block_header))
            memcpy(&magic, buffer, sizeof magic);
        if (magic == BLOCK_MAGIC)
            got = segment_file_pread(file, buffer, BLOCK_BYTES, at);
        if (got <= 0) {
            rc = (int)got;
            break;
        }
        rc = magic == BLOCK_MAGIC && proves(buffer, (size_t)got, file_id, at, offset);
    }
    free(buffer);
    segment_file_close(file);
    return rc;
}

int segment_holds_nothing(int dir_fd, struct segment_id id)
{
    struct segment_reader alone = {.dir_fd = dir_fd, .fd = -1};
    int rc = segment_reader_open(&alone, id);
    segment_reader_fini(&alone);
    if (rc != -ENODATA && rc != -EBADMSG)
        return rc;
    rc = segment_written_behind(dir_fd, id, 0, 0);
    return rc < 0 ? rc : !rc;
}
