/* claims.h - the tiles that a partition has given away, by exact identity: 36 bytes a claim and at
 * most 4 more.
 *
 * A claim is kept until its map's state is over and then for at most CLAIMS_UNIT_NS.  All claims
 * that end in the same unit of time die together, when it comes: what is dead is as if it was not
 * there.  Nothing sweeps; each new claim takes back a few dead places, so that it always finds one
 * while fewer than `limit` claims are alive.  Room never depends on what was taken back before.
 *
 * Memory:  pool and index from the arena at init.  Threads: the shard that owns the partition.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/arena.h"
#include "dataplane/base/hash.h"

#define CLAIMS_NONE     UINT32_MAX
#define CLAIMS_UNIT_NS  64000000000ull
#define CLAIMS_UNITS    2048u                                 /* in the ring of ends */
#define CLAIMS_KEEP_MAX ((CLAIMS_UNITS - 2) * CLAIMS_UNIT_NS) /* about 36 hours */

struct claim {
    uint64_t series; /* of the hunt and its seed */
    uint64_t tile;   /* period and index */
    uint32_t next;   /* in its chain of the index; of free places */
    uint32_t later;  /* among those that end in the same unit */
    uint32_t end;    /* the unit in which it is dead; 0: a free place */
    uint32_t tag;    /* who claimed, in the caller's terms; 0: given back, nobody has it */
};

static_assert(sizeof(struct claim) == 32, "two in a cache line");

struct claims {
    struct claim *pool;
    uint32_t *heads; /* [line]: first of the chain */
    struct {
        uint32_t first, last; /* in the order they came */
    } * ends;                 /* [unit % CLAIMS_UNITS] */
    uint32_t head_count;
    uint32_t limit;
    uint32_t fresh; /* places from here on were never used */
    uint32_t free;
    uint32_t used;      /* places taken, dead ones that were not yet taken back included */
    uint32_t swept;     /* every claim that ended in this unit or before has been taken back */
    struct claim *copy; /* mirror.h: what changes is changed there too; NULL: no copy is made */
};

size_t claims_footprint(uint32_t limit);
void claims_init(struct claims *claims, struct arena *arena, uint32_t limit);

/* claims_prefetch_head, then later claims_prefetch_place, bring in what claims_find, claims_room
 * and claims_insert will touch. */
void claims_prefetch_head(const struct claims *claims, uint64_t series, uint64_t tile,
                          uint64_t now_ns);
void claims_prefetch_place(const struct claims *claims, uint64_t series, uint64_t tile,
                           uint64_t now_ns);

/* claims_find returns the tag under which the tile was given away, while that is remembered at
 * now_ns; 0: nobody has it. */
uint32_t claims_find(const struct claims *claims, uint64_t series, uint64_t tile, uint64_t now_ns);

/* claims_room takes dead places back when that makes one for each of count claims; else it changes
 * nothing and returns false. */
bool claims_room(struct claims *claims, uint32_t count, uint64_t now_ns);

/* claims_insert remembers until end_ns, in (now_ns, now_ns + CLAIMS_KEEP_MAX], a tile that
 * claims_find did not find; claims_room said there is a place. */
void claims_insert(struct claims *claims, uint64_t series, uint64_t tile, uint32_t tag,
                   uint64_t now_ns, uint64_t end_ns);

/* claims_give_back lets nobody have a tile that claims_find found.  Its place stays taken until the
 * claim would have ended: a list by time cannot be left early without a walk along it. */
void claims_give_back(struct claims *claims, uint64_t series, uint64_t tile, uint64_t now_ns);

/* claims_clear forgets everything, as after claims_init. */
void claims_clear(struct claims *claims);

/* claims_load takes in a claim of another table, its links aside, which is alive at now_ns and
 * which this table does not have; false when there is no room.  Returns whether it was taken. */
bool claims_load(struct claims *claims, const struct claim *claim, uint64_t now_ns);

/* claims_live returns whether what is at a place, below claims->fresh, is alive at now_ns. */
bool claims_live(const struct claims *claims, uint32_t place, uint64_t now_ns);

/* claims_hash returns a hash of the claims alive at now_ns, whatever their places. */
uint64_t claims_hash(const struct claims *claims, uint64_t now_ns);
