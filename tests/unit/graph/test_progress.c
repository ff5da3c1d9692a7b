/* test_progress.c - against a model: alive until it expires, room while fewer than the limit live.
 */
#include "tests/unit/graph/fixture.h"

#include "graph/mix.h"
#include "graph/progress.h"

struct table {
    struct progress progress;
    void *memory;
};

static struct table make(uint32_t limit)
{
    struct table t;
    struct arena arena;
    size_t bytes = arena_round(progress_footprint(limit), 128);
    t.memory = aligned_alloc(128, bytes);
    arena_init(&arena, t.memory, bytes);
    progress_init(&t.progress, &arena, limit);
    return t;
}

static struct hash128 key_of(uint64_t id)
{
    return progress_key((struct hash128){.lo = mix64(id), .hi = mix64(~id)}, progress_mark(42));
}

static uint32_t put(struct progress *p, uint64_t id, uint64_t now_ns, uint64_t ttl_ns)
{
    uint32_t place = progress_reserve(p, key_of(id), now_ns);
    if (place != PROGRESS_NONE) {
        progress_entry(p, place)->last_ns = id;
        progress_entry(p, place)->count = 1;
        progress_touch(p, place, now_ns, ttl_ns);
    }
    return place;
}

static void an_entry_lives_for_its_time_and_at_most_a_second_more(void **state)
{
    (void)state;
    struct table t = make(10);
    uint64_t now = T0 + NS_PER_S / 2;
    assert_int_equal(progress_find(&t.progress, key_of(1), now), PROGRESS_NONE);
    uint32_t place = put(&t.progress, 1, now, 10 * NS_PER_S);
    assert_int_equal(progress_find(&t.progress, key_of(1), now), place);
    assert_int_equal(progress_find(&t.progress, key_of(1), now + 10 * NS_PER_S), place);
    assert_int_equal(progress_find(&t.progress, key_of(1), now + 11 * NS_PER_S), PROGRESS_NONE);
    progress_touch(&t.progress, place, now, UINT64_MAX);
    assert_int_equal(progress_find(&t.progress, key_of(1), UINT64_MAX), place);
    free(t.memory);
}

/* An empty reference has the tag 0, too. */
static void a_key_of_tag_0_is_not_found_in_an_empty_index(void **state)
{
    (void)state;
    struct table t = make(10);
    struct hash128 key = {.lo = 1, .hi = 1ull << 32}, like = {.lo = 1, .hi = 2ull << 32};
    progress_prefetch_entry(&t.progress, key);
    assert_int_equal(progress_find(&t.progress, key, T0), PROGRESS_NONE);
    uint32_t place = progress_reserve(&t.progress, like, T0);
    assert_int_equal(progress_find(&t.progress, key, T0), PROGRESS_NONE);
    assert_int_equal(progress_find(&t.progress, like, T0), place);
    free(t.memory);
}

static void users_and_hunts_do_not_share_an_entry(void **state)
{
    (void)state;
    struct table t = make(10);
    struct hash128 user = {.lo = 1, .hi = 2}, other = {.lo = 1, .hi = 3};
    uint32_t place = progress_reserve(&t.progress, progress_key(user, progress_mark(7)), T0);
    assert_int_not_equal(place, PROGRESS_NONE);
    assert_int_equal(progress_find(&t.progress, progress_key(user, progress_mark(8)), T0),
                     PROGRESS_NONE);
    assert_int_equal(progress_find(&t.progress, progress_key(other, progress_mark(7)), T0),
                     PROGRESS_NONE);
    assert_int_equal(progress_find(&t.progress, progress_key(user, progress_mark(7)), T0), place);
    free(t.memory);
}

#define IDS   3000
#define LIMIT 1000

static void operations_agree_with_a_model(void **state)
{
    (void)state;
    struct table t = make(LIMIT);
    uint64_t *until = calloc(IDS, sizeof *until); /* second, 0: dead */
    uint64_t now = T0, full = 0, live = 0;
    for (uint64_t i = 0; i < 200000; i++) {
        uint64_t r = mix64(i), id = r % IDS, ttl = (1 + mix64(r) % 4000) * NS_PER_S;
        now += mix64(r + 1) % (2 * NS_PER_S);
        if (mix64(r + 2) % 5000 == 0)
            now += 3000 * NS_PER_S;
        uint32_t place = progress_find(&t.progress, key_of(id), now);
        assert_int_equal(place != PROGRESS_NONE, until[id] > now / NS_PER_S);
        if (place != PROGRESS_NONE) {
            assert_int_equal(progress_entry(&t.progress, place)->last_ns, id);
            progress_touch(&t.progress, place, now, ttl);
        } else {
            live = 0;
            for (uint64_t j = 0; j < IDS; j++)
                live += until[j] > now / NS_PER_S;
            place = put(&t.progress, id, now, ttl);
            assert_int_equal(place != PROGRESS_NONE, live < LIMIT);
            if (place == PROGRESS_NONE) {
                full++;
                continue;
            }
        }
        until[id] = (now + ttl + NS_PER_S - 1) / NS_PER_S;
        if (mix64(r + 3) % 50 == 0) {
            progress_release(&t.progress, place);
            until[id] = 0;
        }
        assert_true(t.progress.used <= LIMIT);
    }
    assert_true(full > 100);
    free(until);
    free(t.memory);
}

static void the_hash_depends_on_what_lives_not_on_where(void **state)
{
    (void)state;
    static const uint8_t seed[HASH_SEED_BYTES];
    struct hash_key key;
    hash_key_init(&key, seed);
    struct table a = make(300), b = make(300);
    for (uint64_t id = 0; id < 100; id++)
        put(&b.progress, 1000 + id, T0, NS_PER_S);
    for (uint64_t id = 0; id < 200; id++) {
        put(&a.progress, id, T0, 100 * NS_PER_S);
        put(&b.progress, 199 - id, T0, 100 * NS_PER_S);
    }
    uint64_t later = T0 + 2 * NS_PER_S;
    assert_true(progress_hash(&a.progress, T0, &key) != progress_hash(&b.progress, T0, &key));
    assert_true(progress_hash(&a.progress, later, &key) == progress_hash(&b.progress, later, &key));
    uint32_t place = progress_find(&a.progress, key_of(7), later);
    progress_entry(&a.progress, place)->trail.item[3]++;
    assert_true(progress_hash(&a.progress, later, &key) != progress_hash(&b.progress, later, &key));
    free(a.memory);
    free(b.memory);
}

static void ten_million_users_fit_in_four_gibibytes(void **state)
{
    (void)state;
    struct state_limits limits = {
        .partition_count = 256,
        .shard_count = 1,
        .dedupe_capacity = 1,
        .users = 10000000,
        .dedupe_window_ns = 900 * NS_PER_S,
    };
    assert_true(state_footprint(&limits) <= 4ull << 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_lives_for_its_time_and_at_most_a_second_more),
        cmocka_unit_test(a_key_of_tag_0_is_not_found_in_an_empty_index),
        cmocka_unit_test(users_and_hunts_do_not_share_an_entry),
        cmocka_unit_test(operations_agree_with_a_model),
        cmocka_unit_test(the_hash_depends_on_what_lives_not_on_where),
        cmocka_unit_test(ten_million_users_fit_in_four_gibibytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
