/* test_trail.c - steps, refusals and awards of trails, through state_apply. */
#include "tests/unit/graph/fixture.h"

static struct fixture *f;
static struct host host;
static struct conf_hunt *hunt;
static struct outcome out[STATE_OUTCOMES_MAX];
static uint64_t next_id;

/*  a -> b -> c -> t;  a -> c;  s -> a;  a -> t weakest of a's */
static const char graph[] = "a\tb\t9\na\tc\t8\nb\tc\t1\nc\tt\t1\ns\ta\t1\na\tt\t1\n";

static int open(void **state)
{
    (void)state;
    f = fixture_open();
    host = host_open(small_limits);
    hunt = fixture_trail(f, "trail", fixture_catalog(f, graph), "a s t", "t");
    hunt->max_fanout = 2;
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

/* see applies a view at T0 + at_ms and checks what its only outcome is. */
static void see(const char *item, uint64_t at_ms, enum outcome_kind kind, unsigned flags,
                unsigned depth)
{
    struct verdict v =
        apply(&host, f, view(f, next_id++, "u-1", item, T0 + at_ms * NS_PER_MS), out);
    assert_int_equal(v.result, RESULT_ACCEPTED);
    assert_int_equal(v.outcome_count, 1);
    assert_int_equal(out->kind, kind);
    assert_int_equal(out->flags, flags);
    assert_int_equal(out->depth, depth);
    assert_int_equal(out->hunt, 0);
}

static void refused(const char *item, uint64_t at_ms, enum refusal why)
{
    struct verdict v =
        apply(&host, f, view(f, next_id++, "u-1", item, T0 + at_ms * NS_PER_MS), out);
    assert_int_equal(v.result, RESULT_ACCEPTED);
    assert_int_equal(out->kind, OUTCOME_refusal);
    assert_int_equal(out->refusal, why);
}

static void assert_path(const char *path)
{
    char text[128] = "", *at = text;
    for (uint32_t i = 0; i < out->item_count; i++) {
        uint32_t len;
        const char *name = items_name(f->items, out->item[i], &len);
        at += sprintf(at, "%s%.*s", i ? " " : "", (int)len, name);
    }
    assert_string_equal(text, path);
}

static void a_trail_begins_at_a_start_and_follows_edges_to_a_treasure(void **state)
{
    (void)state;
    see("b", 0, OUTCOME_visit, 0, 0); /* no start */
    see("a", 1000, OUTCOME_visit, OUTCOME_STEP, 1);
    see("t", 2000, OUTCOME_visit, 0, 1); /* beyond a's two strongest edges */
    see("b", 3000, OUTCOME_visit, OUTCOME_STEP, 2);
    see("a", 4000, OUTCOME_visit, 0, 2); /* reached already */
    see("s", 5000, OUTCOME_visit, 0, 2); /* another start, to which no edge leads */
    see("c", 6000, OUTCOME_visit, OUTCOME_STEP, 3);
    see("t", 7000, OUTCOME_award, 0, 4);
    assert_path("a c t"); /* a is the first node reached with an edge to c */
    assert_true(out->award_id[0] && out->award_id[1]);
}

static void who_has_won_once_is_never_judged_again(void **state)
{
    (void)state;
    see("a", 0, OUTCOME_visit, OUTCOME_STEP, 1);
    see("c", 1000, OUTCOME_visit, OUTCOME_STEP, 2);
    see("t", 2000, OUTCOME_award, 0, 3);
    see("a", 3000, OUTCOME_visit, OUTCOME_DONE, 3);
    see("nosuch", 4000, OUTCOME_visit, OUTCOME_DONE | OUTCOME_ITEM_UNKNOWN, 3);
    /* Idle for longer than user_ttl: a winner is not forgotten. */
    see("a", 100 * 86400000ull, OUTCOME_visit, OUTCOME_DONE, 3);
}

static void after_the_cooldown_a_winner_begins_anew(void **state)
{
    (void)state;
    hunt->once = false;
    hunt->cooldown_ns = 86400 * NS_PER_S; /* longer than user_ttl */
    fixture_build(f);
    see("a", 0, OUTCOME_visit, OUTCOME_STEP, 1);
    see("c", 1000, OUTCOME_visit, OUTCOME_STEP, 2);
    see("t", 2000, OUTCOME_award, 0, 3);
    uint64_t first = out->award_id[0];
    see("a", 2000 + 86400000 - 1, OUTCOME_visit, OUTCOME_DONE, 3);
    see("c", 2000 + 86400000, OUTCOME_visit, 0, 0);
    see("a", 2000 + 86400000, OUTCOME_visit, OUTCOME_STEP, 1);
    see("c", 3000 + 86400000, OUTCOME_visit, OUTCOME_STEP, 2);
    see("t", 4000 + 86400000, OUTCOME_award, 0, 3);
    assert_true(out->award_id[0] != first);
}

static void a_step_sooner_than_min_step_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    see("a", 0, OUTCOME_visit, OUTCOME_STEP, 1);
    refused("b", 999, REFUSAL_too_fast);
    see("b", 1000, OUTCOME_visit, OUTCOME_STEP,
        2);                              /* counted from the last step, not the refusal */
    see("a", 1001, OUTCOME_visit, 0, 2); /* no step: no refusal */
}

static void a_trail_has_at_most_max_depth_steps(void **state)
{
    (void)state;
    hunt->max_depth = 1;
    fixture_build(f);
    see("a", 0, OUTCOME_visit, OUTCOME_STEP, 1);
    see("b", 1000, OUTCOME_visit, OUTCOME_STEP, 2);
    refused("c", 2000, REFUSAL_max_depth);
    see("t", 3000, OUTCOME_visit, 0, 2);
}

static void the_window_is_of_client_time_and_half_open(void **state)
{
    (void)state;
    hunt->starts_ms = (int64_t)(T0_S * 1000) + 1000;
    hunt->ends_ms = (int64_t)(T0_S * 1000) + 5000;
    fixture_build(f);
    refused("a", 999, REFUSAL_window);
    see("a", 1000, OUTCOME_visit, OUTCOME_STEP, 1);
    see("b", 4999, OUTCOME_visit, OUTCOME_STEP, 2);
    refused("c", 5000, REFUSAL_window);
    /* Received after the end, but the client's clock says before. */
    struct event event = view(f, next_id++, "u-1", "c", T0 + 9000 * NS_PER_MS);
    event.time_ms = (int64_t)(T0_S * 1000) + 4000;
    apply(&host, f, event, out);
    assert_int_equal(out->flags, OUTCOME_STEP);
    /* A clock that is ahead is clamped to receive time, and that is over. */
    event = view(f, next_id++, "u-2", "a", T0);
    event.time_ms += 6000;
    apply(&host, f, event, out);
    assert_int_equal(out->refusal, REFUSAL_window);
}

static void a_start_that_is_a_treasure_does_not_win(void **state)
{
    (void)state;
    see("t", 0, OUTCOME_visit, OUTCOME_STEP, 1);
    see("t", 2000, OUTCOME_visit, 0, 1);
}

static void an_item_outside_the_catalog_or_none_is_a_visit(void **state)
{
    (void)state;
    hunt->types = 3;
    fixture_build(f);
    see("nosuch", 0, OUTCOME_visit, OUTCOME_ITEM_UNKNOWN, 0);
    struct event event = view(f, 77, "u-1", NULL, T0);
    event.type_key = hash64(&f->key, "note", 4);
    assert_int_equal(apply(&host, f, event, out).result, RESULT_ACCEPTED);
    assert_int_equal(out->kind, OUTCOME_visit);
    assert_int_equal(out->flags, 0);
}

static void an_idle_user_is_forgotten(void **state)
{
    (void)state;
    see("a", 0, OUTCOME_visit, OUTCOME_STEP, 1);
    see("b", 6 * 3600000 - 1, OUTCOME_visit, OUTCOME_STEP, 2);
    see("c", 13 * 3600000, OUTCOME_visit, 0, 0);
}

static void looking_for_a_parent_stops_at_the_budget(void **state)
{
    (void)state;
    hunt->budget = 3;
    hunt->max_fanout = 32;
    fixture_build(f);
    see("a", 0, OUTCOME_visit, OUTCOME_STEP, 1);
    see("b", 1000, OUTCOME_visit, OUTCOME_STEP, 2);
    assert_int_equal(out->edge_count, 1);
    see("t", 2000, OUTCOME_award, 0, 3); /* third edge of a */
    assert_int_equal(out->edge_count, 3);
    hunt->budget = 2;
    fixture_build(f);
    next_id = 100;
    struct event event = view(f, 100, "u-2", "a", T0 + NS_PER_S);
    apply(&host, f, event, out);
    apply(&host, f, view(f, 101, "u-2", "t", T0 + 3 * NS_PER_S), out);
    assert_int_equal(out->kind, OUTCOME_visit);
    assert_int_equal(out->flags, OUTCOME_STOPPED);
    assert_int_equal(out->edge_count, 2);
}

static void the_longest_trail_fits_in_an_award(void **state)
{
    (void)state;
    char text[512], item[8], *at = text;
    for (int i = 0; i < 16; i++)
        at += sprintf(at, "n%d\tn%d\t1\n", i, i + 1);
    f->conf.hunt_count = 0;
    hunt = fixture_trail(f, "long", fixture_catalog(f, text), "n0", "n16");
    hunt->max_depth = 16;
    fixture_build(f);
    for (uint64_t i = 0; i < 16; i++) {
        sprintf(item, "n%d", (int)i);
        see(item, i * 1000, OUTCOME_visit, OUTCOME_STEP, (unsigned)i + 1);
    }
    see("n16", 16000, OUTCOME_award, 0, 17);
    assert_path("n0 n1 n2 n3 n4 n5 n6 n7 n8 n9 n10 n11 n12 n13 n14 n15 n16");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_trail_begins_at_a_start_and_follows_edges_to_a_treasure),
        TEST(who_has_won_once_is_never_judged_again),
        TEST(after_the_cooldown_a_winner_begins_anew),
        TEST(a_step_sooner_than_min_step_is_refused_and_changes_nothing),
        TEST(a_trail_has_at_most_max_depth_steps),
        TEST(the_window_is_of_client_time_and_half_open),
        TEST(a_start_that_is_a_treasure_does_not_win),
        TEST(an_item_outside_the_catalog_or_none_is_a_visit),
        TEST(an_idle_user_is_forgotten),
        TEST(looking_for_a_parent_stops_at_the_budget),
        TEST(the_longest_trail_fits_in_an_award),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
