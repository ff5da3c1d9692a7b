/* shard_correct.h - what the control thread asks of a shard about corrections, and the answers.
 *
 * A shard answers in the order in which it was asked, one question a poll, beside its events.  An
 * answer says up to which record the journal must be durable before anybody hears of it.
 *
 * Memory:  held by value in rings.  Threads: the control thread asks, the shard's core answers.
 */
#pragma once

#include "dataplane/base/ring.h"
#include "graph/state.h"

#define CORRECTION_RING_SLOTS 4 /* the control thread asks one thing at a time */

enum correction_wish {
    CORRECTION_FIND, /* which partition has correction.id, and what was correction.undo about? */
    CORRECTION_TRY,  /* what would it do? */
    CORRECTION_DO,
};

struct correction_ask {
    uint64_t token; /* comes back with the answer */
    uint8_t wish;   /* enum correction_wish */
    struct correction correction;
};

struct correction_answer {
    uint64_t token;
    uint64_t ordinal; /* to be durable first */
    struct verdict verdict;
    struct outcome outcome;
    uint32_t config_version; /* under which it was decided */
    bool found;              /* FIND: the id is used, in partition `used_in` */
    bool undo_found;         /* FIND: the id to be undone is known, *undone has what it was about */
    uint16_t used_in;
    struct correction undone;
};

RING_DEFINE(correction_ask, correction_ask);
RING_DEFINE(correction_answer, correction_answer);
