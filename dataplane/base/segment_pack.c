/* segment_pack.c - compresses a segment; its own file goes last. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/segment_packed.h"
#include "dataplane/base/write_all.h"
#include "dataplane/base/zstd_frame.h"

#define LEVEL 3 /* zstd's own default: most of what can be had, at hundreds of MB/s */

struct pack {
    int from, to;
    uint64_t bytes;
    struct zstd_frame *encoder;
    uint8_t *data, *disk;
    size_t disk_room;
    struct segment_packed_frame *frames;
    uint32_t frame_count;
    uint64_t written;
    bool (*stop)(const void *arg);
    const void *arg;
};

/* Reads the next frame's bytes of the segment; their number or a negative errno. */
static ssize_t read_frame(const struct pack *pack, uint64_t at)
{
    uint64_t left = pack->bytes - at;
    size_t want = left < SEGMENT_FRAME_BYTES ? left : SEGMENT_FRAME_BYTES;
    ssize_t got = segment_pread(pack->from, pack->data, want, at);
    return got == (ssize_t)want || got < 0 ? got : -EIO;
}

static int write_frames(struct pack *pack)
{
    for (uint64_t at = 0; at < pack->bytes; at += SEGMENT_FRAME_BYTES) {
        struct segment_packed_frame *frame = &pack->frames[pack->frame_count++];
        if (pack->stop(pack->arg))
            return -EINTR;
        ssize_t got = read_frame(pack, at);
        if (got < 0)
            return (int)got;
        size_t n =
            zstd_frame_encode(pack->encoder, pack->data, (size_t)got, pack->disk, pack->disk_room);
        if (!n)
            return -ENOMEM;
        *frame = (struct segment_packed_frame){(uint32_t)n, crc32c(0, pack->disk, n)};
        int rc = write_all(pack->to, pack->disk, n, &pack->written);
        if (rc)
            return rc;
    }
    return 0;
}

static int write_table(struct pack *pack)
{
    size_t len = pack->frame_count * sizeof *pack->frames;
    struct segment_packed_footer footer = {
        .bytes = pack->bytes,
        .frame_count = pack->frame_count,
        .frame_bytes = SEGMENT_FRAME_BYTES,
        .format = SEGMENT_PACKED_FORMAT,
        .magic = SEGMENT_PACKED_MAGIC,
    };
    const struct segment_packed_skip skip = {SEGMENT_SKIP_MAGIC, (uint32_t)(len + sizeof footer)};
    footer.crc = crc32c(0, pack->frames, len);
    footer.crc = crc32c(footer.crc, &footer, offsetof(struct segment_packed_footer, crc));
    int rc = write_all(pack->to, &skip, sizeof skip, &pack->written);
    if (!rc)
        rc = write_all(pack->to, pack->frames, len, &pack->written);
    return rc ? rc : write_all(pack->to, &footer, sizeof footer, &pack->written);
}

/* What was written, unpacked again, is the segment. */
static int compare(struct pack *pack)
{
    struct segment_packed *packed = NULL;
    uint8_t *back = malloc(SEGMENT_FRAME_BYTES);
    int rc = back ? segment_packed_open(pack->to, &packed) : -ENOMEM;
    for (uint64_t at = 0; !rc && at < pack->bytes; at += SEGMENT_FRAME_BYTES) {
        ssize_t got = pack->stop(pack->arg) ? -EINTR : read_frame(pack, at);
        if (got < 0)
            rc = (int)got;
        else if (segment_packed_pread(packed, back, (size_t)got, at) != got ||
                 memcmp(back, pack->data, (size_t)got) != 0)
            rc = -EIO;
    }
    segment_packed_close(packed);
    free(back);
    return rc;
}

static int pack_file(struct pack *pack)
{
    size_t frames = pack->bytes / SEGMENT_FRAME_BYTES + 1;
    pack->disk_room = zstd_frame_bound(SEGMENT_FRAME_BYTES);
    pack->data = malloc(SEGMENT_FRAME_BYTES);
    pack->disk = malloc(pack->disk_room);
    pack->frames = calloc(frames, sizeof *pack->frames);
    pack->encoder = zstd_frame_new(LEVEL);
    int rc = pack->data && pack->disk && pack->frames && pack->encoder ? 0 : -ENOMEM;
    if (!rc)
        rc = write_frames(pack);
    if (!rc)
        rc = write_table(pack);
    if (!rc && fsync(pack->to) != 0)
        rc = -errno;
    if (!rc)
        rc = compare(pack);
    free(pack->data);
    free(pack->disk);
    free(pack->frames);
    zstd_frame_free(pack->encoder);
    /* Nobody is going to read them soon. */
    (void)posix_fadvise(pack->from, 0, 0, POSIX_FADV_DONTNEED);
    (void)posix_fadvise(pack->to, 0, 0, POSIX_FADV_DONTNEED);
    return rc;
}

/* The packed file takes the segment's place.  A segment that somebody has removed meanwhile stays
 * so. */
static int replace(int dir_fd, struct segment_id id, const char *temporary)
{
    char name[SEGMENT_NAME_MAX], packed[SEGMENT_NAME_MAX];
    segment_name(id, name);
    segment_packed_name(id, packed);
    if (renameat(dir_fd, temporary, dir_fd, packed) || fsync(dir_fd))
        return -errno;
    if (unlinkat(dir_fd, name, 0) == 0)
        return 0;
    int rc = -errno;
    if (rc == -ENOENT)
        (void)unlinkat(dir_fd, packed, 0);
    return rc;
}

int segment_pack(int dir_fd, struct segment_id id, uint64_t bytes, bool (*stop)(const void *arg),
                 const void *arg, uint64_t *packed_bytes)
{
    char name[SEGMENT_NAME_MAX], temporary[SEGMENT_NAME_MAX];
    struct pack pack = {.bytes = bytes, .stop = stop, .arg = arg};
    segment_name(id, name);
    segment_temporary_name(id, temporary);
    pack.from = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (pack.from < 0)
        return -errno;
    pack.to = openat(dir_fd, temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    int rc = pack.to < 0 ? -errno : pack_file(&pack);
    if (!rc)
        rc = replace(dir_fd, id, temporary);
    if (rc && pack.to >= 0)
        (void)unlinkat(dir_fd, temporary, 0);
    *packed_bytes = pack.written;
    close(pack.from);
    if (pack.to >= 0)
        close(pack.to);
    return rc;
}
