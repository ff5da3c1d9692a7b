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
        .ahead = sim_node.shape.ahead,
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
