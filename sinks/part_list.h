/* part_list.h - what a rotated file sink keeps beside its cursor: which files it has begun, and how
 * much of each is committed.
 *
 * A list belongs to a commit, whose number is what the cursor keeps as `resume`. Two slots are
 * written in turn, so the list of the commit before stays whole until the cursor has followed. A
 * file is in the list before it exists: whatever a crash leaves behind is known.
 *
 * Memory:  the list, allocated once.  Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "sinks/sink.h"

/* As many as one batch can begin, were each of its outcomes of another hour, and those before. */
#define PART_LIST_MAX (SINK_BATCH_MAX + 64)

/* One file. */
struct part {
    uint64_t bytes;   /* committed */
    uint64_t born_ns; /* real time */
    uint32_t hour;    /* since 1970 */
    uint32_t number;  /* of the sink's files of that hour, from 1 */
    uint8_t zstd;
    uint8_t closed; /* takes no more lines; is to get its last name */
    uint8_t reserved[6];
};

struct part_list {
    uint64_t version; /* the higher of two good slots is the newer */
    uint64_t commit;
    uint32_t count;
    uint32_t reserved;
    char directory[CONF_PATH_MAX]; /* that the files are in */
    struct part parts[PART_LIST_MAX];
};

/* part_list_load reads the newest list of a commit, or with commit SINK_RESUME_NONE the newest of
 * all, which may be empty. Returns 0, -ENOENT when there is no such list, -EBADMSG when none is
 * good, or another negative errno. */
int part_list_load(int fd, uint64_t commit, struct part_list *list);

/* part_list_save counts the version up and makes the list durable.  Returns 0 or a negative errno.
 */
int part_list_save(int fd, struct part_list *list);
