/* pump_gap.c - what the other side has lost, as a replica that was behind when it took over. */
#include <errno.h>

#include "dataplane/base/counter.h"
#include "sinks/pump.h"

/* An end that the journals have not reached is of other journals, or of what these once were. */
static bool is_ahead(const struct pump *pump, uint32_t shard, const struct sink_end *end)
{
    if (end->epoch != pump->wiring.epoch)
        return end->epoch > pump->wiring.epoch;
    return shard >= pump->wiring.shard_count ||
           end->ordinal >
               atomic_load_explicit(&pump->wiring.marks[shard]->ordinal, memory_order_acquire);
}

/* Points the tails at epoch `from`, those of shards with a gap at where the other side ends. */
static int go_back(struct pump *pump, uint32_t from, const bool gap[SINK_EPOCH_JOURNALS_MAX])
{
    struct sink_cursor *now = &pump->now;
    bool same = now->epoch == from;
    if (!same)
        *now = pump_before_epoch(pump, from);
    pump_start_tails(pump);
    for (uint32_t shard = 0; shard < now->shard_count; shard++) {
        if (same && !gap[shard])
            continue;
        struct tail *tail = &pump->tails[shard];
        const struct sink_end *end = &now->confirmed[shard];
        int rc = tail_seek(tail, end->epoch == from ? end->ordinal : 0);
        if (rc)
            return rc;
        now->at[shard].number = tail->number;
        now->at[shard].offset = tail->offset;
        now->at[shard].ordinal = tail->ordinal;
    }
    pump_start_tails(pump);
    counter_add(&pump->counters.gaps, 1);
    return 0;
}

/* Where the other side has less than it has confirmed, it gets it again, as far as the journals
 * have it still. */
int pump_fill_gaps(struct pump *pump)
{
    bool gap[SINK_EPOCH_JOURNALS_MAX] = {0};
    struct sink_cursor *now = &pump->now;
    bool past = pump->id_count && pump->ids[0].epoch < pump->wiring.epoch;
    uint32_t oldest = past ? pump->ids[0].epoch : pump->wiring.epoch, from = 0;
    if (!pump->wiring.ops->end)
        return 0;
    for (uint32_t shard = 0; shard < SINK_EPOCH_JOURNALS_MAX; shard++) {
        struct sink_end end = now->confirmed[shard];
        if (shard >= pump->wiring.shard_count && !now->confirmed[shard].epoch)
            continue;
        int rc = pump->wiring.ops->end(pump->wiring.sink, shard, &end);
        pump->sink_failed = rc != 0;
        if (!rc && is_ahead(pump, shard, &end))
            rc = -ESTALE;
        if (rc)
            return rc;
        if (!sink_end_is_before(&end, &now->confirmed[shard]))
            continue;
        gap[shard] = true;
        now->confirmed[shard] = end;
        uint32_t epoch = end.epoch > oldest ? end.epoch : oldest;
        if (!from || epoch < from)
            from = epoch;
    }
    return from ? go_back(pump, from, gap) : 0;
}
