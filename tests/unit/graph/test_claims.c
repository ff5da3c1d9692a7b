/* test_claims.c - a tile is given away once: the table of claims, and what state_apply makes of it.
 */
#include "tests/unit/graph/fixture.h"

#include "graph/claims.h"
#include "graph/mix.h"

#define HOUR (3600 * NS_PER_S)

/* ---- the table ---- */

static struct claims claims;
static void *memory;

static void table(uint32_t limit)
{
    struct arena arena;
    size_t bytes = arena_round(claims_footprint(limit), 4096);
    free(memory);
    memory = calloc(1, bytes);
    arena_init(&arena, memory, bytes);
    claims_init(&claims, &arena, limit);
}

static bool add(uint64_t tile, uint64_t now_ns, uint64_t keep_ns)
{
    if (!claims_room(&claims, 1, now_ns))
        return false;
    claims_insert(&claims, 1, tile, 7, now_ns, now_ns + keep_ns);
    return true;
}

static void a_claim_is_kept_to_its_end_and_little_longer(void **state)
{
    (void)state;
    table(100);
    assert_false(claims_find(&claims, 1, 5, T0));
    assert_true(add(5, T0, HOUR));
    assert_true(claims_find(&claims, 1, 5, T0));
    assert_false(claims_find(&claims, 2, 5, T0));
    assert_false(claims_find(&claims, 1, 6, T0));
    assert_true(claims_find(&claims, 1, 5, T0 + HOUR - 1));
    assert_false(claims_find(&claims, 1, 5, T0 + HOUR + CLAIMS_UNIT_NS));
    assert_true(claims_hash(&claims, T0) != 0);
    assert_int_equal(claims_hash(&claims, T0 + HOUR + CLAIMS_UNIT_NS), 0);
}

/* There is room exactly while fewer than the limit are alive, however long nothing came. */
static void room_is_counted_by_who_is_alive(void **state)
{
    (void)state;
    for (uint64_t gap_ns = HOUR + CLAIMS_UNIT_NS; gap_ns < 1000 * HOUR; gap_ns *= 3) {
        table(50);
        for (uint64_t i = 0; i < 50; i++)
            assert_true(add(i, T0, i < 20 ? HOUR : CLAIMS_KEEP_MAX));
        assert_false(add(99, T0, HOUR));
        uint64_t now_ns = T0 + gap_ns, room = gap_ns > CLAIMS_KEEP_MAX + CLAIMS_UNIT_NS ? 50 : 20;
        for (uint64_t i = 0; i < room; i++)
            assert_true(add(100 + i, now_ns, HOUR));
        assert_false(add(99, now_ns, HOUR));
    }
}

static void claims_room_is_for_all_or_none(void **state)
{
    (void)state;
    table(10);
    for (uint64_t i = 0; i < 8; i++)
        assert_true(add(i, T0, HOUR));
    assert_true(claims_room(&claims, 2, T0));
    assert_false(claims_room(&claims, 3, T0));
    assert_true(claims_room(&claims, 10, T0 + 2 * HOUR));
}

/* Otherwise the first claim after a large map would pay for all of it. */
static void a_claim_takes_back_as_many_places_as_it_needs_and_one_more(void **state)
{
    (void)state;
    table(1000);
    for (uint64_t i = 0; i < 1000; i++)
        assert_true(add(i, T0, HOUR));
    uint64_t now_ns = T0 + 2 * HOUR;
    assert_true(claims_room(&claims, 1, now_ns));
    assert_int_equal(claims.used, 998);
    assert_true(claims_room(&claims, 64, now_ns));
    assert_int_equal(claims.used, 998 - 65);
}

/* A model that remembers everything agrees, over months of claims of every length. */
static void the_table_agrees_with_a_list_of_everything(void **state)
{
    (void)state;
    static struct {
        uint64_t end_ns;
    } model[20000];
    table(300);
    uint64_t now_ns = T0;
    uint32_t refused = 0;
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t r = mix64(i), alive = 0, keep_ns = HOUR + r % (23 * HOUR);
        now_ns += mix64(r) % (r >> 56 ? 200 * NS_PER_S : 50 * HOUR);
        for (uint64_t j = i > 3000 ? i - 3000 : 0; j < i; j++)
            alive += model[j].end_ns && now_ns / CLAIMS_UNIT_NS <= model[j].end_ns / CLAIMS_UNIT_NS;
        bool added = add(i, now_ns, keep_ns);
        assert_int_equal(added, alive < 300);
        model[i].end_ns = added ? now_ns + keep_ns : 0;
        refused += !added;
        for (uint64_t j = i > 400 ? i - 400 : 0; j <= i; j += 7)
            assert_int_equal(claims_find(&claims, 1, j, now_ns) != 0,
                             model[j].end_ns &&
                                 now_ns / CLAIMS_UNIT_NS <= model[j].end_ns / CLAIMS_UNIT_NS);
    }
    assert_true(refused > 100 && refused < 19000);
}

/* ---- the rules ---- */

static struct fixture *f;
static struct host host;
static struct outcome out[STATE_OUTCOMES_MAX];
static struct conf_hunt *hunt;

static void add_hunt(const char *name)
{
    hunt = &f->conf.hunts[f->conf.hunt_count++];
    *hunt = (struct conf_hunt){.kind = CONF_TILES,
                               .types = 2,
                               .ends_ms = INT64_MAX,
                               .tiles = 1000,
                               .live = 2,
                               .period_ns = NS_PER_S,
                               .map_ttl_ns = 6 * HOUR};
    snprintf(hunt->name, sizeof hunt->name, "%s", name);
}

static int open(void **state)
{
    (void)state;
    f = fixture_open();
    host = host_open(small_limits);
    add_hunt("tiles");
    fixture_build(f);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    host_close(&host);
    fixture_close(f);
    free(memory);
    memory = NULL;
    return 0;
}

/* claim names a tile of the first hunt's map at map_ns. */
static struct event claim(uint64_t id, const char *user, uint64_t map_ns, uint32_t index,
                          uint64_t now_ns, char name[TILES_NAME_LEN + 1])
{
    const struct rules_hunt *rules = &f->rules->hunts[0];
    struct event e = view(f, id, user, NULL, now_ns);
    tiles_name(&rules->tiles_key, (struct tile){map_ns / rules->period_ns, index}, name);
    e.type_key = hash64(&f->key, "note", 4);
    e.flags = EVENT_HAS_TILE;
    e.bytes = (const uint8_t *)name;
    e.tile = (struct span){.len = TILES_NAME_LEN};
    e.tile_key = hash64(&f->key, name, TILES_NAME_LEN);
    e.partition = event_partition(e.tile_key, host.limits.partition_count);
    return e;
}

static void expect(uint64_t id, const char *user, uint64_t map_ns, uint32_t index, uint64_t now_ns,
                   enum refusal refusal)
{
    char name[TILES_NAME_LEN + 1];
    struct event e = claim(id, user, map_ns, index, now_ns, name);
    struct verdict v = state_apply(host.state, f->rules, &e, out);
    assert_int_equal(v.result, RESULT_ACCEPTED);
    assert_int_equal(v.outcome_count, 1);
    assert_int_equal(out->kind, refusal ? OUTCOME_claim_refused : OUTCOME_claim_granted);
    assert_int_equal(v.claim, refusal ? refusal : ANSWER_CLAIM_GRANTED);
    assert_string_equal(refusal_name(out->refusal), refusal_name(refusal));
    assert_int_equal(out->award_id[0] != 0, !refusal);
    assert_int_equal(out->hunt, 0);
}

static void the_first_claim_wins_and_nobody_else(void **state)
{
    (void)state;
    expect(1, "a", T0, 7, T0, REFUSAL_none);
    expect(2, "b", T0, 7, T0, REFUSAL_taken);
    expect(3, "a", T0, 7, T0, REFUSAL_taken);
    expect(4, "b", T0, 8, T0, REFUSAL_none);
}

static void a_map_lives_for_its_periods_by_receive_time(void **state)
{
    (void)state;
    expect(1, "a", T0 + NS_PER_S, 1, T0 + NS_PER_S - 1, REFUSAL_early);
    expect(2, "a", T0, 1, T0 + 2 * NS_PER_S - 1, REFUSAL_none);
    expect(3, "a", T0, 2, T0 + 2 * NS_PER_S, REFUSAL_expired);
    expect(4, "a", T0, 1, T0 + 6 * HOUR - 1, REFUSAL_taken);
    expect(5, "a", T0, 1, T0 + 6 * HOUR, REFUSAL_expired);
    expect(6, "a", 0, 1, T0 + 6 * HOUR, REFUSAL_expired);
    expect(7, "a", T0 + 9000000ull * HOUR / 10, 1, T0 + 6 * HOUR, REFUSAL_early);
}

static void a_name_that_is_none_and_a_window_that_is_shut_are_told(void **state)
{
    (void)state;
    char name[TILES_NAME_LEN + 1];
    expect(1, "a", T0, 1000, T0, REFUSAL_unknown_tile);
    struct event e = claim(2, "a", T0, 1, T0, name);
    e.tile.len--;
    state_apply(host.state, f->rules, &e, out);
    assert_int_equal(out->refusal, REFUSAL_unknown_tile);
    hunt->starts_ms = (int64_t)T0_S * 1000 + 1;
    fixture_build(f);
    expect(3, "a", T0, 1, T0, REFUSAL_window);
    expect(4, "a", T0, 1, T0 + NS_PER_MS, REFUSAL_none);
}

static void a_name_written_with_escapes_is_the_same_tile(void **state)
{
    (void)state;
    char name[TILES_NAME_LEN + 1], text[128];
    struct event e = claim(1, "a", T0, 1, T0, name);
    e.tile.len = (uint16_t)sprintf(text, "\\u00%02x%s", name[0], name + 1);
    e.bytes = (const uint8_t *)text;
    e.flags |= EVENT_ESCAPED;
    state_apply(host.state, f->rules, &e, out);
    assert_int_equal(out->kind, OUTCOME_claim_granted);
    expect(2, "b", T0, 1, T0, REFUSAL_taken);
    /* One that is longer than any name when it is decoded. */
    e.tile.len =
        (uint16_t)sprintf(text, "\\u00%02x%saaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", name[0], name);
    e.id[0] = 3;
    state_apply(host.state, f->rules, &e, out);
    assert_int_equal(out->refusal, REFUSAL_unknown_tile);
}

static void a_repeated_claim_is_a_duplicate_and_tells_the_first(void **state)
{
    (void)state;
    char name[TILES_NAME_LEN + 1];
    expect(1, "a", T0, 7, T0, REFUSAL_none);
    struct event e = claim(1, "a", T0, 7, T0, name);
    struct verdict v = state_apply(host.state, f->rules, &e, out);
    assert_int_equal(v.result, RESULT_DUPLICATE);
    assert_int_equal(out->first_seq, 1);
}

static const char *repeated(uint64_t id, const char *user, uint64_t map_ns, uint32_t index,
                            uint64_t sent_ns, uint64_t now_ns)
{
    char name[TILES_NAME_LEN + 1];
    struct event e = claim(id, user, map_ns, index, sent_ns, name);
    e.receive_ns = now_ns;
    struct verdict v = state_apply(host.state, f->rules, &e, out);
    assert_int_equal(v.result, RESULT_DUPLICATE);
    return answer_claim_name(v.claim);
}

/* Or a client whose answer was lost would ask again and be told that somebody else was faster. */
static void a_repeated_claim_is_answered_with_what_the_first_one_got(void **state)
{
    (void)state;
    struct state_limits limits = small_limits;
    limits.dedupe_window_ns = f->conf.events.dedupe_window_ns = 24 * HOUR;
    f->conf.events.lateness_ns = 24 * HOUR;
    fixture_build(f);
    host_close(&host);
    host = host_open(limits);
    expect(1, "a", T0, 7, T0, REFUSAL_none);
    expect(2, "b", T0, 7, T0, REFUSAL_taken);
    expect(3, "b", T0, 1000, T0, REFUSAL_unknown_tile);
    expect(4, "b", T0 - 60 * NS_PER_S, 8, T0, REFUSAL_expired);
    expect(5, "b", T0 + 60 * NS_PER_S, 9, T0, REFUSAL_early);
    for (uint64_t later_ns = T0; later_ns < T0 + 5 * HOUR; later_ns += HOUR / 4) {
        assert_string_equal(repeated(1, "a", T0, 7, T0, later_ns), "granted");
        assert_string_equal(repeated(2, "b", T0, 7, T0, later_ns), "taken");
        assert_string_equal(repeated(3, "b", T0, 1000, T0, later_ns), "unknown_tile");
        assert_string_equal(repeated(4, "b", T0 - 60 * NS_PER_S, 8, T0, later_ns), "expired");
    }
    /* map_ttl is over: who had the tile is forgotten. */
    assert_string_equal(repeated(1, "a", T0, 7, T0, T0 + 7 * HOUR), "none");
}

static void a_repeated_claim_of_a_tile_that_nobody_has_is_not_granted(void **state)
{
    (void)state;
    expect(5, "b", T0 + 60 * NS_PER_S, 9, T0, REFUSAL_early);
    assert_string_equal(repeated(5, "b", T0 + 60 * NS_PER_S, 9, T0, T0), "early");
    assert_string_equal(repeated(5, "b", T0 + 60 * NS_PER_S, 9, T0, T0 + 60 * NS_PER_S), "none");
}

static void a_claim_that_comes_late_is_told_so(void **state)
{
    (void)state;
    char name[TILES_NAME_LEN + 1];
    struct event e = claim(1, "a", T0, 1, T0 - HOUR, name);
    e.receive_ns = T0;
    struct verdict v = state_apply(host.state, f->rules, &e, out);
    assert_int_equal(v.result, RESULT_ACCEPTED);
    assert_string_equal(answer_claim_name(v.claim), "late");
}

/* A reload may let maps live longer: claims are remembered for longer still. */
static void no_reload_gives_a_tile_away_again(void **state)
{
    (void)state;
    hunt->map_ttl_ns = HOUR;
    hunt->live = 1;
    fixture_build(f);
    expect(1, "a", T0, 7, T0, REFUSAL_none);
    hunt->map_ttl_ns = 24 * HOUR;
    hunt->live = 3600;
    fixture_build(f);
    expect(2, "b", T0, 7, T0 + HOUR - 1, REFUSAL_taken);
    expect(3, "b", T0, 7, T0 + HOUR + CLAIMS_UNIT_NS, REFUSAL_expired);
    strcpy(hunt->seed, "another");
    fixture_build(f);
    expect(4, "b", T0 + HOUR, 7, T0 + 2 * HOUR - NS_PER_S, REFUSAL_none);
    hunt->seed[0] = '\0';
    fixture_build(f);
    expect(5, "b", T0 + HOUR, 7, T0 + 2 * HOUR - NS_PER_S, REFUSAL_none);
    expect(6, "c", T0 + HOUR, 7, T0 + 2 * HOUR - NS_PER_S, REFUSAL_taken);
}

static void a_full_table_refuses_and_changes_nothing(void **state)
{
    (void)state;
    char name[TILES_NAME_LEN + 1];
    struct verdict v = {0};
    hunt->tiles = TILES_MAP_MAX;
    fixture_build(f);
    host_close(&host);
    struct state_limits limits = small_limits;
    limits.dedupe_capacity = 160000;
    host = host_open(limits);
    uint32_t i = 0, limit = 100 + 8 * 10;
    uint64_t before;
    do {
        before = state_hash(host.state, 3);
        struct event e = claim(i + 1, "a", T0, i, T0, name);
        e.partition = 3;
        v = state_apply(host.state, f->rules, &e, out);
    } while (v.result == RESULT_ACCEPTED && i++ < 10000);
    assert_int_equal(v.result, RESULT_REFUSED);
    assert_int_equal(i, limit);
    assert_int_equal(state_hash(host.state, 3), before);
    struct state_usage usage;
    state_usage(host.state, &usage);
    assert_int_equal(usage.claims_used, limit);
    assert_int_equal(usage.claims_capacity, 1600);
    /* When the map is over, all of it is room again. */
    uint64_t later_ns = T0 + 7 * HOUR;
    for (i = 0; i < limit; i++) {
        struct event e = claim(20000 + i, "a", later_ns, i, later_ns, name);
        e.partition = 3;
        assert_int_equal(state_apply(host.state, f->rules, &e, out).result, RESULT_ACCEPTED);
    }
}

static void an_event_with_a_tile_is_for_hunts_of_tiles_alone(void **state)
{
    (void)state;
    const char *catalog = fixture_catalog(f, "p\tq\t1\n");
    fixture_trail(f, "trail", catalog, "p", "q")->types = 2;
    fixture_build(f);
    expect(1, "a", T0, 1, T0, REFUSAL_none);
    struct event e = view(f, 2, "a", "p", T0);
    e.type_key = hash64(&f->key, "note", 4);
    assert_int_equal(apply(&host, f, e, out).outcome_count, 1);
    assert_int_equal(out->hunt, 1);
    assert_int_equal(out->flags, OUTCOME_STEP);
}

static void two_hunts_give_their_own_tiles_away(void **state)
{
    (void)state;
    char name[TILES_NAME_LEN + 1];
    add_hunt("other");
    strcpy(hunt->seed, "tiles");
    fixture_build(f);
    struct event e = claim(1, "a", T0, 1, T0, name);
    assert_int_equal(state_apply(host.state, f->rules, &e, out).outcome_count, 2);
    assert_int_equal(out[0].kind, OUTCOME_claim_granted);
    assert_int_equal(out[1].kind, OUTCOME_claim_granted);
    assert_true(out[0].award_id[0] != out[1].award_id[0]);
    assert_int_equal(state_apply(host.state, f->rules, &e, out).claim, ANSWER_CLAIM_GRANTED);
    e.id[0] = 2;
    e.flags |= EVENT_HAS_HUNT;
    e.hunt_key = hash64(&f->key, "other", 5);
    assert_int_equal(state_apply(host.state, f->rules, &e, out).outcome_count, 1);
    assert_int_equal(out[0].refusal, REFUSAL_taken);
    assert_int_equal(out[0].hunt, 1);
}

/* All in the same millisecond. */
static void a_million_claims_of_one_tile_have_one_winner(void **state)
{
    (void)state;
    char name[TILES_NAME_LEN + 1];
    host_close(&host);
    struct state_limits limits = small_limits;
    limits.dedupe_capacity = 17000000;
    host = host_open(limits);
    struct event e = claim(1, "a", T0, 1, T0, name);
    uint32_t granted = 0, taken = 0;
    for (uint64_t i = 0; i < 1000000; i++) {
        e.id[0] = i;
        e.user_key.lo = mix64(i);
        struct verdict v = state_apply(host.state, f->rules, &e, out);
        assert_int_equal(v.result, RESULT_ACCEPTED);
        granted += out->kind == OUTCOME_claim_granted;
        taken += out->refusal == REFUSAL_taken;
    }
    assert_int_equal(granted, 1);
    assert_int_equal(taken, 999999);
}

#define RULE(test) cmocka_unit_test_setup_teardown(test, open, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claim_is_kept_to_its_end_and_little_longer),
        cmocka_unit_test(room_is_counted_by_who_is_alive),
        cmocka_unit_test(claims_room_is_for_all_or_none),
        cmocka_unit_test(a_claim_takes_back_as_many_places_as_it_needs_and_one_more),
        cmocka_unit_test(the_table_agrees_with_a_list_of_everything),
        RULE(the_first_claim_wins_and_nobody_else),
        RULE(a_map_lives_for_its_periods_by_receive_time),
        RULE(a_name_that_is_none_and_a_window_that_is_shut_are_told),
        RULE(a_name_written_with_escapes_is_the_same_tile),
        RULE(a_repeated_claim_is_a_duplicate_and_tells_the_first),
        RULE(a_repeated_claim_is_answered_with_what_the_first_one_got),
        RULE(a_repeated_claim_of_a_tile_that_nobody_has_is_not_granted),
        RULE(a_claim_that_comes_late_is_told_so),
        RULE(no_reload_gives_a_tile_away_again),
        RULE(a_full_table_refuses_and_changes_nothing),
        RULE(an_event_with_a_tile_is_for_hunts_of_tiles_alone),
        RULE(two_hunts_give_their_own_tiles_away),
        RULE(a_million_claims_of_one_tile_have_one_winner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
