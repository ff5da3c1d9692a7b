/* cursor.h - the file in which a pump keeps its cursor: two slots, written in turn.
 *
 * A save goes to the slot that does not hold the newest cursor, so a save that is torn by a crash
 * leaves the one before it whole.
 *
 * Memory:  the caller's.  Threads: one.
 */
#pragma once

#include "sinks/sink.h"

#define CURSOR_SLOT_BYTES 4096u

struct cursor {
    int fd;
    uint64_t version; /* of the newest good slot; 0: nothing was ever saved */
};

/* cursor_open opens or creates the file at path and loads the newest good slot; *value is all zero
 * (version 0) when nothing was ever saved.  Returns 0 or a negative errno: -EBADMSG something was
 * saved and no slot of it is good, so where to go on is not known; -EPROTONOSUPPORT it is of a
 * later format. */
int cursor_open(struct cursor *cursor, const char *path, struct sink_cursor *value);

/* cursor_read loads the newest good slot of a file that may be in use, as cursor_open does, but
 * makes none: -ENOENT. */
int cursor_read(const char *path, struct sink_cursor *value);

/* cursor_save makes *value durable and counts its version up.  Returns 0 or a negative errno: then
 * the cursor saved before is still the one that cursor_open would find, or this one is. */
int cursor_save(struct cursor *cursor, struct sink_cursor *value);

void cursor_close(struct cursor *cursor);
