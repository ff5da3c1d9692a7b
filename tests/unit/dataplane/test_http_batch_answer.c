/* test_http_batch_answer.c - what a batch is told of its events: errors, claims, and when. */
#include <stdio.h>

#include "dataplane/base/answer.h"
#include "dataplane/base/event.h"
#include "dataplane/base/outcome.h"
#include "tests/unit/dataplane/http_batch_kit.h"

static void test_more_errors_than_are_listed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 150; i++)
        add(i % 2 ? "{\"id\":7}\n" : "x\n");
    uint32_t conn = send_body(NDJSON);
    kit.conns[conn].room = UINT32_MAX;
    kit_settle();
    require_text(conn, "\"rejected\":150,");
    require_text(conn, "{\"index\":99,");
    require_text(conn, "],\"errors_omitted\":50}");
}

/* Where the pointers are long, fewer fit. */
static void test_errors_that_do_not_fit(void **state)
{
    (void)state;
    kit.reason = REASON_data_range;
    kit.reason_offset = 70;
    for (unsigned i = 0; i < 100; i++)
        add("{\"data~/~/~/~/~/~/~/~/~/~/~/~/~/~/~/~/~/~/~/~/~/~/~/~/~/~/~/\":{\"\\u0001\\u0001"
            "\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\":1 }}           \n");
    uint32_t conn = send_body(NDJSON);
    kit.conns[conn].room = 100;
    kit_settle();
    for (unsigned i = 0; i < 1000; i++)
        kit_read(conn, 100);
    assert_string_equal(kit_statuses(conn), "200");
    unsigned listed = 0, omitted;
    for (const char *at = body_of(conn); (at = strstr(at, "{\"index\":")); at++)
        listed++;
    assert_int_equal(sscanf(strstr(kit_output(conn), "omitted"), "omitted\":%u", &omitted), 1);
    assert_int_equal(listed + omitted, 100);
    assert_true(omitted > 0 && listed > 20);
}

static void test_errors_come_in_any_order(void **state)
{
    (void)state;
    add("1\n2\n3\n4\n5\n");
    uint32_t conn = send_body(NDJSON);
    kit_answer(1);
    kit_answer_last();
    kit_answer(1);
    kit_answer_last();
    kit_settle();
    const char *at = body_of(conn);
    for (unsigned i = 0; i < 5; i++) {
        char text[16];
        snprintf(text, sizeof text, "\"index\":%u,", i);
        at = strstr(at, text);
        assert_non_null(at);
    }
}

static void test_refused_events_are_listed(void **state)
{
    (void)state;
    kit.refuse = true;
    add(EVENT "\n{}\n" EVENT "\n");
    uint32_t conn = send_body(NDJSON);
    kit_settle();
    assert_string_equal(body_of(conn),
                        "{\"accepted\":0,\"duplicate\":0,\"rejected\":1,\"refused\":2,\"errors\":["
                        "{\"index\":0,\"code\":\"state_full\"},"
                        "{\"index\":1,\"code\":\"id_missing\",\"offset\":1},"
                        "{\"index\":2,\"code\":\"state_full\"}],\"errors_omitted\":0}");
}

static const uint8_t outcomes[4] = {ANSWER_CLAIM_GRANTED, REFUSAL_taken, ANSWER_CLAIM_NONE,
                                    REFUSAL_taken};

static void test_claims_are_told_by_their_outcome(void **state)
{
    (void)state;
    for (unsigned swapped = 0; swapped < 2; swapped++) {
        batch_restart();
        kit.claims = outcomes;
        for (unsigned i = 0; i < 5; i++) {
            add_event(i, "");
            add("\n");
        }
        uint32_t conn = send_body(NDJSON);
        if (swapped)
            kit_answer_last();
        kit_settle();
        require_text(conn, "{\"accepted\":5,\"duplicate\":0,\"rejected\":0,\"refused\":0,");
        require_text(conn, swapped ? ",\"claims\":{\"taken\":[0,2],\"granted\":[3,4]},"
                                   : ",\"claims\":{\"granted\":[0,4],\"taken\":[1,3]},");
        require_text(conn, "\"claims_omitted\":0,\"errors\":[],\"errors_omitted\":0}");
    }
}

static void test_more_claims_than_are_listed(void **state)
{
    (void)state;
    kit.claims = outcomes;
    for (unsigned i = 0; i < 900; i++) {
        add_event(i, "");
        add("\n");
    }
    add("x\n");
    uint32_t conn = send_body(NDJSON);
    kit_settle();
    require_text(conn, ",\"claims\":{\"granted\":[0,4,8,12,");
    require_text(conn, ",680],\"taken\":[1,3,5,");
    require_text(conn, ",681]},\"claims_omitted\":163,\"errors\":[{\"index\":900,");
}

static void test_durable_batch_waits_for_every_shard(void **state)
{
    (void)state;
    kit.hold_disk = true;
    for (unsigned i = 0; i < 50; i++) {
        add_event(i, "");
        add("\n");
    }
    uint32_t conn = send_body(NDJSON);
    kit_settle();
    for (unsigned shard = 0; shard < 3; shard++) {
        assert_string_equal(kit_statuses(conn), "");
        assert_true(kit.ordinals[shard] > 0);
        kit.durable[shard] = kit.ordinals[shard];
        kit_settle();
    }
    assert_string_equal(kit_statuses(conn), "200");
}

static void test_single_answers(void **state)
{
    (void)state;
    uint32_t conn = kit_open();
    http_date(kit.http, UINT64_C(1795209600123000000));
    http_date(kit.http, UINT64_C(1795209600999000000));
    kit_text(conn, POST_ONE);
    kit_settle();
    assert_string_equal(kit_output(conn),
                        "HTTP/1.1 202 Accepted\r\nDate: Fri, 20 Nov 2026 21:20:00 GMT\r\n"
                        "Content-Type: application/json\r\nContent-Length: 77\r\n\r\n"
                        "{\"id\":\"7f3c1e2a-9b4d-4c8e-a1f2-0d9e8c7b6a5f\",\"result\":\"accepted\","
                        "\"seq\":\"7:1\"}");
    kit_forget_output(conn);
    kit.claim = ANSWER_CLAIM_GRANTED;
    kit_text(conn, POST JSON LENGTH(EVENT_LEN) END EVENT_DUP);
    kit_settle();
    assert_string_equal(body_of(conn),
                        "{\"id\":\"7f3c1e2a-9b4d-4c8e-a1f2-0d9e8c7bdddd\",\"result\":\"duplicate\","
                        "\"seq\":\"7:2\",\"outcome\":\"granted\"}");
    kit_forget_output(conn);
    kit_text(conn, POST JSON LENGTH("12") END "{\"user\":\"\"} ");
    kit_settle();
    assert_string_equal(body_of(conn),
                        "{\"type\":\"about:blank\",\"title\":\"Unprocessable Content\","
                        "\"status\":422,\"code\":\"user_length\",\"detail\":\"user is not 1 to 64 "
                        "bytes\",\"seq\":\"7:3\",\"offset\":8,\"pointer\":\"/user\"}");
    kit_forget_output(conn);
    kit_text(conn, POST JSON LENGTH("5") END "{\"a\":");
    kit_settle();
    assert_string_equal(body_of(conn),
                        "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
                        "\"code\":\"syntax\",\"detail\":\"not JSON as RFC 8259 defines it\","
                        "\"seq\":\"7:4\",\"offset\":5}");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, batch_setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_more_errors_than_are_listed),
        TEST(test_errors_that_do_not_fit),
        TEST(test_errors_come_in_any_order),
        TEST(test_refused_events_are_listed),
        TEST(test_claims_are_told_by_their_outcome),
        TEST(test_more_claims_than_are_listed),
        TEST(test_durable_batch_waits_for_every_shard),
        TEST(test_single_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
