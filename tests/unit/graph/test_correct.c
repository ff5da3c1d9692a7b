/* test_correct.c - grant, revoke and undo: what each may do, what it leaves, and that it is known
 * again for ever. */
#include "tests/unit/graph/correct_kit.h"

/* ---- grant and revoke ---- */

static void a_grant_is_an_award_that_bars_another(void **state)
{
    (void)state;
    grant("ann");
    assert_true(out->award_id[0] && out->award_id[1]);
    assert_true(is_out("ann"));
    refused(make(CORRECTION_grant, "ann", "trail", NULL), REFUSAL_already_won);
    assert_false(is_out("bob"));
    refused(make(CORRECTION_grant, "ann", "trail", NULL), REFUSAL_already_won);
    expect(make(CORRECTION_grant, "ann", "basket", NULL), OUTCOME_granted, REFUSAL_none);
}

static void a_grant_needs_a_standing_award_to_be_refused(void **state)
{
    (void)state;
    uint64_t award_id[2];
    win("ann", award_id);
    refused(make(CORRECTION_grant, "ann", "trail", NULL), REFUSAL_already_won);
    revoke("ann");
    assert_memory_equal(out->award_id, award_id, sizeof award_id);
    grant("ann");
    assert_memory_not_equal(out->award_id, award_id, sizeof award_id);
}

static void who_is_revoked_stays_out_and_is_not_revoked_twice(void **state)
{
    (void)state;
    uint64_t award_id[2];
    refused(make(CORRECTION_revoke, "ann", "trail", NULL), REFUSAL_not_won);
    sees("ann", "p");
    refused(make(CORRECTION_revoke, "ann", "trail", NULL), REFUSAL_not_won);
    win("ann", award_id);
    revoke("ann");
    assert_memory_equal(out->award_id, award_id, sizeof award_id);
    assert_true(is_out("ann"));
    refused(make(CORRECTION_revoke, "ann", "trail", NULL), REFUSAL_not_won);
}

static void a_revoked_basket_tells_its_score(void **state)
{
    (void)state;
    sees("ann", "p");
    sees("ann", "q");
    assert_int_equal(out[1].kind, OUTCOME_award);
    uint32_t score = out[1].score;
    assert_true(score > 0);
    expect(make(CORRECTION_revoke, "ann", "basket", NULL), OUTCOME_revoked, REFUSAL_none);
    assert_int_equal(out->score, score);
    struct correction c = make(CORRECTION_grant, "ann", "basket", NULL);
    expect(c, OUTCOME_granted, REFUSAL_none);
    assert_int_equal(out->score, 0);
}

static void a_cooldown_counts_from_the_award_whoever_gave_it(void **state)
{
    (void)state;
    uint64_t award_id[2];
    trail->once = false;
    trail->cooldown_ns = HOUR;
    fixture_build(f);
    win("ann", award_id);
    now_ns += HOUR / 2;
    revoke("ann");
    assert_true(is_out("ann"));
    now_ns += HOUR / 2;
    assert_false(is_out("ann"));
    /* She has begun anew: of the old award nothing is left to take back. */
    refused(make(CORRECTION_revoke, "ann", "trail", NULL), REFUSAL_not_won);
    grant("ann");
    assert_true(is_out("ann"));
    now_ns += HOUR;
    grant("ann");
    now_ns += HOUR;
    assert_false(is_out("ann"));
}

/* ---- undo ---- */

static void an_undone_grant_leaves_the_trail_where_it_was(void **state)
{
    (void)state;
    sees("ann", "p");
    sees("ann", "q");
    struct correction given = grant("ann");
    uint64_t award_id[2] = {out->award_id[0], out->award_id[1]};
    assert_true(is_out("ann"));
    expect(undo_of(&given), OUTCOME_revoked, REFUSAL_none);
    assert_memory_equal(out->award_id, award_id, sizeof award_id);
    assert_int_equal(sees("ann", "z")->kind, OUTCOME_award);
    assert_int_equal(out->item_count, 3);
}

static void an_undone_grant_leaves_nothing_of_a_user_who_was_not_there(void **state)
{
    (void)state;
    struct correction given = grant("ann");
    struct state_usage usage;
    state_usage(host.state, &usage);
    assert_int_equal(usage.users_used, 1);
    expect(undo_of(&given), OUTCOME_revoked, REFUSAL_none);
    state_usage(host.state, &usage);
    assert_int_equal(usage.users_used, 0);
    assert_int_equal(usage.corrections_used, 2);
    assert_false(is_out("ann"));
}

static void an_undone_revocation_gives_the_same_award_back(void **state)
{
    (void)state;
    uint64_t award_id[2];
    win("ann", award_id);
    struct correction taken = revoke("ann");
    expect(undo_of(&taken), OUTCOME_granted, REFUSAL_none);
    assert_memory_equal(out->award_id, award_id, sizeof award_id);
    revoke("ann");
    assert_memory_equal(out->award_id, award_id, sizeof award_id);
}

static void an_undo_may_be_undone_and_that_again(void **state)
{
    (void)state;
    struct correction last = grant("ann");
    uint64_t award_id[2] = {out->award_id[0], out->award_id[1]};
    for (int i = 0; i < 20; i++) {
        last = expect(undo_of(&last), i % 2 ? OUTCOME_granted : OUTCOME_revoked, REFUSAL_none);
        assert_memory_equal(out->award_id, award_id, sizeof award_id);
    }
    assert_true(is_out("ann"));
}

static void each_is_undone_once_and_while_it_stands(void **state)
{
    (void)state;
    uint64_t award_id[2];
    struct correction given = grant("ann");
    struct correction taken = revoke("ann");
    refused(undo_of(&given), REFUSAL_superseded);
    expect(undo_of(&taken), OUTCOME_granted, REFUSAL_none);
    refused(undo_of(&taken), REFUSAL_superseded);
    /* With the revocation gone, the grant is what stands again. */
    expect(undo_of(&given), OUTCOME_revoked, REFUSAL_none);
    refused(undo_of(&given), REFUSAL_superseded);
    struct correction again = grant("bob");
    expect(undo_of(&again), OUTCOME_revoked, REFUSAL_none);
    win("bob", award_id);
    refused(undo_of(&again), REFUSAL_superseded);
}

static void only_what_changed_something_can_be_undone(void **state)
{
    (void)state;
    struct correction nothing = make(CORRECTION_grant, "ann", "trail", NULL);
    refused(undo_of(&nothing), REFUSAL_unknown_correction);
    nothing = refused(make(CORRECTION_revoke, "ann", "trail", NULL), REFUSAL_not_won);
    refused(undo_of(&nothing), REFUSAL_unknown_correction);
    struct correction other = undo_of(&nothing), given = grant("ann");
    memcpy(other.undo, given.id, sizeof other.undo);
    strcpy(other.hunt, "basket");
    refused(other, REFUSAL_unknown_correction);
}

/* ---- known again ---- */

static void the_same_again_is_a_duplicate_for_ever(void **state)
{
    (void)state;
    struct correction given = grant("ann");
    uint64_t award_id[2] = {out->award_id[0], out->award_id[1]};
    uint64_t seq = state_seq(host.state, given.partition) - 1;
    struct correction taken = revoke("ann"), again = given;
    now_ns += 24 * 365 * HOUR;
    again.receive_ns = now_ns;
    strcpy(again.by, "uid 1000");
    uint64_t hash = state_hash(host.state, given.partition);
    struct verdict v = correct(&again);
    assert_int_equal(v.result, RESULT_DUPLICATE);
    assert_int_equal(out->kind, OUTCOME_granted);
    assert_true(out->first_seq == seq);
    assert_memory_equal(out->award_id, award_id, sizeof award_id);
    assert_true(state_hash(host.state, given.partition) == hash);
    assert_int_equal(correct(&taken).result, RESULT_DUPLICATE);
}

static void an_id_that_says_something_else_is_a_conflict(void **state)
{
    (void)state;
    struct correction given = grant("ann"), other = given;
    strcpy(other.reason, "another");
    assert_int_equal(correct(&other).result, RESULT_DUPLICATE);
    assert_int_equal(out->refusal, REFUSAL_conflict);
    other = given;
    other.kind = CORRECTION_revoke;
    assert_int_equal(correct(&other).result, RESULT_DUPLICATE);
    assert_int_equal(out->refusal, REFUSAL_conflict);
    assert_true(is_out("ann"));
}

static void a_refusal_is_remembered_too(void **state)
{
    (void)state;
    struct correction c = refused(make(CORRECTION_revoke, "ann", "trail", NULL), REFUSAL_not_won);
    grant("ann");
    assert_int_equal(correct(&c).result, RESULT_DUPLICATE);
    assert_int_equal(out->kind, OUTCOME_correction_refused);
    assert_int_equal(out->refusal, REFUSAL_not_won);
}

static void the_id_finds_its_partition_and_what_it_was_about(void **state)
{
    (void)state;
    struct correction given = grant("ann"), found;
    assert_true(state_find_correction(host.state, given.id, &found));
    assert_int_equal(found.partition, given.partition);
    assert_string_equal(found.user, "ann");
    assert_string_equal(found.hunt, "trail");
    given.id[1]++;
    assert_false(state_find_correction(host.state, given.id, &found));
}

/* ---- what the rules cannot take, and no room ---- */

static void what_the_rules_do_not_know_changes_nothing(void **state)
{
    (void)state;
    struct {
        const char *hunt, *tile;
        enum reason reason;
    } bad[] = {{"nosuch", NULL, REASON_hunt_unknown},
               {"trail", "t", REASON_tile_forbidden},
               {"tiles", NULL, REASON_tile_required}};
    for (unsigned i = 0; i < 3; i++) {
        struct correction c = make(CORRECTION_grant, "ann", bad[i].hunt, bad[i].tile);
        uint64_t hash = state_hash(host.state, c.partition);
        struct verdict v = correct(&c);
        assert_int_equal(v.result, RESULT_REJECTED);
        assert_string_equal(reason_name(v.reason), reason_name(bad[i].reason));
        assert_true(state_hash(host.state, c.partition) == hash);
    }
}

static void when_the_table_is_full_nothing_changes(void **state)
{
    (void)state;
    struct correction c = make(CORRECTION_revoke, "ann", "trail", NULL);
    unsigned count = 0;
    while (correct(&c).result == RESULT_ACCEPTED) {
        c.id[0] = ++next_id;
        count++;
    }
    /* 1600 over 16 partitions: a share of 100, and eight times its root. */
    assert_int_equal(count, 100 + 8 * 10);
    uint64_t hash = state_hash(host.state, c.partition);
    assert_int_equal(correct(&c).result, RESULT_REFUSED);
    assert_true(state_hash(host.state, c.partition) == hash);
    c.id[0]--;
    assert_int_equal(correct(&c).result, RESULT_DUPLICATE);
}

static void a_grant_without_room_for_progress_changes_nothing(void **state)
{
    (void)state;
    char user[32];
    struct correction c = {.partition = UINT16_MAX};
    struct verdict v = {0};
    unsigned granted = 0;
    host_close(&host);
    struct state_limits limits = small_limits;
    limits.users = 16;
    host = host_open(limits);
    for (unsigned i = 0; v.result != RESULT_REFUSED; i++) {
        snprintf(user, sizeof user, "u-%u", i);
        c = make(CORRECTION_grant, user, "trail", NULL);
        if (c.partition)
            continue;
        v = state_correct(host.state, f->rules, &c, out);
        granted += v.result == RESULT_ACCEPTED;
    }
    assert_int_equal(granted, 1 + 8);
    uint64_t hash = state_hash(host.state, 0);
    assert_int_equal(state_correct(host.state, f->rules, &c, out).result, RESULT_REFUSED);
    assert_true(state_hash(host.state, 0) == hash);
    struct correction found;
    assert_false(state_find_correction(host.state, c.id, &found));
}

/* ---- variants ---- */

static void a_grant_has_the_users_variant(void **state)
{
    (void)state;
    trail->variant_count = 2;
    trail->variants[0] = (struct conf_variant){.name = "plain", .weight = 1};
    trail->variants[1] = (struct conf_variant){.name = "double", .weight = 1};
    fixture_build(f);
    struct correction given = grant("ann");
    uint8_t variant = out->variant;
    assert_true(variant && out->assigned);
    struct correction taken = revoke("ann");
    assert_int_equal(out->variant, 0);
    expect(undo_of(&taken), OUTCOME_granted, REFUSAL_none);
    assert_int_equal(out->variant, variant);
    assert_false(out->assigned);
    (void)given;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open, close_all)
    const struct CMUnitTest tests[] = {
        TEST(a_grant_is_an_award_that_bars_another),
        TEST(a_grant_needs_a_standing_award_to_be_refused),
        TEST(who_is_revoked_stays_out_and_is_not_revoked_twice),
        TEST(a_revoked_basket_tells_its_score),
        TEST(a_cooldown_counts_from_the_award_whoever_gave_it),
        TEST(an_undone_grant_leaves_the_trail_where_it_was),
        TEST(an_undone_grant_leaves_nothing_of_a_user_who_was_not_there),
        TEST(an_undone_revocation_gives_the_same_award_back),
        TEST(an_undo_may_be_undone_and_that_again),
        TEST(each_is_undone_once_and_while_it_stands),
        TEST(only_what_changed_something_can_be_undone),
        TEST(the_same_again_is_a_duplicate_for_ever),
        TEST(an_id_that_says_something_else_is_a_conflict),
        TEST(a_refusal_is_remembered_too),
        TEST(the_id_finds_its_partition_and_what_it_was_about),
        TEST(what_the_rules_do_not_know_changes_nothing),
        TEST(when_the_table_is_full_nothing_changes),
        TEST(a_grant_without_room_for_progress_changes_nothing),
        TEST(a_grant_has_the_users_variant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
