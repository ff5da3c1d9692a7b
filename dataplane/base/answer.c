/* answer.c - names of what answers say. */
#include "dataplane/base/answer.h"

#include "dataplane/base/outcome.h"

static_assert((int)REFUSAL_COUNT < (int)ANSWER_CLAIM_LATE, "refusals have numbers of their own");

const char *answer_claim_name(unsigned claim)
{
    if (claim == ANSWER_CLAIM_GRANTED)
        return "granted";
    return claim == ANSWER_CLAIM_LATE ? "late" : refusal_name(claim);
}
