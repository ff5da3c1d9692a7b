/* archive_name.h - what the objects of the archive are called: by the hour in which their first
 * event was received, and by the place of their first record.
 *
 *   PREFIX yyyy/mm/dd/hh/JOURNAL-EEEEEE-SSS-FFFFFFFFFFFFFFF.ndjson.zst
 *   PREFIX yyyy/mm/dd/hh/JOURNAL-EEEEEE-SSS-FFFFFFFFFFFFFFF-LLLLLLLLLLLLLLL.manifest.json
 *
 * JOURNAL names the data directory, E its epoch, S the shard, F the ordinal of the first record and
 * L of the last, so names sort as records do within an hour of a journal.
 *
 * Memory:  the caller's.  Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "sinks/line.h"

#define ARCHIVE_NAME_MAX 112u /* without the prefix, with its NUL */

struct archive_name {
    char journal[LINE_JOURNAL_MAX + 1];
    uint32_t hour; /* since 1970 */
    uint32_t epoch, shard;
    uint64_t first; /* below 10^15 */
    uint64_t last;  /* 0: of objects; else of the manifest of those from first to last */
};

void archive_name_format(const struct archive_name *name, char out[ARCHIVE_NAME_MAX]);

/* archive_name_parse reads a key or a path from its year on.  Returns 0, or -EINVAL when it is not
 * one that archive_name_format writes. */
int archive_name_parse(const char *text, struct archive_name *name);

/* archive_name_order compares by epoch, shard and first: the order in which objects are read. */
int archive_name_order(const struct archive_name *a, const struct archive_name *b);
