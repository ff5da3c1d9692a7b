/* host.h - a configuration's states without a daemon around them: what troved has between its rings
 * and its journal, for programs that feed it by hand.
 *
 * An event goes where the rx part would send it: to the partition of its tile, else of its user, or
 * of its bytes when they name none.
 *
 * Memory:  a host owns all it made; host_close frees it.  Threads: one.
 */
#pragma once

#include "conf/conf.h"
#include "graph/state.h"

#define HOST_SHARDS_MAX 64

struct host {
    struct conf *conf;
    struct hash_key key;
    struct items *items;
    struct rules *rules;
    uint32_t version; /* of the configuration */
    uint32_t shard_count;
    void *memory[HOST_SHARDS_MAX];
    struct state *states[HOST_SHARDS_MAX];
};

/* host_open loads a configuration file and makes shard_count states, in [1, HOST_SHARDS_MAX].
 * Returns 0, or -1 with what is wrong told on stderr. */
int host_open(struct host *host, const char *file, uint32_t shard_count);
void host_close(struct host *host);

/* host_load takes up another configuration, whose states are of the same sizes; what they hold
 * stays. Returns 0, or -1 with what is wrong told on stderr and nothing changed. */
int host_load(struct host *host, const char *file);

/* host_reset forgets everything that was applied. */
void host_reset(struct host *host);

/* host_apply parses bytes, fills in *event and applies it. */
struct verdict host_apply(struct host *host, uint64_t receive_ns, const uint8_t *bytes,
                          uint32_t len, struct event *event,
                          struct outcome out[STATE_OUTCOMES_MAX]);

/* host_correct does what a correction says, in the partition where the control thread would have it
 * done, and sets it; an id that another partition has is a conflict.  The verdict counts *out, also
 * of one that came again. */
struct verdict host_correct(struct host *host, struct correction *correction, struct outcome *out);

/* host_state returns the state that owns a partition. */
struct state *host_state(const struct host *host, uint32_t partition);
