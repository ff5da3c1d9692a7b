/* dedupe.h - the ids that a partition has seen within the window: exact, in 16 bytes a slot.
 *
 * A cuckoo table of 64-byte lines with four slots each; an id is in one of two lines, known
 * beforehand, so a lookup touches two at most, and the second one only where the first has been
 * full lately.  A slot keeps 82 bits of the id's key, the time bucket it came in (1/32 of the
 * window wide) and its sequence relative to that bucket's first. Which line a slot is in says
 * log2(lines) - 1 more bits and the partition the rest: with at least DEDUPE_LINES_MIN lines over
 * all partitions, identity is compared on 97 bits or more.
 *
 * A slot is free again when its bucket is older than the window: ids stay at least the window and
 * at most 1/32 longer.  Nothing sweeps for that; but as bucket numbers are 18 bits and come round
 * again, each new bucket wipes a small part of the table, so that no slot gets old enough to look
 * young.
 *
 * Room is counted, not met by chance: there is room while fewer than `limit` ids are within the
 * window, and the table is large enough to place them all.
 *
 * Where room is made by shortening the window, the oldest ids leave together: ids are counted in
 * runs, each of one time bucket and at most about 1/32 of the limit, and everything in front of a
 * run is cut off at once by moving one mark.  Which ids leave is a matter of their order alone, not
 * of where they are.
 *
 * Memory:  lines from the arena at init.  Threads: the shard that owns the partition.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/arena.h"
#include "dataplane/base/hash.h"

#define DEDUPE_BUCKETS    64 /* ring of time buckets, of which 33 hold live ids */
#define DEDUPE_PATH_MAX   8
#define DEDUPE_LINES_MIN  65536u
#define DEDUPE_LINE_SLOTS 4
#define DEDUPE_RUNS       128 /* ring of runs, of which 97 are in use at most */

struct dedupe_slot {
    uint64_t key;
    uint64_t rest; /* 18 bits of key, 28 of sequence, 18 of time bucket (0: empty) */
};

struct dedupe_line {
    struct dedupe_slot slots[DEDUPE_LINE_SLOTS];
} __attribute__((aligned(64)));

/* Ids that came one behind the other in one time bucket. */
struct dedupe_run {
    uint64_t number; /* of the bucket */
    uint64_t first;  /* sequence of the first one, relative to the bucket's */
    uint32_t count;
    uint32_t reserved; /* 0 */
};

/* What a lookup at some time needs to know. */
struct dedupe_when {
    uint64_t ahead;  /* buckets since the last insert, [0, 33] */
    uint32_t bucket; /* the current one's number as it would be */
    uint32_t live;   /* buckets in which ids are known, [1, 33] */
    uint64_t first;  /* of the oldest of them: ids before this sequence are not */
};

struct dedupe {
    struct dedupe_line *lines;
    struct dedupe_line
        *copy; /* mirror.h: what changes is changed there too; NULL: no copy is made */
    uint32_t line_count;
    uint32_t limit;
    uint32_t used;       /* ids known, as of the last insert */
    uint32_t step;       /* ids before a new run begins */
    uint32_t hand;       /* the line to wipe next */
    uint32_t stride;     /* lines to wipe for a new bucket */
    uint64_t number;     /* of the current bucket: grows by at most 33 however long nothing came */
    uint64_t end_ns;     /* of the current bucket */
    uint64_t width_ns;   /* of a bucket */
    uint64_t tells_from; /* the first number at which a slot that is empty was so all the while */
    struct dedupe_when current; /* until end_ns */
    uint64_t cut_number; /* ids in front of this place, a bucket and a sequence in it, have left */
    uint64_t cut_first;
    uint64_t base[DEDUPE_BUCKETS]; /* first sequence of a bucket */
    uint32_t run_begin, run_count;
    struct dedupe_run runs[DEDUPE_RUNS];
};

/* A table as it is kept on disk, its lines aside; what is not in use is 0. */
struct dedupe_saved {
    uint64_t width_ns, number, end_ns, cut_number, cut_first;
    uint64_t base[DEDUPE_BUCKETS];
    uint32_t line_count, limit, used, run_count;
    struct dedupe_run runs[DEDUPE_RUNS]; /* the oldest first */
};

/* Where an id will go: the slots from its own to a free one, each of whose ids moves on to the
 * next. */
struct dedupe_path {
    uint32_t count; /* slots, at least 1 */
    uint32_t runs;  /* the oldest runs that leave before */
    bool replace;   /* the id in the only slot leaves: no other one can be freed */
    struct {
        uint32_t line;
        uint32_t slot;
    } at[DEDUPE_PATH_MAX];
};

/* dedupe_line_count returns how many lines hold limit ids, and at least `least`. */
uint32_t dedupe_line_count(uint32_t limit, uint32_t least);
void dedupe_init(struct dedupe *dedupe, struct arena *arena, uint32_t limit, uint32_t line_count,
                 uint64_t window_ns);

/* dedupe_prefetch, then later dedupe_prefetch_other, bring in what dedupe_find will touch. */
void dedupe_prefetch(const struct dedupe *dedupe, struct hash128 key);
void dedupe_prefetch_other(const struct dedupe *dedupe, struct hash128 key);

/* dedupe_find returns whether key came within the window before now_ns, and then the sequence that
 * it came with (0 when that is not known: 2^28 records later in the same time bucket). */
bool dedupe_find(const struct dedupe *dedupe, struct hash128 key, uint64_t now_ns,
                 uint64_t *first_seq);

/* dedupe_plan finds a place for a key that dedupe_find did not find.  Returns false when there is
 * no room.  Changes nothing; the plan holds until the next dedupe_insert. */
bool dedupe_plan(const struct dedupe *dedupe, struct hash128 key, uint64_t now_ns,
                 struct dedupe_path *path);

/* dedupe_plan_shorter plans for a key for which dedupe_plan found no room: as many of the oldest
 * runs leave as it takes, one unless ids were forgotten.  Never fails. */
void dedupe_plan_shorter(const struct dedupe *dedupe, struct hash128 key, uint64_t now_ns,
                         struct dedupe_path *path);

/* dedupe_insert does what was planned.  Returns how many ids left before the window's end. */
uint32_t dedupe_insert(struct dedupe *dedupe, struct hash128 key, uint64_t now_ns, uint64_t seq,
                       const struct dedupe_path *path);

/* dedupe_forget takes out a key that dedupe_find found. */
void dedupe_forget(struct dedupe *dedupe, struct hash128 key, uint64_t now_ns);

/* dedupe_clear forgets everything, as after dedupe_init. */
void dedupe_clear(struct dedupe *dedupe);

/* dedupe_live returns which of a line's slots hold ids that are known at now_ns: bit i for slot i.
 */
unsigned dedupe_live(const struct dedupe *dedupe, uint32_t line, uint64_t now_ns);

/* dedupe_save says all that a table is, but for its lines.  dedupe_restore makes a table of it
 * whose ids are put into their lines behind its back; 0, -ESTALE the table is of another size or
 * window, so that the ids would not be found, or -EBADMSG it contradicts itself. */
void dedupe_save(const struct dedupe *dedupe, struct dedupe_saved *saved);
int dedupe_restore(struct dedupe *dedupe, const struct dedupe_saved *saved);

/* dedupe_hash returns a hash of the ids within the window before now_ns, whatever their places. */
uint64_t dedupe_hash(const struct dedupe *dedupe, uint64_t now_ns);
