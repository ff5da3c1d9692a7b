/* horizon.c - one page, replaced as a whole. */
#include "dataplane/horizon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/block.h"

#define HORIZON_MAGIC  0x5a524854u /* "THRZ" */
#define HORIZON_FORMAT 1u
#define PAGE           4096u

/* On disk, little-endian, padded with zeros to a page. */
struct page {
    uint32_t magic;
    uint32_t crc; /* CRC-32C of all that follows */
    uint32_t format;
    uint32_t reserved;
    struct horizon horizon;
};

static_assert(sizeof(struct page) <= PAGE, "one page");

static uint32_t page_crc(const struct page *page)
{
    size_t from = offsetof(struct page, format);
    return crc32c(0, (const uint8_t *)page + from, sizeof *page - from);
}

int horizon_load(int dir_fd, struct horizon *horizon)
{
    struct page page = {0};
    int fd = openat(dir_fd, HORIZON_NAME, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *horizon = (struct horizon){.epoch = 1};
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    ssize_t got = segment_pread(fd, (uint8_t *)&page, sizeof page, 0);
    close(fd);
    if (got < 0)
        return (int)got;
    if (got != sizeof page || page.magic != HORIZON_MAGIC || page.format != HORIZON_FORMAT ||
        page.crc != page_crc(&page) || page.horizon.shard_count > CHECKPOINT_SHARDS_MAX)
        return -EBADMSG;
    *horizon = page.horizon;
    return 0;
}

int horizon_save(const struct file_ops *ops, int dir_fd, const struct horizon *horizon)
{
    struct page *page = aligned_alloc(PAGE, PAGE);
    if (!page)
        return -ENOMEM;
    memset(page, 0, PAGE);
    page->magic = HORIZON_MAGIC;
    page->format = HORIZON_FORMAT;
    page->horizon = *horizon;
    page->crc = page_crc(page);
    int handle = ops->create(ops->disk, dir_fd, "." HORIZON_NAME ".new");
    int rc = handle < 0 ? handle : ops->write(ops->disk, handle, page, PAGE, 0);
    if (!rc)
        rc = ops->sync(ops->disk, handle);
    if (handle >= 0) {
        int closed = ops->close(ops->disk, handle);
        rc = rc ? rc : closed;
    }
    if (!rc)
        rc = ops->rename(ops->disk, dir_fd, "." HORIZON_NAME ".new", HORIZON_NAME);
    if (!rc)
        rc = ops->sync_dir(ops->disk, dir_fd);
    free(page);
    return rc;
}

bool horizon_has(const struct horizon *horizon, struct segment_id id)
{
    if (id.epoch != horizon->epoch)
        return id.epoch > horizon->epoch;
    return id.shard >= horizon->shard_count || id.number >= horizon->number[id.shard];
}

void horizon_at(struct horizon *horizon, const struct checkpoint_head *head)
{
    *horizon = (struct horizon){
        .base = {.epoch = head->epoch, .number = head->number},
        .epoch = head->epoch,
        .shard_count = head->shard_count,
        .begins_ns = head->created_ns,
    };
    for (uint32_t s = 0; s < head->shard_count; s++)
        horizon->number[s] = head->shard[s].number;
}
