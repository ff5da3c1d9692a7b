/* http_scan.h - character classes of RFC 9110 and RFC 3986, and the search for the byte at which a
 * header line must stop.
 *
 * Memory:  reads what it is given only.  Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/base/swar.h"

enum http_class {
    HTTP_TOKEN = 1 << 0, /* tchar (RFC 9110 section 5.6.2) */
    HTTP_URI = 1 << 1,   /* pchar without %, "/" and "?" (RFC 3986) */
    HTTP_HOST = 1 << 2,  /* unreserved: of a registered name; no sub-delims, see http_target.h */
    HTTP_ADDR6 = 1 << 3, /* hexadecimal digits, ":" and ".": inside the brackets of a host */
    HTTP_DIGIT = 1 << 4,
};

extern const uint8_t http_classes[256];

static inline bool http_is(uint8_t c, unsigned classes)
{
    return http_classes[c] & classes;
}

static inline bool http_is_space(uint8_t c) /* OWS */
{
    return c == ' ' || c == '\t';
}

/* http_scan returns the offset in [at, end] of the first control character (below 0x20, HTAB among
 * them, or DEL); end when there is none. */
uint32_t http_scan(const uint8_t *bytes, uint32_t at, uint32_t end);

/* http_same returns whether len bytes are a word, in any case.  The bytes have no control character
 * but HTAB; the word is lower case letters, digits and marks that have bit 0x20 set, no closing
 * parenthesis among them: then that bit alone tells cases apart, and a word in the source costs a
 * few instructions. */
static inline __attribute__((always_inline)) bool http_same(const uint8_t *bytes, uint32_t len,
                                                            const char *word)
{
    const uint8_t *w = (const uint8_t *)word;
    size_t size = strlen(word), at = 0;
    if (len != size)
        return false;
    if (size < 8) {
        uint8_t differ = 0;
        for (; at < size; at++)
            differ |= (uint8_t)((bytes[at] | 0x20) ^ w[at]);
        return !differ;
    }
    uint64_t differ = 0;
    for (; at + 8 <= size; at += 8)
        differ |= (swar_load(bytes + at) | SWAR_BYTES(0x20)) ^ swar_load(w + at);
    differ |= (swar_load(bytes + size - 8) | SWAR_BYTES(0x20)) ^ swar_load(w + size - 8);
    return !differ;
}
