/* test_http_limits.c - limits of heads, chunks, bodies and rates, to the byte. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/dataplane/http_conn_kit.h"

static void test_long_head_in_pieces(void **state)
{
    (void)state;
    uint32_t conn = kit_open();
    for (unsigned round = 0; round < 2; round++) {
        kit_text(conn, "GET /healthz HTTP/1.1\r\n" HOST);
        for (unsigned i = 0; i < 50; i++)
            kit_text(conn, "A: 0123456789012345678901234567890123456789012345678901234567890123456"
                           "7890123456789012345678901234567890123456789\r\n");
        kit_turn();
        assert_int_equal(counters()->mediums, 1);
        kit_text(conn, END);
        kit_turn();
        assert_int_equal(counters()->mediums, 0);
    }
    assert_statuses(conn, "200 200");
}

static char *repeat(char c, size_t count)
{
    static char text[40000];
    memset(text, c, count);
    text[count] = 0;
    return text;
}

static const char *status_of(const char *format, size_t count)
{
    static char text[41000];
    snprintf(text, sizeof text, format, repeat('a', count));
    uint32_t conn = kit_open();
    kit_text(conn, text);
    kit_settle();
    return kit_statuses(conn);
}

static void test_limits_of_a_head(void **state)
{
    (void)state;
    struct http_settings settings = defaults();
    settings.line_bytes = 100;
    settings.head_bytes = 256;
    settings.header_count = 3;
    restart(&settings);
    assert_string_equal(status_of("GET /%s HTTP/1.1\r\n" HOST END, 100 - 14), "404");
    assert_string_equal(status_of("GET /%s HTTP/1.1\r\n" HOST END, 100 - 13), "414 close");
    assert_string_equal(status_of("GET /%s", 200), "414 close");
    const size_t rest = strlen("GET / HTTP/1.1\r\n" HOST "A: \r\n\r\n");
    assert_string_equal(status_of("GET / HTTP/1.1\r\n" HOST "A: %s\r\n\r\n", 256 - rest), "404");
    assert_string_equal(status_of("GET / HTTP/1.1\r\n" HOST "A: %s\r\n\r\n", 257 - rest),
                        "431 close");
    assert_string_equal(status_of("GET / HTTP/1.1\r\n" HOST "A: %s", 30000), "431 close");
    assert_string_equal(status_of("GET / HTTP/1.1\r\n" HOST "A: b\r\nC: %s\r\n\r\n", 1), "404");
    assert_string_equal(status_of("GET / HTTP/1.1\r\n" HOST "A: b\r\nB: c\r\nC: %s\r\n\r\n", 1),
                        "431 close");
    settings.line_bytes = 300;
    http_reconfigure(kit.http, &settings);
    assert_string_equal(status_of("GET /%s", 300), "431 close");
}

static void test_limits_of_chunks(void **state)
{
    (void)state;
    struct http_settings settings = defaults();
    settings.head_bytes = 256;
    settings.header_count = 2;
    restart(&settings);
#define CHUNKS "POST /x HTTP/1.1\r\n" HOST CHUNKED END
    assert_string_equal(status_of(CHUNKS "0;%s\r\n\r\n", 255), "404");
    assert_string_equal(status_of(CHUNKS "0;%s\r\n\r\n", 256), "400 close");
    assert_string_equal(status_of(CHUNKS "1;a\r\nx\r\n0;%s\r\n\r\n", 253), "404");
    assert_string_equal(status_of(CHUNKS "1;a\r\nx\r\n0;%s\r\n\r\n", 254), "400 close");
    assert_string_equal(status_of(CHUNKS "0\r\nA: %s\r\n\r\n", 256 - 7), "404");
    assert_string_equal(status_of(CHUNKS "0\r\nA: %s\r\n\r\n", 256 - 6), "431 close");
    assert_string_equal(status_of(CHUNKS "0\r\nA:\r\nB: %s\r\n\r\n", 1), "404");
    assert_string_equal(status_of(CHUNKS "0\r\nA:\r\nB:\r\nC: %s\r\n\r\n", 1), "431 close");
    assert_string_equal(status_of(CHUNKS "0\r\n%s: a\r\n\r\n", 100), "404");
}

static void test_limit_of_a_body(void **state)
{
    (void)state;
    struct http_settings settings = defaults();
    settings.body_bytes = 104;
    restart(&settings);
    uint32_t conn = kit_open();
    kit_text(conn, POST_ONE POST JSON CHUNKED END "68\r\n" EVENT "\r\n0\r\n\r\n");
    kit_text(conn, POST JSON CHUNKED END "68\r\n" EVENT "\r\n1\r\n");
    kit_settle();
    assert_statuses(conn, "202 202 413 close");
}

static void test_rate_of_a_connection(void **state)
{
    (void)state;
    struct http_settings settings = defaults();
    settings.conn_events_per_s = 2;
    restart(&settings);
    uint32_t conn = kit_open(), other = kit_open();
    kit_text(conn, POST_ONE POST_ONE POST_ONE POST_ONE);
    kit_text(other, POST_ONE);
    kit_settle();
    assert_statuses(conn, "202 202 202 429");
    require_text(conn, "Retry-After: 1\r\n");
    assert_statuses(other, "202");
    kit_advance(1000);
    kit_text(conn, POST_ONE POST NDJSON LENGTH("6") END "1\n2\n3\n");
    kit_settle();
    assert_statuses(conn, "202 202 202 429 202 200");
    kit_text(conn, POST NDJSON LENGTH("6") END "1\n2\n3\n");
    kit_settle();
    assert_statuses(conn, "202 202 202 429 202 200 429");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_long_head_in_pieces),  TEST(test_limits_of_a_head),
        TEST(test_limits_of_chunks),     TEST(test_limit_of_a_body),
        TEST(test_rate_of_a_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
