/* test_correction.c - a correction is written in one form, and read in no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/correction.h"

static const char granted[] =
    "{\"id\":\"00000000-0000-0001-0000-000000000002\",\"correction\":\"grant\",\"user\":\"u-1\","
    "\"hunt\":\"spring\",\"reason\":\"booth 4 \\\"scan\\\"\",\"ref\":\"OPS-311\",\"by\":\"uid 0\"}";
static const char undone[] =
    "{\"id\":\"00000000-0000-0001-0000-000000000002\",\"correction\":\"undo\",\"user\":\"\u00fc\","
    "\"hunt\":\"spring\",\"tile\":\"abc\",\"undo\":\"00000000-0000-0003-0000-000000000004\","
    "\"reason\":\"r\",\"ref\":\"f\",\"by\":\"b\"}";

static int decode(const char *text, struct correction *c)
{
    size_t len = strlen(text);
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    int rc = correction_decode(copy, (uint32_t)len, c);
    free(copy);
    return rc;
}

static void what_is_written_is_what_is_read(void **state)
{
    (void)state;
    const char *const texts[] = {granted, undone};
    for (unsigned i = 0; i < 2; i++) {
        uint8_t body[CORRECTION_BODY_MAX];
        struct correction c;
        assert_int_equal(decode(texts[i], &c), 0);
        assert_int_equal(correction_encode(&c, body), strlen(texts[i]));
        assert_memory_equal(body, texts[i], strlen(texts[i]));
    }
}

static void every_member_comes_back(void **state)
{
    (void)state;
    struct correction c;
    assert_int_equal(decode(granted, &c), 0);
    assert_true(c.id[0] == 1 && c.id[1] == 2);
    assert_int_equal(c.kind, CORRECTION_grant);
    assert_string_equal(c.user, "u-1");
    assert_string_equal(c.hunt, "spring");
    assert_string_equal(c.tile, "");
    assert_string_equal(c.reason, "booth 4 \"scan\"");
    assert_string_equal(c.ref, "OPS-311");
    assert_string_equal(c.by, "uid 0");
    assert_int_equal(decode(undone, &c), 0);
    assert_int_equal(c.kind, CORRECTION_undo);
    assert_true(c.undo[0] == 3 && c.undo[1] == 4);
    assert_string_equal(c.tile, "abc");
}

static void every_cut_and_every_changed_byte_is_refused_or_reads_as_written(void **state)
{
    (void)state;
    struct correction c;
    char text[sizeof undone];
    uint8_t body[CORRECTION_BODY_MAX];
    for (size_t len = 0; len + 1 < sizeof undone; len++) {
        memcpy(text, undone, len);
        text[len] = '\0';
        assert_int_not_equal(decode(text, &c), 0);
    }
    for (size_t at = 0; at + 1 < sizeof undone; at++)
        for (int byte = 1; byte < 256; byte++) {
            memcpy(text, undone, sizeof undone);
            text[at] = (char)byte;
            if (decode(text, &c) == 0) {
                assert_int_equal(correction_encode(&c, body), strlen(text));
                assert_memory_equal(body, text, strlen(text));
            }
        }
}

static void the_longest_fits_and_one_longer_is_refused(void **state)
{
    (void)state;
    uint8_t body[CORRECTION_BODY_MAX];
    struct correction c = {.id = {1, 2}, .kind = CORRECTION_undo, .undo = {3, 4}}, again;
    memset(c.user, 1, EVENT_USER_MAX);
    memset(c.hunt, 1, EVENT_NAME_MAX);
    memset(c.tile, 1, EVENT_NAME_MAX);
    memset(c.reason, 1, CORRECTION_REASON_MAX);
    memset(c.ref, 1, CORRECTION_REF_MAX);
    memset(c.by, 1, CORRECTION_BY_MAX);
    uint32_t len = correction_encode(&c, body);
    assert_int_equal(correction_decode(body, len, &again), 0);
    assert_memory_equal(&c, &again, sizeof c);
    assert_int_not_equal(correction_decode(body, len - 1, &again), 0);
    char longer[sizeof granted + CORRECTION_REF_MAX] = "";
    const char *ref = strstr(granted, "OPS-311");
    assert_non_null(ref);
    memcpy(longer, granted, (size_t)(ref - granted));
    memset(longer + (ref - granted), 'x', CORRECTION_REF_MAX + 1);
    strcat(longer, ref + 7);
    assert_int_not_equal(decode(longer, &again), 0);
}

static void the_content_is_all_but_who(void **state)
{
    (void)state;
    static const struct hash_key key;
    struct correction c, other;
    assert_int_equal(decode(granted, &c), 0);
    other = c;
    strcpy(other.by, "uid 1000");
    assert_true(correction_content(&c, &key) == correction_content(&other, &key));
    strcpy(other.ref, "OPS-312");
    assert_true(correction_content(&c, &key) != correction_content(&other, &key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_what_is_read),
        cmocka_unit_test(every_member_comes_back),
        cmocka_unit_test(every_cut_and_every_changed_byte_is_refused_or_reads_as_written),
        cmocka_unit_test(the_longest_fits_and_one_longer_is_refused),
        cmocka_unit_test(the_content_is_all_but_who),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
