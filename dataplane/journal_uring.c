/* journal_uring.c - two linked entries a group, and every completion looked at. */
#include "dataplane/journal_uring.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "dataplane/base/block.h"

enum step { STEP_WRITE, STEP_SYNC, STEP_COUNT };

struct journal_uring {
    struct io_uring ring;
    _Atomic int registered; /* the file in the only slot, -1: none */
    _Atomic bool broken;
};

int journal_uring_new(struct journal_uring **uring)
{
    static const int none = -1;
    struct journal_uring *u = calloc(1, sizeof *u);
    if (!u)
        return -ENOMEM;
    int rc = io_uring_queue_init(STEP_COUNT, &u->ring, 0);
    if (rc)
        goto fail;
    rc = io_uring_register_files(&u->ring, &none, 1);
    if (rc) {
        io_uring_queue_exit(&u->ring);
        goto fail;
    }
    u->registered = -1;
    *uring = u;
    return 0;
fail:
    free(u);
    return rc;
}

void journal_uring_free(struct journal_uring *uring)
{
    if (uring)
        io_uring_queue_exit(&uring->ring);
    free(uring);
}

bool journal_uring_works(const struct journal_uring *uring)
{
    return !atomic_load(&uring->broken);
}

/* Puts a file into the slot. */
static int register_file(struct journal_uring *uring, int handle)
{
    if (atomic_load(&uring->registered) == handle)
        return 0;
    int rc = io_uring_register_files_update(&uring->ring, 0, &handle, 1);
    if (rc == 1) {
        atomic_store(&uring->registered, handle);
        return 0;
    }
    atomic_store(&uring->broken, true);
    return rc < 0 ? rc : -EIO;
}

/* Waits for one completion.  There is one to come: leaving without it would leave the kernel with
 * blocks that are about to be filled anew. */
static void take_one(struct journal_uring *uring, int results[STEP_COUNT])
{
    struct io_uring_cqe *cqe = NULL;
    int rc;
    do
        rc = io_uring_wait_cqe(&uring->ring, &cqe);
    while (rc == -EINTR || rc == -EAGAIN);
    assert(rc == 0 && cqe->user_data < STEP_COUNT);
    results[cqe->user_data] = cqe->res;
    io_uring_cqe_seen(&uring->ring, cqe);
}

/* Submits what is prepared and waits for all of it.  Returns 0, or a negative errno when not all
 * of it could be submitted. */
static int run(struct journal_uring *uring, int results[STEP_COUNT])
{
    int submitted;
    do
        submitted = io_uring_submit_and_wait(&uring->ring, STEP_COUNT);
    while (submitted == -EINTR);
    for (int i = 0; i < submitted; i++)
        take_one(uring, results);
    if (submitted == STEP_COUNT)
        return 0;
    /* What was not taken is still in the ring, and must never be. */
    atomic_store(&uring->broken, true);
    return submitted < 0 ? submitted : -EIO;
}

static int write_and_sync(struct journal_uring *uring, const struct iovec *parts, int count,
                          uint64_t offset, int results[STEP_COUNT])
{
    for (enum step step = 0; step < STEP_COUNT; step++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
        assert(sqe);
        if (step == STEP_WRITE)
            io_uring_prep_writev(sqe, 0, parts, (unsigned)count, offset);
        else
            io_uring_prep_fsync(sqe, 0, IORING_FSYNC_DATASYNC);
        sqe->flags |= IOSQE_FIXED_FILE | (step == STEP_WRITE ? IOSQE_IO_LINK : 0);
        sqe->user_data = step;
        results[step] = -ECANCELED;
    }
    return run(uring, results);
}

static size_t bytes_of(const struct iovec *parts, int count)
{
    size_t bytes = 0;
    for (int i = 0; i < count; i++)
        bytes += parts[i].iov_len;
    return bytes;
}

static int uring_commit(void *disk, int handle, struct iovec *parts, int count, uint64_t offset)
{
    struct journal_uring *uring = disk;
    int results[STEP_COUNT];
    if (atomic_load(&uring->broken) || register_file(uring, handle))
        return journal_file_posix.commit(NULL, handle, parts, count, offset);
    for (;;) {
        size_t bytes = bytes_of(parts, count);
        int rc = write_and_sync(uring, parts, count, offset, results);
        if (rc)
            return rc;
        if (results[STEP_WRITE] < 0)
            return results[STEP_WRITE];
        size_t done = (size_t)results[STEP_WRITE];
        if (done >= bytes)
            return results[STEP_SYNC];
        /* A short write breaks the link.  On from a multiple of what O_DIRECT takes. */
        done &= ~(size_t)(BLOCK_ALIGN - 1);
        if (!done)
            return -EIO;
        journal_file_skip(&parts, &count, done);
        offset += done;
    }
}

static int uring_close(void *disk, int handle, uint64_t bytes)
{
    struct journal_uring *uring = disk;
    if (atomic_load(&uring->registered) == handle)
        (void)register_file(uring, -1);
    return journal_file_posix.close(NULL, handle, bytes);
}

struct journal_file_ops journal_uring_ops(struct journal_uring *uring)
{
    struct journal_file_ops ops = journal_file_posix;
    ops.commit = uring_commit;
    ops.close = uring_close;
    ops.disk = uring;
    return ops;
}
