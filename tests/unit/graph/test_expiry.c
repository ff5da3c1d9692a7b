/* test_expiry.c - the tree of minima against a list. */
#include "tests/unit/graph/fixture.h"

#include "graph/expiry.h"
#include "graph/mix.h"

static struct expiry make(uint32_t limit, void **memory)
{
    struct expiry expiry;
    struct arena arena;
    size_t bytes = arena_round(expiry_footprint(limit), 64);
    *memory = aligned_alloc(64, bytes);
    arena_init(&arena, *memory, bytes);
    expiry_init(&expiry, &arena, limit);
    return expiry;
}

static void one_that_is_dead_is_found_whatever_the_size_of_the_pool(void **state)
{
    (void)state;
    static const uint32_t limits[] = {1, 2, 15, 16, 17, 255, 256, 257, 4096, 4097, 70000};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        void *memory;
        struct expiry expiry = make(limits[i], &memory);
        assert_int_equal(expiry_find_dead(&expiry, EXPIRY_NEVER), EXPIRY_NONE);
        const uint32_t places[] = {0, limits[i] / 2, limits[i] - 1};
        for (int p = 0; p < 3; p++) {
            expiry_set(&expiry, places[p], 100);
            assert_int_equal(expiry_find_dead(&expiry, 99), EXPIRY_NONE);
            assert_int_equal(expiry_find_dead(&expiry, 100), places[p]);
            expiry_set(&expiry, places[p], EXPIRY_NEVER);
            assert_int_equal(expiry_find_dead(&expiry, 100), EXPIRY_NONE);
        }
        free(memory);
    }
}

#define LIMIT 1000u

static void it_agrees_with_a_list(void **state)
{
    (void)state;
    static uint32_t list[LIMIT];
    void *memory;
    struct expiry expiry = make(LIMIT, &memory);
    memset(list, 0xff, sizeof list);
    uint32_t found = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        uint64_t r = mix64(i);
        uint32_t place = (uint32_t)(r % LIMIT), now_s = (uint32_t)(i / 20);
        list[place] = r >> 60 ? now_s + (uint32_t)(mix64(r) % 2000) : EXPIRY_NEVER;
        expiry_set(&expiry, place, list[place]);
        uint32_t dead = 0, at = expiry_find_dead(&expiry, now_s);
        for (uint32_t j = 0; j < LIMIT; j++)
            dead += list[j] <= now_s;
        assert_int_equal(expiry_get(&expiry, place), list[place]);
        assert_int_equal(at != EXPIRY_NONE, dead > 0);
        for (uint32_t most = 0; most < 70; most += 23)
            assert_int_equal(expiry_count_dead(&expiry, now_s, most), dead < most ? dead : most);
        if (at == EXPIRY_NONE)
            continue;
        found++;
        assert_true(list[at] <= now_s);
        list[at] = EXPIRY_NEVER;
        expiry_set(&expiry, at, EXPIRY_NEVER);
    }
    assert_true(found > 1000 && found < 99000);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_is_dead_is_found_whatever_the_size_of_the_pool),
        cmocka_unit_test(it_agrees_with_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
