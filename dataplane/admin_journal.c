/* admin_journal.c - the journals' states, told to who asks and to who reads the log. */
#include "dataplane/admin_journal.h"

#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/counter.h"

#define READ(field) counter_read(&(field))

static enum journal_state state_of(const struct topo *topo, uint32_t shard)
{
    return (enum journal_state)atomic_load(&topo->journals[shard].journal->state);
}

static bool any(const struct topo *topo, enum journal_state state)
{
    for (uint32_t s = 0; s < topo->plan.shard_count; s++)
        if (state_of(topo, s) == state)
            return true;
    return false;
}

const char *admin_journal_state(const struct topo *topo, const char *well)
{
    return any(topo, JOURNAL_FAILED)      ? "journal_failed"
           : any(topo, JOURNAL_DISK_FULL) ? "disk_full"
                                          : well;
}

static void set_trouble(const struct journal *journal, json_t *one)
{
    char since[TEXT_TIME_LEN + 1];
    int error = atomic_load(&journal->error);
    if (!error)
        return;
    text_time_format((int64_t)(atomic_load(&journal->since_ns) / NS_PER_MS), since);
    json_object_set_new(one, "error", json_string(strerror(error)));
    json_object_set_new(one, "since", json_string(since));
}

static json_t *journal_json(const struct topo *topo, uint32_t shard)
{
    const struct journal_stock *stock = &topo->journals[shard].stock;
    const struct journal *j = topo->journals[shard].journal;
    uint64_t position = atomic_load(&j->mark.position);
    json_t *one =
        json_pack("{s:i, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:n}",
                  "shard", (int)shard, "state", journal_state_name(state_of(topo, shard)),
                  "refusing", journal_is_refusing(j), "segment", (json_int_t)(position >> 40),
                  "offset", (json_int_t)(position & ((1ull << 40) - 1)), "durable_ordinal",
                  (json_int_t)atomic_load(&j->mark.ordinal), "records",
                  (json_int_t)READ(topo->shards[shard]->counters.records), "bytes",
                  (json_int_t)READ(j->counters.bytes), "syncs", (json_int_t)READ(j->counters.syncs),
                  "errors", (json_int_t)READ(j->counters.error_count), "given_up",
                  (json_int_t)READ(j->counters.given_up), "spare",
                  (json_int_t)atomic_load(&stock->ready), "ahead", (json_int_t)stock->wiring.ahead,
                  "reserve", (json_int_t)stock->wiring.reserve, "error");
    const struct journal_uring *uring = topo->journals[shard].uring;
    bool through = uring && journal_uring_works(uring);
    json_object_set_new(one, "io", json_string(through ? "io_uring" : "sync"));
    set_trouble(j, one);
    return one;
}

json_t *admin_journals(const struct topo *topo)
{
    json_t *journals = json_array();
    for (uint32_t s = 0; s < topo->plan.shard_count; s++)
        json_array_append_new(journals, journal_json(topo, s));
    return journals;
}

json_t *admin_packed(const struct topo *topo)
{
    const struct pack_counters *packed = &topo->packed;
    int error = atomic_load(&packed->error);
    return json_pack("{s:I, s:I, s:I, s:s?}", "segments", (json_int_t)READ(packed->segments),
                     "bytes", (json_int_t)READ(packed->bytes), "packed_bytes",
                     (json_int_t)READ(packed->packed_bytes), "error",
                     error ? strerror(error) : NULL);
}

bool admin_journal_refusing(const struct topo *topo)
{
    bool refusing = false;
    for (uint32_t s = 0; s < topo->plan.shard_count; s++)
        refusing |= journal_is_refusing(topo->journals[s].journal);
    return refusing;
}

void admin_journal_warn(const struct topo *topo, json_t *warnings)
{
    bool refusing = admin_journal_refusing(topo);
    if (any(topo, JOURNAL_FAILED))
        json_array_append_new(
            warnings, json_string("a journal cannot write: nothing is accepted until it can; it is "
                                  "tried again every few seconds -> mend the disk or make room"));
    if (any(topo, JOURNAL_DISK_FULL))
        json_array_append_new(
            warnings, json_string(refusing ? "the disk is full: the reserve is in use and nothing "
                                             "is accepted -> make room in data_dir"
                                           : "the disk is full: events are accepted until the "
                                             "segments that are ready are full -> make room in "
                                             "data_dir"));
    int error = atomic_load(&topo->packed.error);
    if (error)
        json_array_append_new(
            warnings, json_sprintf("a cold segment cannot be compressed: %s -> trovectl segment "
                                   "verify --data-dir DIR",
                                   strerror(error)));
    if (any(topo, JOURNAL_DEGRADED))
        json_array_append_new(warnings,
                              json_string("a journal had an error of the disk and goes on in a new "
                                          "segment -> dmesg | tail"));
}

static void report(const struct topo *topo, uint32_t shard, enum journal_state state, FILE *out)
{
    const char *error = strerror(atomic_load(&topo->journals[shard].journal->error));
    switch (state) {
    case JOURNAL_OK:
        fprintf(out, "journal of shard %u: all is well again\n", shard);
        break;
    case JOURNAL_DEGRADED:
        fprintf(out, "warning: journal of shard %u: %s; it is tried again\n", shard, error);
        break;
    case JOURNAL_DISK_FULL:
        fprintf(out,
                "warning: journal of shard %u: %s; events are accepted until the segments that are "
                "ready are full: make room in data_dir\n",
                shard, error);
        break;
    case JOURNAL_FAILED:
        fprintf(out,
                "error: journal of shard %u stopped: %s; nothing more is accepted through it until "
                "it can write again: mend the disk or make room\n",
                shard, error);
    }
}

void admin_journal_report(const struct topo *topo, FILE *out)
{
    static enum journal_state told[PLAN_PARTS_MAX];
    static uint64_t told_given_up[PLAN_PARTS_MAX];
    for (uint32_t s = 0; s < topo->plan.shard_count; s++) {
        enum journal_state state = state_of(topo, s);
        uint64_t given_up = READ(topo->journals[s].journal->counters.given_up);
        if (state != told[s])
            report(topo, s, state, out);
        if (given_up != told_given_up[s])
            fprintf(out,
                    "warning: journal of shard %u: a write or sync failed; its segment was given "
                    "up behind what is durable, the rest is written in a new one\n",
                    s);
        told[s] = state;
        told_given_up[s] = given_up;
    }
}
