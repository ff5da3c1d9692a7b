/* history_node.c - the parts joined as topo.c joins them, for one worker core. */
#include "bench/history_node.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "dataplane/priority.h"
#include "dataplane/replay.h"
#include "graph/items.h"

#define BUDGET       (8ull * SHARD_BURST)
#define SLEEP_MIN_NS (20 * NS_PER_US)
#define STOCK_NS     (10 * NS_PER_MS)

static void pause_ns(uint64_t ns)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)ns}, NULL);
}

/* ---- the disk's threads ---- */

static void *run_journal(void *arg)
{
    struct history_node *node = arg;
    uint64_t sleep_max = node->conf->journal.group_commit_ns, pause = SLEEP_MIN_NS;
    priority_first(PRIORITY_JOURNAL);
    prctl(PR_SET_TIMERSLACK, 1000ul);
    for (;;) {
        bool last = atomic_load(&node->ending);
        int blocks = journal_poll(&node->journal);
        if (blocks > 0) {
            pause = SLEEP_MIN_NS;
            continue;
        }
        if (last)
            break;
        pause_ns(pause);
        pause = pause * 2 < sleep_max ? pause * 2 : sleep_max;
    }
    journal_fini(&node->journal);
    return NULL;
}

static void *run_stock(void *arg)
{
    struct history_node *node = arg;
    while (!atomic_load(&node->ending))
        if (journal_stock_poll(&node->stock) <= 0)
            pause_ns(STOCK_NS);
    return NULL;
}

static int start_threads(struct history_node *node, int core)
{
    cpu_set_t others, own;
    CPU_ZERO(&own);
    CPU_SET(core, &own);
    if (sched_getaffinity(0, sizeof others, &others))
        return -errno;
    CPU_CLR(core, &others);
    if (!CPU_COUNT(&others) || sched_setaffinity(0, sizeof others, &others))
        return -EINVAL;
    int rc = pthread_create(&node->journal_thread, NULL, run_journal, node);
    if (!rc)
        rc = pthread_create(&node->stock_thread, NULL, run_stock, node);
    if (!rc && sched_setaffinity(0, sizeof own, &own))
        rc = errno;
    return -rc;
}

/* ---- the parts ---- */

static int save_items(struct history_node *node)
{
    int fd =
        openat(node->store.dir_fd, "items.txt", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    int rc = out ? items_save(node->items, 0, out) : -errno;
    if (!rc && fsync(fd))
        rc = -errno;
    if (out)
        fclose(out);
    atomic_store(&node->item_count, items_count(node->items));
    return rc;
}

static int load_conf(struct history_node *node, const char *file, char error[512])
{
    struct diag_list diags = {0};
    node->store = (struct store)STORE_CLOSED;
    node->conf = conf_load_file(file, &diags);
    int rc = node->conf
                 ? store_open(&node->store, node->conf->data_dir, node->conf->partitions, error)
                 : -1;
    if (!rc) {
        hash_key_init(&node->key, node->store.seed);
        node->items = items_new(node->conf->limits.items);
        rc = store_catalogs(&node->store, node->conf);
    }
    if (!rc)
        node->rules = rules_build(node->conf, 0, &node->key, node->items, &diags);
    int version = node->rules ? store_save(&node->store, node->conf) : -1;
    if (version > 0)
        node->rules->version = (uint32_t)version;
    if (version <= 0 && (diags.count || !error[0]))
        snprintf(error, 512, "%s: %.400s", file, diags.count ? diags.diags[0].text : "not kept");
    diag_list_fini(&diags);
    return version > 0 ? save_items(node) : -1;
}

static void *part(struct history_node *node, size_t bytes)
{
    return arena_alloc(&node->arena, arena_round(bytes, 64), 64);
}

static size_t footprint(const struct history_node *node, const struct state_limits *limits,
                        uint32_t block_slots)
{
    uint32_t slots = node->conf->ring_slots;
    return state_footprint(limits) + event_ring_footprint(slots) + answer_ring_footprint(slots) +
           2 * block_ring_footprint(block_slots) + 4096 +
           node->conf->journal.buffer_blocks * (block_footprint() + sizeof(struct block) + 64);
}

static int make_disk(struct history_node *node, struct block_ring *filled, struct block_ring *empty)
{
    uint64_t bytes = node->conf->journal.segment_bytes & ~(uint64_t)(BLOCK_ALIGN - 1);
    bool uring = node->conf->journal.io != CONF_IO_SYNC && journal_uring_new(&node->uring) == 0;
    const struct journal_stock_wiring stock = {
        .ops = uring ? journal_uring_ops(node->uring) : journal_file_posix,
        .dir_fd = node->store.journal_fd,
        .ahead = node->conf->journal.ahead,
        .reserve = node->conf->journal.reserve,
        .segment_bytes = bytes,
    };
    const struct journal_wiring wiring = {
        .ops = stock.ops,
        .stock = &node->stock,
        .epoch = node->store.epoch,
        .shard_count = 1,
        .partition_count = node->conf->partitions,
        .key_fingerprint = node->key.fingerprint,
        .segment_bytes = bytes,
        .from_shard = filled,
        .to_shard = empty,
    };
    int rc = journal_stock_init(&node->stock, &stock);
    return rc ? rc : journal_init(&node->journal, &wiring);
}

static int make_mirror(struct history_node *node, const struct state_limits *limits)
{
    if (arena_open(&node->mirror_arena, mirror_footprint(limits), -1, false))
        return -ENOMEM;
    mirror_init(&node->mirror, &node->mirror_arena, limits);
    const struct checkpointer_wiring wiring = {
        .ops = &file_posix,
        .dir_fd = node->store.checkpoint_fd,
        .mirror = &node->mirror,
        .epoch = node->store.epoch,
        .shard_count = 1,
        .partition_count = node->conf->partitions,
        .key_fingerprint = node->key.fingerprint,
        .marks = {&node->journal.mark},
        .items = node->items,
        .item_count = &node->item_count,
    };
    checkpointer_init(&node->checkpointer, &wiring);
    return 0;
}

static void join_shard(struct history_node *node, struct block_ring *filled,
                       struct block_ring *empty)
{
    for (uint32_t b = 0; b < node->conf->journal.buffer_blocks; b++) {
        struct block_ref ref = {.block = part(node, sizeof(struct block))};
        block_init(ref.block, &node->arena);
        block_ring_push_burst(empty, &ref, 1);
    }
    struct shard_wiring wiring = {
        .source_count = 1,
        .sources = &node->events,
        .answers = &node->answers,
        .to_journal = filled,
        .from_journal = empty,
        .mark = &node->journal.mark,
        .mirror = &node->mirror,
        .next_ordinal = 1,
        .group_commit_ns = node->conf->journal.group_commit_ns,
    };
    shard_init(&node->shard, node->state, node->rules, &wiring);
}

static int make_parts(struct history_node *node)
{
    struct state_limits limits = replay_limits(node->conf, 1, 0);
    uint32_t slots = node->conf->ring_slots, block_slots = 1;
    while (block_slots < node->conf->journal.buffer_blocks)
        block_slots *= 2;
    if (arena_open(&node->arena, footprint(node, &limits, block_slots), -1, false))
        return -ENOMEM;
    struct block_ring *filled = part(node, sizeof *filled), *empty = part(node, sizeof *empty);
    node->state = state_init(&node->arena, &limits);
    node->events = part(node, sizeof *node->events);
    node->answers = part(node, sizeof *node->answers);
    event_ring_init(node->events, &node->arena, slots);
    answer_ring_init(node->answers, &node->arena, slots);
    block_ring_init(filled, &node->arena, block_slots);
    block_ring_init(empty, &node->arena, block_slots);
    int rc = make_disk(node, filled, empty);
    if (!rc)
        rc = make_mirror(node, &limits);
    if (!rc)
        join_shard(node, filled, empty);
    return rc;
}

/* What the CONFIG record says, as topo_conf.c has it. */
static int take_rules(struct history_node *node)
{
    char digest[17];
    snprintf(digest, sizeof digest, "%016llx",
             (unsigned long long)hash64(&node->key, node->conf->text, node->conf->text_len));
    json_t *hunts = json_array();
    for (uint32_t i = 0; i < node->rules->hunt_count; i++)
        json_array_append_new(hunts, json_string(node->rules->hunts[i].name));
    json_t *body = json_pack("{s:i, s:s, s:s, s:o}", "version", (int)node->rules->version, "digest",
                             digest, "applied", "2026-01-01T00:00:00.000Z", "hunts", hunts);
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    int rc =
        text ? shard_reconfigure(&node->shard, node->rules, text, (uint32_t)strlen(text)) : -ENOMEM;
    free(text);
    json_decref(body);
    return rc;
}

int history_node_open(struct history_node *node, const char *file, int core, char error[512])
{
    memset(node, 0, sizeof *node);
    error[0] = '\0';
    if (load_conf(node, file, error))
        return -1;
    int rc = make_parts(node);
    if (!rc)
        rc = start_threads(node, core);
    if (!rc)
        rc = take_rules(node);
    if (rc)
        snprintf(error, 512, "cannot make a shard and its journal: %s", strerror(-rc));
    return rc ? -1 : 0;
}

/* ---- the worker ---- */

void history_node_poll(struct history_node *node)
{
    struct answer answers[64];
    uint32_t count;
    (void)shard_poll(&node->shard, clock_monotonic_ns(), BUDGET);
    while ((count = answer_ring_pop_burst(node->answers, answers, 64)) != 0) {
        node->answered += count;
        for (uint32_t i = 0; i < count; i++)
            node->refused += answers[i].result == RESULT_REFUSED;
    }
}

void history_node_submit(struct history_node *node, const uint8_t *bytes, uint32_t len,
                         uint64_t receive_ns)
{
    struct event event = {.reason = REASON_none};
    event_parse(&node->rules->limits, &node->key, bytes, len, &event);
    event.bytes = bytes;
    event.len = (uint16_t)len;
    event.receive_ns = receive_ns;
    event.wire_ns = clock_monotonic_ns();
    event.partition = event_partition(event.user_key.hi, node->conf->partitions);
    while (!event_ring_push_burst(node->events, &event, 1))
        history_node_poll(node);
    if (++node->submitted - node->answered >= BUDGET)
        history_node_poll(node);
}

void history_node_settle(struct history_node *node)
{
    while (node->answered < node->submitted)
        history_node_poll(node);
    while (!shard_flush(&node->shard))
        pause_ns(SLEEP_MIN_NS);
}

int history_node_checkpoint(struct history_node *node)
{
    uint64_t made = atomic_load(&node->checkpointer.made);
    if (!checkpointer_begin(&node->checkpointer))
        return -EIO;
    while (node->checkpointer.step != CHECKPOINTER_IDLE) {
        history_node_poll(node);
        int rc = checkpointer_poll(&node->checkpointer);
        if (rc < 0)
            return rc;
    }
    return atomic_load(&node->checkpointer.made) > made ? 0 : -EIO;
}

void history_node_close(struct history_node *node)
{
    history_node_settle(node);
    journal_end_soon(&node->journal);
    atomic_store(&node->ending, true);
    pthread_join(node->journal_thread, NULL);
    pthread_join(node->stock_thread, NULL);
    checkpointer_fini(&node->checkpointer);
    journal_stock_fini(&node->stock);
    journal_uring_free(node->uring);
    arena_close(&node->mirror_arena);
    arena_close(&node->arena);
    store_close(&node->store);
    rules_free(node->rules);
    conf_free(node->conf);
    items_free(node->items);
}
