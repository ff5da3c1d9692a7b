/* write_all.h - bytes into a file, all of them, a piece at a time.
 *
 * Memory:  none.  Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Of one call: a kernel that is not preemptible gives its core to nobody during one.  Four
 * megabytes at once took six milliseconds of the control core, which journals share. */
#define WRITE_PIECE ((size_t)64 * 1024)

/* write_all writes len bytes where fd stands.  *written, unless NULL, grows by what was written, be
 * it all or not.  Returns 0 or a negative errno. */
int write_all(int fd, const void *bytes, size_t len, uint64_t *written);
