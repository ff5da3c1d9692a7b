/* json.h - a cursor over JSON text that checks RFC 8259 in full as it moves, and owns nothing.
 *
 * Every function takes the offset where it starts and returns the offset behind what it read, or
 * JSON_FAULT with reason and reason_offset set.  The text is looked at 64 bytes at a time: one word
 * of bits marks the bytes where a run of plain string characters must stop, so that a string costs
 * a shift and a bit count whatever its length.
 *
 * reason_offset is that of the first byte that no JSON text could have after the bytes before it,
 * len when the text ends too early; of the first byte of a sequence that is not UTF-8; of the
 * backslash of a high surrogate that no whole low one follows, or of a low one alone; of the
 * bracket that goes too deep.
 *
 * Memory:  reads bytes[0, len) only.  Threads: one per cursor.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/reason.h"

#define JSON_FAULT     SIZE_MAX
#define JSON_DEPTH_MAX 64

struct json {
    const uint8_t *bytes;
    uint64_t stops;   /* bit i: bytes[block_end - 64 + i] is a quote, a backslash, a control
                         character, over 0x7f, or at or behind stop_end */
    size_t block_end; /* a multiple of 64; 0 before the first string */
    size_t stop_end;  /* at most len */
    size_t len;
    uint32_t depth_max;
    size_t reason_offset;
    enum reason reason;
    bool escaped; /* some string so far holds a backslash */
};

/* json_init starts at the front of len bytes; depth_max in [1, JSON_DEPTH_MAX].  Who knows of a
 * byte in front of the end that is in no string may lower stop_end to it before the first string.
 */
static inline void json_init(struct json *j, const uint8_t *bytes, size_t len, uint32_t depth_max)
{
    assert(depth_max >= 1 && depth_max <= JSON_DEPTH_MAX);
    *j = (struct json){.bytes = bytes, .stop_end = len, .len = len, .depth_max = depth_max};
}

/* json_seek has a fresh cursor begin at an offset: no string in front of it is asked for. */
static inline void json_seek(struct json *j, size_t at)
{
    j->block_end = at & ~(size_t)63;
}

static inline size_t json_fault(struct json *j, enum reason reason, size_t at)
{
    j->reason = reason;
    j->reason_offset = at;
    return JSON_FAULT;
}

/* json_peek returns the byte at an offset, or 0, which is no part of JSON, at the end. */
static inline uint8_t json_peek(const struct json *j, size_t at)
{
    return at < j->len ? j->bytes[at] : 0;
}

static inline bool json_is_space(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* json_space returns the offset of the first byte that is no white space. */
size_t json_space(const struct json *j, size_t at);

/* json_next moves *at past white space and returns the byte there, as json_peek does. */
static inline uint8_t json_next(const struct json *j, size_t *at)
{
    uint8_t c = json_peek(j, *at);
    if (__builtin_expect(c > ' ', 1))
        return c;
    *at = json_space(j, *at);
    return json_peek(j, *at);
}

/* json_load_stops moves on to the next 64 bytes.  A stop too many, as stop_end makes them, only
 * costs time. */
void json_load_stops(struct json *j);

/* json_string_rest goes on at a stop in a string. */
size_t json_string_rest(struct json *j, size_t at);

/* json_escape reads an escape that starts with the backslash at at; a pair of surrogates is one. */
size_t json_escape(struct json *j, size_t at);

/* json_stop returns the offset of the first stop at or behind at, which is at most stop_end or at.
 */
static inline size_t json_stop(struct json *j, size_t at)
{
    for (;;) {
        while (__builtin_expect(at >= j->block_end, 0))
            json_load_stops(j);
        uint64_t stops = j->stops >> (at & 63);
        if (__builtin_expect(stops != 0, 1))
            return at + (size_t)__builtin_ctzll(stops);
        at = j->block_end;
    }
}

/* json_string reads a string from the byte behind its opening quote to behind its closing one. */
static inline size_t json_string(struct json *j, size_t at)
{
    at = json_stop(j, at);
    if (__builtin_expect(json_peek(j, at) == '"', 1))
        return at + 1;
    return json_string_rest(j, at);
}

/* json_number reads a number that starts at at. */
size_t json_number(struct json *j, size_t at);

/* json_value reads any value that starts at at, inside depth open brackets.  Its cost is linear in
 * the bytes it reads, and it does not recurse. */
size_t json_value(struct json *j, size_t at, uint32_t depth);
