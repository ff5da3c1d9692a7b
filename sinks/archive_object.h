/* archive_object.h - one object of the archive while it is put together, in a file on this host.
 *
 * A line that says what it is, then a record a line (archive_line.h), in zstd frames of about
 * 1 MiB.  Lines, frames and their hash depend on the records alone.
 *
 * Memory:  two buffers of a frame; the file, whose content is of no use to another start.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sinks/archive_line.h"
#include "sinks/line.h"
#include "sinks/sha256.h"

#define ARCHIVE_FRAME_BYTES (1u << 20) /* of lines; one that is longer has a frame of its own */
#define ARCHIVE_HEAD_MAX    128u

struct zstd_frame;

struct archive_object {
    int fd; /* -1: not open */
    uint32_t epoch, shard;
    uint64_t first, last;          /* ordinals */
    uint64_t records;              /* 0: it has not begun */
    uint64_t from_ns;              /* when the first of them was received */
    uint64_t content_bytes, bytes; /* of lines; of what is in the file */
    char sha256[SHA256_HEX];       /* of the lines, once it is finished */

    struct zstd_frame *zstd;
    struct sha256 *sha;
    char *content, *frame, *line;
    size_t used; /* of content */
};

/* archive_object_init takes the memory; 0 or -ENOMEM.  archive_object_fini gives it back, in either
 * case. */
int archive_object_init(struct archive_object *object);
void archive_object_fini(struct archive_object *object);

/* archive_object_open makes the file, or empties what there is of the name; 0 or a negative errno.
 * archive_object_close removes it. */
int archive_object_open(struct archive_object *object, const char *path);
void archive_object_close(struct archive_object *object, const char *path);

/* archive_object_begin empties it for records of a journal of the data directory `journal`.
 * archive_object_add adds the next one.  archive_object_finish writes what is left.  0 or a
 * negative errno. */
int archive_object_begin(struct archive_object *object, const char *journal, uint32_t epoch,
                         uint32_t shard, uint64_t first, uint64_t from_ns);
int archive_object_add(struct archive_object *object, const struct archive_record *record);
int archive_object_finish(struct archive_object *object);

/* archive_head_encode writes the first line, with its newline; returns its length. */
size_t archive_head_encode(const char *journal, uint32_t epoch, uint32_t shard, uint64_t first,
                           char out[ARCHIVE_HEAD_MAX]);
