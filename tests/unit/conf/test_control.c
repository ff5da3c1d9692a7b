/* test_control.c - the control socket: its routes, its refusals, and its client. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/control.h"
#include "conf/control_listen.h"
#include "tests/unit/conf/control_kit.h"

static void a_request_reaches_its_handler_with_query_header_body_and_peer(void **state)
{
    static const char *const headers[] = {"Content-Type: application/yaml", "If-Match: \"v41\"",
                                          NULL};
    struct world *w = *state;
    json_t *answer;
    assert_int_equal(
        control_call(w->path, "PUT", "/v1/echo?color=dark%20red&x=1", "abc", 3, headers, &answer),
        200);
    assert_true(text_is(answer, "path", "/v1/echo"));
    assert_true(text_is(answer, "color", "dark red"));
    assert_true(text_is(answer, "match", "\"v41\""));
    assert_int_equal(json_integer_value(json_object_get(answer, "len")), 3);
    assert_int_equal(json_integer_value(json_object_get(answer, "uid")), getuid());
    assert_int_equal(json_integer_value(json_object_get(answer, "pid")), getpid());
    json_decref(answer);
    assert_int_equal(control_call(w->path, "GET", "/v1/echo", NULL, 0, NULL, &answer), 200);
    assert_null(json_object_get(answer, "color"));
    assert_null(json_object_get(answer, "match"));
    json_decref(answer);
}

static void a_prefix_route_sees_the_rest_of_the_path(void **state)
{
    struct world *w = *state;
    json_t *answer;
    assert_int_equal(
        control_call(w->path, "GET", "/v1/users/u-1042/explain", NULL, 0, NULL, &answer), 200);
    assert_true(text_is(answer, "path", "u-1042/explain"));
    json_decref(answer);
    assert_int_equal(control_call(w->path, "GET", "/v1/users", NULL, 0, NULL, &answer), 404);
    json_decref(answer);
}

static void an_unknown_path_is_a_404_problem(void **state)
{
    struct world *w = *state;
    json_t *answer;
    assert_int_equal(control_call(w->path, "GET", "/v1/ech", NULL, 0, NULL, &answer), 404);
    assert_true(text_is(answer, "type", "about:blank"));
    assert_true(text_is(answer, "code", "not_found"));
    assert_true(text_is(answer, "title", "Not Found"));
    assert_true(text_is(answer, "next", "trovectl help"));
    assert_int_equal(json_integer_value(json_object_get(answer, "status")), 404);
    assert_non_null(strstr(json_string_value(json_object_get(answer, "detail")), "/v1/ech"));
    json_decref(answer);
    assert_int_equal(control_call(w->path, "GET", "/v1/echo/more", NULL, 0, NULL, &answer), 404);
    json_decref(answer);
}

static void a_path_that_is_not_utf8_is_a_404_problem_as_well(void **state)
{
    struct world *w = *state;
    json_t *answer;
    assert_int_equal(control_call(w->path, "GET", "/v1/%ff%fe", NULL, 0, NULL, &answer), 404);
    assert_non_null(strstr(json_string_value(json_object_get(answer, "detail")), "/v1/??"));
    json_decref(answer);
}

static void a_wrong_method_is_a_405_with_allow(void **state)
{
    struct world *w = *state;
    char answer[4096];
    raw(w->path, "DELETE /v1/echo HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", answer,
        sizeof answer);
    assert_ptr_equal(strstr(answer, "HTTP/1.1 405 "), answer);
    assert_non_null(strstr(answer, "Allow: GET, HEAD, PUT\r\n"));
    assert_non_null(strstr(answer, "Content-Type: application/problem+json\r\n"));
    assert_non_null(strstr(answer, "\"code\":\"method_not_allowed\""));
    assert_int_equal(w->calls, 0);
}

static void an_answer_has_its_entity_tag_and_is_not_cached(void **state)
{
    struct world *w = *state;
    char answer[4096];
    raw(w->path, "GET /v1/echo HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", answer,
        sizeof answer);
    assert_ptr_equal(strstr(answer, "HTTP/1.1 200 "), answer);
    assert_non_null(strstr(answer, "ETag: \"v41\"\r\n"));
    assert_non_null(strstr(answer, "Cache-Control: no-store\r\n"));
    assert_non_null(strstr(answer, "Content-Type: application/json\r\n"));
    raw(w->path, "HEAD /v1/echo HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", answer,
        sizeof answer);
    assert_ptr_equal(strstr(answer, "HTTP/1.1 200 "), answer);
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
}

static void a_handler_s_problem_keeps_what_was_added_to_it(void **state)
{
    struct world *w = *state;
    json_t *answer;
    assert_int_equal(control_call(w->path, "POST", "/v1/fail", "x", 1, NULL, &answer), 409);
    assert_true(text_is(answer, "detail", "version 42 is on its way"));
    assert_true(json_is_array(json_object_get(answer, "errors")));
    json_decref(answer);
}

static void an_answer_without_a_body_is_an_empty_object(void **state)
{
    struct world *w = *state;
    json_t *answer;
    assert_int_equal(control_call(w->path, "POST", "/v1/silence", NULL, 0, NULL, &answer), 202);
    assert_true(json_is_object(answer));
    assert_int_equal(json_object_size(answer), 0);
    json_decref(answer);
}

static void a_body_of_the_limit_passes_and_one_byte_more_is_413(void **state)
{
    struct world *w = *state;
    json_t *answer;
    char *body = malloc(CONTROL_BODY_MAX + 1);
    memset(body, 'y', CONTROL_BODY_MAX + 1);
    assert_int_equal(
        control_call(w->path, "PUT", "/v1/echo", body, CONTROL_BODY_MAX, NULL, &answer), 200);
    assert_int_equal(w->body_len, CONTROL_BODY_MAX);
    json_decref(answer);
    assert_int_equal(
        control_call(w->path, "PUT", "/v1/echo", body, CONTROL_BODY_MAX + 1, NULL, &answer), 413);
    assert_true(text_is(answer, "code", "body_too_large"));
    assert_int_equal(w->calls, 1);
    json_decref(answer);
    free(body);
}

static void a_body_that_only_says_it_is_too_large_is_413_at_once(void **state)
{
    struct world *w = *state;
    char answer[4096];
    raw(w->path, "PUT /v1/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 4194305\r\n\r\n", answer,
        sizeof answer);
    assert_ptr_equal(strstr(answer, "HTTP/1.1 413 "), answer);
}

#define CHUNK (1u << 20)

static void a_chunked_body_is_held_to_the_limit_too(void **state)
{
    struct world *w = *state;
    char answer[4096];
    int fd = connect_to(w->path);
    char *chunk = malloc(CHUNK);
    static const char head[] = "PUT /v1/echo HTTP/1.1\r\nHost: t\r\nConnection: "
                               "close\r\nTransfer-Encoding: chunked\r\n\r\n";
    memset(chunk, 'y', CHUNK);
    send_all(fd, head, sizeof head - 1);
    for (int i = 0; i < 5; i++) {
        send_all(fd, "100000\r\n", 8);
        send_all(fd, chunk, CHUNK);
        send_all(fd, "\r\n", 2);
    }
    send_all(fd, "0\r\n\r\n", 5);
    ssize_t got = recv(fd, answer, sizeof answer - 1, MSG_WAITALL);
    assert_true(got > 0);
    answer[got] = '\0';
    assert_ptr_equal(strstr(answer, "HTTP/1.1 413 "), answer);
    assert_int_equal(w->calls, 0);
    close(fd);
    free(chunk);
}

static void a_chunked_body_without_end_is_cut_off(void **state)
{
    struct world *w = *state;
    char byte;
    int fd = connect_to(w->path);
    char *chunk = malloc(CHUNK);
    static const char head[] =
        "POST /nowhere HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
    memset(chunk, 'y', CHUNK);
    send_all(fd, head, sizeof head - 1);
    bool open = true;
    for (int i = 0; i < 64 && open; i++) {
        send_all(fd, "100000\r\n", 8);
        send_all(fd, chunk, CHUNK);
        send_all(fd, "\r\n", 2);
        open = recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
    }
    assert_false(open);
    close(fd);
    free(chunk);
}

static void malformed_http_is_answered_400_or_closed_and_serving_goes_on(void **state)
{
    static const char *const bad[] = {
        "nonsense\r\n\r\n",
        "GET\r\n\r\n",
        "GET /v1/echo HTTP/9.9\r\nHost: t\r\n\r\n",
        "GET /v1/echo HTTP/1.1\r\n\r\n",
        "PUT /v1/echo HTTP/1.1\r\nHost: t\r\nContent-Length: -5\r\n\r\n",
        "PUT /v1/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "PUT /v1/echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char answer[4096] = "";
        int fd = connect_to(w->path);
        send_all(fd, bad[i], strlen(bad[i]));
        shutdown(fd, SHUT_WR);
        ssize_t got = recv(fd, answer, sizeof answer - 1, MSG_WAITALL);
        assert_true(got <= 0 || answer[9] == '4' || answer[9] == '5');
        close(fd);
    }
    assert_int_equal(w->calls, 0);
    json_t *answer;
    assert_int_equal(control_call(w->path, "GET", "/v1/echo", NULL, 0, NULL, &answer), 200);
    json_decref(answer);
}

static void a_header_larger_than_its_memory_is_refused(void **state)
{
    struct world *w = *state;
    static char request[128 << 10];
    char answer[4096];
    int len = snprintf(request, sizeof request, "GET /v1/echo HTTP/1.1\r\nHost: t\r\nX: ");
    memset(request + len, 'x', sizeof request - 1 - (size_t)len);
    raw(w->path, request, answer, sizeof answer);
    assert_true(!answer[0] || strstr(answer, "HTTP/1.1 431 ") == answer);
    assert_int_equal(w->calls, 0);
}

#define CALLS 50

static void *call_often(void *arg)
{
    const char *path = arg;
    uintptr_t good = 0;
    for (int i = 0; i < CALLS; i++) {
        json_t *answer;
        good += control_call(path, "PUT", "/v1/echo", "abc", 3, NULL, &answer) == 200;
        json_decref(answer);
    }
    return (void *)good;
}

static void two_clients_at_once_are_both_served(void **state)
{
    struct world *w = *state;
    pthread_t other;
    void *good;
    assert_int_equal(pthread_create(&other, NULL, call_often, w->path), 0);
    assert_int_equal((uintptr_t)call_often(w->path), CALLS);
    pthread_join(other, &good);
    assert_int_equal((uintptr_t)good, CALLS);
    assert_int_equal(w->calls, 2 * CALLS);
}

static void an_idle_connection_does_not_keep_others_out_or_stop_from_ending(void **state)
{
    struct world *w = *state;
    int idle = connect_to(w->path), half = connect_to(w->path);
    send_all(half, "GET /v1/ec", 10);
    json_t *answer;
    assert_int_equal(control_call(w->path, "GET", "/v1/echo", NULL, 0, NULL, &answer), 200);
    json_decref(answer);
    control_stop(w->control);
    w->control = NULL;
    char byte;
    assert_true(recv(idle, &byte, 1, 0) <= 0);
    close(idle);
    close(half);
    assert_int_equal(control_call(w->path, "GET", "/v1/echo", NULL, 0, NULL, &answer), -ENOENT);
    assert_null(answer);
}

static void root_the_daemon_and_the_socket_s_group_may_change(void **state)
{
    (void)state;
    const gid_t groups[] = {20, 107};
    assert_true(control_may_change(0, 0, NULL, 0, 990, 107));
    assert_true(control_may_change(990, 5, NULL, 0, 990, 107));
    assert_true(control_may_change(1003, 107, NULL, 0, 990, 107));
    assert_true(control_may_change(1003, 5, groups, 2, 990, 107));
    assert_false(control_may_change(1003, 5, groups, 1, 990, 107));
    assert_false(control_may_change(1003, 0, NULL, 0, 990, 107));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_request_reaches_its_handler_with_query_header_body_and_peer),
        WITH_SERVER(a_prefix_route_sees_the_rest_of_the_path),
        WITH_SERVER(an_unknown_path_is_a_404_problem),
        WITH_SERVER(a_path_that_is_not_utf8_is_a_404_problem_as_well),
        WITH_SERVER(a_wrong_method_is_a_405_with_allow),
        WITH_SERVER(an_answer_has_its_entity_tag_and_is_not_cached),
        WITH_SERVER(a_handler_s_problem_keeps_what_was_added_to_it),
        WITH_SERVER(an_answer_without_a_body_is_an_empty_object),
        WITH_SERVER(a_body_of_the_limit_passes_and_one_byte_more_is_413),
        WITH_SERVER(a_body_that_only_says_it_is_too_large_is_413_at_once),
        WITH_SERVER(a_chunked_body_is_held_to_the_limit_too),
        WITH_SERVER(a_chunked_body_without_end_is_cut_off),
        WITH_SERVER(malformed_http_is_answered_400_or_closed_and_serving_goes_on),
        WITH_SERVER(a_header_larger_than_its_memory_is_refused),
        WITH_SERVER(two_clients_at_once_are_both_served),
        WITH_SERVER(an_idle_connection_does_not_keep_others_out_or_stop_from_ending),
        cmocka_unit_test(root_the_daemon_and_the_socket_s_group_may_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
