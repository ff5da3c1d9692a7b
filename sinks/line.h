/* line.h - one outcome as one line of JSON, the form in which the file sink and others like it hand
 * it on.
 *
 * A line names everything in words and needs no configuration to be read: what the event said is
 * found once more in its bytes (words.h), what it led to comes from the outcome.
 *
 * Memory:  the caller's buffers.  Threads: any.
 */
#pragma once

#include <stddef.h>

#include "dataplane/base/event.h"
#include "dataplane/base/hash.h"
#include "sinks/sink.h"
#include "sinks/words.h"

#define LINE_BYTES_MAX (16u << 10)

#define LINE_JOURNAL_MAX 16u

/* Of a dead letter's bytes a line shows this many; the journal has them all. */
#define LINE_DEAD_BYTES 1024u

/* Where lines come from: pop and host as JSON members, made once; and the data directory's name. */
struct line_origin {
    char json[1024];
    size_t len;
    char pop[CONF_NAME_MAX + 1];
    char host[CONF_NAME_MAX + 1];
    char journal[LINE_JOURNAL_MAX + 1];
};

/* line_origin_init returns 0, or -ENAMETOOLONG when pop or host is longer than CONF_NAME_MAX, or
 * journal than LINE_JOURNAL_MAX. */
int line_origin_init(struct line_origin *origin, const char *pop, const char *host,
                     const char *journal);

/* line_journal_name writes the name of the data directory whose key this is, which gives nothing of
 * the key away. */
void line_journal_name(const struct hash_key *key, char name[LINE_JOURNAL_MAX + 1]);

/* line_user writes who an item with these words is about; returns the length in bytes, 0 when it
 * does not say. */
size_t line_user(const struct sink_item *item, const struct words *words,
                 uint8_t out[EVENT_NAME_MAX]);

/* line_write writes the line of an item with these words, and its newline; line_encode reads the
 * words, too.  Both return its length, in [1, LINE_BYTES_MAX]. */
size_t line_write(const struct sink_item *item, const struct words *words,
                  const struct line_origin *origin, char out[LINE_BYTES_MAX]);
size_t line_encode(const struct sink_item *item, const struct line_origin *origin,
                   char out[LINE_BYTES_MAX]);
