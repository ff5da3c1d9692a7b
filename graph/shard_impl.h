/* shard_impl.h - what shard.c (events) lends to shard_correct.c (corrections): room in blocks and
 * records.  Nobody else includes it.
 *
 * Memory:  as shard.h.  Threads: the shard's core.
 */
#pragma once

#include "dataplane/base/counter.h"
#include "graph/shard.h"

/* shard_next_block hands over the open block, if any, and opens another.  Returns whether there was
 * one. */
bool shard_next_block(struct shard *shard);

/* shard_make_room returns whether the open block takes need more bytes, handing over a full one. */
static inline bool shard_make_room(struct shard *shard, uint32_t need)
{
    if (!shard->open && !shard_next_block(shard))
        return false;
    if (block_room(shard->open) >= need && shard->open->event_count < BLOCK_EVENTS_MAX)
        return true;
    return shard_next_block(shard);
}

/* shard_append adds a record to the open block as block_append does: the caller writes it. */
static inline struct record *shard_append(struct shard *shard, uint32_t body_len)
{
    counter_add(&shard->counters.records, 1);
    counter_add(&shard->counters.record_bytes, record_bytes(body_len));
    shard->next_ordinal++;
    return block_append(shard->open, body_len);
}

/* shard_note keeps the time of what is about to be recorded. */
static inline void shard_note(struct shard *shard, uint64_t receive_ns, uint64_t now_ns)
{
    if (!shard->open->record_count)
        shard->opened_ns = now_ns;
    if (receive_ns > shard->receive_ns)
        shard->receive_ns = receive_ns;
}

void shard_count_outcome(struct shard_counters *counters, const struct outcome *outcome);

/* shard_take_correction answers at most one question about corrections.  Returns how many. */
unsigned shard_take_correction(struct shard *shard, uint64_t now_ns);
