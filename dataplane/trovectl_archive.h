/* trovectl_archive.h - the archive of a data directory, as --from-archive names it, read in place
 * of the journals.
 *
 * The data directory has to be there for its key, its configurations and its dictionary of items;
 * its journals need not.
 *
 * Memory:  a reader of the archive.  Threads: one.
 */
#pragma once

#include "dataplane/replay.h"
#include "dataplane/trovectl_files.h"
#include "sinks/archive_reader.h"

struct trovectl_archive {
    struct replay_source source;
    struct archive_store store;
    struct archive_reader *reader; /* NULL: not open */
    bool opened;
};

/* trovectl_archive_open returns false with one line in error; trovectl_archive_close in either
 * case, and of one that is all zero. */
bool trovectl_archive_open(const struct trovectl *ctl, const struct trovectl_files *files,
                           struct trovectl_archive *archive, char error[512]);
void trovectl_archive_close(struct trovectl_archive *archive);
