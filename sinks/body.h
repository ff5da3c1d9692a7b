/* body.h - what a sink sends of an outcome: Trove's own line, or that line as the data of a
 * CloudEvent (CloudEvents 1.0.2, structured mode in the JSON format).
 *
 *   specversion      "1.0"
 *   id               body_id: the same for the same outcome, however often it is sent
 *   source           "/POP/HOST"
 *   type             "trove." and the outcome's kind
 *   subject          the user; absent where there is none, or when the name has characters that
 *                    section 3.1.1 of the specification does not allow
 *   time             when troved received what led to the outcome
 *   datacontenttype  "application/json"
 *   data             the line
 *
 * Memory:  the caller's buffers.  Threads: any.
 */
#pragma once

#include "sinks/line.h"

#define BODY_BYTES_MAX (LINE_BYTES_MAX + 2048u)
#define BODY_ID_MAX    56u /* with its NUL */

/* body_write writes the body of an item with these words, and a newline behind it; body_encode
 * reads the words, too.  Both return its length, in [1, BODY_BYTES_MAX]. */
size_t body_write(enum conf_format format, const struct sink_item *item, const struct words *words,
                  const struct line_origin *origin, char out[BODY_BYTES_MAX]);
size_t body_encode(enum conf_format format, const struct sink_item *item,
                   const struct line_origin *origin, char out[BODY_BYTES_MAX]);

/* body_id writes the outcome's id, JOURNAL-PARTITION-SEQ, a pure function of the journal: JOURNAL
 * names the data directory.  Returns its length. */
size_t body_id(const struct sink_item *item, const struct line_origin *origin,
               char out[BODY_ID_MAX]);
