/* test_http_full.c - no room: rings, slots and buffers, and who gives way. */
#include <string.h>

#include "tests/unit/dataplane/http_conn_kit.h"

/* Eight requests in all can be under way. */
static void restart_with_few_slots(void)
{
    struct http_limits limits = kit_limits();
    struct http_settings settings = defaults();
    limits.slots = 8;
    kit_stop();
    kit_start(&limits, &settings);
}

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
    restart_with_few_slots();
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
    restart_with_few_slots();
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
    restart_with_few_slots();
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

static void test_no_slot_and_no_room_for_a_refusal(void **state)
{
    (void)state;
    restart_with_few_slots();
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

/* The one that gives way may be behind several that wait. */
static void test_gives_way_behind_others(void **state)
{
    (void)state;
    restart_with_few_slots();
    uint32_t conn = kit_open(), other = kit_open();
    kit_text(conn, POST_ONE POST_ONE POST_ONE "GET");
    for (unsigned i = 0; i < 5; i++)
        kit_text(other, POST_ONE);
    kit_settle();
    assert_statuses(conn, "202 202 202 close");
    assert_statuses(other, "202 202 202 202 202");
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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_rings_are_full),
        TEST(test_slots_go_to_who_is_complete),
        TEST(test_no_slot_at_all),
        TEST(test_bad_head_without_a_slot_for_its_answer),
        TEST(test_buffers_go_to_who_came_last),
        TEST(test_no_buffer_at_all),
        TEST(test_no_slot_and_no_room_for_a_refusal),
        TEST(test_no_buffer_for_a_chunk),
        TEST(test_gives_way_behind_others),
        TEST(test_who_reads_no_answers_gives_way_when_slots_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
