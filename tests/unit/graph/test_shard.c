/* test_shard.c - one answer for each event, and each event's story whole in one block. */
#include "tests/unit/graph/shard_kit.h"

static void an_event_and_its_outcomes_are_journaled_with_their_names(void **state)
{
    (void)state;
    push(0, named(1, "u-1", "p"));
    push(0, named(2, "u-1", "q"));
    push(0, named(1, "u-1", "p"));
    assert_int_equal(shard_poll(&bed.shard, bed.now_ns, 64), 4); /* three events and a block */
    assert_int_equal(journal(true), 1);
    const uint8_t kinds[] = {RECORD_EVENT,   RECORD_OUTCOME, RECORD_OUTCOME, RECORD_EVENT,
                             RECORD_OUTCOME, RECORD_OUTCOME, RECORD_OUTCOME};
    assert_int_equal(bed.noted_count, 7);
    for (uint64_t i = 0; i < 7; i++) {
        assert_int_equal(bed.noted[i].kind, kinds[i]);
        assert_int_equal(bed.noted[i].seq, i + 1);
        assert_int_equal(bed.noted[i].ordinal, i + 1);
    }
    assert_string_equal(bed.noted[1].hunt, "trail");
    assert_string_equal(bed.noted[1].user, "");
    assert_int_equal(bed.noted[1].view.id[0], 1);
    assert_int_equal(bed.noted[1].view.outcome.flags, OUTCOME_STEP);
    assert_int_equal(bed.noted[4].view.outcome.kind, OUTCOME_award);
    assert_string_equal(bed.noted[4].hunt, "trail");
    assert_string_equal(bed.noted[4].user, "u-1");
    assert_string_equal(bed.noted[4].items, "p q");
    assert_string_equal(bed.noted[5].hunt, "basket");
    assert_int_equal(bed.noted[6].view.outcome.kind, OUTCOME_duplicate);
    assert_string_equal(bed.noted[6].user, "u-1");
    assert_int_equal(bed.noted[6].view.outcome.first_seq, 1);
    assert_int_equal(bed.noted[3].receive_ns, T0 + 2 * NS_PER_S);
    assert_int_equal(bed.noted[5].receive_ns, T0 + 2 * NS_PER_S);
    assert_int_equal(bed.shard.counters.accepted, 2);
    assert_int_equal(bed.shard.counters.duplicate, 1);
    assert_int_equal(bed.shard.counters.awards[0], 1);
    assert_int_equal(bed.shard.counters.records, 7);
    assert_int_equal(bed.shard.decision.total, 2);
    assert_int_equal(bed.shard.ring_wait.total, 3);
}

static void waits_are_told_apart_by_when_an_event_came(void **state)
{
    (void)state;
    const uint64_t before_ns[] = {9000, 9000, 5000, 5000, 2000};
    uint64_t now_ns = bed.now_ns + 9000;
    for (uint64_t i = 0; i < 5; i++) {
        bed.now_ns = now_ns - before_ns[i];
        push(0, named(i == 3 ? 1 : i + 1, "u-1", "p")); /* the fourth is the first again */
    }
    bed.now_ns = now_ns;
    shard_poll(&bed.shard, bed.now_ns, 64);
    const struct histogram *wait = &bed.shard.ring_wait;
    assert_int_equal(wait->total, 5);
    assert_int_equal(wait->max, 9000);
    assert_int_equal(wait->count[histogram_index(9000)], 2);
    assert_int_equal(wait->count[histogram_index(5000)], 2);
    assert_int_equal(wait->count[histogram_index(2000)], 1);
    assert_int_equal(bed.shard.decision.total, 4);
}

static void a_user_with_escapes_is_decoded(void **state)
{
    (void)state;
    struct event e = named(1, "u\\u002d\\\"x", "p");
    e.flags |= EVENT_ESCAPED;
    push(0, e);
    push(0, e);
    shard_poll(&bed.shard, bed.now_ns, 64);
    journal(true);
    assert_string_equal(bed.noted[3].user, "u-\"x");
}

static void a_rejected_event_is_kept_with_its_reason(void **state)
{
    (void)state;
    struct event e = view(bed.f, 1, "u", "p", T0);
    e.reason = REASON_utf8;
    e.reason_offset = 31;
    push(1, e);
    e = view(bed.f, 2, "u", "p", T0);
    e.flags = 0;
    push(1, e);
    shard_poll(&bed.shard, bed.now_ns, 64);
    journal(true);
    assert_int_equal(bed.noted_count, 2);
    assert_int_equal(bed.noted[0].kind, RECORD_DEAD);
    assert_int_equal(bed.noted[0].reason, REASON_utf8);
    assert_int_equal(bed.noted[0].body_len, 170);
    assert_int_equal(bed.noted[1].reason, REASON_item_required);
    struct answer a = answered(1);
    assert_int_equal(a.result, RESULT_REJECTED);
    assert_int_equal(a.reason, REASON_utf8);
    assert_int_equal(a.reason_offset, 31);
    assert_int_equal(bed.shard.counters.rejected[REASON_utf8], 1);
    assert_int_equal(bed.shard.counters.outcomes[OUTCOME_rejected], 2);
}

static void every_event_is_answered_once_and_in_order(void **state)
{
    (void)state;
    for (uint64_t id = 1; id <= 200; id++)
        push(id % SOURCES, view(bed.f, id % 150, "u", id % 3 ? "p" : "q", T0));
    unsigned taken = 0;
    while (taken < 200)
        taken += shard_poll(&bed.shard, bed.now_ns, 16) ? 16 : 0;
    shard_flush(&bed.shard);
    journal(true);
    uint64_t tokens[SOURCES] = {0};
    for (uint32_t s = 0; s < SOURCES; s++) {
        for (int i = 0; i < 100; i++) {
            struct answer a = answered(s);
            assert_int_equal(a.token % SOURCES, s);
            assert_true(a.token > tokens[s]);
            tokens[s] = a.token;
            /* The answer is durable when the last of the event's records is. */
            const struct noted *last = &bed.noted[a.ordinal - 1];
            assert_int_equal(last->ordinal, a.ordinal);
            assert_int_equal(last->kind, RECORD_OUTCOME);
            assert_true(a.ordinal == bed.noted_count || last[1].kind == RECORD_EVENT ||
                        last[1].view.outcome.kind == OUTCOME_duplicate);
            if (a.result == RESULT_ACCEPTED)
                assert_int_equal(last[-2].seq, a.seq);
            else
                assert_int_equal(last->view.outcome.first_seq, a.seq);
        }
        assert_int_equal(answer_ring_count(&bed.answers[s]), 0);
    }
    assert_int_equal(bed.shard.counters.accepted, 150);
    assert_int_equal(bed.shard.counters.duplicate, 50);
}

static struct rules *with_variants(uint32_t version, const char *first, const char *second)
{
    struct conf_hunt *basket = &bed.f->conf.hunts[1];
    basket->variant_count = 2;
    memset(basket->variants, 0, sizeof basket->variants);
    snprintf(basket->variants[0].name, CONF_NAME_MAX, "%s", first);
    snprintf(basket->variants[1].name, CONF_NAME_MAX, "%s", second);
    for (unsigned i = 0; i < 2; i++) {
        struct conf_variant *variant = &basket->variants[i];
        variant->weight = strcmp(variant->name, "double") == 0;
        snprintf(variant->reward, CONF_NAME_MAX, "for %.40s", variant->name);
    }
    return rules_build(&bed.f->conf, version, &bed.f->key, bed.f->items, &bed.f->diags);
}

static void counts_of_variants_follow_their_names(void **state)
{
    (void)state;
    const struct shard_counters *counters = &bed.shard.counters;
    struct rules *two = with_variants(2, "plain", "double");
    assert_int_equal(shard_reconfigure(&bed.shard, two, "{}", 2), 0);
    push(0, named(1, "u", "p"));
    push(0, named(2, "u", "q"));
    push(0, named(3, "v", "q"));
    shard_poll(&bed.shard, bed.now_ns, 64);
    shard_flush(&bed.shard);
    journal(true);
    assert_int_equal(counters->variant_users[1][0], 0);
    assert_int_equal(counters->variant_users[1][1], 2);
    assert_int_equal(counters->variant_awards[1][1], 1);
    unsigned awards = 0;
    for (uint32_t i = 0; i < bed.noted_count; i++) {
        const struct noted *n = &bed.noted[i];
        bool won = n->kind == RECORD_OUTCOME && n->view.outcome.kind == OUTCOME_award &&
                   strcmp(n->hunt, "basket") == 0;
        awards += won;
        assert_int_equal(n->view.variant.len, won ? 6 : 0);
        assert_int_equal(n->view.reward.len, won ? 10 : 0);
    }
    assert_int_equal(awards, 1);
    struct rules *three = with_variants(3, "double", "other");
    assert_int_equal(shard_reconfigure(&bed.shard, three, "{}", 2), 0);
    assert_int_equal(counters->variant_users[1][0], 2);
    assert_int_equal(counters->variant_awards[1][0], 1);
    assert_int_equal(counters->variant_users[1][1], 0);
    assert_int_equal(counters->variant_awards[1][1], 0);
    rules_free(two);
    rules_free(three);
}

static void a_refused_event_is_answered_and_not_journaled(void **state)
{
    (void)state;
    for (uint64_t id = 0; id < 12000; id++) {
        push(0, view(bed.f, id, "u", "p", T0));
        shard_poll(&bed.shard, bed.now_ns, 64);
        journal(true);
        bed.noted_count = bed.noted_count > 100 ? 0 : bed.noted_count;
        bed.block_count = bed.block_count > 50 ? 1 : bed.block_count;
        struct answer a = answered(0);
        if (a.result != RESULT_REFUSED)
            continue;
        assert_int_equal(a.seq, 0);
        assert_int_equal(a.ordinal, 0);
        assert_int_equal(a.reason, REASON_none);
        assert_int_equal(bed.shard.counters.refused, 1);
        assert_int_equal(bed.shard.counters.accepted, id);
        assert_int_equal(bed.shard.next_ordinal, 3 * id + 1);
        return;
    }
    fail();
}

static struct event claim(uint64_t id, const char *user)
{
    static char name[TILES_NAME_LEN + 1];
    const struct rules_hunt *hunt = &bed.f->rules->hunts[2];
    struct event e = view(bed.f, id, user, NULL, T0);
    tiles_name(&hunt->tiles_key, (struct tile){T0 / hunt->period_ns, 1}, name);
    e.type_key = hash64(&bed.f->key, "note", 4);
    e.flags = EVENT_HAS_TILE;
    e.bytes = (const uint8_t *)name;
    e.len = TILES_NAME_LEN;
    e.tile = (struct span){.len = TILES_NAME_LEN};
    return e;
}

static void a_claim_is_answered_with_its_outcome_and_a_repeat_with_the_same(void **state)
{
    (void)state;
    struct conf_hunt *hunt = &bed.f->conf.hunts[bed.f->conf.hunt_count++];
    *hunt = (struct conf_hunt){.name = "tiles",
                               .kind = CONF_TILES,
                               .types = 2,
                               .ends_ms = INT64_MAX,
                               .tiles = 10,
                               .live = 2,
                               .period_ns = NS_PER_S,
                               .map_ttl_ns = 3600 * NS_PER_S};
    fixture_build(bed.f);
    free(bed.arena.base);
    wire_up(&bed);
    static const struct {
        uint64_t id;
        const char *user, *claim;
        enum result result;
    } told[] = {{1, "a", "granted", RESULT_ACCEPTED},
                {2, "b", "taken", RESULT_ACCEPTED},
                {1, "a", "granted", RESULT_DUPLICATE},
                {2, "b", "taken", RESULT_DUPLICATE}};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        struct event e = claim(told[i].id, told[i].user);
        e.partition = 3; /* of the tile, not of the user */
        e.token = i + 1;
        assert_int_equal(event_ring_push_burst(&bed.events[0], &e, 1), 1);
        shard_poll(&bed.shard, bed.now_ns, 64);
        journal(true);
        struct answer a = answered(0);
        assert_int_equal(a.result, told[i].result);
        assert_string_equal(answer_claim_name(a.claim), told[i].claim);
        assert_int_equal(a.seq, i % 2 ? 3 : 1);
    }
    push(0, named(9, "c", "p"));
    shard_poll(&bed.shard, bed.now_ns, 64);
    assert_int_equal(answered(0).claim, ANSWER_CLAIM_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_event_and_its_outcomes_are_journaled_with_their_names),
        TEST(waits_are_told_apart_by_when_an_event_came),
        TEST(a_user_with_escapes_is_decoded),
        TEST(a_rejected_event_is_kept_with_its_reason),
        TEST(every_event_is_answered_once_and_in_order),
        TEST(counts_of_variants_follow_their_names),
        TEST(a_refused_event_is_answered_and_not_journaled),
        TEST(a_claim_is_answered_with_its_outcome_and_a_repeat_with_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
