/* crash.c - every state in which a loss of power may leave the journal's files, each recovered by
 * the real recovery, each held against what had been said to be durable.
 *
 *   crash [--images N] [--seed S]      N distinct images at least; a line of figures, exit 1 at the
 *                                      first image that breaks an oracle
 *
 * The real shard and the real journal write a reference load of events and corrections to a
 * recording disk (disk.h).  Then, for every operation of it as the last: nothing, everything, each
 * alone, each left out, every prefix, torn pages, and random subsets of what was not synced.  The
 * same with each of the journal's operations failing, and for a second start on top of what a
 * crash of the first left.
 *
 * Oracles: recovery succeeds; what was said to be durable is there; what is there is, byte for
 * byte, a beginning of what was written; the state is that of the running shard at that record,
 * with any number of shards; every segment is whole; recovering once more changes nothing.  Each of
 * the journal's operations fails once, or a few times: the load still comes to its end, in new
 * segments.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <xxhash.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/segment_verify.h"
#include "dataplane/checkpointer.h"
#include "dataplane/recover.h"
#include "dataplane/replay.h"
#include "graph/shard.h"
#include "tests/sim/disk.h"

#define PARTITIONS    4u
#define BLOCKS        4u
#define RING          64u
#define RECORDS_MAX   8192u
#define EVENT_ROOM    16000u
#define SEGMENT_BYTES (700u << 10)
#define FILES_MAX     64
#define FAILS_MAX     100000u
#define FAIL_LOOK     16u /* operations behind a failure at which power may be lost */
#define START_NS      1795209600000000000ull /* 2026-11-20T12:00:00Z */

static const char conf_text[] = "version: 1\n"
                                "pop: sim\n"
                                "host: h1\n"
                                "data_dir: %s\n"
                                "partitions: 4\n"
                                "ports:\n"
                                "  - name: p0\n"
                                "    device: net_null0\n"
                                "    address: [192.0.2.1/24]\n"
                                "limits: { users: 4096, claims: 4096, corrections: 1000 }\n"
                                "events:\n"
                                "  dedupe: { capacity: 10_000 }\n"
                                "  types:\n"
                                "    view: { require: [item] }\n"
                                "hunts:\n"
                                "  - name: trail\n"
                                "    kind: trail\n"
                                "    types: [view]\n"
                                "    catalog: %s/catalog.tsv\n"
                                "    start: [A]\n"
                                "    treasure: [D]\n"
                                "    min_step: 0ms\n";
static const char catalog[] = "A\tB\t1\nB\tC\t1\nC\tD\t1\n";

/* What the shard recorded, in the order of its journals, and its state behind each event. */
struct history {
    uint64_t record_hash[RECORDS_MAX];
    uint64_t state_hash[RECORDS_MAX]; /* 0: within an event's records */
    unsigned count;
};

/* A file that an earlier epoch left. */
struct kept_file {
    char name[SEGMENT_NAME_MAX];
    uint8_t *data;
    size_t bytes;
};

struct sim {
    char dir[64];
    struct store store;
    struct hash_key key;
    struct items *items;
    struct conf *conf;
    struct rules *rules;
    struct history history;
    unsigned before; /* records of earlier epochs */
    struct kept_file kept[FILES_MAX];
    unsigned kept_count;
    uint64_t empty_hash; /* of the state before the first event */
    uint64_t random;
    FILE *err;

    uint64_t *seen; /* hashes of images, open addressing */
    size_t seen_room;
    uint64_t from_checkpoint; /* images of which recovery began with one */
    uint64_t images, wanted, points, operations_failed, torn, starts, corrections, given_up;
    uint64_t waited_ns; /* for a disk that failed to be tried again */
};

static struct sim sim_state;

/* Time stands still but for what the load says, so that a seed gives the same images again. */
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    (void)clock;
    *now = (struct timespec){.tv_sec = (time_t)((START_NS + sim_state.waited_ns) / NS_PER_S)};
    return 0;
}

static void die(const char *what, const char *detail)
{
    fprintf(sim_state.err ? sim_state.err : stderr, "error: %s: %s\n", what, detail);
    exit(2);
}

static uint64_t next_random(struct sim *sim)
{
    sim->random ^= sim->random << 13;
    sim->random ^= sim->random >> 7;
    sim->random ^= sim->random << 17;
    return sim->random;
}

/* ---- states ---- */

struct states {
    void *memory[8];
    struct state *state[8];
    uint32_t count;
};

static void states_open(struct sim *sim, struct states *states, uint32_t count)
{
    states->count = count;
    for (uint32_t s = 0; s < count; s++) {
        struct state_limits limits = replay_limits(sim->conf, count, s);
        size_t bytes = arena_round(state_footprint(&limits), BLOCK_ALIGN);
        struct arena arena;
        states->memory[s] = calloc(1, bytes + BLOCK_ALIGN);
        if (!states->memory[s])
            die("no memory", "state");
        arena = (struct arena){.base = (void *)arena_round((size_t)states->memory[s], BLOCK_ALIGN),
                               .bytes = bytes,
                               .mapped = true};
        states->state[s] = state_init(&arena, &limits);
    }
}

static void states_close(struct states *states)
{
    for (uint32_t s = 0; s < states->count; s++)
        free(states->memory[s]);
}

static uint64_t states_hash(const struct states *states)
{
    uint64_t hash = 1;
    for (uint32_t p = 0; p < PARTITIONS; p++)
        hash = hash * 31 + state_hash(states->state[p % states->count], p);
    return hash;
}

/* ---- the running shard ---- */

struct run {
    struct sim *sim;
    struct states states;
    struct arena arena;
    struct event_ring events;
    struct answer_ring answers;
    struct correction_ask_ring asks;
    struct correction_answer_ring corrected;
    struct correction correction; /* the last one */
    struct block_ring handed;     /* by the shard */
    struct block_ring filled, empty;
    struct block blocks[BLOCKS];
    struct disk disk;
    struct journal_stock stock;
    struct journal *journal;
    uint64_t turns;
    struct shard shard;
    struct mirror mirror;
    void *mirror_memory;
    struct file_ops files;
    struct checkpointer checkpointer;
    _Atomic uint32_t item_count;
    uint64_t now_ns, number;
    uint8_t text[EVENT_ROOM];
};

static void open_checkpointer(struct run *run, uint32_t epoch)
{
    struct sim *sim = run->sim;
    struct state_limits limits = replay_limits(sim->conf, 1, 0);
    size_t bytes = arena_round(mirror_footprint(&limits), BLOCK_ALIGN);
    struct arena arena;
    run->mirror_memory = aligned_alloc(BLOCK_ALIGN, bytes);
    if (!run->mirror_memory)
        die("no memory", "mirror");
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

static void run_open(struct run *run, struct sim *sim, const struct states *states, uint32_t epoch,
                     unsigned fail_at, unsigned fail_count)
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
        die("no memory", "journal");
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

static void run_close(struct run *run)
{
    disk_fini(&run->disk);
    journal_stock_fini(&run->stock);
    free(run->journal);
    free(run->arena.base);
    checkpointer_fini(&run->checkpointer);
    free(run->mirror_memory);
    states_close(&run->states);
}

/* Notes the records of a block on its way to the journal. */
static void note(struct sim *sim, const struct block *block)
{
    struct history *history = &sim->history;
    uint32_t at = 0, end = block->used - (uint32_t)sizeof(struct block_header);
    const struct record *record;
    while ((record = record_next(block->data + sizeof(struct block_header), end, &at))) {
        if (history->count == RECORDS_MAX)
            die("too many records", "RECORDS_MAX");
        history->record_hash[history->count++] =
            XXH3_64bits(record, sizeof *record + record->body_len);
    }
}

/* The journal's turn, and now and then that of its stock.  What fails is tried again when it is
 * time to.  Returns false when it has failed for good. */
static bool journal_turn(struct run *run)
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
static uint32_t write_event(struct run *run, uint32_t pad)
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
static bool one_event(struct run *run, uint32_t pad)
{
    struct sim *sim = run->sim;
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
    sim->history.state_hash[sim->before + answer.ordinal - 1] = states_hash(&run->states);
    return true;
}

/* A grant, the revocation of it, then an undo of that, and so on.  Returns false when no block was
 * free. */
static bool one_correction(struct run *run)
{
    struct sim *sim = run->sim;
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
    sim->history.state_hash[sim->before + answer.ordinal - 1] = states_hash(&run->states);
    sim->corrections += answer.outcome.kind != OUTCOME_correction_refused;
    return true;
}

/* Events one by one, each a group; then as many as the blocks hold, one group over two segments;
 * then one by one again. Returns false when the journal stopped on the way. */
/* A checkpoint while events come. */
static bool checkpoint(struct run *run)
{
    uint64_t made = atomic_load(&run->checkpointer.made);
    if (!checkpointer_begin(&run->checkpointer))
        die("a checkpoint", "was not begun");
    for (int i = 0; i < 10000 && atomic_load(&run->checkpointer.made) == made; i++) {
        if (i % 60 == 30 && !one_event(run, 200))
            return false;
        if (i % 20 == 0 && !journal_turn(run))
            return false;
        shard_poll(&run->shard, run->now_ns, 1);
        if (checkpointer_poll(&run->checkpointer) < 0)
            die("a checkpoint", "was given up");
    }
    if (atomic_load(&run->checkpointer.made) == made)
        die("a checkpoint", "was not made");
    return true;
}

static bool load(struct run *run)
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
            states_hash(&run->states);
    for (int i = 0; i < 10; i++)
        if (!one_event(run, 300) || !one_correction(run) || !journal_turn(run))
            return false;
    while (!shard_flush(&run->shard))
        if (!journal_turn(run))
            return false;
    return true;
}

/* ---- one image ---- */

static bool is_new(struct sim *sim, uint64_t hash)
{
    size_t at = hash & (sim->seen_room - 1);
    hash += !hash;
    for (; sim->seen[at]; at = (at + 1) & (sim->seen_room - 1))
        if (sim->seen[at] == hash)
            return false;
    sim->seen[at] = hash;
    return true;
}

static void clear_journal(struct sim *sim)
{
    struct segment_id *ids;
    unsigned unknown;
    char name[SEGMENT_NAME_MAX];
    int count = segment_list(sim->store.journal_fd, &ids, &unknown);
    for (int i = 0; i < count; i++) {
        segment_name(ids[i], name);
        (void)unlinkat(sim->store.journal_fd, name, 0);
    }
    free(ids);
    if (journal_stock_clear(sim->store.journal_fd) ||
        checkpoint_prune(&file_posix, sim->store.checkpoint_fd, 0) ||
        checkpoint_sweep(&file_posix, sim->store.checkpoint_fd))
        die("cannot clear", sim->dir);
}

static void put_file(struct sim *sim, const struct kept_file *file)
{
    int fd = openat(sim->store.journal_fd, file->name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, file->data, file->bytes) != (ssize_t)file->bytes)
        die("cannot write", file->name);
    close(fd);
}

struct found {
    struct states states;
    unsigned records;
    uint64_t hash;
};

/* An oracle that does not hold: everything that is needed to see it again. */
static void broken(struct sim *sim, const struct disk_crash *crash, const char *what,
                   const char *detail)
{
    fprintf(sim->err, "error: image %llu, after %u operations: %s %s\nthe files are left in %s\n",
            (unsigned long long)sim->images, crash->at, what, detail, sim->dir);
    exit(1);
}

/* Recovers the directory and reads it. */
static void recover_image(struct sim *sim, const struct disk_crash *crash, uint32_t shards,
                          struct found *found)
{
    struct recovery recovery;
    struct replay replay;
    const struct record *record;
    char error[512];
    enum replay_step step;
    states_open(sim, &found->states, shards);
    const struct recover_request request = {
        .store = &sim->store,
        .key = &sim->key,
        .items = sim->items,
        .states = found->states.state,
        .shard_count = shards,
        .threads = 1 + (uint32_t)(sim->images % 2),
        .alone = true,
    };
    if (recover(&request, &recovery, error))
        broken(sim, crash, "recovery says", error);
    if (recovery.differences)
        broken(sim, crash, "recovery", "made other outcomes than were recorded");
    if (recovery.set_aside)
        broken(sim, crash, "a checkpoint", "has its name and does not verify");
    sim->from_checkpoint += recovery.checkpoint.number != 0;
    sim->torn += recovery.torn;
    found->records = 0;
    if (replay_open(&replay, &sim->store, &sim->key, sim->items, error))
        broken(sim, crash, "reading says", error);
    while ((step = replay_next(&replay, &record)) != REPLAY_END) {
        if (step == REPLAY_FAULT)
            broken(sim, crash, "reading says", error);
        if (step == REPLAY_TAIL && replay_tail(&replay).torn)
            broken(sim, crash, "what was torn", "is still there");
        if (step != REPLAY_RECORD)
            continue;
        if (found->records == sim->history.count ||
            sim->history.record_hash[found->records++] !=
                XXH3_64bits(record, sizeof *record + record->body_len))
            broken(sim, crash, "a record is there", "that was never written so");
    }
    replay_close(&replay);
    found->hash = states_hash(&found->states);
}

static bool same_journal(const struct segment_id *a, const struct segment_id *b)
{
    return a->epoch == b->epoch && a->shard == b->shard;
}

/* What recovery leaves is whole, to the last bit, but for segments that hold nothing. */
static void verify_image(struct sim *sim, const struct disk_crash *crash)
{
    struct segment_reader reader;
    struct segment_found found;
    struct segment_id *ids;
    unsigned unknown;
    int fd = sim->store.journal_fd, count = segment_list(fd, &ids, &unknown);
    for (int i = 0; i < count; i++) {
        bool followed = i + 1 < count && same_journal(&ids[i], &ids[i + 1]) &&
                        segment_holds_nothing(fd, ids[i + 1]) == 0;
        if (segment_reader_init(&reader, fd) ||
            segment_verify(&reader, ids[i], followed ? SEGMENT_FOLLOWED : SEGMENT_LAST, &found))
            die("cannot verify", sim->dir);
        segment_reader_fini(&reader);
        if (found.state != SEGMENT_WHOLE && found.state != SEGMENT_EMPTY)
            broken(sim, crash, "a segment is not whole:", found.what);
    }
    free(count < 0 ? NULL : ids);
}

/* check recovers an image that was not seen before, and leaves it recovered in the directory. */
static bool check(struct run *run, const struct disk_crash *crash, const struct disk_atom *atoms,
                  unsigned count)
{
    struct sim *sim = run->sim;
    struct found found, again;
    if (!is_new(sim, disk_image(&run->disk, crash, atoms, count, -1) + sim->before))
        return false;
    sim->images++;
    clear_journal(sim);
    for (unsigned i = 0; i < sim->kept_count; i++)
        put_file(sim, &sim->kept[i]);
    disk_image(&run->disk, crash, atoms, count, sim->store.journal_fd);
    recover_image(sim, crash, 1 + (uint32_t)(sim->images % 3), &found);
    if (found.records < sim->before + disk_told(&run->disk, crash->at))
        broken(sim, crash, "what was said to be durable", "is gone");
    uint64_t live = found.records ? sim->history.state_hash[found.records - 1] : sim->empty_hash;
    if (found.hash != live)
        broken(sim, crash, "the state", "is not that of the running shard");
    states_close(&found.states);
    verify_image(sim, crash);
    recover_image(sim, crash, 1 + (uint32_t)(sim->images % 2), &again);
    if (again.hash != found.hash || again.records != found.records)
        broken(sim, crash, "recovering once more", "changed something");
    states_close(&again.states);
    return true;
}

/* ---- which images ---- */

static void set_all(struct disk_crash *crash, unsigned count, bool kept)
{
    for (unsigned i = 0; i < count; i++)
        crash->kept[i] = kept;
    crash->torn_atom = DISK_ATOMS_MAX;
}

/* With many atoms, some of them: each would be the same as its neighbours. */
static bool chosen(struct sim *sim, unsigned i, unsigned count)
{
    return count <= 24 || i < 6 || i + 6 >= count || next_random(sim) % count < 12;
}

static void each_one(struct run *run, struct disk_crash *crash, const struct disk_atom *atoms,
                     unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (!chosen(run->sim, i, count))
            continue;
        set_all(crash, count, false);
        crash->kept[i] = true;
        check(run, crash, atoms, count); /* alone */
        set_all(crash, count, true);
        crash->kept[i] = false;
        check(run, crash, atoms, count); /* left out */
        for (unsigned j = i; j < count; j++)
            crash->kept[j] = false;
        check(run, crash, atoms, count); /* those before it */
    }
}

static void torn_ones(struct run *run, struct disk_crash *crash, const struct disk_atom *atoms,
                      unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bool ends = i == 0 || i + 1 == count;
        if (run->disk.ops[atoms[i].op].kind != DISK_WRITE ||
            !(ends || next_random(run->sim) % count < 3))
            continue;
        for (unsigned torn = 512; torn < BLOCK_ALIGN; torn += 512) {
            set_all(crash, count, next_random(run->sim) % 2);
            for (unsigned j = 0; j <= i; j++)
                crash->kept[j] = true;
            crash->torn_atom = i;
            crash->torn = torn;
            check(run, crash, atoms, count);
        }
    }
}

static void random_ones(struct run *run, struct disk_crash *crash, const struct disk_atom *atoms,
                        unsigned count, unsigned times)
{
    for (; times && count > 1; times--) {
        uint64_t odds = 1 + next_random(run->sim) % 15;
        set_all(crash, count, false);
        for (unsigned i = 0; i < count; i++)
            crash->kept[i] = next_random(run->sim) % 16 < odds;
        if (next_random(run->sim) % 4 == 0) {
            crash->torn_atom = (unsigned)(next_random(run->sim) % count);
            crash->torn = 512 * (1 + (unsigned)(next_random(run->sim) % 7));
        }
        check(run, crash, atoms, count);
    }
}

static void crash_at(struct run *run, unsigned at, bool thorough, unsigned times)
{
    static struct disk_atom atoms[DISK_ATOMS_MAX];
    static struct disk_crash crash;
    unsigned count = disk_atoms(&run->disk, at, atoms);
    crash.at = at;
    run->sim->points++;
    set_all(&crash, count, false);
    check(run, &crash, atoms, count);
    set_all(&crash, count, true);
    check(run, &crash, atoms, count);
    if (thorough) {
        each_one(run, &crash, atoms, count);
        torn_ones(run, &crash, atoms, count);
    }
    random_ones(run, &crash, atoms, count, times);
}

/* ---- runs ---- */

/* One start and its load, and every crash of it; returns the number of the journal's operations.
 * fail_at: from the n-th of them on fail_count fail, and only what comes of that is looked at. */
static unsigned play(struct run *run, struct sim *sim, const struct states *states, uint32_t epoch,
                     unsigned fail_at, unsigned fail_count, unsigned times)
{
    sim->history.count = sim->before;
    memset(sim->history.state_hash + sim->before, 0,
           sizeof sim->history.state_hash - sim->before * sizeof *sim->history.state_hash);
    sim->store.epoch = epoch + 1;
    run_open(run, sim, states, epoch, fail_at, fail_count);
    bool whole = load(run);
    unsigned asked = run->disk.asked;
    if (!whole && fail_count < FAILS_MAX)
        die("the load", "did not end");
    if (fail_at > asked)
        die("the load", "did not meet the operation that fails");
    sim->given_up += run->journal->counters.given_up;
    journal_fini(run->journal);
    unsigned from = fail_at ? run->disk.failed_from : 0, to = run->disk.op_count;
    /* Far behind a failure that passes, all is as without it. */
    if (fail_at && whole && to > from + FAIL_LOOK)
        to = from + FAIL_LOOK;
    for (unsigned at = from; at <= to; at++)
        crash_at(run, at, !fail_at, times);
    return asked;
}

static void fresh(struct sim *sim)
{
    for (unsigned i = 0; i < sim->kept_count; i++)
        free(sim->kept[i].data);
    sim->kept_count = 0;
    sim->before = 0;
}

/* keep takes over what the last image left, as a start finds it. Returns its highest epoch. */
static uint32_t keep(struct sim *sim)
{
    struct segment_id *ids;
    unsigned unknown;
    uint32_t epoch = 0;
    int count = segment_list(sim->store.journal_fd, &ids, &unknown);
    fresh(sim);
    for (int i = 0; i < count && i < FILES_MAX; i++) {
        struct kept_file *file = &sim->kept[sim->kept_count++];
        uint64_t bytes;
        segment_name(ids[i], file->name);
        if (segment_bytes(sim->store.journal_fd, ids[i], &bytes))
            die("cannot read", file->name);
        file->bytes = bytes;
        file->data = malloc(bytes + 1);
        int fd = openat(sim->store.journal_fd, file->name, O_RDONLY | O_CLOEXEC);
        if (!file->data || segment_pread(fd, file->data, bytes, 0) != (ssize_t)bytes)
            die("cannot read", file->name);
        close(fd);
        epoch = ids[i].epoch;
    }
    free(ids);
    return epoch;
}

/* A start on what a random crash of an earlier one left. */
static void play_again(struct run *run, struct sim *sim, unsigned times)
{
    static struct disk_atom atoms[DISK_ATOMS_MAX];
    static struct disk_crash crash;
    struct found found;
    bool made = false;
    for (int tries = 0; !made && tries < 100; tries++) {
        crash.at = (unsigned)(next_random(sim) % (run->disk.op_count + 1));
        unsigned count = disk_atoms(&run->disk, crash.at, atoms);
        set_all(&crash, count, false);
        for (unsigned i = 0; i < count; i++)
            crash.kept[i] = next_random(sim) % 2;
        made = check(run, &crash, atoms, count);
    }
    recover_image(sim, &crash, 1, &found);
    run_close(run);
    uint32_t epoch = keep(sim);
    sim->before = found.records;
    play(run, sim, &found.states, epoch + 1, 0, 0, times);
}

static void run_all(struct sim *sim)
{
    static struct run run;
    struct states states;
    /* Once, a few times, for good. */
    static const unsigned fails[] = {1, 2, 5, FAILS_MAX};
    unsigned times = 2;
    for (unsigned round = 0; sim->images < sim->wanted; round++) {
        fresh(sim);
        states_open(sim, &states, 1);
        sim->empty_hash = states_hash(&states);
        unsigned asked = play(&run, sim, &states, 1, 0, 0, times);
        for (int again = 0; again < 2 && sim->images < sim->wanted; again++)
            play_again(&run, sim, times);
        run_close(&run);
        for (unsigned at = 1; at <= asked && sim->images < sim->wanted; at++) {
            fresh(sim);
            states_open(sim, &states, 1);
            play(&run, sim, &states, 1, at, fails[(at + round) % 4], times);
            sim->operations_failed++;
            run_close(&run);
        }
        times *= 2;
    }
    fresh(sim);
}

static void open_store(struct sim *sim)
{
    char text[2048], path[128], error[512];
    struct diag_list diags = {0};
    snprintf(sim->dir, sizeof sim->dir, "%s/trove-crash-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(sim->dir))
        die("cannot make", sim->dir);
    snprintf(path, sizeof path, "%s/catalog.tsv", sim->dir);
    FILE *file = fopen(path, "w");
    if (!file || fputs(catalog, file) < 0 || fclose(file))
        die("cannot write", path);
    /* The key of a data directory is made of chance; here it must be the same each time. */
    snprintf(path, sizeof path, "%s/key", sim->dir);
    file = fopen(path, "w");
    if (!file ||
        fwrite("the simulator's key, 32 bytes...", 1, HASH_SEED_BYTES, file) != HASH_SEED_BYTES ||
        fclose(file))
        die("cannot write", path);
    if (store_open(&sim->store, sim->dir, PARTITIONS, error))
        die("store", error);
    hash_key_init(&sim->key, sim->store.seed);
    int len = snprintf(text, sizeof text, conf_text, sim->dir, sim->dir);
    sim->conf = conf_load("crash.yaml", text, (size_t)len, &diags);
    sim->items = items_new(1000);
    if (sim->conf && store_catalogs(&sim->store, sim->conf) == 0 &&
        store_save(&sim->store, sim->conf) == 1)
        sim->rules = rules_build(sim->conf, 1, &sim->key, sim->items, &diags);
    diag_print(&diags, sim->err);
    diag_list_fini(&diags);
    if (!sim->rules)
        die("the configuration", "cannot be used");
}

static void close_store(struct sim *sim)
{
    char command[128];
    store_close(&sim->store);
    rules_free(sim->rules);
    items_free(sim->items);
    conf_free(sim->conf);
    free(sim->seen);
    snprintf(command, sizeof command, "rm -r %s", sim->dir);
    if (system(command)) /* NOLINT: made here */
        die("cannot remove", sim->dir);
}

static uint64_t number(const char *text)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end)
        die("not a number", text);
    return value;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"images", required_argument, NULL, 'i'}, {"seed", required_argument, NULL, 's'}, {0}};
    struct sim *sim = &sim_state;
    sim->wanted = 10000;
    sim->random = 1;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'i')
            sim->wanted = number(optarg);
        else if (option == 's')
            sim->random = number(optarg) * 2 + 1;
        else
            return 2;
    }
    /* What recovery says of each image is not for reading. */
    sim->err = fdopen(dup(2), "w");
    if (!sim->err || !freopen("/dev/null", "w", stderr))
        return 2;
    for (sim->seen_room = 1 << 16; sim->seen_room < 4 * sim->wanted; sim->seen_room *= 2)
        ;
    sim->seen = calloc(sim->seen_room, sizeof *sim->seen);
    if (!sim->seen)
        die("no memory", "images");
    open_store(sim);
    run_all(sim);
    printf("{\"images\":%llu,\"crash_points\":%llu,\"starts\":%llu,\"operations_failed\":%llu,"
           "\"given_up\":%llu,\"journals_cut\":%llu,\"corrections\":%llu,"
           "\"from_checkpoint\":%llu}\n",
           (unsigned long long)sim->images, (unsigned long long)sim->points,
           (unsigned long long)sim->starts, (unsigned long long)sim->operations_failed,
           (unsigned long long)sim->given_up, (unsigned long long)sim->torn,
           (unsigned long long)sim->corrections, (unsigned long long)sim->from_checkpoint);
    close_store(sim);
    fclose(sim->err);
    return 0;
}
