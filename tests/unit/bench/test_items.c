/* test_items.c - item names come out of a catalog once each, in order, as JSON. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "bench/blast_items.h"

static char path[] = "/tmp/test_items.XXXXXX";

static int load(struct blast_items *items, const char *text, size_t len, uint32_t *line)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    fclose(file);
    return blast_items_load(items, path, line);
}

static void assert_item(const struct blast_items *items, uint32_t item, const char *name)
{
    assert_int_equal(items->at[item + 1] - items->at[item], strlen(name));
    assert_memory_equal(items->text + items->at[item], name, strlen(name));
}

static void both_ends_of_an_edge_are_items_once(void **state)
{
    (void)state;
    struct blast_items items;
    uint32_t line;
    static const char text[] = "# shop\nA\tB\t3\nB\tA\t3\n\nA\tC\t1\nsay \"x\\\"\tA\t1";
    assert_int_equal(load(&items, text, sizeof text - 1, &line), 0);
    assert_int_equal(items.count, 4);
    assert_item(&items, 0, "A");
    assert_item(&items, 1, "B");
    assert_item(&items, 2, "C");
    assert_item(&items, 3, "say \\\"x\\\\\\\"");
    assert_int_equal(items.len_max, 11);
    blast_items_fini(&items);
}

static void a_line_that_is_no_edge_is_named(void **state)
{
    (void)state;
    struct blast_items items;
    uint32_t line;
    static const char *const wrong[] = {"A\tB\t1\nA\n", "A\tB\t1\nA\tB\n", "A\tB\t1\n\tB\t1\n",
                                        "A\tB\t1\nA\t\t1\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(load(&items, wrong[i], strlen(wrong[i]), &line), -EINVAL);
        assert_int_equal(line, 2);
    }
    char longest[80] = {0};
    memset(longest, 'x', 65);
    strcat(longest, "\tB\t1\n");
    assert_int_equal(load(&items, longest, strlen(longest), &line), -EINVAL);
    assert_int_equal(line, 1);
    assert_int_equal(load(&items, longest + 1, strlen(longest + 1), &line), 0);
    blast_items_fini(&items);
    assert_int_equal(load(&items, "#\n", 2, &line), -ENODATA);
    assert_int_equal(blast_items_load(&items, "/nonexistent/catalog", &line), -ENOENT);
    assert_int_equal(line, 0);
}

static void a_large_catalog_keeps_every_name(void **state)
{
    (void)state;
    struct blast_items items;
    uint32_t line;
    size_t len = 0;
    char *text = malloc(1 << 20);
    for (int i = 0; i < 20000; i++)
        len += (size_t)sprintf(text + len, "n%d\tn%d\t1\n", i, (i + 1) % 20000);
    assert_int_equal(load(&items, text, len, &line), 0);
    assert_int_equal(items.count, 20000);
    assert_item(&items, 12345, "n12345");
    blast_items_fini(&items);
    free(text);
}

static void numbered_items_begin_with_one(void **state)
{
    (void)state;
    struct blast_items items;
    assert_int_equal(blast_items_number(&items, 1000), 0);
    assert_int_equal(items.count, 1000);
    assert_item(&items, 0, "i-1");
    assert_item(&items, 999, "i-1000");
    assert_int_equal(items.len_max, 6);
    blast_items_fini(&items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_of_an_edge_are_items_once),
        cmocka_unit_test(a_line_that_is_no_edge_is_named),
        cmocka_unit_test(a_large_catalog_keeps_every_name),
        cmocka_unit_test(numbered_items_begin_with_one),
    };
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
