/* ends.h - how far the other side has each journal, as one line of text that it keeps for the sink:
 * "JOURNAL EPOCH-ORDINAL,,EPOCH-ORDINAL", by shard, nothing where it has nothing.
 *
 * What comes back has been in somebody else's hands and is read like any outside input.
 *
 * Memory:  the caller's.  Threads: any.
 */
#pragma once

#include <stdbool.h>

#include "sinks/sink.h"

#define ENDS_JOURNAL_MAX 24u /* with its NUL */
#define ENDS_TEXT_MAX    (ENDS_JOURNAL_MAX + SINK_EPOCH_JOURNALS_MAX * 34u)

/* ends_encode writes the line, NUL-terminated; of the journal's name the first 16 bytes. */
void ends_encode(const char *journal, const struct sink_end end[SINK_EPOCH_JOURNALS_MAX],
                 char out[ENDS_TEXT_MAX]);

/* ends_parse reads a line.  Returns whether it is one; if not, what it wrote means nothing. */
bool ends_parse(const char *text, char journal[ENDS_JOURNAL_MAX],
                struct sink_end end[SINK_EPOCH_JOURNALS_MAX]);
