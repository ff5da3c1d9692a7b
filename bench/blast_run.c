/* blast_run.c - planned sending. */
#include <time.h>

#include "bench/blast_run.h"
#include "dataplane/base/clock.h"

#define SLEEP_LEAST_NS 200000 /* shorter waits are spun */
#define WAKE_EARLY_NS  100000
#define SLEEP_MOST_NS  (20 * NS_PER_MS)
#define FILL_AHEAD     2 /* slots that are brought in, to be written, before their turn */

static uint64_t since_start(const struct blast_run *run)
{
    return clock_monotonic_ns() - run->start_ns;
}

/* Slots are in turn those of a whole queue, so no longer in a cache when they come again. */
static void prefetch(const struct blast_slot *slot, uint32_t len)
{
    for (uint32_t at = 0; at < len; at += 64)
        __builtin_prefetch(slot->payload + at, 1);
}

/* Builds what is due by now_ns.  *next_ns becomes when the first that is not due will be;
 * UINT64_MAX when there is none. */
static uint32_t fill(struct blast_run *run, uint64_t now_ns, uint64_t *next_ns)
{
    struct blast_source *source = run->source;
    uint32_t count = 0;
    uint32_t room = run->link->reserve(run->link);
    *next_ns = now_ns;
    for (; count < room; count++) {
        uint64_t due_ns;
        if (!source->due(source, &due_ns)) {
            *next_ns = UINT64_MAX;
            break;
        }
        if (source->unpaced)
            due_ns = now_ns;
        if (due_ns > now_ns) {
            *next_ns = due_ns;
            break;
        }
        struct blast_slot *slot = &run->link->slots[count];
        slot->len = source->build(source, due_ns, slot->payload);
        slot->due_real_ns = source->start_real_ns + due_ns;
        run->due_ns[count] = due_ns;
        if (count + FILL_AHEAD < room)
            prefetch(slot + FILL_AHEAD, slot->len);
    }
    return count;
}

static void send(struct blast_run *run, uint32_t count)
{
    const struct blast_tally *tally = &run->source->tally;
    bool first = tally->datagrams == 0;
    uint32_t sent = run->link->send(run->link, count);
    uint64_t now_ns = since_start(run);
    for (uint32_t i = 0; i < sent; i++)
        histogram_record(&run->lag, now_ns - run->due_ns[i]);
    run->source->settle(run->source, sent);
    run->last_due_ns = run->due_ns[count - 1];
    if (sent)
        run->elapsed_ns = now_ns;
    if (first) {
        run->first_due_ns = run->due_ns[count - 1];
        run->first_events = tally->sent + tally->unsent;
    }
}

static void wait(struct blast_run *run, uint64_t now_ns, uint64_t until_ns)
{
    uint64_t ns = until_ns - now_ns;
    if (run->nap.ns || run->link->spins || ns < SLEEP_LEAST_NS) {
        blast_nap_idle(&run->nap);
        return;
    }
    ns -= WAKE_EARLY_NS;
    if (ns > SLEEP_MOST_NS)
        ns = SLEEP_MOST_NS;
    clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = (long)ns}, NULL);
}

/* The part of the plan that was due and not sent. */
static void abandon(struct blast_run *run, uint64_t since_ns)
{
    uint64_t before = run->source->tally.unsent;
    run->source->abandon(run->source, since_ns);
    if (run->source->tally.unsent > before)
        run->last_due_ns = since_ns;
}

static bool over(struct blast_run *run, uint64_t now_ns)
{
    if (*run->stop) {
        run->interrupted = true;
        abandon(run, now_ns);
        return true;
    }
    if (run->link->broken) {
        abandon(run, now_ns);
        return true;
    }
    if (run->end_ns == UINT64_MAX || now_ns < run->end_ns + run->grace_ns)
        return false;
    abandon(run, run->end_ns);
    return true;
}

/* Rates are counted from the first burst on, so that a short run's are not those of its edges. */
static void sum_up(struct blast_run *run)
{
    const struct blast_tally *tally = &run->source->tally;
    double planned = (double)(tally->sent + tally->unsent - run->first_events);
    double span_s = (double)(run->last_due_ns - run->first_due_ns) / 1e9;
    double sent_s = (double)(run->elapsed_ns - run->first_due_ns) / 1e9;
    if (run->source->unpaced) {
        run->sent_per_s = run->elapsed_ns ? (double)tally->sent * 1e9 / (double)run->elapsed_ns : 0;
        run->held_rate = true;
        return;
    }
    if (span_s > 0)
        run->asked_per_s = planned / span_s;
    if (sent_s > 0)
        run->sent_per_s = (planned - (double)tally->unsent) / (sent_s > span_s ? sent_s : span_s);
    run->held_rate = !tally->unsent && run->sent_per_s >= BLAST_RUN_HELD * run->asked_per_s;
}

void blast_run(struct blast_run *run)
{
    run->source->start_real_ns = clock_realtime_ns();
    run->start_ns = clock_monotonic_ns();
    uint64_t now_ns = 0;
    while (!over(run, now_ns)) {
        uint64_t next_ns;
        uint32_t count = fill(run, now_ns, &next_ns);
        if (count > 0)
            send(run, count);
        else if (next_ns == UINT64_MAX)
            break;
        else if (next_ns > now_ns)
            wait(run, now_ns, next_ns);
        blast_nap_busy(&run->nap, run->start_ns + now_ns);
        run->link->idle(run->link);
        now_ns = since_start(run);
        if (blast_log_due(&run->log, now_ns))
            blast_log_tick(&run->log, now_ns);
    }
    run->link->flush(run->link);
    sum_up(run);
}
