/* test_correct_tile.c - tiles that are given, taken back, and given again. */
#include "tests/unit/graph/correct_kit.h"

static enum refusal claims(const char *user, const char *name)
{
    struct event e = view(f, ++next_id, user, NULL, now_ns);
    e.type_key = hash64(&f->key, "note", 4);
    e.flags = EVENT_HAS_TILE;
    e.bytes = (const uint8_t *)name;
    e.tile = (struct span){.len = (uint16_t)strlen(name)};
    e.partition = event_partition(hash64(&f->key, name, strlen(name)), host.limits.partition_count);
    assert_int_equal(state_apply(host.state, f->rules, &e, out).result, RESULT_ACCEPTED);
    return (enum refusal)out->refusal;
}

static struct correction tile(enum correction_kind kind, const char *user, const char *name,
                              enum refusal refusal)
{
    enum outcome_kind does = kind == CORRECTION_grant ? OUTCOME_granted : OUTCOME_revoked;
    return expect(make(kind, user, "tiles", name), refusal ? OUTCOME_correction_refused : does,
                  refusal);
}

static void a_tile_is_granted_as_a_claim_would_get_it(void **state)
{
    (void)state;
    char one[TILES_NAME_LEN + 1], old[TILES_NAME_LEN + 1], early[TILES_NAME_LEN + 1];
    tile_name_of(1, now_ns, one);
    tile_name_of(1, now_ns - 10 * 60 * NS_PER_S, old);
    tile_name_of(1, now_ns + 60 * NS_PER_S, early);
    tile(CORRECTION_grant, "ann", one, REFUSAL_none);
    assert_int_equal(claims("bob", one), REFUSAL_taken);
    tile(CORRECTION_grant, "bob", one, REFUSAL_taken);
    tile(CORRECTION_grant, "bob", old, REFUSAL_expired);
    tile(CORRECTION_grant, "bob", early, REFUSAL_early);
    tile(CORRECTION_grant, "bob", "nothing", REFUSAL_unknown_tile);
    tile(CORRECTION_revoke, "bob", "nothing", REFUSAL_unknown_tile);
    tile(CORRECTION_revoke, "bob", old, REFUSAL_not_won);
}

static void a_revoked_tile_is_free_again_and_undo_gives_it_back(void **state)
{
    (void)state;
    char one[TILES_NAME_LEN + 1], two[TILES_NAME_LEN + 1];
    tile_name_of(1, now_ns, one);
    tile_name_of(2, now_ns, two);
    assert_int_equal(claims("ann", one), REFUSAL_none);
    struct correction taken = tile(CORRECTION_revoke, "ann", one, REFUSAL_none);
    tile(CORRECTION_revoke, "ann", one, REFUSAL_not_won);
    taken = expect(undo_of(&taken), OUTCOME_granted, REFUSAL_none);
    assert_int_equal(claims("bob", one), REFUSAL_taken);
    taken = expect(undo_of(&taken), OUTCOME_revoked, REFUSAL_none);
    assert_int_equal(claims("bob", one), REFUSAL_none);
    refused(undo_of(&taken), REFUSAL_superseded);
    /* A tile that somebody else has claimed since is not taken from them. */
    struct correction given = tile(CORRECTION_grant, "ann", two, REFUSAL_none);
    tile(CORRECTION_revoke, "ann", two, REFUSAL_none);
    assert_int_equal(claims("bob", two), REFUSAL_none);
    refused(undo_of(&given), REFUSAL_superseded);
    assert_int_equal(claims("ann", two), REFUSAL_taken);
}

static void a_tile_of_a_map_that_is_over_is_not_given_back(void **state)
{
    (void)state;
    char one[TILES_NAME_LEN + 1];
    tile_name_of(1, now_ns, one);
    assert_int_equal(claims("ann", one), REFUSAL_none);
    struct correction taken = tile(CORRECTION_revoke, "ann", one, REFUSAL_none);
    now_ns += HOUR + 1;
    refused(undo_of(&taken), REFUSAL_expired);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open, close_all)
    const struct CMUnitTest tests[] = {
        TEST(a_tile_is_granted_as_a_claim_would_get_it),
        TEST(a_revoked_tile_is_free_again_and_undo_gives_it_back),
        TEST(a_tile_of_a_map_that_is_over_is_not_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
