/* sim.c - the seeded simulator: the whole of the daemon in one process and one thread, on a
 * simulated clock, network and disk, with simulated clients; everything that happens comes from one
 * seed.
 *
 *   sim [--seeds N] [--from N] [--jobs N]     a line of figures; exit 1 where an oracle does not
 * hold
 *   --first: stop at the first that fails
 *   sim --seed N --trace                      one seed again, with what happens in it
 *
 * First a safety phase, in which anything may go wrong that the seed has turned on; then the faults
 * end, the daemon is started if need be, clients send again what they were not told is durable, and
 * all of it must become so.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_conf.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_fault.h"
#include "tests/sim/sim_node.h"
#include "tests/sim/sim_sink.h"

#define SEGMENTS_DIR SIM_DISK_ROOT "/data/journal"

struct sim_clock sim_clock;
struct random sim_random;
bool sim_tracing;

int __real_clock_gettime(clockid_t clock, struct timespec *now);

static uint64_t the_seed, stop_after = 10;
static FILE *out; /* stderr is the daemon's, and not for reading */

void sim_clock_pass(uint64_t ns)
{
    sim_clock.mono_ns += ns;
}

uint64_t sim_clock_real_ns(void)
{
    if (sim_clock.frozen_ns)
        return sim_clock.frozen_ns;
    return (uint64_t)((int64_t)sim_clock.mono_ns + sim_clock.real_offset_ns);
}

void sim_trace(const char *format, ...)
{
    va_list args;
    if (!sim_tracing)
        return;
    fprintf(out, "%12.6f ", (double)sim_clock.mono_ns / 1e9);
    va_start(args, format);
    vfprintf(out, format, args);
    va_end(args);
    fputc('\n', out);
}

void sim_fail(const char *format, ...)
{
    va_list args;
    fprintf(out, "seed %llu, at %.6f s: ", (unsigned long long)the_seed,
            (double)sim_clock.mono_ns / 1e9);
    va_start(args, format);
    vfprintf(out, format, args);
    va_end(args);
    fputc('\n', out);
    fflush(out);
    _exit(1);
}

/* ---- one seed ---- */

static uint32_t draw_shards(void)
{
    return 1 + random_below(&sim_random, 3);
}

static void draw(uint64_t seed)
{
    static const uint32_t partitions[] = {4, 16, 256};
    static const uint32_t slots[] = {8, 16, 64};
    sim_random.state = seed * 0x9e3779b97f4a7c15 + 1;
    sim_clock = (struct sim_clock){.mono_ns = NS_PER_S, .real_offset_ns = (int64_t)SIM_START_NS};
    sim_faults.active = false;
    sim_disk_make();
    sim_client_reset();
    sim_node = (struct sim_node){
        .shape = {.partitions = partitions[random_below(&sim_random, 3)],
                  .queues = 1 + random_below(&sim_random, SIM_WIRE_QUEUES),
                  .ring_slots = slots[random_below(&sim_random, 3)],
                  .ahead = 1 + (uint32_t)(seed % 3),
                  .reserve = random_below(&sim_random, 3),
                  .segment_bytes = (66ull + random_below(&sim_random, 40)) * BLOCK_ALIGN,
                  .group_commit_ns = random_below(&sim_random, 2) * NS_PER_MS}};
    sim_node.items = items_new(1000);
    sim_oracle_reset(sim_node.shape.partitions);
    sim_conf_draw(sim_node.shape.partitions);
    sim_faults_draw(seed);
}

/* Damage is told, by the name of a file, and nothing is changed; with the file from a copy all is
 * there again. */
static void mend(const char *error, bool changed, uint64_t read_errors)
{
    char path[SIM_DISK_PATH];
    if (!sim_disk_damaged(SEGMENTS_DIR, path))
        return;
    if (read_errors == sim_faults.fired[FAULT_read_error] && strstr(error, "restore")) {
        sim_check(strstr(error, ".seg"), "damage to %s is not told by name: %s", path, error);
        sim_check(!changed, "damage to %s is told, and files changed: %s", path, error);
    }
    sim_disk_restore(SEGMENTS_DIR);
}

static uint32_t shards_now;

static bool start_once(void)
{
    char error[512], path[SIM_DISK_PATH];
    uint64_t before = sim_disk_hash(SEGMENTS_DIR), errors = sim_faults.fired[FAULT_read_error];
    /* What a start has cut before it failed is not there to be found damaged. */
    static bool damaged;
    damaged |= sim_disk_damaged(SEGMENTS_DIR, path) != 0;
    if (sim_fault(FAULT_kill_recovery))
        sim_disk_die_at(1 + random_below(&sim_faults.random, 20));
    if (sim_node_start(shards_now, damaged, error) == 0) {
        sim_disk_die_at(0);
        sim_disk_accept(SEGMENTS_DIR);
        damaged = false;
        return true;
    }
    bool died = sim_node.died, changed = before != sim_disk_hash(SEGMENTS_DIR);
    sim_disk_start_again(died || random_chance(&sim_random, 300));
    if (!died)
        mend(error, changed, errors);
    return false;
}

static void start(void)
{
    uint32_t next = draw_shards();
    if (!shards_now || (next != shards_now && sim_fault(FAULT_shards_changed)))
        shards_now = next;
    bool active = sim_faults.active;
    for (unsigned tries = 0; !start_once(); tries++) {
        sim_check(tries < 20, "it does not start");
        sim_faults.active = active && tries < 10;
        if (tries == 10)
            sim_disk_room(UINT64_MAX); /* an operator has made some */
        sim_clock_pass(NS_PER_S);
    }
    sim_faults.active = active;
}

static void leave_files(void)
{
    static const char *const names[] = {
        SEGMENTS_DIR "/spare-000-000077.tmp", SEGMENTS_DIR "/spare-002-000001.tmp",
        SEGMENTS_DIR "/unknown.txt", SIM_DISK_ROOT "/data/config/.000009.yaml.new",
        SIM_DISK_ROOT "/data/.meta.new"};
    int fd =
        sim_disk_open(AT_FDCWD, names[random_below(&sim_faults.random, 5)], O_WRONLY | O_CREAT);
    if (fd < 0)
        return;
    sim_disk_write(fd, "half of what", 12);
    sim_disk_close(fd);
}

static void crash(bool power)
{
    sim_node_gone();
    sim_disk_start_again(power);
    if (sim_fault(FAULT_temporary_left))
        leave_files();
    if (sim_fault(FAULT_bit_rot) && !sim_disk_rot(SEGMENTS_DIR))
        sim_trace("nothing to rot");
}

static void poll_one(void)
{
    uint32_t s = random_below(&sim_random, sim_node.shard_count);
    switch (random_below(&sim_random, 7)) {
    case 0:
        sim_node_poll_rx(random_below(&sim_random, sim_node.shape.queues), true);
        break;
    case 1:
        sim_node_poll_shard(s, random_chance(&sim_random, 700) ? 1 : 32);
        break;
    case 2:
        sim_node_poll_journal(s);
        break;
    case 3:
        sim_node_poll_stock(s);
        break;
    case 4:
        sim_sink_poll(random_below(&sim_random, SIM_SINKS));
        break;
    default:
        sim_node_tap(s);
    }
}

static void turn_clock(void)
{
    if (sim_clock.frozen_ns && random_chance(&sim_faults.random, 20))
        sim_clock.frozen_ns = 0;
    if (!random_chance(&sim_random, 20))
        return;
    if (sim_fault(FAULT_clock_forward))
        sim_clock.real_offset_ns += random_below(&sim_faults.random, 20000) * (int64_t)NS_PER_MS;
    if (sim_fault(FAULT_clock_back))
        sim_clock.real_offset_ns -= random_below(&sim_faults.random, 20000) * (int64_t)NS_PER_MS;
    if (!sim_clock.frozen_ns && sim_fault(FAULT_clock_freeze))
        sim_clock.frozen_ns = sim_clock_real_ns();
}

static void operate(void)
{
    if (!random_chance(&sim_random, 30))
        return;
    if (sim_fault(FAULT_kill_reload)) {
        sim_disk_die_at(1 + random_below(&sim_faults.random, 8));
        sim_node_reload(true);
    }
    if (sim_fault(FAULT_reload_valid))
        sim_node_reload(true);
    if (sim_fault(FAULT_reload_invalid))
        sim_node_reload(false);
    if (sim_fault(FAULT_correction))
        sim_node_correct(false);
    if (sim_fault(FAULT_correction_again))
        sim_node_correct(true);
    if (sim_fault_is_on(FAULT_disk_full) && random_chance(&sim_faults.random, 200))
        sim_disk_room(random_chance(&sim_faults.random, 500)
                          ? UINT64_MAX
                          : random_below(&sim_faults.random, 1200000));
}

static void step(void)
{
    static const uint64_t times[] = {1000, 20000, 200000, 3000000, 100000000, 1000000000};
    if (random_chance(&sim_random, 60))
        sim_client_send(sim_node.shape.queues);
    turn_clock();
    operate();
    poll_one();
    sim_clock_pass(times[random_below(&sim_random, random_chance(&sim_random, 980) ? 3 : 6)]);
}

static void safety(void)
{
    uint32_t steps = 500 + random_below(&sim_random, 5000);
    for (uint32_t i = 0; i < steps; i++) {
        if (random_chance(&sim_random, 10) && sim_fault(FAULT_power_loss_inside))
            sim_disk_die_at(1 + random_below(&sim_faults.random, 30));
        step();
        bool dead = sim_disk_is_dead();
        bool power = dead || (random_chance(&sim_random, 20) && sim_fault(FAULT_power_loss));
        bool killed = !power && random_chance(&sim_random, 20) && sim_fault(FAULT_process_kill);
        if (power || killed) {
            sim_trace("%s", power ? "power lost" : "killed");
            crash(power);
            start();
        }
    }
    sim_disk_die_at(0);
    sim_disk_room(UINT64_MAX);
    sim_clock.frozen_ns = 0;
}

/* first_not_durable returns the first line of which no client was told that it is, or NULL. */
static const struct sim_line *first_not_durable(void)
{
    for (uint32_t i = 0; i < sim_client.count; i++)
        if (!sim_client.lines[i].durable)
            return &sim_client.lines[i];
    return NULL;
}

static void liveness(void)
{
    sim_faults.active = false;
    for (unsigned round = 0; round < 400 && first_not_durable(); round++) {
        sim_client_again(sim_node.shape.queues, 6);
        for (unsigned i = 0; i < 200; i++) {
            poll_one();
            sim_clock_pass(200 * NS_PER_US);
        }
        if (round % 50 == 0)
            sim_node_trace();
        /* Where there is no room for an id, there will be. */
        if (round > 100)
            sim_clock_pass(NS_PER_S);
    }
    const struct sim_line *line = first_not_durable();
    if (line)
        sim_node_trace();
    sim_check(!line, "what clients send again and again does not become durable: %.*s",
              (int)line->len, line->bytes);
}

static void drain_sinks(void)
{
    bool done = false;
    for (unsigned i = 0; i < 20000 && !done; i++) {
        for (uint32_t s = 0; s < sim_node.shard_count; s++) {
            sim_node_poll_shard(s, 1);
            sim_node_tap(s);
            sim_node_poll_journal(s);
        }
        done = true;
        for (unsigned k = 0; k < SIM_SINKS; k++)
            done &= sim_sink_poll(k);
        done &= sim_node_all_durable();
        sim_clock_pass(NS_PER_MS);
    }
    sim_check(done, "the sinks do not come to an end");
}

static void run_seed(uint64_t seed)
{
    the_seed = seed;
    draw(seed);
    start();
    safety();
    liveness();
    drain_sinks();
    sim_check(sim_node_stop(), "the journals are not flushed at the end");
    /* Whatever was not made durable is lost, and the states are built anew with other shards. */
    sim_disk_start_again(true);
    shards_now = 1 + shards_now % 3;
    start();
    drain_sinks();
    sim_oracle_walk(&sim_node.store, &sim_node.key, sim_node.items);
    sim_node_gone();
    sim_disk_start_again(false);
    sim_wire_free();
    sim_sink_free();
    sim_oracle_free();
    items_free(sim_node.items);
    sim_disk_free();
}

/* ---- many ---- */

struct totals {
    uint64_t seeds, failed, first_failed, events, starts, recovered, syncs, virtual_ms;
    uint64_t fired[FAULT_COUNT];
};

static void add_up(struct totals *totals)
{
#define ADD(to, value) __atomic_fetch_add(&(to), (value), __ATOMIC_RELAXED)
    ADD(totals->events, sim_client.count);
    ADD(totals->starts, sim_node.starts);
    ADD(totals->recovered, sim_node.recovered);
    ADD(totals->syncs, sim_disk_stats.syncs);
    ADD(totals->virtual_ms, sim_clock.mono_ns / NS_PER_MS);
    for (unsigned f = 0; f < FAULT_COUNT; f++)
        ADD(totals->fired[f], sim_faults.fired[f]);
}

static void child(uint64_t seed, struct totals *totals)
{
    if (!sim_tracing && !freopen("/dev/null", "w", stderr))
        _exit(2);
    run_seed(seed);
    add_up(totals);
    _exit(0);
}

/* Takes one child's end.  Returns false when there is none. */
static bool reap(struct totals *totals, pid_t *pids, const uint64_t *seeds, unsigned jobs)
{
    int status;
    pid_t pid = wait(&status);
    if (pid < 0)
        return false;
    totals->seeds++;
    for (unsigned i = 0; i < jobs; i++) {
        if (pids[i] != pid)
            continue;
        pids[i] = 0;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            continue;
        if (WIFSIGNALED(status))
            fprintf(out, "seed %llu: ended by signal %d\n", (unsigned long long)seeds[i],
                    WTERMSIG(status));
        if (!totals->failed++ || seeds[i] < totals->first_failed)
            totals->first_failed = seeds[i];
    }
    return true;
}

#define JOBS_MAX 64

static void run_all(struct totals *totals, uint64_t from, uint64_t count, unsigned jobs)
{
    static pid_t pids[JOBS_MAX];
    static uint64_t seeds[JOBS_MAX];
    uint64_t next = 0;
    unsigned running = 0;
    while (running || (next < count && totals->failed < stop_after)) {
        if (running < jobs && next < count && totals->failed < stop_after) {
            unsigned slot = 0;
            while (pids[slot])
                slot++;
            seeds[slot] = from + next++;
            fflush(NULL);
            pids[slot] = fork();
            if (pids[slot] == 0)
                child(seeds[slot], totals);
            running++;
        } else if (reap(totals, pids, seeds, jobs)) {
            running--;
        }
    }
}

static void print(const struct totals *t, double minutes)
{
    unsigned kinds = 0;
    for (unsigned f = 0; f < FAULT_COUNT; f++)
        kinds += t->fired[f] != 0;
    printf(
        "{\"seeds\":%llu,\"failed\":%llu,\"events\":%llu,\"starts\":%llu,\"recovered\":%llu,"
        "\"syncs\":%llu,\"virtual_s\":%llu,\"seeds_per_min\":%.0f,\"fault_kinds\":%u,\"faults\":{",
        (unsigned long long)t->seeds, (unsigned long long)t->failed, (unsigned long long)t->events,
        (unsigned long long)t->starts, (unsigned long long)t->recovered,
        (unsigned long long)t->syncs, (unsigned long long)t->virtual_ms / 1000,
        (double)t->seeds / minutes, kinds);
    const char *comma = "";
    for (unsigned f = 0; f < FAULT_COUNT; f++)
        if (t->fired[f]) {
            printf("%s\"%s\":%llu", comma, sim_fault_name(f), (unsigned long long)t->fired[f]);
            comma = ",";
        }
    printf("}}\n");
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seeds", required_argument, NULL, 'n'},
                                            {"from", required_argument, NULL, 'f'},
                                            {"jobs", required_argument, NULL, 'j'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"trace", no_argument, NULL, 't'},
                                            {"first", no_argument, NULL, '1'},
                                            {0}};
    uint64_t count = 200, from = 1;
    unsigned jobs = 1;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'n')
            count = strtoull(optarg, NULL, 10);
        else if (option == 'f')
            from = strtoull(optarg, NULL, 10);
        else if (option == 'j')
            jobs = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 's')
            from = strtoull(optarg, NULL, 10), count = 1;
        else if (option == '1')
            stop_after = 1;
        else if (option == 't')
            sim_tracing = true;
        else
            return 2;
    }
    jobs = jobs < 1 ? 1 : jobs > JOBS_MAX ? JOBS_MAX : jobs;
    out = fdopen(dup(2), "w");
    struct totals *totals =
        mmap(NULL, sizeof *totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!out || totals == MAP_FAILED)
        return 2;
    struct timespec began, ended;
    __real_clock_gettime(CLOCK_MONOTONIC, &began);
    run_all(totals, from, count, jobs);
    __real_clock_gettime(CLOCK_MONOTONIC, &ended);
    print(totals,
          ((double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9) /
              60);
    return totals->failed || totals->seeds != count;
}
