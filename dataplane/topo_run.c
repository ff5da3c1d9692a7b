/* topo_run.c - the loops of the daemon's threads: cores and journals. */
#include <errno.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/cycles.h"
#include "dataplane/rcu.h"
#include "dataplane/topo.h"

#define SHARD_BUDGET  (8 * SHARD_BURST)
#define SLEEP_MIN_NS  (20 * NS_PER_US)
#define IDLE_SLEEP_NS (10 * NS_PER_US)

static void sleep_ns(uint64_t ns)
{
    struct timespec ts = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
    nanosleep(&ts, NULL);
}

/* ---- cores ---- */

static void settings_of(const struct conf *conf, uint32_t port, struct rx_settings *settings)
{
    *settings = (struct rx_settings){
        .limits = {.event_bytes = conf->limits.event_bytes,
                   .event_depth = conf->limits.event_depth},
        .trailer = conf->ports[port].timestamp == CONF_TIMESTAMP_TRAILER,
    };
}

/* A core takes up a new snapshot between polls; until its shard could note it in the journal, it
 * keeps the old one. */
static bool take_up(struct core *core, const struct snapshot **held)
{
    const struct snapshot *next = rcu_dereference(core->topo->published);
    RING_ACQUIRE(&core->topo->published);
    if (next == *held)
        return false;
    if (core->shard &&
        shard_reconfigure(core->shard, next->rules, next->config_json, next->config_json_len))
        return false;
    for (uint32_t i = 0; i < core->rx_count; i++) {
        struct rx_settings settings;
        settings_of(next->conf, 0, &settings);
        settings.trailer = core->rx[i]->settings.trailer; /* a port's keys need a restart */
        rx_reconfigure(core->rx[i], &settings);
        topo_http_reconfigure(core->topo, next->conf, core->rx[i]);
    }
    *held = next;
    atomic_store_explicit(&core->version, next->version, memory_order_release);
    return true;
}

static void idle(enum conf_idle how)
{
    if (how == CONF_IDLE_SLEEP)
        sleep_ns(IDLE_SLEEP_NS);
    else if (how == CONF_IDLE_PAUSE)
        rte_pause();
}

static void add(_Atomic uint64_t *sum, uint64_t more)
{
    atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

static unsigned core_poll(struct core *core, int phase, uint64_t now_ns)
{
    unsigned received = 0, decided = 0;
    uint64_t start = cycles_now();
    for (uint32_t i = 0; i < core->rx_count; i++)
        received += rx_poll(core->rx[i], phase == PHASE_RUN);
    uint64_t between = cycles_now();
    if (received)
        add(&core->rx_cycles, between - start);
    if (core->shard)
        decided = shard_poll(core->shard, now_ns, SHARD_BUDGET);
    if (decided)
        add(&core->shard_cycles, cycles_now() - between);
    return received + decided;
}

static void account_time(struct core *core, uint64_t spent_ns, bool busy)
{
    add(busy ? &core->busy_ns : &core->idle_ns, spent_ns);
    if (spent_ns > atomic_load_explicit(&core->longest_ns, memory_order_relaxed))
        atomic_store_explicit(&core->longest_ns, spent_ns, memory_order_relaxed);
}

/* What is let onto a core that is the worker's own has a hundredth of it (by the weights of
 * nice(7)), not half: a monitor of the host's memory took it for 16 ms at a time.  Not where it is
 * shared on purpose: with pumps, or with others while it sleeps. */
static void prefer(struct core *core, enum conf_idle how)
{
    static const struct priority first = {.thread = -20, .session = -20};
    if (core->plan->core == core->topo->plan.control_core)
        return;
    atomic_store(&core->shared,
                 priority_set(how == CONF_IDLE_SLEEP ? &core->topo->inherited : &first));
}

void *core_run(void *arg)
{
    struct core *core = arg;
    const struct snapshot *held = NULL;
    enum conf_idle how = CONF_IDLE_POLL;
    uint64_t before = clock_monotonic_ns();
    prctl(PR_SET_TIMERSLACK, 1000ul);
    (void)rte_thread_register();
    rcu_core_start();
    for (;;) {
        int phase = atomic_load_explicit(&core->topo->phase, memory_order_acquire);
        if (take_up(core, &held)) {
            how = held->conf->idle;
            prefer(core, how);
        }
        if (held == rcu_dereference(core->topo->published))
            rcu_core_idle();
        unsigned work = core_poll(core, phase, before);
        if (!work)
            idle(how);
        uint64_t now = clock_monotonic_ns();
        account_time(core, now - before, work != 0);
        before = now;
        bool flushed = phase >= PHASE_FLUSH && (!core->shard || shard_flush(core->shard));
        if ((flushed && !work) || phase == PHASE_END)
            break;
        atomic_store_explicit(&core->phase, phase, memory_order_release);
    }
    rcu_core_stop();
    atomic_store_explicit(&core->phase, PHASE_SYNC, memory_order_release);
    rte_thread_unregister();
    return NULL;
}

/* ---- journals ---- */

/* The shard may not wake anybody: the thread looks by itself, soon after there was something, less
 * often when there was not. */
void *journal_run(void *arg)
{
    struct journal_thread *thread = arg;
    uint64_t sleep_max = thread->topo->conf->journal.group_commit_ns, pause = SLEEP_MIN_NS;
    priority_first(PRIORITY_JOURNAL);
    prctl(PR_SET_TIMERSLACK, 1000ul);
    for (;;) {
        int phase = atomic_load_explicit(&thread->topo->phase, memory_order_acquire);
        if (phase >= PHASE_QUIET)
            journal_end_soon(thread->journal);
        int blocks = journal_poll(thread->journal);
        if (blocks > 0) {
            pause = SLEEP_MIN_NS;
            continue;
        }
        if (phase >= PHASE_SYNC)
            break;
        sleep_ns(pause);
        pause = pause * 2 < sleep_max ? pause * 2 : sleep_max;
    }
    journal_fini(thread->journal);
    thread->ended = true;
    return NULL;
}
