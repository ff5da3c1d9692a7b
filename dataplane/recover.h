/* recover.h - from the journal back to the state: every event and correction of every epoch
 * through state_apply and state_correct, under the rules that were live.
 *
 * Memory:  one reader and the rules of one old version at a time.  Threads: the main thread, before
 * the parts start.
 */
#pragma once

#include "dataplane/store.h"
#include "graph/state.h"

struct recovery {
    uint64_t events; /* applied */
    uint64_t corrections;
    uint64_t segments;
    uint64_t differences; /* outcomes of sequence numbers that came out differently from what was
                             recorded: a bug */
    uint32_t torn;        /* journals that end in a block that was being written */
};

/* recover replays the store's journals into states[shard]. Returns 0, or -1 with one line in error:
 * damage in the middle of a journal, another key, a configuration version that is missing. */
int recover(const struct store *store, const struct hash_key *key, struct items *items,
            struct state **states, uint32_t shard_count, struct recovery *recovery,
            char error[512]);
