/* control.c - the server's side of the control socket, over libmicrohttpd.
 *
 * A request is judged when its header is read (404, 405, 403, 413), but answered when its body is
 * in: an answer given earlier closes the connection under a client that still sends.  Only a body
 * that declares itself too large is refused at once.
 */
#include "conf/control.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/control_listen.h"

#define CONNECTIONS_MAX   32u
#define CONNECTION_MEMORY ((size_t)32 << 10) /* header and buffers of one connection */
#define CONNECTION_IDLE_S 10u
#define BODY_ROOM_MIN     4096u
#define BODY_DISCARD_MAX  (4ull * CONTROL_BODY_MAX) /* of a chunked body that is too large */
#define PEER_GROUPS_MAX   1024u

/* A server with a thread of its own: on the socket, or on an address for whoever may look. */
struct listener {
    struct control *control;
    struct MHD_Daemon *daemon; /* NULL: none */
    bool open;
};

struct control {
    const struct control_route *routes;
    void *context;
    struct control_socket socket;
    struct listener local, remote;
};

/* One request on its way. */
struct exchange {
    const struct control_route *route; /* NULL: the response is a refusal already */
    const char *path;                  /* what the handler sees of it */
    struct control_response response;
    char allow[128];
    struct ucred peer;
    char *body;
    size_t len;
    size_t room;
    uint64_t discarded;
};

bool control_may_change(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count,
                        uid_t daemon_uid, gid_t socket_gid)
{
    if (uid == 0 || uid == daemon_uid || gid == socket_gid)
        return true;
    for (size_t i = 0; i < group_count; i++)
        if (groups[i] == socket_gid)
            return true;
    return false;
}

const char *control_query(const struct control_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *control_header(const struct control_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

json_t *control_text(const char *text)
{
    json_t *value = json_string(text);
    char *copy = value ? NULL : strdup(text);
    if (!copy)
        return value;
    for (char *c = copy; *c; c++)
        if (*c & 0x80)
            *c = '?';
    value = json_string(copy);
    free(copy);
    return value;
}

void control_problem(struct control_response *response, unsigned status, const char *code,
                     const char *next, const char *detail, ...)
{
    char text[1024];
    va_list args;
    va_start(args, detail);
    vsnprintf(text, sizeof text, detail, args);
    va_end(args);
    response->status = status;
    json_decref(response->body);
    response->body =
        json_pack("{s:s, s:i, s:s, s:s, s:o, s:s*}", "type", "about:blank", "status", (int)status,
                  "code", code, "title", MHD_get_reason_phrase_for(status), "detail",
                  control_text(text), "next", next);
}

static bool method_serves(const char *route, const char *method)
{
    return !strcmp(route, method) || (!strcmp(route, "GET") && !strcmp(method, "HEAD"));
}

/* path_match returns what the handler gets to see of url, or NULL. */
static const char *path_match(const char *path, const char *url)
{
    size_t len = strlen(path);
    if (path[len - 1] == '/')
        return strncmp(path, url, len) ? NULL : url + len;
    return strcmp(path, url) ? NULL : url;
}

static void allow_add(char *allow, size_t room, const char *method)
{
    size_t len = strlen(allow);
    snprintf(allow + len, room - len, "%s%s", len ? ", " : "", method);
}

/* route_find sets the route, or the refusal and the methods that would do. */
static void route_find(struct exchange *x, const struct control_route *routes, const char *url,
                       const char *method)
{
    for (const struct control_route *route = routes; route->method; route++) {
        const char *path = path_match(route->path, url);
        if (!path)
            continue;
        if (method_serves(route->method, method)) {
            x->route = route;
            x->path = path;
            return;
        }
        allow_add(x->allow, sizeof x->allow, route->method);
        if (!strcmp(route->method, "GET"))
            allow_add(x->allow, sizeof x->allow, "HEAD");
    }
    if (x->allow[0])
        control_problem(&x->response, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed",
                        "trovectl help", "%s does not take %s, only %s", url, method, x->allow);
    else
        control_problem(&x->response, MHD_HTTP_NOT_FOUND, "not_found", "trovectl help",
                        "this troved (%s) has nothing at %s", TROVE_VERSION, url);
}

static int connection_fd(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/* A peer in more groups than fit is judged by its gid alone. */
static bool peer_may_change(const struct control *control, const struct ucred *peer, int fd)
{
    gid_t groups[PEER_GROUPS_MAX];
    socklen_t bytes = sizeof groups;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes))
        bytes = 0;
    return control_may_change(peer->uid, peer->gid, groups, bytes / sizeof *groups, geteuid(),
                              control->socket.gid);
}

static bool body_declared_too_large(struct MHD_Connection *connection)
{
    const char *text =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return text && strtoull(text, NULL, 10) > CONTROL_BODY_MAX;
}

static void refuse_body(struct exchange *x)
{
    x->route = NULL;
    control_problem(&x->response, MHD_HTTP_CONTENT_TOO_LARGE, "body_too_large",
                    "trovectl conf check FILE", "a request body is at most %u bytes",
                    CONTROL_BODY_MAX);
}

/* judge_peer refuses what this peer may not ask for. */
static void judge_peer(struct exchange *x, const struct listener *listener, int fd, const char *url,
                       const char *method)
{
    const struct control *control = listener->control;
    const struct control_route *route = x->route;
    if (listener->open && !route->open) {
        x->route = NULL;
        control_problem(&x->response, MHD_HTTP_FORBIDDEN, "socket_only", "trovectl help",
                        "%s %s is served on the control socket only, %s", method, url,
                        control->socket.address.sun_path);
    } else if (route->change && !peer_may_change(control, &x->peer, fd)) {
        x->route = NULL;
        control_problem(&x->response, MHD_HTTP_FORBIDDEN, "forbidden", "id",
                        "%s %s needs root or gid %u, the group of %s; you are uid %u", method, url,
                        (unsigned)control->socket.gid, control->socket.address.sun_path,
                        (unsigned)x->peer.uid);
    }
}

static struct exchange *exchange_new(const struct listener *listener,
                                     struct MHD_Connection *connection, const char *url,
                                     const char *method)
{
    struct exchange *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    int fd = connection_fd(connection);
    socklen_t bytes = sizeof x->peer;
    if (!listener->open && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &x->peer, &bytes)) {
        free(x);
        return NULL;
    }
    x->response.status = MHD_HTTP_OK;
    route_find(x, listener->control->routes, url, method);
    if (x->route)
        judge_peer(x, listener, fd, url, method);
    return x;
}

/* exchange_take adds to the body; what belongs to a refused request is read and thrown away. */
static enum MHD_Result exchange_take(struct exchange *x, const char *bytes, size_t len)
{
    if (x->route && len > CONTROL_BODY_MAX - x->len)
        refuse_body(x);
    if (!x->route) {
        x->discarded += len;
        return x->discarded <= BODY_DISCARD_MAX ? MHD_YES : MHD_NO;
    }
    size_t room = x->room ? x->room : BODY_ROOM_MIN;
    while (room < x->len + len + 1)
        room *= 2;
    if (room > x->room) {
        char *body = realloc(x->body, room);
        if (!body)
            return MHD_NO;
        x->body = body;
        x->room = room;
    }
    memcpy(x->body + x->len, bytes, len);
    x->len += len;
    x->body[x->len] = '\0';
    return MHD_YES;
}

static void exchange_run(struct exchange *x, const struct control *control,
                         struct MHD_Connection *connection)
{
    struct control_request request = {
        .path = x->path,
        .body = x->body ? x->body : "",
        .body_len = x->len,
        .uid = x->peer.uid,
        .gid = x->peer.gid,
        .pid = x->peer.pid,
        .connection = connection,
    };
    x->route->handle(control->context, &request, &x->response);
}

static bool headers_add(const struct exchange *x, struct MHD_Response *response)
{
    const char *type = x->response.text            ? x->response.text_type
                       : x->response.status >= 400 ? "application/problem+json"
                                                   : "application/json";
    return MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) &&
           MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") &&
           (!x->allow[0] || x->route ||
            MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, x->allow)) &&
           (!x->response.etag[0] ||
            MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, x->response.etag)) &&
           (!x->response.location[0] ||
            MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, x->response.location));
}

static enum MHD_Result exchange_answer(struct exchange *x, struct MHD_Connection *connection)
{
    char *text = x->response.text   ? x->response.text
                 : x->response.body ? json_dumps(x->response.body, JSON_COMPACT)
                                    : strdup("{}");
    if (!text)
        return MHD_NO;
    bool own = text != x->response.text; /* on_completed frees the handler's text */
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(text), text, own ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_MUST_COPY);
    if (!response) {
        if (own)
            free(text);
        return MHD_NO;
    }
    enum MHD_Result result = MHD_NO;
    if (headers_add(x, response))
        result = MHD_queue_response(connection, x->response.status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *len, void **slot)
{
    const struct listener *listener = arg;
    struct exchange *x = *slot;
    (void)version;
    if (!x) {
        *slot = x = exchange_new(listener, connection, url, method);
        if (!x)
            return MHD_NO;
        if (!body_declared_too_large(connection))
            return MHD_YES;
        refuse_body(x);
        return exchange_answer(x, connection);
    }
    if (*len) {
        size_t taken = *len;
        *len = 0;
        return exchange_take(x, bytes, taken);
    }
    if (x->route)
        exchange_run(x, listener->control, connection);
    return exchange_answer(x, connection);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **slot,
                         enum MHD_RequestTerminationCode why)
{
    (void)arg;
    (void)connection;
    (void)why;
    struct exchange *x = *slot;
    if (!x)
        return;
    json_decref(x->response.body);
    free(x->response.text);
    free(x->body);
    free(x);
    *slot = NULL;
}

/* The server's thread takes no signals: they are the main thread's. */
static bool server_start(struct listener *listener, int fd)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    listener->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO | MHD_USE_ITC, 0, NULL, NULL, on_request,
        listener, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
        CONNECTION_IDLE_S, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, NULL, MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return listener->daemon != NULL;
}

int control_start(struct control **out, const char *socket_path, const struct control_route *routes,
                  void *context)
{
    struct control *control = calloc(1, sizeof *control);
    if (!control)
        return -ENOMEM;
    *control = (struct control){.routes = routes,
                                .context = context,
                                .socket.address = {.sun_family = AF_UNIX},
                                .local = {.control = control},
                                .remote = {.control = control, .open = true}};
    int fd = -ENAMETOOLONG;
    size_t len = strlen(socket_path);
    if (len >= sizeof control->socket.address.sun_path)
        goto fail;
    memcpy(control->socket.address.sun_path, socket_path, len + 1);
    fd = control_listen_unix(&control->socket);
    if (fd < 0)
        goto fail;
    if (!server_start(&control->local, fd))
        goto fail_server;
    *out = control;
    return 0;

fail_server:
    control_unlink(&control->socket);
    close(fd);
    fd = -EAGAIN;
fail:
    free(control);
    return fd;
}

int control_open(struct control *control, const char *host, uint16_t port)
{
    int fd = control_listen_tcp(host, port);
    if (fd < 0)
        return fd;
    if (server_start(&control->remote, fd))
        return 0;
    close(fd);
    return -EAGAIN;
}

void control_stop(struct control *control)
{
    if (!control)
        return;
    control_unlink(&control->socket);
    if (control->remote.daemon)
        MHD_stop_daemon(control->remote.daemon);
    MHD_stop_daemon(control->local.daemon);
    free(control);
}
