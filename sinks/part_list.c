/* part_list.c - two checksummed slots, written in turn. */
#include "sinks/part_list.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/block.h"

#define LIST_MAGIC  0x5453494c54525054ull /* "TPRTLIST" */
#define LIST_FORMAT 1u
#define SLOT_BYTES  (256u << 10)

/* On disk, little-endian: this, and as many parts as there are. */
struct slot {
    uint64_t magic;
    uint32_t crc; /* CRC-32C of all that follows */
    uint32_t format;
    struct part_list list;
};

static_assert(sizeof(struct slot) <= SLOT_BYTES, "one slot");

static size_t slot_bytes(uint32_t count)
{
    return offsetof(struct slot, list.parts) + count * sizeof(struct part);
}

static uint32_t slot_crc(const struct slot *slot)
{
    return crc32c(0, &slot->format, slot_bytes(slot->list.count) - offsetof(struct slot, format));
}

/* Returns 0, -ENODATA for a slot never written, -EBADMSG, or what pread says. */
static int read_slot(int fd, unsigned index, struct slot *slot)
{
    memset(slot, 0, sizeof *slot);
    ssize_t n = pread(fd, slot, sizeof *slot, (off_t)index * SLOT_BYTES);
    if (n < 0)
        return -errno;
    if (n == 0 || (!slot->magic && !slot->crc))
        return -ENODATA;
    const struct part_list *list = &slot->list;
    bool good = slot->magic == LIST_MAGIC && slot->format == LIST_FORMAT &&
                list->count <= PART_LIST_MAX && (size_t)n >= slot_bytes(list->count) &&
                slot->crc == slot_crc(slot) &&
                memchr(list->directory, '\0', sizeof list->directory);
    return good ? 0 : -EBADMSG;
}

int part_list_load(int fd, uint64_t commit, struct part_list *list)
{
    struct slot *slot = malloc(sizeof *slot);
    int rc = slot ? -ENOENT : -ENOMEM;
    unsigned bad = 0;
    list->version = 0;
    for (unsigned i = 0; slot && i < 2; i++) {
        int read = read_slot(fd, i, slot);
        if (read && read != -ENODATA && read != -EBADMSG) {
            rc = read;
            break;
        }
        bad += read == -EBADMSG;
        bool wanted = !read && (commit == SINK_RESUME_NONE || slot->list.commit == commit) &&
                      slot->list.version > list->version;
        if (wanted) {
            *list = slot->list;
            rc = 0;
        }
    }
    free(slot);
    return rc == -ENOENT && bad ? -EBADMSG : rc;
}

int part_list_save(int fd, struct part_list *list)
{
    struct slot *slot = malloc(sizeof *slot);
    if (!slot)
        return -ENOMEM;
    list->version++;
    size_t len = slot_bytes(list->count);
    *slot = (struct slot){.magic = LIST_MAGIC, .format = LIST_FORMAT};
    memcpy(&slot->list, list, len - offsetof(struct slot, list));
    slot->crc = slot_crc(slot);
    ssize_t n = pwrite(fd, slot, len, (off_t)(list->version & 1) * SLOT_BYTES);
    int rc = n == (ssize_t)len ? 0 : n < 0 ? -errno : -ENOSPC;
    if (!rc && fdatasync(fd))
        rc = -errno;
    free(slot);
    return rc;
}
