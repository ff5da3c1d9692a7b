/* test_glob.c - patterns take what they say and nothing else, in one pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/glob.h"
#include "dataplane/base/utf8.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool matches(const char *pattern, const char *text)
{
    struct glob glob;
    size_t at, len = strlen(text);
    assert_null(glob_compile(&glob, pattern, strlen(pattern), &at));
    uint64_t places = glob_begin();
    for (at = 0; at < len;)
        places = glob_step(&glob, places, utf8_next((const uint8_t *)text, &at));
    return glob_matched(&glob, places);
}

static void patterns_match_whole_texts(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *yes, *no;
    } cases[] = {
        {"red", "red", "reds"},
        {"red", "red", "re"},
        {"*", "", NULL},
        {"a*", "a", "ba"},
        {"a*b*c", "aXbYbc", "aXbYb"},
        {"*a?", "aaab", "aaa\xc3\xa4z"},
        {"**a**", "a", "b"},
        {"?", "\xc3\xa4", ""},
        {"?", "\xf0\x9f\x98\x80", "ab"},
        {"gr\xc3\xbcn", "gr\xc3\xbcn", "grun"},
        {"[a-c]x", "bx", "dx"},
        {"[!a-c]x", "\xc3\xa4x", "cx"},
        {"[]x]", "]", "y"},
        {"[a-]", "-", "b"},
        {"[-a]", "-", "b"},
        {"[*?[]", "?", "x"},
        {"[!]]", "x", "]"},
        {"AB-[0-9][0-9]*", "AB-17", "AB-1"},
        {"*[0-9]", "x9", "9x"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(matches(cases[i].pattern, cases[i].yes));
        if (cases[i].no)
            assert_false(matches(cases[i].pattern, cases[i].no));
    }
}

static void a_pattern_of_63_is_the_longest(void **state)
{
    (void)state;
    char pattern[2 * GLOB_MAX + 3], text[GLOB_MAX + 2];
    struct glob glob;
    size_t at;
    for (unsigned i = 0; i < GLOB_MAX; i++)
        memcpy(pattern + 2 * (size_t)i, "*a", 2);
    pattern[2 * GLOB_MAX] = 0;
    memset(text, 'a', sizeof text);
    text[GLOB_MAX] = 0;
    assert_true(matches(pattern, text));
    text[GLOB_MAX - 1] = 0;
    assert_false(matches(pattern, text));
    memcpy(pattern + 2 * (size_t)GLOB_MAX, "b", 2);
    assert_string_equal(glob_compile(&glob, pattern, strlen(pattern), &at),
                        "a pattern has at most 63 characters and classes");
    assert_int_equal(at, 2 * GLOB_MAX);
}

static void what_is_no_pattern_is_told_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        size_t at;
    } cases[] = {{"a[", 2},    {"ab[x", 4},        {"[]", 2},          {"[!]", 3},
                 {"[z-a]", 1}, {"x[\xc3\xa4]", 2}, {"[a-\xc3\xa4]", 1}};
    struct glob glob;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t at;
        assert_non_null(glob_compile(&glob, cases[i].pattern, strlen(cases[i].pattern), &at));
        assert_int_equal(at, cases[i].at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_whole_texts),
        cmocka_unit_test(a_pattern_of_63_is_the_longest),
        cmocka_unit_test(what_is_no_pattern_is_told_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
