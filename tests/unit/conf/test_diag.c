/* test_diag.c - what a person gets to read. */
#include "tests/unit/conf/load.h"

static char *printed(const struct diag_list *list)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    diag_print(list, out);
    fclose(out);
    return text;
}

static void a_fault_prints_with_its_line_and_a_caret(void **state)
{
    (void)state;
    struct diag_list list = {0};
    struct diag place = {.file = "spring.yaml",
                         .line = 18,
                         .column = 16,
                         .length = 2,
                         .source = "    max_depth: 4x"};
    diag_add(&list, &place, "out_of_range", "max_depth must be %s, not '4x'", "a number");
    char *text = printed(&list);
    assert_string_equal(text, "spring.yaml:18:16: error: max_depth must be a number, not '4x'\n"
                              "        max_depth: 4x\n"
                              "                   ^~\n");
    free(text);
    diag_list_fini(&list);
}

static void the_caret_stands_right_behind_tabs_and_umlauts(void **state)
{
    (void)state;
    struct diag_list list = {0};
    struct diag place = {.file = "f", .line = 1, .column = 5, .source = "\t\xc3\xa9: x"};
    diag_add(&list, &place, "bad_value", "x");
    char *text = printed(&list);
    assert_string_equal(text, "f:1:5: error: x\n    \t\xc3\xa9: x\n    \t   ^\n");
    free(text);
    diag_list_fini(&list);
}

static void a_fault_without_place_prints_without_numbers(void **state)
{
    (void)state;
    struct diag_list list = {0};
    struct diag place = {.file = "f"};
    diag_add(&list, &place, "unreadable", "cannot be read");
    diag_add(&list, NULL, "conflict", "no place at all");
    char *text = printed(&list);
    assert_string_equal(text, "f: error: cannot be read\nerror: no place at all\n");
    free(text);
    diag_list_fini(&list);
}

static void terminal_escapes_and_broken_utf8_are_not_passed_on(void **state)
{
    (void)state;
    struct diag_list list = {0};
    struct diag place = {.file = "f\x1b", .line = 1, .source = "a\x1b[31m\xff\tb\xc2\x9b"};
    diag_add(&list, &place, "bad_value", "not '%s'", "\n\x07\xc3x");
    assert_string_equal(list.diags[0].file, "f?");
    assert_string_equal(list.diags[0].text, "not '???x'");
    assert_string_equal(list.diags[0].source, "a?[31m?\tb??");
    diag_list_fini(&list);
}

static void a_text_that_is_cut_stays_utf8(void **state)
{
    (void)state;
    struct diag_list list = {0};
    char text[DIAG_TEXT_MAX + 10];
    memset(text, 'x', sizeof text);
    text[DIAG_TEXT_MAX - 2] = (char)0xc3;
    text[DIAG_TEXT_MAX - 1] = (char)0xa9;
    text[sizeof text - 1] = 0;
    diag_add(&list, NULL, "bad_value", "%s", text);
    assert_int_equal(strlen(list.diags[0].text), DIAG_TEXT_MAX - 1);
    assert_int_equal(list.diags[0].text[DIAG_TEXT_MAX - 2], '?');
    diag_list_fini(&list);
}

static void beyond_a_hundred_faults_are_counted(void **state)
{
    (void)state;
    struct diag_list list = {0};
    for (int i = 0; i < DIAG_MAX + 5; i++)
        diag_add(&list, NULL, "bad_value", "%d", i);
    assert_int_equal(list.count, DIAG_MAX);
    assert_int_equal(list.dropped, 5);
    assert_string_equal(list.diags[99].text, "99");
    char *text = printed(&list);
    assert_non_null(strstr(text, "and 5 more, not shown\n"));
    free(text);
    diag_list_fini(&list);
    assert_int_equal(list.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_prints_with_its_line_and_a_caret),
        cmocka_unit_test(the_caret_stands_right_behind_tabs_and_umlauts),
        cmocka_unit_test(a_fault_without_place_prints_without_numbers),
        cmocka_unit_test(terminal_escapes_and_broken_utf8_are_not_passed_on),
        cmocka_unit_test(a_text_that_is_cut_stays_utf8),
        cmocka_unit_test(beyond_a_hundred_faults_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
