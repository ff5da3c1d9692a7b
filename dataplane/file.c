/* file.c - files of a real file system; a handle is a file descriptor. */
#include "dataplane/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int file_create(void *disk, int dir_fd, const char *name)
{
    (void)disk;
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    (void)fcntl(fd, F_SETFL, O_DIRECT); /* where there is none, through the cache */
    return fd;
}

static int file_write(void *disk, int handle, const void *data, size_t bytes, uint64_t offset)
{
    (void)disk;
    const uint8_t *at = data;
    while (bytes) {
        ssize_t n = pwrite(handle, at, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        size_t done = (size_t)n & ~(size_t)4095;
        if (!done)
            return -ENOSPC;
        at += done;
        offset += done;
        bytes -= done;
    }
    return 0;
}

static int file_sync(void *disk, int handle)
{
    (void)disk;
    return fsync(handle) ? -errno : 0;
}

static int file_close(void *disk, int handle)
{
    (void)disk;
    return close(handle) ? -errno : 0;
}

static int file_rename(void *disk, int dir_fd, const char *from, const char *to)
{
    (void)disk;
    return renameat(dir_fd, from, dir_fd, to) ? -errno : 0;
}

static int file_remove(void *disk, int dir_fd, const char *name)
{
    (void)disk;
    return unlinkat(dir_fd, name, 0) ? -errno : 0;
}

static int file_sync_dir(void *disk, int dir_fd)
{
    (void)disk;
    return fsync(dir_fd) ? -errno : 0;
}

const struct file_ops file_posix = {
    .create = file_create,
    .write = file_write,
    .sync = file_sync,
    .close = file_close,
    .rename = file_rename,
    .remove = file_remove,
    .sync_dir = file_sync_dir,
};
