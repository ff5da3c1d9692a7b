/* recover.c - genesis replay: every record of every journal through state_apply. */
#include "dataplane/recover.h"

#include <stdio.h>
#include <string.h>

#include "dataplane/replay.h"

struct rebuild {
    struct replay replay;
    struct state **states;
    uint32_t shard_count;
    struct recovery *result;
};

/* The outcomes of an event were given their numbers when the event was applied: only a duplicate's
 * stands alone. */
static void take_outcome(struct rebuild *rebuild, struct state *state, const struct record *record)
{
    struct outcome_view view;
    bool duplicate = outcome_decode(record_body(record), record->body_len, &view) == 0 &&
                     view.outcome.kind == OUTCOME_duplicate;
    if (duplicate)
        state_pass(state, record->partition, record->seq, record->receive_ns);
    else if (record->seq > state_seq(state, record->partition))
        rebuild->result->differences++;
}

static int take_record(struct rebuild *rebuild, const struct record *record)
{
    struct event event;
    struct verdict verdict;
    struct outcome outcomes[STATE_OUTCOMES_MAX];
    if (record->kind == RECORD_CONFIG)
        return 0;
    struct state *state = rebuild->states[record->partition % rebuild->shard_count];
    if (record->kind == RECORD_OUTCOME) {
        take_outcome(rebuild, state, record);
        return 0;
    }
    if (replay_apply(&rebuild->replay, record, false, state, &event, &verdict, outcomes))
        return -1;
    rebuild->result->events++;
    bool accepted = verdict.result == RESULT_ACCEPTED;
    if (verdict.seq != record->seq || accepted != (record->kind == RECORD_EVENT))
        rebuild->result->differences++;
    return 0;
}

/* What a crash left unfinished at the end of a journal was never durable: it is cut, so that no
 * later reader meets it. */
static int cut(struct rebuild *rebuild)
{
    struct segment_id id;
    uint64_t offset = replay_torn(&rebuild->replay, &id);
    rebuild->result->torn++;
    int rc = segment_cut(rebuild->replay.store->journal_fd, id, offset);
    if (!rc)
        return 0;
    char name[SEGMENT_NAME_MAX];
    segment_name(id, name);
    snprintf(rebuild->replay.error, 512,
             "segment %s ends in an unfinished block and cannot be cut: %s", name, strerror(-rc));
    return -1;
}

int recover(const struct store *store, const struct hash_key *key, struct items *items,
            struct state **states, uint32_t shard_count, struct recovery *recovery, char error[512])
{
    struct rebuild rebuild = {.states = states, .shard_count = shard_count, .result = recovery};
    const struct record *record = NULL;
    memset(recovery, 0, sizeof *recovery);
    int rc = replay_open(&rebuild.replay, store, key, items, error);
    while (!rc) {
        enum replay_step step = replay_next(&rebuild.replay, &record);
        if (step == REPLAY_END)
            break;
        rc = step == REPLAY_RECORD ? take_record(&rebuild, record)
             : step == REPLAY_TORN ? cut(&rebuild)
                                   : -1;
    }
    recovery->segments = rebuild.replay.segments;
    replay_close(&rebuild.replay);
    return rc;
}
