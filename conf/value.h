/* value.h - single values as an operator writes them: numbers, sizes, times, decimals, addresses.
 *
 * Everything is whole-number arithmetic: what is written is what is meant, or it is refused.  The
 * printers write the shortest text that reads back as the same value.
 *
 * Memory:  the caller's.  Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "conf/conf.h"

/* value_number reads a whole number, digits with single '_' between them allowed.  Returns 0,
 * -EINVAL (no such number; a leading zero too, which some read as octal), -ERANGE (over 64 bits).
 */
int value_number(const char *text, size_t len, uint64_t *value);

/* value_size reads bytes with a unit (B KiB MiB GiB KB MB GB), value_time nanoseconds with a unit
 * (ns us ms s m h d).  Decimals are allowed where the result is whole.  Returns 0, -EINVAL (does
 * not start with a number), -ENOENT (no unit, or none of these), -EDOM (not a whole number of bytes
 * or nanoseconds), -ERANGE. */
int value_size(const char *text, size_t len, uint64_t *bytes);
int value_time(const char *text, size_t len, uint64_t *ns);

/* value_fixed reads a decimal with at most 9 decimal places as 16.16 fixed point, rounded to the
 * nearest.  Returns 0, -EINVAL, -ERANGE. */
int value_fixed(const char *text, size_t len, uint64_t *value);

/* value_address reads an IPv4 or IPv6 unicast address with its prefix length.  Returns 0 or
 * -EINVAL. */
int value_address(const char *text, struct conf_addr *addr);

/* value_mac reads six bytes in hexadecimal with ':' between them.  Returns 0, or -EINVAL, also for
 * a group address and for all zeros. */
int value_mac(const char *text, size_t len, uint8_t mac[6]);

/* value_name_valid: 1 to max characters of A-Z a-z 0-9 . _ - */
bool value_name_valid(const char *text, size_t len, size_t max);

/* value_versioned_valid: such a name, or two of them with '@' between, of max characters in all. */
bool value_versioned_valid(const char *text, size_t len, size_t max);

/* value_decimal_read copies a number as JSON writes it, without '_' between digits, to out with a
 * NUL.  Returns 0, -EINVAL (no such number), -ERANGE (more than CONF_DECIMAL_MAX characters, or an
 * exponent of more than four digits). */
int value_decimal_read(const char *text, size_t len, char out[CONF_DECIMAL_MAX + 1]);

/* value_device_valid: a PCI address, or a DPDK device `net_...` with its arguments. */
bool value_device_valid(const char *text, size_t len);

/* value_text_valid: UTF-8 without control characters. */
bool value_text_valid(const char *text, size_t len);

void value_print_size(FILE *out, uint64_t bytes);
void value_print_time(FILE *out, uint64_t ns);
void value_print_fixed(FILE *out, uint32_t value);
void value_print_address(FILE *out, const struct conf_addr *addr);
/* value_print_text quotes what YAML would read as something else. */
void value_print_text(FILE *out, const char *text);
