/* test_outcome.c - outcomes survive the journal, and only outcomes do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "dataplane/base/outcome.h"

#define NAME(s) ((struct outcome_name){.text = (const uint8_t *)(s), .len = sizeof(s) - 1})

static struct outcome_view award(void)
{
    return (struct outcome_view){
        .outcome =
            {
                .kind = OUTCOME_award,
                .flags = OUTCOME_STEP | OUTCOME_STOPPED,
                .item_count = 3,
                .hunt = 4,
                .depth = 3,
                .score = 0x28000,
                .edge_count = 77,
                .award_id = {0x0123456789abcdefull, 0xfedcba9876543210ull},
                .item = {8, 9, 10},
            },
        .id = {0x7f3c1e2a9b4d4c8eull, 0xa1f20d9e8c7b6a5full},
        .hunt = NAME("spring-26"),
        .user = NAME("u-1042"),
        .item = {NAME("85123A"), NAME("22423"), NAME("x")},
    };
}

static void assert_name(struct outcome_name got, struct outcome_name want)
{
    assert_int_equal(got.len, want.len);
    assert_memory_equal(got.text, want.text, want.len);
}

static void an_award_comes_back_with_its_names(void **state)
{
    (void)state;
    uint8_t body[OUTCOME_BODY_MAX];
    struct outcome_view in = award(), out;
    uint32_t len = outcome_encode(&in, body);
    assert_int_equal(outcome_len(&in), len);
    assert_int_equal(outcome_decode(body, len, &out), 0);
    assert_name(out.hunt, in.hunt);
    assert_name(out.user, in.user);
    for (unsigned i = 0; i < 3; i++)
        assert_name(out.item[i], in.item[i]);
    assert_int_equal(out.outcome.hunt, OUTCOME_NO_HUNT);
    assert_int_equal(out.outcome.item[0], 0);
    in.outcome.hunt = OUTCOME_NO_HUNT;
    memset(in.outcome.item, 0, sizeof in.outcome.item);
    assert_memory_equal(&out.outcome, &in.outcome, sizeof in.outcome);
    assert_memory_equal(out.id, in.id, sizeof in.id);
}

static void every_kind_refusal_and_first_seq_come_back(void **state)
{
    (void)state;
    uint8_t body[OUTCOME_BODY_MAX];
    for (unsigned kind = 0; kind < OUTCOME_KIND_COUNT; kind++)
        for (unsigned refusal = 0; refusal < REFUSAL_COUNT; refusal++) {
            struct outcome_view out, in = {.outcome = {.kind = (uint8_t)kind,
                                                       .refusal = (uint8_t)refusal,
                                                       .first_seq = UINT64_MAX - kind}};
            uint32_t len = outcome_encode(&in, body);
            assert_int_equal(outcome_decode(body, len, &out), 0);
            assert_int_equal(out.outcome.kind, kind);
            assert_int_equal(out.outcome.refusal, refusal);
            assert_true(out.outcome.first_seq == UINT64_MAX - kind);
            assert_int_equal(out.hunt.len, 0);
        }
}

static void the_longest_outcome_fits_into_its_maximum(void **state)
{
    (void)state;
    uint8_t body[OUTCOME_BODY_MAX], text[EVENT_NAME_MAX];
    memset(text, 'n', sizeof text);
    struct outcome_name name = {.text = text, .len = sizeof text};
    struct outcome_view out, in = award();
    in.outcome.item_count = OUTCOME_ITEMS_MAX;
    in.hunt = in.user = in.variant = in.reward = name;
    for (unsigned i = 0; i < OUTCOME_ITEMS_MAX; i++)
        in.item[i] = name;
    uint32_t len = outcome_encode(&in, body);
    assert_true(len <= OUTCOME_BODY_MAX);
    assert_int_equal(outcome_decode(body, len, &out), 0);
    assert_int_equal(out.item[OUTCOME_ITEMS_MAX - 1].len, EVENT_NAME_MAX);
}

static void an_award_comes_back_with_its_variant_and_reward(void **state)
{
    (void)state;
    uint8_t body[OUTCOME_BODY_MAX];
    struct outcome_view in = award(), out;
    uint32_t plain_len = outcome_encode(&in, body);
    assert_int_equal(body[6], 0); /* as it was before there were variants */
    in.variant = NAME("double");
    uint32_t len = outcome_encode(&in, body);
    assert_int_equal(len, plain_len + 1 + 6 + 1);
    assert_int_equal(outcome_decode(body, len, &out), 0);
    assert_name(out.variant, in.variant);
    assert_int_equal(out.reward.len, 0);
    in.reward = NAME("2 x 5 %");
    len = outcome_encode(&in, body);
    assert_int_equal(outcome_len(&in), len);
    assert_int_equal(outcome_decode(body, len, &out), 0);
    assert_name(out.reward, in.reward);
    for (uint32_t cut = plain_len; cut < len; cut++)
        assert_int_equal(outcome_decode(body, cut, &out), -EBADMSG);
    /* A variant without a name is none: there is one way to write an outcome. */
    memcpy(body + plain_len, "\0\0", 2);
    assert_int_equal(outcome_decode(body, plain_len + 2, &out), -EBADMSG);
}

static void a_body_of_any_other_length_is_refused(void **state)
{
    (void)state;
    uint8_t body[OUTCOME_BODY_MAX + 1] = {0};
    struct outcome_view out, in = award();
    uint32_t len = outcome_encode(&in, body);
    for (uint32_t cut = 0; cut <= len + 1; cut++) {
        /* Of its own memory, for the sanitizers to see a byte read too far. */
        uint8_t *exact = malloc(cut ? cut : 1);
        memcpy(exact, body, cut);
        assert_int_equal(outcome_decode(exact, cut, &out), cut == len ? 0 : -EBADMSG);
        free(exact);
    }
}

static void wrong_numbers_are_refused(void **state)
{
    (void)state;
    uint8_t body[OUTCOME_BODY_MAX];
    struct outcome_view out, in = award();
    uint32_t len = outcome_encode(&in, body);
    static const struct {
        uint32_t at;
        uint8_t value;
    } wrong[] = {{0, OUTCOME_KIND_COUNT},
                 {0, 255},
                 {1, REFUSAL_COUNT},
                 {3, OUTCOME_ITEMS_MAX + 1},
                 {3, 2},
                 {3, 4},
                 {6, 1},
                 {6, 2},
                 {7, 1},
                 {56, EVENT_NAME_MAX + 1},
                 {56, 255}};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint8_t was = body[wrong[i].at];
        body[wrong[i].at] = wrong[i].value;
        assert_int_equal(outcome_decode(body, len, &out), -EBADMSG);
        body[wrong[i].at] = was;
    }
    assert_int_equal(outcome_decode(body, len, &out), 0);
}

static void kinds_and_refusals_have_names(void **state)
{
    (void)state;
    assert_string_equal(outcome_kind_name(OUTCOME_claim_granted), "claim_granted");
    assert_string_equal(outcome_kind_name(OUTCOME_KIND_COUNT), "unknown");
    assert_string_equal(refusal_name(REFUSAL_too_fast), "too_fast");
    assert_string_equal(refusal_name(REFUSAL_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_award_comes_back_with_its_names),
        cmocka_unit_test(an_award_comes_back_with_its_variant_and_reward),
        cmocka_unit_test(every_kind_refusal_and_first_seq_come_back),
        cmocka_unit_test(the_longest_outcome_fits_into_its_maximum),
        cmocka_unit_test(a_body_of_any_other_length_is_refused),
        cmocka_unit_test(wrong_numbers_are_refused),
        cmocka_unit_test(kinds_and_refusals_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
