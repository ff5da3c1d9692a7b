/* test_http_cors.c - what pages of another origin are told. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/dataplane/http_conn_kit.h"

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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_cors_is_off),
        TEST(test_cors_by_list),
        TEST(test_cors_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
