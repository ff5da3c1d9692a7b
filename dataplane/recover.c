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

    /* The outcome of the last correction, and where it should be. */
    struct outcome corrected;
    uint32_t partition;
    uint64_t seq; /* 0: none */
};

static bool is_of_correction(const struct rebuild *rebuild, const struct record *record)
{
    return record->partition == rebuild->partition && record->seq == rebuild->seq;
}

static bool same(const struct outcome *a, const struct outcome *b)
{
    return a->kind == b->kind && a->refusal == b->refusal && a->score == b->score &&
           a->award_id[0] == b->award_id[0] && a->award_id[1] == b->award_id[1];
}

/* The outcomes of an event were given their numbers when the event was applied: only a duplicate's
 * stands alone. */
static void take_outcome(struct rebuild *rebuild, struct state *state, const struct record *record)
{
    struct outcome_view view;
    bool good = outcome_decode(record_body(record), record->body_len, &view) == 0;
    if (good && view.outcome.kind == OUTCOME_duplicate) {
        state_pass(state, record->partition, record->seq, record->receive_ns);
    } else if (record->seq > state_seq(state, record->partition)) {
        rebuild->result->differences++;
        state_pass(state, record->partition, record->seq, record->receive_ns);
    } else if (is_of_correction(rebuild, record) &&
               !(good && same(&rebuild->corrected, &view.outcome))) {
        rebuild->result->differences++;
    }
}

static int take_correction(struct rebuild *rebuild, struct state *state,
                           const struct record *record, bool elsewhere)
{
    struct correction correction;
    struct verdict verdict;
    if (replay_correct(&rebuild->replay, NULL, record, state, &correction, &verdict,
                       &rebuild->corrected))
        return -1;
    if (verdict.result == RESULT_REFUSED) {
        snprintf(rebuild->replay.error, 512,
                 "no room for correction %u:%llu, which was done when there was more: put "
                 "limits.corrections, limits.users and limits.claims back to what they were",
                 record->partition, (unsigned long long)record->seq);
        return -1;
    }
    if (elsewhere || verdict.seq != record->seq || verdict.result != RESULT_ACCEPTED)
        rebuild->result->differences++;
    if (state_seq(state, record->partition) < record->seq)
        state_pass(state, record->partition, record->seq, record->receive_ns);
    rebuild->result->corrections++;
    rebuild->partition = record->partition;
    rebuild->seq = record->seq + 1;
    return 0;
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
    /* Records are dense: where the state is elsewhere, it made another number of outcomes than
     * there are.  The journal's numbers hold, for what comes next follows them. */
    bool elsewhere = state_seq(state, record->partition) + 1 != record->seq;
    if (elsewhere)
        state_pass(state, record->partition, record->seq - 1, 0);
    if (record->kind == RECORD_CORRECTION)
        return take_correction(rebuild, state, record, elsewhere);
    if (replay_apply(&rebuild->replay, record, false, state, &event, &verdict, outcomes))
        return -1;
    rebuild->result->events++;
    bool accepted = verdict.result == RESULT_ACCEPTED;
    if (elsewhere || verdict.seq != record->seq || accepted != (record->kind == RECORD_EVENT))
        rebuild->result->differences++;
    /* What was refused got no number. */
    if (state_seq(state, record->partition) < record->seq)
        state_pass(state, record->partition, record->seq, record->receive_ns);
    return 0;
}

/* The end of a journal, at which its file may go on. What a crash left unfinished was never
 * durable: it is cut, so that no later reader meets it, and with it the room that was kept for
 * more. That is so in the last epoch alone, earlier ones have been cut, and only where nothing
 * behind it was written later. */
static int end_journal(struct rebuild *rebuild)
{
    struct replay_tail tail = replay_tail(&rebuild->replay);
    const struct store *store = rebuild->replay.store;
    char name[SEGMENT_NAME_MAX];
    uint64_t bytes;
    int rc = segment_bytes(store->journal_fd, tail.id, &bytes);
    if (!rc && bytes <= tail.offset)
        return 0;
    if (!rc)
        rc = segment_written_behind(store->journal_fd, tail.id, tail.file_id, tail.offset);
    if (rc > 0 || (tail.torn && tail.id.epoch + 1 < store->epoch))
        return replay_damaged(&rebuild->replay, tail.id, tail.offset);
    if (!rc)
        rc = segment_cut(store->journal_fd, tail.id, tail.offset);
    segment_name(tail.id, name);
    if (rc) {
        snprintf(rebuild->replay.error, 512, "segment %s cannot be cut at its end: %s", name,
                 strerror(-rc));
        return -1;
    }
    if (tail.torn) {
        rebuild->result->torn++;
        fprintf(stderr, "segment %s: cut at offset %llu, behind which a write was not finished\n",
                name, (unsigned long long)tail.offset);
    }
    return 0;
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
             : step == REPLAY_TAIL ? end_journal(&rebuild)
                                   : -1;
    }
    if (!rc && rebuild.replay.unknown)
        fprintf(stderr, "data_dir %s: %u files in journal/ are not segments; they are left alone\n",
                store->path, rebuild.replay.unknown);
    recovery->segments = rebuild.replay.segments;
    replay_close(&rebuild.replay);
    return rc;
}
