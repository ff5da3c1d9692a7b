/* decimal.h - comparing JSON numbers as they are written, digit by digit: no value is too long or
 * too precise, and nothing is rounded on the way.
 *
 * Memory:  a decimal points into the text that it was read from.  Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 0.DIGITS times ten to the power of magnitude. */
struct decimal {
    const uint8_t *digits; /* from the first digit that is not 0 to the last, a '.' among them */
    uint32_t len;          /* of that text; 0: the number is zero */
    uint32_t count;        /* digits in it */
    int64_t magnitude;     /* at most 2^40 either way: an exponent beyond is taken for that */
    bool negative;
};

/* decimal_read takes apart len bytes that are a number as RFC 8259 defines it. */
struct decimal decimal_read(const uint8_t *text, size_t len);

/* decimal_compare returns less than, equal to or greater than 0, in time linear in the shorter
 * one's digits.  It is exact where at least one of both has an exponent below 2^40. */
int decimal_compare(const struct decimal *a, const struct decimal *b);

/* decimal_is_whole says whether the number is an integer, however it is written: 3, 3.0, 3e2. */
static inline bool decimal_is_whole(const struct decimal *d)
{
    return d->len == 0 || d->magnitude >= (int64_t)d->count;
}
