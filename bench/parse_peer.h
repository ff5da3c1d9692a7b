/* parse_peer.h - the other parser of trove-parse, in C++, where the build has it.
 *
 * peer_check gives the same id, time and keys for an event that is right as event_parse does.
 *
 * Memory:  a parser of its own, grown at the first calls.  Threads: one.
 */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "dataplane/base/event.h"

/* peer_extract finds id, time, user, type and item by their names, a look-up each, and takes the
 * time as a number, the others as strings, unescaped: the least that on-demand can be asked for.
 * peer_iterate goes through all members and takes the same, and a hunt.  Neither looks at the
 * grammar of members that nobody asked for, at keys given twice, at the UUID or at lengths, and
 * nothing is hashed.  Each returns 0 when the event is good so far. */
int peer_extract(const struct hash_key *key, const uint8_t *bytes, uint32_t len,
                 struct event *event);
int peer_iterate(const struct hash_key *key, const uint8_t *bytes, uint32_t len,
                 struct event *event);

/* peer_check does all that event_parse does for an event without a fault, in the order of its
 * bytes: every member walked to its end, own keys given once, lengths, the UUID (by
 * text_uuid_parse, Trove's), the time's range, keyed hashes (by hash64 and hash128).  What it does
 * not do: say which byte was wrong. */
int peer_check(const struct hash_key *key, const uint8_t *bytes, uint32_t len, struct event *event);

#ifdef __cplusplus
}
#endif
