/* journal_file.c - segment files of a real file system; a handle is a file descriptor. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
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

static int file_write(void *disk, int handle, const void *data, uint32_t bytes, uint64_t offset)
{
    (void)disk;
    uint32_t done = 0;
    while (done < bytes) {
        struct iovec rest = {.iov_base = (uint8_t *)data + done, .iov_len = bytes - done};
        ssize_t n = pwritev2(handle, &rest, 1, (off_t)(offset + done), 0);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        /* After a short write go on from a multiple of what O_DIRECT takes. */
        uint32_t more =
            (uint32_t)n == bytes - done ? (uint32_t)n : (uint32_t)n & ~(BLOCK_ALIGN - 1);
        if (!more)
            return -EIO;
        done += more;
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
