/* parse_peer.h - the other parser of trove-parse, in C++, where the build has it.
 *
 * Both functions give the same id, time and flags for an event that is right as event_parse does.
 *
 * Memory:  a parser of its own, grown at the first calls.  Threads: one.
 */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "dataplane/base/event.h"

/* peer_extract finds the members id, time, user, type, item and hunt and takes the time as a
 * number, the others as strings, unescaped.  It checks nothing else: not the grammar of members
 * that nobody asked for, no key given twice, no UUID, no lengths; nothing is hashed.  Returns 0
 * when the event is good so far. */
int peer_extract(const struct hash_key *key, const uint8_t *bytes, uint32_t len,
                 struct event *event);

/* peer_check does all that event_parse does for an event without a fault, in the order of its
 * bytes: every member walked to its end, own keys given once, lengths, the UUID (by
 * text_uuid_parse, Trove's), the time's range, keyed hashes (by hash64 and hash128).  What it does
 * not do: say which byte was wrong. */
int peer_check(const struct hash_key *key, const uint8_t *bytes, uint32_t len, struct event *event);

#ifdef __cplusplus
}
#endif
