/* http_blocked.c - connections whose answers TCP does not take, since their clients do not read:
 * the one that has been so for longest first.
 *
 * Each holds the slots of the requests that it still has open.  When all slots are used up and no
 * request that comes in can give way, the first of these does: it is reset.
 */
#include "dataplane/http_impl.h"

void http_blocked_add(struct http *http, struct http_conn *conn)
{
    uint32_t number = (uint32_t)(conn - http->conns);
    assert(!(conn->flags & HTTP_CONN_BLOCKED));
    conn->flags |= HTTP_CONN_BLOCKED;
    conn->blocked_before = http->blocked.last;
    conn->blocked_after = HTTP_NONE;
    if (http->blocked.last == HTTP_NONE)
        http->blocked.first = number;
    else
        http->conns[http->blocked.last].blocked_after = number;
    http->blocked.last = number;
}

void http_blocked_remove(struct http *http, struct http_conn *conn)
{
    if (!(conn->flags & HTTP_CONN_BLOCKED))
        return;
    conn->flags &= (uint16_t)~HTTP_CONN_BLOCKED;
    if (conn->blocked_before == HTTP_NONE)
        http->blocked.first = conn->blocked_after;
    else
        http->conns[conn->blocked_before].blocked_after = conn->blocked_after;
    if (conn->blocked_after == HTTP_NONE)
        http->blocked.last = conn->blocked_before;
    else
        http->conns[conn->blocked_after].blocked_before = conn->blocked_before;
}

bool http_blocked_give_way(struct http *http, const struct http_conn *to)
{
    if (http->blocked.first == HTTP_NONE)
        return false;
    struct http_conn *conn = &http->conns[http->blocked.first];
    if (conn == to)
        return false;
    http->counters.stalled++;
    http_conn_abort(http, conn);
    return true;
}
