/* feed_rows.h - what has changed on a leaderboard, as one JSON object for whoever shows it:
 *
 *   {"hunt":"spring","by":"awards","version":7,"full":false,"users":3120,
 *    "rows":[{"rank":1,"user":"u-7","awards":3,"claims":0,"score":1.5000}],"gone":["u-9"]}
 *
 * A full one has every row and replaces what was there; another is of those rows that are new or
 * different since the version before, and of the users that are no longer among the first.
 *
 * Memory:  the caller's.  Threads: any.
 */
#pragma once

#include "sinks/board.h"

#define FEED_ROWS_MAX  200u
#define FEED_BYTES_MAX (256u << 10)

struct feed_rows {
    uint32_t count;
    struct board_row row[FEED_ROWS_MAX];
};

/* feed_rows_encode writes the object that leads from one state of the rows to another; before is
 * NULL for a full one.  Returns its length, in [1, FEED_BYTES_MAX); 0 when nothing has changed. */
size_t feed_rows_encode(const char *hunt, enum board_order by, uint64_t version, uint32_t users,
                        const struct feed_rows *before, const struct feed_rows *now,
                        char out[FEED_BYTES_MAX]);
