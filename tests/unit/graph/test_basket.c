/* test_basket.c - recent items and the baskets they win, through state_apply. */
#include "tests/unit/graph/fixture.h"

static struct fixture *f;
static struct host host;
static struct conf_hunt *hunt;
static struct outcome out[STATE_OUTCOMES_MAX];
static uint64_t next_id;

/* a and b both point at p and q; c at r */
static const char graph[] = "a\tp\t1\na\tq\t1\nb\tp\t1\nb\tq\t1\nc\tr\t1\nd\tr\t1\ne\tr\t1\n";

static int open(void **state)
{
    (void)state;
    f = fixture_open();
    host = host_open(small_limits);
    hunt = fixture_basket(f, "basket", fixture_catalog(f, graph));
    hunt->threshold = 2 << 16; /* p and q from a and b: 1.0 each */
    fixture_build(f);
    next_id = 1;
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    host_close(&host);
    fixture_close(f);
    return 0;
}

static void see(const char *item, uint64_t at_s, enum outcome_kind kind, unsigned flags,
                unsigned recent, uint32_t score)
{
    struct verdict v = apply(&host, f, view(f, next_id++, "u-1", item, T0 + at_s * NS_PER_S), out);
    assert_int_equal(v.result, RESULT_ACCEPTED);
    assert_int_equal(v.outcome_count, 1);
    assert_int_equal(out->kind, kind);
    assert_int_equal(out->flags, flags);
    assert_int_equal(out->depth, recent);
    assert_int_equal(out->score, score);
}

#define ONE (1u << 16)

static void a_basket_is_won_when_the_best_items_reach_the_threshold(void **state)
{
    (void)state;
    see("a", 0, OUTCOME_visit, 0, 1, ONE);
    see("c", 1, OUTCOME_visit, 0, 2, ONE);
    see("b", 2, OUTCOME_award, 0, 3, 2 * ONE);
    assert_int_equal(out->item_count, 2);
    assert_int_equal(out->item[0], fixture_item(f, "p"));
    assert_int_equal(out->item[1], fixture_item(f, "q"));
    assert_int_equal(out->edge_count, 5);
    see("d", 3, OUTCOME_visit, OUTCOME_DONE, 0, 0);
    assert_int_equal(out->edge_count, 0);
}

static void one_item_alone_does_not_win(void **state)
{
    (void)state;
    hunt->threshold = ONE / 2;
    fixture_build(f);
    see("a", 0, OUTCOME_visit, 0, 1, ONE);
    see("a", 1, OUTCOME_visit, 0, 1, ONE);
    see("b", 2, OUTCOME_award, 0, 2, 2 * ONE);
}

static void the_oldest_item_falls_off_and_one_seen_again_moves_to_the_front(void **state)
{
    (void)state;
    hunt->recent = 2;
    hunt->threshold = 100 << 16;
    fixture_build(f);
    see("a", 0, OUTCOME_visit, 0, 1, ONE);
    see("c", 1, OUTCOME_visit, 0, 2, ONE);
    see("a", 2, OUTCOME_visit, 0, 2, ONE);     /* a c */
    see("b", 3, OUTCOME_visit, 0, 2, 2 * ONE); /* b a */
    see("d", 4, OUTCOME_visit, 0, 2, ONE);     /* d b */
    see("c", 5, OUTCOME_visit, 0, 2, ONE);     /* c d: r gets both */
}

static void an_item_expires_after_its_time_and_at_most_a_second_more(void **state)
{
    (void)state;
    hunt->ttl_ns = 10 * NS_PER_S;
    hunt->threshold = 100 << 16;
    fixture_build(f);
    see("a", 0, OUTCOME_visit, 0, 1, ONE);
    see("b", 10, OUTCOME_visit, 0, 2, 2 * ONE);
    see("c", 11, OUTCOME_visit, 0, 2, ONE); /* a is gone: p and q 0.5 each, r 0.5 */
    see("c", 21, OUTCOME_visit, 0, 1, ONE / 2);
}

static void a_time_to_live_of_weeks_keeps_its_order(void **state)
{
    (void)state;
    uint64_t day = 86400;
    hunt->ttl_ns = 20 * day * NS_PER_S;
    hunt->threshold = 100 << 16;
    f->conf.limits.user_ttl_ns = 100 * day * NS_PER_S;
    fixture_build(f);
    see("a", 0, OUTCOME_visit, 0, 1, ONE);
    for (uint64_t i = 1; i <= 19; i++)
        see("b", i * day, OUTCOME_visit, 0, 2, 2 * ONE);
    see("c", 20 * day - 60, OUTCOME_visit, 0, 3, 2 * ONE);
    see("c", 20 * day + 60, OUTCOME_visit, 0, 2, ONE);
    /* A reload that shortens the time to live changes the unit, and not what happened when. */
    hunt->ttl_ns = 3600 * NS_PER_S;
    fixture_build(f);
    see("d", 20 * day + 600, OUTCOME_visit, 0, 2, ONE);
}

static void after_the_cooldown_recent_items_begin_anew(void **state)
{
    (void)state;
    hunt->once = false;
    hunt->cooldown_ns = 60 * NS_PER_S;
    fixture_build(f);
    see("a", 0, OUTCOME_visit, 0, 1, ONE);
    see("b", 1, OUTCOME_award, 0, 2, 2 * ONE);
    see("c", 60, OUTCOME_visit, OUTCOME_DONE, 0, 0);
    see("a", 61, OUTCOME_visit, 0, 1, ONE);
    see("b", 62, OUTCOME_award, 0, 2, 2 * ONE);
}

static void a_walk_that_hits_its_budget_says_so(void **state)
{
    (void)state;
    hunt->budget = 1;
    fixture_build(f);
    see("a", 0, OUTCOME_visit, OUTCOME_STOPPED, 1, ONE / 2);
    assert_int_equal(out->edge_count, 1);
}

static void unknown_items_and_closed_windows_change_nothing(void **state)
{
    (void)state;
    see("a", 0, OUTCOME_visit, 0, 1, ONE);
    see("nosuch", 1, OUTCOME_visit, OUTCOME_ITEM_UNKNOWN, 0, 0);
    hunt->starts_ms = (int64_t)(T0_S + 10) * 1000;
    fixture_build(f);
    see("b", 2, OUTCOME_refusal, 0, 0, 0);
    assert_int_equal(out->refusal, REFUSAL_window);
    see("c", 10, OUTCOME_visit, 0, 2, ONE);
}

static void a_trail_of_the_same_name_is_another_hunt(void **state)
{
    (void)state;
    char catalog[CONF_PATH_MAX];
    strcpy(catalog, hunt->catalog);
    see("a", 0, OUTCOME_visit, 0, 1, ONE);
    f->conf.hunt_count = 0;
    hunt = fixture_trail(f, "basket", catalog, "p", "q");
    fixture_build(f);
    see("p", 1, OUTCOME_visit, OUTCOME_STEP, 1, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_basket_is_won_when_the_best_items_reach_the_threshold),
        TEST(one_item_alone_does_not_win),
        TEST(the_oldest_item_falls_off_and_one_seen_again_moves_to_the_front),
        TEST(an_item_expires_after_its_time_and_at_most_a_second_more),
        TEST(a_time_to_live_of_weeks_keeps_its_order),
        TEST(after_the_cooldown_recent_items_begin_anew),
        TEST(a_walk_that_hits_its_budget_says_so),
        TEST(unknown_items_and_closed_windows_change_nothing),
        TEST(a_trail_of_the_same_name_is_another_hunt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
