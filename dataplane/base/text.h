/* text.h - small text codecs that several layers share: JSON strings, numbers, UUIDs, RFC 3339
 * times.
 *
 * Memory:  the caller's buffers, sizes given.  Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_UUID_LEN 36
#define TEXT_TIME_LEN 24 /* 2026-11-20T12:00:01.201Z */

/* text_hex_digit returns the value of a hexadecimal digit, either case, or -1. */
static inline int text_hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* text_decode turns the raw inside of a JSON string that event_parse accepted into UTF-8.
 *
 * Returns the decoded length, at most len (escapes only shrink), or -1 when room bytes do not hold
 * it or an escape is broken.
 */
int text_decode(const uint8_t *raw, size_t len, uint8_t *out, size_t room);

/* text_next returns the code point at *at in the same raw text and moves *at behind it: what
 * text_decode does, without a place to put it. */
uint32_t text_next(const uint8_t *raw, size_t len, size_t *at);

/* text_json_encode writes bytes as a JSON string with its quotes, escaping what RFC 8259 section 7
 * demands; bytes that are not UTF-8 come out as U+FFFD.  Returns the length, or -1 when room does
 * not hold it (6 * len + 2 always does). */
int text_json_encode(const uint8_t *bytes, size_t len, char *out, size_t room);

#define TEXT_DECIMAL_MAX 20 /* 18446744073709551615 */

/* text_decimal_format writes a number's digits, no NUL behind them; returns how many.  Of what
 * comes behind them in out, nothing can be said. */
size_t text_decimal_format(uint64_t value, char out[TEXT_DECIMAL_MAX]);

/* text_uuid_parse reads the canonical 36 characters, either case, into 16 big-endian bytes as two
 * words (RFC 9562 section 4). Returns -1, or the offset in [0, 36) of the first wrong character.
 * The nil UUID is the caller's to refuse. */
int text_uuid_parse(const uint8_t *text, uint64_t id[2]);
void text_uuid_format(const uint64_t id[2], char out[TEXT_UUID_LEN + 1]);

/* text_time_parse reads an RFC 3339 date-time (section 5.6; a leap second, 60 at a month's
 * end in UTC, counts as the next second; fractions beyond milliseconds are cut) as milliseconds
 * since 1970. Returns 0, -EINVAL when it is no such date-time, -ERANGE before 1970 or after 9999.
 */
int text_time_parse(const uint8_t *text, size_t len, int64_t *time_ms);
void text_time_format(int64_t time_ms, char out[TEXT_TIME_LEN + 1]);

/* text_utf8_valid returns the offset in [0, len] of the first byte that is not part of well-formed
 * UTF-8 (RFC 3629); len when all of it is. */
size_t text_utf8_valid(const uint8_t *bytes, size_t len);
