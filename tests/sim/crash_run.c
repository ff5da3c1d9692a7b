/* crash_run.c - the real shard, journal and checkpointer on a recording disk, and the load. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "tests/sim/crash.h"

#define RING          64u
#define SEGMENT_BYTES (700u << 10)

static void open_checkpointer(struct crash_run *run, uint32_t epoch)
{
    struct crash *sim = run->sim;
    struct state_limits limits = replay_limits(sim->conf, 1, 0);
    size_t bytes = arena_round(mirror_footprint(&limits), BLOCK_ALIGN);
    struct arena arena;
    run->mirror_memory = aligned_alloc(BLOCK_ALIGN, bytes);
    if (!run->mirror_memory)
        crash_die("no memory", "mirror");
    arena_init(&arena, run->mirror_memory, bytes);
    mirror_init(&run->mirror, &arena, &limits);
    run->disk.checkpoint_fd = sim->store.checkpoint_fd;
    run->files = disk_file_ops(&run->disk);
    atomic_store(&run->item_count, items_count(sim->items));
    const struct checkpointer_wiring wiring = {
        .ops = &run->files,
        .mirror = &run->mirror,
        .epoch = epoch,
        .shard_count = 1,
        .partition_count = PARTITIONS,
        .key_fingerprint = sim->key.fingerprint,
        .marks = {&run->journal->mark},
        .items = sim->items,
        .item_count = &run->item_count,
    };
    checkpointer_init(&run->checkpointer, &wiring);
}

void crash_run_open(struct crash_run *run, struct crash *sim, const struct crash_states *states,
                    uint32_t epoch, unsigned fail_at, unsigned fail_count)
{
    memset(run, 0, sizeof *run);
    run->sim = sim;
    run->states = *states;
    run->number = epoch * 100000;
    run->now_ns = START_NS + epoch * 60 * NS_PER_S;
    run->correction.kind = CORRECTION_undo;
    run->disk.fail_at = fail_at;
    run->disk.fail_count = fail_count;
    run->disk.fail_with = EIO;
    size_t bytes = BLOCKS * block_footprint() + 3 * block_ring_footprint(RING) +
                   event_ring_footprint(RING) + answer_ring_footprint(RING) +
                   correction_ask_ring_footprint(RING) + correction_answer_ring_footprint(RING) +
                   BLOCK_ALIGN;
    arena_init(&run->arena, malloc(bytes), bytes);
    event_ring_init(&run->events, &run->arena, RING);
    answer_ring_init(&run->answers, &run->arena, RING);
    correction_ask_ring_init(&run->asks, &run->arena, RING);
    correction_answer_ring_init(&run->corrected, &run->arena, RING);
    block_ring_init(&run->handed, &run->arena, RING);
    block_ring_init(&run->filled, &run->arena, RING);
    block_ring_init(&run->empty, &run->arena, RING);
    for (unsigned i = 0; i < BLOCKS; i++) {
        block_init(&run->blocks[i], &run->arena);
        block_ring_push_burst(&run->empty, &(struct block_ref){&run->blocks[i]}, 1);
    }
    run->journal = aligned_alloc(64, arena_round(sizeof *run->journal, 64));
    run->disk.mark = &run->journal->mark;
    const struct journal_stock_wiring stock = {
        .ops = disk_ops(&run->disk),
        .dir_fd = -1,
        .ahead = 1,
        .reserve = 1,
        .segment_bytes = SEGMENT_BYTES,
    };
    const struct journal_wiring wiring = {
        .ops = stock.ops,
        .stock = &run->stock,
        .epoch = epoch,
        .shard_count = 1,
        .partition_count = PARTITIONS,
        .key_fingerprint = sim->key.fingerprint,
        .segment_bytes = SEGMENT_BYTES,
        .from_shard = &run->filled,
        .to_shard = &run->empty,
    };
    if (journal_stock_init(&run->stock, &stock) || journal_init(run->journal, &wiring))
        crash_die("no memory", "journal");
    struct event_ring *sources[] = {&run->events};
    struct answer_ring *answers[] = {&run->answers};
    const struct shard_wiring shard = {
        .source_count = 1,
        .sources = sources,
        .answers = answers,
        .corrections = &run->asks,
        .corrected = &run->corrected,
        .to_journal = &run->handed,
        .from_journal = &run->empty,
        .mark = &run->journal->mark,
        .mirror = &run->mirror,
        .next_ordinal = 1,
    };
    open_checkpointer(run, epoch);
    shard_init(&run->shard, run->states.state[0], sim->rules, &shard);
    sim->starts++;
}

void crash_run_close(struct crash_run *run)
{
    disk_fini(&run->disk);
    journal_stock_fini(&run->stock);
    free(run->journal);
    free(run->arena.base);
    checkpointer_fini(&run->checkpointer);
    free(run->mirror_memory);
    crash_states_close(&run->states);
}

/* Notes the records of a block on its way to the journal. */
static void note(struct crash *sim, const struct block *block)
{
    struct history *history = &sim->history;
    uint32_t at = 0, end = block->used - (uint32_t)sizeof(struct block_header);
    const struct record *record;
    while ((record = record_next(block->data + sizeof(struct block_header), end, &at))) {
        if (history->count == RECORDS_MAX)
            crash_die("too many records", "RECORDS_MAX");
        history->record_hash[history->count++] =
            XXH3_64bits(record, sizeof *record + record->body_len);
    }
}

/* The journal's turn, and now and then that of its stock.  What fails is tried again when it is
 * time to.  Returns false when it has failed for good. */
static bool journal_turn(struct crash_run *run)
{
    struct block_ref ref;
    if (run->turns++ % 3 == 1)
        (void)journal_stock_poll(&run->stock);
    while (block_ring_pop_burst(&run->handed, &ref, 1)) {
        note(run->sim, ref.block);
        block_ring_push_burst(&run->filled, &ref, 1);
    }
    for (int tries = 0; tries < 12; tries++) {
        if (journal_poll(run->journal) >= 0 && !journal_is_refusing(run->journal))
            return true;
        run->sim->waited_ns += 6 * NS_PER_S;
        (void)journal_stock_poll(&run->stock);
    }
    return false;
}

/* Now and then a duplicate, a type that nobody knows, one that is not whole. */
static uint32_t write_event(struct crash_run *run, uint32_t pad)
{
    static const char *const items[] = {"A", "B", "C", "D", "E"};
    uint64_t n = ++run->number, number = n % 11 == 5 ? n - 1 : n;
    int len = snprintf((char *)run->text, EVENT_ROOM,
                       "{\"id\":\"00000000-0000-4000-8000-%012llx\",\"time\":%llu,\"user\":"
                       "\"u-%llu\",\"type\":\"%s\",\"item\":\"%s\",\"pad\":\"",
                       (unsigned long long)number, (unsigned long long)(run->now_ns / NS_PER_MS),
                       (unsigned long long)(number % 7), n % 13 == 7 ? "unknown" : "view",
                       items[number / 7 % 5]);
    memset(run->text + len, 'x', pad);
    memcpy(run->text + len + pad, "\"}", 2);
    return (uint32_t)len + pad + (n % 29 == 3 ? 1 : 2);
}

/* One event through the shard.  Returns false when no block was free for it. */
static bool one_event(struct crash_run *run, uint32_t pad)
{
    struct crash *sim = run->sim;
    struct event event = {0};
    struct answer answer;
    run->now_ns += NS_PER_MS;
    uint32_t len = write_event(run, pad);
    enum reason reason = event_parse(&sim->rules->limits, &sim->key, run->text, len, &event);
    uint64_t owner = reason == REASON_none ? event.user_key.hi : hash64(&sim->key, run->text, len);
    event.receive_ns = run->now_ns;
    event.wire_ns = run->now_ns;
    event.partition = event_partition(owner, PARTITIONS);
    event.bytes = run->text;
    event.len = (uint16_t)len;
    event_ring_push_burst(&run->events, &event, 1);
    shard_poll(&run->shard, run->now_ns, 1);
    if (!answer_ring_pop_burst(&run->answers, &answer, 1))
        return false;
    sim->history.state_hash[sim->before + answer.ordinal - 1] = crash_states_hash(&run->states);
    return true;
}

/* A grant, the revocation of it, then an undo of that, and so on.  Returns false when no block was
 * free. */
static bool one_correction(struct crash_run *run)
{
    struct crash *sim = run->sim;
    struct correction *c = &run->correction;
    struct correction_answer answer;
    uint64_t n = ++run->number;
    c->kind = (uint8_t)((c->kind + 1) % CORRECTION_KIND_COUNT);
    memcpy(c->undo, c->id, sizeof c->undo);
    c->id[0] = n;
    c->id[1] = 7;
    c->receive_ns = run->now_ns += NS_PER_MS;
    if (c->kind == CORRECTION_grant)
        snprintf(c->user, sizeof c->user, "u-%llu", (unsigned long long)(n % 7));
    snprintf(c->hunt, sizeof c->hunt, "trail");
    snprintf(c->reason, sizeof c->reason, "reason");
    snprintf(c->ref, sizeof c->ref, "ref");
    snprintf(c->by, sizeof c->by, "uid 0");
    c->partition = event_partition(hash128(&sim->key, c->user, strlen(c->user)).hi, PARTITIONS);
    struct correction_ask ask = {.wish = CORRECTION_DO, .correction = *c};
    correction_ask_ring_push_burst(&run->asks, &ask, 1);
    shard_poll(&run->shard, run->now_ns, 1);
    if (!correction_answer_ring_pop_burst(&run->corrected, &answer, 1))
        return false;
    sim->history.state_hash[sim->before + answer.ordinal - 1] = crash_states_hash(&run->states);
    sim->corrections += answer.outcome.kind != OUTCOME_correction_refused;
    return true;
}

/* A checkpoint while events come. */
static bool checkpoint(struct crash_run *run)
{
    uint64_t made = atomic_load(&run->checkpointer.made);
    if (!checkpointer_begin(&run->checkpointer))
        crash_die("a checkpoint", "was not begun");
    for (int i = 0; i < 10000 && atomic_load(&run->checkpointer.made) == made; i++) {
        if (i % 60 == 30 && !one_event(run, 200))
            return false;
        if (i % 20 == 0 && !journal_turn(run))
            return false;
        shard_poll(&run->shard, run->now_ns, 1);
        if (checkpointer_poll(&run->checkpointer) < 0)
            crash_die("a checkpoint", "was given up");
    }
    if (atomic_load(&run->checkpointer.made) == made)
        crash_die("a checkpoint", "was not made");
    return true;
}

/* Events one by one, each a group; then as many as the blocks hold, one group over two segments;
 * then one by one again. */
bool crash_run_load(struct crash_run *run)
{
    for (int i = 0; i < 14; i++)
        if (!one_event(run, i % 5 ? 100 : 6000) || !journal_turn(run) ||
            (i % 2 && (!one_correction(run) || !journal_turn(run))))
            return false;
    if (!checkpoint(run))
        return false;
    while (one_event(run, 12000))
        ;
    for (int i = 0; i < 3; i++)
        if (!journal_turn(run))
            return false;
    shard_poll(&run->shard, run->now_ns, 1); /* the one that found no room */
    struct answer answer;
    if (answer_ring_pop_burst(&run->answers, &answer, 1))
        run->sim->history.state_hash[run->sim->before + answer.ordinal - 1] =
            crash_states_hash(&run->states);
    for (int i = 0; i < 10; i++)
        if (!one_event(run, 300) || !one_correction(run) || !journal_turn(run))
            return false;
    while (!shard_flush(&run->shard))
        if (!journal_turn(run))
            return false;
    return true;
}
