/* answer.h - what a shard tells the rx part about an event that it took, and the two rings between
 * them.
 *
 * Every event pushed to a shard comes back as exactly one answer, in order.  With it the rx part
 * owns the event's bytes again.
 */
#pragma once

#include "dataplane/base/event.h"
#include "dataplane/base/ring.h"

enum result {
    RESULT_ACCEPTED,
    RESULT_DUPLICATE,
    RESULT_REJECTED,
    RESULT_REFUSED, /* no room: over UDP, where nobody can be told, the rx part counts it as lost */
    RESULT_COUNT
};

/* What became of an event's claim of a tile: one of these, or the enum refusal for which it was
 * refused.  Where several hunts judged it, granted when any of them granted it, else what the first
 * one said. */
enum answer_claim {
    ANSWER_CLAIM_NONE = 0, /* the event made none; or, of a duplicate, it is not known any more */
    ANSWER_CLAIM_LATE = 0xfe, /* it came too late to be judged */
    ANSWER_CLAIM_GRANTED = 0xff
};

struct answer {
    uint64_t token; /* from the event */
    uint64_t seq; /* partition sequence of the event's record; of the first one's for a duplicate; 0
                     when refused */
    uint64_t ordinal; /* the answer is durable when the shard's durable ordinal has reached this */
    uint16_t partition;
    uint8_t result;         /* enum result */
    uint8_t reason;         /* enum reason of a rejection */
    uint16_t reason_offset; /* of the byte that decided on it */
    uint8_t claim;          /* enum answer_claim; a duplicate's is what the first one got */
};

static_assert(sizeof(struct answer) == 32, "half a cache line");

/* answer_claim_name returns "granted", "late", "none" or the name of the refusal. */
const char *answer_claim_name(unsigned claim);

RING_DEFINE(event, event);
RING_DEFINE(answer, answer);
