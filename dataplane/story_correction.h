/* story_correction.h - the corrections in the journal, each with what came of it.
 *
 * Memory:  at most twice the limit as JSON, for the time of a call.  Threads: any; nothing is
 * written.
 */
#pragma once

#include "dataplane/story.h"

#define CORRECTIONS_SHOWN_MAX 10000u

struct corrections_request {
    const struct store *store;
    const struct hash_key *key;
    const char *user;   /* only this one's; NULL: everybody's */
    const uint64_t *id; /* only this one, two words; NULL: all */
    uint32_t limit;     /* shown, the newest, [1, CORRECTIONS_SHOWN_MAX] */
    replay_bound bound; /* as replay.h */
    const void *bound_arg;
    uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
};

/* corrections_tell lists corrections, newest first; of one id, that one alone.  Returns as
 * story_tell: STORY_UNKNOWN when the one is not there. */
enum story_result corrections_tell(const struct corrections_request *request, json_t **told,
                                   char error[512]);

/* correction_said says what a correction said: id, kind, for whom, why and by whom; the caller's
 * to decref. */
json_t *correction_said(const struct correction *correction);

/* correction_tell says what a correction said and what came of it; the caller's to decref. */
json_t *correction_tell(const struct correction *correction, const struct outcome *outcome,
                        uint64_t seq);
