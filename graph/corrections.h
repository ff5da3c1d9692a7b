/* corrections.h - what operators have corrected: found by id, for ever, so that one that comes
 * again is known, and can be undone.
 *
 * One table serves all partitions of a state.  Each partition has room for `limit` of its own,
 * whatever the others have used, so that what is refused does not depend on the number of shards.
 *
 * Memory:  pool and index from the arena at init.  Threads: the shard that owns the partitions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/arena.h"
#include "dataplane/base/correction.h"
#include "graph/progress.h"
#include "graph/tiles.h"

/* What stood where a correction applied, in front of it. */
struct corrections_before {
    bool there;         /* an entry of progress, a claim */
    uint32_t tag;       /* the claim's */
    uint32_t expires_s; /* the entry's */
    uint32_t reserved;  /* 0 */
    struct progress_entry entry;
};

struct corrections_entry {
    uint32_t next; /* of the partition: place, plus 1 */
    uint32_t partition;

    /* From here on all of it is hashed; what is not in use is 0. */
    uint64_t id[2];
    uint64_t content; /* correction_content */
    uint64_t seq;
    uint64_t award_id[2]; /* of its outcome */
    uint64_t after;       /* what stood once it was done, as state_standing names it */
    uint32_t score;       /* of its outcome */
    uint8_t kind;         /* enum outcome_kind */
    uint8_t refusal;      /* enum refusal */
    bool undone;
    char user[EVENT_USER_MAX + 1]; /* these of one that changed something: who undoes it names
                                      the id alone */
    char hunt[EVENT_NAME_MAX + 1];
    char tile[TILES_NAME_LEN + 1];
    struct corrections_before before;
};

struct corrections {
    struct corrections_entry *pool;
    uint32_t *slots; /* open addressing: place, plus 1; 0: empty */
    uint32_t slot_count;
    uint32_t limit;  /* in a partition */
    uint32_t *first; /* [partition]: place, plus 1 */
    uint32_t *count; /* [partition] */
    uint32_t used;   /* in all */

    /* mirror.h: what changes in one partition is changed there too; NULL: no copy is made. */
    struct corrections *copy;
    uint32_t copied_partition;
};

/* owned_count of partition_count partitions are the shard's. */
size_t corrections_footprint(uint32_t partition_count, uint32_t owned_count, uint32_t limit);
void corrections_init(struct corrections *corrections, struct arena *arena,
                      uint32_t partition_count, uint32_t owned_count, uint32_t limit);

#define CORRECTIONS_ANY UINT32_MAX

/* corrections_find returns the correction of an id in one partition, or in CORRECTIONS_ANY; NULL
 * when there is none. */
struct corrections_entry *corrections_find(const struct corrections *corrections,
                                           const uint64_t id[2], uint32_t partition);

/* corrections_room returns whether a partition has room for another one. */
bool corrections_room(const struct corrections *corrections, uint32_t partition);

/* corrections_insert makes a new one, all zero but for id and partition; there is room. */
struct corrections_entry *corrections_insert(struct corrections *corrections, const uint64_t id[2],
                                             uint32_t partition);

/* corrections_clear forgets all, as after corrections_init for partition_count. */
void corrections_clear(struct corrections *corrections, uint32_t partition_count);

/* corrections_changed is called when an entry has been filled in or changed. */
void corrections_changed(struct corrections *corrections, const struct corrections_entry *entry);

/* corrections_load takes in an entry of another table, or what has become of one; false when there
 * is no room. */
bool corrections_load(struct corrections *corrections, const struct corrections_entry *entry);

/* corrections_hash returns a hash of a partition's corrections, whatever their places. */
uint64_t corrections_hash(const struct corrections *corrections, uint32_t partition,
                          const struct hash_key *key);
