/* topo_feed.c - the thread that tells of the leaderboards as they change. */
#include <errno.h>
#include <time.h>

#include "dataplane/base/clock.h"
#include "dataplane/topo.h"

#define TICK_NS (20 * NS_PER_MS)

static bool is_over(const struct topo *topo)
{
    return atomic_load_explicit(&topo->phase, memory_order_acquire) >= PHASE_END;
}

static void *feed_run(void *arg)
{
    struct topo *topo = arg;
    while (!is_over(topo)) {
        uint64_t until = feed_poll(topo->feed.feed);
        until += clock_monotonic_ns();
        while (clock_monotonic_ns() < until && !is_over(topo))
            nanosleep(&(struct timespec){.tv_nsec = (long)TICK_NS}, NULL);
    }
    return NULL;
}

int topo_start_feed(struct topo *topo)
{
    topo->feed.feed = feed_new(topo->board, topo->conf->pop, topo->conf->host);
    if (!topo->feed.feed)
        return ENOMEM;
    feed_configure(topo->feed.feed, &topo->conf->feed);
    int rc = topo_start_thread(&topo->feed.thread, topo->plan.control_core, feed_run, topo);
    topo->feed.started = !rc;
    return rc;
}

void topo_cancel_feed(struct topo *topo)
{
    if (topo->feed.feed)
        feed_cancel(topo->feed.feed);
}

void topo_free_feed(struct topo *topo)
{
    feed_free(topo->feed.feed);
    topo->feed.feed = NULL;
}
