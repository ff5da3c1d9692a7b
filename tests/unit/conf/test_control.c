/* test_control.c - the control socket: its file, its routes, its refusals, and its client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/control.h"
#include "conf/control_listen.h"

struct world {
    char dir[32];
    char path[64];
    struct control *control;
    /* Written by handlers; read when their answer is in. */
    unsigned calls;
    size_t body_len;
};

static void on_echo(void *context, const struct control_request *request,
                    struct control_response *response)
{
    struct world *w = context;
    const char *color = control_query(request, "color");
    const char *match = control_header(request, "If-Match");
    w->calls++;
    w->body_len = request->body_len;
    assert_int_equal(request->body[request->body_len], 0);
    snprintf(response->etag, sizeof response->etag, "\"v41\"");
    response->body = json_pack("{s:s, s:I, s:s*, s:s*, s:i, s:i}", "path", request->path, "len",
                               (json_int_t)request->body_len, "color", color, "match", match, "uid",
                               (int)request->uid, "pid", (int)request->pid);
}

static void on_fail(void *context, const struct control_request *request,
                    struct control_response *response)
{
    (void)context;
    (void)request;
    control_problem(response, 409, "busy", "trovectl status", "version %d is on its way", 42);
    json_object_set_new(response->body, "errors", json_array());
}

static void on_silence(void *context, const struct control_request *request,
                       struct control_response *response)
{
    (void)context;
    (void)request;
    response->status = 202;
}

static void on_text(void *context, const struct control_request *request,
                    struct control_response *response)
{
    (void)context;
    (void)request;
    response->text = strdup("up 1\n");
    response->text_type = "text/plain";
}

static const struct control_route routes[] = {
    {"GET", "/metrics", false, on_text, .open = true},
    {"GET", "/v1/echo", false, on_echo},
    {"PUT", "/v1/echo", true, on_echo},
    {"POST", "/v1/fail", true, on_fail},
    {"GET", "/v1/users/", false, on_echo},
    {"POST", "/v1/silence", true, on_silence},
    {0},
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    strcpy(w->dir, "/tmp/trove-control-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/ctl.sock", w->dir);
    assert_int_equal(control_start(&w->control, w->path, routes, w), 0);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    control_stop(w->control);
    assert_int_equal(access(w->path, F_OK), -1);
    assert_int_equal(rmdir(w->dir), 0);
    free(w);
    return 0;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void send_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* the server has closed: the answer says why */
        bytes += sent;
        len -= (size_t)sent;
    }
}

/* raw sends bytes as they are and returns all that comes back until the server closes. */
static char *raw(const char *path, const char *bytes, char *answer, size_t room)
{
    int fd = connect_to(path);
    size_t len = 0;
    ssize_t got;
    send_all(fd, bytes, strlen(bytes));
    while (len < room - 1 && (got = recv(fd, answer + len, room - 1 - len, 0)) > 0)
        len += (size_t)got;
    answer[len] = '\0';
    close(fd);
    return answer;
}

static int text_is(const json_t *object, const char *key, const char *expected)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && !strcmp(text, expected);
}

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

static void the_socket_is_for_owner_and_group_whatever_the_umask(void **state)
{
    struct world *w = *state;
    struct stat st;
    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    control_stop(w->control);
    mode_t before = umask(0777);
    int result = control_start(&w->control, w->path, routes, w);
    umask(before);
    assert_int_equal(result, 0);
    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
}

static void a_live_socket_is_left_alone(void **state)
{
    struct world *w = *state;
    struct control *second = NULL;
    assert_int_equal(control_start(&second, w->path, routes, w), -EADDRINUSE);
    assert_null(second);
    json_t *answer;
    assert_int_equal(control_call(w->path, "GET", "/v1/echo", NULL, 0, NULL, &answer), 200);
    json_decref(answer);
}

static void a_stale_socket_is_replaced(void **state)
{
    struct world *w = *state;
    json_t *answer;
    control_stop(w->control);
    pid_t child = fork();
    if (!child) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        strcpy(address.sun_path, w->path);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        _exit(bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 1));
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(control_call(w->path, "GET", "/v1/echo", NULL, 0, NULL, &answer),
                     -ECONNREFUSED);
    assert_int_equal(control_start(&w->control, w->path, routes, w), 0);
    assert_int_equal(control_call(w->path, "GET", "/v1/echo", NULL, 0, NULL, &answer), 200);
    json_decref(answer);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
    struct world *w = *state;
    char path[64];
    struct control *second = NULL;
    snprintf(path, sizeof path, "%s/plain", w->dir);
    FILE *file = fopen(path, "w");
    fclose(file);
    assert_int_equal(control_start(&second, path, routes, w), -EEXIST);
    assert_int_equal(unlink(path), 0);
}

static void stop_does_not_remove_a_successor_s_socket(void **state)
{
    struct world *w = *state;
    struct control *first = w->control;
    assert_int_equal(unlink(w->path), 0);
    assert_int_equal(control_start(&w->control, w->path, routes, w), 0);
    control_stop(first);
    json_t *answer;
    assert_int_equal(control_call(w->path, "GET", "/v1/echo", NULL, 0, NULL, &answer), 200);
    json_decref(answer);
}

static void paths_that_cannot_be_are_refused_with_the_reason(void **state)
{
    struct world *w = *state;
    struct control *second = NULL;
    char path[200];
    json_t *answer;
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    assert_int_equal(control_start(&second, path, routes, w), -ENAMETOOLONG);
    assert_int_equal(control_call(path, "GET", "/", NULL, 0, NULL, &answer), -ENAMETOOLONG);
    snprintf(path, sizeof path, "%s/none/ctl.sock", w->dir);
    assert_int_equal(control_start(&second, path, routes, w), -ENOENT);
    assert_int_equal(control_call(path, "GET", "/", NULL, 0, NULL, &answer), -ENOENT);
}

/* open_on serves the open routes on a free port of the loopback and returns it. */
static uint16_t open_on(struct world *w)
{
    uint16_t port = 20000;
    int rc = -EADDRINUSE;
    for (; rc == -EADDRINUSE; port++)
        rc = control_open(w->control, "127.0.0.1", port);
    assert_int_equal(rc, 0);
    return (uint16_t)(port - 1);
}

static void tcp_raw(uint16_t port, const char *bytes, char *answer, size_t room)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &address.sin_addr), 1);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t len = 0;
    ssize_t got;
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    send_all(fd, bytes, strlen(bytes));
    while (len < room - 1 && (got = recv(fd, answer + len, room - 1 - len, 0)) > 0)
        len += (size_t)got;
    answer[len] = '\0';
    close(fd);
}

static void an_address_serves_what_is_open_and_nothing_else(void **state)
{
    struct world *w = *state;
    char answer[2048];
    uint16_t port = open_on(w);
    tcp_raw(port, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer,
            sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 200"));
    assert_non_null(strstr(answer, "Content-Type: text/plain"));
    assert_non_null(strstr(answer, "\r\n\r\nup 1\n"));
    tcp_raw(port, "GET /v1/echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer,
            sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 403"));
    assert_non_null(strstr(answer, "socket_only"));
    tcp_raw(port,
            "PUT /v1/echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
            "1\r\n\r\nx",
            answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 403"));
    assert_int_equal(w->calls, 0);
    assert_string_equal(raw(w->path, "GET /metrics HTTP/1.0\r\n\r\n", answer, sizeof answer) +
                            strlen(answer) - 5,
                        "up 1\n");
}

static void an_address_that_cannot_be_had_is_told(void **state)
{
    struct world *w = *state;
    uint16_t port = open_on(w);
    assert_int_equal(control_listen_tcp("127.0.0.1", port), -EADDRINUSE);
    assert_int_equal(control_listen_tcp("192.0.2.77", 9470), -EADDRNOTAVAIL);
    assert_int_equal(control_listen_tcp("localhost", 9470), -EINVAL);
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

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

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
        WITH_SERVER(the_socket_is_for_owner_and_group_whatever_the_umask),
        WITH_SERVER(a_live_socket_is_left_alone),
        WITH_SERVER(a_stale_socket_is_replaced),
        WITH_SERVER(a_file_that_is_no_socket_is_left_alone),
        WITH_SERVER(stop_does_not_remove_a_successor_s_socket),
        WITH_SERVER(paths_that_cannot_be_are_refused_with_the_reason),
        WITH_SERVER(an_address_serves_what_is_open_and_nothing_else),
        WITH_SERVER(an_address_that_cannot_be_had_is_told),
        cmocka_unit_test(root_the_daemon_and_the_socket_s_group_may_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
