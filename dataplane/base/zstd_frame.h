/* zstd_frame.h - bytes as one whole zstd frame (RFC 8878), with its checksum, and back. Frames may
 * stand one behind the other, so a file of them can be cut between any two.
 *
 * The only file that sees libzstd.
 *
 * Memory:  a context per encoder, some MiB, by malloc.  Threads: one per encoder.
 */
#pragma once

#include <stddef.h>

struct zstd_frame;

/* zstd_frame_new returns NULL without memory; level is in [1, 19]. */
struct zstd_frame *zstd_frame_new(int level);
void zstd_frame_free(struct zstd_frame *encoder);

/* zstd_frame_bound returns how long the frame of len bytes can be. */
size_t zstd_frame_bound(size_t len);

/* zstd_frame_encode writes one frame and returns its length, in [1, zstd_frame_bound(len)]; 0 when
 * room is less than the bound, or there is no memory. */
size_t zstd_frame_encode(struct zstd_frame *encoder, const void *bytes, size_t len, void *out,
                         size_t room);

/* zstd_frame_decode unpacks one frame of len bytes.  Returns how long it is unpacked, at most room,
 * or SIZE_MAX when it is no whole frame or longer. */
size_t zstd_frame_decode(const void *frame, size_t len, void *out, size_t room);

/* zstd_frame_length returns how long the frame is that len bytes begin with, 0 when they are no
 * frame or not all of it. */
size_t zstd_frame_length(const void *bytes, size_t len);
