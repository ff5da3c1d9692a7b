/* test_http_conn.c - connections: the order of answers, deadlines, ends, and what happens when
 * there is no room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/dataplane/http_kit.h"
#include "tests/unit/dataplane/http_requests.h"

#define assert_statuses(conn, text) assert_string_equal(kit_statuses(conn), text)

static const struct http_counters *counters(void)
{
    return http_counters(kit.http);
}

static void start(const struct http_settings *settings)
{
    struct http_limits limits = kit_limits();
    kit_start(&limits, settings);
}

static struct http_settings defaults(void)
{
    struct http_settings settings;
    http_settings_init(&settings);
    return settings;
}

static int setup(void **state)
{
    (void)state;
    struct http_settings settings = defaults();
    start(&settings);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

/* restart begins anew with other settings. */
static void restart(const struct http_settings *settings)
{
    kit_stop();
    start(settings);
}

static void require_text(uint32_t conn, const char *text)
{
    if (!strstr(kit_output(conn), text))
        fail_msg("no %s in\n%s", text, kit_output(conn));
}

static void require_no_text(uint32_t conn, const char *text)
{
    if (strstr(kit_output(conn), text))
        fail_msg("%s in\n%s", text, kit_output(conn));
}

static void test_answers_leave_in_order(void **state)
{
    (void)state;
    uint32_t conn = kit_open();
    kit_text(conn, POST_ONE GET POST_ONE "GET /x HTTP/1.1\r\n" HOST END);
    kit_turn();
    assert_statuses(conn, "");
    kit_answer(1);
    kit_turn();
    assert_statuses(conn, "202 200");
    kit_answer(1);
    kit_turn();
    assert_statuses(conn, "202 200 202 404");
}

static void test_pipeline_is_bounded(void **state)
{
    (void)state;
    struct http_settings settings = defaults();
    settings.pipeline = 3;
    restart(&settings);
    uint32_t conn = kit_open();
    for (unsigned i = 0; i < 10; i++)
        kit_text(conn, POST_ONE);
    assert_int_equal(kit.event_count, 3);
    assert_true(kit.conns[conn].held);
    kit_answer(1);
    kit_turn();
    kit_turn();
    assert_int_equal(kit.event_count, 3);
    kit_settle();
    assert_statuses(conn, "202 202 202 202 202 202 202 202 202 202");
    assert_true(counters()->held > 0);
}

static void test_durable_waits_for_the_disk(void **state)
{
    (void)state;
    kit.hold_disk = true;
    uint32_t conn = kit_open(), other = kit_open();
    kit_text(conn, POST_ONE POST_ONE);
    kit_text(other, POST JSON "Trove-Ack: accepted\r\n" LENGTH(EVENT_LEN) END EVENT);
    kit_settle();
    assert_statuses(conn, "");
    assert_statuses(other, "202");
    kit.durable[0] = kit.durable[1] = kit.durable[2] = 1;
    kit_settle();
    assert_statuses(conn, "202");
    kit.durable[0] = kit.durable[1] = kit.durable[2] = 2;
    kit_settle();
    assert_statuses(conn, "202 202");
}

static void test_ack_is_raised_to_what_is_allowed(void **state)
{
    (void)state;
    struct http_settings settings = defaults();
    settings.ack_weakest = HTTP_ACK_DURABLE;
    settings.ack = HTTP_ACK_ACCEPTED;
    restart(&settings);
    kit.hold_disk = true;
    uint32_t conn = kit_open(), other = kit_open();
    kit_text(conn, POST JSON "Trove-Ack: accepted\r\n" LENGTH(EVENT_LEN) END EVENT);
    kit_text(other, POST_ONE);
    kit_settle();
    assert_statuses(conn, "");
    assert_statuses(other, "");
    kit.hold_disk = false;
    kit_settle();
    assert_statuses(conn, "202");
    settings.ack_weakest = HTTP_ACK_ACCEPTED;
    http_reconfigure(kit.http, &settings);
    kit.hold_disk = true;
    kit_text(other, POST_ONE);
    kit_settle();
    assert_statuses(other, "202 202");
}

static void test_refused_needs_no_disk(void **state)
{
    (void)state;
    kit.hold_disk = kit.refuse = true;
    uint32_t conn = kit_open();
    kit_text(conn, POST_ONE);
    kit_settle();
    assert_statuses(conn, "503");
    require_text(conn, "Retry-After: 1\r\n");
    require_text(conn, "\"code\":\"state_full\"");
}

static void test_continue_is_sent_when_asked_for(void **state)
{
    (void)state;
    uint32_t conn = kit_open();
    kit_text(conn, POST JSON "Expect: 100-Continue\r\n" LENGTH(EVENT_LEN) END);
    assert_string_equal(kit_output(conn), "HTTP/1.1 100 Continue\r\n\r\n");
    kit_text(conn, EVENT);
    kit_settle();
    assert_statuses(conn, "100 202");
    kit_text(conn, POST JSON "Expect: 100-continue\r\n" LENGTH(EVENT_LEN) END EVENT GET);
    kit_settle();
    assert_statuses(conn, "100 202 202 200");
    kit_text(conn, POST JSON "Expect: 100-continue\r\n" LENGTH("0") END);
    kit_settle();
    assert_statuses(conn, "100 202 202 200 400");
    assert_int_equal(counters()->continues, 1);
}

static void test_continue_waits_for_earlier_answers(void **state)
{
    (void)state;
    uint32_t conn = kit_open();
    kit_text(conn, POST_ONE POST JSON "Expect: 100-continue\r\n" CHUNKED END);
    assert_string_equal(kit_output(conn), "");
    kit_settle();
    assert_statuses(conn, "202 100");
    kit_text(conn, "68\r\n" EVENT "\r\n0\r\n\r\n");
    kit_settle();
    assert_statuses(conn, "202 100 202");
}

static void test_continue_needs_room(void **state)
{
    (void)state;
    uint32_t conn = kit_open();
    kit.conns[conn].room = 10;
    kit_text(conn, POST JSON "Expect: 100-continue\r\n" LENGTH(EVENT_LEN) END);
    assert_string_equal(kit_output(conn), "");
    kit.conns[conn].room = UINT32_MAX;
    kit_text(conn, EVENT);
    kit_settle();
    assert_statuses(conn, "202");
}

static void test_expected_body_is_refused_unread(void **state)
{
    (void)state;
    static const char *const refused[][2] = {
        {POST JSON "Expect: 100-continue\r\n" LENGTH("2000000") END, "413 close"},
        {"POST /x HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n" LENGTH("3") END, "404 close"},
        {POST "Expect: 100-continue\r\n" LENGTH("3") END, "415 close"},
    };
    for (unsigned i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        uint32_t conn = kit_open();
        kit_text(conn, refused[i][0]);
        assert_statuses(conn, refused[i][1]);
        kit_settle();
    }
    uint32_t conn = kit_open();
    kit.health = HTTP_HEALTH_starting;
    kit_turn();
    kit_text(conn, POST JSON "Expect: 100-continue\r\n" LENGTH("3") END);
    assert_statuses(conn, "503 close");
    require_text(conn, "\"health\":\"starting\"");
}

/* Slow ones. */

static void test_slow_head(void **state)
{
    (void)state;
    uint32_t conn = kit_open();
    for (unsigned i = 0; i < 9; i++) {
        char c[2] = {GET[i], 0};
        kit_text(conn, c);
        kit_advance(1000);
    }
    assert_statuses(conn, "");
    kit_advance(1100);
    assert_statuses(conn, "408 close");
    require_text(conn, "\"code\":\"head_timeout\"");
}

static void test_slow_head_behind_an_answer(void **state)
{
    (void)state;
    uint32_t conn = kit_open();
    kit_text(conn, POST_ONE "GET /he");
    kit_advance(11000);
    assert_statuses(conn, "");
    kit_settle();
    assert_statuses(conn, "202 408 close");
}

static void test_slow_body(void **state)
{
    (void)state;
    uint32_t conn = kit_open(), fast = kit_open();
    char bytes[1100];
    memset(bytes, ' ', sizeof bytes);
    kit_text(conn, POST JSON LENGTH("100000") END);
    kit_text(fast, POST JSON LENGTH("100000") END);
    for (unsigned i = 0; i < 40; i++) {
        kit_give(fast, bytes, sizeof bytes);
        kit_give(conn, bytes, 500);
        kit_advance(1000);
    }
    assert_statuses(conn, "408 close");
    require_text(conn, "\"code\":\"body_timeout\"");
    assert_statuses(fast, "");
    for (unsigned i = 40; i < 90; i++)
        kit_give(fast, bytes, sizeof bytes);
    kit_give(fast, EVENT, 104);
    kit_give(fast, bytes, 100000 - 90 * 1100 - 104);
    kit_settle();
    assert_statuses(fast, "413"); /* no event is that long: but it was read */
}

static void test_idle_closes_silently(void **state)
{
    (void)state;
    uint32_t conn = kit_open(), used = kit_open(), crlf = kit_open();
    kit_advance(30000);
    kit_text(used, GET);
    kit_advance(29000);
    kit_text(crlf, "\r\n");
    assert_true(kit.conns[conn].open);
    kit_advance(2000);
    assert_false(kit.conns[conn].open);
    assert_string_equal(kit_output(conn), "");
    kit_advance(10000);
    assert_statuses(crlf, "close");
    assert_statuses(used, "200");
    kit_advance(20000);
    assert_statuses(used, "200 close");
    assert_int_equal(counters()->idle_closed, 2);
}

static void test_late_answer(void **state)
{
    (void)state;
    uint32_t conn = kit_open();
    kit_text(conn, POST_ONE POST_ONE);
    kit_advance(29000);
    assert_statuses(conn, "");
    kit_advance(2000);
    assert_statuses(conn, "503 close");
    require_text(conn, "\"code\":\"answer_late\"");
    assert_int_equal(counters()->unanswered, 1);
    assert_int_equal(counters()->slots, 2);
    kit_settle();
    assert_int_equal(counters()->slots, 0);
}

static void test_answer_that_is_not_read(void **state)
{
    (void)state;
    uint32_t conn = kit_open();
    kit.conns[conn].room = 20;
    kit_text(conn, POST_ONE);
    kit_settle();
    kit_advance(31000);
    assert_false(kit.conns[conn].open);
    assert_int_equal(kit.conns[conn].out_len, 20);
    assert_int_equal(counters()->stalled, 1);
}

static void test_answers_byte_by_byte(void **state)
{
    (void)state;
    uint32_t conn = kit_open();
    kit.conns[conn].room = 0;
    kit_text(conn, POST_ONE GET POST_ONE);
    kit_settle();
    kit_text(conn, "GET /x HTTP/1.1\r\n" HOST "\r\nx\n");
    assert_true(kit.conns[conn].held);
    for (unsigned i = 0; i < 5000; i++) {
        if (kit.conns[conn].open)
            kit_read(conn, 1);
        kit_settle();
    }
    kit.conns[conn].room = UINT32_MAX;
    kit_settle();
    assert_statuses(conn, "202 200 202 404 400 close");
}

static void test_connection_without_room_for_a_refusal_is_reset(void **state)
{
    (void)state;
    uint32_t conn = kit_open();
    kit.conns[conn].room = 5;
    kit_text(conn, "GET");
    kit_advance(11000);
    assert_statuses(conn, "reset");
}

/* Ends. */

static void test_client_says_all_and_ends(void **state)
{
    (void)state;
    uint32_t conn = kit_open(), idle = kit_open(), cut = kit_open(), both = kit_open();
    kit_text(conn, POST_ONE);
    kit_end(conn);
    kit_end(idle);
    kit_text(cut, "GET /hea");
    kit_end(cut);
    kit_text(both, POST_ONE "GET /hea");
    kit_end(both);
    kit_turn();
    assert_statuses(conn, "");
    assert_statuses(idle, "close");
    assert_statuses(cut, "close");
    kit_settle();
    assert_statuses(conn, "202 close");
    assert_statuses(both, "202 close");
    assert_int_equal(counters()->cut_short, 2);
}

static void test_end_after_the_end(void **state)
{
    (void)state;
    uint32_t conn = kit_open();
    kit_text(conn, "x\n");
    kit_end(conn);
    assert_statuses(conn, "400 close");
}

static void test_connection_dies(void **state)
{
    (void)state;
    static const char *const open[] = {
        "GET /he",
        POST JSON LENGTH("5") END "abc",
        POST_ONE,
        POST_ONE POST_ONE GET "GET",
        POST NDJSON CHUNKED END "d1\r\n" EVENT "\n" EVENT "\r\n0\r\n\r\n",
    };
    for (unsigned i = 0; i < sizeof open / sizeof open[0]; i++) {
        for (unsigned held = 0; held < 3; held++) {
            uint32_t conn = kit_open();
            kit_text(conn, open[i]);
            kit.hold_disk = held > 0;
            if (held == 2)
                kit_settle();
            kit_reset(conn);
            kit_settle();
            kit.hold_disk = false;
            kit_settle();
            kit_turn();
            assert_int_equal(counters()->slots, 0);
            assert_int_equal(counters()->open_batches, 0);
        }
    }
    assert_int_equal(counters()->open_connections, 0);
}

/* No room. */

static void test_rings_are_full(void **state)
{
    (void)state;
    kit.room = 1;
    uint32_t conn = kit_open();
    kit_text(conn, POST_ONE POST_ONE);
    kit_settle();
    assert_statuses(conn, "202 503");
    require_text(conn, "\"code\":\"no_room\"");
}

static void test_slots_go_to_who_is_complete(void **state)
{
    (void)state;
    struct http_limits limits = kit_limits();
    struct http_settings settings = defaults();
    limits.slots = 8;
    kit_stop();
    kit_start(&limits, &settings);
    uint32_t slow[8], conn = kit_open(), last = kit_open();
    for (unsigned i = 0; i < 8; i++) {
        slow[i] = kit_open();
        kit_text(slow[i], i == 1 ? POST_ONE "GET" : "GET");
    }
    assert_int_equal(kit.conns[slow[0]].open && !kit.conns[slow[0]].finished, false);
    assert_statuses(slow[0], "503 close");
    require_text(slow[0], "\"code\":\"gave_way\"");
    kit_text(conn, POST_ONE);
    kit_text(last, POST_ONE);
    kit_settle();
    assert_statuses(conn, "202");
    assert_statuses(last, "202");
    assert_statuses(slow[1], "202 close");
    assert_statuses(slow[7], "");
    assert_int_equal(counters()->problems[HTTP_PROBLEM_gave_way], 3);
}

static void test_no_slot_at_all(void **state)
{
    (void)state;
    struct http_limits limits = kit_limits();
    struct http_settings settings = defaults();
    limits.slots = 8;
    kit_stop();
    kit_start(&limits, &settings);
    uint32_t conn = kit_open(), other = kit_open(), third = kit_open();
    for (unsigned i = 0; i < 10; i++)
        kit_text(conn, POST_ONE);
    kit_text(other, POST_ONE);
    assert_statuses(other, "503 close");
    require_text(other, "\"code\":\"no_buffer\"");
    kit_text(third, "GET /x HTTP/1.0\n");
    assert_statuses(third, "400 close");
    kit_settle();
    assert_statuses(conn, "202 202 202 202 202 202 202 202 202 202");
}

static void test_bad_head_without_a_slot_for_its_answer(void **state)
{
    (void)state;
    struct http_limits limits = kit_limits();
    struct http_settings settings = defaults();
    limits.slots = 8;
    kit_stop();
    kit_start(&limits, &settings);
    uint32_t conn = kit_open();
    kit_text(conn, POST_ONE POST_ONE POST_ONE POST_ONE POST_ONE POST_ONE POST_ONE POST_ONE);
    kit_text(conn, "x\n");
    kit_settle();
    assert_statuses(conn, "202 202 202 202 202 202 202 202 close");
}

static void begin_long_body(uint32_t conn, uint32_t bytes)
{
    char spaces[20000];
    memset(spaces, ' ', sizeof spaces);
    kit_text(conn, POST JSON LENGTH("30000") END);
    kit_give(conn, spaces, bytes);
}

static void test_buffers_go_to_who_came_last(void **state)
{
    (void)state;
    uint32_t conns[10], larges[5];
    for (unsigned i = 0; i < 10; i++) {
        conns[i] = kit_open();
        begin_long_body(conns[i], 1000);
        begin_long_body(conns[i], 1000);
    }
    kit_turn();
    assert_int_equal(counters()->mediums, 8);
    assert_statuses(conns[0], "503 close");
    assert_statuses(conns[1], "503 close");
    assert_statuses(conns[2], "");
    for (unsigned i = 0; i < 5; i++) {
        larges[i] = kit_open();
        begin_long_body(larges[i], 20000);
    }
    kit_turn();
    assert_int_equal(counters()->larges, 4);
    assert_int_equal(counters()->mediums, 8);
    assert_statuses(larges[0], "503 close");
    assert_statuses(larges[1], "");
}

static void test_no_buffer_at_all(void **state)
{
    (void)state;
    char body[2001];
    memset(body, ' ', sizeof body);
    body[2000] = 0;
    uint32_t conn = kit_open();
    for (unsigned i = 0; i < 9; i++) {
        kit_text(conn, POST JSON LENGTH("2000") END);
        kit_text(conn, body);
    }
    kit_settle();
    assert_statuses(conn, "400 400 400 400 400 400 400 400 503 close");
    uint32_t heads = kit_open(), many = kit_open();
    for (unsigned i = 0; i < 8; i++) {
        kit_text(many, POST JSON LENGTH("2000") END);
        kit_text(many, body);
    }
    kit_text(heads, "GET /healthz HTTP/1.1\r\nA: ");
    for (unsigned i = 0; i < 10; i++)
        kit_text(heads, "0123456789012345678901234567890123456789012345678901234567890123456789"
                        "0123456789012345678901234567890123456789012345678901234567890123456789");
    assert_statuses(heads, "503 close");
    uint32_t whole = kit_open();
    char text[1500] = "GET /healthz HTTP/1.1\r\nA: ";
    memset(text + strlen(text), 'a', sizeof text - strlen(text) - 1);
    kit_text(whole, text);
    assert_statuses(whole, "503 close");
    kit_settle();
}

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

static void test_no_slot_and_no_room_for_a_refusal(void **state)
{
    (void)state;
    struct http_limits limits = kit_limits();
    struct http_settings settings = defaults();
    limits.slots = 8;
    kit_stop();
    kit_start(&limits, &settings);
    uint32_t conn = kit_open(), other = kit_open();
    for (unsigned i = 0; i < 8; i++)
        kit_text(conn, POST_ONE);
    kit.conns[other].room = 10;
    kit_text(other, "x\n");
    assert_statuses(other, "reset");
}

static void test_no_buffer_for_a_chunk(void **state)
{
    (void)state;
    char body[2001];
    memset(body, ' ', sizeof body);
    body[2000] = 0;
    uint32_t conn = kit_open(), chunked = kit_open();
    for (unsigned i = 0; i < 8; i++) {
        kit_text(conn, POST JSON LENGTH("2000") END);
        kit_text(conn, body);
    }
    kit_text(chunked, POST JSON CHUNKED END "7d0\r\n");
    kit_text(chunked, body);
    assert_statuses(chunked, "503 close");
}

static void test_pipeline_becomes_shorter(void **state)
{
    (void)state;
    struct http_settings settings = defaults();
    settings.pipeline = 4;
    restart(&settings);
    uint32_t conn = kit_open();
    for (unsigned i = 0; i < 6; i++)
        kit_text(conn, POST_ONE);
    settings.pipeline = 1;
    http_reconfigure(kit.http, &settings);
    kit_answer(2);
    kit_turn();
    assert_int_equal(kit.event_count, 2);
    kit_settle();
    assert_statuses(conn, "202 202 202 202 202 202");
}

static void test_writable_after_the_end(void **state)
{
    (void)state;
    uint32_t conn = kit_open();
    kit_text(conn, "x\n");
    kit.conns[conn].starved = true;
    kit_read(conn, 10);
    assert_statuses(conn, "400 close");
}

/* The one that gives way may be behind several that wait. */
static void test_gives_way_behind_others(void **state)
{
    (void)state;
    struct http_limits limits = kit_limits();
    struct http_settings settings = defaults();
    limits.slots = 8;
    kit_stop();
    kit_start(&limits, &settings);
    uint32_t conn = kit_open(), other = kit_open();
    kit_text(conn, POST_ONE POST_ONE POST_ONE "GET");
    for (unsigned i = 0; i < 5; i++)
        kit_text(other, POST_ONE);
    kit_settle();
    assert_statuses(conn, "202 202 202 close");
    assert_statuses(other, "202 202 202 202 202");
}

/* Limits. */

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

/* Health. */

static void test_draining(void **state)
{
    (void)state;
    uint32_t conn = kit_open(), idle = kit_open(), later = kit_open();
    kit_text(conn, POST_ONE GET);
    kit_text(later, POST JSON LENGTH(EVENT_LEN) END);
    kit.health = HTTP_HEALTH_draining;
    kit_turn();
    assert_statuses(idle, ""); /* its request may be on its way */
    kit_advance(1100);
    assert_statuses(idle, "close");
    kit_text(later, EVENT);
    assert_statuses(later, "503 close");
    kit_answer(1);
    kit_turn();
    assert_statuses(conn, "202 200 close"); /* it was ready when it was asked */
    require_text(later, "\"health\":\"draining\"");
    kit_turn();
    assert_true(http_idle(kit.http));
    assert_int_equal(counters()->open_connections, 0);
}

static void test_health(void **state)
{
    (void)state;
    uint32_t conn = kit_open();
    kit.health = HTTP_HEALTH_starting;
    kit_turn();
    kit_text(conn, GET POST_ONE);
    kit_settle();
    assert_statuses(conn, "503 503");
    assert_int_equal(kit.event_count, 0);
    require_text(conn, "Retry-After: 1\r\n");
    require_text(conn, "Cache-Control: no-store\r\n");
    kit.health = HTTP_HEALTH_ready;
    kit_turn();
    kit_forget_output(conn);
    kit_text(conn, "HEAD /healthz HTTP/1.1\r\n" HOST END);
    assert_string_equal(kit_output(conn), "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                          "Content-Length: 18\r\nCache-Control: no-store\r\n\r\n");
}

static void test_journal_fails(void **state)
{
    (void)state;
    uint32_t conn = kit_open(), later = kit_open();
    kit.hold_disk = true;
    kit_text(conn, POST_ONE);
    kit_text(later, POST NDJSON CHUNKED END "d1\r\n" EVENT "\n" EVENT "\r\n0\r\n\r\n");
    kit_settle();
    assert_statuses(conn, "");
    kit.health = HTTP_HEALTH_journal_failed;
    kit_settle();
    assert_statuses(conn, "503 close");
    require_text(conn, "\"code\":\"not_durable\"");
    assert_statuses(later, "503 close");
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

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(http_health_name(HTTP_HEALTH_COUNT), "unknown");
    assert_string_equal(http_health_help(HTTP_HEALTH_COUNT), "unknown");
    assert_string_equal(http_health_help(HTTP_HEALTH_ready), "takes events");
    assert_int_equal(http_status_number(HTTP_STATUS_COUNT), 0);
    assert_string_equal(http_status_phrase(HTTP_STATUS_COUNT), "unknown");
    assert_string_equal(http_problem_name(HTTP_PROBLEM_COUNT), "unknown");
    assert_string_equal(http_problem_help(HTTP_PROBLEM_COUNT), "unknown");
    assert_int_equal(http_problem_status(HTTP_PROBLEM_COUNT), HTTP_400);
    assert_true(http_problem_closes(HTTP_PROBLEM_COUNT));
    for (unsigned i = 0; i < HTTP_PROBLEM_COUNT; i++)
        assert_true(strlen(http_problem_help(i)) <= 110); /* answers have room for that */
}

/* CORS. */

static void test_cors_is_off(void **state)
{
    (void)state;
    uint32_t conn = kit_open();
    kit_text(conn, "OPTIONS /v1/events HTTP/1.1\r\n" HOST "Origin: https://a.example\r\n"
                   "Access-Control-Request-Method: POST\r\n" END);
    assert_string_equal(kit_output(conn),
                        "HTTP/1.1 204 No Content\r\nAllow: OPTIONS, POST\r\n\r\n");
}

static void test_cors_by_list(void **state)
{
    (void)state;
    struct http_settings settings = defaults();
    settings.cors.origin_count = 2;
    settings.cors.max_age_s = 600;
    strcpy(settings.cors.origins[0], "https://a.example");
    memset(settings.cors.origins[1], 'o', HTTP_ORIGIN_BYTES_MAX - 1);
    restart(&settings);
    uint32_t conn = kit_open(), other = kit_open();
    kit_text(conn, "OPTIONS /v1/events HTTP/1.1\r\n" HOST "Origin: https://a.example\r\n"
                   "Access-Control-Request-Method: POST\r\n"
                   "Access-Control-Request-Headers: content-type\r\n" END);
    assert_string_equal(kit_output(conn),
                        "HTTP/1.1 204 No Content\r\nAllow: OPTIONS, POST\r\n"
                        "Access-Control-Allow-Origin: https://a.example\r\n"
                        "Vary: Origin\r\n"
                        "Access-Control-Allow-Methods: GET, HEAD, POST\r\n"
                        "Access-Control-Allow-Headers: Content-Type, Trove-Ack\r\n"
                        "Access-Control-Max-Age: 600\r\n\r\n");
    kit_text(conn, POST JSON "Origin: https://a.example\r\n" LENGTH(EVENT_LEN) END EVENT);
    kit_settle();
    assert_statuses(conn, "204 202");
    require_text(conn, "Access-Control-Expose-Headers: Retry-After\r\n");
    kit_text(other, POST JSON "Origin: https://b.example\r\n" LENGTH(EVENT_LEN) END EVENT);
    kit_settle();
    assert_statuses(other, "202");
    require_no_text(other, "Access-Control");
    char text[512]; /* the longest head that there is */
    kit.health = HTTP_HEALTH_draining;
    kit_turn();
    http_date(kit.http, UINT64_C(1795209600123000000));
    snprintf(text, sizeof text,
             "OPTIONS /x HTTP/1.1\r\n" HOST
             "Origin: %s\r\nAccess-Control-Request-Method: A\r\n\r\n",
             settings.cors.origins[1]);
    kit_text(conn, text);
    kit_settle();
    assert_statuses(conn, "204 202 404 close");
}

static void test_cors_for_all(void **state)
{
    (void)state;
    struct http_settings settings = defaults();
    settings.cors.any = true;
    restart(&settings);
    uint32_t conn = kit_open();
    kit_text(conn, "GET /x HTTP/1.1\r\n" HOST "Origin: null\r\n" END);
    assert_statuses(conn, "404");
    require_text(conn, "Access-Control-Allow-Origin: *\r\n");
    require_no_text(conn, "Vary");
    kit_text(conn, "OPTIONS * HTTP/1.1\r\n" HOST "Origin: null\r\n" END);
    assert_statuses(conn, "404 204");
    require_no_text(conn, "Allow-Methods");
}

/* Sixteen requests each: four who do not read have all slots that there are. */
static void test_who_reads_no_answers_gives_way_when_slots_run_out(void **state)
{
    (void)state;
    uint32_t deaf[4];
    for (unsigned i = 0; i < 4; i++) {
        deaf[i] = kit_open();
        kit_read(deaf[i], 0);
        for (unsigned k = 0; k < 16; k++)
            kit_text(deaf[i], "POST /v1/events HTTP/1.1\r\nHost: t\r\n"
                              "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
        kit_settle();
    }
    assert_int_equal(counters()->slots, 64);
    uint32_t conn = kit_open();
    kit_text(conn, "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n");
    kit_settle();
    assert_statuses(conn, "200");
    assert_false(kit.conns[deaf[0]].open);
    assert_true(kit.conns[deaf[1]].open && kit.conns[deaf[2]].open && kit.conns[deaf[3]].open);
    assert_int_equal(counters()->stalled, 1);
    assert_int_equal(counters()->slots, 48);
}

static void test_counters(void **state)
{
    (void)state;
    uint32_t conn = kit_open();
    kit_text(conn, POST_ONE GET "GET /x HTTP/1.1\r\n" HOST END "x\n");
    kit_settle();
    const struct http_counters *c = counters();
    assert_int_equal(c->requests, 3);
    assert_int_equal(c->events, 1);
    assert_int_equal(c->body_bytes, 104);
    assert_int_equal(c->answers[HTTP_202], 1);
    assert_int_equal(c->answers[HTTP_200], 1);
    assert_int_equal(c->answers[HTTP_404], 1);
    assert_int_equal(c->answers[HTTP_400], 1);
    assert_int_equal(c->problems[HTTP_PROBLEM_not_found], 1);
    assert_int_equal(c->problems[HTTP_PROBLEM_control], 1);
    assert_int_equal(c->connections, 1);
    assert_int_equal(c->answer_bytes, kit.conns[conn].out_len);
    assert_true(http_conn_bytes() <= 64);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_answers_leave_in_order),
        TEST(test_pipeline_is_bounded),
        TEST(test_durable_waits_for_the_disk),
        TEST(test_ack_is_raised_to_what_is_allowed),
        TEST(test_refused_needs_no_disk),
        TEST(test_continue_is_sent_when_asked_for),
        TEST(test_continue_waits_for_earlier_answers),
        TEST(test_continue_needs_room),
        TEST(test_expected_body_is_refused_unread),
        TEST(test_slow_head),
        TEST(test_slow_head_behind_an_answer),
        TEST(test_slow_body),
        TEST(test_idle_closes_silently),
        TEST(test_late_answer),
        TEST(test_answer_that_is_not_read),
        TEST(test_answers_byte_by_byte),
        TEST(test_connection_without_room_for_a_refusal_is_reset),
        TEST(test_client_says_all_and_ends),
        TEST(test_end_after_the_end),
        TEST(test_connection_dies),
        TEST(test_rings_are_full),
        TEST(test_slots_go_to_who_is_complete),
        TEST(test_no_slot_at_all),
        TEST(test_bad_head_without_a_slot_for_its_answer),
        TEST(test_buffers_go_to_who_came_last),
        TEST(test_no_buffer_at_all),
        TEST(test_no_slot_and_no_room_for_a_refusal),
        TEST(test_no_buffer_for_a_chunk),
        TEST(test_pipeline_becomes_shorter),
        TEST(test_writable_after_the_end),
        TEST(test_gives_way_behind_others),
        TEST(test_names),
        TEST(test_long_head_in_pieces),
        TEST(test_limits_of_a_head),
        TEST(test_limits_of_chunks),
        TEST(test_limit_of_a_body),
        TEST(test_draining),
        TEST(test_health),
        TEST(test_journal_fails),
        TEST(test_rate_of_a_connection),
        TEST(test_cors_is_off),
        TEST(test_cors_by_list),
        TEST(test_cors_for_all),
        TEST(test_who_reads_no_answers_gives_way_when_slots_run_out),
        TEST(test_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
