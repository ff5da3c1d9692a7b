/* sim_oracle.h - what must hold, whatever went wrong: from what clients were told, from what the
 * shards handed to their journals, from the states that they had.
 *
 * Memory:  a few words for each record.  Threads: one.
 */
#pragma once

#include "dataplane/base/answer.h"
#include "dataplane/base/block.h"
#include "dataplane/store.h"
#include "graph/state.h"

#define SIM_PARTITIONS_MAX 256u
#define SIM_SHARDS_MAX     4u

void sim_oracle_reset(uint32_t partitions);
void sim_oracle_free(void);

/* sim_oracle_handed notes the records of a block on its way to the journal; sim_oracle_state the
 * state that a partition has behind its last one. */
void sim_oracle_handed(uint32_t shard, const struct block *block);
void sim_oracle_state(const struct state *state, uint32_t partition);

/* sim_oracle_answered takes what a shard said of an event; the client hears of it when the journal
 * says that the ordinal is durable, which sim_oracle_durable asks for. */
void sim_oracle_taken(uint32_t shard, uint32_t source, const struct event *event);
void sim_oracle_answered(uint32_t shard, uint32_t source, const struct answer *answer);
void sim_oracle_durable(uint32_t shard, uint64_t ordinal);
/* sim_oracle_group says, before it is told of, that one more group of a journal is durable. */
void sim_oracle_group(uint32_t shard, uint32_t shards);

/* The same of a correction: what is told is told of a partition's record. */
void sim_oracle_corrected(uint32_t shard, uint64_t ordinal, uint32_t partition, uint64_t seq);

/* sim_oracle_gone: the process is gone, and with it what nobody was told. */
void sim_oracle_gone(void);

/* sim_oracle_recovered holds the journal as it is read now, and the states that recovery made of
 * it, against all of that; what is not in it is forgotten.  damaged: the last group of each journal
 * may be gone, as damage to it looks like a write that was not finished. */
void sim_oracle_recovered(const struct store *store, const struct hash_key *key,
                          struct items *items, struct state **states, uint32_t shards,
                          bool damaged);

/* sim_oracle_walk goes through the whole journal once more for the judge and the sinks. */
void sim_oracle_walk(const struct store *store, const struct hash_key *key, struct items *items);

/* sim_oracle_records returns how many records there are in all partitions. */
uint64_t sim_oracle_records(void);
