/* interrupts.h - which core a disk interrupts.
 *
 * A disk with a queue for each core interrupts who wrote; one with a single queue always the same
 * core.  There, it takes time from a core that polls, up to a fifth of it, and none that is missed
 * from the one that writes.
 *
 * Memory:  none is kept.  Threads: any; files of the kernel are read, so not in a poll.
 */
#pragma once

#include <sys/types.h>

#define INTERRUPTS_SPREAD (-1)

/* interrupts_core returns the core that takes at least nine of ten of a disk's interrupts, device
 * being as in stat(2), or INTERRUPTS_SPREAD: there is none, or it cannot be seen.  Of a device that
 * is made of disks, all must agree.  root is "", or where a test has its own /sys and /proc. */
int interrupts_core(const char *root, dev_t device);
