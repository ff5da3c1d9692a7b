/* sim_node.h - the daemon in the simulator: the real parts, joined as topo.c joins them, with a tap
 * in each ring for the oracles, and polled one at a time.
 *
 * Memory:  its own, freed when it ends in whatever way.  Threads: one.
 */
#pragma once

#include "dataplane/journal.h"
#include "dataplane/recover.h"
#include "graph/shard.h"
#include "tests/sim/sim_oracle.h"
#include "tests/sim/sim_wire.h"

#define SIM_BLOCKS 6u

struct sim_shard {
    void *memory;
    struct state *state;
    struct shard shard;
    struct journal *journal;
    struct journal_stock stock;
    struct block blocks[SIM_BLOCKS];
    struct block_ring handed, filled, empty;
    struct event_ring events[SIM_WIRE_QUEUES];   /* from the tap */
    struct answer_ring answers[SIM_WIRE_QUEUES]; /* to the tap */
    struct correction_ask_ring asks;
    struct correction_answer_ring corrected;
    bool has_rules; /* the newest */
    uint64_t tap_stalls_ns, journal_stalls_ns;
};

struct sim_rx {
    struct rx rx;
    void *memory;
    struct event_ring events[SIM_SHARDS_MAX]; /* to the tap */
    struct answer_ring answers[SIM_SHARDS_MAX];
};

/* Draws of the seed. */
struct sim_shape {
    uint32_t partitions, queues, ring_slots, ahead, reserve;
    uint64_t segment_bytes, group_commit_ns;
};

struct sim_node {
    struct sim_shape shape;
    struct items *items; /* outlives starts, as items.txt does */
    bool up, died;       /* died: the power went during the last start */
    uint32_t shard_count;
    struct store store;
    struct hash_key key;
    struct conf *conf;
    struct rules *rules;
    struct sim_retired *retired; /* rules of before, until the process ends */
    char config_json[256];
    struct sim_shard *shards[SIM_SHARDS_MAX];
    struct sim_rx *rx[SIM_WIRE_QUEUES];
    uint64_t starts, recovered;
};

extern struct sim_node sim_node;

/* sim_node_start starts on what the disk has.  Returns 0, or -1 with the line that troved would
 * print.  damaged: see sim_oracle_recovered. */
int sim_node_start(uint32_t shard_count, bool damaged, char error[512]);

/* sim_node_gone frees a process that was killed; sim_node_stop ends it as SIGTERM does.  Returns
 * false when the journals could not be flushed. */
void sim_node_gone(void);
bool sim_node_stop(void);

/* sim_node_reload applies another configuration, or one that must be refused.  Returns false when
 * it was not taken. */
bool sim_node_reload(bool valid);
/* sim_node_publish makes them the running ones. */
void sim_node_publish(struct conf *conf, struct rules *rules);
/* sim_node_correct asks a shard for a correction: a grant, the revocation of it, an undo of that;
 * or the last one again. */
void sim_node_correct(bool again);

/* Polls of one part each. */
void sim_node_poll_rx(uint32_t queue, bool receive);
void sim_node_poll_shard(uint32_t shard, unsigned budget);
void sim_node_poll_journal(uint32_t shard);
void sim_node_poll_stock(uint32_t shard);
/* The taps: what lies in the rings of a shard moves on; and clients hear what is durable. */
void sim_node_tap(uint32_t shard);

/* sim_node_is_quiet says that no event is on its way in any part. */
bool sim_node_is_quiet(void);
/* sim_node_all_durable says that all that the shards have recorded is durable. */
bool sim_node_all_durable(void);
/* sim_node_trace says how the parts are. */
void sim_node_trace(void);
/* sim_node_check_account adds up what every event came to. */
void sim_node_check_account(void);
