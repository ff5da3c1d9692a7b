/* dead.h - the file of records that a sink could not get rid of, beside its cursor.
 *
 * One JSON object a line: {"place": "epoch-ordinal", "shard": n, "error": "...", "outcome": {...}}.
 * Each is synced before the sink goes on without it; a crash right then may write it twice.
 *
 * Memory:  none kept.  Threads: the pump's.
 */
#pragma once

#include "sinks/line.h"

#define DEAD_BYTES_MAX (64u << 20)

/* dead_append returns 0 or a negative errno: -EFBIG the file holds DEAD_BYTES_MAX already, which is
 * for the operator to look at and to move away. */
int dead_append(const char *path, const struct sink_item *item, const struct line_origin *origin,
                const char *error);
