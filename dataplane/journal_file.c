/* journal_file.c - segment files of a real file system; a handle is a file descriptor. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/journal.h"

static int preallocate(int fd, uint64_t bytes)
{
    int rc;
    do
        rc = fallocate(fd, 0, 0, (off_t)bytes) ? -errno : 0;
    while (rc == -EINTR);
    return rc == -EOPNOTSUPP ? 0 : rc;
}

static int file_open(void *disk, int dir_fd, const char *name, uint64_t bytes)
{
    (void)disk;
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    int rc = preallocate(fd, bytes);
    if (rc)
        goto fail;
    /* Asked for here and not of openat, which leaves a file behind where it says no. */
    if (fcntl(fd, F_SETFL, O_DIRECT) != 0 && errno != EINVAL) {
        rc = -errno;
        goto fail;
    }
    /* The length once, so that the syncs to come need not write it. */
    if (fsync(fd) != 0 || fsync(dir_fd) != 0) {
        rc = -errno;
        goto fail;
    }
    return fd;
fail:
    (void)unlinkat(dir_fd, name, 0);
    close(fd);
    return rc;
}

/* Takes written bytes off the front of the parts. */
static void skip(struct iovec **parts, int *count, size_t bytes)
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

static int file_write(void *disk, int handle, struct iovec *parts, int count, uint64_t offset)
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
        skip(&parts, &count, done);
        offset += done;
    }
    return 0;
}

static int file_sync(void *disk, int handle)
{
    (void)disk;
    return fdatasync(handle) ? -errno : 0;
}

static int file_close(void *disk, int handle, uint64_t bytes)
{
    (void)disk;
    struct stat st;
    int rc = fstat(handle, &st) ? -errno : 0;
    if (!rc && st.st_size > (off_t)bytes && ftruncate(handle, (off_t)bytes) != 0)
        rc = -errno;
    if (close(handle) != 0 && !rc)
        rc = -errno;
    return rc;
}

const struct journal_file_ops journal_file_posix = {
    .open = file_open,
    .write = file_write,
    .sync = file_sync,
    .close = file_close,
};
