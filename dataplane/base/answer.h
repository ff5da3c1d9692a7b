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

struct answer {
    uint64_t token; /* from the event */
    uint64_t seq; /* partition sequence of the event's record; of the first one's for a duplicate; 0
                     when refused */
    uint64_t ordinal; /* the answer is durable when the shard's durable ordinal has reached this */
    uint16_t partition;
    uint8_t result; /* enum result */
    uint8_t reason; /* enum reason of a rejection */
    uint32_t reason_offset;
};

static_assert(sizeof(struct answer) == 32, "half a cache line");

RING_DEFINE(event, event);
RING_DEFINE(answer, answer);
