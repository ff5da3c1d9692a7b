/* recover.c - a checkpoint, the journals behind it, and the ends of journals that a crash left. */
#include "dataplane/recover.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "dataplane/recover_impl.h"

#define LOOK_NS     (100 * NS_PER_MS) /* for a reason to stop */
#define PROGRESS_NS (2 * NS_PER_S)

/* ---- a step of all threads ---- */

/* Nothing else runs yet: every core will do. */
static void use_any_core(void)
{
    cpu_set_t all;
    memset(&all, 0xff, sizeof all);
    (void)pthread_setaffinity_np(pthread_self(), sizeof all, &all);
}

static void *run_step(void *arg)
{
    struct rebuild *rebuild = arg;
    struct recover_work *work = rebuild->work;
    use_any_core();
    rebuild->rc = work->step(rebuild);
    pthread_mutex_lock(&work->lock);
    work->running--;
    pthread_cond_signal(&work->ended);
    pthread_mutex_unlock(&work->lock);
    return NULL;
}

/* The slowest is the one to wait for. */
static double fraction_done(const struct recover_work *work)
{
    uint64_t least = UINT64_MAX;
    if (work->step != recover_replay)
        return (double)atomic_load(&work->loaded) / work->request->store->partition_count;
    for (uint32_t s = 0; s < work->count; s++) {
        uint64_t passed = atomic_load(&work->rebuilds[s].replay.passed);
        least = passed < least ? passed : least;
    }
    return work->bytes ? (double)least / (double)work->bytes : 1;
}

static void tell_progress(const struct recover_work *work, uint64_t spent_ns)
{
    double done = fraction_done(work), spent = (double)spent_ns / NS_PER_S;
    if (done > 1)
        done = 1;
    if (done > 0.001)
        fprintf(stderr, "recovering: %s, %.0f %%, about %.0f s left\n", work->doing, done * 100,
                spent * (1 - done) / done);
    else
        fprintf(stderr, "recovering: %s, begun\n", work->doing);
}

static void wait_for_threads(struct recover_work *work)
{
    uint64_t began = clock_monotonic_ns(), told = began;
    const struct recover_request *request = work->request;
    pthread_mutex_lock(&work->lock);
    while (work->running) {
        uint64_t until = clock_realtime_ns() + LOOK_NS;
        const struct timespec at = {.tv_sec = (time_t)(until / NS_PER_S),
                                    .tv_nsec = (long)(until % NS_PER_S)};
        if (pthread_cond_timedwait(&work->ended, &work->lock, &at) == 0)
            continue;
        pthread_mutex_unlock(&work->lock);
        uint64_t now = clock_monotonic_ns();
        if (request->stop && request->stop(request->stop_arg))
            atomic_store(&work->stop, true);
        if (now - told >= PROGRESS_NS) {
            tell_progress(work, now - began);
            told = now;
        }
        pthread_mutex_lock(&work->lock);
    }
    pthread_mutex_unlock(&work->lock);
}

static void start_thread(struct recover_work *work, struct rebuild *rebuild)
{
    pthread_mutex_lock(&work->lock);
    work->running++;
    pthread_mutex_unlock(&work->lock);
    rebuild->started = pthread_create(&rebuild->thread, NULL, run_step, rebuild) == 0;
    if (!rebuild->started) /* then here */
        run_step(rebuild);
}

int recover_step(struct recover_work *work, int (*step)(struct rebuild *rebuild), const char *doing,
                 char error[512])
{
    uint32_t count = work->count;
    work->step = step;
    work->doing = doing;
    for (uint32_t s = 0; s < count; s++)
        if (work->request->alone)
            work->rebuilds[s].rc = step(&work->rebuilds[s]);
        else
            start_thread(work, &work->rebuilds[s]);
    if (!work->request->alone)
        wait_for_threads(work);
    for (uint32_t s = 0; s < count; s++) {
        if (work->rebuilds[s].started)
            pthread_join(work->rebuilds[s].thread, NULL);
        work->rebuilds[s].started = false;
    }
    if (atomic_load(&work->stop))
        return RECOVER_STOPPED;
    for (uint32_t s = 0; s < count; s++) {
        if (!work->rebuilds[s].rc)
            continue;
        snprintf(error, 512, "%s", work->rebuilds[s].error);
        return work->rebuilds[s].rc;
    }
    return 0;
}

/* ---- the ends of journals ---- */

/* The end of a journal, at which its file may go on. What a crash left unfinished was never
 * durable: it is cut, so that no later reader meets it, and with it the room that was kept for
 * more. */
static int end_journal(struct rebuild *rebuild, struct replay_tail tail)
{
    const struct store *store = rebuild->replay.store;
    char name[SEGMENT_NAME_MAX];
    uint64_t bytes;
    int rc = segment_bytes(store->journal_fd, tail.id, &bytes);
    if (!rc && bytes <= tail.offset)
        return 0;
    if (!rc)
        rc = segment_cut(store->journal_fd, tail.id, tail.offset);
    segment_name(tail.id, name);
    if (rc) {
        snprintf(rebuild->replay.error, 512, "segment %s cannot be cut at its end: %s", name,
                 strerror(-rc));
        return -1;
    }
    if (tail.torn) {
        rebuild->result.torn++;
        fprintf(stderr, "segment %s: cut at offset %llu, behind which a write was not finished\n",
                name, (unsigned long long)tail.offset);
    }
    return 0;
}

/* Every thread has met the same ends. */
static int end_journals(struct recover_work *work, char error[512])
{
    struct rebuild *first = &work->rebuilds[0];
    for (uint32_t i = 0; i < first->tail_count; i++) {
        if (end_journal(first, first->tails[i])) {
            snprintf(error, 512, "%s", first->error);
            return -1;
        }
    }
    if (first->replay.unknown)
        fprintf(stderr, "data_dir %s: %u files in journal/ are not segments; they are left alone\n",
                work->request->store->path, first->replay.unknown);
    return 0;
}

/* ---- the whole ---- */

static int open_journals(struct recover_work *work, char error[512])
{
    const struct recover_request *request = work->request;
    for (uint32_t i = 0; i < work->count; i++) {
        struct rebuild *rebuild = &work->rebuilds[i];
        if (replay_open(&rebuild->replay, request->store, request->key, request->items,
                        rebuild->error)) {
            snprintf(error, 512, "%s", rebuild->error);
            return -1;
        }
        rebuild->replay.part = i;
        rebuild->replay.parts = work->count;
        if (work->start.epoch)
            replay_start_at(&rebuild->replay, &work->start);
    }
    work->bytes = replay_bytes(&work->rebuilds[0].replay);
    return 0;
}

/* count_of says how many threads there are to be: each shard gets as many as there are cores for,
 * since its partitions do not know of each other. */
static uint32_t count_of(const struct recover_request *request)
{
    long cores = request->alone ? 1 : sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t shards = request->shard_count, each = cores > 0 ? (uint32_t)cores / shards : 1;
    if (request->threads)
        each = request->threads;
    if (each > RECOVER_THREADS_MAX)
        each = RECOVER_THREADS_MAX;
    return shards * (each ? each : 1);
}

static int rebuild_init(struct rebuild *rebuild, struct recover_work *work, uint32_t index)
{
    struct arena arena;
    rebuild->work = work;
    rebuild->index = index;
    rebuild->replay.reader.fd = -1;
    rebuild->state = work->request->states[index % work->request->shard_count];
    rebuild->block = aligned_alloc(CHECKPOINT_ALIGN, CHECKPOINT_BLOCK_BYTES);
    rebuild->memory = aligned_alloc(64, state_view_footprint());
    if (!rebuild->block || !rebuild->memory)
        return -1;
    arena_init(&arena, rebuild->memory, state_view_footprint());
    rebuild->view = state_view(&arena, rebuild->state);
    return 0;
}

static int work_init(struct recover_work *work, const struct recover_request *request)
{
    *work = (struct recover_work){.request = request, .checkpoint = {.fd = -1}};
    pthread_mutex_init(&work->lock, NULL);
    pthread_mutex_init(&work->corrections, NULL);
    pthread_cond_init(&work->ended, NULL);
    uint32_t count = count_of(request);
    work->rebuilds = calloc(count, sizeof *work->rebuilds);
    while (work->rebuilds && work->count < count) {
        uint32_t i = work->count++;
        if (rebuild_init(&work->rebuilds[i], work, i))
            return -1;
    }
    return work->rebuilds ? 0 : -1;
}

static void work_fini(struct recover_work *work)
{
    for (uint32_t i = 0; i < work->count; i++) {
        struct rebuild *rebuild = &work->rebuilds[i];
        replay_close(&rebuild->replay);
        free(rebuild->tails);
        free(rebuild->block);
        free(rebuild->memory);
    }
    free(work->rebuilds);
    free(work->seq);
    checkpoint_close(&work->checkpoint);
    pthread_cond_destroy(&work->ended);
    pthread_mutex_destroy(&work->corrections);
    pthread_mutex_destroy(&work->lock);
}

static void sum_up(const struct recover_work *work, struct recovery *recovery)
{
    for (uint32_t i = 0; i < work->count; i++) {
        const struct recovery *part = &work->rebuilds[i].result;
        recovery->events += part->events;
        recovery->corrections += part->corrections;
        recovery->differences += part->differences;
        recovery->torn += part->torn;
        recovery->segments = part->segments; /* all have read the same */
    }
}

int recover(const struct recover_request *request, struct recovery *recovery, char error[512])
{
    struct recover_work work;
    uint64_t began = clock_monotonic_ns();
    memset(recovery, 0, sizeof *recovery);
    int rc = work_init(&work, request);
    if (rc)
        snprintf(error, 512, "no memory to recover");
    if (!rc && !request->from_first)
        rc = recover_load(&work, recovery, error);
    if (!rc)
        rc = open_journals(&work, error);
    if (!rc)
        rc = recover_step(&work, recover_replay, "reading the journal", error);
    if (!rc && !request->look)
        rc = end_journals(&work, error);
    if (!rc)
        sum_up(&work, recovery);
    recovery->seconds = (double)(clock_monotonic_ns() - began) / NS_PER_S;
    work_fini(&work);
    return rc;
}
