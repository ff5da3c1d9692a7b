/* sim_poll.c - the daemon's parts polled one at a time, the taps between them, and their account.
 */
#include <string.h>

#include "dataplane/base/clock.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_fault.h"
#include "tests/sim/sim_node.h"

void sim_node_poll_rx(uint32_t queue, bool receive)
{
    struct rx *rx = &sim_node.rx[queue]->rx;
    uint64_t lost = rx->counters.lost[LOST_ring_full];
    rx_poll(rx, receive);
    if (rx->counters.lost[LOST_ring_full] != lost)
        sim_fault_fired(FAULT_ring_full);
}

/* Both clocks and the rules are new to a shard that has just started. */
static void take_up(struct sim_shard *s)
{
    uint32_t len = (uint32_t)strlen(sim_node.config_json);
    if (!s->has_rules &&
        shard_reconfigure(&s->shard, sim_node.rules, sim_node.config_json, len) == 0)
        s->has_rules = true;
}

void sim_node_poll_shard(uint32_t shard, unsigned budget)
{
    struct sim_shard *s = sim_node.shards[shard];
    static uint64_t before[SIM_PARTITIONS_MAX];
    take_up(s);
    for (uint32_t p = shard; p < sim_node.shape.partitions; p += sim_node.shard_count)
        before[p] = state_seq(s->state, p);
    shard_poll(&s->shard, sim_clock.mono_ns, budget);
    for (uint32_t p = shard; p < sim_node.shape.partitions; p += sim_node.shard_count)
        if (state_seq(s->state, p) != before[p])
            sim_oracle_state(s->state, p);
}

void sim_node_poll_journal(uint32_t shard)
{
    struct sim_shard *s = sim_node.shards[shard];
    if (sim_clock.mono_ns < s->journal_stalls_ns)
        return;
    if (sim_fault(FAULT_journal_stall))
        s->journal_stalls_ns =
            sim_clock.mono_ns + NS_PER_MS * random_below(&sim_faults.random, 2000);
    uint64_t before = atomic_load(&s->journal->mark.ordinal);
    sim_oracle_durable(shard, before);
    (void)journal_poll(s->journal);
    if (atomic_load(&s->journal->mark.ordinal) != before)
        sim_oracle_group(shard, sim_node.shard_count);
}

void sim_node_poll_stock(uint32_t shard)
{
    (void)journal_stock_poll(&sim_node.shards[shard]->stock);
}

static void tap_events(uint32_t shard, uint32_t queue)
{
    struct sim_shard *s = sim_node.shards[shard];
    struct event event;
    while (event_ring_count(&s->events[queue]) < sim_node.shape.ring_slots - 1 &&
           event_ring_pop_burst(&sim_node.rx[queue]->events[shard], &event, 1)) {
        sim_oracle_taken(shard, queue, &event);
        event_ring_push_burst(&s->events[queue], &event, 1);
    }
}

static void tap_answers(uint32_t shard, uint32_t queue)
{
    struct answer answer;
    while (answer_ring_pop_burst(&sim_node.shards[shard]->answers[queue], &answer, 1)) {
        sim_oracle_answered(shard, queue, &answer);
        if (answer.result == RESULT_REFUSED)
            sim_fault_fired(FAULT_state_full);
        uint32_t pushed = answer_ring_push_burst(&sim_node.rx[queue]->answers[shard], &answer, 1);
        sim_check(pushed, "an answer ring is full");
    }
}

static void tap_corrected(uint32_t shard)
{
    struct sim_shard *s = sim_node.shards[shard];
    struct correction_answer answer;
    while (correction_answer_ring_pop_burst(&s->corrected, &answer, 1)) {
        uint64_t seq = answer.verdict.result == RESULT_DUPLICATE ? answer.outcome.first_seq
                                                                 : answer.verdict.seq;
        bool done = answer.verdict.result == RESULT_ACCEPTED ||
                    (answer.verdict.result == RESULT_DUPLICATE &&
                     answer.outcome.refusal != REFUSAL_conflict);
        if (done)
            sim_oracle_corrected(shard, answer.ordinal, (uint32_t)answer.token, seq);
    }
}

void sim_node_tap(uint32_t shard)
{
    struct sim_shard *s = sim_node.shards[shard];
    struct block_ref ref;
    if (sim_clock.mono_ns < s->tap_stalls_ns)
        return;
    if (sim_fault(FAULT_ring_stall))
        s->tap_stalls_ns = sim_clock.mono_ns + NS_PER_MS * random_below(&sim_faults.random, 200);
    for (uint32_t q = 0; q < sim_node.shape.queues; q++) {
        tap_events(shard, q);
        tap_answers(shard, q);
    }
    while (block_ring_pop_burst(&s->handed, &ref, 1)) {
        sim_oracle_handed(shard, ref.block);
        block_ring_push_burst(&s->filled, &ref, 1);
    }
    tap_corrected(shard);
    sim_oracle_durable(shard, atomic_load(&s->journal->mark.ordinal));
}

bool sim_node_is_quiet(void)
{
    for (uint32_t q = 0; q < sim_node.shape.queues; q++)
        for (uint32_t s = 0; s < sim_node.shard_count; s++)
            if (sim_node.rx[q]->rx.open[s])
                return false;
    return true;
}

bool sim_node_all_durable(void)
{
    for (uint32_t s = 0; s < sim_node.shard_count; s++)
        if (atomic_load(&sim_node.shards[s]->journal->mark.ordinal) + 1 !=
            sim_node.shards[s]->shard.next_ordinal)
            return false;
    return true;
}

void sim_node_trace(void)
{
    for (uint32_t s = 0; s < sim_node.shard_count; s++) {
        const struct sim_shard *it = sim_node.shards[s];
        uint32_t open = 0;
        for (uint32_t q = 0; q < sim_node.shape.queues; q++)
            open += sim_node.rx[q]->rx.open[s];
        sim_trace("shard %u: %u events at it, journal %s, mark %llu of %llu, %u blocks free, "
                  "accepted %llu, duplicate %llu, refused %llu, ready %u, stock error %d",
                  s, open, journal_state_name((enum journal_state)atomic_load(&it->journal->state)),
                  (unsigned long long)atomic_load(&it->journal->mark.ordinal),
                  (unsigned long long)it->shard.next_ordinal - 1, block_ring_count(&it->empty),
                  (unsigned long long)it->shard.counters.accepted,
                  (unsigned long long)it->shard.counters.duplicate,
                  (unsigned long long)it->shard.counters.refused, atomic_load(&it->stock.ready),
                  atomic_load(&it->stock.error));
    }
}

void sim_node_check_account(void)
{
    uint64_t received = 0, ended = 0, lost = 0;
    for (uint32_t q = 0; q < sim_node.shape.queues; q++) {
        const struct rx_counters *c = &sim_node.rx[q]->rx.counters;
        received += c->received;
        for (unsigned why = 0; why < LOST_COUNT; why++)
            lost += c->lost[why];
    }
    for (uint32_t s = 0; s < sim_node.shard_count; s++) {
        const struct shard_counters *c = &sim_node.shards[s]->shard.counters;
        ended += c->accepted + c->duplicate;
        for (unsigned reason = 0; reason < REASON_COUNT; reason++)
            ended += c->rejected[reason];
    }
    sim_check(received == ended + lost, "the account does not balance: %llu received, %llu, %llu",
              (unsigned long long)received, (unsigned long long)ended, (unsigned long long)lost);
}
