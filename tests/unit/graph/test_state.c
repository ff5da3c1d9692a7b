/* test_state.c - the order of the rules, sequence numbers, duplicates, room, and that history alone
 * makes the state. */
#include "tests/unit/graph/fixture.h"

#include "dataplane/base/record.h"
#include "graph/mix.h"

static struct fixture *f;
static struct host host;
static struct outcome out[STATE_OUTCOMES_MAX];

/* p and q point at each other: together 1.0, which wins the basket. */
static const char graph[] = "p\tq\t1\nq\tp\t1\np\tx\t1\nx\ty\t1\ny\tz\t1\n";

static int open(void **state)
{
    (void)state;
    f = fixture_open();
    host = host_open(small_limits);
    const char *catalog = fixture_catalog(f, graph);
    fixture_trail(f, "trail", catalog, "p", "z")->min_step_ns = 60 * NS_PER_S;
    fixture_basket(f, "basket", catalog);
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

static void assert_rejected(struct event event, enum reason reason)
{
    struct verdict v = apply(&host, f, event, out);
    assert_int_equal(v.result, RESULT_REJECTED);
    assert_int_equal(v.reason, reason);
    assert_int_equal(v.outcome_count, 0);
    assert_true(v.seq != 0);
}

static struct event typed(struct event event, const char *type)
{
    event.type_key = hash64(&f->key, type, strlen(type));
    return event;
}

static void every_reason_of_the_rules_is_found(void **state)
{
    (void)state;
    struct event good = view(f, 1, "u", "p", T0), e = good;
    e.reason = REASON_utf8;
    assert_rejected(e, REASON_utf8);
    assert_rejected(typed(good, "nosuch"), REASON_type_unknown);
    e = good;
    e.flags |= EVENT_HAS_HUNT;
    e.hunt_key = 12345;
    assert_rejected(e, REASON_hunt_unknown);
    e = good;
    e.flags = 0;
    assert_rejected(e, REASON_item_required);
    assert_rejected(typed(good, "strict"), REASON_item_forbidden);
    assert_rejected(typed(e, "strict"), REASON_tile_required);
    e = good;
    e.flags |= EVENT_HAS_TILE;
    assert_rejected(e, REASON_tile_forbidden);
    e.flags = EVENT_HAS_TILE | EVENT_HAS_OTHER;
    assert_rejected(typed(e, "strict"), REASON_key_unknown);
    e = good;
    e.time_ms += 86400000;
    assert_int_equal(apply(&host, f, e, out).flags, RECORD_CLAMPED);
    e.time_ms++;
    e.id[0]++;
    assert_rejected(e, REASON_future);
    e.time_ms = 253402300799999;
    assert_rejected(e, REASON_future);
}

static void a_rejected_event_is_not_remembered(void **state)
{
    (void)state;
    struct event bad = view(f, 1, "u", "p", T0);
    bad.flags = 0;
    assert_rejected(bad, REASON_item_required);
    assert_int_equal(apply(&host, f, view(f, 1, "u", "p", T0), out).result, RESULT_ACCEPTED);
}

static void sequence_is_dense_over_events_and_outcomes(void **state)
{
    (void)state;
    struct event e = view(f, 1, "u", "p", T0);
    uint32_t p = event_partition(e.user_key.hi, 16);
    struct verdict v = apply(&host, f, e, out);
    assert_int_equal(v.outcome_count, 2);
    assert_int_equal(v.seq, 1);
    assert_int_equal(out[0].hunt, 0);
    assert_int_equal(out[1].hunt, 1);
    v = apply(&host, f, e, out);
    assert_int_equal(v.result, RESULT_DUPLICATE);
    assert_int_equal(v.seq, 4);
    assert_int_equal(v.outcome_count, 1);
    assert_int_equal(out->kind, OUTCOME_duplicate);
    assert_int_equal(out->hunt, OUTCOME_NO_HUNT);
    assert_int_equal(out->first_seq, 1);
    e.id[0] = 2;
    e.reason = REASON_syntax;
    assert_int_equal(apply(&host, f, e, out).seq, 5);
    assert_int_equal(apply(&host, f, view(f, 3, "u", "p", T0), out).seq, 6);
    assert_int_equal(state_seq(host.state, p), 8);
    state_pass(host.state, p, 9, T0 + 5);
    v = apply(&host, f, view(f, 4, "u", "p", T0), out);
    assert_int_equal(v.seq, 10);
    assert_int_equal(v.receive_ns, T0 + 5);
}

static void receive_time_never_goes_back_in_a_partition(void **state)
{
    (void)state;
    assert_int_equal(apply(&host, f, view(f, 1, "u", "p", T0 + 100), out).receive_ns, T0 + 100);
    assert_int_equal(apply(&host, f, view(f, 2, "u", "p", T0), out).receive_ns, T0 + 100);
    assert_int_equal(apply(&host, f, view(f, 3, "u", "p", T0 + 101), out).receive_ns, T0 + 101);
}

static void an_event_for_one_hunt_is_seen_by_that_one_only(void **state)
{
    (void)state;
    struct event e = view(f, 1, "u", "p", T0);
    e.flags |= EVENT_HAS_HUNT;
    e.hunt_key = hash64(&f->key, "basket", 6);
    assert_int_equal(apply(&host, f, e, out).outcome_count, 1);
    assert_int_equal(out->hunt, 1);
}

static void an_event_that_no_hunt_listens_to_is_a_visit(void **state)
{
    (void)state;
    struct verdict v = apply(&host, f, typed(view(f, 1, "u", "p", T0), "note"), out);
    assert_int_equal(v.result, RESULT_ACCEPTED);
    assert_int_equal(v.outcome_count, 1);
    assert_int_equal(out->kind, OUTCOME_visit);
    assert_int_equal(out->hunt, OUTCOME_NO_HUNT);
    struct event named = typed(view(f, 2, "u", "p", T0), "note");
    named.flags |= EVENT_HAS_HUNT;
    named.hunt_key = hash64(&f->key, "trail", 5);
    apply(&host, f, named, out);
    assert_int_equal(out->hunt, OUTCOME_NO_HUNT);
}

static void a_clock_ahead_is_clamped_from_the_tolerance_on(void **state)
{
    (void)state;
    struct event e = view(f, 1, "u", "p", T0 + 999999);
    e.time_ms = (int64_t)(T0_S * 1000) + 5000;
    assert_int_equal(apply(&host, f, e, out).flags, 0);
    e.id[0]++;
    e.time_ms++;
    assert_int_equal(apply(&host, f, e, out).flags, RECORD_CLAMPED);
}

static void a_late_event_wins_nothing_and_is_remembered(void **state)
{
    (void)state;
    struct event e = view(f, 1, "u", "p", T0);
    e.time_ms -= 900000;
    assert_int_equal(apply(&host, f, e, out).flags, 0);
    e.id[0] = 2;
    e.time_ms--;
    struct verdict v = apply(&host, f, e, out);
    assert_int_equal(v.result, RESULT_ACCEPTED);
    assert_int_equal(v.flags, RECORD_LATE);
    assert_int_equal(v.outcome_count, 1);
    assert_int_equal(out->kind, OUTCOME_late);
    v = apply(&host, f, e, out);
    assert_int_equal(v.result, RESULT_DUPLICATE);
    assert_int_equal(v.flags, 0);
    /* Judged before it is known to be late: future, duplicate. */
    struct state_usage usage;
    state_usage(host.state, &usage);
    assert_int_equal(usage.dedupe_used, 2);
    assert_int_equal(usage.users_used, 2); /* of the first event: both hunts */
}

static void the_same_id_of_another_user_is_no_duplicate(void **state)
{
    (void)state;
    assert_int_equal(apply(&host, f, view(f, 1, "u", "p", T0), out).result, RESULT_ACCEPTED);
    assert_int_equal(apply(&host, f, view(f, 1, "v", "p", T0), out).result, RESULT_ACCEPTED);
    assert_int_equal(apply(&host, f, view(f, 1, "u", "q", T0 + NS_PER_S), out).result,
                     RESULT_DUPLICATE);
}

static void an_award_id_is_of_event_and_hunt(void **state)
{
    (void)state;
    struct host other = host_open(small_limits);
    struct outcome again[STATE_OUTCOMES_MAX];
    apply(&host, f, view(f, 1, "u", "p", T0), out);
    apply(&other, f, view(f, 7, "u", "p", T0 + 5), again);
    apply(&host, f, view(f, 2, "u", "q", T0 + NS_PER_S), out);
    apply(&other, f, view(f, 2, "u", "q", T0 + 9 * NS_PER_S), again);
    assert_int_equal(out[1].kind, OUTCOME_award);
    assert_int_equal(again[1].kind, OUTCOME_award);
    assert_memory_equal(out[1].award_id, again[1].award_id, 16);
    host_close(&other);
}

static void a_visit_without_a_step_makes_no_entry(void **state)
{
    (void)state;
    struct state_usage usage;
    f->conf.hunt_count = 1;
    fixture_build(f);
    apply(&host, f, view(f, 1, "u", "q", T0), out);
    apply(&host, f, view(f, 2, "u", "nosuch", T0), out);
    state_usage(host.state, &usage);
    assert_int_equal(usage.users_used, 0);
    assert_int_equal(usage.dedupe_used, 2);
}

/* fill applies views of new users (or new ids of one) until there is no room. */
static uint64_t fill(bool new_users, struct verdict *last)
{
    char user[32] = "user";
    for (uint64_t id = 1; id < 100000; id++) {
        if (new_users)
            sprintf(user, "user-%llu", (unsigned long long)id);
        struct event e = view(f, id, user, "p", T0);
        e.partition = 3;
        *last = state_apply(host.state, f->rules, &e, out);
        if (last->result == RESULT_REFUSED)
            return id;
        assert_int_equal(last->result, RESULT_ACCEPTED);
    }
    return 0;
}

static void assert_refusals_change_nothing(struct verdict refused, uint64_t id)
{
    assert_int_equal(refused.outcome_count, 0);
    assert_int_equal(refused.seq, 0);
    uint64_t hash = host_hash(&host), seq = state_seq(host.state, 3);
    struct state_usage before, after;
    state_usage(host.state, &before);
    for (uint64_t i = 0; i < 50; i++) {
        char user[32];
        sprintf(user, "late-%llu", (unsigned long long)i);
        struct event e = view(f, id + i, user, "p", T0 + i * NS_PER_S);
        e.partition = 3;
        assert_int_equal(state_apply(host.state, f->rules, &e, out).result, RESULT_REFUSED);
        assert_true(host_hash(&host) == hash);
    }
    state_usage(host.state, &after);
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(state_seq(host.state, 3), seq);
}

static void no_room_for_ids_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    struct verdict last;
    uint64_t id = fill(false, &last);
    assert_int_equal(id, 100 + 8 * 10 + 1); /* a share of 100 and eight standard deviations */
    assert_refusals_change_nothing(last, id);
    /* What needs no room is still taken: duplicates, rejected events. */
    struct event e = view(f, 5, "user", "p", T0);
    e.partition = 3;
    assert_int_equal(state_apply(host.state, f->rules, &e, out).result, RESULT_DUPLICATE);
    e.reason = REASON_syntax;
    assert_int_equal(state_apply(host.state, f->rules, &e, out).result, RESULT_REJECTED);
    e = view(f, id, "user", "p", T0 + 1000 * NS_PER_S);
    e.partition = 3;
    assert_int_equal(state_apply(host.state, f->rules, &e, out).result, RESULT_ACCEPTED);
}

static void no_room_for_users_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    struct verdict last;
    host_close(&host);
    struct state_limits limits = small_limits;
    limits.dedupe_capacity = 16000;
    /* An odd number of entries: of the last user's two, one would fit. */
    limits.users = 16 * 101;
    host = host_open(limits);
    uint64_t id = fill(true, &last);
    assert_int_equal(id, (101 + 8 * 11) / 2 + 1);
    assert_refusals_change_nothing(last, id);
    /* Who is known goes on; who is new may come when others have been forgotten. */
    struct event e = view(f, 900001, "user-5", "q", T0 + 60 * NS_PER_S);
    e.partition = 3;
    assert_int_equal(state_apply(host.state, f->rules, &e, out).result, RESULT_ACCEPTED);
    e = view(f, 900002, "new", "p", T0 + 7 * 3600 * NS_PER_S);
    e.partition = 3;
    assert_int_equal(state_apply(host.state, f->rules, &e, out).result, RESULT_ACCEPTED);
}

/* Of two entries one would fit, in the place of somebody who was forgotten since the partition's
 * last event.  When that one gave way, the journal knew nothing of it. */
static void a_refused_event_takes_nobodys_place(void **state)
{
    (void)state;
    struct verdict last;
    host_close(&host);
    struct state_limits limits = small_limits;
    limits.dedupe_capacity = 16000;
    limits.users = 16 * 101; /* 189 entries: one, and two each of 94 others */
    host = host_open(limits);
    struct event e = view(f, 800001, "first", "p", T0 - 3600 * NS_PER_S);
    e.partition = 3;
    f->conf.hunts[1].starts_ms =
        (int64_t)(T0 / NS_PER_MS); /* one hunt for the first, two for others */
    fixture_build(f);
    assert_int_equal(state_apply(host.state, f->rules, &e, out).result, RESULT_ACCEPTED);
    f->conf.hunts[1].starts_ms = 0;
    fixture_build(f);
    uint64_t id = fill(true, &last), hash = host_hash(&host);
    struct state_usage before, after;
    state_usage(host.state, &before);
    /* The first one's progress ends an hour before that of the others. */
    e = view(f, id, "late", "p", T0 + f->conf.limits.user_ttl_ns - 1800 * NS_PER_S);
    e.partition = 3;
    assert_int_equal(state_apply(host.state, f->rules, &e, out).result, RESULT_REFUSED);
    state_usage(host.state, &after);
    assert_memory_equal(&before, &after, sizeof before);
    assert_true(host_hash(&host) == hash);
}

static void shorten(bool on)
{
    f->conf.events.dedupe_policy = on ? CONF_SHORTEN : CONF_REFUSE;
    fixture_build(f);
}

static struct verdict apply_to_three(uint64_t id, uint64_t receive_ns)
{
    struct event e = view(f, id, "user", "p", receive_ns);
    e.partition = 3;
    return state_apply(host.state, f->rules, &e, out);
}

static void a_shortened_window_takes_every_id_and_counts_what_left_early(void **state)
{
    (void)state;
    struct state_usage usage;
    uint64_t left = 0;
    shorten(true);
    for (uint64_t id = 1; id <= 2000; id++) {
        struct verdict v = apply_to_three(id, T0 + id * NS_PER_MS);
        assert_int_equal(v.result, RESULT_ACCEPTED);
        left += v.left_early;
    }
    state_usage(host.state, &usage);
    assert_int_equal(left + usage.dedupe_used, 2000);
    assert_int_equal(apply_to_three(2000 - 180 + 12, T0 + 2 * NS_PER_S).result, RESULT_DUPLICATE);
    assert_int_equal(apply_to_three(1, T0 + 2 * NS_PER_S).result, RESULT_ACCEPTED);
    /* What the window's end takes left in time. */
    struct verdict v = apply_to_three(3000, T0 + 1000 * NS_PER_S);
    assert_int_equal(v.left_early, 0);
    state_usage(host.state, &usage);
    assert_int_equal(usage.dedupe_used, 1);
    /* The rules of the moment decide. */
    shorten(false);
    for (uint64_t id = 3001; id < 3180; id++)
        assert_int_equal(apply_to_three(id, T0 + 1001 * NS_PER_S).result, RESULT_ACCEPTED);
    assert_int_equal(apply_to_three(3200, T0 + 1002 * NS_PER_S).result, RESULT_REFUSED);
    shorten(true);
    v = apply_to_three(3200, T0 + 1002 * NS_PER_S);
    assert_int_equal(v.result, RESULT_ACCEPTED);
    assert_int_equal(v.left_early, 6); /* a run: 1/32 of the limit */
}

static void a_shortened_window_makes_no_room_for_what_is_refused_anyway(void **state)
{
    (void)state;
    struct verdict last;
    host_close(&host);
    struct state_limits limits = small_limits;
    limits.dedupe_capacity = 16;
    limits.users = 16;
    host = host_open(limits);
    shorten(true);
    fill(true, &last);
    /* Ids are at their limit, users as well. */
    for (uint64_t id = 1000; id < 1020; id++) {
        struct event e = view(f, id, "user-1", "p", T0);
        e.partition = 3;
        state_apply(host.state, f->rules, &e, out);
    }
    assert_refusals_change_nothing(last, 2000);
}

/* ---- histories ---- */

#define EVENTS 20000

static struct event random_event(uint64_t i)
{
    static const char *const items[] = {"p", "q", "x", "y", "z", "nosuch"};
    char user[16];
    uint64_t r = mix64(i), id = (r >> 50) % 16 ? i : i - 1 - (r >> 20) % 3;
    sprintf(user, "u%u", (unsigned)(mix64(id) % 300));
    struct event e =
        view(f, id, user, items[(r >> 32) % 6], T0 + i * 300 * NS_PER_MS - (r >> 40) % NS_PER_S);
    if ((r >> 54) % 64 == 0)
        e.time_ms += (int64_t)(r >> 8) % 4000000 - 2000000;
    if ((r >> 60) == 3)
        e.flags = 0;
    return e;
}

/* run applies the history with some number of shards.  Returns a hash of all outcomes, and adds up
 * that of the state. */
static uint64_t run(struct state_limits limits, uint32_t shard_count, uint64_t *state_sum)
{
    struct host hosts[7];
    limits.shard_count = shard_count;
    for (limits.shard = 0; limits.shard < shard_count; limits.shard++)
        hosts[limits.shard] = host_open(limits);
    uint64_t story = 0, kinds[OUTCOME_KIND_COUNT] = {0}, refused = 0, left = 0;
    for (uint64_t i = 10; i < EVENTS; i++) {
        struct event e = random_event(i);
        e.partition = event_partition(e.user_key.hi, 16);
        struct host *h = &hosts[e.partition % shard_count];
        struct verdict v = state_apply(h->state, f->rules, &e, out);
        story = mix64(story ^ hash64(&f->key, &v, sizeof v));
        story = mix64(story ^ hash64(&f->key, out, v.outcome_count * sizeof out[0]));
        for (uint32_t o = 0; o < v.outcome_count; o++)
            kinds[out[o].kind]++;
        refused += v.result == RESULT_REFUSED;
        left += v.left_early;
    }
    assert_true(kinds[OUTCOME_award] > 100 && kinds[OUTCOME_duplicate] > 100);
    assert_true(kinds[OUTCOME_late] > 50 && kinds[OUTCOME_refusal] > 10);
    assert_true(f->rules->dedupe_shorten ? left > 10000 && !refused : !left && refused > 10);
    *state_sum = 0;
    for (uint32_t s = 0; s < shard_count; s++) {
        *state_sum += host_hash(&hosts[s]);
        host_close(&hosts[s]);
    }
    return story;
}

static void any_number_of_shards_tells_the_same_story(void **state)
{
    (void)state;
    uint64_t sums[4], stories[4];
    const uint32_t shard_counts[] = {1, 1, 2, 7};
    struct state_limits limits = small_limits;
    for (int policy = 0; policy < 2; policy++) {
        for (int i = 0; i < 4; i++)
            stories[i] = run(limits, shard_counts[i], &sums[i]);
        for (int i = 1; i < 4; i++) {
            assert_true(stories[i] == stories[0]);
            assert_true(sums[i] == sums[0]);
        }
        shorten(true);
        limits.dedupe_capacity = 160;
    }
}

/* What was refused is in no journal: the rest alone must lead to the same. */
static void a_history_without_what_was_refused_leads_to_the_same_state(void **state)
{
    (void)state;
    struct host live = host_open(small_limits), replay = host_open(small_limits);
    struct outcome again[STATE_OUTCOMES_MAX];
    uint64_t refused = 0;
    for (uint64_t i = 10; i < EVENTS; i++) {
        struct event e = random_event(i);
        e.partition = event_partition(e.user_key.hi, 16);
        struct verdict v = state_apply(live.state, f->rules, &e, out);
        if (v.result == RESULT_REFUSED) {
            refused++;
            continue;
        }
        e.receive_ns = v.receive_ns;
        if (v.result == RESULT_DUPLICATE) {
            state_pass(replay.state, e.partition, v.seq, v.receive_ns);
            continue;
        }
        struct verdict w = state_apply(replay.state, f->rules, &e, again);
        assert_memory_equal(&v, &w, sizeof v);
        assert_memory_equal(out, again, v.outcome_count * sizeof out[0]);
    }
    assert_true(refused > 10);
    assert_true(host_hash(&live) == host_hash(&replay));
    host_close(&live);
    host_close(&replay);
}

/* replay_recorded plays a history in one state, and what was recorded of it in another, the rules
 * changing on the way. */
static void replay_recorded(struct host *live, struct host *replay)
{
    struct outcome again[STATE_OUTCOMES_MAX];
    uint64_t left = 0, twice = 0;
    for (uint64_t i = 10; i < EVENTS; i++) {
        if (i % 5000 == 0)
            shorten(i % 10000 != 0);
        struct event e = random_event(i % 7 ? i : i - 2000);
        e.receive_ns = T0 + i * 300 * NS_PER_MS;
        e.partition = event_partition(e.user_key.hi, 16);
        struct verdict v = state_apply(live->state, f->rules, &e, out);
        left += v.left_early;
        e.receive_ns = v.receive_ns;
        if (v.result == RESULT_DUPLICATE)
            state_pass(replay->state, e.partition, v.seq, v.receive_ns);
        if (v.result == RESULT_DUPLICATE || v.result == RESULT_REFUSED)
            continue;
        if (v.result == RESULT_ACCEPTED) {
            twice += i % 7 == 0 && i > 3000;
            e.flags |= EVENT_RECORDED;
        }
        struct verdict w = state_apply(replay->state, f->rules, &e, again);
        assert_int_equal(w.result, v.result);
        assert_true(w.seq == v.seq);
        assert_memory_equal(out, again, v.outcome_count * sizeof out[0]);
    }
    assert_true(left > 1000 && twice > 100);
}

static void what_left_early_leaves_early_in_replay(void **state)
{
    (void)state;
    struct state_limits limits = small_limits;
    limits.dedupe_capacity = 160;
    limits.users = 16000;
    struct host live = host_open(limits), replay = host_open(limits);
    replay_recorded(&live, &replay);
    assert_true(host_hash(&live) == host_hash(&replay));
    host_close(&live);
    host_close(&replay);
}

/* A journal outlives the window and the capacity under which it was written. */
static void what_was_accepted_is_accepted_in_replay_whatever_the_window_is_by_now(void **state)
{
    (void)state;
    struct state_limits limits = small_limits, others = small_limits;
    limits.users = others.users = 16000;
    for (int i = 0; i < 2; i++) {
        limits.dedupe_capacity = 160;
        limits.dedupe_window_ns = 600 * NS_PER_S;
        others.dedupe_capacity = i ? 16 : 160000;
        others.dedupe_window_ns = 86400 * NS_PER_S;
        struct host live = host_open(limits), replay = host_open(others);
        replay_recorded(&live, &replay);
        host_close(&live);
        host_close(&replay);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_reason_of_the_rules_is_found),
        TEST(a_rejected_event_is_not_remembered),
        TEST(sequence_is_dense_over_events_and_outcomes),
        TEST(receive_time_never_goes_back_in_a_partition),
        TEST(an_event_for_one_hunt_is_seen_by_that_one_only),
        TEST(an_event_that_no_hunt_listens_to_is_a_visit),
        TEST(a_clock_ahead_is_clamped_from_the_tolerance_on),
        TEST(a_late_event_wins_nothing_and_is_remembered),
        TEST(the_same_id_of_another_user_is_no_duplicate),
        TEST(an_award_id_is_of_event_and_hunt),
        TEST(a_visit_without_a_step_makes_no_entry),
        TEST(no_room_for_ids_is_refused_and_changes_nothing),
        TEST(no_room_for_users_is_refused_and_changes_nothing),
        TEST(a_refused_event_takes_nobodys_place),
        TEST(a_shortened_window_takes_every_id_and_counts_what_left_early),
        TEST(a_shortened_window_makes_no_room_for_what_is_refused_anyway),
        TEST(any_number_of_shards_tells_the_same_story),
        TEST(a_history_without_what_was_refused_leads_to_the_same_state),
        TEST(what_left_early_leaves_early_in_replay),
        TEST(what_was_accepted_is_accepted_in_replay_whatever_the_window_is_by_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
