/* test_feed_rows.c - changes of a leaderboard: whoever applies them in order has its rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sinks/feed_rows.h"

static char out[FEED_BYTES_MAX];

static void add(struct feed_rows *rows, uint32_t rank, const char *user, uint64_t awards)
{
    struct board_row *row = &rows->row[rows->count++];
    *row = (struct board_row){.rank = rank, .value = {awards, 0, awards * 32768}};
    snprintf(row->user, sizeof row->user, "%s", user);
}

static json_t *encode(uint64_t version, const struct feed_rows *before, const struct feed_rows *now)
{
    size_t len = feed_rows_encode("h", BOARD_AWARDS, version, now->count, before, now, out);
    return len ? json_loadb(out, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

static void the_first_is_full(void **state)
{
    struct feed_rows now = {0};
    (void)state;
    add(&now, 1, "a\"b", 3);
    json_t *json = encode(1, NULL, &now);
    assert_non_null(json);
    assert_true(json_is_true(json_object_get(json, "full")));
    const json_t *row = json_array_get(json_object_get(json, "rows"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "user")), "a\"b");
    assert_int_equal(json_integer_value(json_object_get(row, "awards")), 3);
    assert_true(json_real_value(json_object_get(row, "score")) == 1.5);
    json_decref(json);
    struct feed_rows none = {0};
    json = encode(2, NULL, &none); /* nobody is something to tell, too */
    assert_int_equal(json_array_size(json_object_get(json, "rows")), 0);
    json_decref(json);
}

static void only_what_changed_is_told(void **state)
{
    struct feed_rows before = {0}, now = {0};
    (void)state;
    add(&before, 1, "a", 3), add(&before, 2, "b", 2), add(&before, 3, "c", 1);
    add(&now, 1, "a", 3), add(&now, 2, "d", 2), add(&now, 2, "b", 2);
    assert_null(encode(2, &before, &before));
    json_t *json = encode(2, &before, &now);
    assert_true(json_is_false(json_object_get(json, "full")));
    assert_int_equal(json_array_size(json_object_get(json, "rows")), 1);
    const json_t *gone = json_object_get(json, "gone");
    assert_int_equal(json_array_size(gone), 1);
    assert_string_equal(json_string_value(json_array_get(gone, 0)), "c");
    json_decref(json);
    /* The same values at another rank. */
    now.row[2].rank = 3;
    json = encode(3, &before, &now);
    assert_int_equal(json_array_size(json_object_get(json, "rows")), 2);
    json_decref(json);
}

/* What somebody would show who has heard everything. */
static void apply(json_t *shown, const json_t *message)
{
    size_t i;
    json_t *row;
    if (json_is_true(json_object_get(message, "full")))
        json_object_clear(shown);
    json_array_foreach(json_object_get(message, "gone"), i, row)
        json_object_del(shown, json_string_value(row));
    json_array_foreach(json_object_get(message, "rows"), i, row)
        json_object_set(shown, json_string_value(json_object_get(row, "user")), row);
}

static void changes_add_up(void **state)
{
    static struct feed_rows before, now;
    json_t *shown = json_object();
    (void)state;
    srandom(1);
    before.count = 0;
    for (unsigned version = 1; version < 500; version++) {
        now.count = 0;
        for (uint32_t i = 0; i < FEED_ROWS_MAX; i++) {
            char user[16];
            snprintf(user, sizeof user, "u%u", i);
            if (random() % 3)
                add(&now, now.count + 1, user, (uint64_t)random() % 4);
        }
        json_t *json = encode(version, version % 100 == 1 ? NULL : &before, &now);
        apply(shown, json);
        json_decref(json);
        assert_int_equal(json_object_size(shown), now.count);
        for (uint32_t i = 0; i < now.count; i++) {
            const json_t *row = json_object_get(shown, now.row[i].user);
            assert_int_equal(json_integer_value(json_object_get(row, "rank")), now.row[i].rank);
            assert_int_equal(json_integer_value(json_object_get(row, "awards")),
                             now.row[i].value[0]);
        }
        before = now;
    }
    json_decref(shown);
}

static void the_longest_fits(void **state)
{
    static struct feed_rows before, now;
    (void)state;
    before.count = now.count = 0;
    for (uint32_t i = 0; i < FEED_ROWS_MAX; i++) {
        char user[EVENT_USER_MAX + 1];
        memset(user, 1 + (int)(i % 8), EVENT_USER_MAX); /* each byte is escaped to six */
        user[EVENT_USER_MAX] = '\0';
        user[0] = (char)(1 + i / 16), user[1] = (char)(1 + i % 16);
        add(&now, UINT32_MAX, user, INT64_MAX);
        user[2] = 'x';
        add(&before, 1, user, 1);
    }
    json_t *json = encode(UINT64_MAX / 2, &before, &now);
    assert_non_null(json);
    assert_int_equal(json_array_size(json_object_get(json, "gone")), FEED_ROWS_MAX);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_full),
        cmocka_unit_test(only_what_changed_is_told),
        cmocka_unit_test(changes_add_up),
        cmocka_unit_test(the_longest_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
