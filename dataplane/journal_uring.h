/* journal_uring.h - groups written through io_uring: the write and the fdatasync behind it are
 * linked, one submission and one wait.
 *
 * The open segment is a registered file; blocks are written from where the shard filled them.  The
 * rest, which is seldom, goes the ordinary way (journal_file.h).
 *
 * Memory:  the kernel's rings, for a handful of entries.  Nothing is on its way when a call
 * returns.
 * Threads: one journal's thread; make and remove as journal_file.h says.
 */
#pragma once

#include "dataplane/journal_file.h"

struct journal_uring;

/* journal_uring_new returns 0, or a negative errno where the kernel has no io_uring or does not let
 * this process use it: -ENOSYS, -EPERM, -ENOMEM. */
int journal_uring_new(struct journal_uring **uring);
void journal_uring_free(struct journal_uring *uring);

/* journal_uring_ops returns the disk that writes through it; handles are file descriptors.  Should
 * the rings ever refuse a group, that group has failed, and later ones take the way of
 * journal_file_posix. */
struct journal_file_ops journal_uring_ops(struct journal_uring *uring);

/* journal_uring_works says whether it has not come to that.  Thread: any. */
bool journal_uring_works(const struct journal_uring *uring);
