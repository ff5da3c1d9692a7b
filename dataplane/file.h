/* file.h - what is asked of a disk by those who replace whole files and take files away, so that
 * tests and the simulator can be one.  (The journal, which appends, has its own: journal.h.)
 *
 * Memory:  none.  Threads: any; a handle is one thread's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct file_ops {
    /* A new, empty file, or what there was of that name made so: a handle or -errno.  What is
     * written goes past the page cache where the file system can. */
    int (*create)(void *disk, int dir_fd, const char *name);
    /* bytes and offset are multiples of 4096, data is aligned so.  0 or -errno, as all below. */
    int (*write)(void *disk, int handle, const void *data, size_t bytes, uint64_t offset);
    int (*sync)(void *disk, int handle);
    int (*close)(void *disk, int handle);
    int (*rename)(void *disk, int dir_fd, const char *from, const char *to);
    int (*remove)(void *disk, int dir_fd, const char *name);
    int (*sync_dir)(void *disk, int dir_fd);
    void *disk;
};

extern const struct file_ops file_posix;
