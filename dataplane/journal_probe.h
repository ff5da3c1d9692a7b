/* journal_probe.h - which of two ways to the disk is the faster one, by trying.
 *
 * It depends on the kernel, its processors and the disk: an fdatasync through io_uring is handed to
 * a kernel thread, which costs more on few cores and less on a slow disk.  Its write is finished by
 * one on whatever core the disk interrupts, and waits there for a worker that polls: so what nine
 * groups of ten take is compared, not the median, which may know nothing of it.
 *
 * Memory:  one file of 2 MiB in the journal directory while it runs, under the name of a spare: a
 * crash leaves what the next start removes anyway.  Threads: one, before the journals are made.
 */
#pragma once

#include "dataplane/journal_file.h"

#define JOURNAL_PROBE_GROUPS 128u /* of each way, at most */

/* journal_probe writes groups of 16 KiB by the first and the second in turn, for at most most_ns;
 * the first makes the file and closes it. Returns 0 with what nine groups of ten took at most,
 * of each, in took_ns, or a negative errno: there is no room, or one of them failed. */
int journal_probe(const struct journal_file_ops ways[2], int dir_fd, uint64_t most_ns,
                  uint64_t took_ns[2]);
