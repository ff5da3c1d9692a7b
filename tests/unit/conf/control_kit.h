/* control_kit.h - what the tests of the control socket share: a server on a socket of its own, with
 * routes that echo, fail and say nothing, and bytes as a client might send them.
 *
 * Memory:  a world by malloc, freed by tear_down.  Threads: the server's, and the test's.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
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

static inline void on_echo(void *context, const struct control_request *request,
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

static inline void on_fail(void *context, const struct control_request *request,
                           struct control_response *response)
{
    (void)context;
    (void)request;
    control_problem(response, 409, "busy", "trovectl status", "version %d is on its way", 42);
    json_object_set_new(response->body, "errors", json_array());
}

static inline void on_silence(void *context, const struct control_request *request,
                              struct control_response *response)
{
    (void)context;
    (void)request;
    response->status = 202;
}

static inline void on_text(void *context, const struct control_request *request,
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

static inline int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    strcpy(w->dir, "/tmp/trove-control-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/ctl.sock", w->dir);
    assert_int_equal(control_start(&w->control, w->path, routes, w), 0);
    *state = w;
    return 0;
}

static inline int tear_down(void **state)
{
    struct world *w = *state;
    control_stop(w->control);
    assert_int_equal(access(w->path, F_OK), -1);
    assert_int_equal(rmdir(w->dir), 0);
    free(w);
    return 0;
}

static inline int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static inline void send_all(int fd, const char *bytes, size_t len)
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
static inline char *raw(const char *path, const char *bytes, char *answer, size_t room)
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

static inline int text_is(const json_t *object, const char *key, const char *expected)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && !strcmp(text, expected);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
