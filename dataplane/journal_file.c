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
#define ROOM_BYTES    (16u << 20)
#define PAUSE_MOST_NS (NS_PER_S - 1)
#define CORE_SHARE    2 /* of the time that it is busy, what it leaves its core to others at least */

static int preallocate(int fd, uint64_t at, uint64_t bytes)
{
    int rc;
    do
        rc = fallocate(fd, 0, (off_t)at, (off_t)bytes) ? -errno : 0;
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

static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* zero_some writes zeros at an offset, in room that is made here where there is none yet: *room is
 * how far there is.  Returns how many bytes, or a negative errno. */
static int64_t zero_some(int fd, uint64_t at, uint64_t bytes, uint64_t *room)
{
    static uint8_t zeros[FILL_BYTES] __attribute__((aligned(BLOCK_ALIGN)));
    if (at >= *room) {
        uint64_t more = least(bytes - *room, ROOM_BYTES);
        int rc = preallocate(fd, *room, more);
        if (rc)
            return rc;
        *room += more;
    }
    ssize_t n = pwrite(fd, zeros, least(bytes - at, FILL_BYTES), (off_t)at);
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    return n < (ssize_t)BLOCK_ALIGN ? -EIO : n & ~(int64_t)(BLOCK_ALIGN - 1);
}

/* Behind each write it pauses for so many times as long as that took: somebody is waiting for a
 * sync on the same disk.  And for half of what it kept the core busy, which is much where the file
 * system copies: it goes before threads with a nice value, and when these have had nothing for most
 * of a second, the kernel gives them 50 ms before everybody, the journal too (Linux 6.12, the fair
 * server).  For the same reason there is not room for all of it made in one call. */
static int fill(int fd, uint64_t bytes, uint32_t pauses)
{
    uint64_t room = 0;
    for (uint64_t at = 0; at < bytes;) {
        uint64_t from_ns = clock_monotonic_ns(), from_cpu_ns = cpu_ns();
        int64_t n = zero_some(fd, at, bytes, &room);
        if (n < 0)
            return (int)n;
        at += (uint64_t)n;
        uint64_t took_ns = clock_monotonic_ns() - from_ns, busy_ns = cpu_ns() - from_cpu_ns;
        uint64_t wanted_ns = took_ns * pauses, least_ns = busy_ns / CORE_SHARE;
        rest(wanted_ns > least_ns ? wanted_ns : least_ns);
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
    int rc = 0;
    /* Asked for here and not of openat, which leaves a file behind where it says no. */
    if (fcntl(fd, F_SETFL, O_DIRECT) != 0 && errno != EINVAL)
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
