/* record.h - any bytes as a record's body, for targets that look at what a sink makes of it.
 *
 * Memory:  the caller frees the record.  Threads: any.
 */
#pragma once

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/record.h"

static inline struct record *make_record(enum record_kind kind, const uint8_t *data, size_t size)
{
    struct record *record = calloc(1, sizeof *record + size);
    assert(record);
    *record = (struct record){.body_len = (uint32_t)size, .kind = (uint8_t)kind, .seq = 2};
    if (size)
        memcpy(record + 1, data, size);
    return record;
}
