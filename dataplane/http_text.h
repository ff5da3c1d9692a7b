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
    char digits[20];
    unsigned first = sizeof digits;
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    http_text_put(t, digits + first, sizeof digits - first);
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
