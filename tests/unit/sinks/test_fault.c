/* test_fault.c - what a sink says of a failure is safe to show, and fits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "sinks/fault.h"

static void the_reason_is_formatted_and_the_error_comes_back(void **state)
{
    struct sink_fault fault = {.of_record = true, .at = {.epoch = 3}, .retry_after_ns = 7};
    (void)state;
    assert_int_equal(fault_say(&fault, -EPROTO, "%s: %d", "host", 5), -EPROTO);
    assert_string_equal(fault.text, "host: 5");
    assert_true(fault.of_record);
    assert_int_equal(fault.at.epoch, 3);
    assert_int_equal(fault.retry_after_ns, 7);
}

static void control_characters_of_a_server_are_not_shown(void **state)
{
    struct sink_fault fault = {0};
    (void)state;
    fault_say(&fault, 0, "%s", "a\x1b[31m\r\nb\tc\x7f");
    assert_string_equal(fault.text, "a?[31m??b?c?");
}

static void every_other_byte_stays(void **state)
{
    char text[256], want[256];
    (void)state;
    for (unsigned i = 0; i < 255; i++) {
        text[i] = (char)(i + 1);
        want[i] = (char)(i + 1 < ' ' || i + 1 == 0x7f ? '?' : i + 1);
    }
    text[255] = want[255] = '\0';
    fault_clean(text);
    assert_string_equal(text, want);
}

static void a_long_reason_is_cut_and_still_cleaned(void **state)
{
    struct sink_fault fault;
    char text[400];
    (void)state;
    memset(text, '\n', sizeof text);
    text[sizeof text - 1] = '\0';
    fault_say(&fault, 0, "%s", text);
    assert_int_equal(strlen(fault.text), sizeof fault.text - 1);
    assert_int_equal(strspn(fault.text, "?"), sizeof fault.text - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reason_is_formatted_and_the_error_comes_back),
        cmocka_unit_test(control_characters_of_a_server_are_not_shown),
        cmocka_unit_test(every_other_byte_stays),
        cmocka_unit_test(a_long_reason_is_cut_and_still_cleaned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
