/* blast_malformed.h - events that break one rule each, with the reason they must be rejected for.
 *
 * Memory:  the caller's buffer.  Threads: any.
 */
#pragma once

#include <stdint.h>

#include "dataplane/base/reason.h"

#define BLAST_MALFORMED_BYTES_MAX 512 /* with names of any allowed length */

/* The values an event would have had; texts as they stand in JSON, without quotes. */
struct blast_values {
    const char *id; /* 36 characters */
    const char *time;
    const char *user;
    const char *type;
    const char *item;
};

/* blast_malformed_count returns the number of kinds. */
uint32_t blast_malformed_count(void);

/* blast_malformed_build writes an event of kind, in [0, blast_malformed_count()), to out, which has
 * room for BLAST_MALFORMED_BYTES_MAX, and returns its length; *reason is what it breaks.  The only
 * thing that depends on the receiver's configuration is that it has no event type named
 * "no-such-type". */
uint32_t blast_malformed_build(uint32_t kind, const struct blast_values *values, uint8_t *out,
                               enum reason *reason);
