/* outcome.h - what an event led to, in memory and as the body of an OUTCOME record.
 *
 * Outcomes name their hunt, and an award its user and items, in words: a sink needs neither
 * configuration nor catalog of the time. Every accepted event has at least one: a visit with no
 * hunt when no hunt listens to it.
 *
 * Memory:  encoded into and decoded from the caller's buffer.  Threads: any.
 */
#pragma once

#include <stdint.h>

#include "dataplane/base/event.h"

#define OUTCOME_ITEMS_MAX 17 /* the longest trail: start and 16 steps */
#define OUTCOME_NO_HUNT   0xffff
#define OUTCOME_BODY_MAX  (64 + 4 * (1 + EVENT_NAME_MAX) + OUTCOME_ITEMS_MAX * (1 + EVENT_NAME_MAX))

/* Written to journals: append, never reorder. */
#define OUTCOME_KIND_LIST(KIND)                                                                    \
    KIND(visit, "the event was seen by the hunt, or by no hunt at all")                            \
    KIND(award, "the user has won")                                                                \
    KIND(refusal, "a rule refused a step or an award")                                             \
    KIND(claim_granted, "the tile is this user's")                                                 \
    KIND(claim_refused, "the tile is not this user's")                                             \
    KIND(duplicate, "the same user and id were seen before")                                       \
    KIND(late, "the client time is older than events.lateness")                                    \
    KIND(rejected, "the event is bad and kept as a dead letter")                                   \
    KIND(granted, "an operator has given the award")                                               \
    KIND(revoked, "an operator has taken the award back")                                          \
    KIND(correction_refused, "an operator's correction could not be done")

enum outcome_kind {
#define OUTCOME_ENUM(name, help) OUTCOME_##name,
    OUTCOME_KIND_LIST(OUTCOME_ENUM)
#undef OUTCOME_ENUM
        OUTCOME_KIND_COUNT
};

/* Written to journals: append, never reorder.  A refusal without a meaning is not given: the events
 * of a user who has won are visits with OUTCOME_DONE, and what conflicts is not journaled. */
#define REFUSAL_LIST(REFUSAL)                                                                      \
    REFUSAL(none, "not refused")                                                                   \
    REFUSAL(window, "the event's time is outside the hunt's starts and ends")                      \
    REFUSAL(too_fast, "the step came sooner after the last one than min_step")                     \
    REFUSAL(max_depth, "the trail is already max_depth steps long")                                \
    REFUSAL(already_won, "the user has won this hunt, and it awards once")                         \
    REFUSAL(cooldown, "")                                                                          \
    REFUSAL(taken, "an earlier claim has the tile, whoever made it")                               \
    REFUSAL(expired, "the tile's map can no longer be claimed")                                    \
    REFUSAL(unknown_tile, "no map of the hunt has such a tile")                                    \
    REFUSAL(early, "the tile's map has not begun")                                                 \
    REFUSAL(not_won, "there is no award, or no claim, that could be taken back")                   \
    REFUSAL(superseded, "it was undone before, or what it left no longer stands")                  \
    REFUSAL(unknown_correction, "no correction of this id has changed anything")                   \
    REFUSAL(conflict, "")

enum refusal {
#define REFUSAL_ENUM(name, help) REFUSAL_##name,
    REFUSAL_LIST(REFUSAL_ENUM)
#undef REFUSAL_ENUM
        REFUSAL_COUNT
};

enum outcome_flag {
    OUTCOME_STEP = 1 << 0,    /* trail, a visit: the event counted as a step (or as the start) */
    OUTCOME_STOPPED = 1 << 1, /* the walk hit its budget of edges */
    OUTCOME_ITEM_UNKNOWN = 1 << 2, /* the item is not in the hunt's catalog */
    OUTCOME_DONE = 1 << 3,         /* the user has already won and is not judged again */
};

struct outcome {
    uint8_t kind;    /* enum outcome_kind */
    uint8_t refusal; /* enum refusal */
    uint8_t flags;   /* enum outcome_flag */
    uint8_t item_count;
    uint16_t hunt;        /* index in the rules, OUTCOME_NO_HUNT */
    uint16_t depth;       /* trail: nodes reached; basket, when judged: recent items */
    uint32_t score;       /* basket: the best K together, 16.16 fixed point */
    uint32_t edge_count;  /* visited by the walk */
    uint64_t first_seq;   /* duplicate: sequence of the first one */
    uint64_t award_id[2]; /* award, claim_granted: a function of user, id and hunt; granted,
                             revoked: the award concerned, 0 where it is not known */
    uint8_t variant; /* the user's in the hunt: index in the rules, plus 1; 0: none, or not told */
    bool assigned;   /* with this event */
    uint32_t
        item[OUTCOME_ITEMS_MAX]; /* award: the path or the basket, as ids of the item dictionary */
};

struct outcome_name {
    const uint8_t *text;
    uint32_t len; /* [0, 64] */
};

/* A decoded outcome with its names; texts point into the record.  `id` is the event's. */
struct outcome_view {
    struct outcome outcome; /* hunt, variant, assigned and item[] are not kept on disk:
                               OUTCOME_NO_HUNT and 0 */
    uint64_t id[2];
    struct outcome_name hunt; /* len 0: none */
    struct outcome_name user; /* award, duplicate and of corrections only, else len 0 */
    struct outcome_name item[OUTCOME_ITEMS_MAX];
    struct outcome_name variant; /* award and granted in a hunt with variants, else len 0 */
    struct outcome_name reward;  /* of the variant, where it has one; only with a variant */
};

/* outcome_encode writes a view as a record body; returns its length, outcome_len of it, at most
 * OUTCOME_BODY_MAX. */
uint32_t outcome_encode(const struct outcome_view *view, uint8_t *body);
uint32_t outcome_len(const struct outcome_view *view);

/* outcome_decode returns 0, or -EBADMSG when the body is not an outcome's; never reads past len. */
int outcome_decode(const uint8_t *body, uint32_t len, struct outcome_view *view);

/* outcome_peek returns the kind of an encoded outcome without a look at the rest;
 * OUTCOME_KIND_COUNT when there is none. */
static inline unsigned outcome_peek(const uint8_t *body, uint32_t len)
{
    return len && body[0] < OUTCOME_KIND_COUNT ? body[0] : OUTCOME_KIND_COUNT;
}

/* outcome_of_correction returns whether a kind follows a CORRECTION record, not an event's. */
static inline bool outcome_of_correction(unsigned kind)
{
    return kind >= OUTCOME_granted && kind <= OUTCOME_correction_refused;
}

const char *outcome_kind_name(unsigned kind);
const char *refusal_name(unsigned refusal);
const char *refusal_help(unsigned refusal);
