/* control.h - the control socket: HTTP/JSON on a Unix socket, one row of a table per route.
 *
 * libmicrohttpd serves it from one thread of its own; handlers run there, one at a time, and may
 * take their time but never touch a part: they read counters, and publish configurations.  Errors
 * are RFC 9457 problem+json with a code, a detail and what to do.
 *
 * Memory:  request and response live for one call; response bodies are jansson objects that the
 * server frees. Threads: control_start spawns the server's thread; handlers run on it.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CONTROL_BODY_MAX (4u << 20)

struct control_request {
    const char *path; /* behind the route's prefix for a prefix route, else the whole path */
    const char *body;
    size_t body_len;
    uid_t uid; /* of the peer, SO_PEERCRED */
    gid_t gid;
    pid_t pid;
    void *connection; /* for control_query and control_header */
};

struct control_response {
    unsigned status; /* HTTP status; 200 at first */
    json_t *body;    /* owned by the server once set */
    char etag[64];   /* sent when not empty */
};

struct control_route {
    const char *method;
    const char *path;
    bool change; /* changes something: root and the socket owner's group may */
    void (*handle)(void *context, const struct control_request *request,
                   struct control_response *response);
};

struct control;

/* control_start serves routes (terminated by a row without method) on a Unix socket, mode 0660; a
 * stale socket file that nobody listens on is replaced.  Returns 0, -EADDRINUSE (somebody answers
 * there), or another negative errno. */
int control_start(struct control **control, const char *socket_path,
                  const struct control_route *routes, void *context);
void control_stop(struct control *control);

/* control_query and control_header return a parameter or header of the request, NULL when absent.
 */
const char *control_query(const struct control_request *request, const char *name);
const char *control_header(const struct control_request *request, const char *name);

/* control_problem fills in an RFC 9457 answer:
 * {"type":"about:blank","status":404,"code":"…","title":"…","detail":"…","next":"…"}. detail is
 * printf-like. */
void control_problem(struct control_response *response, unsigned status, const char *code,
                     const char *next, const char *detail, ...)
    __attribute__((format(printf, 5, 6)));

/* The client's side, over libcurl.  Returns the HTTP status (body in *answer, the caller's to
 * decref; NULL when it was not JSON), or a negative errno: -ECONNREFUSED and -ENOENT when no daemon
 * answers on the socket, -ETIMEDOUT after 10 s. */
int control_call(const char *socket_path, const char *method, const char *path_and_query,
                 const char *body, size_t body_len, const char *if_match, json_t **answer);
