/* test_http_batch.c - arrays and NDJSON: what is taken, in what portions, and beside what else. */
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/base/event.h"
#include "tests/unit/dataplane/http_batch_kit.h"

static void test_counts_and_errors(void **state)
{
    (void)state;
    add(EVENT "\n");
    add("{\"id\":7}\n");
    add("\n" EVENT_DUP "\r\n");
    add("abc\n");
    add_event(1, ",\"item\":5");
    uint32_t conn = send_body(NDJSON);
    kit_settle();
    assert_string_equal(kit_statuses(conn), "200");
    assert_string_equal(body_of(conn),
                        "{\"accepted\":1,\"duplicate\":1,\"rejected\":3,\"refused\":0,\"errors\":["
                        "{\"index\":1,\"code\":\"wrong_type\",\"offset\":6,\"pointer\":\"/id\"},"
                        "{\"index\":3,\"code\":\"syntax\",\"offset\":0},"
                        "{\"index\":4,\"code\":\"wrong_type\",\"offset\":100,\"pointer\":\"/item\"}"
                        "],\"errors_omitted\":0}");
}

static void test_array_elements_are_events(void **state)
{
    (void)state;
    add(" [ " EVENT "\n,\t{\"a\":\"\\u00e4,]\"} ,[1,[2]], 5 ] ");
    uint32_t conn = send_body(JSON);
    assert_int_equal(kit.event_count, 4);
    assert_string_equal(kit.log, EVENT "\n{\"a\":\"\\u00e4,]\"}\n[1,[2]]\n5\n");
    kit_settle();
    assert_string_equal(kit_statuses(conn), "200");
    require_text(conn, "{\"accepted\":1,\"duplicate\":0,\"rejected\":3,\"refused\":0,\"errors\":["
                       "{\"index\":1,");
    require_text(conn, "{\"index\":3,\"code\":\"not_object\",\"offset\":0}],");
}

/* What is no JSON as a whole is one dead letter, exactly as it came. */
static void test_broken_array_is_one_dead_letter(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *place;
    } broken[] = {
        {"[1,2,3,]", "\"code\":\"syntax\",\"detail\":\"not JSON as RFC 8259 defines it\","
                     "\"seq\":\"7:1\",\"offset\":7}"},
        {"[1,\"a,b\",3", "\"offset\":10}"},
        {"[1,[2,3] ,4] 5", "\"code\":\"trailing\""},
        {"[]]", "\"code\":\"trailing\""},
        {"[1,{\"a\":\"\xc3\"}]", "\"code\":\"utf8\""},
        {"[1 , 2 3]", "\"offset\":7}"},
    };
    for (unsigned i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        batch_restart();
        add(broken[i].text);
        uint32_t conn = send_body(JSON);
        assert_int_equal(kit.event_count, 1);
        assert_int_equal(kit.events[0].len, body_len);
        assert_memory_equal(kit.events[0].bytes, broken[i].text, body_len);
        kit_settle();
        assert_string_equal(kit_statuses(conn), "400");
        require_text(conn, broken[i].place);
    }
}

static void test_long_broken_array_is_not_kept(void **state)
{
    (void)state;
    add("[");
    while (body_len <= EVENT_BYTES_MAX)
        add(EVENT ",");
    uint32_t conn = send_body(JSON);
    kit_settle();
    assert_string_equal(kit_statuses(conn), "400");
    assert_null(kit.log);
    batch_restart();
    add("[1,");
    kit.room = 0;
    conn = send_body(JSON);
    kit_settle();
    assert_string_equal(kit_statuses(conn), "400");
}

static void test_element_longer_than_any_event(void **state)
{
    (void)state;
    static const char *const begins[] = {"[\"", "[{\"a\":\"", "[\"\\ud83d\\ude00", "[1"};
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned shift = 0; shift < 14; shift++) {
            batch_restart();
            add("[1");
            body_len = 0;
            add(begins[i]);
            uint32_t fill = i == 3 ? '1' : 'a';
            while (body_len < EVENT_BYTES_MAX - shift)
                body[body_len++] = (char)fill;
            add(i == 3 ? "1111111111111111111111" : "\\ud83d\\ude00\xf0\x9f\x98\x80");
            while (body_len < EVENT_BYTES_MAX + 100)
                body[body_len++] = (char)fill;
            body[body_len] = 0;
            add(i == 3 ? "]" : i == 1 ? "\"}]" : "\"]");
            uint32_t conn = send_body(JSON);
            kit_settle();
            assert_string_equal(kit_statuses(conn), "413");
            require_text(conn, "\"code\":\"array_event_bytes\"");
            assert_null(kit.log);
        }
    }
}

/* Ten thousand events, longer than a turn's work: portions, single events in between, all of it
 * once and in order. */
static void test_a_long_batch_is_fed_in_portions(void **state)
{
    (void)state;
    for (unsigned array = 0; array < 2; array++) {
        batch_restart();
        add(array ? "[" : "");
        for (unsigned i = 0; i < 9000; i++) {
            add(i ? array ? "," : "\n" : "");
            add_event(i, "");
        }
        add(array ? "]" : "\n");
        kit.room = 512;
        uint32_t conn = send_body(array ? JSON : NDJSON), single = kit_open();
        assert_int_equal(kit.event_count, 0);
        unsigned turns = 0;
        while (!kit.event_count && turns++ < 100)
            kit_turn();
        assert_true(turns > 10);
        uint32_t most = 0, answered = 0;
        while (!kit.conns[conn].out_len && turns++ < 10000) {
            most = kit.event_count > most ? kit.event_count : most;
            if (turns == 100)
                kit_text(single, POST_ONE);
            answered += kit_answer(50);
            kit_turn();
        }
        assert_true(most <= 512 - 128);
        kit_settle();
        assert_string_equal(kit_statuses(conn), "200");
        assert_string_equal(kit_statuses(single), "202");
        require_text(conn, "{\"accepted\":9000,\"duplicate\":0,\"rejected\":0,\"refused\":0,"
                           "\"errors\":[],\"errors_omitted\":0}");
        char *lines = kit.log;
        unsigned next = 0;
        for (char *line = strtok(lines, "\n"); line; line = strtok(NULL, "\n")) {
            unsigned n;
            if (sscanf(line, "{\"id\":\"7f3c1e2a-9b4d-4c8e-a1f2-%12x", &n) == 1 && n < 9000)
                assert_int_equal(n, next++);
        }
        assert_int_equal(next, 9000);
    }
}

/* Where the first 128 elements stand is kept, the others are looked for again. */
static void test_white_space_around_the_last_element_that_is_kept(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 12; n++) {
        unsigned count = 125 + n % 6;
        bool array = n >= 6;
        char want[140 * 5], *end = want;
        batch_restart();
        add(array ? " [" : " \r\n\n");
        for (unsigned i = 0; i < count; i++) {
            char text[16];
            snprintf(text, sizeof text, "%s\t%u \r", i == 0 ? "" : array ? "," : "\n \n\n", i);
            add(text);
            end += sprintf(end, "%u\n", i);
        }
        add(array ? "\n ] " : "\n\n ");
        uint32_t conn = send_body(array ? JSON : NDJSON);
        kit_settle();
        assert_string_equal(kit.log, want);
        assert_string_equal(kit_statuses(conn), "200");
        char told[32];
        snprintf(told, sizeof told, "\"rejected\":%u,", count);
        require_text(conn, told);
    }
}

static void test_batch_needs_room_to_begin(void **state)
{
    (void)state;
    kit.room = 2;
    add("1\n2\n3\n");
    uint32_t conn = send_body(NDJSON);
    assert_string_equal(kit_statuses(conn), "503");
    require_text(conn, "\"code\":\"no_room\"");
    assert_null(kit.log);
    kit.room = 3;
    conn = send_body(NDJSON);
    assert_int_equal(kit.event_count, 3);
    kit_settle();
    assert_string_equal(kit_statuses(conn), "200");
}

static void test_events_of_a_batch_came_when_it_came(void **state)
{
    (void)state;
    kit.room = 400;
    kit.wire_ns = 77;
    for (unsigned i = 0; i < 1000; i++) {
        add_event(i, "");
        add("\n");
    }
    send_body(NDJSON);
    unsigned seen = 0;
    for (unsigned turns = 0; turns < 1000 && seen < 1000; turns++) {
        kit.wire_ns = 1000 + turns;
        for (uint32_t i = 0; i < kit.event_count; i++)
            assert_int_equal(kit.events[i].wire_ns, 77);
        seen += kit_answer(50);
        kit_turn();
    }
    assert_int_equal(seen, 1000);
    uint32_t conn = kit_open();
    kit_text(conn, POST_ONE);
    assert_int_equal(kit.events[0].wire_ns, 0);
}

/* A hundred events of 170 bytes are longer than a head may be, and no reason for a large buffer. */
static void test_a_usual_body_takes_a_usual_buffer(void **state)
{
    (void)state;
    struct http_limits limits = kit_limits();
    struct http_settings settings;
    kit_stop();
    http_settings_init(&settings);
    limits.medium_bytes = 32u << 10;
    kit_start(&limits, &settings);
    body_len = 0;
    for (unsigned i = 0; i < 100; i++) {
        add_event(
            i,
            ",\"data\":{\"pad\":\"01234567890123456789012345678901234567890123456789012345678\"}");
        add("\n");
    }
    assert_in_range(body_len, HTTP_HEAD_BYTES_MAX + 1, limits.medium_bytes);
    uint32_t conn = send_body(NDJSON);
    kit_turn();
    assert_int_equal(counters()->mediums, 1);
    assert_int_equal(counters()->larges, 0);
    kit_settle();
    require_text(conn, "{\"accepted\":100,");
}

static void test_batches_at_once_are_bounded(void **state)
{
    (void)state;
    uint32_t conns[5];
    add("1\n2\n");
    for (unsigned i = 0; i < 5; i++)
        conns[i] = send_body(NDJSON);
    assert_string_equal(kit_statuses(conns[4]), "503");
    require_text(conns[4], "\"code\":\"no_batch\"");
    kit_settle();
    assert_string_equal(kit_statuses(conns[0]), "200");
}

static void test_connection_dies_in_a_batch(void **state)
{
    (void)state;
    for (unsigned turns = 0; turns < 40; turns++) {
        batch_restart();
        for (unsigned i = 0; i < 3000; i++) {
            add_event(i, "");
            add("\n");
        }
        kit.room = 300;
        kit.hold_disk = true;
        uint32_t conn = send_body(NDJSON);
        for (unsigned i = 0; i < turns; i++) {
            kit_turn();
            kit_answer(100);
        }
        kit_reset(conn);
        kit_settle();
        assert_int_equal(kit.event_count, 0);
        kit.hold_disk = false;
        kit_settle();
        assert_int_equal(counters()->open_batches, 0);
    }
}

static void test_batches_take_turns(void **state)
{
    (void)state;
    uint32_t conns[4];
    for (unsigned i = 0; i < 3000; i++) {
        add_event(i, "");
        add("\n");
    }
    kit.room = 2000;
    for (unsigned i = 0; i < 4; i++)
        conns[i] = send_body(NDJSON);
    for (unsigned i = 0; i < 10; i++)
        kit_turn();
    kit_reset(conns[1]);
    for (unsigned i = 0; i < 10; i++) {
        kit_turn();
        kit_answer(500);
    }
    kit.shut = true;
    kit_settle();
    assert_string_equal(kit_statuses(conns[0]), "");
    kit.shut = false;
    kit_settle();
    for (unsigned i = 0; i < 4; i++)
        assert_string_equal(kit_statuses(conns[i]), i == 1 ? "close" : "200");
}

static void test_lines_longer_than_any_event(void **state)
{
    (void)state;
    add("1\n");
    memset(body + body_len, ' ', 70000);
    body_len += 70000;
    body[body_len] = 0;
    add("\n2\n");
    uint32_t conn = send_body(NDJSON);
    kit_settle();
    require_text(conn, "{\"accepted\":0,\"duplicate\":0,\"rejected\":3,");
    require_text(conn, "{\"index\":1,\"code\":");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, batch_setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_counts_and_errors),
        TEST(test_array_elements_are_events),
        TEST(test_broken_array_is_one_dead_letter),
        TEST(test_long_broken_array_is_not_kept),
        TEST(test_element_longer_than_any_event),
        TEST(test_a_long_batch_is_fed_in_portions),
        TEST(test_white_space_around_the_last_element_that_is_kept),
        TEST(test_batch_needs_room_to_begin),
        TEST(test_events_of_a_batch_came_when_it_came),
        TEST(test_a_usual_body_takes_a_usual_buffer),
        TEST(test_batches_at_once_are_bounded),
        TEST(test_connection_dies_in_a_batch),
        TEST(test_batches_take_turns),
        TEST(test_lines_longer_than_any_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
