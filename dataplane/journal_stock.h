/* journal_stock.h - files that wait to become the next segments of one journal.
 *
 * The next one is made while the current one fills, so that no group waits for it; and so many more
 * are kept back that everything which was decided can be written down when the disk has no room
 * left.  That it has none is met here, long before the last byte is needed.
 *
 * Memory:  a list of a few bytes for each file; the files themselves, until they are taken or the
 * stock is closed.
 * Threads: journal_stock_poll by one thread, journal_stock_take by the journal's; ready and error
 * may be read by any.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "dataplane/base/segment.h"
#include "dataplane/journal_file.h"

struct journal_spare {
    int handle;
    uint32_t serial;
};

struct journal_stock_wiring {
    struct journal_file_ops ops;
    int dir_fd; /* of the journal directory */
    uint32_t shard;
    uint32_t ahead;   /* made before they are needed, [1, JOURNAL_AHEAD_MAX] */
    uint32_t reserve; /* kept back for a full disk, [0, JOURNAL_RESERVE_MAX] */
    uint64_t segment_bytes;
};

#define JOURNAL_AHEAD_MAX   1024u
#define JOURNAL_RESERVE_MAX 4096u

struct journal_stock {
    struct journal_stock_wiring wiring;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under the lock. */
    struct journal_spare *spares; /* oldest first */
    uint32_t count;
    uint32_t serial; /* of the last one made */
    bool making;
    uint64_t retry_ns; /* not before, after one that failed */

    struct segment_id taken; /* the last one; the journal thread's own */

    /* Read by others. */
    _Atomic uint32_t ready; /* count */
    _Atomic int error;      /* errno of the last one that could not be made, 0 when it could */
};

/* journal_stock_init returns 0 or -ENOMEM; nothing is made yet. */
int journal_stock_init(struct journal_stock *stock, const struct journal_stock_wiring *wiring);
/* journal_stock_fini removes the files that were not taken. */
void journal_stock_fini(struct journal_stock *stock);

/* journal_stock_fill makes what is wanted ahead of need, without pauses: before anything is
 * written. Returns 0 or a negative errno.  Blocks in the disk. */
int journal_stock_fill(struct journal_stock *stock);

/* journal_stock_poll makes one file if one is wanted, and not sooner than a second after one that
 * failed.  Returns 1, 0 when there was nothing to do, or a negative errno.  Blocks in the disk. */
int journal_stock_poll(struct journal_stock *stock);

/* journal_stock_take makes the oldest file segment id, and waits for one, or makes it, when there
 * is none.  For the same id again: what was taken for it before holds nothing, and is replaced.
 * Returns a handle or a negative errno: -EEXIST such a segment is there, and not from here. */
int journal_stock_take(struct journal_stock *stock, struct segment_id id);

/* journal_stock_is_short says that the reserve is being used: what is left of it has to do until
 * files can be made again. */
bool journal_stock_is_short(const struct journal_stock *stock);

/* journal_stock_reserve returns how many segments must be kept back so that bytes in blocks can be
 * written, at least wanted. */
uint32_t journal_stock_reserve(uint64_t bytes, uint64_t segment_bytes, uint32_t wanted);

/* journal_stock_clear removes what a crash left of the stocks of all shards.  Returns 0 or a
 * negative errno. */
int journal_stock_clear(int dir_fd);
