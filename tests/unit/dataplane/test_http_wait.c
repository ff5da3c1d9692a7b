/* test_http_wait.c - deadlines: who is slow to ask, to read, or to be answered. */
#include <string.h>

#include "tests/unit/dataplane/http_conn_kit.h"

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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_slow_head),
        TEST(test_slow_head_behind_an_answer),
        TEST(test_slow_body),
        TEST(test_idle_closes_silently),
        TEST(test_late_answer),
        TEST(test_answer_that_is_not_read),
        TEST(test_answers_byte_by_byte),
        TEST(test_connection_without_room_for_a_refusal_is_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
