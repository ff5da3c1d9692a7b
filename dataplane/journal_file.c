/* journal_file.c - segment files of a real file system; a handle is a file descriptor. */
#include "dataplane/journal_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/block.h"
#include "dataplane/base/clock.h"

#define FILL_BYTES    (1u << 20)
#define PAUSE_MOST_NS (NS_PER_S - 1)

static int preallocate(int fd, uint64_t bytes)
{
    int rc;
    do
        rc = fallocate(fd, 0, 0, (off_t)bytes) ? -errno : 0;
    while (rc == -EINTR);
    return rc == -EOPNOTSUPP ? 0 : rc;
}

/* Not longer than a second, whatever a write took. */
static void rest(uint64_t ns)
{
    ns = ns < PAUSE_MOST_NS ? ns : PAUSE_MOST_NS;
    if (ns)
        nanosleep(&(struct timespec){.tv_nsec = (long)ns}, NULL);
}

/* Writes zeros; behind each write it pauses for so many times as long as that took: somebody is
 * waiting for a sync on the same disk. */
static int fill(int fd, uint64_t bytes, uint32_t pauses)
{
    static uint8_t zeros[FILL_BYTES] __attribute__((aligned(BLOCK_ALIGN)));
    for (uint64_t at = 0; at < bytes;) {
        size_t want = bytes - at < FILL_BYTES ? bytes - at : FILL_BYTES;
        uint64_t from_ns = clock_monotonic_ns();
        ssize_t n = pwrite(fd, zeros, want, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < (ssize_t)BLOCK_ALIGN)
            return n < 0 ? -errno : -EIO;
        at += (uint64_t)n & ~(uint64_t)(BLOCK_ALIGN - 1);
        uint64_t took_ns = clock_monotonic_ns() - from_ns;
        rest(took_ns * pauses);
    }
    return 0;
}

static int file_make(void *disk, int dir_fd, const char *name, uint64_t bytes, uint32_t pauses)
{
    (void)disk;
    assert(bytes % BLOCK_ALIGN == 0);
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    int rc = preallocate(fd, bytes);
    /* Asked for here and not of openat, which leaves a file behind where it says no. */
    if (!rc && fcntl(fd, F_SETFL, O_DIRECT) != 0 && errno != EINVAL)
        rc = -errno;
    if (!rc)
        rc = fill(fd, bytes, pauses);
    if (!rc && fsync(fd) != 0)
        rc = -errno;
    if (!rc)
        return fd;
    (void)unlinkat(dir_fd, name, 0);
    close(fd);
    return rc;
}

static int file_adopt(void *disk, int dir_fd, const char *from, const char *to, bool replace)
{
    (void)disk;
    /* Nobody else makes names here: the data directory has a lock. */
    if (!replace && faccessat(dir_fd, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return -EEXIST;
    return renameat(dir_fd, from, dir_fd, to) || fsync(dir_fd) ? -errno : 0;
}

void journal_file_skip(struct iovec **parts, int *count, size_t bytes)
{
    while (*count && bytes >= (*parts)->iov_len) {
        bytes -= (*parts)->iov_len;
        ++*parts;
        --*count;
    }
    if (bytes) {
        (*parts)->iov_base = (uint8_t *)(*parts)->iov_base + bytes;
        (*parts)->iov_len -= bytes;
    }
}

static int file_commit(void *disk, int handle, struct iovec *parts, int count, uint64_t offset)
{
    (void)disk;
    while (count) {
        ssize_t n = pwritev2(handle, parts, count, (off_t)offset, 0);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        /* After a short write go on from a multiple of what O_DIRECT takes; parts are such. */
        size_t done = (size_t)n & ~(size_t)(BLOCK_ALIGN - 1);
        if (!done)
            return -EIO;
        journal_file_skip(&parts, &count, done);
        offset += done;
    }
    return fdatasync(handle) ? -errno : 0;
}

static int file_close(void *disk, int handle, uint64_t bytes)
{
    (void)disk;
    struct stat st;
    int rc = fstat(handle, &st) ? -errno : 0;
    if (!rc && (uint64_t)st.st_size > bytes && ftruncate(handle, (off_t)bytes) != 0)
        rc = -errno;
    if (close(handle) != 0 && !rc)
        rc = -errno;
    return rc;
}

static int file_remove(void *disk, int dir_fd, const char *name)
{
    (void)disk;
    return unlinkat(dir_fd, name, 0) ? -errno : 0;
}

const struct journal_file_ops journal_file_posix = {
    .make = file_make,
    .adopt = file_adopt,
    .commit = file_commit,
    .close = file_close,
    .remove = file_remove,
};
