/* shadow.h - a stretch of the journal decided once more, beside the running state, and held against
 * what was recorded: proof that the journal reproduces itself, or what another configuration would
 * have made of it.
 *
 * Everything before the stretch is applied as it was, so that the stretch begins in the state of
 * its time. Nothing is written and nothing is sent.
 *
 * Memory:  the state of all partitions, the rules of one version and of the other configuration,
 * the differences shown, as JSON.  Threads: any; nothing is shared.
 */
#pragma once

#include <jansson.h>

#include "dataplane/replay.h"

#define SHADOW_SHOWN_MAX 10000u

struct shadow_request {
    const struct store *store;
    const struct hash_key *key;
    const struct replay_source *source; /* of the records; NULL: the store's journals */
    const struct conf *conf;  /* to decide the stretch under; NULL: the versions of the time */
    const char *user, *hunt;  /* only these are compared; NULL: all */
    uint64_t from_ns, to_ns;  /* the stretch, [from, to), by receive time */
    uint32_t limit;           /* differences shown, [0, SHADOW_SHOWN_MAX]; all are counted */
    struct diag_list *faults; /* what is wrong with conf */
};

enum shadow_result {
    SHADOW_DONE,
    SHADOW_CONF,  /* conf cannot be used: see faults, or error */
    SHADOW_FAULT, /* the journal cannot be read: see error */
};

/* shadow_run replays.  SHADOW_DONE: *told is the report, the caller's to decref. */
enum shadow_result shadow_run(const struct shadow_request *request, json_t **told, char error[512]);
