/* test_http.c - listen.http: what it is when nothing is said, and which keys do not go together. */
#include "tests/unit/conf/load.h"

#define WITH(keys) MINIMAL "listen: { http: { " keys " } }\n"

static void without_a_word_there_is_no_http(void **state)
{
    (void)state;
    struct conf *conf = load_good(MINIMAL);
    assert_int_equal(conf->http.port, 0);
    assert_int_equal(conf->http.ack, CONF_ACK_DURABLE);
    assert_int_equal(conf->http.ack_min, CONF_ACK_ACCEPTED);
    assert_int_equal(conf->http.origin_count, 0);
    conf_free(conf);
}

static void the_embedded_configuration_takes_posts(void **state)
{
    (void)state;
    const char *text = conf_default_text();
    struct conf *conf = load_good(text);
    assert_int_equal(conf->http.port, 8080);
    conf_free(conf);
}

static void keys_are_read_into_their_places(void **state)
{
    (void)state;
    struct conf *conf =
        load_good(WITH("port: 80, ack: durable, ack_min: durable, max_body: 2MiB, event_rate: 9,"
                       "prefix_ipv4: 32, prefix_ipv6: 56, buffers: 1GiB,"
                       "tcp: { rto_min: 10ms, keepalive: 0s, linger_bytes: 5KiB },"
                       "cors: { origins: ['https://a.example', 'http://b:81'], max_age: 1m }"));
    const struct conf_http *http = &conf->http;
    assert_int_equal(http->port, 80);
    assert_int_equal(http->ack_min, CONF_ACK_DURABLE);
    assert_int_equal(http->body_bytes, 2 << 20);
    assert_int_equal(http->event_rate, 9);
    assert_int_equal(http->prefix4, 32);
    assert_int_equal(http->prefix6, 56);
    assert_int_equal(http->buffer_bytes, 1ull << 30);
    assert_int_equal(http->tcp.rto_min_ns, 10000000);
    assert_int_equal(http->tcp.keepalive_ns, 0);
    assert_int_equal(http->tcp.linger_bytes, 5 << 10);
    assert_int_equal(http->origin_count, 2);
    assert_string_equal(http->origin[1], "http://b:81");
    assert_int_equal(http->preflight_ns, 60000000000);
    conf_free(conf);
}

static void keys_that_do_not_go_together_are_told(void **state)
{
    (void)state;
    assert_fault(WITH("ack: accepted, ack_min: durable"), "conflict", 10, 24,
                 "ack must not promise less than ack_min");
    assert_fault(WITH("ack_min: durable, max_line: 1KiB, ack: accepted"), "conflict", 10, 58,
                 "ack_min");
    assert_fault(WITH("max_head: 1KiB"), "conflict", 10, 29, "max_line must not be more");
    assert_fault(WITH("buffers: 1MiB, send_buffer: 512KiB"), "conflict", 10, 28,
                 "at least 4 times receive_buffer and send_buffer");
    assert_fault(WITH("max_body: 16MiB, bodies: 63MiB"), "conflict", 10, 44,
                 "at least 4 times max_body");
    assert_fault(WITH("tcp: { rto_min: 2s, rto_max: 1s }"), "conflict", 10, 48, "rto_max");
    assert_fault(WITH("tcp: { keepalive: 1ms }"), "out_of_range", 10, 37, "at least 1s, or 0s");
    assert_fault(WITH("port: 1, max_body: 16KiB") "limits: { event_bytes: 20000 }\n", "conflict",
                 10, 38, "limits.event_bytes");
    conf_free(load_good(WITH("max_body: 16KiB") "limits: { event_bytes: 20000 }\n"));
}

static void an_origin_has_a_scheme_and_a_host_and_nothing_else(void **state)
{
    (void)state;
    static const char *const bad[] = {"shop.example",   "https://",        "https://a/",
                                      "https://a/path", "https://A.b",     "ftp://a",
                                      "https://a:",     "https://u@a.b",   "https://:80",
                                      "null",           "https://a.b?q=1", "https://*.a"};
    static const char *const good[] = {"https://a", "http://a.b:8080", "https://[2001:db8::1]:80",
                                       "*"};
    char text[512];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, WITH("cors: { origins: ['%s'] }"), bad[i]);
        assert_fault(text, "bad_value", 10, 36, "such as https://shop.example");
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(text, sizeof text, WITH("cors: { origins: ['%s'] }"), good[i]);
        conf_free(load_good(text));
    }
    assert_fault(WITH("cors: { origins: ['*', 'https://a'] }"), "conflict", 10, 36,
                 "stands for every origin");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_word_there_is_no_http),
        cmocka_unit_test(the_embedded_configuration_takes_posts),
        cmocka_unit_test(keys_are_read_into_their_places),
        cmocka_unit_test(keys_that_do_not_go_together_are_told),
        cmocka_unit_test(an_origin_has_a_scheme_and_a_host_and_nothing_else),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    diag_list_fini(&diags);
    return failed;
}
