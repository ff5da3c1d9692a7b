/* swar.h - eight characters at a time in a 64-bit word; the first one is the lowest byte.
 *
 * Memory:  loads read exactly eight (four) bytes at p, of any alignment.  Threads: any.
 */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define SWAR_DECIMAL_MAX 15 /* digits */
#define SWAR_BYTES(c)    (UINT64_C(0x0101010101010101) * (uint8_t)(c))

static inline uint64_t swar_load(const uint8_t *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof w);
    return le64toh(w);
}

static inline uint32_t swar_load32(const uint8_t *p)
{
    uint32_t w;
    memcpy(&w, p, sizeof w);
    return le32toh(w);
}

/* swar_no_digits returns bits set in each byte that is no decimal digit.  Adding 6 may carry out of
 * a byte over 0xf9, but only into bytes behind one that is no digit. */
static inline uint64_t swar_no_digits(uint64_t w)
{
    uint64_t odd = (w ^ SWAR_BYTES(0x30)) | ((w + SWAR_BYTES(0x06)) ^ SWAR_BYTES(0x30));
    return odd & SWAR_BYTES(0xf0);
}

/* swar_is_decimal says whether all eight are decimal digits. */
static inline bool swar_is_decimal(uint64_t w)
{
    return swar_no_digits(w) == 0;
}

/* swar_digit_count returns how many of the eight are decimal digits before the first that is not.
 */
static inline unsigned swar_digit_count(uint64_t w)
{
    uint64_t odd = swar_no_digits(w);
    return odd ? (unsigned)__builtin_ctzll(odd) / 8 : 8;
}

/* swar_decimal returns the number that eight digits (or bytes of value 0) spell. */
static inline uint32_t swar_decimal(uint64_t w)
{
    w = (w & SWAR_BYTES(0x0f)) * (1 + (10 << 8)) >> 8;
    w = (w & UINT64_C(0x00ff00ff00ff00ff)) * (1 + (100 << 16)) >> 16;
    w = (w & UINT64_C(0x0000ffff0000ffff)) * (1 + (UINT64_C(10000) << 32)) >> 32;
    return (uint32_t)w;
}

/* swar_decimal_long reads 9 to 15 digits, the first eight from the front, the rest from the back.
 * Returns -1 when the text is anything else. */
static inline int64_t swar_decimal_long(const uint8_t *text, uint32_t len)
{
    static const int64_t power[8] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    if (len <= 8 || len > SWAR_DECIMAL_MAX)
        return -1;
    uint64_t front = swar_load(text);
    uint64_t back = swar_load(text + len - 8);
    if (!swar_is_decimal(front) || !swar_is_decimal(back))
        return -1;
    back &= UINT64_MAX << 8 * (16 - len);
    return swar_decimal(front) * power[len - 8] + swar_decimal(back);
}

/* swar_hex reads eight hexadecimal digits, either case, as a number; *bad collects a set bit for
 * each character that is none. */
static inline uint32_t swar_hex(uint64_t w, uint64_t *bad)
{
    const uint64_t high = SWAR_BYTES(0x80);
    uint64_t seven = w & ~high;
    uint64_t lower = seven | SWAR_BYTES(0x20);
    uint64_t digit = (seven + SWAR_BYTES(0x80 - '0')) & ~(seven + SWAR_BYTES(0x80 - '9' - 1));
    uint64_t alpha = (lower + SWAR_BYTES(0x80 - 'a')) & ~(lower + SWAR_BYTES(0x80 - 'f' - 1));
    *bad |= (~(digit | alpha) | w) & high;

    uint64_t n = (w & SWAR_BYTES(0x0f)) + ((alpha & high) >> 7) * 9;
    n = __builtin_bswap64(n);
    n = (n | n >> 4) & UINT64_C(0x00ff00ff00ff00ff);
    n = (n | n >> 8) & UINT64_C(0x0000ffff0000ffff);
    return (uint32_t)(n | n >> 16);
}
