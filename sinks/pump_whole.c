/* pump_whole.c - reads for a sink of whole journals: one journal's records until its object is
 * full, then the next one's.
 *
 * Nothing is kept of an object that cannot be finished yet: the journal has it, and the cursor
 * stands in front of it.
 */
#include "dataplane/base/counter.h"
#include "sinks/pump.h"

static bool is_wanted(const struct pump *pump, const struct tail *tail)
{
    const struct segment_mark *mark = tail->mark;
    const struct sink_waiting waiting = {
        .epoch = tail->epoch,
        .shard = tail->shard,
        .ordinal = pump->now.at[tail->shard].ordinal,
        .durable = mark ? atomic_load_explicit(&mark->ordinal, memory_order_acquire) : 0,
        .over = !mark,
    };
    return !tail->done && pump->wiring.ops->wants(pump->wiring.sink, &waiting);
}

/* Reads until the object is full or nothing more is durable; *received_ns is of the last record.
 * Returns 0, or -errno of the journal or the sink. */
static int read_object(struct pump *pump, struct tail *tail, uint64_t *received_ns)
{
    const struct sink_ops *ops = pump->wiring.ops;
    const struct record *record;
    int rc;
    while ((rc = tail_next(tail, &record)) > 0) {
        const struct sink_record taken = {.record = record,
                                          .epoch = tail->epoch,
                                          .shard = tail->shard,
                                          .ordinal = tail->reader.ordinal,
                                          .config_version = tail->reader.config_version,
                                          .created_ns = tail->reader.created_ns};
        rc = ops->take(pump->wiring.sink, &taken);
        pump->sink_failed = rc < 0;
        if (rc)
            break;
        pump_count_record(pump, tail, record);
        tail_accept(tail);
        pump->uncommitted++;
        *received_ns = record->receive_ns ? record->receive_ns : taken.created_ns;
    }
    return rc < 0 ? rc : 0;
}

/* What was read becomes the cursor.  The tail goes back to the first record that is not in it. */
static int save(struct pump *pump, struct tail *tail, uint64_t received_ns)
{
    struct sink_cursor *now = &pump->now;
    now->at[tail->shard].number = tail->number;
    now->at[tail->shard].offset = tail->offset;
    now->at[tail->shard].ordinal = tail->ordinal;
    int rc = pump_save(pump, now);
    if (rc)
        return rc;
    counter_add(&pump->counters.delivered, pump->uncommitted);
    counter_add(&pump->counters.commits, 1);
    pump->current_ns = received_ns;
    tail_save(tail);
    tail_rewind(tail, tail->number, tail->offset, tail->ordinal);
    return 0;
}

/* The object stays open: it is read again from its beginning when there is more. */
static void put_back(struct pump *pump, struct tail *tail)
{
    const struct sink_cursor *now = &pump->now;
    tail_rewind(tail, now->at[tail->shard].number, now->at[tail->shard].offset,
                now->at[tail->shard].ordinal);
}

static int commit(struct pump *pump)
{
    int rc = pump->wiring.ops->commit(pump->wiring.sink, &pump->now.resume);
    pump->sink_failed = rc < 0;
    return rc;
}

static int poll_tail(struct pump *pump, struct tail *tail, unsigned *records)
{
    uint64_t received_ns = 0;
    pump->uncommitted = 0;
    int rc = read_object(pump, tail, &received_ns);
    if (rc || !pump->uncommitted)
        return rc;
    rc = commit(pump);
    if (rc == SINK_OBJECT_OPEN)
        put_back(pump, tail);
    else if (!rc)
        rc = save(pump, tail, received_ns);
    if (!rc)
        *records += pump->uncommitted;
    pump->uncommitted = 0;
    return rc < 0 ? rc : 0;
}

/* Each journal in its turn, until one has got an object done. */
static int poll_tails(struct pump *pump, unsigned *records)
{
    int rc = 0;
    for (uint32_t i = 0; i < pump->now.shard_count && !rc && !*records; i++) {
        struct tail *tail = &pump->tails[pump->turn++ % pump->now.shard_count];
        if (is_wanted(pump, tail))
            rc = poll_tail(pump, tail, records);
    }
    return rc;
}

int pump_poll_whole(struct pump *pump, unsigned *records)
{
    const struct sink_ops *ops = pump->wiring.ops;
    int rc = ops->due && ops->due(pump->wiring.sink) ? commit(pump) : 0;
    do {
        if (rc >= 0)
            rc = poll_tails(pump, records);
        if (!rc && !*records)
            rc = pump_next_epoch(pump);
    } while (rc > 0);
    pump->failed = rc < 0;
    return rc;
}
