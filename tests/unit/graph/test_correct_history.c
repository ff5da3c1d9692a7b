/* test_correct_history.c - history alone makes the state, corrections and all. */
#include "tests/unit/graph/correct_kit.h"

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
#define TEST(name) cmocka_unit_test_setup_teardown(name, open, close_all)
    const struct CMUnitTest tests[] = {
        TEST(history_alone_makes_the_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
