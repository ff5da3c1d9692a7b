/* test_variants.c - a user falls in one variant of a hunt and stays there. */
#include "tests/unit/graph/fixture.h"

#include <stdio.h>

#define USERS 2000

static struct fixture *f;
static struct host host;
static struct outcome out[STATE_OUTCOMES_MAX];
static uint64_t next_id;

static const char graph[] = "p\tq\t1\nq\tp\t1\nq\tz\t1\n";

static struct conf_hunt *give(uint32_t plain, uint32_t two)
{
    struct conf_hunt *hunt = &f->conf.hunts[0];
    memset(hunt->variants, 0, sizeof hunt->variants);
    hunt->variant_count = 2;
    hunt->variants[0] =
        (struct conf_variant){.name = "plain", .weight = plain, .reward = "5 points"};
    hunt->variants[1] = (struct conf_variant){.name = "double", .weight = two};
    return hunt;
}

static int open(void **state)
{
    (void)state;
    f = fixture_open();
    host = host_open(small_limits);
    fixture_trail(f, "trail", fixture_catalog(f, graph), "p", "z")->min_step_ns = 0;
    give(90, 10);
    fixture_build(f);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    host_close(&host);
    fixture_close(f);
    return 0;
}

static const char *user_of(unsigned i)
{
    static char name[16];
    snprintf(name, sizeof name, "u-%u", i);
    return name;
}

/* Returns the variant that the user's event met, by name; NULL when it changed nothing. */
static const char *meet(const char *user, const char *item, uint64_t at_s)
{
    struct verdict v = apply(&host, f, view(f, ++next_id, user, item, T0 + at_s * NS_PER_S), out);
    assert_int_equal(v.result, RESULT_ACCEPTED);
    return out[0].variant ? f->rules->hunts[0].variants[out[0].variant - 1].name : NULL;
}

static unsigned count_double(void)
{
    unsigned doubles = 0;
    for (unsigned i = 0; i < USERS; i++) {
        struct event event = view(f, 1, user_of(i), "p", T0);
        doubles += rules_assign(f->rules, &f->rules->hunts[0], event.user_key);
    }
    return doubles;
}

static void users_fall_in_variants_as_the_weights_say(void **state)
{
    (void)state;
    assert_in_range(count_double(), USERS / 10 - 60, USERS / 10 + 60);
    give(1, 0);
    fixture_build(f);
    assert_int_equal(count_double(), 0);
    give(0, 1000000);
    fixture_build(f);
    assert_int_equal(count_double(), USERS);
}

static void who_was_assigned_stays_whatever_the_weights_become(void **state)
{
    (void)state;
    static char was[200][16];
    for (unsigned i = 0; i < 200; i++)
        snprintf(was[i], sizeof was[i], "%s", meet(user_of(i), "p", 1));
    /* The order changes, too, and a third one comes in front. */
    struct conf_hunt *hunt = give(0, 0);
    hunt->variants[2] = hunt->variants[0];
    hunt->variants[0] = (struct conf_variant){.name = "triple", .weight = 100};
    hunt->variant_count = 3;
    fixture_build(f);
    for (unsigned i = 0; i < 200; i++) {
        assert_string_equal(meet(user_of(i), "q", 2), was[i]);
        assert_false(out[0].assigned);
        assert_string_equal(meet(user_of(i), "z", 3), was[i]);
        assert_int_equal(out[0].kind, OUTCOME_award);
    }
    assert_string_equal(meet("new", "p", 4), "triple");
}

static void a_user_who_wins_again_wins_in_the_same_variant(void **state)
{
    (void)state;
    struct conf_hunt *hunt = give(0, 1);
    hunt->once = false;
    hunt->cooldown_ns = 10 * NS_PER_S;
    fixture_build(f);
    assert_string_equal(meet("u", "p", 1), "double");
    assert_string_equal(meet("u", "q", 2), "double");
    assert_string_equal(meet("u", "z", 3), "double");
    give(1, 0);
    fixture_build(f);
    assert_null(meet("u", "p", 5)); /* cooling down */
    assert_string_equal(meet("u", "p", 20), "double");
    assert_false(out[0].assigned);
    meet("u", "q", 21);
    assert_string_equal(meet("u", "z", 22), "double");
    assert_int_equal(out[0].kind, OUTCOME_award);
}

static void a_win_while_a_hunt_has_no_variants_forgets_none(void **state)
{
    (void)state;
    struct conf_hunt *hunt = give(0, 1);
    hunt->once = false;
    hunt->cooldown_ns = 10 * NS_PER_S;
    fixture_build(f);
    assert_string_equal(meet("u", "p", 1), "double");
    meet("u", "q", 2);
    assert_string_equal(meet("u", "z", 3), "double");
    hunt->variant_count = 0;
    fixture_build(f);
    assert_null(meet("u", "p", 20)); /* begins anew */
    assert_int_equal(out[0].depth, 1);
    give(1, 0);
    fixture_build(f);
    assert_string_equal(meet("u", "q", 21), "double");
    assert_false(out[0].assigned);
}

static void a_variant_that_is_gone_is_replaced(void **state)
{
    (void)state;
    give(0, 1);
    fixture_build(f);
    assert_string_equal(meet("u", "p", 1), "double");
    give(1, 0)->variant_count = 1;
    fixture_build(f);
    assert_string_equal(meet("u", "q", 2), "plain");
    assert_true(out[0].assigned);
    assert_string_equal(meet("u", "z", 3), "plain");
    assert_false(out[0].assigned);
}

static void a_hunt_without_variants_leaves_no_trace(void **state)
{
    (void)state;
    f->conf.hunts[0].variant_count = 0;
    fixture_build(f);
    assert_null(meet("u", "p", 1));
    assert_int_equal(out[0].flags, OUTCOME_STEP);
    assert_int_equal(out[0].variant, 0);
    /* Variants that come later are for who has begun, too. */
    give(0, 1);
    fixture_build(f);
    assert_string_equal(meet("u", "q", 2), "double");
    assert_true(out[0].assigned);
}

static void the_state_knows_the_variant(void **state)
{
    (void)state;
    struct host other = host_open(small_limits);
    struct event event = view(f, 1, "u", "p", T0);
    give(0, 1);
    fixture_build(f);
    apply(&host, f, event, out);
    give(1, 0);
    fixture_build(f);
    apply(&other, f, event, out);
    assert_true(host_hash(&host) != host_hash(&other));
    host_close(&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(users_fall_in_variants_as_the_weights_say),
        TEST(who_was_assigned_stays_whatever_the_weights_become),
        TEST(a_user_who_wins_again_wins_in_the_same_variant),
        TEST(a_win_while_a_hunt_has_no_variants_forgets_none),
        TEST(a_variant_that_is_gone_is_replaced),
        TEST(a_hunt_without_variants_leaves_no_trace),
        TEST(the_state_knows_the_variant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
