/* test_items.c - ids are dense, stable, and the same after saving and loading. */
#include "tests/unit/graph/fixture.h"

#include <errno.h>
#include <stdio.h>

static struct items *load(const char *text, int want)
{
    struct items *items = items_new(1000);
    FILE *in = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    assert_int_equal(items_load(items, in), want);
    fclose(in);
    return items;
}

static void names_get_dense_ids_that_stay(void **state)
{
    (void)state;
    struct items *items = items_new(20000);
    char name[16];
    uint32_t len;
    for (uint32_t i = 0; i < 10000; i++)
        assert_int_equal(items_add(items, name, (uint32_t)sprintf(name, "item-%u", i)), i);
    const char *first = items_name(items, 0, &len);
    for (uint32_t i = 0; i < 10000; i++) {
        uint32_t n = (uint32_t)sprintf(name, "item-%u", i);
        assert_int_equal(items_add(items, name, n), i);
        assert_int_equal(items_find(items, name, n), i);
        assert_memory_equal(items_name(items, i, &len), name, n);
        assert_int_equal(len, n);
    }
    assert_ptr_equal(items_name(items, 0, &len), first);
    assert_int_equal(items_count(items), 10000);
    assert_int_equal(items_find(items, "other", 5), ITEM_NONE);
    items_free(items);
}

static void what_is_no_name_or_over_the_limit_gets_no_id(void **state)
{
    (void)state;
    struct items *items = items_new(2);
    char longest[65];
    memset(longest, 'x', sizeof longest);
    assert_int_equal(items_add(items, "", 0), ITEM_NONE);
    assert_int_equal(items_add(items, longest, 65), ITEM_NONE);
    assert_int_equal(items_add(items, "a\nb", 3), ITEM_NONE);
    assert_int_equal(items_add(items, longest, 64), 0);
    assert_int_equal(items_add(items, "a", 1), 1);
    assert_int_equal(items_add(items, "b", 1), ITEM_NONE);
    assert_int_equal(items_add(items, "a", 1), 1);
    items_free(items);
}

static void saved_names_load_with_the_same_ids(void **state)
{
    (void)state;
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    struct items *items = items_new(10);
    items_add(items, "one", 3);
    items_add(items, "two", 3);
    assert_int_equal(items_save(items, 0, out), 0);
    items_add(items, "three", 5);
    assert_int_equal(items_save(items, 2, out), 0);
    fclose(out);
    assert_string_equal(text, "one\ntwo\nthree\n");
    struct items *again = load(text, 0);
    assert_int_equal(items_find(again, "one", 3), 0);
    assert_int_equal(items_find(again, "three", 5), 2);
    assert_int_equal(items_count(again), 3);
    items_free(items);
    items_free(again);
    free(text);
}

static void a_line_that_would_shift_ids_is_refused(void **state)
{
    (void)state;
    items_free(load("a\nb\na\n", -EBADMSG));
    items_free(load("a\n\nb\n", -EBADMSG));
    items_free(
        load("0123456789012345678901234567890123456789012345678901234567890123x\n", -EBADMSG));
    struct items *items = items_new(1);
    FILE *in = fmemopen((void *)(uintptr_t) "a\nb\n", 4, "r");
    assert_int_equal(items_load(items, in), -ENOSPC);
    fclose(in);
    items_free(items);
}

static void a_torn_last_line_is_dropped_and_the_stream_stands_before_it(void **state)
{
    (void)state;
    struct items *items = items_new(10);
    FILE *in = fmemopen((void *)(uintptr_t) "one\ntwo\nthr", 11, "r");
    assert_int_equal(items_load(items, in), 0);
    assert_int_equal(items_count(items), 2);
    assert_int_equal(ftello(in), 8);
    fclose(in);
    items_free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_get_dense_ids_that_stay),
        cmocka_unit_test(what_is_no_name_or_over_the_limit_gets_no_id),
        cmocka_unit_test(saved_names_load_with_the_same_ids),
        cmocka_unit_test(a_line_that_would_shift_ids_is_refused),
        cmocka_unit_test(a_torn_last_line_is_dropped_and_the_stream_stands_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
