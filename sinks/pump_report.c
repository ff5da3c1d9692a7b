/* pump_report.c - how a pump fares: its lag, what went wrong, and what an operator wants of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/counter.h"
#include "sinks/pump.h"

#define MEASURE_NS (100 * NS_PER_MS) /* between two looks at the bytes that are left */

/* A record that the other side refuses this often is set aside. */
#define TRIES_MAX 3

void pump_count_lag(struct pump *pump)
{
    /* How many records an epoch that is over still has is known when they are read. */
    uint64_t lag = pump->now.epoch != pump->wiring.epoch;
    for (uint32_t shard = 0; shard < pump->wiring.shard_count; shard++) {
        uint64_t durable =
            atomic_load_explicit(&pump->wiring.marks[shard]->ordinal, memory_order_acquire);
        bool here = pump->now.epoch == pump->wiring.epoch;
        lag += durable - (here ? pump->now.at[shard].ordinal : 0);
    }
    __atomic_store_n(&pump->counters.lag_records, lag, __ATOMIC_RELAXED);
    if (!lag)
        pump->current_ns = clock_realtime_ns();
}

static void pass_over(struct pump *pump, const struct sink_place *place, const char *who,
                      const char *why)
{
    pump->aside = *place;
    pump->aside_kept = false;
    snprintf(pump->aside_why, sizeof pump->aside_why, "%s%.200s", who, why);
}

void pump_take_skip(struct pump *pump)
{
    pthread_mutex_lock(&pump->lock);
    if (pump->skip_wanted) {
        pass_over(pump, &pump->report.stuck, "skipped: ", pump->report.error);
        counter_add(&pump->counters.skipped, 1);
    }
    pump->skip_wanted = false;
    pthread_mutex_unlock(&pump->lock);
}

/* The bytes of journals behind the position; of the running one's segments, the last is as long as
 * it is durable. */
static uint64_t lag_bytes(const struct pump *pump)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < pump->id_count; i++) {
        const struct segment_id *id = &pump->ids[i];
        bool here = id->epoch == pump->now.epoch && id->shard < pump->now.shard_count;
        uint32_t at = here ? pump->now.at[id->shard].number : 0;
        uint64_t bytes;
        if (id->epoch < pump->now.epoch || id->epoch >= pump->wiring.epoch || id->number < at ||
            segment_bytes(pump->wiring.journal_dir_fd, *id, &bytes))
            continue;
        uint64_t offset = here && id->number == at ? pump->now.at[id->shard].offset : 0;
        sum += bytes > offset ? bytes - offset : 0;
    }
    for (uint32_t shard = 0; shard < pump->wiring.shard_count; shard++) {
        bool here = pump->now.epoch == pump->wiring.epoch;
        uint64_t mark =
            atomic_load_explicit(&pump->wiring.marks[shard]->position, memory_order_acquire);
        uint32_t last = (uint32_t)(mark >> 40);
        uint32_t number = here && pump->now.at[shard].number ? pump->now.at[shard].number : 1;
        uint64_t offset = here ? pump->now.at[shard].offset : 0, bytes = 0;
        for (; number < last; number++, offset = 0) {
            struct segment_id id = {pump->wiring.epoch, shard, number};
            if (!segment_bytes(pump->wiring.journal_dir_fd, id, &bytes) && bytes > offset)
                sum += bytes - offset;
        }
        bytes = mark & (SEGMENT_POSITION(1, 0) - 1);
        sum += bytes > offset ? bytes - offset : 0;
    }
    return sum;
}

/* A record that is refused again and again is set aside; all else is tried for ever. */
static void judge(struct pump *pump, const struct sink_fault *fault)
{
    if (!fault->of_record || !pump->wiring.dead_path)
        return;
    bool same = pump->refused.epoch == fault->at.epoch && pump->refused.shard == fault->at.shard &&
                pump->refused.ordinal == fault->at.ordinal;
    pump->tries = same ? pump->tries + 1 : 1;
    pump->refused = fault->at;
    if (pump->tries < TRIES_MAX)
        return;
    pass_over(pump, &fault->at, "", fault->text);
    counter_add(&pump->counters.set_aside, 1);
    pump->tries = 0;
}

static const char *reason(const struct pump *pump, int rc)
{
    if (!pump->is_open && (rc == -EBADMSG || rc == -EPROTONOSUPPORT))
        return "the cursor is damaged, or is not one: restore it from a copy, or remove it to have "
               "everything delivered again";
    if (!pump->is_open && rc == -ESTALE)
        return "the cursor says that more was delivered than the journal holds";
    return strerror(-rc);
}

void pump_say(struct pump *pump, int rc)
{
    const struct sink_fault *fault = rc && pump->sink_failed && pump->wiring.ops->fault
                                         ? pump->wiring.ops->fault(pump->wiring.sink)
                                         : NULL;
    pump->retry_after_ns = fault ? fault->retry_after_ns : 0;
    uint64_t lag = counter_read(&pump->counters.lag_records), now = clock_realtime_ns();
    uint64_t tick = clock_monotonic_ns(), bytes = 0;
    bool measure = !lag || tick - pump->measured_ns > MEASURE_NS;
    if (lag && measure) {
        bytes = lag_bytes(pump);
        pump->measured_ns = tick;
    }
    pthread_mutex_lock(&pump->lock);
    struct pump_report *report = &pump->report;
    if (measure)
        report->lag_bytes = bytes;
    report->lag_seconds =
        lag && now > pump->current_ns ? (double)(now - pump->current_ns) / NS_PER_S : 0;
    if (rc)
        snprintf(report->error, sizeof report->error, "%s", fault ? fault->text : reason(pump, rc));
    else
        report->error[0] = '\0';
    if (rc)
        memcpy(report->last_error, report->error, sizeof report->error);
    /* While the way to the other side is shut, where it stood is still where it stands. */
    if (!rc)
        report->stuck = (struct sink_place){0};
    else if (fault && fault->at.epoch)
        report->stuck = fault->at;
    pthread_mutex_unlock(&pump->lock);
    if (fault)
        judge(pump, fault);
}

void pump_report(struct pump *pump, struct pump_report *report)
{
    pthread_mutex_lock(&pump->lock);
    *report = pump->report;
    pthread_mutex_unlock(&pump->lock);
    report->mode = atomic_load(&pump->mode);
}

void pump_set_mode(struct pump *pump, enum pump_mode mode)
{
    atomic_store(&pump->mode, mode);
    atomic_store(&pump->asked, true);
}

uint64_t pump_retry_after(const struct pump *pump)
{
    return pump->retry_after_ns;
}

bool pump_is_asked(const struct pump *pump)
{
    return atomic_load(&pump->asked);
}

int pump_skip(struct pump *pump, struct sink_place *place)
{
    pthread_mutex_lock(&pump->lock);
    *place = pump->report.stuck;
    bool stuck = place->epoch && pump->wiring.dead_path;
    pump->skip_wanted |= stuck;
    pthread_mutex_unlock(&pump->lock);
    atomic_store(&pump->asked, true);
    return stuck ? 0 : -ENOENT;
}
