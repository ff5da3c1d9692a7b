/* test_tiles.c - names of tiles: the same on any host, read back, and hard to come by. */
#include "tests/unit/graph/fixture.h"

#include "graph/mix.h"
#include "graph/tiles.h"

#define SECOND NS_PER_S

static bool parse(const struct tiles_key *key, uint32_t tiles, const char *name, struct tile *tile)
{
    return tiles_parse(key, tiles, (const uint8_t *)name, strlen(name), tile);
}

/* Whoever changes these changes every map that operators have handed out. */
static void names_are_fixed_for_all_time(void **state)
{
    (void)state;
    struct tiles_key key;
    char name[TILES_NAME_LEN + 1];
    tiles_key_init(&key, "spring", SECOND);
    tiles_name(&key, (struct tile){T0_S, 0}, name);
    assert_string_equal(name, "um67bfk55wrall5mkpup");
    tiles_name(&key, (struct tile){T0_S, 999999}, name);
    assert_string_equal(name, "cau7sdff5rs43dzkl3kf");
}

static void a_name_is_read_back_as_its_tile(void **state)
{
    (void)state;
    struct tiles_key key;
    struct tile tile;
    char name[TILES_NAME_LEN + 1];
    tiles_key_init(&key, "s", SECOND);
    for (uint64_t i = 0; i < 20000; i++) {
        struct tile want = {mix64(i) >> 24, (uint32_t)(mix64(~i) % TILES_MAP_MAX)};
        tiles_name(&key, want, name);
        assert_int_equal(strlen(name), TILES_NAME_LEN);
        assert_true(parse(&key, TILES_MAP_MAX, name, &tile));
        assert_int_equal(tile.period, want.period);
        assert_int_equal(tile.index, want.index);
        assert_int_equal(parse(&key, want.index + 1, name, &tile), true);
        assert_int_equal(parse(&key, want.index, name, &tile), false);
    }
}

static void names_of_another_seed_or_period_are_unknown(void **state)
{
    (void)state;
    struct tiles_key key, seed, period;
    struct tile tile;
    char name[TILES_NAME_LEN + 1];
    tiles_key_init(&key, "s", SECOND);
    tiles_key_init(&seed, "t", SECOND);
    tiles_key_init(&period, "s", 2 * SECOND);
    assert_true(key.mark != seed.mark && key.mark != period.mark);
    for (uint32_t i = 0; i < 1000; i++) {
        tiles_name(&key, (struct tile){T0_S, i}, name);
        assert_false(parse(&seed, TILES_MAP_MAX, name, &tile));
        assert_false(parse(&period, TILES_MAP_MAX, name, &tile));
    }
}

static void what_is_not_a_name_to_the_letter_is_unknown(void **state)
{
    (void)state;
    struct tiles_key key;
    struct tile tile;
    char name[TILES_NAME_LEN + 2], other[TILES_NAME_LEN + 2];
    tiles_key_init(&key, "s", SECOND);
    tiles_name(&key, (struct tile){T0_S, 7}, name);
    for (size_t at = 0; at < TILES_NAME_LEN; at++) {
        for (unsigned c = 1; c < 256; c++) {
            memcpy(other, name, sizeof other);
            other[at] = (char)c;
            assert_int_equal(parse(&key, TILES_MAP_MAX, other, &tile), other[at] == name[at]);
        }
        memcpy(other, name, sizeof other);
        other[at] = '\0';
        assert_false(parse(&key, TILES_MAP_MAX, other, &tile));
    }
    strcpy(other, name);
    strcat(other, "a");
    assert_false(parse(&key, TILES_MAP_MAX, other, &tile));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_fixed_for_all_time),
        cmocka_unit_test(a_name_is_read_back_as_its_tile),
        cmocka_unit_test(names_of_another_seed_or_period_are_unknown),
        cmocka_unit_test(what_is_not_a_name_to_the_letter_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
