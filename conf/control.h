/* control.h - the control socket: HTTP/JSON on a Unix socket, one row of a table per route.
 *
 * libmicrohttpd serves it from one thread of its own; handlers run there, one at a time, and may
 * take their time but never touch a part: they read counters, and publish configurations.  Errors
 * are RFC 9457 problem+json with a code, a detail and what to do.  Routes that are open are served
 * on an address as well, from a second thread, so that who asks whether the daemon is alive never
 * waits for who asks something long.
 *
 * Memory:  request and response live for one call; response bodies are jansson objects that the
 * server frees. Threads: control_start spawns the server's thread, control_open the second one;
 * handlers run on the first, those of open routes on either.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
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
    char *text;      /* instead of body, from malloc: the server's once set */
    const char *text_type;
    char etag[64];      /* an entity tag with its quotes, "v41"; sent when not empty */
    char location[128]; /* of what was made; sent when not empty */
};

struct control_route {
    const char *method; /* GET answers HEAD too */
    const char *path;   /* ending in '/': a prefix route; the first row that matches serves */
    bool change;        /* changes something: see control_may_change */
    void (*handle)(void *context, const struct control_request *request,
                   struct control_response *response);
    bool open; /* served on the address as well: handle runs on two threads */
};

struct control;

/* control_start serves routes (terminated by a row without method) on a Unix socket, mode 0660; a
 * stale socket file that nobody listens on is replaced.  Returns 0, -EADDRINUSE (somebody answers
 * there, or is just starting there), -ENAMETOOLONG, -EEXIST (the path is something else than a
 * socket), or another negative errno.  control_stop waits for a running handler, and removes the
 * socket file if it is still this server's. */
int control_start(struct control **control, const char *socket_path,
                  const struct control_route *routes, void *context);
void control_stop(struct control *control);

/* control_open serves the open routes on an address as well.  Returns 0, -EADDRINUSE,
 * -EADDRNOTAVAIL, -EINVAL (no IPv4 or IPv6 address), or another negative errno. */
int control_open(struct control *control, const char *host, uint16_t port);

/* control_may_change says whether a peer may use a change route: root, the daemon's own uid, and
 * who is in the socket file's group, be it the peer's gid or one of its supplementary groups. */
bool control_may_change(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count,
                        uid_t daemon_uid, gid_t socket_gid);

/* control_query and control_header return a parameter or header of the request, NULL when absent.
 */
const char *control_query(const struct control_request *request, const char *name);
const char *control_header(const struct control_request *request, const char *name);

/* control_problem fills in an RFC 9457 answer:
 * {"type":"about:blank","status":404,"code":"…","title":"…","detail":"…","next":"…"}. detail is
 * printf-like. */
/* control_text is json_string for a text that need not be UTF-8, such as one cut short or named by
 * a client: then every byte above 0x7f becomes '?'. */
json_t *control_text(const char *text);

void control_problem(struct control_response *response, unsigned status, const char *code,
                     const char *next, const char *detail, ...)
    __attribute__((format(printf, 5, 6)));

/* The client's side, over libcurl.  headers are whole lines, `If-Match: "v41"`, up to a NULL, or
 * NULL for none.  Returns
 * the HTTP status (body in *answer, the caller's to decref; NULL when it was not JSON), or a
 * negative errno: -ECONNREFUSED and -ENOENT when no daemon answers on the socket, -EACCES when it
 * may not be used, -ETIMEDOUT after 8 s, -EIO when the answer was cut short. */
int control_call(const char *socket_path, const char *method, const char *path_and_query,
                 const char *body, size_t body_len, const char *const *headers, json_t **answer);
