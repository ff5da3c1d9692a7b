/* utf8.h - one UTF-8 sequence at a time (RFC 3629 section 4).
 *
 * Memory:  the caller's.  Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_BYTES_MAX 4

static inline bool utf8_is_tail(uint8_t c)
{
    return (c & 0xc0) == 0x80;
}

/* utf8_sequence returns the bytes, in [1, 4], of the well-formed sequence that starts at p, or 0
 * when there is none within room bytes (at least 1). */
static inline unsigned utf8_sequence(const uint8_t *p, size_t room)
{
    uint8_t lead = p[0];
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || room < 2 || !utf8_is_tail(p[1]))
        return 0;
    if (lead < 0xe0)
        return 2;
    if (room < 3 || !utf8_is_tail(p[2]))
        return 0;
    if (lead < 0xf0) {
        bool overlong = lead == 0xe0 && p[1] < 0xa0;
        bool surrogate = lead == 0xed && p[1] > 0x9f;
        return overlong || surrogate ? 0 : 3;
    }
    if (room < 4 || !utf8_is_tail(p[3]))
        return 0;
    bool overlong = lead == 0xf0 && p[1] < 0x90;
    bool beyond = lead > 0xf4 || (lead == 0xf4 && p[1] > 0x8f);
    return overlong || beyond ? 0 : 4;
}

/* utf8_next returns the code point of the well-formed sequence at p[*at] and moves *at behind it.
 */
static inline uint32_t utf8_next(const uint8_t *p, size_t *at)
{
    uint32_t code = p[(*at)++];
    if (code < 0x80)
        return code;
    unsigned tails = code < 0xe0 ? 1 : code < 0xf0 ? 2 : 3;
    code &= 0x3fu >> tails;
    while (tails-- > 0)
        code = code << 6 | (p[(*at)++] & 0x3f);
    return code;
}

/* utf8_bytes returns how many bytes utf8_encode writes for a code point. */
static inline unsigned utf8_bytes(uint32_t code)
{
    return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

/* utf8_encode writes a code point in [0, 0x10ffff] that is no surrogate and returns its bytes. */
static inline unsigned utf8_encode(uint32_t code, uint8_t out[UTF8_BYTES_MAX])
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xc0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xe0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | code >> 18);
    out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (code & 0x3f));
    return 4;
}
