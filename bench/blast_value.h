/* blast_value.h - the values a command line is made of: counts, durations, shares, addresses.
 *
 * Every unit is written: 240k, 1.2M, 90s, 200us, 0.5%.  A value that has a trailing character, no
 * digit, or is out of range is refused as a whole.
 *
 * Memory:  none of its own.  Threads: any.
 */
#pragma once

#include <stdint.h>

/* blast_value_decimal reads a plain decimal number (digits, '_' between digits, one point) from
 * text and sets *end behind it.  Returns 0, or -EINVAL when there is no digit. */
int blast_value_decimal(const char *text, double *value, const char **end);

/* blast_value_count reads a number with an optional k, M or G (powers of 1000), rounded to a whole
 * one.  Returns 0, -EINVAL when it is no such number, -ERANGE when it is over 1e15. */
int blast_value_count(const char *text, uint64_t *count);

/* blast_value_duration reads a number with its unit: ns, us, ms, s, m, h.  Returns 0, -EINVAL, or
 * -ERANGE when it is over 20 days. */
int blast_value_duration(const char *text, uint64_t *ns);

/* blast_value_share reads `1%`, in [0%, 100%], as a fraction of 2^32 (100% is 2^32 itself).
 * Returns 0 or -EINVAL. */
int blast_value_share(const char *text, uint64_t *share);

/* blast_value_mac reads six hexadecimal bytes with colons.  Returns 0 or -EINVAL. */
int blast_value_mac(const char *text, uint8_t mac[6]);

/* blast_value_hash turns a text of any length into 64 bits (FNV-1a), the same on every host. */
uint64_t blast_value_hash(const char *text);
