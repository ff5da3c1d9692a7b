/* test_subject.c - which templates of subjects there are, and what becomes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "conf/conf.h"
#include "conf/subject.h"

static void templates_are_checked(void **state)
{
    static const char *const good[] = {"a",
                                       "a.b-c_9.D",
                                       "{hunt}",
                                       "awards.{hunt}.{pop}",
                                       "x-{outcome}.{host}{pop}",
                                       "{pop}{pop}{pop}{pop}{pop}{pop}"};
    static const char *const bad[] = {"",
                                      ".",
                                      "a.",
                                      ".a",
                                      "a..b",
                                      "a b",
                                      "a.*",
                                      "a.>",
                                      "$JS.a",
                                      "{hunt",
                                      "{Hunt}",
                                      "{}",
                                      "a.{user}",
                                      "_INBOX.x",
                                      "a\n",
                                      "a.{pop}.",
                                      "\xc3\xa9",
                                      "a}",
                                      "{pop}{pop}{pop}{pop}{pop}{pop}{pop}"};
    char longest[SUBJECT_TEMPLATE_MAX + 2];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(subject_check(good[i]), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(subject_check(bad[i]), -EINVAL);
    memset(longest, 'a', sizeof longest);
    longest[SUBJECT_TEMPLATE_MAX] = '\0';
    assert_int_equal(subject_check(longest), 0);
    longest[SUBJECT_TEMPLATE_MAX] = 'a';
    longest[SUBJECT_TEMPLATE_MAX + 1] = '\0';
    assert_int_equal(subject_check(longest), -EINVAL);
}

static void expect(const char *template, const struct subject_names *names, const char *want)
{
    char out[SUBJECT_MAX];
    subject_expand(template, names, out);
    assert_string_equal(out, want);
}

static void names_stand_for_themselves_without_dots(void **state)
{
    const struct subject_names names = {
        .hunt = "spring.26", .outcome = "award", .pop = "fra1", .host = ""};
    (void)state;
    expect("awards.{hunt}.{pop}", &names, "awards.spring_26.fra1");
    expect("{outcome}-{host}.{hunt}{pop}", &names, "award--.spring_26fra1");
    expect("a.b", &names, "a.b");
}

static void what_is_not_said_is_any_token(void **state)
{
    const struct subject_names names = {.pop = "p"};
    (void)state;
    expect("awards.{hunt}.{pop}", &names, "awards.*.p");
    expect("{outcome}", &names, "*");
    expect("x-{hunt}-y.{pop}.{host}{pop}", &names, "*.p.*");
    expect("{hunt}.a.{hunt}", &names, "*.a.*");
}

static void the_longest_fits(void **state)
{
    char name[CONF_NAME_MAX + 1] = "", template[SUBJECT_TEMPLATE_MAX + 1] = "", out[SUBJECT_MAX];
    (void)state;
    memset(name, 'n', CONF_NAME_MAX);
    for (unsigned i = 0; i < SUBJECT_PLACES_MAX; i++)
        strcat(template, "{pop}");
    memset(template + strlen(template), 'a', SUBJECT_TEMPLATE_MAX - strlen(template));
    assert_int_equal(subject_check(template), 0);
    subject_expand(template, &(struct subject_names){.pop = name}, out);
    assert_int_equal(strlen(out), SUBJECT_TEMPLATE_MAX + SUBJECT_PLACES_MAX * (64 - 5));
}

static void servers_may_have_names(void **state)
{
    static const char *const good[] = {"localhost:1", "a.b-c.example:65535", "1.2.3.4:6379",
                                       "[::1]:1",     "redis1:6379",         "3com.example:9"};
    static const char *const bad[] = {
        "",       "a",       "a:",          "a:0",   ":1",       "a b:1", "-a:1",       "a-:1",
        "a..b:1", "1.2.3:1", "1.2.3.4.5:1", "a_b:1", "[name]:1", "a.:1",  "256.1.1.1:1"};
    struct conf_endpoint e;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(conf_server_parse(good[i], &e), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(conf_server_parse(bad[i], &e), -EINVAL);
    assert_int_equal(conf_endpoint_parse("localhost:1", &e), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates_are_checked),
        cmocka_unit_test(names_stand_for_themselves_without_dots),
        cmocka_unit_test(what_is_not_said_is_any_token),
        cmocka_unit_test(the_longest_fits),
        cmocka_unit_test(servers_may_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
