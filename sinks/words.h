/* words.h - what an event said of itself, as sinks repeat it, read from the event's record.
 *
 * The shard has checked these bytes before it journaled them, so they are only looked through for
 * where each member is: nothing is hashed, and no time or schema judged a second time.  What is no
 * event all the same, as in a journal that somebody else wrote, is found to say nothing.
 *
 * Memory:  words point into the record.  Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/record.h"
#include "dataplane/base/text.h"

/* A string as it stands between its quotes. */
struct word {
    const uint8_t *raw; /* NULL: the event has none */
    uint32_t len;
};

struct words {
    bool known;   /* what follows: it is an event with all that it needs */
    bool escaped; /* some word may hold a backslash */
    struct word user, type, item, tile;
    char id[TEXT_UUID_LEN]; /* in lower case */
};

/* words_read finds the words of an EVENT record, and of a DEAD one that is an event by its form; of
 * NULL or another record none. */
void words_read(const struct record *event, struct words *words);

/* words_decode writes a word without its escapes; returns its length in bytes, at most
 * EVENT_NAME_MAX, or 0 when there is none, or one that is broken. */
size_t words_decode(const struct words *words, const struct word *word, uint8_t *out);
