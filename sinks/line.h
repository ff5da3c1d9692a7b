/* line.h - one outcome as one line of JSON, the form in which the file sink and others like it hand
 * it on.
 *
 * A line names everything in words and needs no configuration to be read: what the event said is
 * parsed once more from its bytes, what it led to comes from the outcome.
 *
 * Memory:  the caller's buffers.  Threads: any.
 */
#pragma once

#include <stddef.h>

#include "sinks/sink.h"

#define LINE_BYTES_MAX (16u << 10)

/* Of a dead letter's bytes a line shows this many; the journal has them all. */
#define LINE_DEAD_BYTES 1024u

/* Where lines come from: pop and host as JSON members, made once. */
struct line_origin {
    char json[1024];
    size_t len;
};

/* line_origin_init returns 0, or -ENAMETOOLONG when pop or host is longer than CONF_NAME_MAX. */
int line_origin_init(struct line_origin *origin, const char *pop, const char *host);

/* line_encode writes the line of an item with its newline; returns its length, in
 * [1, LINE_BYTES_MAX]. */
size_t line_encode(const struct sink_item *item, const struct line_origin *origin,
                   char out[LINE_BYTES_MAX]);
