/* http_send.c - answers into TCP, in the order of the requests. */
#include <string.h>

#include "dataplane/base/counter.h"
#include "dataplane/http_impl.h"

static const char continue_line[] = "HTTP/1.1 100 Continue\r\n\r\n";

/* spill_of returns where the rest of an answer is kept. */
static char *spill_of(struct http *http, struct http_request *r)
{
    return r->batch == HTTP_NONE ? (char *)r->small : http_batch_at(http, r->batch)->spill;
}

/* send returns whether all of the answer is with TCP. */
static bool send(struct http *http, struct http_conn *conn, uint32_t slot)
{
    struct http_request *r = http_request_at(http, slot);
    const char *text;
    if (r->flags & HTTP_REQUEST_SPILLED) {
        text = spill_of(http, r);
    } else {
        text = http_answer_write(http, r, &r->answer_len);
        counter_add(&http->counters.answer_bytes, r->answer_len);
    }
    uint32_t rest = r->answer_len - r->sent;
    uint32_t taken = tcp_send(http->tcp, conn->tcp, text + r->sent, rest);
    r->sent += taken;
    if (taken == rest)
        return true;
    if (!(r->flags & HTTP_REQUEST_SPILLED)) {
        http_buffer_release(http, slot);
        memcpy(spill_of(http, r), text, r->answer_len);
        r->flags |= HTTP_REQUEST_SPILLED;
    }
    return false;
}

/* pop gives the first request back and returns whether the connection goes on. */
static bool pop(struct http *http, struct http_conn *conn)
{
    uint32_t slot = conn->first;
    struct http_request *r = http_request_at(http, slot);
    bool closes = r->flags & HTTP_REQUEST_CLOSE;
    conn->first = r->next;
    conn->count--;
    if (conn->first == HTTP_NONE)
        conn->last = HTTP_NONE;
    conn->since_ns = http->now_ns;
    http_request_give(http, slot);
    return !closes;
}

void http_send_continue(struct http *http, uint32_t number)
{
    struct http_conn *conn = &http->conns[number];
    if (conn->first == HTTP_NONE)
        return;
    struct http_request *r = http_request_at(http, conn->first);
    uint32_t len = sizeof continue_line - 1;
    /* A client that is told nothing sends its body all the same, a little later. */
    if (!(r->flags & HTTP_REQUEST_CONTINUE) || r->state != HTTP_REQUEST_BODY ||
        tcp_send_room(http->tcp, conn->tcp) < len)
        return;
    r->flags &= (uint16_t)~HTTP_REQUEST_CONTINUE;
    r->since_ns = http->now_ns;
    tcp_send(http->tcp, conn->tcp, continue_line, len);
    counter_add(&http->counters.continues, 1);
}

/* resume asks for what the connection could not take before. */
static void resume(struct http *http, struct http_conn *conn)
{
    const unsigned never = HTTP_CONN_CLOSING | HTTP_CONN_FINISHED | HTTP_CONN_BLOCKED;
    if (!(conn->flags & HTTP_CONN_HELD) || conn->flags & never ||
        conn->count >= http->settings.pipeline)
        return;
    conn->flags &= (uint16_t)~HTTP_CONN_HELD;
    tcp_resume(http->tcp, conn->tcp);
}

void http_send_ready(struct http *http, uint32_t number)
{
    struct http_conn *conn = &http->conns[number];
    const unsigned never = HTTP_CONN_FINISHED | HTTP_CONN_BLOCKED;
    while (!(conn->flags & never) && conn->first != HTTP_NONE) {
        struct http_request *r = http_request_at(http, conn->first);
        if (r->state != HTTP_REQUEST_READY)
            break;
        if (http->health == HTTP_HEALTH_draining && r->next == HTTP_NONE)
            r->flags |= HTTP_REQUEST_CLOSE;
        if (!send(http, conn, conn->first)) {
            http_blocked_add(http, conn);
            return;
        }
        if (!pop(http, conn)) {
            http_conn_finish(http, conn);
            return;
        }
        http_send_continue(http, number);
    }
    bool last = conn->flags & (HTTP_CONN_ENDED | HTTP_CONN_CLOSING);
    if (conn->first == HTTP_NONE && last)
        http_conn_finish(http, conn);
    resume(http, conn);
}
