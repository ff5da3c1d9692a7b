/* test_correct.c - grant, revoke and undo: what each may do, what it leaves, that it is known again
 * for ever, and that history alone makes the state. */
#include "tests/unit/graph/fixture.h"

#include "dataplane/base/record.h"
#include "graph/mix.h"

#define HOUR (3600 * NS_PER_S)

static struct fixture *f;
static struct host host;
static struct outcome out[STATE_OUTCOMES_MAX];
static struct conf_hunt *trail;
static uint64_t now_ns, next_id;

static const char graph[] = "p\tq\t1\nq\tp\t1\nq\tz\t1\n";

static int open(void **state)
{
    (void)state;
    f = fixture_open();
    host = host_open(small_limits);
    const char *catalog = fixture_catalog(f, graph);
    trail = fixture_trail(f, "trail", catalog, "p", "z");
    trail->min_step_ns = 0;
    fixture_basket(f, "basket", catalog)->threshold = 1u << 15;
    struct conf_hunt *tiles = &f->conf.hunts[f->conf.hunt_count++];
    *tiles = (struct conf_hunt){.name = "tiles",
                                .kind = CONF_TILES,
                                .types = 2,
                                .tiles = 100,
                                .ends_ms = INT64_MAX,
                                .live = 2,
                                .period_ns = 60 * NS_PER_S,
                                .map_ttl_ns = HOUR};
    fixture_build(f);
    now_ns = T0;
    next_id = 1000;
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    host_close(&host);
    fixture_close(f);
    return 0;
}

/* ---- saying ---- */

static struct correction make(enum correction_kind kind, const char *user, const char *hunt,
                              const char *tile)
{
    struct correction c = {.id = {++next_id, 7}, .kind = (uint8_t)kind, .receive_ns = now_ns};
    strcpy(c.user, user);
    strcpy(c.hunt, hunt);
    strcpy(c.tile, tile ? tile : "");
    strcpy(c.reason, "a test");
    strcpy(c.ref, "T-1");
    strcpy(c.by, "uid 0");
    uint64_t owner =
        tile ? hash64(&f->key, tile, strlen(tile)) : hash128(&f->key, user, strlen(user)).hi;
    c.partition = event_partition(owner, host.limits.partition_count);
    return c;
}

static struct correction undo_of(const struct correction *undone)
{
    struct correction c = *undone;
    c.id[0] = ++next_id;
    c.kind = CORRECTION_undo;
    c.receive_ns = now_ns;
    memcpy(c.undo, undone->id, sizeof c.undo);
    return c;
}

/* try_first holds what is foretold against what happens. */
static struct verdict correct(const struct correction *c)
{
    struct outcome foretold;
    uint64_t before = state_hash(host.state, c->partition);
    struct verdict would = state_try_correction(host.state, f->rules, c, &foretold);
    assert_true(state_hash(host.state, c->partition) == before);
    struct verdict v = state_correct(host.state, f->rules, c, out);
    assert_int_equal(would.result, v.result);
    assert_int_equal(would.reason, v.reason);
    if (v.result == RESULT_ACCEPTED) {
        assert_int_equal(foretold.kind, out->kind);
        assert_int_equal(foretold.refusal, out->refusal);
        assert_memory_equal(foretold.award_id, out->award_id, sizeof out->award_id);
    }
    return v;
}

static struct correction expect(struct correction c, enum outcome_kind kind, enum refusal refusal)
{
    uint64_t seq = state_seq(host.state, c.partition);
    struct verdict v = correct(&c);
    assert_int_equal(v.result, RESULT_ACCEPTED);
    assert_string_equal(outcome_kind_name(out->kind), outcome_kind_name(kind));
    assert_string_equal(refusal_name(out->refusal), refusal_name(refusal));
    assert_true(v.seq == seq + 1 && state_seq(host.state, c.partition) == seq + 2);
    assert_int_equal(v.outcome_count, 1);
    return c;
}

static struct correction grant(const char *user)
{
    return expect(make(CORRECTION_grant, user, "trail", NULL), OUTCOME_granted, REFUSAL_none);
}

static struct correction revoke(const char *user)
{
    return expect(make(CORRECTION_revoke, user, "trail", NULL), OUTCOME_revoked, REFUSAL_none);
}

static struct correction refused(struct correction c, enum refusal refusal)
{
    return expect(c, OUTCOME_correction_refused, refusal);
}

/* sees returns the trail's outcome of an event. */
static const struct outcome *sees(const char *user, const char *item)
{
    struct verdict v = apply(&host, f, view(f, ++next_id, user, item, now_ns), out);
    assert_int_equal(v.result, RESULT_ACCEPTED);
    return &out[0];
}

static void win(const char *user, uint64_t award_id[2])
{
    sees(user, "p");
    sees(user, "q");
    assert_int_equal(sees(user, "z")->kind, OUTCOME_award);
    memcpy(award_id, out->award_id, sizeof out->award_id);
}

static bool is_out(const char *user)
{
    return sees(user, "p")->flags & OUTCOME_DONE;
}

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

/* ---- tiles ---- */

static void tile_name_of(uint32_t index, uint64_t at_ns, char name[TILES_NAME_LEN + 1])
{
    const struct rules_hunt *hunt = &f->rules->hunts[2];
    tiles_name(&hunt->tiles_key, (struct tile){at_ns / hunt->period_ns, index}, name);
}

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

/* ---- history ---- */

#define STEPS 6000
#define USERS 6

static struct said {
    bool corrected;
    struct event event;
    struct correction correction;
} history[STEPS];

static uint32_t random_below(uint32_t count)
{
    static uint64_t seed = 11;
    return (uint32_t)(mix64(++seed) % count);
}

/* Any correction of a few users; every second one undoes an earlier one. */
static struct correction any_correction(unsigned step)
{
    static const char *const users[USERS] = {"a", "b", "c", "d", "e", "f"};
    static const char *const hunts[2] = {"trail", "basket"};
    char name[TILES_NAME_LEN + 1];
    unsigned back = step ? random_below(step) : 0;
    if (random_below(2) && step && history[back].corrected)
        return undo_of(&history[back].correction);
    enum correction_kind kind = random_below(2) ? CORRECTION_grant : CORRECTION_revoke;
    if (random_below(3))
        return make(kind, users[random_below(USERS)], hunts[random_below(2)], NULL);
    tile_name_of(random_below(5), now_ns, name);
    return make(kind, users[random_below(USERS)], "tiles", name);
}

static void replay_into(struct host *other, unsigned count)
{
    struct outcome again[STATE_OUTCOMES_MAX];
    struct host all[4];
    for (uint32_t s = 0; s < 4; s++) {
        struct state_limits limits = host.limits;
        limits.shard_count = 4;
        limits.shard = s;
        all[s] = host_open(limits);
    }
    for (unsigned i = 0; i < count; i++) {
        struct said *said = &history[i];
        uint16_t p = said->corrected ? said->correction.partition : said->event.partition;
        struct state *state = all[p % 4].state;
        struct verdict v = said->corrected
                               ? state_correct(state, f->rules, &said->correction, again)
                               : state_apply(state, f->rules, &said->event, again);
        assert_int_equal(v.result, RESULT_ACCEPTED);
    }
    for (uint32_t p = 0; p < 16; p++)
        assert_true(state_hash(all[p % 4].state, p) == state_hash(other->state, p));
    for (uint32_t s = 0; s < 4; s++)
        host_close(&all[s]);
}

static void history_alone_makes_the_state(void **state)
{
    (void)state;
    static const char *const users[USERS] = {"a", "b", "c", "d", "e", "f"};
    static const char *const items[4] = {"p", "q", "z", "p"};
    unsigned count = 0, kinds[OUTCOME_KIND_COUNT] = {0}, why[REFUSAL_COUNT] = {0};
    trail->once = false;
    trail->cooldown_ns = 60 * NS_PER_S;
    fixture_build(f);
    host_close(&host);
    struct state_limits limits = small_limits;
    limits.corrections = 100000;
    host = host_open(limits);
    for (unsigned i = 0; i < STEPS; i++) {
        struct said *said = &history[count];
        now_ns += random_below(20) * NS_PER_S;
        said->corrected = random_below(2);
        if (said->corrected) {
            said->correction = any_correction(count);
            count += correct(&said->correction).result == RESULT_ACCEPTED;
            kinds[out->kind]++;
            why[out->refusal]++;
        } else {
            said->event =
                view(f, ++next_id, users[random_below(USERS)], items[random_below(4)], now_ns);
            said->event.partition = event_partition(said->event.user_key.hi, 16);
            count += state_apply(host.state, f->rules, &said->event, out).result == RESULT_ACCEPTED;
        }
    }
    assert_true(kinds[OUTCOME_granted] > 100 && kinds[OUTCOME_revoked] > 100);
    assert_true(why[REFUSAL_superseded] > 10 && why[REFUSAL_already_won] > 10 &&
                why[REFUSAL_not_won] > 10 && why[REFUSAL_taken] > 10);
    replay_into(&host, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open, close_all)
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
        TEST(a_tile_is_granted_as_a_claim_would_get_it),
        TEST(a_revoked_tile_is_free_again_and_undo_gives_it_back),
        TEST(a_tile_of_a_map_that_is_over_is_not_given_back),
        TEST(history_alone_makes_the_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
