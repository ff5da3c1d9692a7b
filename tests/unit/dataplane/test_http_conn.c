/* test_http_conn.c - connections: the order of answers, acknowledgements, ends, and what a host's
 * health does to them. */
#include <string.h>

#include "tests/unit/dataplane/http_conn_kit.h"

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
        TEST(test_client_says_all_and_ends),
        TEST(test_end_after_the_end),
        TEST(test_connection_dies),
        TEST(test_pipeline_becomes_shorter),
        TEST(test_writable_after_the_end),
        TEST(test_names),
        TEST(test_draining),
        TEST(test_health),
        TEST(test_journal_fails),
        TEST(test_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
