/* topo_sink.c - the sinks and their pumps: made, run. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "dataplane/topo.h"

#define PUMP_BUDGET   4096
#define PUMP_SLEEP_NS NS_PER_MS
#define RETRY_MIN_NS  (100 * NS_PER_MS)
#define RETRY_MAX_NS  (5 * NS_PER_S)
#define RETRY_TICK_NS (20 * NS_PER_MS)

static int make_pump(struct topo *topo, struct sink_thread *thread, const char *cursor,
                     uint32_t outcomes, const struct sink_ops *ops, void *sink)
{
    const struct conf_sink *conf = thread->conf;
    struct pump_wiring wiring = {
        .name = thread->conf ? thread->conf->name : ops->type,
        .cursor_path = cursor,
        .journal_dir_fd = topo->store.journal_fd,
        .epoch = topo->store.epoch,
        .shard_count = topo->plan.shard_count,
        .outcomes = outcomes,
        .hunts = conf ? conf->hunt : NULL,
        .hunt_count = conf ? conf->hunt_count : 0,
        .dead_path = ops->remote ? thread->dead_path : NULL,
        .origin = &thread->origin,
        .ops = ops,
        .sink = sink,
    };
    thread->ops = ops;
    thread->sink = sink;
    thread->topo = topo;
    topo->sink_count++;
    for (uint32_t s = 0; s < topo->plan.shard_count; s++)
        wiring.marks[s] = &topo->journals[s].journal->mark;
    return sink ? pump_new(&thread->pump, &wiring) : -ENOMEM;
}

/* Whose streams these are: a name of the data directory that gives nothing of its key away. */
static void name_journal(const struct topo *topo, char name[24])
{
    snprintf(name, 24, "%016llx", (unsigned long long)hash64(&topo->key, "journal", 7));
}

static void *make_client(struct topo *topo, struct sink_thread *thread)
{
    const struct conf_sink *conf = thread->conf;
    const char *pop = topo->conf->pop, *host = topo->conf->host;
    char journal[24];
    if (conf->type == CONF_SINK_FILE)
        return thread->file = sink_file_new(conf->path, pop, host);
    if (line_origin_init(&thread->origin, pop, host))
        return NULL;
    name_journal(topo, journal);
    return thread->redis = sink_redis_new(conf, journal, pop, host);
}

static int make_sink(struct topo *topo, uint32_t i, char error[512])
{
    static const struct sink_ops *const ops[] = {
        [CONF_SINK_FILE] = &sink_file_ops, [CONF_SINK_REDIS] = &sink_redis_ops};
    struct sink_thread *thread = &topo->sinks[i];
    const struct conf_sink *conf = thread->conf = &topo->conf->sinks[i];
    char cursor[CONF_PATH_MAX + 96];
    snprintf(cursor, sizeof cursor, "%s/sinks/%s.cursor", topo->store.path, conf->name);
    snprintf(thread->dead_path, sizeof thread->dead_path, "%s/sinks/%s.dead", topo->store.path,
             conf->name);
    void *sink = make_client(topo, thread);
    int rc = make_pump(topo, thread, cursor, conf->outcomes, ops[conf->type], sink);
    if (rc == -EBADMSG || rc == -EPROTONOSUPPORT || rc == -ESTALE)
        snprintf(error, 512,
                 "sink '%s': %.200s %s; restore it from a copy, or remove it to have everything "
                 "delivered again",
                 conf->name, cursor,
                 rc == -ESTALE ? "says that more was delivered than the journal holds"
                               : "is damaged, or is not a cursor");
    else if (rc)
        snprintf(error, 512, "%.120s:%u:%u: error: sink '%s' cannot write %.120s: %s",
                 topo->conf->file, conf->place.line, conf->place.column, conf->name,
                 conf->path[0] ? conf->path : conf->address, strerror(-rc));
    return rc ? -1 : 0;
}

/* Leaderboards live in memory and are read from the first record at every start: their cursor
 * starts anew as well. */
static int make_board(struct topo *topo, char error[512])
{
    char cursor[CONF_PATH_MAX + 96];
    snprintf(cursor, sizeof cursor, "%s/sinks/leaderboard.projection", topo->store.path);
    (void)unlink(cursor);
    topo->board = board_new(topo->conf->limits.ranked);
    int rc = make_pump(topo, &topo->sinks[topo->sink_count], cursor,
                       1u << OUTCOME_award | 1u << OUTCOME_claim_granted | 1u << OUTCOME_granted |
                           1u << OUTCOME_revoked,
                       &board_ops, topo->board);
    if (rc)
        snprintf(error, 512, "the leaderboards cannot read the journal: %s", strerror(-rc));
    return rc ? -1 : 0;
}

int topo_make_sinks(struct topo *topo, char error[512])
{
    for (uint32_t i = 0; i < topo->conf->sink_count; i++)
        if (make_sink(topo, i, error))
            return -1;
    return make_board(topo, error);
}

/* ---- pumps ---- */

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

static void wait_to_retry(const struct sink_thread *thread, int phase, unsigned failures)
{
    uint64_t until = clock_monotonic_ns() + retry_ns(failures);
    while (clock_monotonic_ns() < until && !pump_is_asked(thread->pump) &&
           atomic_load_explicit(&thread->topo->phase, memory_order_acquire) == phase)
        sleep_ns(RETRY_TICK_NS);
}

void *sink_run(void *arg)
{
    struct sink_thread *thread = arg;
    unsigned failures = 0;
    for (;;) {
        int phase = atomic_load_explicit(&thread->topo->phase, memory_order_acquire);
        int count = pump_poll(thread->pump, PUMP_BUDGET);
        atomic_store(&thread->error, count < 0 ? -count : 0);
        if (phase >= PHASE_END || (phase >= PHASE_SYNC && count == 0))
            break;
        if (count < 0)
            wait_to_retry(thread, phase, failures++);
        else
            failures = 0;
        if (count == 0)
            sleep_ns(PUMP_SLEEP_NS);
    }
    atomic_store(&thread->ended, true);
    return NULL;
}
