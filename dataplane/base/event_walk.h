/* event_walk.h - the members of an event, one after the other, and the first byte that is wrong.
 *
 * Reads any bytes; what the scan (event_scan.h) gives up ends here.
 *
 * Memory:  the caller's.  Threads: one per cursor.
 */
#pragma once

#include "dataplane/base/event_members.h"
#include "dataplane/base/json.h"

/* event_walk reads a fresh cursor's bytes to their end as one object and fills in *members.
 *
 * Returns the offset of the closing brace, or JSON_FAULT with the cursor's reason: what json.h
 * says, trailing, empty, or not_object.  *twice is the offset of the opening quote of the first own
 * key that had come before, JSON_FAULT when there is none; of such a key's values the first is in
 * *members. */
size_t event_walk(struct json *j, struct event_members *members, size_t *twice);
