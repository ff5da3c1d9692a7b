/* part_file.h - where a part's file is, and what can be done to it:
 *
 *   DIRECTORY/yyyy/mm/dd/hh/NAME-NNNNNN.ndjson[.zst].open   while it is written
 *   DIRECTORY/yyyy/mm/dd/hh/NAME-NNNNNN.ndjson[.zst]        when it is whole
 *
 * Memory:  none kept.  Threads: any, on files of their own.
 */
#pragma once

#include "sinks/part_list.h"

#define PART_PATH_MAX (CONF_PATH_MAX + CONF_NAME_MAX + 64)

/* part_path writes the path of a part of the sink `name`. */
void part_path(const char *directory, const char *name, const struct part *part, bool open,
               char out[PART_PATH_MAX]);

/* part_number returns the number for the next file of an hour: one more than the highest there is.
 * Or a negative errno. */
int64_t part_number(const char *directory, const char *name, uint32_t hour);

/* part_create makes the file with the directories that lead to it, all of it durable; returns a
 * descriptor or a negative errno: -EEXIST there is one. */
int part_create(const char *directory, const char *name, const struct part *part);

/* part_reopen cuts the file to what is committed of it and returns a descriptor at its end, or a
 * negative errno: -ENOENT somebody has taken it away, -EBADMSG it is shorter than it was. */
int part_reopen(const char *directory, const char *name, const struct part *part);

/* part_finish gives a closed file its last name, and what is not committed of it away.  0, also
 * when it has it already or was taken away, or a negative errno. */
int part_finish(const char *directory, const char *name, const struct part *part);
