/* state_impl.h - what the files of the state share: state.c (events), state_prefetch.c (what they
 * will touch), correct.c (corrections), state_memory.c (its memory, hash and figures), image.c and
 * mirror.c (copies of it).
 *
 * Memory:  as state.h.  Threads: the shard that owns the partition.
 */
#pragma once

#include <assert.h>

#include "dataplane/base/text.h"
#include "graph/claims.h"
#include "graph/corrections.h"
#include "graph/dedupe.h"
#include "graph/progress.h"
#include "graph/state.h"
#include "graph/walk.h"

struct partition {
    uint64_t seq;     /* last one given out */
    uint64_t last_ns; /* receive time of the last event */
    struct dedupe dedupe;
    struct progress progress;
    struct claims claims;
} __attribute__((aligned(64)));

struct state {
    struct partition **by_id; /* [partition]: NULL when another shard owns it */
    uint32_t partition_count;
    uint64_t dedupe_capacity, users_capacity, claims_capacity,
        corrections_capacity; /* this shard's share */
    struct walk *walk;
    struct corrections corrections; /* of all its partitions */
    struct hash_key hash_key;       /* of no secret: hosts compare */
};

static inline struct partition *state_partition(const struct state *state, uint32_t id)
{
    assert(id < state->partition_count && state->by_id[id]);
    return state->by_id[id];
}

/* state_number gives a record and what follows it their sequence, and its time to the partition. */
static inline void state_number(struct partition *partition, struct verdict *verdict,
                                uint32_t record_count)
{
    verdict->seq = partition->seq + 1;
    partition->seq += record_count;
    partition->last_ns = verdict->receive_ns;
}

/* state_progress_key names a user's progress in a hunt. */
static inline struct hash128 state_progress_key(const struct rules_hunt *hunt,
                                                struct hash128 user_key)
{
    return progress_key(user_key, hunt->mark);
}

/* state_listening returns the hunts that an event of a known type is for: those of tiles when it
 * has a tile, else the others.  An event with a tile is where its tile is, not its user. */
static inline uint64_t state_listening(const struct rules *rules, const struct rules_type *type,
                                       const struct event *event)
{
    bool claim = event->flags & EVENT_HAS_TILE;
    return type->hunts & (claim ? rules->tile_hunts : ~rules->tile_hunts);
}

/* state_prefetch_rest brings in what state_prefetch left out of an event's hunts. */
void state_prefetch_rest(const struct partition *partition, const struct rules *rules,
                         const struct event *event, uint64_t hunts);

/* state_bars returns whether what the entry has won, or had until it was revoked, keeps the user
 * out of the hunt. */
static inline bool state_bars(const struct rules_hunt *hunt, const struct progress_entry *entry,
                              uint64_t now_ns)
{
    return entry->won_ns && (hunt->once || now_ns - entry->won_ns < hunt->cooldown_ns);
}

/* state_win makes an entry one of a user who has won, and returns how long it must be kept. */
uint64_t state_win(const struct rules *rules, const struct rules_hunt *hunt,
                   struct progress_entry *entry, const struct outcome *out);

/* state_assign says which variant of its hunt an entry is in: the one that it had, when there still
 * is one of that name, else the one that the weights give.  While a hunt has no variants, what the
 * entry had is kept for when they come back. */
void state_assign(const struct rules *rules, const struct rules_hunt *hunt, struct hash128 user_key,
                  uint16_t had, struct progress_entry *entry, struct outcome *out);

/* state_tile_name returns the name of the tile that an event is for, in its bytes or in decoded;
 * *len is 0 when it cannot be one's. */
static inline const uint8_t *state_tile_name(const struct event *event,
                                             uint8_t decoded[TILES_NAME_LEN], size_t *len)
{
    const uint8_t *name = event->bytes + event->tile.off;
    *len = event->tile.len;
    if (!(event->flags & EVENT_ESCAPED))
        return name;
    int decoded_len = text_decode(name, event->tile.len, decoded, TILES_NAME_LEN);
    *len = decoded_len > 0 ? (size_t)decoded_len : 0;
    return decoded;
}

static inline uint64_t state_tile_word(struct tile tile)
{
    return tile.period * TILES_MAP_MAX + tile.index;
}

/* A tile that somebody asks for. */
struct state_tile {
    uint64_t word; /* period and index, once it is a tile of some map */
    uint64_t end_ns;
};

/* state_judge_tile says why nobody may have the tile of a name at now_ns, REFUSAL_none when it may
 * be given away. */
enum refusal state_judge_tile(const struct claims *claims, const struct rules_hunt *hunt,
                              const uint8_t *name, size_t len, uint64_t now_ns,
                              struct state_tile *tile);

/* state_tag is what a claim keeps of its award's id; never 0. */
static inline uint32_t state_tag(const uint64_t award_id[2])
{
    return (uint32_t)award_id[1] | 1;
}
