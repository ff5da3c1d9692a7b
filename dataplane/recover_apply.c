/* recover_apply.c - every record of a shard's partitions through state_apply and state_correct. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/recover_impl.h"

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
        rebuild->result.differences++;
        state_pass(state, record->partition, record->seq, record->receive_ns);
    } else if (is_of_correction(rebuild, record) &&
               !(good && same(&rebuild->corrected, &view.outcome))) {
        rebuild->result.differences++;
    }
}

static int take_correction(struct rebuild *rebuild, struct state *state,
                           const struct record *record, bool elsewhere)
{
    struct correction correction;
    struct verdict verdict;
    pthread_mutex_lock(&rebuild->work->corrections);
    int rc = replay_correct(&rebuild->replay, NULL, record, state, &correction, &verdict,
                            &rebuild->corrected);
    pthread_mutex_unlock(&rebuild->work->corrections);
    if (rc)
        return -1;
    if (verdict.result == RESULT_REFUSED) {
        snprintf(rebuild->replay.error, 512,
                 "no room for correction %u:%llu, which was done when there was more: put "
                 "limits.corrections, limits.users and limits.claims back to what they were",
                 record->partition, (unsigned long long)record->seq);
        return -1;
    }
    if (elsewhere || verdict.seq != record->seq || verdict.result != RESULT_ACCEPTED)
        rebuild->result.differences++;
    if (state_seq(state, record->partition) < record->seq)
        state_pass(state, record->partition, record->seq, record->receive_ns);
    rebuild->result.corrections++;
    rebuild->partition = record->partition;
    rebuild->seq = record->seq + 1;
    return 0;
}

/* What the checkpoint has all of, but for the ids. */
static int remember_id(struct rebuild *rebuild, const struct record *record)
{
    static const struct event_limits limits = {.event_bytes = EVENT_BYTES_MAX, .event_depth = 64};
    const struct hash_key *key = rebuild->work->request->key;
    struct event event = {0};
    if (record->kind != RECORD_EVENT)
        return 0;
    event_parse(&limits, key, record_body(record), record->body_len, &event);
    event.receive_ns = record->receive_ns;
    event.partition = record->partition;
    event.bytes = record_body(record);
    event.len = (uint16_t)record->body_len;
    state_remember(rebuild->state, key, &event, record->seq);
    return 0;
}

static int take_record(struct rebuild *rebuild, const struct record *record)
{
    struct event event;
    struct verdict verdict;
    struct outcome outcomes[STATE_OUTCOMES_MAX];
    const uint64_t *until = rebuild->work->request->until;
    if (record->kind == RECORD_CONFIG || (until && record->seq > until[record->partition]))
        return 0;
    struct state *state = rebuild->state;
    if (rebuild->work->no_ids && record->seq <= rebuild->work->seq[record->partition])
        return remember_id(rebuild, record);
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
    if (replay_apply(&rebuild->replay, record, false, rebuild->view, &event, &verdict, outcomes))
        return -1;
    rebuild->result.events++;
    bool accepted = verdict.result == RESULT_ACCEPTED;
    if (elsewhere || verdict.seq != record->seq || accepted != (record->kind == RECORD_EVENT))
        rebuild->result.differences++;
    /* What was refused got no number. */
    if (state_seq(state, record->partition) < record->seq)
        state_pass(state, record->partition, record->seq, record->receive_ns);
    return 0;
}

/* What a crash left unfinished is in the last epoch alone, earlier ones have been cut, and only
 * where nothing behind it was written later: anything else at the end of a journal is damage. */
static int check_end(struct rebuild *rebuild, const struct replay_tail *tail)
{
    const struct store *store = rebuild->replay.store;
    uint64_t bytes;
    char name[SEGMENT_NAME_MAX];
    int rc = segment_bytes(store->journal_fd, tail->id, &bytes);
    if (!rc && bytes <= tail->offset)
        return 0;
    if (!rc)
        rc = segment_written_behind(store->journal_fd, tail->id, tail->file_id, tail->offset);
    if (rc > 0 || (tail->torn && tail->id.epoch + 1 < store->epoch))
        return replay_damaged(&rebuild->replay, tail->id, tail->offset);
    segment_name(tail->id, name);
    if (rc)
        snprintf(rebuild->replay.error, 512, "segment %s cannot be read at its end: %s", name,
                 strerror(-rc));
    return rc;
}

static int keep_tail(struct rebuild *rebuild)
{
    struct replay_tail tail = replay_tail(&rebuild->replay);
    if (!rebuild->work->request->look && check_end(rebuild, &tail))
        return -1;
    struct replay_tail *more =
        realloc(rebuild->tails, (rebuild->tail_count + 1) * sizeof *rebuild->tails);
    if (!more) {
        snprintf(rebuild->replay.error, 512, "no memory to read the journal");
        return -1;
    }
    rebuild->tails = more;
    rebuild->tails[rebuild->tail_count++] = tail;
    return 0;
}

int recover_replay(struct rebuild *rebuild)
{
    const struct record *record = NULL;
    int rc = 0;
    while (!rc && !atomic_load_explicit(&rebuild->work->stop, memory_order_relaxed)) {
        enum replay_step step = replay_next(&rebuild->replay, &record);
        if (step == REPLAY_END)
            break;
        rc = step == REPLAY_RECORD ? take_record(rebuild, record)
             : step == REPLAY_TAIL ? keep_tail(rebuild)
                                   : -1;
    }
    rebuild->result.segments = rebuild->replay.segments;
    return rc;
}
