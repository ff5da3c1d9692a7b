/* tcp_pool.c - chunks of buffer memory, and the send queue of a connection in them.
 *
 * What is received may use three quarters of the pool: an answer must find room though the peers
 * fill their stores.
 */
#include "dataplane/tcp_impl.h"

uint32_t tcp_chunk_take(struct tcp *tcp, bool to_send)
{
    uint64_t limit = to_send ? tcp->limits.chunks : tcp->limits.chunks - tcp->limits.chunks / 4;
    if (tcp->counters.chunks >= limit)
        return TCP_NONE;
    uint32_t chunk = tcp->free_chunk;
    if (chunk != TCP_NONE)
        tcp->free_chunk = tcp->chunks[chunk].next;
    else
        chunk = tcp->fresh_chunk++;
    struct tcp_chunk *c = &tcp->chunks[chunk];
    c->next = TCP_NONE;
    c->start = c->len = 0;
    counter_add(&tcp->counters.chunks, 1);
    return chunk;
}

void tcp_chunk_give(struct tcp *tcp, uint32_t chunk)
{
    tcp->chunks[chunk].next = tcp->free_chunk;
    tcp->free_chunk = chunk;
    counter_add(&tcp->counters.chunks, UINT64_MAX);
}

void tcp_chunks_give(struct tcp *tcp, uint32_t chunk)
{
    while (chunk != TCP_NONE) {
        uint32_t next = tcp->chunks[chunk].next;
        tcp_chunk_give(tcp, chunk);
        chunk = next;
    }
}

/* append_chunk puts an empty chunk at the queue's end; for want of one, somebody gives way. */
static bool append_chunk(struct tcp *tcp, struct tcp_conn *conn)
{
    uint32_t chunk = tcp_chunk_take(tcp, true);
    if (chunk == TCP_NONE && tcp_stuck_give_way(tcp, conn))
        chunk = tcp_chunk_take(tcp, true);
    if (chunk == TCP_NONE)
        return false;
    if (conn->queue == TCP_NONE)
        conn->queue = chunk;
    else
        tcp->chunks[conn->queue_last].next = chunk;
    conn->queue_last = chunk;
    return true;
}

uint32_t tcp_queue_append(struct tcp *tcp, struct tcp_conn *conn, const uint8_t *bytes,
                          uint32_t len)
{
    uint32_t done = 0;
    while (done < len) {
        struct tcp_chunk *last = &tcp->chunks[conn->queue_last];
        if (conn->queue == TCP_NONE || last->start + last->len == TCP_CHUNK_DATA) {
            if (!append_chunk(tcp, conn))
                break;
            continue;
        }
        uint32_t end = last->start + last->len;
        uint32_t part = tcp_min(len - done, TCP_CHUNK_DATA - end);
        memcpy(last->data + end, bytes + done, part);
        last->len = (uint16_t)(last->len + part);
        done += part;
    }
    conn->queued += done;
    return done;
}

void tcp_queue_drop(struct tcp *tcp, struct tcp_conn *conn, uint32_t len)
{
    conn->queued -= len;
    while (len) {
        struct tcp_chunk *first = &tcp->chunks[conn->queue];
        if (len < first->len) {
            first->start = (uint16_t)(first->start + len);
            first->len = (uint16_t)(first->len - len);
            return;
        }
        uint32_t chunk = conn->queue;
        len -= first->len;
        conn->queue = first->next;
        tcp_chunk_give(tcp, chunk);
    }
}

void tcp_queue_copy(const struct tcp *tcp, const struct tcp_conn *conn, uint32_t offset,
                    uint8_t *to, uint32_t len)
{
    const struct tcp_chunk *chunk = &tcp->chunks[conn->queue];
    while (offset >= chunk->len) {
        offset -= chunk->len;
        chunk = &tcp->chunks[chunk->next];
    }
    while (len) {
        uint32_t part = tcp_min(len, chunk->len - offset);
        memcpy(to, chunk->data + chunk->start + offset, part);
        to += part;
        len -= part;
        offset = 0;
        if (len)
            chunk = &tcp->chunks[chunk->next];
    }
}
