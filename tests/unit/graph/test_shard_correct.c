/* test_shard_correct.c - corrections that come to a shard, between its events. */
#include "tests/unit/graph/shard_kit.h"

static struct correction_ask asking(enum correction_wish wish, enum correction_kind kind)
{
    struct correction_ask ask = {.token = ++bed.next_token, .wish = (uint8_t)wish};
    struct correction *c = &ask.correction;
    *c = (struct correction){.id = {bed.next_token, 9},
                             .kind = (uint8_t)kind,
                             .user = "u-1",
                             .hunt = "trail",
                             .reason = "r",
                             .ref = "f",
                             .by = "b",
                             .receive_ns = T0 + 5 * NS_PER_S};
    c->partition = event_partition(hash128(&bed.f->key, "u-1", 3).hi, 16);
    return ask;
}

static struct correction_answer ask(struct correction_ask ask)
{
    struct correction_answer answer;
    assert_int_equal(correction_ask_ring_push_burst(&bed.asks, &ask, 1), 1);
    assert_true(shard_poll(&bed.shard, bed.now_ns, 64) >= 1);
    assert_int_equal(correction_answer_ring_pop_burst(&bed.corrected, &answer, 1), 1);
    assert_true(answer.token == ask.token);
    return answer;
}

static void a_correction_is_journaled_with_its_outcome_and_answered(void **state)
{
    (void)state;
    struct correction_ask grant = asking(CORRECTION_DO, CORRECTION_grant);
    struct correction_answer answer = ask(grant);
    assert_int_equal(answer.verdict.result, RESULT_ACCEPTED);
    assert_int_equal(answer.outcome.kind, OUTCOME_granted);
    assert_int_equal(answer.ordinal, 2);
    assert_int_equal(journal(true), 1);
    assert_int_equal(bed.noted_count, 2);
    assert_int_equal(bed.noted[0].kind, RECORD_CORRECTION);
    assert_int_equal(bed.noted[1].kind, RECORD_OUTCOME);
    assert_true(bed.noted[0].seq == 1 && bed.noted[1].seq == 2);
    assert_true(bed.noted[1].receive_ns == T0 + 5 * NS_PER_S);
    assert_string_equal(bed.noted[1].user, "u-1");
    assert_string_equal(bed.noted[1].hunt, "trail");
    assert_int_equal(bed.noted[1].view.outcome.kind, OUTCOME_granted);
    assert_true(bed.noted[1].view.id[0] == grant.correction.id[0]);
    assert_int_equal(bed.shard.counters.outcomes[OUTCOME_granted], 1);
    assert_int_equal(bed.shard.counters.accepted, 0);
    /* The event after it meets what it left. */
    push(0, named(1, "u-1", "p"));
    shard_poll(&bed.shard, bed.now_ns, 64);
    journal(true);
    assert_int_equal(bed.noted[3].view.outcome.flags, OUTCOME_DONE);
}

static void only_what_is_done_is_journaled(void **state)
{
    (void)state;
    struct correction_answer answer = ask(asking(CORRECTION_TRY, CORRECTION_grant));
    assert_int_equal(answer.outcome.kind, OUTCOME_granted);
    struct correction_ask grant = asking(CORRECTION_FIND, CORRECTION_grant), undo;
    assert_false(ask(grant).found);
    grant.wish = CORRECTION_DO;
    ask(grant);
    assert_int_equal(ask(grant).verdict.result, RESULT_DUPLICATE);
    grant.wish = CORRECTION_FIND;
    answer = ask(grant);
    assert_true(answer.found && answer.used_in == grant.correction.partition);
    undo = asking(CORRECTION_FIND, CORRECTION_undo);
    memcpy(undo.correction.undo, grant.correction.id, sizeof undo.correction.undo);
    answer = ask(undo);
    assert_true(!answer.found && answer.undo_found);
    assert_string_equal(answer.undone.user, "u-1");
    undo = asking(CORRECTION_DO, CORRECTION_grant);
    strcpy(undo.correction.hunt, "nosuch");
    assert_int_equal(ask(undo).verdict.result, RESULT_REJECTED);
    journal(true);
    assert_int_equal(bed.noted_count, 2);
}

static void a_correction_waits_for_a_block_as_events_do(void **state)
{
    (void)state;
    struct block_ref refs[BLOCKS];
    struct correction_answer answer;
    struct correction_ask grant = asking(CORRECTION_DO, CORRECTION_grant);
    assert_int_equal(block_ring_pop_burst(&bed.from_journal, refs, BLOCKS), BLOCKS);
    assert_int_equal(correction_ask_ring_push_burst(&bed.asks, &grant, 1), 1);
    assert_int_equal(shard_poll(&bed.shard, bed.now_ns, 64), 0);
    assert_int_equal(correction_answer_ring_pop_burst(&bed.corrected, &answer, 1), 0);
    assert_int_equal(block_ring_push_burst(&bed.from_journal, refs, BLOCKS), BLOCKS);
    assert_int_equal(shard_poll(&bed.shard, bed.now_ns, 64), 2);
    assert_int_equal(correction_answer_ring_pop_burst(&bed.corrected, &answer, 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_correction_is_journaled_with_its_outcome_and_answered),
        TEST(only_what_is_done_is_journaled),
        TEST(a_correction_waits_for_a_block_as_events_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
