/* journal_file.h - what a journal asks of a disk, so that tests and the simulator can be one.
 *
 * A file is made of zeros, ahead of need and under a name of its own; then it becomes a segment,
 * takes groups, and is cut to what it holds.  Zeros and not only room: a write into room that was
 * never written makes fdatasync record where, an extra write to the device for each group.
 *
 * Memory:  as each kind of disk says.  Threads: make and remove by who makes spare files, the rest
 * by the journal's thread; both at once, of different files.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct journal_file_ops {
    /* make creates a file of bytes zeros and syncs it: a handle, or a negative errno and there is
     * no such file.  It leaves the disk to others for so many times as long as it takes itself,
     * and its core for half as long as it keeps that busy. */
    int (*make)(void *disk, int dir_fd, const char *name, uint64_t bytes, uint32_t pauses);
    /* adopt renames a file and syncs the directory.  What has the new name already is replaced, or
     * -EEXIST.  Returns 0 or a negative errno, and then which name it has is not known. */
    int (*adopt)(void *disk, int dir_fd, const char *from, const char *to, bool replace);
    /* commit writes all parts, one behind the other, and makes them durable.  Returns 0, or a
     * negative errno: what is then there is not known.  May change parts. */
    int (*commit)(void *disk, int handle, struct iovec *parts, int count, uint64_t offset);
    /* close closes a file, and cuts it where it is longer than bytes. */
    int (*close)(void *disk, int handle, uint64_t bytes);
    int (*remove)(void *disk, int dir_fd, const char *name);
    void *disk;
};

#define JOURNAL_FILE_WHOLE UINT64_MAX /* of close: nothing is cut */

/* pwritev2 with O_DIRECT where the file system has it, then fdatasync.  A handle is a file
 * descriptor. */
extern const struct journal_file_ops journal_file_posix;

/* journal_file_skip takes the first bytes off the front of the parts. */
void journal_file_skip(struct iovec **parts, int *count, size_t bytes);
