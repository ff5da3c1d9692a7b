/* archive_reader.h - the records of one data directory as the archive has them, in the order in
 * which its journals would be read: epoch after epoch, shard after shard.
 *
 * Nothing may be missing: ordinals are dense from 1 in each journal, and a journal goes as far as
 * its manifests say.
 *
 * Memory:  the list of objects, and some MiB for what is unpacked.  Threads: one.
 */
#pragma once

#include "sinks/archive_line.h"
#include "sinks/archive_store.h"

struct archive_reader;

/* archive_reader_open lists the objects of the data directory that is named journal.  Returns 0, or
 * a negative errno with one line in error: -ENOENT there are none.  archive_reader_close in either
 * case. */
int archive_reader_open(struct archive_reader **reader, struct archive_store *store,
                        const char *journal, char error[512]);
void archive_reader_close(struct archive_reader *reader);

/* archive_reader_next gives the next record, which holds until the next call.  Returns 1, 0 at the
 * end, or a negative errno with one line in error: -EBADMSG what is there is not what was written,
 * or something is missing. */
int archive_reader_next(struct archive_reader *reader, struct archive_record *record,
                        char error[512]);
