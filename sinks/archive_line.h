/* archive_line.h - one record of a journal as one line of JSON, in a form that gives back every bit
 * of the record.
 *
 *   {"ordinal":7,"kind":"event","partition":3,"seq":12,"received":"2026-11-20T12:00:01.201114123Z",
 *    "config":1,"body":{...}}
 *
 * The members come in this order and no other.  `flags` follows `config` where there are any;
 * `reason` and `offset` where the record is a dead letter; `outcome`, and `hunt` where it has one,
 * where it is an outcome.  Last comes what the record holds: as `body` what is JSON without a line
 * break, byte for byte; as `text` what is UTF-8 otherwise; as `hex` all else, outcomes included.
 *
 * Memory:  the caller's buffers.  Threads: any.
 */
#pragma once

#include <stddef.h>

#include "dataplane/base/block.h"

/* What any record can take that a block can hold: six bytes for one, and the members in front. */
#define ARCHIVE_LINE_MAX (6u * BLOCK_BYTES + 1024u)

/* A record with what is told of it outside. */
struct archive_record {
    const struct record *record; /* with its body behind it */
    uint64_t ordinal;
    uint32_t config_version;
};

/* archive_line_encode writes a record with the newline behind it; returns the length, in
 * [1, ARCHIVE_LINE_MAX]. */
size_t archive_line_encode(const struct archive_record *from, char out[ARCHIVE_LINE_MAX]);

/* Where a record is put when it is read back. */
struct archive_room {
    struct record head;
    uint8_t body[BLOCK_BYTES - sizeof(struct record)];
    char again[ARCHIVE_LINE_MAX];
};

/* archive_line_decode reads what archive_line_encode wrote, without its newline.  Returns 0, with
 * to->record in that room; -EBADMSG it is not such a line, to the letter. */
int archive_line_decode(const char *line, size_t len, struct archive_room *room,
                        struct archive_record *to);
