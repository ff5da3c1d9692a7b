/* state.h - the state of partitions and the one function that changes it: a pure state transition.
 *
 * No clock, no random number, no I/O: time comes with the event.  Live traffic, recovery, replay
 * and the simulator all call state_apply.  A partition's state depends on that partition's events
 * alone, so it is the same however many shards there are.
 *
 * Memory:  everything from one arena at init (state_footprint says how much); nothing is allocated
 * later. Threads: the shard that owns the partition.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/answer.h"
#include "dataplane/base/arena.h"
#include "dataplane/base/correction.h"
#include "dataplane/base/event.h"
#include "dataplane/base/outcome.h"
#include "graph/rules.h"

/* Of what is counted over all partitions, each has room for its share s (rounded up) and 8 *
 * sqrt(s) more (the root rounded up): hashes are not even. */
struct state_limits {
    uint32_t partition_count; /* in the data directory: a power of two */
    uint32_t shard_count,
        shard;                 /* this shard owns the partitions p with p % shard_count == shard */
    uint64_t dedupe_capacity;  /* ids over all partitions */
    uint64_t users;            /* users' progress entries over all partitions */
    uint64_t claims;           /* tiles given away, over all partitions */
    uint64_t corrections;      /* kept for ever, over all partitions */
    uint64_t dedupe_window_ns; /* fixes the width of a time bucket; restart to change */
};

struct state;

/* What state_apply says of one event. */
struct verdict {
    uint8_t result;         /* enum result; REFUSED: no room, nothing changed */
    uint8_t claim;          /* enum answer_claim */
    uint16_t flags;         /* enum record_flag for its record; 0 of a duplicate */
    uint16_t reason_offset; /* in [0, event->len]: of the byte that decided on a rejection, 0 where
                               none did */
    uint8_t reason;         /* enum reason, of a rejection */
    uint32_t outcome_count;
    uint32_t left_early; /* ids that left before the window's end to make room for this one */
    uint64_t seq; /* assigned to the event's record (EVENT, DEAD, or the OUTCOME of a duplicate) */
    uint64_t receive_ns; /* what the record keeps: the event's, or the partition's last when that is
                            later */
};

#define STATE_OUTCOMES_MAX CONF_HUNTS_MAX

size_t state_footprint(const struct state_limits *limits);
struct state *state_init(struct arena *arena, const struct state_limits *limits);

/* state_view makes another way to the partitions of a state: threads that each have one may call
 * state_prefetch and state_apply at once, for different partitions.  Everything else goes through
 * the state itself. */
size_t state_view_footprint(void);
struct state *state_view(struct arena *arena, const struct state *state);

/* state_prefetch brings in what state_apply will touch for a burst of events, in [0,
 * STATE_BURST_MAX]: for all of them where their state is found, then for all of them what is there.
 * identities get event_dedupe_key of those that are not rejected.
 */
#define STATE_BURST_MAX 32
void state_prefetch(const struct state *state, const struct rules *rules,
                    const struct event *events, uint32_t count,
                    struct hash128 identities[STATE_BURST_MAX]);

/* state_apply decides what an event means and changes the state accordingly.
 *
 * Of several reasons to reject it, the first in reason.h's list counts, `future` the last of all.
 * Client time counts in a hunt's window [starts, ends) once it is clamped.  What has no room for
 * its id, or for all the progress that it would begin, changes nothing; where the rules shorten the
 * window instead, there is always room for an id.  Progress is forgotten user_ttl after it last
 * moved, in the next whole second; a win as long as once or cooldown needs it.
 *
 * event->partition is owned by this shard; event->reason is what the parser said (a rejected event
 * only gets its sequence); one with EVENT_RECORDED was accepted when it came, so whatever the
 * window and the capacity are by now, it repeats nothing and there is room for its id.  Outcomes,
 * at most STATE_OUTCOMES_MAX, are written to out; each of them, and the event before them, takes
 * one sequence number. A walk is bounded by its hunt's budget (and conf bounds the sum over
 * hunts), everything else by constants. */
struct verdict state_apply(struct state *state, const struct rules *rules,
                           const struct event *event, struct outcome out[STATE_OUTCOMES_MAX]);

/* state_apply_identified is state_apply where the event's identity is known; of one that is
 * rejected it does not matter.  The verdict is made where it is wanted: to copy what was written
 * piece by piece a moment ago waits for every store before it. */
void state_apply_identified(struct state *state, const struct rules *rules,
                            const struct event *event, struct hash128 identity,
                            struct verdict *verdict, struct outcome out[STATE_OUTCOMES_MAX]);

/* state_correct does what an operator's correction says, in the user's partition or, in a hunt of
 * tiles, in the tile's.
 *
 * result ACCEPTED: it takes a sequence number, and its one outcome the next: granted, revoked or
 * correction_refused.  DUPLICATE: its id was used before; *out has what came of it then and
 * out->first_seq its sequence number, or is a refusal for `conflict` when it said something else
 * then; nothing changes.  REJECTED: the rules have no such hunt (hunt_unknown), or it is one of
 * tiles and no tile is named, or the other way about (tile_required, tile_forbidden); nothing
 * changes.  REFUSED: no room, nothing changes.
 *
 * - grant: the user has won, unless an award stands that still bars another (already_won).  When
 *   the hunt opens and ends does not matter.  A tile is given as a claim would get it.
 * - revoke: the award that stands is taken back (not_won when there is none); the user stays out of
 *   the hunt as before.  A tile is free again; whose it was is not known, and not asked.
 * - undo: what stood before a correction stands again, once, while what the correction left is
 *   still what stands (superseded).
 *
 * correction->partition is owned by this shard. */
struct verdict state_correct(struct state *state, const struct rules *rules,
                             const struct correction *correction, struct outcome *out);

/* state_try_correction says what state_correct would, and changes nothing; room for progress and
 * claims is not looked for, and there is no sequence number. */
struct verdict state_try_correction(const struct state *state, const struct rules *rules,
                                    const struct correction *correction, struct outcome *out);

/* state_find_correction looks for an id in all partitions of the shard.  Returns whether it is
 * there; *found then has partition, and user, hunt and tile when it has changed anything. */
bool state_find_correction(const struct state *state, const uint64_t id[2],
                           struct correction *found);

/* state_pass brings a partition past a record that changes nothing but its sequence and time: a
 * duplicate, in replay. */
void state_pass(struct state *state, uint32_t partition, uint64_t seq, uint64_t receive_ns);

/* state_remember lets an event's id be known that was accepted under a sequence number, when
 * nothing else is to come of it: for a state that has all of a history but its ids.  Events come in
 * order.
 */
void state_remember(struct state *state, const struct hash_key *key, const struct event *event,
                    uint64_t seq);

/* state_hash returns the hash of one partition's state, the same for the same history on any host
 * and shard count. */
uint64_t state_hash(const struct state *state, uint32_t partition);
/* state_ids_hash is the part of it, as a summand, that the ids of duplicate detection make. */
uint64_t state_ids_hash(const struct state *state, uint32_t partition);

/* state_clear forgets everything, as after state_init. */
void state_clear(struct state *state);

/* Figures for status. */
struct state_usage {
    uint64_t dedupe_used, dedupe_capacity;
    uint64_t users_used, users_capacity;
    uint64_t claims_used, claims_capacity;
    uint64_t corrections_used, corrections_capacity;
};
void state_usage(const struct state *state, struct state_usage *usage);
uint64_t state_seq(const struct state *state, uint32_t partition);     /* last one given out */
uint64_t state_last_ns(const struct state *state, uint32_t partition); /* its receive time */
/* state_owns returns whether a partition, in [0, partition_count), is one of the shard's. */
bool state_owns(const struct state *state, uint32_t partition);
