/* test_control_listen.c - where the control server listens: its socket's file, and an address. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/control.h"
#include "conf/control_listen.h"
#include "tests/unit/conf/control_kit.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(the_socket_is_for_owner_and_group_whatever_the_umask),
        WITH_SERVER(a_live_socket_is_left_alone),
        WITH_SERVER(a_stale_socket_is_replaced),
        WITH_SERVER(a_file_that_is_no_socket_is_left_alone),
        WITH_SERVER(stop_does_not_remove_a_successor_s_socket),
        WITH_SERVER(paths_that_cannot_be_are_refused_with_the_reason),
        WITH_SERVER(an_address_serves_what_is_open_and_nothing_else),
        WITH_SERVER(an_address_that_cannot_be_had_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
