/* story_reject.h - the dead letters in the journal: which there are, and their bytes.
 *
 * Memory:  at most REJECT_SHOWN_MAX letters as JSON, for the time of a call.  Threads: any; nothing
 * is written.
 */
#pragma once

#include "dataplane/story.h"

#define REJECT_SHOWN_MAX   10000u
#define REJECT_SHOWN_BYTES (32u << 20) /* of all letters shown, their bytes summed */

struct reject_request {
    const struct store *store;
    const struct hash_key *key;
    const char *reason; /* only these; NULL: all */
    bool one;           /* only this one: */
    uint32_t partition; /* its partition */
    uint64_t seq;       /* and sequence */
    bool whole;         /* all bytes of each, in hexadecimal as well */
    uint32_t limit;     /* letters shown, the newest, [1, REJECT_SHOWN_MAX] */
    replay_bound bound; /* as replay.h */
    const void *bound_arg;
    uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
};

/* reject_tell lists dead letters, newest first, with counts by reason over all of them.  Returns as
 * story_tell: STORY_UNKNOWN when the one is not there. */
enum story_result reject_tell(const struct reject_request *request, json_t **told, char error[512]);

/* reject_seq_parse reads "partition:seq".  Returns whether it is that. */
bool reject_seq_parse(const char *text, uint32_t *partition, uint64_t *seq);
