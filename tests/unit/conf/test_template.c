/* test_template.c - hunts made from templates, the variants of hunts, and what event types declare
 * of data. */
#include "tests/unit/conf/load.h"

#define TEMPLATES     MINIMAL "templates:\n"
#define CLUES         "  clues: { kind: trail, catalog: c.tsv, start: [A], treasure: [B], max_depth: 5 }\n"
#define DATA(members) MINIMAL "    buy:\n      data:\n" members

static int fini(void **state)
{
    (void)state;
    diag_list_fini(&diags);
    return 0;
}

static void a_hunt_has_the_keys_of_its_template(void **state)
{
    (void)state;
    struct conf *conf =
        load_good(TEMPLATES CLUES "  none:\n"
                                  "hunts:\n  - { name: a, template: clues }\n"
                                  "  - { template: clues, treasure: C, name: b, budget: 7 }\n");
    const struct conf_hunt *a = &conf->hunts[0], *b = &conf->hunts[1];
    assert_int_equal(conf->hunt_count, 2);
    assert_string_equal(a->from_template, "clues");
    assert_string_equal(a->catalog, "/etc/trove/c.tsv");
    assert_int_equal(a->max_depth, 5);
    assert_string_equal(a->treasure[0], "B");
    assert_int_equal(a->budget, 640);
    assert_int_equal(b->treasure_count, 1);
    assert_string_equal(b->treasure[0], "C");
    assert_string_equal(b->start[0], "A");
    assert_int_equal(b->budget, 7);
    assert_int_equal(b->place.line, 15);
    conf_free(conf);
}

static void a_fault_is_told_once_where_the_value_stands(void **state)
{
    (void)state;
    assert_fault(TEMPLATES "  t: { kind: trail, catalog: c, start: [A], max_depth: 99 }\n"
                           "hunts:\n  - { name: a, template: t, treasure: B }\n"
                           "  - { name: b, template: t, treasure: B }\n",
                 "out_of_range", 11, 56, "max_depth must be");
    assert_fault(TEMPLATES "  t: { kind: trail, catalog: c, start: [A], max_dept: 9 }\n"
                           "hunts:\n  - { name: a, template: t, treasure: B }\n",
                 "unknown_key", 11, 45, "did you mean 'max_depth'?");
    assert_fault(TEMPLATES CLUES "hunts:\n  - { name: a, template: clues, max_depth: x }\n",
                 "wrong_type", 13, 44, "max_depth must be");
    assert_fault(TEMPLATES CLUES "hunts:\n  - { name: a, template: clues, decay: 1 }\n",
                 "unknown_key", 13, 33, "'decay' is a key of basket hunts");
    assert_fault(TEMPLATES "  t: { kind: trail, catalog: c, start: [A] }\n"
                           "hunts:\n  - { name: a, template: t }\n",
                 "missing_key", 13, 5, "missing key 'treasure'");
}

static void templates_that_nobody_uses_are_checked(void **state)
{
    (void)state;
    assert_fault(TEMPLATES "  t: { ends: soon }\n", "wrong_type", 11, 14, "ends must be");
    assert_fault(TEMPLATES "  t: { name: x }\n", "unknown_key", 11, 8, "a template has no name");
    assert_fault(TEMPLATES CLUES "  t: { template: clues }\n", "unknown_key", 12, 8,
                 "a template cannot name a template");
    assert_fault(TEMPLATES "  \"a b\": {}\n", "bad_value", 11, 4, "the name of a template");
    assert_fault(TEMPLATES "  t: 7\n", "wrong_type", 11, 6, "a template must be a mapping");
    assert_fault(MINIMAL "templates: [a]\n", "wrong_type", 10, 12, "templates must be a mapping");
}

static void an_unknown_template_is_told_with_the_nearest(void **state)
{
    (void)state;
    assert_fault(TEMPLATES CLUES "hunts:\n  - { " BASKET ", template: cluse }\n", "bad_value", 13,
                 56, "no template is called 'cluse'; did you mean 'clues'?");
    assert_fault(MINIMAL "hunts:\n  - { " BASKET ", template: x }\n", "bad_value", 11, 56,
                 "add it under templates");
}

static void variants_have_weights_and_rewards(void **state)
{
    (void)state;
    struct conf *conf =
        load_good(MINIMAL "hunts:\n  - { " BASKET ", variants: { plain: 90, double: 10 },\n"
                          "      rewards: { double: \"2 x 5 %\" } }\n");
    const struct conf_hunt *hunt = &conf->hunts[0];
    assert_int_equal(hunt->variant_count, 2);
    assert_string_equal(hunt->variants[0].name, "plain");
    assert_int_equal(hunt->variants[0].weight, 90);
    assert_string_equal(hunt->variants[0].reward, "");
    assert_int_equal(hunt->variants[1].weight, 10);
    assert_string_equal(hunt->variants[1].reward, "2 x 5 %");
    assert_int_not_equal(conf_variant_tag("plain"), conf_variant_tag("double"));
    conf_free(conf);
}

/* The tag stands in users' progress: another value would send users to another variant. */
static void the_tag_of_a_variant_is_for_good(void **state)
{
    (void)state;
    assert_int_equal(conf_variant_tag("plain"), 0xecd9);
    assert_int_equal(conf_variant_tag("double"), 0xafe3);
}

static void variants_that_cannot_be_meant_are_told(void **state)
{
    (void)state;
#define VARIANTS(text) MINIMAL "hunts:\n  - { " BASKET ",\n      " text " }\n"
    assert_fault(VARIANTS("variants: { a: 0, b: 0 }"), "conflict", 12, 17, "every variant");
    assert_fault(VARIANTS("variants: { a: 1000001 }"), "out_of_range", 12, 22, "weights from 0");
    assert_fault(VARIANTS("variants: { a: x }"), "wrong_type", 12, 22, "weights from 0");
    assert_fault(VARIANTS("variants: [a]"), "wrong_type", 12, 17, "weights from 0");
    assert_fault(VARIANTS("variants: { }"), "out_of_range", 12, 17, "1 to 8 weights");
    assert_fault(VARIANTS("variants: { a: 1 }, rewards: { b: x }"), "bad_value", 12, 38,
                 "the hunt's variants have none of this name");
    assert_fault(VARIANTS("rewards: { b: x }"), "bad_value", 12, 18, "have none of this name");
    assert_fault(VARIANTS("variants: { a: 1 }, rewards: { a: [] }"), "bad_value", 12, 41,
                 "texts of 1 to 64 bytes");
}

static void types_declare_members_of_data(void **state)
{
    (void)state;
    struct conf *conf =
        load_good(DATA("        price: { type: number, required: true, min: -0.5, max: 1_000e2 }\n"
                       "        colour: { type: string, enum: [red, \"1\"], max_length: 9 }\n"
                       "        code: { type: string, pattern: \"A[0-9]*\" }\n"
                       "      strict_data: true\n"
                       "    buy@2: {}\n"));
    const struct conf_type *buy = &conf->events.types[1];
    assert_string_equal(conf->events.types[2].name, "buy@2");
    assert_true(buy->strict_data);
    assert_int_equal(buy->member_count, 3);
    assert_string_equal(buy->members[0].name, "price");
    assert_int_equal(buy->members[0].type, CONF_MEMBER_NUMBER);
    assert_true(buy->members[0].required);
    assert_string_equal(buy->members[0].min, "-0.5");
    assert_string_equal(buy->members[0].max, "1000e2");
    assert_int_equal(buy->members[1].value_count, 2);
    assert_string_equal(buy->members[1].value[1], "1");
    assert_int_equal(buy->members[1].max_length, 9);
    assert_false(buy->members[1].required);
    assert_string_equal(buy->members[2].pattern, "A[0-9]*");
    assert_int_equal(buy->members[2].max_length, 65535);
    conf_free(conf);
}

static void declarations_that_cannot_be_meant_are_told(void **state)
{
    (void)state;
    assert_fault(DATA("        p: { type: number, min: 1, max: 0.9999999999999999999999 }\n"),
                 "conflict", 12, 33, "min, 1, is greater than max");
    assert_fault(DATA("        p: { type: string, min_length: 5, max_length: 4 }\n"), "conflict",
                 12, 40, "min_length, 5, is greater than max_length, 4");
    assert_fault(DATA("        p: { type: string, pattern: \"x[a\" }\n"), "bad_value", 12, 38,
                 "'[' has no ']'");
    assert_fault(DATA("        p: { type: string, enum: [a, 1.5] }\n"), "wrong_type", 12, 38,
                 "write \"1.5\"");
    assert_fault(DATA("        p: { type: string, enum: true }\n"), "wrong_type", 12, 34,
                 "without quotes");
    assert_fault(DATA("        p: { type: number, enum: [1, \"2\"] }\n"), "wrong_type", 12, 39,
                 "in quotes");
    assert_fault(DATA("        p: { type: integer, enum: [1e2, 1.5] }\n"), "wrong_type", 12, 41,
                 "a whole number");
    assert_fault(DATA("        p: { type: boolean, enum: [x] }\n"), "conflict", 12, 29,
                 "enum is a key of members that are strings or numbers");
    assert_fault(DATA("        p: { type: string, min: 3 }\n"), "conflict", 12, 28,
                 "min is a key of members that are numbers, and 'p' is a string");
    assert_fault(DATA("        p: { type: number, pattern: x }\n"), "conflict", 12, 28,
                 "pattern is a key of members that are strings");
    assert_fault(DATA("        p: { type: text }\n"), "bad_value", 12, 20, "type must be one of");
    assert_fault(DATA("        p: { min: 3 }\n"), "missing_key", 12, 12, "missing key 'type'");
    assert_fault(DATA("        p: { type: number, mim: 3 }\n"), "unknown_key", 12, 28,
                 "did you mean 'min'?");
    assert_fault(DATA("        p: { type: number, min: 0x3 }\n"), "wrong_type", 12, 33,
                 "a number as JSON writes it");
    assert_fault(DATA("        p: { type: number, min: 1e99999 }\n"), "out_of_range", 12, 33,
                 "a number as JSON writes it");
    assert_fault(MINIMAL "    \"@2\": {}\n", "bad_value", 10, 6, "one @ before a version");
    assert_fault(MINIMAL "    buy@: {}\n", "bad_value", 10, 5, "one @ before a version");
    assert_fault(MINIMAL "hunts: [{ name: a@2, kind: basket, catalog: x }]\n", "bad_value", 10, 17,
                 "A-Z a-z 0-9 . _ -");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hunt_has_the_keys_of_its_template),
        cmocka_unit_test(a_fault_is_told_once_where_the_value_stands),
        cmocka_unit_test(templates_that_nobody_uses_are_checked),
        cmocka_unit_test(an_unknown_template_is_told_with_the_nearest),
        cmocka_unit_test(variants_have_weights_and_rewards),
        cmocka_unit_test(the_tag_of_a_variant_is_for_good),
        cmocka_unit_test(variants_that_cannot_be_meant_are_told),
        cmocka_unit_test(types_declare_members_of_data),
        cmocka_unit_test(declarations_that_cannot_be_meant_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, fini);
}
