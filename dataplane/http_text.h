/* http_text.h - text written into a buffer of known size, without printf.
 *
 * What does not fit is left out and remembered: who sized the buffer asserts on it, who fills it
 * with lists cuts it back.
 *
 * Memory:  the caller's buffer.  Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/base/swar.h"
#include "dataplane/base/text.h"

struct http_text {
    char *at;
    char *end;
    bool cut; /* something did not fit */
};

static inline void http_text_put(struct http_text *t, const void *text, size_t len)
{
    if (__builtin_expect((size_t)(t->end - t->at) < len, 0)) {
        t->cut = true;
        return;
    }
    memcpy(t->at, text, len);
    t->at += len;
}

/* HTTP_PUT writes a string literal. */
#define HTTP_PUT(t, literal) http_text_put(t, (literal), sizeof(literal) - 1)

static inline void http_text_string(struct http_text *t, const char *text)
{
    http_text_put(t, text, strlen(text));
}

static inline void http_text_number(struct http_text *t, uint64_t number)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    char digits[20];
    unsigned first = sizeof digits;
    for (; number >= 100; number /= 100)
        memcpy(digits + (first -= 2), pairs + number % 100 * 2, 2);
    if (number >= 10)
        memcpy(digits + (first -= 2), pairs + number * 2, 2);
    else
        digits[--first] = (char)('0' + number);
    http_text_put(t, digits + first, sizeof digits - first);
}

/* http_text_hex makes eight hexadecimal digits of 32 bits: a nibble in each byte, then the distance
 * from '9' to 'a' added where it is over nine. */
static inline uint64_t http_text_hex(uint32_t bits)
{
    uint64_t w = bits;
    w = (w << 32 | w >> 16) & UINT64_C(0x0000ffff0000ffff);
    w = (w << 16 | w >> 8) & UINT64_C(0x00ff00ff00ff00ff);
    w = (w << 8 | w >> 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    uint64_t letters = (w + SWAR_BYTES(6)) >> 4 & SWAR_BYTES(1);
    return htole64(w + SWAR_BYTES('0') + letters * ('a' - '9' - 1));
}

/* http_text_uuid writes 16 big-endian bytes, as two words, in the canonical 36 characters. */
static inline void http_text_uuid(struct http_text *t, const uint64_t id[2])
{
    uint64_t hex[4];
    char text[TEXT_UUID_LEN];
    for (unsigned i = 0; i < 4; i++)
        hex[i] = http_text_hex((uint32_t)(id[i / 2] >> (i % 2 ? 0 : 32)));
    const char *digits = (const char *)hex;
    memcpy(text, digits, 8);
    memcpy(text + 9, digits + 8, 4);
    memcpy(text + 14, digits + 12, 4);
    memcpy(text + 19, digits + 16, 4);
    memcpy(text + 24, digits + 20, 12);
    text[8] = text[13] = text[18] = text[23] = '-';
    http_text_put(t, text, sizeof text);
}

/* http_text_json writes bytes of UTF-8 as a JSON string with its quotes. */
static inline void http_text_json(struct http_text *t, const uint8_t *bytes, size_t len)
{
    int written = text_json_encode(bytes, len, t->at, (size_t)(t->end - t->at));
    if (written < 0)
        t->cut = true;
    else
        t->at += written;
}
