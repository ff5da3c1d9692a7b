/* topo_checkpoint.c - recovery at start, and the thread that makes checkpoints. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/base/clock.h"
#include "dataplane/recover.h"
#include "dataplane/replay.h"
#include "dataplane/topo.h"

#define WAIT_NS (200 * NS_PER_US) /* for a shard's copy, for a journal */
#define IDLE_NS (20 * NS_PER_MS)

/* SIGTERM and SIGINT are blocked: who waits for them later finds what is asked here. */
static bool stop_asked(void *arg)
{
    struct topo *topo = arg;
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    if (sigtimedwait(&wanted, NULL, &(struct timespec){0}) > 0)
        atomic_store(&topo->stop_wanted, true);
    return atomic_load(&topo->stop_wanted);
}

static void tell(const struct recovery *r)
{
    char name[CHECKPOINT_NAME_MAX] = "no checkpoint";
    if (r->checkpoint.number)
        checkpoint_name(r->checkpoint, name);
    fprintf(stderr,
            "recovered: %llu events from %llu segments, %u journals cut at an unfinished block, "
            "%llu differences; %s, %.1f s\n",
            (unsigned long long)r->events, (unsigned long long)r->segments, r->torn,
            (unsigned long long)r->differences, name, r->seconds);
}

int topo_recover(struct topo *topo, struct state **states, char error[512])
{
    const struct recover_request request = {
        .store = &topo->store,
        .key = &topo->key,
        .items = topo->items,
        .states = states,
        .shard_count = topo->plan.shard_count,
        .window_ns = topo->conf->events.dedupe_window_ns,
        .stop = stop_asked,
        .stop_arg = topo,
    };
    int rc = recover(&request, &topo->recovery, error);
    if (rc == RECOVER_STOPPED)
        snprintf(error, 512, "stopped while recovering; nothing was changed");
    if (rc)
        return -1;
    if (topo->recovery.segments || topo->recovery.checkpoint.number)
        tell(&topo->recovery);
    return topo_retain_begin(topo, error);
}

size_t topo_mirror_footprint(const struct topo *topo)
{
    if (!topo->conf->journal.checkpoint_ns || !topo->plan.shard_count)
        return 0;
    struct state_limits limits = replay_limits(topo->conf, topo->plan.shard_count, 0);
    return mirror_footprint(&limits) + arena_round(sizeof(struct mirror), 64) + 64;
}

int topo_make_mirror(struct topo *topo)
{
    struct checkpoint_thread *thread = &topo->checkpoint;
    size_t bytes = topo_mirror_footprint(topo);
    if (!bytes)
        return 0;
    if (arena_open(&thread->arena, bytes, -1, topo->huge))
        return -ENOMEM;
    struct state_limits limits = replay_limits(topo->conf, topo->plan.shard_count, 0);
    thread->mirror = arena_alloc(&thread->arena, sizeof *thread->mirror, 64);
    mirror_init(thread->mirror, &thread->arena, &limits);
    arena_seal(&thread->arena);
    return 0;
}

static void make_checkpointer(struct topo *topo)
{
    struct checkpointer_wiring wiring = {
        .ops = &file_posix,
        .dir_fd = topo->store.checkpoint_fd,
        .mirror = topo->checkpoint.mirror,
        .epoch = topo->store.epoch,
        .shard_count = topo->plan.shard_count,
        .partition_count = topo->conf->partitions,
        .key_fingerprint = topo->key.fingerprint,
        .items = topo->items,
        .item_count = &topo->items_saved,
    };
    for (uint32_t s = 0; s < topo->plan.shard_count; s++)
        wiring.marks[s] = &topo->journals[s].journal->mark;
    checkpointer_init(&topo->checkpoint.checkpointer, &wiring);
}

static void rest(uint64_t ns)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)ns}, NULL);
}

static void report(const struct checkpointer *c, int rc, int *told)
{
    if (rc < 0 && rc != *told)
        fprintf(stderr,
                "error: a checkpoint could not be made: %s; the one before it stays, and the "
                "journal that it needs\n",
                strerror(-rc));
    if (*told && atomic_load(&c->error) == 0)
        fprintf(stderr, "checkpoints are made again\n");
    if (rc < 0)
        *told = rc;
    else if (atomic_load(&c->error) == 0)
        *told = 0;
}

/* A stop waits for no checkpoint: what is not finished is none. */
static void *run(void *arg)
{
    struct checkpoint_thread *thread = arg;
    struct checkpointer *c = &thread->checkpointer;
    struct topo *topo = thread->topo;
    uint64_t due_ns = clock_monotonic_ns() + topo->conf->journal.checkpoint_ns;
    int told = 0;
    while (atomic_load_explicit(&topo->phase, memory_order_acquire) == PHASE_RUN) {
        uint64_t now = clock_monotonic_ns();
        if (now >= due_ns) {
            if (!checkpointer_begin(c))
                topo_retain(topo); /* what is kept grows older all the same */
            due_ns = now + topo->conf->journal.checkpoint_ns;
        }
        int rc = checkpointer_poll(c);
        if (rc > 0 && c->step == CHECKPOINTER_IDLE)
            topo_retain(topo);
        report(c, rc < 0 ? rc : -atomic_load(&c->error), &told);
        if (rc == 0)
            rest(c->step == CHECKPOINTER_IDLE ? IDLE_NS : WAIT_NS);
    }
    checkpointer_fini(c);
    return NULL;
}

int topo_start_checkpoints(struct topo *topo)
{
    struct checkpoint_thread *thread = &topo->checkpoint;
    if (!thread->mirror)
        return 0;
    thread->topo = topo;
    make_checkpointer(topo);
    int rc = topo_start_thread(&thread->thread, topo->plan.control_core, run, thread);
    thread->started = !rc;
    return rc;
}
