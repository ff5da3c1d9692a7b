/* cursor.c - loads and saves cursors in two checksummed slots. */
#include "sinks/cursor.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/base/block.h"

#define CURSOR_MAGIC  0x524f535255435254ull /* "TRCURSOR" */
#define CURSOR_FORMAT 3u /* 1: without what is confirmed; 2: without the target */

/* On disk, little-endian, padded with zeros to CURSOR_SLOT_BYTES. */
struct slot {
    uint64_t magic;
    uint32_t crc; /* CRC-32C of all that follows */
    uint32_t format;
    struct sink_cursor value;
};

static_assert(sizeof(struct slot) <= CURSOR_SLOT_BYTES, "one slot");

#define CRC_FROM offsetof(struct slot, format)

static uint32_t slot_crc(const struct slot *slot)
{
    size_t bytes = slot->format == 1   ? offsetof(struct slot, value.confirmed)
                   : slot->format == 2 ? offsetof(struct slot, value.target)
                                       : sizeof *slot;
    return crc32c(0, (const uint8_t *)slot + CRC_FROM, bytes - CRC_FROM);
}

/* Returns 0, -ENODATA for a slot never written, -EBADMSG, or -EPROTONOSUPPORT. */
static int slot_check(const struct slot *slot)
{
    static const struct slot blank;
    if (memcmp(slot, &blank, sizeof blank) == 0)
        return -ENODATA;
    if (slot->magic != CURSOR_MAGIC || slot->crc != slot_crc(slot))
        return -EBADMSG;
    if (!slot->format || slot->format > CURSOR_FORMAT)
        return -EPROTONOSUPPORT;
    bool sound = slot->value.version > 0 && slot->value.shard_count <= SINK_EPOCH_JOURNALS_MAX;
    return sound ? 0 : -EBADMSG;
}

static int slot_load(int fd, unsigned index, struct slot *slot)
{
    memset(slot, 0, sizeof *slot);
    ssize_t n = pread(fd, slot, sizeof *slot, (off_t)index * CURSOR_SLOT_BYTES);
    if (n < 0)
        return -errno;
    return slot_check(slot);
}

static int load(struct cursor *cursor, struct sink_cursor *value)
{
    struct slot slots[2];
    int rc[2];
    memset(value, 0, sizeof *value);
    for (unsigned i = 0; i < 2; i++) {
        rc[i] = slot_load(cursor->fd, i, &slots[i]);
        if (rc[i] && rc[i] != -ENODATA && rc[i] != -EBADMSG)
            return rc[i];
        if (!rc[i] && slots[i].value.version > value->version)
            *value = slots[i].value;
    }
    cursor->version = value->version;
    if (value->version)
        return 0;
    /* A first save makes the file longer than one slot, or leaves it empty. */
    struct stat st;
    if (fstat(cursor->fd, &st) != 0)
        return -errno;
    if (st.st_size > 0 && st.st_size <= CURSOR_SLOT_BYTES)
        return -EBADMSG;
    /* The first save ever was torn, and goes to slot 1: nothing can have rested on it yet. */
    return rc[0] == -ENODATA ? 0 : -EBADMSG;
}

/* A file that a loss of power could take away again is no place for a cursor. */
static int sync_directory(const char *path)
{
    char copy[CONF_PATH_MAX];
    int len = snprintf(copy, sizeof copy, "%s", path);
    if (len < 0 || (size_t)len >= sizeof copy)
        return -ENAMETOOLONG;
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = fsync(fd) ? -errno : 0;
    close(fd);
    return rc;
}

int cursor_open(struct cursor *cursor, const char *path, struct sink_cursor *value)
{
    *cursor = (struct cursor){.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640)};
    if (cursor->fd < 0)
        return -errno;
    int rc = load(cursor, value);
    if (!rc && !cursor->version)
        rc = sync_directory(path);
    /* What was found may be of a save that failed, or was cut short by a kill: the next one rests
     * on it. */
    else if (!rc && fdatasync(cursor->fd) != 0)
        rc = -errno;
    if (rc)
        cursor_close(cursor);
    return rc;
}

int cursor_read(const char *path, struct sink_cursor *value)
{
    struct cursor cursor = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (cursor.fd < 0)
        return -errno;
    int rc = load(&cursor, value);
    cursor_close(&cursor);
    return rc;
}

int cursor_save(struct cursor *cursor, struct sink_cursor *value)
{
    union {
        struct slot slot;
        uint8_t page[CURSOR_SLOT_BYTES];
    } out = {0};
    value->version = cursor->version + 1;
    out.slot.magic = CURSOR_MAGIC;
    out.slot.format = CURSOR_FORMAT;
    out.slot.value = *value;
    out.slot.crc = slot_crc(&out.slot);
    off_t offset = (off_t)(value->version & 1) * CURSOR_SLOT_BYTES;
    ssize_t n = pwrite(cursor->fd, out.page, sizeof out.page, offset);
    if (n != (ssize_t)sizeof out.page)
        return n < 0 ? -errno : -ENOSPC;
    if (fdatasync(cursor->fd) != 0)
        return -errno;
    cursor->version = value->version;
    return 0;
}

void cursor_close(struct cursor *cursor)
{
    if (cursor->fd >= 0)
        close(cursor->fd);
    cursor->fd = -1;
}
