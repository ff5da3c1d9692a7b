/* segment_packed.h - a cold segment, compressed: NAME.seg.zst beside NAME.seg's place.
 *
 * Frames of zstd (RFC 8878), each of SEGMENT_FRAME_BYTES of the segment but the last, so that any
 * place is reached by unpacking one of them; then a skippable frame with the table of frames.  So
 * `zstd -d` makes the segment of it again, byte for byte.  A CRC-32C is kept of each frame as it
 * lies on the disk, and one of the table: no bit of the file is without.
 *
 * Memory:  a reader's table, eight bytes a frame, and two buffers of a frame; a writer's the same.
 * Threads: each one's own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "dataplane/base/segment.h"

#define SEGMENT_FRAME_BYTES (1u << 20)

/* segment_packed_open reads the table of the file behind fd, which stays the caller's.  Returns 0,
 * -EBADMSG when it is not a packed segment, -EPROTONOSUPPORT (a later format), or another negative
 * errno. */
int segment_packed_open(int fd, struct segment_packed **packed);
void segment_packed_close(struct segment_packed *packed);

/* segment_packed_bytes returns the length of the segment, unpacked. */
uint64_t segment_packed_bytes(const struct segment_packed *packed);

/* segment_packed_pread is as segment_pread; -EBADMSG: a frame is damaged. */
ssize_t segment_packed_pread(struct segment_packed *packed, uint8_t *data, size_t len,
                             uint64_t offset);

/* segment_pack compresses the first bytes of segment id, a whole one that nobody writes to any
 * more: into a temporary file, synced, read back and compared, renamed, the directory synced; only
 * then the segment's own file goes.  Whenever that is cut short one of the two is there, whole.
 * stop is asked between frames.  Returns 0 with the packed length, -EINTR when it was stopped, or
 * another negative errno; then the segment is as it was. */
int segment_pack(int dir_fd, struct segment_id id, uint64_t bytes, bool (*stop)(const void *arg),
                 const void *arg, uint64_t *packed_bytes);

/* The table, for the two files that know of it. */
#define SEGMENT_PACKED_MAGIC  0x4b41505645525400ull /* "\0TREVPAK" */
#define SEGMENT_PACKED_FORMAT 1u
#define SEGMENT_SKIP_MAGIC    0x184d2a5bu /* RFC 8878 section 3.1.2 */

struct segment_packed_frame {
    uint32_t bytes; /* on the disk */
    uint32_t crc;
};

struct segment_packed_skip {
    uint32_t magic;
    uint32_t bytes; /* of frames and footer */
};

struct segment_packed_footer {
    uint64_t bytes; /* unpacked */
    uint32_t frame_count;
    uint32_t frame_bytes;
    uint32_t format;
    uint32_t crc; /* CRC-32C of the frames' entries and what is above */
    uint64_t magic;
};
