/* topo_stop.c - phase by phase: input silent and connections closed, shards empty, journals
 * durable, sinks caught up. */
#include <stdlib.h>
#include <time.h>

#include "dataplane/base/clock.h"
#include "dataplane/topo.h"

static void phase_set(struct topo *topo, enum phase phase)
{
    atomic_store_explicit(&topo->phase, phase, memory_order_release);
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

/* Who asks /healthz must not keep a stop waiting, but a datagram's sender hears nothing. */
static uint64_t datagrams(const struct topo *topo)
{
    uint64_t sum = 0;
    for (uint32_t r = 0; r < topo->plan.rx_count; r++)
        sum += __atomic_load_n(&topo->rx[r]->counters.delivered, __ATOMIC_RELAXED);
    return sum;
}

static bool connected(const struct topo *topo)
{
    struct http_totals totals;
    topo_http_count(topo, &totals);
    return totals.tcp.connections != 0;
}

static void wait_for_silence(const struct topo *topo, uint64_t deadline)
{
    uint64_t seen = datagrams(topo), since = clock_monotonic_ns(), now = since;
    while (now < deadline && (now - since < 200 * NS_PER_MS || connected(topo))) {
        pause_ms(5);
        now = clock_monotonic_ns();
        if (datagrams(topo) != seen) {
            seen = datagrams(topo);
            since = now;
        }
    }
}

/* Every core has seen PHASE_QUIET, and nothing is at a shard any more. */
static bool settled(const struct topo *topo)
{
    struct account account;
    for (uint32_t c = 0; c < topo->plan.core_count; c++)
        if (atomic_load_explicit(&topo->cores[c].phase, memory_order_acquire) < PHASE_QUIET)
            return false;
    topo_account(topo, &account);
    uint64_t open = account.in_flight;
    for (uint32_t r = 0; r < topo->plan.rx_count; r++)
        for (uint32_t s = 0; s < topo->plan.shard_count; s++)
            open += __atomic_load_n(&topo->rx[r]->open[s], __ATOMIC_RELAXED);
    return open == 0;
}

static bool cores_ended(const struct topo *topo)
{
    for (uint32_t c = 0; c < topo->plan.core_count; c++)
        if (topo->cores[c].started &&
            atomic_load_explicit(&topo->cores[c].phase, memory_order_acquire) < PHASE_SYNC)
            return false;
    return true;
}

static void wait_until(bool (*done)(const struct topo *), const struct topo *topo,
                       uint64_t deadline)
{
    while (!done(topo) && clock_monotonic_ns() < deadline)
        pause_ms(2);
}

static void join(pthread_t thread, bool *started)
{
    if (*started)
        pthread_join(thread, NULL);
    *started = false;
}

static void join_journals(struct topo *topo)
{
    for (uint32_t s = 0; s < topo->plan.shard_count; s++)
        join(topo->journals[s].thread, &topo->journals[s].started);
}

static void join_all(struct topo *topo)
{
    join(topo->checkpoint.thread, &topo->checkpoint.started);
    join_journals(topo);
    sinks_join(topo);
    join(topo->feed.thread, &topo->feed.started);
    join(topo->stock_thread, &topo->stock_started);
    join(topo->pack_thread, &topo->pack_started);
    for (uint32_t c = 0; c < topo->plan.core_count; c++)
        join(topo->cores[c].thread, &topo->cores[c].started);
}

void topo_stop(struct topo *topo)
{
    uint64_t wait_ns = topo->conf->drain_ns + NS_PER_S;
    atomic_store(&topo->stop_wanted, true); /* HTTP takes nothing new, and ends what waits */
    pthread_mutex_lock(&topo->apply_lock);  /* what an apply has begun is finished; none follows */
    wait_for_silence(topo, clock_monotonic_ns() + topo->conf->drain_ns);
    phase_set(topo, PHASE_QUIET);
    wait_until(settled, topo, clock_monotonic_ns() + wait_ns);
    phase_set(topo, PHASE_FLUSH);
    wait_until(cores_ended, topo, clock_monotonic_ns() + wait_ns);
    phase_set(topo, PHASE_SYNC);
    if (!cores_ended(topo))
        phase_set(topo, PHASE_END); /* a journal that has stopped gives no block back */
    join_journals(topo);
    wait_until(sinks_ended, topo, clock_monotonic_ns() + wait_ns);
    phase_set(topo, PHASE_END);
    sinks_cancel(topo); /* nobody waits any more for who is on the other side of a network */
    topo_cancel_feed(topo);
    join_all(topo);
    pthread_mutex_unlock(&topo->apply_lock);
}

void topo_fini(struct topo *topo)
{
    if (!topo->conf)
        return;
    phase_set(topo, PHASE_END); /* a start that failed half-way has threads at work */
    sinks_cancel(topo);
    topo_cancel_feed(topo);
    join_all(topo);
    topo_free_feed(topo);
    sinks_free(topo);
    for (uint32_t p = 0; p < topo->conf->port_count; p++)
        port_close(&topo->ports[p]);
    topo_disk_fini(topo);
    for (uint32_t c = 0; c < topo->plan.core_count; c++)
        arena_close(&topo->cores[c].arena);
    arena_close(&topo->checkpoint.arena);
    topo_drop(topo);
    store_close(&topo->store);
    conf_free(topo->conf);
    pthread_mutex_destroy(&topo->apply_lock);
    pthread_mutex_destroy(&topo->read_lock);
    pthread_mutex_destroy(&topo->sinks.lock);
    topo->conf = NULL;
}
