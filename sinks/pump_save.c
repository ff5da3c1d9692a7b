/* pump_save.c - from what was delivered to the cursor's file: committed, synced, saved, in that
 * order, and not more often than need be. */
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/counter.h"
#include "sinks/pump.h"

/* How often the cursor is saved while nothing asks for it: each time is a sync or two that the
 * journal's own wait behind. */
#define SAVE_NS (200 * NS_PER_MS)

/* Keeps a cursor until it is old enough for the file. Those of one eighth of that time are one. */
static void keep_aging(struct pump *pump, const struct sink_cursor *value)
{
    uint64_t now = clock_monotonic_ns(), apart = pump->wiring.confirm_after_ns / 8;
    unsigned last = pump->aged_count - 1;
    bool fresh = !pump->aged_count ||
                 (now - pump->aged[last].begun_ns > apart && pump->aged_count < PUMP_AGED_MAX);
    if (fresh) {
        last = pump->aged_count++;
        pump->aged[last].begun_ns = now;
    }
    pump->aged[last].at_ns = now;
    pump->aged[last].cursor = *value;
}

int pump_save_aged(struct pump *pump)
{
    uint64_t now = clock_monotonic_ns();
    unsigned old = 0;
    while (old < pump->aged_count && now - pump->aged[old].at_ns >= pump->wiring.confirm_after_ns)
        old++;
    if (!old)
        return 0;
    int rc = cursor_save(&pump->cursor, &pump->aged[old - 1].cursor);
    if (rc)
        return rc;
    pump->aged_count -= old;
    memmove(pump->aged, pump->aged + old, pump->aged_count * sizeof *pump->aged);
    return 0;
}

int pump_save(struct pump *pump, struct sink_cursor *value)
{
    bool ages = pump->wiring.confirm_after_ns && pump->saved.version;
    int rc = ages ? 0 : cursor_save(&pump->cursor, value);
    pump->unsure |= rc != 0;
    if (rc)
        return rc;
    if (ages)
        keep_aging(pump, value);
    pump->saved = *value;
    pump->saved_ns = clock_monotonic_ns();
    return 0;
}

/* A sync that failed says so once only, and is not tried again. */
int pump_save_done(struct pump *pump)
{
    const struct sink_ops *ops = pump->wiring.ops;
    if (!pump->unsaved)
        return 0;
    pump->unsaved = false;
    int rc = ops->sync ? ops->sync(pump->wiring.sink) : 0;
    pump->sink_failed |= rc != 0;
    if (!rc)
        rc = pump_save(pump, &pump->done);
    pump->failed |= rc != 0;
    return rc;
}

static int commit_batch(struct pump *pump)
{
    int rc = pump->wiring.ops->commit(pump->wiring.sink, &pump->now.resume);
    pump->sink_failed = rc != 0;
    if (rc)
        return rc;
    counter_add(&pump->counters.delivered, pump->uncommitted);
    counter_add(&pump->counters.commits, pump->uncommitted != 0);
    pump->uncommitted = 0;
    pump->moved = true;
    return 0;
}

/* Says whether what was read is to be saved now. */
static bool is_due(const struct pump *pump, bool committed)
{
    return pump->passed || (committed && !pump->wiring.ops->late) ||
           (pump->moved && clock_monotonic_ns() - pump->saved_ns >= SAVE_NS);
}

int pump_commit(struct pump *pump)
{
    const struct sink_ops *ops = pump->wiring.ops;
    bool commits = pump->uncommitted || (ops->due && ops->due(pump->wiring.sink));
    int rc = pump_save_aged(pump);
    if (!rc && commits)
        rc = commit_batch(pump);
    if (rc || (!pump->moved && !pump->passed))
        return rc;
    pump->done = pump->now;
    pump->unsaved = true;
    if (!is_due(pump, commits))
        return 0;
    rc = pump_save_done(pump);
    if (rc)
        return rc;
    for (uint32_t shard = 0; shard < pump->now.shard_count; shard++)
        tail_save(&pump->tails[shard]);
    pump->moved = pump->passed = false;
    return 0;
}
