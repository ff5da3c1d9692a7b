/* journal_stock.c - makes files ahead of need, hands them out, keeps a reserve. */
#include "dataplane/journal_stock.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/clock.h"

#define RETRY_NS NS_PER_S

static uint32_t wanted(const struct journal_stock *stock)
{
    return stock->wiring.ahead + stock->wiring.reserve;
}

int journal_stock_init(struct journal_stock *stock, const struct journal_stock_wiring *wiring)
{
    assert(wiring->ahead >= 1 && wiring->ahead <= JOURNAL_AHEAD_MAX);
    assert(wiring->reserve <= JOURNAL_RESERVE_MAX);
    memset(stock, 0, sizeof *stock);
    stock->wiring = *wiring;
    pthread_mutex_init(&stock->lock, NULL);
    pthread_cond_init(&stock->changed, NULL);
    stock->spares = calloc(wanted(stock) + 1, sizeof *stock->spares);
    return stock->spares ? 0 : -ENOMEM;
}

static void discard(struct journal_stock *stock, struct journal_spare spare)
{
    const struct journal_file_ops *ops = &stock->wiring.ops;
    char name[SEGMENT_NAME_MAX];
    segment_spare_name(stock->wiring.shard, spare.serial, name);
    (void)ops->close(ops->disk, spare.handle, JOURNAL_FILE_WHOLE);
    (void)ops->remove(ops->disk, stock->wiring.dir_fd, name);
}

void journal_stock_fini(struct journal_stock *stock)
{
    if (!stock->spares)
        return;
    for (uint32_t i = 0; i < stock->count; i++)
        discard(stock, stock->spares[i]);
    free(stock->spares);
    stock->spares = NULL;
    pthread_mutex_destroy(&stock->lock);
    pthread_cond_destroy(&stock->changed);
}

/* make_one makes a file without the lock, which the caller holds.  Returns 0 or a negative errno.
 */
static int make_one(struct journal_stock *stock, uint32_t pauses)
{
    const struct journal_file_ops *ops = &stock->wiring.ops;
    struct journal_spare spare = {.serial = ++stock->serial};
    char name[SEGMENT_NAME_MAX];
    segment_spare_name(stock->wiring.shard, spare.serial, name);
    stock->making = true;
    pthread_mutex_unlock(&stock->lock);
    spare.handle =
        ops->make(ops->disk, stock->wiring.dir_fd, name, stock->wiring.segment_bytes, pauses);
    pthread_mutex_lock(&stock->lock);
    stock->making = false;
    pthread_cond_broadcast(&stock->changed);
    int rc = spare.handle < 0 ? spare.handle : 0;
    if (!rc)
        stock->spares[stock->count++] = spare;
    else
        stock->retry_ns = clock_monotonic_ns() + RETRY_NS;
    atomic_store(&stock->ready, stock->count);
    atomic_store(&stock->error, -rc);
    return rc;
}

int journal_stock_fill(struct journal_stock *stock)
{
    int rc = 0;
    pthread_mutex_lock(&stock->lock);
    while (!rc && stock->count < stock->wiring.ahead)
        rc = make_one(stock, 0);
    pthread_mutex_unlock(&stock->lock);
    return rc;
}

/* The more there are, the less it hurries.  Where the reserve was begun: better late syncs now than
 * none until there is a file. */
static uint32_t leisure(const struct journal_stock *stock)
{
    uint32_t reserve = stock->wiring.reserve;
    return stock->count < reserve ? 0 : stock->count - reserve + 1;
}

int journal_stock_poll(struct journal_stock *stock)
{
    int rc = 0;
    pthread_mutex_lock(&stock->lock);
    bool due = !atomic_load(&stock->error) || clock_monotonic_ns() >= stock->retry_ns;
    if (stock->count < wanted(stock) && !stock->making && due) {
        rc = make_one(stock, leisure(stock));
        rc = rc ? rc : 1;
    }
    pthread_mutex_unlock(&stock->lock);
    return rc;
}

static int pop(struct journal_stock *stock, struct journal_spare *spare)
{
    int rc = 0;
    pthread_mutex_lock(&stock->lock);
    while (!stock->count && stock->making)
        pthread_cond_wait(&stock->changed, &stock->lock);
    if (!stock->count)
        rc = make_one(stock, 0);
    if (!rc) {
        *spare = stock->spares[0];
        stock->count--;
        memmove(stock->spares, stock->spares + 1, stock->count * sizeof *stock->spares);
        atomic_store(&stock->ready, stock->count);
    }
    pthread_mutex_unlock(&stock->lock);
    return rc;
}

int journal_stock_take(struct journal_stock *stock, struct segment_id id)
{
    bool again = stock->taken.epoch == id.epoch && stock->taken.number == id.number;
    const struct journal_file_ops *ops = &stock->wiring.ops;
    struct journal_spare spare;
    char from[SEGMENT_NAME_MAX], to[SEGMENT_NAME_MAX];
    int rc = pop(stock, &spare);
    if (rc)
        return rc;
    segment_spare_name(stock->wiring.shard, spare.serial, from);
    segment_name(id, to);
    rc = ops->adopt(ops->disk, stock->wiring.dir_fd, from, to, again);
    if (rc != -EEXIST)
        stock->taken = id;
    if (!rc)
        return spare.handle;
    discard(stock, spare);
    return rc;
}

bool journal_stock_is_short(const struct journal_stock *stock)
{
    return atomic_load(&stock->error) && atomic_load(&stock->ready) < stock->wiring.reserve;
}

uint32_t journal_stock_reserve(uint64_t bytes, uint64_t segment_bytes, uint32_t wanted)
{
    /* Of each segment its header, and at worst a block less than one that did not fit. */
    uint64_t holds = segment_bytes - SEGMENT_HEADER_BYTES - BLOCK_BYTES + BLOCK_ALIGN;
    uint64_t count = (bytes + holds - 1) / holds;
    count = count > wanted ? count : wanted;
    return count < JOURNAL_RESERVE_MAX ? (uint32_t)count : JOURNAL_RESERVE_MAX;
}

int journal_stock_clear(int dir_fd)
{
    int rc = 0, fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        rc = -errno;
        close(fd);
        return rc;
    }
    const struct dirent *entry;
    while (!rc && (entry = readdir(dir)))
        if (segment_is_temporary(entry->d_name) && unlinkat(dir_fd, entry->d_name, 0))
            rc = -errno;
    closedir(dir);
    return rc;
}
