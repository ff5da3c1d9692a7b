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

static struct table make_lines(uint32_t limit, uint32_t lines)
{
    struct table t;
    struct arena arena;
    t.memory = aligned_alloc(64, (size_t)lines * 64 + 64);
    arena_init(&arena, t.memory, (size_t)lines * 64 + 64);
    dedupe_init(&t.dedupe, &arena, limit, lines, WINDOW);
    return t;
}

static struct table make(uint32_t limit)
{
    return make_lines(limit, dedupe_line_count(limit, 1));
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
    assert_int_equal(dedupe_insert(d, key_of(id), now_ns, seq, &path), 0);
    return true;
}

/* insert_shorter inserts whatever leaves for it; returns how many ids that were. */
static uint32_t insert_shorter(struct dedupe *d, struct hash128 key, uint64_t now_ns, uint64_t seq)
{
    struct dedupe_path path;
    if (!dedupe_plan(d, key, now_ns, &path))
        dedupe_plan_shorter(d, key, now_ns, &path);
    return dedupe_insert(d, key, now_ns, seq, &path);
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
    for (uint64_t i = 0; i < 60000; i++) {
        now += WIDTH * (1 + mix64(i) % (i % 4 ? 33 : i % 100 ? 2 : 50));
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

/* ---- a window that is shortened ---- */

/* The ids of a run, in the order in which they came. */
struct model_run {
    uint64_t tick;
    uint32_t count;
};

/* What is known, in the order in which it came: ids that came first leave first. */
struct queue {
    uint32_t id[5 * IDS];
    uint32_t begin, end;
    struct model_run run[5 * IDS];
    uint32_t run_begin, run_end;
    uint64_t tick[IDS], seq[IDS]; /* by id, 0: not known */
    uint64_t left, expired;
};

static void queue_pop(struct queue *q)
{
    for (uint32_t i = 0; i < q->run[q->run_begin].count; i++)
        q->tick[q->id[q->begin++]] = 0;
    q->run_begin++;
}

static uint32_t queue_push(struct queue *q, uint32_t id, uint64_t tick, uint64_t seq,
                           uint32_t limit)
{
    uint32_t left = 0;
    if (q->end - q->begin == limit) {
        left = q->run[q->run_begin].count;
        queue_pop(q);
    }
    if (q->run_end == q->run_begin || q->run[q->run_end - 1].tick != tick ||
        q->run[q->run_end - 1].count == (limit + 31) / 32)
        q->run[q->run_end++] = (struct model_run){.tick = tick};
    q->run[q->run_end - 1].count++;
    q->id[q->end++] = id;
    q->tick[id] = tick;
    q->seq[id] = seq;
    return left;
}

static void queue_expire(struct queue *q, uint64_t tick)
{
    for (; q->run_begin < q->run_end && tick - q->run[q->run_begin].tick > 32; queue_pop(q))
        q->expired += q->run[q->run_begin].count;
}

static void the_oldest_ids_leave_for_new_ones_and_each_is_counted(void **state)
{
    (void)state;
    const uint32_t limits[] = {2, 33, 500, 2500};
    /* From all ids in one bucket to a few in each. */
    const uint64_t pace[] = {WIDTH / 5000, WIDTH / 90, WIDTH / 10, WIDTH * 20};
    for (int run = 0; run < 16; run++) {
        uint32_t limit = limits[run % 4];
        struct table t = make_lines(limit, dedupe_line_count(limit, 64));
        struct table again = make_lines(limit, t.dedupe.line_count + 1);
        struct queue *q = calloc(1, sizeof *q);
        uint64_t now = T0, seed = (uint64_t)run << 32, left = 0, inserted = 0, first;
        for (uint64_t seq = 1; seq <= 4ull * IDS; seq++) {
            now += mix64(++seed) % pace[run / 4];
            uint32_t id = (uint32_t)(mix64(++seed) % IDS);
            uint64_t tick = now / WIDTH;
            queue_expire(q, tick);
            bool known = dedupe_find(&t.dedupe, key_of(id), now, &first);
            assert_int_equal(known, q->tick[id] != 0);
            if (known) {
                assert_int_equal(first, q->seq[id]);
                continue;
            }
            uint32_t leaves = queue_push(q, id, tick, seq, limit);
            assert_int_equal(insert_shorter(&t.dedupe, key_of(id), now, seq), leaves);
            assert_int_equal(insert_shorter(&again.dedupe, key_of(id), now, seq), leaves);
            assert_int_equal(t.dedupe.used, q->end - q->begin);
            left += leaves;
            inserted++;
        }
        assert_int_equal(inserted, t.dedupe.used + left + q->expired);
        assert_true(left > 0 || pace[run / 4] > WIDTH || limit == 2500);
        assert_true(dedupe_hash(&t.dedupe, now) == dedupe_hash(&again.dedupe, now));
        free(q);
        free(t.memory);
        free(again.memory);
    }
}

static void room_is_made_whatever_leaves_and_however_long_it_goes_on(void **state)
{
    (void)state;
    struct table t = make(1000);
    uint64_t now = T0, seq, id = 0, left = 0, most = 0;
    /* Bucket numbers go round; what left early must not look young when they do. */
    for (uint64_t tick = 0; tick < 9000; tick++) {
        now += WIDTH;
        for (int i = 0; i < 50; i++, id++) {
            uint32_t n = insert_shorter(&t.dedupe, key_of(id), now, id + 1);
            left += n;
            most = n > most ? n : most;
        }
        for (uint64_t old = id % 7; tick > 60 && old < 2000; old += 100)
            assert_false(dedupe_find(&t.dedupe, key_of(old), now, &seq));
        assert_true(t.dedupe.used <= 1000 && t.dedupe.run_count <= 97);
    }
    assert_true(dedupe_find(&t.dedupe, key_of(id - 960), now, &seq));
    assert_true(most <= 32);
    assert_int_equal(left + t.dedupe.used, id);
    free(t.memory);
}

/* crowd returns one of many keys that all have the same two lines. */
static struct hash128 crowd(uint64_t i)
{
    return (struct hash128){.lo = mix64(1) >> 32 << 32 | i, .hi = mix64(2) >> 32 << 32};
}

static void add(struct dedupe *d, uint64_t i, uint64_t now_ns)
{
    struct dedupe_path path;
    assert_true(dedupe_plan(d, crowd(i), now_ns, &path));
    assert_int_equal(dedupe_insert(d, crowd(i), now_ns, i + 1, &path), 0);
}

static bool knows(const struct dedupe *d, uint64_t i, uint64_t now_ns)
{
    uint64_t seq;
    return dedupe_find(d, crowd(i), now_ns, &seq);
}

/* Its first line is full when it comes, and holds nothing that counts when it is looked for. */
static void who_had_to_go_to_the_other_line_is_found_when_the_first_one_is_free_again(void **state)
{
    (void)state;
    struct table t = make(100);
    uint64_t came = T0 + 32 * WIDTH;
    for (uint64_t i = 0; i < 4; i++)
        add(&t.dedupe, i, T0);
    add(&t.dedupe, 4, came);
    /* Others come meanwhile, and let the hand go round. */
    for (uint64_t tick = 33; tick <= 64; tick++) {
        uint64_t now = T0 + tick * WIDTH;
        assert_true(insert(&t.dedupe, tick, now, tick));
        assert_true(insert(&t.dedupe, 100 + tick, now, tick));
        assert_false(knows(&t.dedupe, 0, now));
        assert_true(knows(&t.dedupe, 4, now));
    }
    assert_false(knows(&t.dedupe, 4, came + WINDOW + WIDTH));
    free(t.memory);
}

static void and_when_one_of_the_first_line_is_forgotten(void **state)
{
    (void)state;
    struct table t = make(100);
    for (uint64_t i = 0; i < 5; i++)
        add(&t.dedupe, i, T0);
    for (uint64_t i = 0; i < 4; i++)
        dedupe_forget(&t.dedupe, crowd(i), T0 + (i + 1) * WIDTH);
    for (uint64_t tick = 0; tick <= 32; tick++)
        assert_true(knows(&t.dedupe, 4, T0 + tick * WIDTH));
    assert_false(knows(&t.dedupe, 3, T0 + 4 * WIDTH));
    free(t.memory);
}

/* restore makes another table of what is known in one, as images are loaded: nothing else comes
 * along. */
static struct table restore(const struct table *from, uint64_t now_ns)
{
    struct table to = make_lines(from->dedupe.limit, from->dedupe.line_count);
    static struct dedupe_saved saved;
    for (uint32_t line = 0; line < from->dedupe.line_count; line++)
        for (unsigned live = dedupe_live(&from->dedupe, line, now_ns), i = 0; i < 4; i++)
            if (live & 1u << i)
                to.dedupe.lines[line].slots[i] = from->dedupe.lines[line].slots[i];
    dedupe_save(&from->dedupe, &saved);
    assert_int_equal(dedupe_restore(&to.dedupe, &saved), 0);
    return to;
}

static void and_when_an_image_had_nothing_of_the_first_line(void **state)
{
    (void)state;
    struct table t = make(100);
    uint64_t now = T0 + 34 * WIDTH;
    for (uint64_t i = 0; i < 4; i++)
        add(&t.dedupe, i, T0);
    add(&t.dedupe, 4, T0 + 30 * WIDTH);
    assert_true(insert(&t.dedupe, 1, now, 9));
    struct table again = restore(&t, now);
    for (; now < T0 + 63 * WIDTH; now += WIDTH) {
        assert_true(knows(&again.dedupe, 4, now));
        assert_true(insert(&again.dedupe, now, now, 9));
    }
    assert_false(knows(&again.dedupe, 4, T0 + 63 * WIDTH));
    free(t.memory);
    free(again.memory);
}

static void where_no_place_can_be_freed_the_oldest_of_the_two_lines_leaves(void **state)
{
    (void)state;
    struct table t = make(100);
    struct dedupe_path path;
    uint64_t now = T0 + 8 * WIDTH;
    for (uint64_t i = 0; i < 8; i++)
        add(&t.dedupe, i, T0 + i * WIDTH);
    for (uint64_t i = 8; i < 12; i++) {
        assert_false(dedupe_plan(&t.dedupe, crowd(i), now, &path));
        assert_int_equal(insert_shorter(&t.dedupe, crowd(i), now, i + 1), 1);
        for (uint64_t k = 0; k <= i; k++)
            assert_int_equal(knows(&t.dedupe, k, now), k + 8 > i);
        assert_int_equal(t.dedupe.used, 8);
    }
    free(t.memory);
}

static void what_is_forgotten_is_not_known_and_leaves_its_room(void **state)
{
    (void)state;
    struct table t = make(100);
    uint64_t seq, now = T0, left = 0;
    /* Runs lose ids in all places, until there are more of them than full ones can be. */
    for (uint64_t id = 0; id < 3000; id++) {
        now += WIDTH / 40;
        left += insert_shorter(&t.dedupe, key_of(id), now, id + 1);
        uint64_t old = id - mix64(id) % 60;
        if (id % 3 && id > 60 && dedupe_find(&t.dedupe, key_of(old), now, &seq)) {
            uint32_t used = t.dedupe.used;
            dedupe_forget(&t.dedupe, key_of(old), now);
            assert_false(dedupe_find(&t.dedupe, key_of(old), now, &seq));
            assert_int_equal(t.dedupe.used, used - 1);
        }
        uint32_t known = 0;
        for (uint64_t k = id > 500 ? id - 500 : 0; k <= id; k++)
            known += dedupe_find(&t.dedupe, key_of(k), now, &seq);
        assert_int_equal(known, t.dedupe.used);
        assert_true(t.dedupe.used <= 100);
    }
    assert_true(left > 100);
    free(t.memory);
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

/* However long nothing came, and at the most ids that a partition is meant for. */
static void an_insert_wipes_a_small_part_of_the_table(void **state)
{
    (void)state;
    struct table t = make(1000000);
    assert_true(insert(&t.dedupe, 1, T0, 1));
    uint32_t hand = t.dedupe.hand;
    assert_true(insert(&t.dedupe, 2, T0 + 100 * WINDOW, 2));
    assert_in_range(t.dedupe.hand - hand, 33, 100);
    free(t.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_known_for_the_window_and_at_most_a_bucket_more),
        cmocka_unit_test(a_million_operations_agree_with_a_model),
        cmocka_unit_test(a_full_table_places_every_id_and_then_has_no_room),
        cmocka_unit_test(old_ids_never_come_back_however_long_the_table_lives),
        cmocka_unit_test(the_hash_says_which_ids_are_known_not_where_they_are),
        cmocka_unit_test(the_oldest_ids_leave_for_new_ones_and_each_is_counted),
        cmocka_unit_test(room_is_made_whatever_leaves_and_however_long_it_goes_on),
        cmocka_unit_test(who_had_to_go_to_the_other_line_is_found_when_the_first_one_is_free_again),
        cmocka_unit_test(and_when_one_of_the_first_line_is_forgotten),
        cmocka_unit_test(and_when_an_image_had_nothing_of_the_first_line),
        cmocka_unit_test(where_no_place_can_be_freed_the_oldest_of_the_two_lines_leaves),
        cmocka_unit_test(what_is_forgotten_is_not_known_and_leaves_its_room),
        cmocka_unit_test(an_id_takes_at_most_twenty_bytes),
        cmocka_unit_test(an_insert_wipes_a_small_part_of_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
