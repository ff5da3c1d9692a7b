/* test_pointer.c - a byte's place in an event has a name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/pointer.h"

static void assert_pointer(const char *text, size_t offset, const char *expected)
{
    uint8_t out[POINTER_MAX];
    size_t len = pointer_find((const uint8_t *)text, strlen(text), offset, out);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(out, expected, len);
}

static void bytes_have_pointers(void **state)
{
    (void)state;
    const char *text = " {\"id\":1,\"data\" : {\"a/b~\":[1,2], \"\\u0070\":{\"x\":3}} }";
    assert_pointer(text, 1, "");
    assert_pointer(text, 2, "/id");
    assert_pointer(text, 7, "/id");
    assert_pointer(text, 8, "");
    assert_pointer(text, (size_t)(strstr(text, "data") - text), "/data");
    assert_pointer(text, (size_t)(strchr(text + 9, '{') - text), "/data");
    assert_pointer(text, (size_t)(strstr(text, "a/b") - text), "/data/a~1b~0");
    assert_pointer(text, (size_t)(strstr(text, "2]") - text), "/data/a~1b~0");
    assert_pointer(text, (size_t)(strstr(text, "3}}") - text), "/data/p");
    assert_pointer(text, (size_t)(strstr(text, "} }") - text), "/data");
    assert_pointer(text, strlen(text), "");
}

static void what_is_no_object_has_none(void **state)
{
    (void)state;
    assert_pointer("", 0, "");
    assert_pointer("[1]", 1, "");
    assert_pointer("{\"a\"", 1, "");
    assert_pointer("{\"a\":", 1, "");
    assert_pointer("{\"a\":tru}", 5, "");
    assert_pointer("{\"a\":{\"b\":]}}", 8, "");
    assert_pointer(
        "{\"data\":{\"a23456789xxxxxxxxxxa123456789b123456789c123456789d123456789e1234567890\":1}}",
        72, "/data");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_have_pointers),
        cmocka_unit_test(what_is_no_object_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
