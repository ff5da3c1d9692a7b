/* progress.h - how far users of a partition are in hunts: one 128-byte entry for each user and
 * hunt.
 *
 * Entries lie in a pool; an index of 64-byte lines finds them, eight references a line, a key being
 * in the emptier of two lines.  So a lookup is two index lines and then the entry.
 *
 * An entry is alive until the second that it expires in; what is dead is as if it was not there,
 * and its place is taken back only when the pool is used up.  There is room, then, exactly while
 * fewer than `limit` entries are alive: what an event meets never depends on what was swept before
 * it.
 *
 * Memory:  pool and index from the arena at init.  Threads: the shard that owns the partition.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/base/arena.h"
#include "dataplane/base/hash.h"
#include "dataplane/base/outcome.h"
#include "graph/expiry.h"

#define PROGRESS_NONE       UINT32_MAX
#define PROGRESS_FOREVER    EXPIRY_NEVER
#define PROGRESS_RECENT_MAX 16
#define PROGRESS_LINE_SLOTS 8

struct progress_trail {
    uint32_t item[OUTCOME_ITEMS_MAX];  /* nodes in the order they were reached */
    uint8_t parent[OUTCOME_ITEMS_MAX]; /* index of the node that led to it */
};

struct progress_basket {
    uint32_t item[PROGRESS_RECENT_MAX]; /* newest first */
    uint16_t age[PROGRESS_RECENT_MAX];  /* units before last_ns's, of 2^shift seconds */
};

/* Of a user who has won: what led there is of no use any more. */
struct progress_won {
    uint64_t award_id[2];
    uint32_t score;   /* as in the outcome */
    uint32_t revoked; /* 1: the award was taken back; won_ns stays, and with it the user's turn */
};

/* What is not in use is zero: the state's hash reads all of it. */
struct progress_entry {
    uint64_t key_lo;
    uint32_t key_hi;  /* upper half of the key's; the lower one is in the index */
    uint8_t count;    /* of nodes, of recent items; 0: begun by nothing yet */
    uint8_t shift;    /* basket: of the unit of age */
    uint16_t variant; /* tag of the hunt's variant that the user is in, 0: the hunt has none */
    uint64_t won_ns;  /* receive time of the award, 0: not won */
    uint64_t last_ns; /* receive time of the last step, of the newest recent item */
    union {
        struct progress_trail trail;
        struct progress_basket basket;
        struct progress_won won; /* while won_ns is not 0 */
    };
};

static_assert(sizeof(struct progress_entry) == 128, "two cache lines");

struct progress_ref {
    uint32_t tag;
    uint32_t place; /* in the pool, plus 1; 0: empty */
};

struct progress_line {
    uint32_t tags[PROGRESS_LINE_SLOTS]; /* side by side: all are compared at once */
    uint32_t places[PROGRESS_LINE_SLOTS];
} __attribute__((aligned(64)));

struct progress {
    struct progress_entry *pool;
    struct expiry expiry; /* of each entry in use: the first second in which it is dead */
    struct progress_line *lines;
    uint32_t line_count;
    uint32_t limit;
    uint32_t fresh;        /* entries from here on were never used */
    uint32_t free;         /* list of free entries, by place, PROGRESS_NONE at its end */
    uint32_t used;         /* entries taken, dead ones that were not yet taken back included */
    struct progress *copy; /* mirror.h: what changes is changed there too; NULL: no copy is made */
};

/* progress_mark is a hunt's part in the keys of its users, which progress_key joins with theirs. */
struct hash128 progress_mark(uint64_t hunt_key);

static inline struct hash128 progress_key(struct hash128 user_key, struct hash128 mark)
{
    return (struct hash128){.lo = user_key.lo ^ mark.lo, .hi = user_key.hi ^ mark.hi};
}

size_t progress_footprint(uint32_t limit);
void progress_init(struct progress *progress, struct arena *arena, uint32_t limit);

/* progress_clear_all forgets everything, as after progress_init. */
void progress_clear_all(struct progress *progress);

/* progress_prefetch_index, then later progress_prefetch_entry, bring in what progress_find and the
 * use of the entry will touch. */
void progress_prefetch_index(const struct progress *progress, struct hash128 key);
void progress_prefetch_entry(const struct progress *progress, struct hash128 key);

/* progress_find returns the place of the key's entry when it is alive, or PROGRESS_NONE. */
uint32_t progress_find(const struct progress *progress, struct hash128 key, uint64_t now_ns);

/* progress_room returns whether progress_reserve would make count entries, in [1, CONF_HUNTS_MAX],
 * for keys that are not alive.  Nothing is changed. */
bool progress_room(const struct progress *progress, uint32_t count, uint64_t now_ns);

/* progress_reserve makes an empty entry for a key that is not alive, or returns PROGRESS_NONE when
 * there is no room.  It lives until progress_touch says otherwise or progress_release undoes it. */
uint32_t progress_reserve(struct progress *progress, struct hash128 key, uint64_t now_ns);
void progress_release(struct progress *progress, uint32_t place);

/* progress_clear empties an entry but for its key. */
static inline void progress_clear(struct progress_entry *entry)
{
    size_t keep = offsetof(struct progress_entry, count);
    memset((uint8_t *)entry + keep, 0, sizeof *entry - keep);
}

/* progress_touch lets an entry live for at least ttl_ns from now_ns (UINT64_MAX: forever). */
void progress_touch(struct progress *progress, uint32_t place, uint64_t now_ns, uint64_t ttl_ns);

/* progress_restore puts back what an entry held, under its key, and until when it lives:
 * progress_expires of that time. */
void progress_restore(struct progress *progress, uint32_t place, const struct progress_entry *held,
                      uint32_t expires_s);

/* progress_changed is called when an entry was written to without one of the functions above. */
void progress_changed(struct progress *progress, uint32_t place);

/* progress_load takes in an entry of another table, which this one does not have; false when there
 * is no room. */
bool progress_load(struct progress *progress, const struct progress_entry *entry, uint32_t tag,
                   uint32_t expires_s);

/* progress_ref returns the reference at a position of the index, in [0, line_count *
 * PROGRESS_LINE_SLOTS). */
static inline struct progress_ref progress_ref(const struct progress *progress, uint32_t at)
{
    const struct progress_line *line = &progress->lines[at / PROGRESS_LINE_SLOTS];
    return (struct progress_ref){.tag = line->tags[at % PROGRESS_LINE_SLOTS],
                                 .place = line->places[at % PROGRESS_LINE_SLOTS]};
}

/* progress_live returns whether a reference is to an entry that is alive at now_ns. */
bool progress_live(const struct progress *progress, struct progress_ref ref, uint64_t now_ns);

static inline uint32_t progress_expires(const struct progress *progress, uint32_t place)
{
    return expiry_get(&progress->expiry, place);
}

static inline struct progress_entry *progress_entry(const struct progress *progress, uint32_t place)
{
    return &progress->pool[place];
}

/* progress_hash returns a hash of the entries alive at now_ns, whatever their places. */
uint64_t progress_hash(const struct progress *progress, uint64_t now_ns,
                       const struct hash_key *key);
