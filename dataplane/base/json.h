/* json.h - a cursor over JSON text that checks RFC 8259 in full as it moves, and owns nothing.
 *
 * Every function takes the offset where it starts and returns the offset behind what it read, or
 * JSON_FAULT with reason and reason_offset set.  The text is looked at 64 bytes at a time: one word
 * of bits marks the bytes where a run of plain string characters must stop, so that a string costs
 * a shift and a bit count whatever its length.
 *
 * reason_offset is that of the first byte that no JSON text could have after the bytes before it,
 * len when the text ends too early; of the first byte of a sequence that is not UTF-8; of the
 * backslash of a lone surrogate; of the bracket that goes too deep.
 *
 * Memory:  reads bytes[0, len) only.  Threads: one per cursor.
 */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/base/reason.h"

#define JSON_FAULT     UINT32_MAX
#define JSON_DEPTH_MAX 64

struct json {
    const uint8_t *bytes;
    uint64_t stops; /* bit i: bytes[block + i] is a quote, a backslash, a control character, not
                       ASCII, or behind the end */
    uint32_t block; /* a multiple of 64; JSON_FAULT before the first string */
    uint32_t len;
    uint32_t depth_max;
    uint32_t reason_offset;
    enum reason reason;
    bool escaped; /* some string so far holds a backslash */
};

/* json_init starts at the front of len bytes, len below JSON_FAULT; depth_max in [1, 64]. */
static inline void json_init(struct json *j, const uint8_t *bytes, uint32_t len, uint32_t depth_max)
{
    *j = (struct json){.bytes = bytes, .block = JSON_FAULT, .len = len, .depth_max = depth_max};
}

static inline uint32_t json_fault(struct json *j, enum reason reason, uint32_t at)
{
    j->reason = reason;
    j->reason_offset = at;
    return JSON_FAULT;
}

/* json_peek returns the byte at an offset, or 0, which is no part of JSON, at the end. */
static inline uint8_t json_peek(const struct json *j, uint32_t at)
{
    return at < j->len ? j->bytes[at] : 0;
}

/* json_space returns the offset of the first byte that is no white space. */
uint32_t json_space(const struct json *j, uint32_t at);

/* json_next moves *at past white space and returns the byte there, as json_peek does. */
static inline uint8_t json_next(const struct json *j, uint32_t *at)
{
    uint8_t c = json_peek(j, *at);
    if (__builtin_expect(c > ' ', 1))
        return c;
    *at = json_space(j, *at);
    return json_peek(j, *at);
}

/* json_is_pair says whether the next two bytes are a and b. */
static inline bool json_is_pair(const struct json *j, uint32_t at, char a, char b)
{
    uint16_t pair;
    if (j->len - at < sizeof pair)
        return false;
    memcpy(&pair, j->bytes + at, sizeof pair);
    return le16toh(pair) == (uint16_t)(a | b << 8);
}

/* json_load_stops makes block the one that holds offset at, in [0, len]. */
void json_load_stops(struct json *j, uint32_t at);

/* json_string_rest goes on at a stop in a string. */
uint32_t json_string_rest(struct json *j, uint32_t at);

/* json_stop returns the offset of the first stop at or behind at, in [0, len]. */
static inline uint32_t json_stop(struct json *j, uint32_t at)
{
    for (;;) {
        if (__builtin_expect((at & ~63u) != j->block, 0))
            json_load_stops(j, at);
        uint64_t stops = j->stops >> (at & 63);
        if (__builtin_expect(stops != 0, 1))
            return at + (uint32_t)__builtin_ctzll(stops);
        at = (at & ~63u) + 64;
    }
}

/* json_string reads a string from the byte behind its opening quote to behind its closing one. */
static inline uint32_t json_string(struct json *j, uint32_t at)
{
    at = json_stop(j, at);
    if (__builtin_expect(json_peek(j, at) == '"', 1))
        return at + 1;
    return json_string_rest(j, at);
}

/* json_number reads a number that starts at at. */
uint32_t json_number(struct json *j, uint32_t at);

/* json_value reads any value that starts at at, inside depth open brackets.  Its cost is linear in
 * the bytes it reads, and it does not recurse. */
uint32_t json_value(struct json *j, uint32_t at, uint32_t depth);
