/* test_archive_name.c - names are as they are documented, come back, and sort as records do. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sinks/archive_name.h"

static const struct archive_name object = {.journal = "00112233aabbccdd",
                                           .hour = 1795209600 / 3600,
                                           .epoch = 12,
                                           .shard = 3,
                                           .first = 456};
static const char object_text[] =
    "2026/11/20/21/00112233aabbccdd-000012-003-000000000000456.ndjson.zst";

static void an_object_is_named_by_its_hour_and_its_first_record(void **state)
{
    char out[ARCHIVE_NAME_MAX];
    struct archive_name back;
    (void)state;
    archive_name_format(&object, out);
    assert_string_equal(out, object_text);
    assert_int_equal(archive_name_parse(out, &back), 0);
    assert_memory_equal(&back, &object, sizeof back);
}

static void a_manifest_is_named_by_what_it_lists(void **state)
{
    char out[ARCHIVE_NAME_MAX];
    struct archive_name name = object, back;
    (void)state;
    name.last = 999;
    archive_name_format(&name, out);
    assert_string_equal(out, "2026/11/20/21/00112233aabbccdd-000012-003-000000000000456-"
                             "000000000000999.manifest.json");
    assert_int_equal(archive_name_parse(out, &back), 0);
    assert_memory_equal(&back, &name, sizeof back);
}

static void the_longest_fits(void **state)
{
    char out[ARCHIVE_NAME_MAX];
    struct archive_name back, name = {.journal = "ffffffffffffffff",
                                      .hour = UINT64_MAX / 1000000000 / 3600,
                                      .epoch = UINT32_MAX,
                                      .shard = UINT32_MAX,
                                      .first = 999999999999999,
                                      .last = 999999999999999};
    (void)state;
    archive_name_format(&name, out);
    assert_non_null(strstr(out, ".manifest.json"));
    assert_int_equal(archive_name_parse(out, &back), 0);
    assert_memory_equal(&back, &name, sizeof back);
}

static void nothing_else_is_a_name(void **state)
{
    static const char *const wrong[] = {
        "",
        "2026/11/20/21/",
        "2026/11/31/21/00112233aabbccdd-000012-003-000000000000456.ndjson.zst",
        "2026/11/20/24/00112233aabbccdd-000012-003-000000000000456.ndjson.zst",
        "2026/11/20/21/00112233AABBCCDD-000012-003-000000000000456.ndjson.zst",
        "2026/11/20/21/00112233aabbccdd-12-003-000000000000456.ndjson.zst",
        "2026/11/20/21/00112233aabbccdd-000012-003-0000000000000456.ndjson.zst",
        "2026/11/20/21/00112233aabbccdd-000012-003-000000000000456.ndjson",
        "2026/11/20/21/00112233aabbccdd-000012-003-000000000000456.ndjson.zst ",
        "2026/11/20/21/00112233aabbccdd-000012-003-000000000000456-000000000000000.manifest.json",
        "2026/11/20/21/00112233aabbccdd-000012-003-99999999999999999999.ndjson.zst",
    };
    struct archive_name name;
    char cut[sizeof object_text];
    (void)state;
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(archive_name_parse(wrong[i], &name), -EINVAL);
    for (size_t len = 0; len < sizeof object_text - 1; len++) {
        memcpy(cut, object_text, len);
        cut[len] = '\0';
        assert_int_equal(archive_name_parse(cut, &name), -EINVAL);
    }
}

static void order_is_that_of_reading(void **state)
{
    struct archive_name next = object;
    (void)state;
    next.first++;
    next.hour--;
    assert_true(archive_name_order(&object, &next) < 0 && archive_name_order(&next, &object) > 0);
    next.shard--;
    assert_true(archive_name_order(&object, &next) > 0);
    next.epoch++;
    assert_true(archive_name_order(&object, &next) < 0);
    assert_int_equal(archive_name_order(&object, &object), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_is_named_by_its_hour_and_its_first_record),
        cmocka_unit_test(a_manifest_is_named_by_what_it_lists),
        cmocka_unit_test(the_longest_fits),
        cmocka_unit_test(nothing_else_is_a_name),
        cmocka_unit_test(order_is_that_of_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
