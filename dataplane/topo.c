/* topo.c - building the parts, joining them, starting their threads. */
#include "dataplane/topo.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "dataplane/eal.h"
#include "dataplane/replay.h"

static uint32_t power_of_two(uint32_t n)
{
    uint32_t p = 4;
    while (p < n)
        p *= 2;
    return p;
}

static struct state_limits state_limits_of(const struct topo *topo, uint32_t shard)
{
    return replay_limits(topo->conf, topo->plan.shard_count, shard);
}

/* ---- memory: one arena a core ---- */

static uint32_t block_slots(const struct topo *topo)
{
    return power_of_two(topo->conf->journal.buffer_blocks + 1);
}

static size_t core_footprint(const struct topo *topo, const struct plan_core *core)
{
    size_t bytes = 4096, rings = topo->conf->ring_slots;
    uint32_t shards = topo->plan.shard_count;
    bytes += core->rx_count *
             (rx_footprint(shards) + arena_round(sizeof(struct rx), 64) + 64 +
              topo_http_footprint(topo) + shards * (answer_ring_footprint((uint32_t)rings) + 128));
    if (core->shard < 0)
        return bytes;
    struct state_limits limits = state_limits_of(topo, (uint32_t)core->shard);
    bytes += state_footprint(&limits) + arena_round(sizeof(struct shard), 64) + 64;
    bytes += topo->plan.rx_count * (event_ring_footprint((uint32_t)rings) + 128);
    bytes += 2 * (block_ring_footprint(block_slots(topo)) + 128);
    bytes += topo->conf->journal.buffer_blocks * block_footprint();
    bytes += correction_ask_ring_footprint(CORRECTION_RING_SLOTS) + 128;
    bytes += correction_answer_ring_footprint(CORRECTION_RING_SLOTS) + 128;
    return bytes;
}

/* What the kernel would give without pushing anybody out, and the huge pages that nobody has, in
 * bytes. */
static uint64_t memory_available(bool huge)
{
    char line[128];
    unsigned long long available_kib = 0, huge_count = 0;
    FILE *in = fopen("/proc/meminfo", "re");
    while (in && fgets(line, sizeof line, in))
        if (sscanf(line, "MemAvailable: %llu", &available_kib) != 1) /* NOLINT(cert-err34-c) */
            (void)sscanf(line, "HugePages_Free: %llu", &huge_count); /* NOLINT(cert-err34-c) */
    if (in)
        fclose(in);
    return available_kib * 1024 + (huge ? huge_count << 21 : 0);
}

static int no_memory(uint64_t bytes, uint64_t available, char error[512])
{
    snprintf(error, 512,
             "%llu MiB of memory needed for state, rings and journal buffers, %llu MiB available; "
             "lower limits.users, limits.claims, limits.corrections, events.dedupe.capacity, "
             "journal.buffer or, in listen.http, connections, requests, bodies or buffers",
             (unsigned long long)(bytes >> 20), (unsigned long long)(available >> 20));
    return -1;
}

/* The kernel promises more than it has: what cannot be had is found out before it is touched. */
static int open_arenas(struct topo *topo, char error[512])
{
    uint64_t bytes = topo_mirror_footprint(topo), available = memory_available(topo->huge);
    for (uint32_t c = 0; c < topo->plan.core_count; c++) {
        topo->cores[c].topo = topo;
        topo->cores[c].plan = &topo->plan.cores[c];
        bytes += core_footprint(topo, topo->cores[c].plan);
    }
    if (bytes > available)
        return no_memory(bytes, available, error);
    for (uint32_t c = 0; c < topo->plan.core_count; c++) {
        struct core *core = &topo->cores[c];
        if (arena_open(&core->arena, core_footprint(topo, core->plan), core->plan->node,
                       topo->huge))
            return no_memory(bytes, available, error);
    }
    return topo_make_mirror(topo) ? no_memory(bytes, available, error) : 0;
}

/* Memory of a node that had too little comes from another one, and every access to it goes there:
 * said, since nothing else shows it. */
static void check_node(struct core *core)
{
    if (arena_elsewhere(&core->arena, core->plan->node, &core->pages, &core->pages_elsewhere) ==
            0 &&
        core->pages_elsewhere)
        fprintf(
            stderr,
            "warning: core %u is on node %d, but %.0f%% of its memory is not: reserve more huge "
            "pages there\n",
            core->plan->core, core->plan->node,
            100 * (double)core->pages_elsewhere / (double)core->pages);
}

/* ---- parts and rings ---- */

/* event[rx][shard] lives with the shard, answer[rx][shard] with the rx part: each with who reads
 * it. */
struct rings {
    struct event_ring *event[PLAN_PARTS_MAX][PLAN_PARTS_MAX];
    struct answer_ring *answer[PLAN_PARTS_MAX][PLAN_PARTS_MAX];
    struct block_ring *to_journal[PLAN_PARTS_MAX];
    struct block_ring *from_journal[PLAN_PARTS_MAX];
};

static void *part(struct arena *arena, size_t bytes)
{
    void *at = arena_alloc(arena, bytes, 64);
    assert(at);
    return at;
}

static void make_rings(struct topo *topo, struct rings *rings)
{
    uint32_t slots = topo->conf->ring_slots;
    for (uint32_t c = 0; c < topo->plan.core_count; c++) {
        struct core *core = &topo->cores[c];
        int32_t shard = core->plan->shard;
        for (uint32_t r = 0; shard >= 0 && r < topo->plan.rx_count; r++) {
            rings->event[r][shard] = part(&core->arena, sizeof(struct event_ring));
            event_ring_init(rings->event[r][shard], &core->arena, slots);
        }
        for (uint32_t i = 0; i < core->plan->rx_count; i++) {
            uint32_t r = core->plan->rx[i];
            for (uint32_t s = 0; s < topo->plan.shard_count; s++) {
                rings->answer[r][s] = part(&core->arena, sizeof(struct answer_ring));
                answer_ring_init(rings->answer[r][s], &core->arena, slots);
            }
        }
        if (shard < 0)
            continue;
        rings->to_journal[shard] = part(&core->arena, sizeof(struct block_ring));
        rings->from_journal[shard] = part(&core->arena, sizeof(struct block_ring));
        block_ring_init(rings->to_journal[shard], &core->arena, block_slots(topo));
        block_ring_init(rings->from_journal[shard], &core->arena, block_slots(topo));
    }
}

static void make_correction_link(struct topo *topo, struct core *core)
{
    struct correction_link *link = &topo->corrections[core->plan->shard];
    link->asks = part(&core->arena, sizeof *link->asks);
    link->answers = part(&core->arena, sizeof *link->answers);
    correction_ask_ring_init(link->asks, &core->arena, CORRECTION_RING_SLOTS);
    correction_answer_ring_init(link->answers, &core->arena, CORRECTION_RING_SLOTS);
}

static void make_shard(struct topo *topo, struct rings *rings, struct core *core,
                       struct state *state)
{
    uint32_t index = (uint32_t)core->plan->shard;
    struct event_ring *sources[PLAN_PARTS_MAX];
    struct answer_ring *answers[PLAN_PARTS_MAX];
    for (uint32_t r = 0; r < topo->plan.rx_count; r++) {
        sources[r] = rings->event[r][index];
        answers[r] = rings->answer[r][index];
    }
    for (uint32_t b = 0; b < topo->conf->journal.buffer_blocks; b++) {
        struct block_ref ref = {.block = part(&core->arena, sizeof(struct block))};
        block_init(ref.block, &core->arena);
        block_ring_push_burst(rings->from_journal[index], &ref, 1);
    }
    make_correction_link(topo, core);
    struct shard_wiring wiring = {
        .index = index,
        .source_count = topo->plan.rx_count,
        .sources = sources,
        .answers = answers,
        .corrections = topo->corrections[index].asks,
        .corrected = topo->corrections[index].answers,
        .to_journal = rings->to_journal[index],
        .from_journal = rings->from_journal[index],
        .mark = &topo->journals[index].journal->mark,
        .mirror = topo->checkpoint.mirror,
        .next_ordinal = 1,
        .group_commit_ns = topo->conf->journal.group_commit_ns,
    };
    core->shard = part(&core->arena, sizeof *core->shard);
    shard_init(core->shard, state, topo->published->rules, &wiring);
    topo->shards[index] = core->shard;
}

static void net_of(const struct topo *topo, uint32_t p, struct net *net)
{
    const struct conf_port *conf = &topo->conf->ports[p];
    memset(net, 0, sizeof *net);
    memcpy(net->mac, topo->ports[p].mac, 6);
    net->udp_port = topo->conf->udp.port;
    net->tcp_port = topo->conf->http.port;
    net->max_datagram = topo->conf->udp.max_datagram;
    net->addr_count = conf->addr_count;
    for (uint32_t i = 0; i < conf->addr_count; i++) {
        net->addrs[i].family = conf->addrs[i].family;
        memcpy(net->addrs[i].bytes, conf->addrs[i].bytes, 16);
    }
}

static void make_rx(struct topo *topo, struct rings *rings, struct core *core, uint32_t r)
{
    const struct plan_rx *plan = &topo->plan.rx[r];
    const _Atomic bool *refusing[PLAN_PARTS_MAX];
    for (uint32_t s = 0; s < topo->plan.shard_count; s++)
        refusing[s] = &topo->journals[s].journal->refusing;
    struct rx_wiring wiring = {
        .port = port_queue_ops(&topo->ports[plan->port], plan->queue),
        .settings = {.limits = {.event_bytes = topo->conf->limits.event_bytes,
                                .event_depth = topo->conf->limits.event_depth},
                     .trailer = topo->conf->ports[plan->port].timestamp == CONF_TIMESTAMP_TRAILER},
        .key = &topo->key,
        .partition_count = topo->conf->partitions,
        .shard_count = topo->plan.shard_count,
        .ring_slots = topo->conf->ring_slots,
        .local_shard = core->plan->shard,
        .to_shard = rings->event[r],
        .answers = rings->answer[r],
        .refusing = refusing,
    };
    net_of(topo, plan->port, &wiring.net);
    struct rx *rx = part(&core->arena, sizeof *rx);
    rx_init(rx, &core->arena, &wiring);
    topo_http_make(topo, r, rx, &core->arena);
    core->rx[core->rx_count++] = topo->rx[r] = rx;
}

static int make_parts(struct topo *topo, struct state **states, char error[512])
{
    struct rings *rings = calloc(1, sizeof *rings);
    if (!rings) {
        snprintf(error, 512, "no memory for the rings");
        return -1;
    }
    make_rings(topo, rings);
    int rc = topo_disk_make(topo, rings->to_journal, rings->from_journal, error);
    for (uint32_t c = 0; !rc && c < topo->plan.core_count; c++) {
        struct core *core = &topo->cores[c];
        if (core->plan->shard >= 0)
            make_shard(topo, rings, core, states[core->plan->shard]);
        for (uint32_t i = 0; i < core->plan->rx_count; i++)
            make_rx(topo, rings, core, core->plan->rx[i]);
        arena_seal(&core->arena);
        check_node(core);
    }
    free(rings);
    return rc;
}

/* ---- starting ---- */

static int load_items(struct topo *topo, char error[512])
{
    topo->items = items_new(topo->conf->limits.items);
    int fd = openat(topo->store.dir_fd, "items.txt", O_RDWR | O_CLOEXEC);
    FILE *in = fd < 0 ? NULL : fdopen(fd, "r+");
    int rc = topo->items ? 0 : -ENOMEM;
    if (!rc && in)
        rc = items_load(topo->items, in);
    /* A line that a crash cut short was never used: away with it, before the next one is appended.
     */
    if (!rc && in && ftruncate(fd, ftello(in)))
        rc = -errno;
    if (!rc && !in && errno != ENOENT)
        rc = -errno;
    if (in)
        fclose(in);
    if (rc) {
        snprintf(error, 512, "data_dir %s: cannot read items.txt: %s", topo->store.path,
                 strerror(-rc));
        return -1;
    }
    topo->items_saved = items_count(topo->items);
    return 0;
}

/* EAL takes the packet buffers' memory before it tells how many queues a port has: counted for the
 * most a plan could use. */
static size_t buffer_bytes_max(const struct conf *conf, const struct machine *machine)
{
    uint32_t workers = machine->core_count > 1 ? machine->core_count - 1 : 1;
    size_t bytes = 0;
    if (!conf->lcores_auto)
        workers = conf->lcore_count;
    for (uint32_t p = 0; p < conf->port_count; p++) {
        uint32_t queues = conf->ports[p].rx_queues ? conf->ports[p].rx_queues : workers;
        if (queues > workers)
            queues = workers;
        if (strncmp(conf->ports[p].device, "net_", 4) == 0 && !conf->ports[p].rx_queues)
            queues = 1; /* virtual devices have one unless their arguments say more */
        bytes += (size_t)queues * port_buffer_count(conf, &conf->ports[p], workers) *
                 port_buffer_bytes(conf);
    }
    return bytes;
}

static int open_ports(struct topo *topo, struct machine *machine, char error[512])
{
    struct conf *conf = topo->conf;
    machine->port_count = conf->port_count;
    for (uint32_t p = 0; p < conf->port_count; p++) {
        if (port_find(&conf->ports[p], &topo->ports[p], error))
            return -1;
        machine->ports[p].node = topo->ports[p].node;
        machine->ports[p].queues_max = topo->ports[p].queues_max;
        if (strncmp(conf->ports[p].device, "net_", 4) == 0 && !conf->ports[p].rx_queues)
            machine->ports[p].queues_max = 1;
    }
    return plan_make(conf, machine, &topo->plan, error);
}

static int start_ports(struct topo *topo, char error[512])
{
    int32_t nodes[CONF_PORTS_MAX][PLAN_PARTS_MAX] = {0};
    for (uint32_t r = 0; r < topo->plan.rx_count; r++) {
        const struct plan_rx *rx = &topo->plan.rx[r];
        nodes[rx->port][rx->queue] = topo->plan.cores[rx->core].node;
    }
    for (uint32_t p = 0; p < topo->conf->port_count; p++)
        if (port_open(&topo->ports[p], topo->conf, &topo->conf->ports[p], topo->plan.queues[p],
                      topo->plan.shard_count, nodes[p], error))
            return -1;
    return 0;
}

static int make_states(struct topo *topo, struct state **states, char error[512])
{
    for (uint32_t c = 0; c < topo->plan.core_count; c++) {
        struct core *core = &topo->cores[c];
        if (core->plan->shard < 0)
            continue;
        struct state_limits limits = state_limits_of(topo, (uint32_t)core->plan->shard);
        states[core->plan->shard] = state_init(&core->arena, &limits);
        assert(states[core->plan->shard]);
    }
    return topo_recover(topo, states, error);
}

int topo_start_thread(pthread_t *thread, uint32_t core, void *(*body)(void *), void *arg)
{
    pthread_attr_t attr;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    pthread_attr_init(&attr);
    int rc = pthread_attr_setaffinity_np(&attr, sizeof set, &set);
    if (!rc)
        rc = pthread_create(thread, &attr, body, arg);
    pthread_attr_destroy(&attr);
    return rc;
}

static int start_threads(struct topo *topo, char error[512])
{
    uint32_t control = topo->plan.control_core;
    int rc = 0;
    for (uint32_t s = 0; !rc && s < topo->plan.shard_count; s++) {
        struct journal_thread *journal = &topo->journals[s];
        rc = topo_start_thread(&journal->thread, control, journal_run, journal);
        journal->started = !rc;
    }
    if (!rc) {
        rc = topo_start_thread(&topo->stock_thread, control, stock_run, topo);
        topo->stock_started = !rc;
    }
    if (!rc && topo->conf->journal.compress_after_ns) {
        rc = topo_start_thread(&topo->pack_thread, control, pack_run, topo);
        topo->pack_started = !rc;
    }
    if (!rc)
        rc = sinks_start(topo);
    if (!rc)
        rc = topo_start_feed(topo);
    if (!rc)
        rc = topo_start_checkpoints(topo);
    for (uint32_t c = 0; !rc && c < topo->plan.core_count; c++) {
        struct core *core = &topo->cores[c];
        rc = topo_start_thread(&core->thread, core->plan->core, core_run, core);
        core->started = !rc;
    }
    if (rc)
        snprintf(error, 512, "cannot start a thread: %s", strerror(rc));
    return rc ? -1 : 0;
}

int topo_start(struct topo *topo, struct conf *conf, struct diag_list *diags, char error[512])
{
    struct machine machine;
    struct state *states[PLAN_PARTS_MAX] = {0};
    memset(topo, 0, sizeof *topo);
    pthread_mutex_init(&topo->apply_lock, NULL);
    pthread_mutex_init(&topo->read_lock, NULL);
    pthread_mutex_init(&topo->sinks.lock, NULL);
    topo->conf = conf;
    topo->inherited = priority_get();
    topo->start_ns = clock_monotonic_ns();
    topo->store = (struct store)STORE_CLOSED;
    machine_probe(&machine);
    if (store_open(&topo->store, conf->data_dir, conf->partitions, error) ||
        load_items(topo, error))
        return -1;
    hash_key_init(&topo->key, topo->store.seed);
    if (topo_http_key(topo, error) || topo_first(topo, diags, error))
        return -1;
    struct stat st;
    if (fstat(topo->store.dir_fd, &st) == 0)
        machine.disk_core = interrupts_core("", st.st_dev);
    uint32_t control = plan_control_core(conf, &machine);
    if (eal_start(conf, control, buffer_bytes_max(conf, &machine), &topo->huge, error) ||
        open_ports(topo, &machine, error) || open_arenas(topo, error) ||
        make_states(topo, states, error) || start_ports(topo, error) ||
        make_parts(topo, states, error))
        return -1;
    return sinks_open(topo, error) ? -1 : start_threads(topo, error);
}
