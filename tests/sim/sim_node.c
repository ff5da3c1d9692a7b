/* sim_node.c - start, poll, stop and death of the daemon's parts. */
#include "tests/sim/sim_node.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/replay.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_conf.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_fault.h"
#include "tests/sim/sim_sink.h"

#define BLOCK_SLOTS 8u

struct sim_node sim_node;

/* ---- parts ---- */

static struct arena arena_of(void **memory, size_t bytes)
{
    bytes = arena_round(bytes, BLOCK_ALIGN);
    *memory = calloc(1, bytes + BLOCK_ALIGN);
    assert(*memory);
    /* Zeroed already: what is not used need not be touched. */
    return (struct arena){
        .base = (void *)arena_round((size_t)*memory, BLOCK_ALIGN), .bytes = bytes, .mapped = true};
}

static struct sim_shard *make_shard(uint32_t index)
{
    struct sim_shard *s = aligned_alloc(64, arena_round(sizeof *s, 64));
    assert(s);
    memset(s, 0, sizeof *s);
    struct state_limits limits = replay_limits(sim_node.conf, sim_node.shard_count, index);
    uint32_t slots = sim_node.shape.ring_slots;
    struct arena arena =
        arena_of(&s->memory, 8192 + state_footprint(&limits) + SIM_BLOCKS * block_footprint() +
                                 3 * block_ring_footprint(BLOCK_SLOTS) +
                                 SIM_WIRE_QUEUES *
                                     (event_ring_footprint(slots) + answer_ring_footprint(slots)) +
                                 correction_ask_ring_footprint(CORRECTION_RING_SLOTS) +
                                 correction_answer_ring_footprint(CORRECTION_RING_SLOTS));
    s->state = state_init(&arena, &limits);
    block_ring_init(&s->handed, &arena, BLOCK_SLOTS);
    block_ring_init(&s->filled, &arena, BLOCK_SLOTS);
    block_ring_init(&s->empty, &arena, BLOCK_SLOTS);
    for (uint32_t r = 0; r < SIM_WIRE_QUEUES; r++) {
        event_ring_init(&s->events[r], &arena, slots);
        answer_ring_init(&s->answers[r], &arena, slots);
    }
    correction_ask_ring_init(&s->asks, &arena, CORRECTION_RING_SLOTS);
    correction_answer_ring_init(&s->corrected, &arena, CORRECTION_RING_SLOTS);
    for (uint32_t b = 0; b < SIM_BLOCKS; b++) {
        block_init(&s->blocks[b], &arena);
        block_ring_push_burst(&s->empty, &(struct block_ref){&s->blocks[b]}, 1);
    }
    return s;
}

static void make_journal(struct sim_shard *s, uint32_t index)
{
    s->journal = aligned_alloc(64, arena_round(sizeof *s->journal, 64));
    const struct journal_stock_wiring stock = {
        .ops = journal_file_posix,
        .dir_fd = sim_node.store.journal_fd,
        .shard = index,
        .reserve = sim_node.shape.reserve,
        .segment_bytes = sim_node.shape.segment_bytes,
    };
    const struct journal_wiring wiring = {
        .ops = stock.ops,
        .stock = &s->stock,
        .epoch = sim_node.store.epoch,
        .shard = index,
        .shard_count = sim_node.shard_count,
        .partition_count = sim_node.shape.partitions,
        .key_fingerprint = sim_node.key.fingerprint,
        .segment_bytes = sim_node.shape.segment_bytes,
        .from_shard = &s->filled,
        .to_shard = &s->empty,
    };
    int rc = journal_stock_init(&s->stock, &stock) || journal_init(s->journal, &wiring);
    assert(!rc);
}

static void join_shard(struct sim_shard *s, uint32_t index)
{
    struct event_ring *sources[SIM_WIRE_QUEUES];
    struct answer_ring *answers[SIM_WIRE_QUEUES];
    for (uint32_t r = 0; r < sim_node.shape.queues; r++) {
        sources[r] = &s->events[r];
        answers[r] = &s->answers[r];
    }
    const struct shard_wiring wiring = {
        .index = index,
        .source_count = sim_node.shape.queues,
        .sources = sources,
        .answers = answers,
        .corrections = &s->asks,
        .corrected = &s->corrected,
        .to_journal = &s->handed,
        .from_journal = &s->empty,
        .mark = &s->journal->mark,
        .next_ordinal = 1,
        .group_commit_ns = sim_node.shape.group_commit_ns,
    };
    shard_init(&s->shard, s->state, sim_node.rules, &wiring);
}

static void make_rx(uint32_t queue)
{
    struct sim_rx *r = aligned_alloc(64, arena_round(sizeof *r, 64));
    assert(r);
    memset(r, 0, sizeof *r);
    uint32_t slots = sim_node.shape.ring_slots, shards = sim_node.shard_count;
    struct event_ring *events[SIM_SHARDS_MAX];
    struct answer_ring *answers[SIM_SHARDS_MAX];
    struct arena arena = arena_of(&r->memory, 4096 + rx_footprint(shards) +
                                                  SIM_SHARDS_MAX * (event_ring_footprint(slots) +
                                                                    answer_ring_footprint(slots)));
    for (uint32_t s = 0; s < shards; s++) {
        event_ring_init(events[s] = &r->events[s], &arena, slots);
        answer_ring_init(answers[s] = &r->answers[s], &arena, slots);
    }
    const struct rx_wiring wiring = {
        .port = sim_wire_port(queue),
        .net = sim_wire_net(),
        .settings = {.limits = sim_node.rules->limits},
        .key = &sim_node.key,
        .partition_count = sim_node.shape.partitions,
        .shard_count = shards,
        .ring_slots = slots,
        .local_shard = -1,
        .to_shard = events,
        .answers = answers,
    };
    rx_init(&r->rx, &arena, &wiring);
    sim_node.rx[queue] = r;
}

/* ---- start ---- */

static int load_conf(char error[512])
{
    struct diag_list diags = {0};
    struct store *store = &sim_node.store;
    sim_node.conf = sim_conf_load(&diags);
    assert(sim_node.conf);
    int rc = store_catalogs(store, sim_node.conf);
    if (!rc)
        sim_node.rules = rules_build(sim_node.conf, 0, &sim_node.key, sim_node.items, &diags);
    int version = sim_node.rules ? store_save(store, sim_node.conf) : -1;
    if (version > 0) {
        sim_node.rules->version = (uint32_t)version;
        sim_conf_describe(sim_node.conf, (uint32_t)version, &sim_node.key, sim_node.config_json);
    }
    if (version <= 0)
        snprintf(error, 512, "cannot keep the configuration: %d %.400s", version,
                 diags.count ? diags.diags[0].text : "");
    diag_list_fini(&diags);
    return version > 0 ? 0 : -1;
}

static int recover_states(bool damaged, char error[512])
{
    struct state *states[SIM_SHARDS_MAX];
    struct recovery recovery;
    for (uint32_t s = 0; s < sim_node.shard_count; s++) {
        sim_node.shards[s] = make_shard(s);
        states[s] = sim_node.shards[s]->state;
    }
    sim_disk_read_errors(true);
    const struct recover_request request = {
        .store = &sim_node.store,
        .key = &sim_node.key,
        .items = sim_node.items,
        .states = states,
        .shard_count = sim_node.shard_count,
        .window_ns = sim_conf_window_ns(),
        .alone = true,
    };
    int rc = recover(&request, &recovery, error);
    sim_disk_read_errors(false);
    if (rc || sim_disk_is_dead())
        return -1;
    sim_check(!recovery.differences, "recovery makes %llu other outcomes than were recorded",
              (unsigned long long)recovery.differences);
    sim_node.recovered += recovery.events;
    sim_oracle_recovered(&sim_node.store, &sim_node.key, sim_node.items, states,
                         sim_node.shard_count, damaged);
    if (damaged)
        sim_sink_start_over();
    return 0;
}

static int start(bool damaged, char error[512])
{
    if (store_open(&sim_node.store, SIM_DISK_ROOT "/data", sim_node.shape.partitions, error))
        return -1;
    hash_key_init(&sim_node.key, sim_node.store.seed);
    if (load_conf(error) || recover_states(damaged, error))
        return -1;
    (void)journal_stock_clear(sim_node.store.journal_fd);
    for (uint32_t s = 0; s < sim_node.shard_count; s++) {
        make_journal(sim_node.shards[s], s);
        (void)journal_stock_poll(&sim_node.shards[s]->stock);
        join_shard(sim_node.shards[s], s);
    }
    for (uint32_t q = 0; q < sim_node.shape.queues; q++)
        make_rx(q);
    sim_sink_open();
    if (sim_disk_is_dead())
        return -1;
    sim_node.up = true;
    sim_node.starts++;
    return 0;
}

int sim_node_start(uint32_t shard_count, bool damaged, char error[512])
{
    error[0] = '\0';
    sim_node.shard_count = shard_count;
    sim_node.store = (struct store)STORE_CLOSED;
    if (start(damaged, error) == 0) {
        sim_trace("start %llu: epoch %u, %u shards, %llu records",
                  (unsigned long long)sim_node.starts, sim_node.store.epoch, shard_count,
                  (unsigned long long)sim_oracle_records());
        return 0;
    }
    sim_node.died = sim_disk_is_dead();
    sim_trace("no start: %s", sim_disk_is_dead() ? "the power went" : error);
    sim_node_gone();
    return -1;
}

/* ---- end ---- */

struct sim_retired {
    struct conf *conf;
    struct rules *rules;
    struct sim_retired *next;
};

static void forget_retired(void)
{
    while (sim_node.retired) {
        struct sim_retired *old = sim_node.retired;
        sim_node.retired = old->next;
        rules_free(old->rules);
        conf_free(old->conf);
        free(old);
    }
}

void sim_node_publish(struct conf *conf, struct rules *rules)
{
    struct sim_retired *old = malloc(sizeof *old);
    assert(old);
    *old = (struct sim_retired){
        .conf = sim_node.conf, .rules = sim_node.rules, .next = sim_node.retired};
    sim_node.retired = old;
    sim_node.conf = conf;
    sim_node.rules = rules;
    sim_conf_describe(conf, rules->version, &sim_node.key, sim_node.config_json);
    for (uint32_t s = 0; s < sim_node.shard_count; s++)
        sim_node.shards[s]->has_rules = false;
    const struct rx_settings settings = {.limits = rules->limits};
    for (uint32_t q = 0; q < sim_node.shape.queues; q++)
        rx_reconfigure(&sim_node.rx[q]->rx, &settings);
}

static void free_shard(struct sim_shard *s)
{
    if (!s)
        return;
    if (s->journal) {
        journal_fini(s->journal);
        journal_stock_fini(&s->stock);
    }
    free(s->journal);
    free(s->memory);
    free(s);
}

static void free_all(void)
{
    sim_sink_close();
    for (uint32_t s = 0; s < SIM_SHARDS_MAX; s++) {
        free_shard(sim_node.shards[s]);
        sim_node.shards[s] = NULL;
    }
    for (uint32_t q = 0; q < SIM_WIRE_QUEUES; q++) {
        if (sim_node.rx[q])
            free(sim_node.rx[q]->memory);
        free(sim_node.rx[q]);
        sim_node.rx[q] = NULL;
    }
    store_close(&sim_node.store);
    rules_free(sim_node.rules);
    conf_free(sim_node.conf);
    forget_retired();
    sim_node.rules = NULL;
    sim_node.conf = NULL;
    sim_node.up = false;
    sim_wire_forget();
    sim_oracle_gone();
}

void sim_node_gone(void)
{
    sim_disk_die(); /* what the parts do while they are taken down, they do not do */
    free_all();
}

static bool flush(void)
{
    for (unsigned turns = 0; turns < 2000; turns++) {
        bool done = sim_node_is_quiet();
        for (uint32_t q = 0; q < sim_node.shape.queues; q++)
            sim_node_poll_rx(q, false);
        for (uint32_t s = 0; s < sim_node.shard_count; s++) {
            sim_node_poll_shard(s, 64);
            sim_node_tap(s);
            done &= shard_flush(&sim_node.shards[s]->shard);
            sim_node_tap(s);
            journal_end_soon(sim_node.shards[s]->journal);
            sim_node_poll_journal(s);
        }
        if (done)
            return true;
        if (sim_disk_is_dead())
            return false;
        sim_clock_pass(NS_PER_MS);
    }
    return false;
}

bool sim_node_stop(void)
{
    bool flushed = flush();
    if (flushed) {
        for (uint32_t s = 0; s < sim_node.shard_count; s++)
            sim_node_tap(s);
        sim_node_check_account();
        for (uint32_t q = 0; q < sim_node.shape.queues; q++)
            sim_check(!sim_wire_held(q), "%u packet buffers are not given back", sim_wire_held(q));
    }
    free_all();
    return flushed;
}

/* ---- polls ---- */

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
