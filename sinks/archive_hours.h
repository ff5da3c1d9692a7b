/* archive_hours.h - which objects the archive has of hours that are not over, kept in a file until
 * their manifest is there.
 *
 * A group is what one journal has in one hour.  A line of the file is an object, synced before the
 * cursor passes it; when a group's manifest is in the archive the file is written anew without it.
 *
 * Memory:  about 128 bytes an object, at most ARCHIVE_GROUP_MAX in a group, by malloc.
 * Threads: one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "sinks/archive_name.h"
#include "sinks/sha256.h"

#define ARCHIVE_GROUP_MAX                                                                          \
    1000u /* objects: then its manifest is written, and the next one begins                        \
           */
#define ARCHIVE_GROUPS_MAX (2 * SINK_EPOCH_JOURNALS_MAX)

struct archive_entry {
    uint32_t hour, epoch, shard;
    uint64_t first, last, records, content_bytes, bytes;
    char sha256[SHA256_HEX]; /* of what it is unpacked */
};

struct archive_group {
    uint32_t hour, epoch, shard;
    uint32_t count, room;
    struct archive_entry *entries; /* in their order */
};

struct archive_hours {
    int fd; /* -1: not open */
    uint32_t count;
    struct archive_group groups[ARCHIVE_GROUPS_MAX];
};

/* archive_hours_open loads the file, or makes it; a line that a crash cut short is of an object
 * that comes again.  0 or a negative errno; archive_hours_close in either case. */
int archive_hours_open(struct archive_hours *hours, const char *path);
void archive_hours_close(struct archive_hours *hours);

/* archive_hours_find returns a journal's group, NULL when it has none. */
struct archive_group *archive_hours_find(struct archive_hours *hours, uint32_t epoch,
                                         uint32_t shard);

/* archive_hours_add adds an object to its group, which is of the same hour and not full, unless it
 * is in it; on return it is on the disk.  0, -ENOSPC there is no room for another group, or another
 * negative errno. */
int archive_hours_add(struct archive_hours *hours, const struct archive_entry *entry);

/* archive_hours_drop forgets a group, whose manifest is there.  0 or a negative errno: then the
 * file has it still. */
int archive_hours_drop(struct archive_hours *hours, struct archive_group *group, const char *path);

/* archive_manifest_encode writes a group's manifest, one JSON object, into *text, which the caller
 * frees.  Returns its length, 0 without memory. */
size_t archive_manifest_encode(const struct archive_group *group, const char *journal, char **text);
