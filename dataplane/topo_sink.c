/* topo_sink.c - one sink: made, run, paused. */
#include "dataplane/topo_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/counter.h"
#include "dataplane/topo.h"
#include "sinks/cursor.h"

#define PUMP_BUDGET   SINK_BATCH_MAX
#define PUMP_SLEEP_NS NS_PER_MS
#define RETRY_MIN_NS  (100 * NS_PER_MS)
#define RETRY_MAX_NS  (5 * NS_PER_S)
#define RETRY_TICK_NS (20 * NS_PER_MS)

static const struct sink_ops *const sink_types[] = {
    [CONF_SINK_FILE] = &sink_file_ops,  [CONF_SINK_REDIS] = &sink_redis_ops,
    [CONF_SINK_NATS] = &sink_nats_ops,  [CONF_SINK_WEBHOOK] = &sink_webhook_ops,
    [CONF_SINK_S3] = &sink_archive_ops, [CONF_SINK_KAFKA] = &sink_kafka_ops,
};

static const struct sink_ops *ops_of(const struct conf_sink *conf)
{
    return conf->directory[0] ? &sink_parts_ops : sink_types[conf->type];
}

/* ---- modes ---- */

/* What an operator said outlives the daemon: `paused` or `drain` in a file, no file for a sink that
 * runs. A file that a crash cut short was written by somebody who did not want it to run. */
static enum pump_mode load_mode(const char *path)
{
    char text[16] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? PUMP_RUN : PUMP_PAUSED;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    return n > 0 && strcmp(text, "drain\n") == 0 ? PUMP_DRAIN : PUMP_PAUSED;
}

static int write_mode(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return -errno;
    size_t len = strlen(text);
    ssize_t n = write(fd, text, len);
    int rc = n == (ssize_t)len ? 0 : n < 0 ? -errno : -ENOSPC;
    if (!rc && fsync(fd))
        rc = -errno;
    close(fd);
    return rc;
}

static int keep_mode(struct sink_thread *sink, enum pump_mode mode)
{
    int rc = 0;
    if (mode != PUMP_RUN)
        rc = write_mode(sink->mode_path, mode == PUMP_DRAIN ? "drain\n" : "paused\n");
    else if (unlink(sink->mode_path) && errno != ENOENT)
        rc = -errno;
    if (!rc && fsync(sink->topo->store.sinks_fd))
        rc = -errno;
    if (!rc)
        sink->kept = mode;
    return rc;
}

int sink_set_mode(struct sink_thread *sink, enum pump_mode mode)
{
    if (sink->conf.paused)
        return -EPERM;
    int rc = keep_mode(sink, mode);
    if (!rc)
        pump_set_mode(sink->pump, mode);
    return rc;
}

/* ---- made ---- */

static int copy_conf(struct conf_sink *to, const struct conf_sink *from)
{
    *to = *from;
    if (!from->hunt_count)
        return 0;
    to->hunt = calloc(from->hunt_count, sizeof *to->hunt);
    if (!to->hunt)
        return -ENOMEM;
    memcpy(to->hunt, from->hunt, from->hunt_count * sizeof *to->hunt);
    return 0;
}

/* A sink of many files keeps by itself where they are; others may write to that directory. */
static int tell_target(const struct conf_sink *conf, char *text, size_t room)
{
    if (conf->directory[0])
        return snprintf(text, room, "directory %s", conf->name);
    if (conf->type == CONF_SINK_S3)
        return snprintf(text, room, "%d %s %s %s", (int)conf->type, conf->endpoint, conf->bucket,
                        conf->prefix);
    if (conf->type == CONF_SINK_KAFKA)
        return snprintf(text, room, "%d %s %s", (int)conf->type, conf->address, conf->topic);
    return snprintf(text, room, "%d %s %s %s %u %s", (int)conf->type, conf->path, conf->address,
                    conf->stream, conf->database, conf->url);
}

static uint64_t hash_target(const struct topo *topo, const struct conf_sink *conf)
{
    char text[3 * CONF_PATH_MAX + 2 * CONF_NAME_MAX + 64];
    int len = tell_target(conf, text, sizeof text);
    uint64_t hash = hash64(&topo->key, text, (size_t)len);
    return hash ? hash : 1;
}

static bool journal_begins(const void *arg, struct sink_cursor *at)
{
    const struct topo *topo = arg;
    struct horizon horizon;
    if (horizon_load(topo->store.dir_fd, &horizon) || horizon_is_whole(&horizon))
        return false;
    *at = (struct sink_cursor){.epoch = horizon.epoch, .shard_count = horizon.shard_count};
    for (uint32_t s = 0; s < horizon.shard_count; s++)
        at->at[s].number = horizon.number[s];
    return true;
}

static int make_pump(struct sink_thread *sink, uint32_t outcomes)
{
    const struct topo *topo = sink->topo;
    struct pump_wiring wiring = {
        .name = sink->conf.name[0] ? sink->conf.name : sink->ops->type,
        .cursor_path = sink->cursor_path,
        .journal_dir_fd = topo->store.journal_fd,
        .epoch = topo->store.epoch,
        .shard_count = topo->plan.shard_count,
        .outcomes = outcomes,
        .hunts = sink->conf.hunt,
        .hunt_count = sink->conf.hunt_count,
        .dead_path = sink->ops->remote ? sink->dead_path : NULL,
        .origin = &sink->origin,
        .target = sink->target,
        .begins = journal_begins,
        .begins_arg = topo,
        .confirm_after_ns = sink->conf.type == CONF_SINK_NATS ? sink->conf.confirm_after_ns : 0,
        .ops = sink->ops,
        .sink = sink->sink,
    };
    for (uint32_t s = 0; s < topo->plan.shard_count; s++)
        wiring.marks[s] = &topo->journals[s].journal->mark;
    return pump_new(&sink->pump, &wiring);
}

static void name_files(struct sink_thread *sink)
{
    const char *dir = sink->topo->store.path, *name = sink->conf.name;
    size_t room = sizeof sink->cursor_path;
    snprintf(sink->cursor_path, room, "%s/sinks/%s.cursor", dir, name);
    snprintf(sink->dead_path, room, "%s/sinks/%s.dead", dir, name);
    snprintf(sink->state_path, room, "%s/sinks/%s.files", dir, name);
    snprintf(sink->mode_path, room, "%s/sinks/%s.mode", dir, name);
}

struct sink_thread *sink_make(struct topo *topo, const struct conf_sink *conf, const char *pop)
{
    char journal[LINE_JOURNAL_MAX + 1];
    struct sink_thread *sink = calloc(1, sizeof *sink);
    if (!sink)
        return NULL;
    sink->topo = topo;
    sink->ops = ops_of(conf);
    line_journal_name(&topo->key, journal);
    if (copy_conf(&sink->conf, conf) ||
        line_origin_init(&sink->origin, pop, topo->conf->host, journal))
        goto fail;
    name_files(sink);
    sink->target = hash_target(topo, conf);
    sink->sink = sink->ops->make(&(struct sink_setup){
        .conf = &sink->conf, .origin = &sink->origin, .state_path = sink->state_path});
    if (!sink->sink || make_pump(sink, conf->outcomes))
        goto fail;
    sink->kept = load_mode(sink->mode_path);
    pump_set_mode(sink->pump, conf->paused ? PUMP_PAUSED : sink->kept);
    return sink;
fail:
    sink_free(sink);
    return NULL;
}

/* The cursor of the leaderboards is that of the file that they were saved in; without one they are
 * counted from the journal's beginning. */
static int place_board(const struct topo *topo, const char *cursor_path, bool anew)
{
    struct sink_cursor saved = {0}, none;
    struct cursor cursor;
    char path[CONF_PATH_MAX + 96];
    snprintf(path, sizeof path, "%s/sinks/leaderboards.board", topo->store.path);
    int rc = anew ? -ENOENT : board_load(topo->board, path, &saved);
    if (rc == -EBADMSG)
        fprintf(stderr,
                "%s does not verify: leaderboards are counted from the journal's "
                "beginning\n",
                path);
    (void)unlink(cursor_path);
    if (anew)
        board_save_to(topo->board, path);
    if (!saved.version)
        return 0;
    rc = cursor_open(&cursor, cursor_path, &none);
    if (!rc)
        rc = cursor_save(&cursor, &saved);
    cursor_close(&cursor);
    return rc;
}

struct sink_thread *sink_make_board(struct topo *topo, bool anew)
{
    struct sink_thread *sink = calloc(1, sizeof *sink);
    if (!sink)
        return NULL;
    sink->topo = topo;
    sink->ops = &board_ops;
    sink->sink = topo->board;
    atomic_store(&sink->ready, true);
    snprintf(sink->cursor_path, sizeof sink->cursor_path, "%s/sinks/leaderboard.projection",
             topo->store.path);
    if (place_board(topo, sink->cursor_path, anew) == 0 &&
        make_pump(sink, 1u << OUTCOME_award | 1u << OUTCOME_claim_granted | 1u << OUTCOME_granted |
                            1u << OUTCOME_revoked) == 0)
        return sink;
    sink_free(sink);
    return NULL;
}

void sink_free(struct sink_thread *sink)
{
    if (!sink)
        return;
    pump_free(sink->pump);
    if (sink->ops->free && sink->sink)
        sink->ops->free(sink->sink);
    free(sink->conf.hunt);
    free(sink);
}

/* ---- run ---- */

static void sleep_ns(uint64_t ns)
{
    struct timespec ts = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
    nanosleep(&ts, NULL);
}

/* Twice as long after each failure, and not in step with others that failed together. */
static uint64_t retry_ns(unsigned failures)
{
    uint64_t ns = RETRY_MIN_NS << (failures < 8 ? failures : 8);
    ns = ns < RETRY_MAX_NS ? ns : RETRY_MAX_NS;
    return ns / 2 + (uint64_t)random() % (ns / 2);
}

static void wait_to_retry(const struct sink_thread *sink, int phase, unsigned failures)
{
    uint64_t wait = retry_ns(failures), asked = pump_retry_after(sink->pump);
    uint64_t until = clock_monotonic_ns() + (asked > wait ? asked : wait);
    while (clock_monotonic_ns() < until && !pump_is_asked(sink->pump) &&
           !atomic_load(&sink->told) &&
           atomic_load_explicit(&sink->topo->phase, memory_order_acquire) == phase)
        sleep_ns(RETRY_TICK_NS);
}

/* Says whether another sink, removed or changed, is still at what this one is to go on with. */
static bool is_held_up(const struct sink_thread *sink)
{
    struct sinks *sinks = &sink->topo->sinks;
    bool held = false;
    pthread_mutex_lock(&sinks->lock);
    for (uint32_t i = 0; i < sinks->leaving_count; i++) {
        const struct sink_thread *other = sinks->leaving[i];
        bool same = strcmp(other->conf.name, sink->conf.name) == 0 || other->target == sink->target;
        held |= same && other->born < sink->born && !atomic_load(&other->ended);
    }
    pthread_mutex_unlock(&sinks->lock);
    return held;
}

/* Returns whether it came to that. */
static bool wait_for_turn(const struct sink_thread *sink)
{
    while (!atomic_load(&sink->ready) || is_held_up(sink)) {
        if (atomic_load(&sink->told) || atomic_load(&sink->topo->phase) >= PHASE_END)
            return false;
        sleep_ns(PUMP_SLEEP_NS);
    }
    return true;
}

/* What the sink has got rid of: while this grows, failures are not of a server that is away. */
static uint64_t progress(const struct sink_thread *sink)
{
    const struct pump_counters *counters = pump_counters(sink->pump);
    return counter_read(&counters->delivered) + counter_read(&counters->set_aside);
}

static void pump_until_told(struct sink_thread *sink)
{
    unsigned failures = 0;
    uint64_t before = 0;
    while (!atomic_load(&sink->told)) {
        int phase = atomic_load_explicit(&sink->topo->phase, memory_order_acquire);
        int count = pump_poll(sink->pump, PUMP_BUDGET);
        atomic_store(&sink->error, count < 0 ? -count : 0);
        if (phase >= PHASE_END || (phase >= PHASE_SYNC && count == 0))
            break;
        if (count >= 0 || progress(sink) != before)
            failures = 0;
        before = progress(sink);
        if (count < 0)
            wait_to_retry(sink, phase, failures++);
        if (count == 0)
            sleep_ns(PUMP_SLEEP_NS);
    }
}

/* As tools that list threads show it; a client library's threads inherit it. */
static void name_thread(const struct sink_thread *sink)
{
    char name[16];
    snprintf(name, sizeof name, "pump-%.10s",
             sink->conf.name[0] ? sink->conf.name : sink->ops->type);
    pthread_setname_np(pthread_self(), name);
}

void *sink_run(void *arg)
{
    struct sink_thread *sink = arg;
    name_thread(sink);
    if (wait_for_turn(sink))
        pump_until_told(sink);
    pump_close(sink->pump);
    atomic_store(&sink->ended, true);
    return NULL;
}

int sink_start(struct sink_thread *sink)
{
    int rc = topo_start_thread(&sink->thread, sink->topo->plan.control_core, sink_run, sink);
    sink->started = !rc;
    return rc;
}
