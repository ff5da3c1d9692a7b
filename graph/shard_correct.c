/* shard_correct.c - corrections through the state into journal blocks, and answers back. */
#include "graph/shard_correct.h"

#include <string.h>

#include "dataplane/base/counter.h"
#include "graph/shard_impl.h"

static struct outcome_name name_of(const char *text)
{
    return (struct outcome_name){.text = (const uint8_t *)text, .len = (uint32_t)strlen(text)};
}

void shard_correction_view(const struct rules *rules, const struct correction *correction,
                           const struct outcome *outcome, struct outcome_view *view)
{
    *view = (struct outcome_view){.outcome = *outcome,
                                  .id = {correction->id[0], correction->id[1]},
                                  .hunt = name_of(correction->hunt),
                                  .user = name_of(correction->user)};
    if (outcome->kind != OUTCOME_granted || !outcome->variant)
        return;
    const struct rules_hunt *hunt = &rules->hunts[outcome->hunt];
    view->variant = name_of(hunt->variants[outcome->variant - 1].name);
    view->reward = name_of(hunt->variants[outcome->variant - 1].reward);
}

static void record_correction(struct shard *shard, const struct correction *correction,
                              const struct verdict *verdict, const struct outcome *outcome,
                              uint64_t now_ns)
{
    uint8_t body[CORRECTION_BODY_MAX];
    struct outcome_view view;
    struct record record = {
        .body_len = correction_encode(correction, body),
        .kind = RECORD_CORRECTION,
        .partition = correction->partition,
        .seq = verdict->seq,
        .receive_ns = verdict->receive_ns,
    };
    shard_note(shard, verdict->receive_ns, now_ns);
    struct record *at = shard_append(shard, record.body_len);
    *at = record;
    memcpy(at + 1, body, record.body_len);
    shard_correction_view(shard->rules, correction, outcome, &view);
    record.kind = RECORD_OUTCOME;
    record.seq++;
    record.body_len = outcome_len(&view);
    at = shard_append(shard, record.body_len);
    *at = record;
    outcome_encode(&view, (uint8_t *)(at + 1));
    shard_count_outcome(&shard->counters, outcome);
}

static void find(const struct shard *shard, const struct correction *correction,
                 struct correction_answer *answer)
{
    struct correction used;
    answer->found = state_find_correction(shard->state, correction->id, &used);
    answer->used_in = answer->found ? used.partition : 0;
    if (correction->kind == CORRECTION_undo)
        answer->undo_found = state_find_correction(shard->state, correction->undo, &answer->undone);
}

static void answer_ask(struct shard *shard, const struct correction_ask *ask, uint64_t now_ns)
{
    struct correction_answer answer = {.token = ask->token,
                                       .config_version = shard->rules->version};
    const struct correction *correction = &ask->correction;
    if (ask->wish == CORRECTION_FIND)
        find(shard, correction, &answer);
    else if (ask->wish == CORRECTION_TRY)
        answer.verdict =
            state_try_correction(shard->state, shard->rules, correction, &answer.outcome);
    else
        answer.verdict = state_correct(shard->state, shard->rules, correction, &answer.outcome);
    if (ask->wish == CORRECTION_DO && answer.verdict.result == RESULT_ACCEPTED)
        record_correction(shard, correction, &answer.verdict, &answer.outcome, now_ns);
    /* What came again may have been written a moment ago. */
    answer.ordinal = shard->next_ordinal - 1;
    correction_answer_ring_push_burst(shard->corrected, &answer, 1);
}

unsigned shard_take_correction(struct shard *shard, uint64_t now_ns)
{
    struct correction_ask ask;
    if (!shard->corrections || !correction_ask_ring_count(shard->corrections) ||
        !correction_answer_ring_room(shard->corrected) ||
        !shard_make_room(shard, record_bytes(CORRECTION_BODY_MAX) + record_bytes(OUTCOME_BODY_MAX)))
        return 0;
    if (!correction_ask_ring_pop_burst(shard->corrections, &ask, 1))
        return 0;
    answer_ask(shard, &ask, now_ns);
    return 1;
}
