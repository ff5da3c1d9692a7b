/* pump_removed.c - what was removed from the journal before it was read: the pump goes on where the
 * journal begins now. */
#include <errno.h>
#include <stdlib.h>

#include "dataplane/base/counter.h"
#include "sinks/pump.h"

/* in_front_of returns the ordinal in front of a segment's first record. */
static int in_front_of(const struct pump *pump, struct segment_id id, uint64_t *ordinal)
{
    struct segment_reader reader = {.fd = -1};
    int rc = segment_reader_init(&reader, pump->wiring.journal_dir_fd);
    if (!rc)
        rc = segment_reader_open(&reader, id);
    *ordinal = rc ? 0 : reader.ordinal;
    segment_reader_fini(&reader);
    return rc == -ENODATA ? 0 : rc;
}

/* pass moves a cursor of the epoch with which the journal begins. */
static int pass(struct pump *pump, const struct sink_cursor *begins, struct sink_cursor *next,
                bool *moved)
{
    for (uint32_t s = 0; s < next->shard_count && s < begins->shard_count; s++) {
        uint32_t number = begins->at[s].number;
        uint64_t ordinal;
        if (number <= 1 || next->at[s].number >= number)
            continue;
        int rc = in_front_of(pump, (struct segment_id){next->epoch, s, number}, &ordinal);
        if (rc)
            return rc;
        if (ordinal > next->at[s].ordinal)
            counter_add(&pump->counters.skipped, ordinal - next->at[s].ordinal);
        next->at[s].number = number;
        next->at[s].offset = 0;
        next->at[s].ordinal = ordinal;
        *moved = true;
    }
    return 0;
}

static int list_again(struct pump *pump)
{
    unsigned unknown;
    free(pump->ids);
    pump->ids = NULL;
    pump->id_count = 0;
    int rc = segment_list(pump->wiring.journal_dir_fd, &pump->ids, &unknown);
    if (rc < 0)
        return rc;
    pump->id_count = (size_t)rc;
    return 0;
}

int pump_pass_removed(struct pump *pump)
{
    struct sink_cursor begins = {0}, next = pump->saved;
    bool moved = false;
    if (!pump->saved.version || !pump->wiring.begins ||
        !pump->wiring.begins(pump->wiring.begins_arg, &begins) || pump->saved.epoch > begins.epoch)
        return 0;
    int rc = list_again(pump);
    if (!rc && pump->saved.epoch < begins.epoch) {
        pump->now = pump->saved;
        next = pump_before_epoch(pump, begins.epoch);
        next.resume = pump->saved.resume;
        moved = true;
    }
    if (!rc)
        rc = pass(pump, &begins, &next, &moved);
    if (!rc && moved)
        rc = pump_save(pump, &next);
    if (!rc && moved) {
        pump->now = pump->saved;
        pump_start_tails(pump);
    }
    return rc;
}
