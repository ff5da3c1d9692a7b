/* tcp_stuck.c - connections that hold bytes to send which their peers do not take, the one that has
 * not for longest first; and how it gives way when the pool of chunks is used up.
 *
 * The window is shut, or nothing was acknowledged in time.  That is where any number of peers who
 * ask and do not read could keep the pool from all others; so a send that finds no chunk takes
 * those of the first in this list.  Its connection is reset.
 */
#include "dataplane/tcp_impl.h"

void tcp_stuck_add(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->flags & TCP_F_STUCK)
        return;
    conn->flags |= TCP_F_STUCK;
    uint32_t index = tcp_index(tcp, conn), last = tcp->stuck_last;
    tcp->stuck[index] = (struct tcp_stuck){.before = last, .after = TCP_NONE};
    if (last == TCP_NONE)
        tcp->stuck_first = index;
    else
        tcp->stuck[last].after = index;
    tcp->stuck_last = index;
}

void tcp_stuck_remove(struct tcp *tcp, struct tcp_conn *conn)
{
    if (!(conn->flags & TCP_F_STUCK))
        return;
    conn->flags &= ~TCP_F_STUCK;
    const struct tcp_stuck *at = &tcp->stuck[tcp_index(tcp, conn)];
    if (at->before == TCP_NONE)
        tcp->stuck_first = at->after;
    else
        tcp->stuck[at->before].after = at->after;
    if (at->after == TCP_NONE)
        tcp->stuck_last = at->before;
    else
        tcp->stuck[at->after].before = at->before;
}

bool tcp_stuck_give_way(struct tcp *tcp, const struct tcp_conn *to)
{
    if (tcp->stuck_first == TCP_NONE || tcp->stuck_first == tcp_index(tcp, to))
        return false;
    struct tcp_conn *conn = tcp_conn(tcp, tcp->stuck_first);
    tcp_stuck_remove(tcp, conn);
    tcp_chunks_give(tcp, conn->queue);
    conn->queue = conn->queue_last = TCP_NONE;
    conn->queued = 0;
    conn->flags |= TCP_F_ABORT | TCP_F_GAVE_WAY;
    tcp_want_output(tcp, conn);
    return true;
}
