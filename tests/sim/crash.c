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
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/crash.h"

#define FAILS_MAX 100000u
#define FAIL_LOOK 16u   /* operations behind a failure at which power may be lost */
#define STRIDE    7919u /* a prime: what cannot look at all of a load sees something of each part */

static struct crash sim_state;

/* Time stands still but for what the load says, so that a seed gives the same images again. */
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    (void)clock;
    *now = (struct timespec){.tv_sec = (time_t)((START_NS + sim_state.waited_ns) / NS_PER_S)};
    return 0;
}

void crash_die(const char *what, const char *detail)
{
    fprintf(sim_state.err ? sim_state.err : stderr, "error: %s: %s\n", what, detail);
    exit(2);
}

uint64_t crash_random(struct crash *sim)
{
    sim->random ^= sim->random << 13;
    sim->random ^= sim->random >> 7;
    sim->random ^= sim->random << 17;
    return sim->random;
}

/* ---- which images ---- */

static void set_all(struct disk_crash *crash, unsigned count, bool kept)
{
    for (unsigned i = 0; i < count; i++)
        crash->kept[i] = kept;
    crash->torn_atom = DISK_ATOMS_MAX;
}

/* With many atoms, some of them: each would be the same as its neighbours. */
static bool chosen(struct crash *sim, unsigned i, unsigned count)
{
    return count <= 24 || i < 6 || i + 6 >= count || crash_random(sim) % count < 12;
}

static void each_one(struct crash_run *run, struct disk_crash *crash, const struct disk_atom *atoms,
                     unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (!chosen(run->sim, i, count))
            continue;
        set_all(crash, count, false);
        crash->kept[i] = true;
        crash_image_check(run, crash, atoms, count); /* alone */
        set_all(crash, count, true);
        crash->kept[i] = false;
        crash_image_check(run, crash, atoms, count); /* left out */
        for (unsigned j = i; j < count; j++)
            crash->kept[j] = false;
        crash_image_check(run, crash, atoms, count); /* those before it */
    }
}

static void torn_ones(struct crash_run *run, struct disk_crash *crash,
                      const struct disk_atom *atoms, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bool ends = i == 0 || i + 1 == count;
        if (run->disk.ops[atoms[i].op].kind != DISK_WRITE ||
            !(ends || crash_random(run->sim) % count < 3))
            continue;
        for (unsigned torn = 512; torn < BLOCK_ALIGN; torn += 512) {
            set_all(crash, count, crash_random(run->sim) % 2);
            for (unsigned j = 0; j <= i; j++)
                crash->kept[j] = true;
            crash->torn_atom = i;
            crash->torn = torn;
            crash_image_check(run, crash, atoms, count);
        }
    }
}

static void random_ones(struct crash_run *run, struct disk_crash *crash,
                        const struct disk_atom *atoms, unsigned count, unsigned times)
{
    for (; times && count > 1; times--) {
        uint64_t odds = 1 + crash_random(run->sim) % 15;
        set_all(crash, count, false);
        for (unsigned i = 0; i < count; i++)
            crash->kept[i] = crash_random(run->sim) % 16 < odds;
        if (crash_random(run->sim) % 4 == 0) {
            crash->torn_atom = (unsigned)(crash_random(run->sim) % count);
            crash->torn = 512 * (1 + (unsigned)(crash_random(run->sim) % 7));
        }
        crash_image_check(run, crash, atoms, count);
    }
}

static void crash_at(struct crash_run *run, unsigned at, bool thorough, unsigned times)
{
    static struct disk_atom atoms[DISK_ATOMS_MAX];
    static struct disk_crash crash;
    unsigned count = disk_atoms(&run->disk, at, atoms);
    crash.at = at;
    run->sim->points++;
    set_all(&crash, count, false);
    crash_image_check(run, &crash, atoms, count);
    set_all(&crash, count, true);
    crash_image_check(run, &crash, atoms, count);
    if (thorough) {
        each_one(run, &crash, atoms, count);
        torn_ones(run, &crash, atoms, count);
    }
    random_ones(run, &crash, atoms, count, times);
}

/* ---- runs ---- */

/* One start and its load, and every crash of it; returns the number of the journal's operations.
 * fail_at: from the n-th of them on fail_count fail, and only what comes of that is looked at. */
static unsigned play(struct crash_run *run, struct crash *sim, const struct crash_states *states,
                     uint32_t epoch, unsigned fail_at, unsigned fail_count, unsigned times)
{
    sim->history.count = sim->before;
    memset(sim->history.state_hash + sim->before, 0,
           sizeof sim->history.state_hash - sim->before * sizeof *sim->history.state_hash);
    sim->store.epoch = epoch + 1;
    crash_run_open(run, sim, states, epoch, fail_at, fail_count);
    bool whole = crash_run_load(run);
    unsigned asked = run->disk.asked;
    if (!whole && fail_count < FAILS_MAX)
        crash_die("the load", "did not end");
    if (fail_at > asked)
        crash_die("the load", "did not meet the operation that fails");
    sim->given_up += run->journal->counters.given_up;
    journal_fini(run->journal);
    unsigned from = fail_at ? run->disk.failed_from : 0, to = run->disk.op_count;
    /* Far behind a failure that passes, all is as without it. */
    if (fail_at && whole && to > from + FAIL_LOOK)
        to = from + FAIL_LOOK;
    unsigned span = to - from + 1;
    for (unsigned i = 0; i < span && sim->images < sim->until; i++)
        crash_at(run, from + (unsigned)((uint64_t)i * STRIDE % span), !fail_at, times);
    return asked;
}

static void fresh(struct crash *sim)
{
    for (unsigned i = 0; i < sim->kept_count; i++)
        free(sim->kept[i].data);
    sim->kept_count = 0;
    sim->before = 0;
}

/* keep takes over what the last image left, as a start finds it. Returns its highest epoch. */
static uint32_t keep(struct crash *sim)
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
            crash_die("cannot read", file->name);
        file->bytes = bytes;
        file->data = malloc(bytes + 1);
        int fd = openat(sim->store.journal_fd, file->name, O_RDONLY | O_CLOEXEC);
        if (!file->data || segment_pread(fd, file->data, bytes, 0) != (ssize_t)bytes)
            crash_die("cannot read", file->name);
        close(fd);
        epoch = ids[i].epoch;
    }
    free(ids);
    return epoch;
}

/* A start on what a random crash of an earlier one left. */
static void play_again(struct crash_run *run, struct crash *sim, unsigned times)
{
    static struct disk_atom atoms[DISK_ATOMS_MAX];
    static struct disk_crash crash;
    struct crash_image found;
    bool made = false;
    for (int tries = 0; !made && tries < 100; tries++) {
        crash.at = (unsigned)(crash_random(sim) % (run->disk.op_count + 1));
        unsigned count = disk_atoms(&run->disk, crash.at, atoms);
        set_all(&crash, count, false);
        for (unsigned i = 0; i < count; i++)
            crash.kept[i] = crash_random(sim) % 2;
        made = crash_image_check(run, &crash, atoms, count);
    }
    crash_image_recover(sim, &crash, 1, &found);
    crash_run_close(run);
    uint32_t epoch = keep(sim);
    sim->before = found.records;
    play(run, sim, &found.states, epoch + 1, 0, 0, times);
}

/* Of a few images there are some of every kind. */
static void share(struct crash *sim, unsigned part)
{
    uint64_t until = sim->images + sim->wanted / part + 1;
    sim->until = until < sim->wanted ? until : sim->wanted;
}

static void run_all(struct crash *sim)
{
    static struct crash_run run;
    struct crash_states states;
    /* Once, a few times, for good. */
    static const unsigned fails[] = {1, 2, 5, FAILS_MAX};
    unsigned times = 2;
    for (unsigned round = 0; sim->images < sim->wanted; round++) {
        fresh(sim);
        crash_states_open(sim, &states, 1);
        sim->empty_hash = crash_states_hash(&states);
        share(sim, 4);
        unsigned asked = play(&run, sim, &states, 1, 0, 0, times);
        for (int again = 0; again < 2 && sim->images < sim->wanted; again++) {
            share(sim, 8);
            play_again(&run, sim, times);
        }
        crash_run_close(&run);
        sim->until = sim->wanted;
        for (unsigned at = 1; at <= asked && sim->images < sim->wanted; at++) {
            fresh(sim);
            crash_states_open(sim, &states, 1);
            play(&run, sim, &states, 1, at, fails[(at + round) % 4], times);
            sim->operations_failed++;
            crash_run_close(&run);
        }
        times *= 2;
    }
    fresh(sim);
}

static uint64_t number(const char *text)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end)
        crash_die("not a number", text);
    return value;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"images", required_argument, NULL, 'i'}, {"seed", required_argument, NULL, 's'}, {0}};
    struct crash *sim = &sim_state;
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
        crash_die("no memory", "images");
    crash_store_open(sim);
    run_all(sim);
    printf("{\"images\":%llu,\"crash_points\":%llu,\"starts\":%llu,\"operations_failed\":%llu,"
           "\"given_up\":%llu,\"journals_cut\":%llu,\"corrections\":%llu,"
           "\"from_checkpoint\":%llu}\n",
           (unsigned long long)sim->images, (unsigned long long)sim->points,
           (unsigned long long)sim->starts, (unsigned long long)sim->operations_failed,
           (unsigned long long)sim->given_up, (unsigned long long)sim->torn,
           (unsigned long long)sim->corrections, (unsigned long long)sim->from_checkpoint);
    crash_store_close(sim);
    fclose(sim->err);
    return 0;
}
