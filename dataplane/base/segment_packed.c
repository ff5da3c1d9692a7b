/* segment_packed.c - reads packed segments, one frame unpacked at a time. */
#include "dataplane/base/segment_packed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "dataplane/base/zstd_frame.h"

#define FRAMES_MAX (1u << 20)

static_assert(sizeof(struct segment_packed_footer) == 32, "on disk");

struct segment_packed {
    int fd;
    struct segment_packed_footer footer;
    struct segment_packed_frame *frames;
    uint64_t *offsets; /* of each frame on the disk */
    uint8_t *disk;     /* a frame as it lies there */
    uint8_t *data;     /* and unpacked: */
    uint64_t at;       /* this one, UINT64_MAX: none */
};

static int read_footer(struct segment_packed *packed, uint64_t file_bytes)
{
    struct segment_packed_footer *f = &packed->footer;
    if (file_bytes < sizeof *f)
        return -EBADMSG;
    ssize_t got = segment_pread(packed->fd, (void *)f, sizeof *f, file_bytes - sizeof *f);
    if (got < 0)
        return (int)got;
    if (got != sizeof *f || f->magic != SEGMENT_PACKED_MAGIC)
        return -EBADMSG;
    if (f->format != SEGMENT_PACKED_FORMAT || f->frame_bytes != SEGMENT_FRAME_BYTES)
        return -EPROTONOSUPPORT;
    uint64_t frames = (f->bytes + SEGMENT_FRAME_BYTES - 1) / SEGMENT_FRAME_BYTES;
    bool fits = f->frame_count == frames && frames <= FRAMES_MAX &&
                frames * sizeof *packed->frames < file_bytes;
    return fits || !frames ? 0 : -EBADMSG;
}

/* Frames, one behind the other, then the table that says so: nothing is left over. */
static int place_frames(struct segment_packed *packed, uint64_t table)
{
    uint64_t at = 0;
    for (uint32_t i = 0; i < packed->footer.frame_count; i++) {
        if (packed->frames[i].bytes > zstd_frame_bound(SEGMENT_FRAME_BYTES))
            return -EBADMSG;
        packed->offsets[i] = at;
        at += packed->frames[i].bytes;
    }
    return at == table ? 0 : -EBADMSG;
}

static int read_table(struct segment_packed *packed, uint64_t file_bytes)
{
    const struct segment_packed_footer *f = &packed->footer;
    struct segment_packed_skip skip;
    size_t len = f->frame_count * sizeof *packed->frames;
    uint64_t bytes = sizeof skip + len + sizeof *f;
    if (file_bytes < bytes)
        return -EBADMSG;
    uint64_t at = file_bytes - bytes;
    ssize_t got = segment_pread(packed->fd, (void *)&skip, sizeof skip, at);
    if (got == sizeof skip)
        got = segment_pread(packed->fd, (void *)packed->frames, len, at + sizeof skip);
    if (got < 0)
        return (int)got;
    uint32_t crc = crc32c(0, packed->frames, len);
    crc = crc32c(crc, f, offsetof(struct segment_packed_footer, crc));
    if (got != (ssize_t)len || skip.magic != SEGMENT_SKIP_MAGIC || skip.bytes != len + sizeof *f ||
        crc != f->crc)
        return -EBADMSG;
    return place_frames(packed, at);
}

static int open_file(struct segment_packed *packed)
{
    struct stat st;
    int rc = fstat(packed->fd, &st) ? -errno : read_footer(packed, (uint64_t)st.st_size);
    if (rc)
        return rc;
    size_t count = packed->footer.frame_count + 1;
    packed->frames = calloc(count, sizeof *packed->frames);
    packed->offsets = calloc(count, sizeof *packed->offsets);
    if (!packed->frames || !packed->offsets)
        return -ENOMEM;
    return read_table(packed, (uint64_t)st.st_size);
}

int segment_packed_open(int fd, struct segment_packed **out)
{
    struct segment_packed *packed = calloc(1, sizeof *packed);
    if (!packed)
        return -ENOMEM;
    packed->fd = fd;
    packed->at = UINT64_MAX;
    int rc = open_file(packed);
    if (rc)
        segment_packed_close(packed);
    else
        *out = packed;
    return rc;
}

void segment_packed_close(struct segment_packed *packed)
{
    if (!packed)
        return;
    free(packed->frames);
    free(packed->offsets);
    free(packed->disk);
    free(packed->data);
    free(packed);
}

uint64_t segment_packed_bytes(const struct segment_packed *packed)
{
    return packed->footer.bytes;
}

/* Who only wants to know how long a segment is needs no buffers. */
static int make_buffers(struct segment_packed *packed)
{
    if (!packed->disk)
        packed->disk = malloc(zstd_frame_bound(SEGMENT_FRAME_BYTES));
    if (!packed->data)
        packed->data = malloc(SEGMENT_FRAME_BYTES);
    return packed->disk && packed->data ? 0 : -ENOMEM;
}

static int load(struct segment_packed *packed, uint64_t frame)
{
    if (packed->at == frame)
        return 0;
    if (make_buffers(packed))
        return -ENOMEM;
    const struct segment_packed_frame *f = &packed->frames[frame];
    uint64_t left = packed->footer.bytes - frame * SEGMENT_FRAME_BYTES;
    size_t want = left < SEGMENT_FRAME_BYTES ? left : SEGMENT_FRAME_BYTES;
    ssize_t got = segment_pread(packed->fd, packed->disk, f->bytes, packed->offsets[frame]);
    if (got < 0)
        return (int)got;
    packed->at = UINT64_MAX;
    if (got != (ssize_t)f->bytes || crc32c(0, packed->disk, f->bytes) != f->crc)
        return -EBADMSG;
    if (zstd_frame_decode(packed->disk, f->bytes, packed->data, SEGMENT_FRAME_BYTES) != want)
        return -EBADMSG;
    packed->at = frame;
    return 0;
}

ssize_t segment_packed_pread(struct segment_packed *packed, uint8_t *data, size_t len,
                             uint64_t offset)
{
    size_t done = 0;
    while (done < len && offset < packed->footer.bytes) {
        uint64_t from = offset % SEGMENT_FRAME_BYTES;
        uint64_t left = packed->footer.bytes - offset, room = SEGMENT_FRAME_BYTES - from;
        size_t n = len - done;
        n = n < room ? n : room;
        n = n < left ? n : left;
        int rc = load(packed, offset / SEGMENT_FRAME_BYTES);
        if (rc)
            return rc;
        memcpy(data + done, packed->data + from, n);
        done += n;
        offset += n;
    }
    return (ssize_t)done;
}
