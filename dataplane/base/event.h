/* event.h - one event as it travels from an rx part to a shard: parsed once, held by value, 128
 * bytes.
 *
 * event_parse checks the whole object against RFC 8259 and DESIGN's rules for an event's own keys,
 * and turns names into keyed hashes; it knows nothing of the configuration but the limits, so what
 * it says about bytes never changes.  Whether the type is known, the hunt exists or the clock is
 * right is shard_apply's to say, under the configuration that is live there.
 *
 * Memory:  an event points at its bytes and owns nothing; who filled in `token` frees the bytes
 * when the answer comes back. Threads: any.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/base/hash.h"
#include "dataplane/base/reason.h"

#define EVENT_BYTES_MAX 65535
#define EVENT_USER_MAX  64
#define EVENT_TYPE_MAX  32
#define EVENT_NAME_MAX  64 /* item, tile, hunt */
#define EVENT_TIME_MAX  64

enum event_flag {
    EVENT_HAS_ITEM = 1 << 0,
    EVENT_HAS_TILE = 1 << 1,
    EVENT_HAS_HUNT = 1 << 2,
    EVENT_HAS_DATA = 1 << 3,
    EVENT_HAS_OTHER = 1 << 4, /* keys that are not its own: kept, not interpreted */
    EVENT_ESCAPED =
        1 << 5, /* user, item or tile holds a backslash: decode the spans with text_decode */
    EVENT_RECORDED = 1 << 6, /* set in replay: it was accepted when it came */
};

/* A string's raw bytes between its quotes, or a value's whole text: event.bytes[off, off + len). */
struct span {
    uint16_t off;
    uint16_t len;
};

struct event {
    /* What routing, duplicate detection and time need. */
    struct hash128 user_key; /* keyed hash of the decoded user */
    uint64_t id[2];          /* the UUID's 16 bytes, big-endian: id[0] holds the first eight */
    int64_t time_ms;         /* the client's clock, since 1970, in [0, 253402300799999] */
    uint64_t receive_ns;     /* CLOCK_REALTIME at the rx part */
    uint64_t
        wire_ns; /* CLOCK_MONOTONIC when the packet was on the wire: latencies count from here */
    const uint8_t
        *bytes; /* exactly as received, from '{' to '}' and what white space surrounds them */

    /* The rest. Keys are hash64 of the decoded string, 0 when absent. */
    uint64_t type_key;
    uint64_t item_key;
    uint64_t tile_key;
    uint64_t hunt_key;
    uint64_t token; /* the rx part's, handed back in the answer */
    uint16_t len;
    uint16_t partition; /* event_partition of what owns the event */
    uint8_t
        reason; /* enum reason; when not none, only bytes, len, reason_offset and the times hold */
    uint8_t flags; /* enum event_flag */
    uint16_t reason_offset;
    struct span user;
    struct span item;
    struct span tile;
    struct span data;
};

static_assert(sizeof(struct event) == 128, "two cache lines");

struct event_limits {
    uint32_t event_bytes; /* [64, EVENT_BYTES_MAX] */
    uint32_t event_depth; /* [1, 64] nested objects and arrays, the event itself being 1 */
};

/* event_parse checks len bytes and fills in everything of *event but the times, token and
 * partition.
 *
 * Returns REASON_none, or the first reason in byte order for which the bytes are not an event;
 * *event then has reason and reason_offset, the offset in [0, len] of the byte that decided:
 *   broken JSON       see json.h; bytes behind the first value: the first of them
 *   too_large, empty  limits->event_bytes; len
 *   a duplicate key   its opening quote
 *   an invalid id     its first wrong character (the closing quote when characters are missing)
 *   another value, or an id that is nil or written with escapes: the value's first byte
 *   a missing key     the closing brace
 * JSON that is broken anywhere is `syntax` (or utf8, surrogate, depth, trailing), whatever else is
 * wrong with it: what is not JSON is rejected as a whole.  len may be 0 or all white space (empty)
 * or over limits->event_bytes (too_large).  A time string is at most EVENT_TIME_MAX bytes.
 * Allocates nothing, reads bytes[0, len) only.
 */
enum reason event_parse(const struct event_limits *limits, const struct hash_key *key,
                        const uint8_t *bytes, uint32_t len, struct event *event);

/* event_partition maps a key to [0, partition_count); partition_count is a power of two up to
 * 65536. */
static inline uint16_t event_partition(uint64_t key_hi, uint32_t partition_count)
{
    return (uint16_t)((key_hi >> 40) & (partition_count - 1));
}

/* event_dedupe_key is the identity of (user, id) that duplicates are found by. */
struct hash128 event_dedupe_key(const struct hash_key *key, const struct event *event);
