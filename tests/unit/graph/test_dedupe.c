/* test_dedupe.c - against a model that remembers everything: exact within the window, at capacity,
 * across expiry. */
#include "tests/unit/graph/fixture.h"

#include "graph/dedupe.h"
#include "graph/mix.h"

#define WINDOW (3200 * NS_PER_S)
#define WIDTH  (100 * NS_PER_S)

struct table {
    struct dedupe dedupe;
    void *memory;
};

static struct table make(uint32_t limit)
{
    struct table t;
    struct arena arena;
    uint32_t lines = dedupe_line_count(limit, 1);
    t.memory = aligned_alloc(64, (size_t)lines * 64 + 64);
    arena_init(&arena, t.memory, (size_t)lines * 64 + 64);
    dedupe_init(&t.dedupe, &arena, limit, lines, WINDOW);
    return t;
}

static struct hash128 key_of(uint64_t id)
{
    return (struct hash128){.lo = mix64(id + 1), .hi = mix64(~id)};
}

static bool insert(struct dedupe *d, uint64_t id, uint64_t now_ns, uint64_t seq)
{
    struct dedupe_path path;
    if (!dedupe_plan(d, key_of(id), now_ns, &path))
        return false;
    dedupe_insert(d, key_of(id), now_ns, seq, &path);
    return true;
}

static void an_id_is_known_for_the_window_and_at_most_a_bucket_more(void **state)
{
    (void)state;
    struct table t = make(100);
    uint64_t seq;
    uint64_t start = T0 / WIDTH * WIDTH;
    for (uint64_t offset = 0; offset < WIDTH; offset += WIDTH / 4) {
        uint64_t at = start + offset, id = offset + start;
        assert_false(dedupe_find(&t.dedupe, key_of(id), at, &seq));
        assert_true(insert(&t.dedupe, id, at, 1000 + offset / WIDTH));
        assert_true(dedupe_find(&t.dedupe, key_of(id), at, &seq));
        assert_true(dedupe_find(&t.dedupe, key_of(id), at + WINDOW, &seq));
        assert_int_equal(seq, 1000 + offset / WIDTH);
        assert_true(dedupe_find(&t.dedupe, key_of(id), start + WINDOW + WIDTH - 1, &seq));
        assert_false(dedupe_find(&t.dedupe, key_of(id), start + WINDOW + WIDTH, &seq));
        start += 40 * WIDTH;
    }
    free(t.memory);
}

/* What came when, by id. */
#define IDS 6000
struct model {
    uint64_t tick[IDS]; /* receive time / WIDTH, 0: never */
    uint64_t seq[IDS];
    uint32_t live;
};

static void model_expire(struct model *m, uint64_t tick)
{
    m->live = 0;
    for (uint32_t i = 0; i < IDS; i++)
        m->live += m->tick[i] && tick - m->tick[i] <= 32;
}

static void a_million_operations_agree_with_a_model(void **state)
{
    (void)state;
    const uint32_t limits[] = {500, 2500, 5000};
    for (int run = 0; run < 3; run++) {
        struct table t = make(limits[run]);
        struct model *m = calloc(1, sizeof *m);
        uint64_t now = T0, seed = (uint64_t)run, last_tick = 0, full = 0, duplicates = 0;
        for (uint64_t seq = 1; seq <= 340000; seq++) {
            uint64_t r = mix64(++seed), first;
            now += r % 1000 == 0 ? (r >> 20) % (90 * WIDTH) : (r >> 20) % (WIDTH / 90);
            uint32_t id = (uint32_t)(mix64(++seed) % IDS);
            uint64_t tick = now / WIDTH;
            if (tick != last_tick)
                model_expire(m, tick);
            last_tick = tick;
            bool known = m->tick[id] && tick - m->tick[id] <= 32;
            assert_int_equal(dedupe_find(&t.dedupe, key_of(id), now, &first), known);
            if (known) {
                assert_int_equal(first, m->seq[id]);
                duplicates++;
                continue;
            }
            bool room = m->live < limits[run];
            assert_int_equal(insert(&t.dedupe, id, now, seq), room);
            full += !room;
            if (!room)
                continue;
            assert_int_equal(t.dedupe.used, m->live + 1);
            m->tick[id] = tick;
            m->seq[id] = seq;
            m->live++;
        }
        assert_true(duplicates > 10000);
        assert_true(limits[run] == 5000 || full > 10000);
        free(m);
        free(t.memory);
    }
}

static void a_full_table_places_every_id_and_then_has_no_room(void **state)
{
    (void)state;
    struct table t = make(100000);
    struct dedupe_path path;
    uint64_t seq, longest = 0;
    for (uint64_t id = 0; id < 100000; id++) {
        assert_true(dedupe_plan(&t.dedupe, key_of(id), T0, &path));
        dedupe_insert(&t.dedupe, key_of(id), T0, id + 1, &path);
        longest = path.count > longest ? path.count : longest;
    }
    assert_true(longest > 1); /* ids had to move */
    assert_false(dedupe_plan(&t.dedupe, key_of(100000), T0, &path));
    for (uint64_t id = 0; id < 100000; id++) {
        assert_true(dedupe_find(&t.dedupe, key_of(id), T0 + WINDOW, &seq));
        assert_int_equal(seq, id + 1);
    }
    assert_true(insert(&t.dedupe, 100000, T0 + WINDOW + WIDTH, 7));
    free(t.memory);
}

static void old_ids_never_come_back_however_long_the_table_lives(void **state)
{
    (void)state;
    struct table t = make(400);
    uint64_t seq, now = T0;
    for (uint64_t id = 0; id < 400; id++)
        assert_true(insert(&t.dedupe, id, now, id));
    now += WINDOW + WIDTH;
    /* Bucket numbers go round twice, at various steps; the only id that comes is always another. */
    for (uint64_t i = 0; i < 20000; i++) {
        now += WIDTH * (1 + mix64(i) % (i % 100 ? 2 : 50));
        assert_true(insert(&t.dedupe, 1000 + i, now, 1000 + i));
        for (uint64_t id = i % 40; id < 400; id += 40)
            assert_false(dedupe_find(&t.dedupe, key_of(id), now, &seq));
    }
    free(t.memory);
}

static void the_hash_says_which_ids_are_known_not_where_they_are(void **state)
{
    (void)state;
    struct table a = make(1000);
    for (uint64_t id = 0; id < 1000; id++)
        assert_true(insert(&a.dedupe, id, T0, 5000 + id));
    assert_true(dedupe_hash(&a.dedupe, T0) != 0);
    assert_true(dedupe_hash(&a.dedupe, T0 + WINDOW + WIDTH) == 0);
    struct table c = make(1000);
    /* The same ids with the same sequences, through other places: some other ids came before and
     * have expired since. */
    for (uint64_t id = 5000; id < 6000; id++)
        assert_true(insert(&c.dedupe, id, T0 - WINDOW - WIDTH, id));
    for (uint64_t id = 0; id < 1000; id++)
        assert_true(insert(&c.dedupe, id, T0, 5000 + id));
    assert_true(dedupe_hash(&a.dedupe, T0) == dedupe_hash(&c.dedupe, T0));
    assert_true(insert(&c.dedupe, 7777, T0 + WIDTH * 33, 9));
    assert_true(dedupe_hash(&a.dedupe, T0 + WIDTH * 33) != dedupe_hash(&c.dedupe, T0 + WIDTH * 33));
    free(a.memory);
    free(c.memory);
}

static void an_id_takes_at_most_twenty_bytes(void **state)
{
    (void)state;
    const uint64_t ids = 216000000;
    struct state_limits limits = {
        .partition_count = 256,
        .shard_count = 1,
        .dedupe_capacity = ids,
        .users = 1000000,
        .dedupe_window_ns = WINDOW,
    };
    struct state_limits without = limits;
    without.dedupe_capacity = 1;
    size_t bytes = state_footprint(&limits) - state_footprint(&without);
    bytes += DEDUPE_LINES_MIN * sizeof(struct dedupe_line) + 256 * sizeof(struct dedupe);
    assert_true(bytes <= ids * 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_known_for_the_window_and_at_most_a_bucket_more),
        cmocka_unit_test(a_million_operations_agree_with_a_model),
        cmocka_unit_test(a_full_table_places_every_id_and_then_has_no_room),
        cmocka_unit_test(old_ids_never_come_back_however_long_the_table_lives),
        cmocka_unit_test(the_hash_says_which_ids_are_known_not_where_they_are),
        cmocka_unit_test(an_id_takes_at_most_twenty_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
