/* test_pacer.c - every event of a plan is due once, in order, at the time its rate says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/blast_pacer.h"
#include "dataplane/base/clock.h"

static struct blast_pacer planned(const char *text, uint64_t events, uint64_t duration_ns)
{
    struct blast_pacer pacer;
    assert_int_equal(blast_pacer_parse(&pacer, text), 0);
    assert_int_equal(blast_pacer_limit(&pacer, events, duration_ns), 0);
    return pacer;
}

static void a_constant_rate_is_evenly_spaced(void **state)
{
    (void)state;
    struct blast_pacer pacer = planned("240k", 0, 30 * NS_PER_S);
    assert_int_equal(pacer.total, 7200000);
    assert_int_equal(blast_pacer_due(&pacer, 0), 0);
    assert_in_range(blast_pacer_due(&pacer, 240), 1000000 - 1, 1000000);
    assert_in_range(blast_pacer_due(&pacer, 7199999), 29999995832, 29999995834);
}

static void a_ramp_sends_its_mean_rate_and_half_of_it_late(void **state)
{
    (void)state;
    struct blast_pacer pacer = planned("2k..240k/30s", 0, 0);
    assert_int_equal(pacer.total, 121000 * 30);
    /* From 2k to 121k in the first 15 s. */
    assert_int_equal(blast_pacer_count(&pacer, 15 * NS_PER_S), (2000 + 121000) / 2 * 15);
    uint64_t due = blast_pacer_due(&pacer, (2000 + 121000) / 2 * 15);
    assert_in_range(due, 15 * NS_PER_S - 10, 15 * NS_PER_S + 10);
}

static void stages_follow_each_other_without_gap_or_step_back(void **state)
{
    (void)state;
    struct blast_pacer pacer = planned("24k/1s,0..120k/500ms,120k..0/500ms,5k/1s", 0, 0);
    assert_int_equal(pacer.total, 24000 + 30000 + 30000 + 5000);
    uint64_t before = 0;
    for (uint64_t n = 0; n < pacer.total; n++) {
        uint64_t due = blast_pacer_due(&pacer, n);
        assert_true(due >= before);
        before = due;
    }
    assert_true(before < 3 * NS_PER_S);
    assert_in_range(blast_pacer_due(&pacer, 24000), NS_PER_S - 1, NS_PER_S + 1);
    assert_in_range(blast_pacer_due(&pacer, 84000), 2 * NS_PER_S - 1, 2 * NS_PER_S + 1);
}

static void due_and_count_are_each_others_inverse(void **state)
{
    (void)state;
    struct blast_pacer pacer = planned("1k..9k/2s,300/3s,7k", 0, 8 * NS_PER_S);
    assert_int_equal(pacer.total, 10000 + 900 + 21000);
    for (uint64_t n = 0; n < pacer.total; n += 7)
        assert_in_range(blast_pacer_count(&pacer, blast_pacer_due(&pacer, n)), n ? n - 1 : 0,
                        n + 1);
}

static void going_back_to_an_earlier_event_gives_the_same_time(void **state)
{
    (void)state;
    struct blast_pacer pacer = planned("1k/1s,2k/1s", 0, 0);
    uint64_t early = blast_pacer_due(&pacer, 10);
    blast_pacer_due(&pacer, 2500);
    assert_int_equal(blast_pacer_due(&pacer, 10), early);
}

static void a_duration_beyond_the_last_stage_holds_its_rate(void **state)
{
    (void)state;
    struct blast_pacer pacer = planned("0..10k/1s", 0, 3 * NS_PER_S);
    assert_int_equal(pacer.total, 5000 + 20000);
    assert_int_equal(pacer.end_ns, 3 * NS_PER_S);
    struct blast_pacer down = planned("10k..0/1s", 0, 3 * NS_PER_S);
    assert_int_equal(down.total, 5000);
    assert_int_equal(down.end_ns, NS_PER_S);
}

static void the_first_limit_ends_the_plan(void **state)
{
    (void)state;
    assert_int_equal(planned("1k", 10, 0).total, 10);
    assert_int_equal(planned("1k", 10, NS_PER_S).total, 10);
    assert_int_equal(planned("1k", 5000, NS_PER_S).total, 1000);
    assert_int_equal(planned("1k/10s", 0, NS_PER_S).total, 1000);
    assert_int_equal(planned("1k/1s", 5000, 0).total, 1000);
}

static void a_plan_without_an_end_is_refused(void **state)
{
    (void)state;
    struct blast_pacer pacer;
    assert_int_equal(blast_pacer_parse(&pacer, "1k/1s,2k"), 0);
    assert_true(blast_pacer_limit(&pacer, 0, 0) < 0);
    pacer = (struct blast_pacer){0};
    assert_true(blast_pacer_limit(&pacer, 0, 0) < 0);
    assert_int_equal(blast_pacer_limit(&pacer, 7, 0), 0);
    assert_int_equal(pacer.total, 7);
    assert_int_equal(blast_pacer_due(&pacer, 6), 0);
}

static void sixteen_stages_and_a_hold_fit_and_seventeen_do_not(void **state)
{
    (void)state;
    char text[256] = "1k/1s";
    for (int i = 1; i < BLAST_STAGES_MAX; i++)
        strcat(text, ",1k/1s");
    assert_int_equal(planned(text, 0, 20 * NS_PER_S).total, 20000);
    struct blast_pacer pacer;
    strcat(text, ",1k/1s");
    assert_true(blast_pacer_parse(&pacer, text) < 0);
}

static void what_is_no_rate_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",      "k",      "24x", "240k/", "240k/10",  "2k..", "..2k",  "2k..3k",   "0", "0..0/1s",
        "1k,2k", "1k/1s,", "-1k", "1k/0s", "1k/1s/1s", ",1k",  "1k 2k", "1k/1s,,1k"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct blast_pacer pacer;
        if (blast_pacer_parse(&pacer, wrong[i]) == 0)
            fail_msg("'%s' was taken", wrong[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_constant_rate_is_evenly_spaced),
        cmocka_unit_test(a_ramp_sends_its_mean_rate_and_half_of_it_late),
        cmocka_unit_test(stages_follow_each_other_without_gap_or_step_back),
        cmocka_unit_test(due_and_count_are_each_others_inverse),
        cmocka_unit_test(going_back_to_an_earlier_event_gives_the_same_time),
        cmocka_unit_test(a_duration_beyond_the_last_stage_holds_its_rate),
        cmocka_unit_test(the_first_limit_ends_the_plan),
        cmocka_unit_test(a_plan_without_an_end_is_refused),
        cmocka_unit_test(sixteen_stages_and_a_hold_fit_and_seventeen_do_not),
        cmocka_unit_test(what_is_no_rate_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
