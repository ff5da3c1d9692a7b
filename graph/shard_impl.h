/* shard_impl.h - what shard.c (events) lends to shard_correct.c (corrections): room in blocks and
 * records.  Nobody else includes it.
 *
 * Memory:  as shard.h.  Threads: the shard's core.
 */
#pragma once

#include "graph/shard.h"

/* shard_make_room returns whether the open block takes need more bytes, handing over a full one. */
bool shard_make_room(struct shard *shard, uint32_t need);

/* shard_append adds a record to the open block as block_append does: the caller writes it. */
struct record *shard_append(struct shard *shard, uint32_t body_len);

/* shard_note keeps the time of what is about to be recorded. */
void shard_note(struct shard *shard, uint64_t receive_ns, uint64_t now_ns);

void shard_count_outcome(struct shard_counters *counters, const struct outcome *outcome);

/* shard_take_correction answers at most one question about corrections.  Returns how many. */
unsigned shard_take_correction(struct shard *shard, uint64_t now_ns);
