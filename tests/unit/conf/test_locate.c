/* test_locate.c - a key's line is found again, in its hunt, in the hunt's template, or around it.
 */
#include "tests/unit/conf/load.h"

#include "conf/locate.h"

static const char text[] = MINIMAL "templates:\n"
                                   "  clues:\n"
                                   "    min_step: 2s\n"
                                   "hunts:\n"
                                   "  - name: spring.26\n"
                                   "    template: clues\n"
                                   "    max_depth: 4  # steps\n"
                                   "  - { name: flat, max_depth: 5 }\n";

static void finds(const char *path, unsigned line, const char *source, bool is_given)
{
    struct conf conf = {.file = "/etc/trove/trove.yaml", .text = (char *)text};
    struct diag place;
    bool given;
    conf.text_len = sizeof text - 1;
    conf_locate(&conf, path, &place, &given);
    assert_string_equal(place.file, conf.file);
    assert_int_equal(place.line, line);
    assert_string_equal(place.source, source);
    assert_int_equal(given, is_given);
}

static void a_key_is_found_where_it_is_written(void **state)
{
    (void)state;
    finds("hunts/spring.26/max_depth", 16, "    max_depth: 4  # steps", true);
    finds("hunts/flat/max_depth", 17, "  - { name: flat, max_depth: 5 }", true);
    finds("events/types/view/require", 9, "    view: { require: [item] }", true);
}

static void what_a_template_says_is_found_there(void **state)
{
    (void)state;
    finds("hunts/spring.26/min_step", 12, "    min_step: 2s", true);
}

static void a_default_is_told_by_what_is_around_it(void **state)
{
    (void)state;
    finds("hunts/spring.26/once", 14, "  - name: spring.26", false);
    finds("events/lateness", 7, "events:", false);
    finds("hunts/no-such/once", 13, "hunts:", false);
}

static void text_that_is_no_yaml_has_no_places(void **state)
{
    (void)state;
    struct conf conf = {.file = "f", .text = (char *)"a: [", .text_len = 4};
    struct diag place;
    bool given = true;
    conf_locate(&conf, "a/b", &place, &given);
    assert_int_equal(place.line, 0);
    assert_false(given);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_found_where_it_is_written),
        cmocka_unit_test(what_a_template_says_is_found_there),
        cmocka_unit_test(a_default_is_told_by_what_is_around_it),
        cmocka_unit_test(text_that_is_no_yaml_has_no_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
