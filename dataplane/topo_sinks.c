/* topo_sinks.c - the list of sinks: opened at the start, changed by an apply, ended. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/counter.h"
#include "dataplane/topo.h"

#define ENTER_WAIT_NS   (300 * NS_PER_MS) /* how long an apply waits for sinks to end */
#define CANCEL_AFTER_NS (500 * NS_PER_MS) /* how long one may finish its batch */

/* ---- the start ---- */

static int explain(const struct topo *topo, const struct sink_thread *sink, int rc, char error[512])
{
    const struct conf_sink *conf = &sink->conf;
    if (rc == -EBADMSG || rc == -EPROTONOSUPPORT || rc == -ESTALE)
        snprintf(error, 512,
                 "sink '%s': %.200s %s; restore it from a copy, or remove it to have everything "
                 "delivered again",
                 conf->name, sink->cursor_path,
                 rc == -ESTALE ? "says that more was delivered than the journal holds"
                               : "is damaged, or is not a cursor");
    else
        snprintf(error, 512, "%.120s:%u:%u: error: sink '%s' cannot write %.120s: %s",
                 topo->conf->file, conf->place.line, conf->place.column, conf->name,
                 conf->path[0]        ? conf->path
                 : conf->directory[0] ? conf->directory
                                      : conf->address,
                 strerror(-rc));
    return -1;
}

static int try_board(struct topo *topo, bool anew)
{
    topo->board = board_new(topo->conf->limits.ranked);
    topo->sinks.board = topo->board ? sink_make_board(topo, anew) : NULL;
    return topo->sinks.board ? pump_open(topo->sinks.board->pump) : -ENOMEM;
}

static int open_board(struct topo *topo, char error[512])
{
    int rc = try_board(topo, false);
    if (rc == -ESTALE || rc == -EBADMSG) {
        fprintf(stderr, "what the leaderboards were saved at does not agree with the journal: they "
                        "are counted from its beginning\n");
        sink_free(topo->sinks.board);
        board_free(topo->board);
        rc = try_board(topo, true);
    }
    if (rc)
        snprintf(error, 512, "the leaderboards cannot read the journal: %s", strerror(-rc));
    return rc ? -1 : 0;
}

int sinks_open(struct topo *topo, char error[512])
{
    struct sinks *sinks = &topo->sinks;
    for (uint32_t i = 0; i < topo->conf->sink_count; i++) {
        struct sink_thread *sink = sink_make(topo, &topo->conf->sinks[i], topo->conf->pop);
        if (!sink) {
            snprintf(error, 512, "no memory for sink '%s'", topo->conf->sinks[i].name);
            return -1;
        }
        sinks->at[sinks->count++] = sink;
        sink->born = ++sinks->born;
        atomic_store(&sink->ready, true);
        int rc = pump_open(sink->pump);
        if (rc)
            return explain(topo, sink, rc, error);
    }
    return open_board(topo, error);
}

int sinks_start(struct topo *topo)
{
    int rc = sink_start(topo->sinks.board);
    for (uint32_t i = 0; !rc && i < topo->sinks.count; i++)
        rc = sink_start(topo->sinks.at[i]);
    return rc;
}

/* ---- changes ---- */

static struct sink_thread *find_running(const struct sinks *sinks, const char *name)
{
    for (uint32_t i = 0; i < sinks->count; i++)
        if (strcmp(sinks->at[i]->conf.name, name) == 0)
            return sinks->at[i];
    return NULL;
}

static bool is_same(const struct topo *topo, const struct sink_thread *sink,
                    const struct conf_sink *conf, const char *pop)
{
    struct line_origin origin;
    return conf_sink_same(&sink->conf, conf) &&
           line_origin_init(&origin, pop, topo->conf->host, "") == 0 &&
           origin.len == sink->origin.len &&
           memcmp(origin.json, sink->origin.json, origin.len) == 0;
}

static int plan_sink(struct topo *topo, const struct conf_sink *conf, const char *pop,
                     struct sinks_plan *plan)
{
    struct sink_thread *sink = find_running(&topo->sinks, conf->name);
    bool stays = sink && is_same(topo, sink, conf, pop);
    if (!stays)
        sink = sink_make(topo, conf, pop);
    if (!sink)
        return -ENOMEM;
    plan->fresh[plan->count] = !stays;
    plan->at[plan->count++] = sink;
    if (stays)
        return 0;
    sink->born = ++topo->sinks.born;
    return -sink_start(sink);
}

static bool is_planned(const struct sinks_plan *plan, const struct sink_thread *sink)
{
    for (uint32_t i = 0; i < plan->count; i++)
        if (plan->at[i] == sink)
            return true;
    return false;
}

/* Those that have not ended yet, and those that the plan does without. */
static uint32_t count_leaving(struct sinks *sinks, const struct sinks_plan *plan)
{
    pthread_mutex_lock(&sinks->lock);
    uint32_t leaving = sinks->leaving_count;
    for (uint32_t i = 0; i < sinks->count; i++)
        leaving += !is_planned(plan, sinks->at[i]);
    pthread_mutex_unlock(&sinks->lock);
    return leaving;
}

int sinks_plan(struct topo *topo, const struct conf *conf, struct sinks_plan *plan)
{
    struct sinks *sinks = &topo->sinks;
    int rc = 0;
    memset(plan, 0, sizeof *plan);
    sinks_tend(topo);
    for (uint32_t i = 0; !rc && i < conf->sink_count; i++)
        rc = plan_sink(topo, &conf->sinks[i], conf->pop, plan);
    if (!rc && count_leaving(sinks, plan) > SINKS_LEAVING_MAX)
        rc = -EBUSY;
    if (rc)
        sinks_abandon(plan);
    return rc;
}

static void tell(struct sink_thread *sink)
{
    sink->told_ns = clock_monotonic_ns();
    atomic_store(&sink->told, true);
}

static void join(struct sink_thread *sink)
{
    if (sink->started)
        pthread_join(sink->thread, NULL);
    sink->started = false;
}

void sinks_abandon(struct sinks_plan *plan)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        if (!plan->fresh[i])
            continue;
        tell(plan->at[i]);
        join(plan->at[i]);
        sink_free(plan->at[i]);
    }
    plan->count = 0;
}

/* A sink that stays is moved, and paused or set going, by the configuration. */
static void keep(struct sink_thread *sink, const struct conf_sink *conf)
{
    bool changed = sink->conf.paused != conf->paused;
    sink->conf.paused = conf->paused;
    sink->conf.place = conf->place;
    if (changed)
        pump_set_mode(sink->pump, conf->paused ? PUMP_PAUSED : sink->kept);
}

static bool all_left(struct sinks *sinks)
{
    bool left = true;
    pthread_mutex_lock(&sinks->lock);
    for (uint32_t i = 0; i < sinks->leaving_count; i++)
        left &= atomic_load(&sinks->leaving[i]->ended) || sinks->leaving[i]->cancelled;
    pthread_mutex_unlock(&sinks->lock);
    return left;
}

void sinks_enter(struct topo *topo, struct sinks_plan *plan, const struct conf *conf)
{
    struct sinks *sinks = &topo->sinks;
    pthread_mutex_lock(&sinks->lock);
    for (uint32_t i = 0; i < sinks->count; i++) {
        if (is_planned(plan, sinks->at[i]))
            continue;
        tell(sinks->at[i]);
        sinks->leaving[sinks->leaving_count++] = sinks->at[i];
    }
    sinks->count = plan->count;
    memcpy(sinks->at, plan->at, sizeof sinks->at);
    for (uint32_t i = 0; i < plan->count; i++) {
        if (plan->fresh[i])
            atomic_store(&plan->at[i]->ready, true);
        else
            keep(plan->at[i], &conf->sinks[i]);
    }
    pthread_mutex_unlock(&sinks->lock);
    uint64_t deadline = clock_monotonic_ns() + ENTER_WAIT_NS;
    while (!all_left(sinks) && clock_monotonic_ns() < deadline)
        nanosleep(&(struct timespec){.tv_nsec = (long)NS_PER_MS}, NULL);
    sinks_tend(topo);
}

static void add_totals(struct sink_totals *sum, const struct sink_thread *sink)
{
    const struct pump_counters *own = pump_counters(sink->pump), *old = &sink->before.counters;
    struct pump_counters *c = &sum->counters;
    c->events += old->events + counter_read(&own->events);
    c->outcomes += old->outcomes + counter_read(&own->outcomes);
    c->delivered += old->delivered + counter_read(&own->delivered);
    c->errors += old->errors + counter_read(&own->errors);
    c->commits += old->commits + counter_read(&own->commits);
    c->set_aside += old->set_aside + counter_read(&own->set_aside);
    c->skipped += old->skipped + counter_read(&own->skipped);
    c->gaps += old->gaps + counter_read(&own->gaps);
    sum->repeats += sink->before.repeats;
    if (sink->ops->repeats)
        sum->repeats += sink->ops->repeats(sink->sink);
}

static bool is_followed(const struct sink_thread *old, const struct sink_thread *sink)
{
    return old->born < sink->born && strcmp(old->conf.name, sink->conf.name) == 0;
}

void sinks_totals(const struct sinks *sinks, const struct sink_thread *sink,
                  struct sink_totals *totals)
{
    memset(totals, 0, sizeof *totals);
    add_totals(totals, sink);
    for (uint32_t i = 0; i < sinks->leaving_count; i++)
        if (is_followed(sinks->leaving[i], sink))
            add_totals(totals, sinks->leaving[i]);
    totals->counters.lag_records = counter_read(&pump_counters(sink->pump)->lag_records);
}

/* Leaves to whoever goes on for a sink what it has counted.  With the lock. */
static void bequeath(struct sinks *sinks, const struct sink_thread *sink)
{
    struct sink_thread *heir = find_running(sinks, sink->conf.name);
    for (uint32_t i = 0; !heir && i < sinks->leaving_count; i++)
        if (is_followed(sink, sinks->leaving[i]))
            heir = sinks->leaving[i];
    if (heir)
        add_totals(&heir->before, sink);
}

static void cancel(struct sink_thread *sink)
{
    if (!sink->cancelled && sink->ops->cancel)
        sink->ops->cancel(sink->sink);
    sink->cancelled = true;
}

/* What `drain` asked for is done: from here on the sink is paused, also after a restart. When that
 * cannot be written down, the next start drains once more. */
static void note_drained(struct sink_thread *sink)
{
    struct pump_report report;
    if (sink->kept != PUMP_DRAIN || sink->conf.paused)
        return;
    pump_report(sink->pump, &report);
    if (report.mode == PUMP_PAUSED)
        (void)sink_set_mode(sink, PUMP_PAUSED);
}

void sinks_tend(struct topo *topo)
{
    struct sinks *sinks = &topo->sinks;
    struct sink_thread *gone[SINKS_LEAVING_MAX];
    uint32_t gone_count = 0, left = 0;
    uint64_t now = clock_monotonic_ns();
    pthread_mutex_lock(&sinks->lock);
    for (uint32_t i = 0; i < sinks->count; i++)
        note_drained(sinks->at[i]);
    for (uint32_t i = 0; i < sinks->leaving_count; i++) {
        struct sink_thread *sink = sinks->leaving[i];
        if (atomic_load(&sink->ended)) {
            gone[gone_count++] = sink;
            continue;
        }
        if (now - sink->told_ns > CANCEL_AFTER_NS)
            cancel(sink);
        sinks->leaving[left++] = sink;
    }
    sinks->leaving_count = left;
    for (uint32_t i = 0; i < gone_count; i++)
        bequeath(sinks, gone[i]);
    pthread_mutex_unlock(&sinks->lock);
    for (uint32_t i = 0; i < gone_count; i++) {
        join(gone[i]);
        sink_free(gone[i]);
    }
}

/* ---- the end ---- */

/* Calls each for every sink there is. */
static void visit(struct topo *topo, void (*each)(struct sink_thread *))
{
    struct sinks *sinks = &topo->sinks;
    for (uint32_t i = 0; i < sinks->count; i++)
        each(sinks->at[i]);
    for (uint32_t i = 0; i < sinks->leaving_count; i++)
        each(sinks->leaving[i]);
    if (sinks->board)
        each(sinks->board);
}

bool sinks_ended(const struct topo *topo)
{
    const struct sinks *sinks = &topo->sinks;
    bool ended = !sinks->board || !sinks->board->started || atomic_load(&sinks->board->ended);
    for (uint32_t i = 0; i < sinks->count; i++)
        ended &= !sinks->at[i]->started || atomic_load(&sinks->at[i]->ended);
    return ended;
}

void sinks_cancel(struct topo *topo)
{
    pthread_mutex_lock(&topo->sinks.lock);
    visit(topo, cancel);
    pthread_mutex_unlock(&topo->sinks.lock);
}

void sinks_join(struct topo *topo)
{
    visit(topo, join);
}

void sinks_free(struct topo *topo)
{
    visit(topo, sink_free);
    topo->sinks.count = topo->sinks.leaving_count = 0;
    topo->sinks.board = NULL;
    board_free(topo->board);
    topo->board = NULL;
}
