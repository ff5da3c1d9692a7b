/* table_row.h - how rows of the table say where their value lies, and units.
 *
 * Memory:  macros only.  Threads: any.
 */
#pragma once

#include "conf/table.h"

#define AT(type, member) .offset = offsetof(type, member), .width = sizeof(((type *)0)->member)

#define COUNT_AT(type, member) .count_offset = offsetof(type, member)

/* An allocated list and its count. */
#define LIST_AT(type, member)                                                                      \
    .offset = offsetof(type, member), .width = sizeof(void *), COUNT_AT(type, member##_count)

#define MILLISECOND 1000000ull
#define SECOND      1000000000ull
#define MINUTE      (60 * SECOND)
#define HOUR        (60 * MINUTE)
#define DAY         (24 * HOUR)
#define KIB         (1ull << 10)
#define MIB         (1ull << 20)
#define GIB         (1ull << 30)
