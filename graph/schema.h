/* schema.h - what an event type declares of its data, compiled to what the shard checks on every
 * event.
 *
 * The check walks the top-level members of data once, looks each name up by its keyed hash and
 * judges the value where it stands: numbers are compared as decimals, digit by digit; strings are
 * decoded a character at a time.  Nothing is copied and nothing is rounded; the cost is linear in
 * data's bytes.
 *
 * Memory:  schema_build allocates, schema_free frees; constant between.  Threads: any may check.
 */
#pragma once

#include "conf/conf.h"
#include "dataplane/base/event.h"
#include "dataplane/base/hash.h"

struct schema;

/* schema_build compiles what a type says of data; *schema is NULL when it says nothing.  Returns 0
 * or -ENOMEM.  The type was accepted by conf_load. */
int schema_build(const struct conf_type *type, const struct hash_key *key, struct schema **schema);
void schema_free(struct schema *schema);

/* schema_check says what is wrong with the data of an event that event_parse accepted: REASON_none,
 * or the first reason in byte order and in *offset the byte that decided (0 for none):
 *   data_required          the closing brace of data; of the event when it has no data
 *   data_unknown           the opening quote of the member's name
 *   data_type, _range, _length, _value   the value's first byte
 * A type that declares no member as required takes an event without data.  A member that is given
 * twice has to be right both times. */
enum reason schema_check(const struct schema *schema, const struct event *event, uint16_t *offset);
