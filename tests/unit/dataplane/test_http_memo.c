/* test_http_memo.c - a head that is recognised says what the parser would have made of it, and
 * nothing is recognised that the parser would have refused or read in another way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/http_memo.h"
#include "tests/unit/dataplane/http_requests.h"

static const struct http_head_limits limits = {4096, 16384, 100};
static struct http_memo memo;

static const char *const heads[] = {
    POST JSON LENGTH("170") END,
    POST JSON LENGTH("0") END,
    POST LENGTH("99999") JSON "Origin: https://a.example\r\nTrove-Ack: accepted\r\n" END,
    POST NDJSON "User-Agent: a b/1\r\nAccept: */*\r\ncontent-length:\t 1048576 \r\n" END,
    POST JSON CHUNKED END,
    POST JSON LENGTH("7") "Expect: 100-continue\r\n" END,
    "\r\n" POST JSON LENGTH("12") "Connection: close\r\n" END,
    "POST /v1/events HTTP/1.0\r\n" JSON LENGTH("33") END,
    "OPTIONS /v1/events HTTP/1.1\r\n" HOST
    "Origin: https://b.example\r\nAccess-Control-Request-Method: POST\r\n" END,
    GET,
};

#define HEADS (sizeof heads / sizeof *heads)

static enum http_progress parse(const char *text, uint32_t len, struct http_head *head,
                                uint32_t *end)
{
    http_head_init(head);
    return http_head_parse(head, &limits, (const uint8_t *)text, len, end);
}

static bool find(const char *text, uint32_t len, struct http_head *head, uint32_t *end)
{
    return http_memo_find(&memo, 0, (const uint8_t *)text, len, head, end);
}

static void keep(const char *text)
{
    struct http_head head;
    uint32_t len = (uint32_t)strlen(text), end;
    assert_int_equal(parse(text, len, &head, &end), HTTP_DONE);
    assert_int_equal(end, len);
    http_memo_keep(&memo, 0, (const uint8_t *)text, len, &head);
}

static void assert_same(const struct http_head *a, const struct http_head *b)
{
    assert_memory_equal(a, b, offsetof(struct http_head, begun));
    assert_int_equal(a->begun, b->begun);
}

/* check returns whether a text was recognised. */
static bool check(const char *text, uint32_t len)
{
    struct http_head found, parsed;
    uint32_t found_end = 0, parsed_end = 0;
    if (!find(text, len, &found, &found_end))
        return false;
    assert_int_equal(parse(text, len, &parsed, &parsed_end), HTTP_DONE);
    assert_int_equal(found_end, parsed_end);
    assert_same(&found, &parsed);
    return true;
}

#define CHECK(literal) check(literal, sizeof(literal) - 1)
#define FIND(literal)  find(literal, sizeof(literal) - 1, &head, &end)

static int setup(void **state)
{
    (void)state;
    http_memo_init(&memo);
    return 0;
}

static void a_head_is_recognised_whatever_stands_behind_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < HEADS; i++) {
        char text[1024];
        keep(heads[i]);
        assert_true(check(heads[i], (uint32_t)strlen(heads[i])));
        snprintf(text, sizeof text, "%s{\"id\":1}", heads[i]);
        assert_true(check(text, (uint32_t)strlen(text)));
    }
}

static void a_part_of_a_head_is_not_recognised(void **state)
{
    (void)state;
    for (size_t i = 0; i < HEADS; i++) {
        keep(heads[i]);
        for (uint32_t len = 0; len < strlen(heads[i]); len++)
            assert_false(check(heads[i], len));
    }
}

/* Every byte of every head replaced by every other: what is recognised differs in a digit. */
static void a_changed_byte_is_read_by_the_parser_unless_it_is_a_digit_of_the_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < HEADS; i++) {
        char text[1024];
        unsigned recognised = 0, digits = 0;
        uint32_t len = (uint32_t)strlen(heads[i]);
        const char *length = strcasestr(heads[i], "content-length:");
        length = length ? length + 15 + strspn(length + 15, "\t ") : "";
        digits = (unsigned)strspn(length, "0123456789");
        keep(heads[i]);
        memcpy(text, heads[i], len);
        for (uint32_t at = 0; at < len; at++) {
            for (unsigned c = 0; c < 256; c++) {
                text[at] = (char)c;
                recognised += text[at] != heads[i][at] && check(text, len);
            }
            text[at] = heads[i][at];
        }
        /* Nine other digits in each place, but for a leading zero. */
        assert_int_equal(recognised, digits * 9 - (digits > 1));
    }
}

static void as_many_digits_are_the_same_head_and_more_are_another(void **state)
{
    (void)state;
    struct http_head head;
    uint32_t end;
    keep(POST JSON LENGTH("170") END);
    assert_true(CHECK(POST JSON LENGTH("999") END));
    assert_true(FIND(POST JSON LENGTH("304") END));
    assert_int_equal(head.length, 304);
    assert_false(FIND(POST JSON LENGTH("070") END));
    assert_false(FIND(POST JSON LENGTH("17") END " "));
    assert_false(FIND(POST JSON LENGTH("1700") END));
}

static void a_length_that_no_body_has_is_not_remembered(void **state)
{
    (void)state;
    keep(POST JSON LENGTH("99999999999999999999999999") END);
    assert_false(CHECK(POST JSON LENGTH("99999999999999999999999999") END));
}

static void a_head_that_is_too_long_leaves_the_one_before(void **state)
{
    (void)state;
    char text[2 * HTTP_MEMO_BYTES];
    int len = snprintf(text, sizeof text, POST LENGTH("1") "X: %0*d\r\n\r\n", HTTP_MEMO_BYTES, 0);
    keep(GET);
    keep(text);
    assert_false(check(text, (uint32_t)len));
    assert_true(CHECK(GET));
}

static void each_slot_has_its_own(void **state)
{
    (void)state;
    struct http_head head;
    uint32_t end;
    keep(GET);
    assert_false(http_memo_find(&memo, 1, (const uint8_t *)GET, sizeof GET - 1, &head, &end));
    assert_true(
        http_memo_find(&memo, HTTP_MEMO_SLOTS, (const uint8_t *)GET, sizeof GET - 1, &head, &end));
    http_memo_init(&memo);
    assert_false(CHECK(GET));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_head_is_recognised_whatever_stands_behind_it, setup),
        cmocka_unit_test_setup(a_part_of_a_head_is_not_recognised, setup),
        cmocka_unit_test_setup(
            a_changed_byte_is_read_by_the_parser_unless_it_is_a_digit_of_the_length, setup),
        cmocka_unit_test_setup(as_many_digits_are_the_same_head_and_more_are_another, setup),
        cmocka_unit_test_setup(a_length_that_no_body_has_is_not_remembered, setup),
        cmocka_unit_test_setup(a_head_that_is_too_long_leaves_the_one_before, setup),
        cmocka_unit_test_setup(each_slot_has_its_own, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
