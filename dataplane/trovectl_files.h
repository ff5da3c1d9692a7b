/* trovectl_files.h - a data directory as verbs with --data-dir read it: the files themselves,
 * beside a running troved or after its end, never written.
 *
 * Memory:  open files only.  Threads: one.
 */
#pragma once

#include "dataplane/base/hash.h"
#include "dataplane/store.h"
#include "dataplane/story.h"
#include "dataplane/trovectl.h"

struct trovectl_files {
    struct store store;
    struct hash_key key;
};

/* trovectl_files_open opens --data-dir.  Returns false with one line in error.
 * trovectl_files_close in either case. */
bool trovectl_files_open(const struct trovectl *ctl, struct trovectl_files *files, char error[512]);
void trovectl_files_close(struct trovectl_files *files);

/* trovectl_files_told returns the exit code for what came of reading; next is where to go on when
 * what was asked for is not there. */
int trovectl_files_told(struct trovectl *ctl, enum story_result result, const char *next,
                        const char *error);
