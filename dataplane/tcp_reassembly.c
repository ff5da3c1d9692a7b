/* tcp_reassembly.c - the receive store: what has come and was not taken, as a list of chunks in
 * the order of their sequence numbers, which do not overlap.
 *
 * What is before rcv_nxt waits for the application; what is beyond waits for what is missing.
 * Whatever came first stands: of a segment only what is not there yet is kept.
 *
 * Chunks that touch are joined when they fit into one.  So a connection never has more than twice
 * the chunks that its window fills, and one for each gap, of which there are at most TCP_RUNS_MAX:
 * that bounds the list, and the work for one segment.
 */
#include "dataplane/tcp_impl.h"

static struct tcp_chunk *chunk_at(const struct tcp *tcp, uint32_t chunk)
{
    return &tcp->chunks[chunk];
}

static uint32_t chunk_end(const struct tcp_chunk *chunk)
{
    return chunk->seq + chunk->len;
}

static uint32_t chunks_max(const struct tcp *tcp)
{
    return 2 * (tcp->settings.receive_bytes / TCP_CHUNK_DATA) + TCP_RUNS_MAX + 2;
}

/* add_chunk puts an empty chunk behind `before`, or at the front. */
static uint32_t add_chunk(struct tcp *tcp, struct tcp_conn *conn, uint32_t before, uint32_t seq)
{
    if (conn->store_chunks >= chunks_max(tcp))
        return TCP_NONE;
    uint32_t chunk = tcp_chunk_take(tcp, false);
    if (chunk == TCP_NONE)
        return TCP_NONE;
    uint32_t *link = before == TCP_NONE ? &conn->store : &chunk_at(tcp, before)->next;
    chunk_at(tcp, chunk)->seq = seq;
    chunk_at(tcp, chunk)->next = *link;
    *link = chunk;
    conn->store_chunks++;
    return chunk;
}

/* fill keeps bytes that are not there yet, behind chunk *before, which becomes the last that they
 * went to.  Returns how many found room. */
static uint32_t fill(struct tcp *tcp, struct tcp_conn *conn, uint32_t *before, uint32_t seq,
                     const uint8_t *bytes, uint32_t len)
{
    uint32_t done = 0;
    while (done < len) {
        struct tcp_chunk *chunk = *before == TCP_NONE ? NULL : chunk_at(tcp, *before);
        if (!chunk || chunk_end(chunk) != seq + done ||
            chunk->start + chunk->len == TCP_CHUNK_DATA) {
            uint32_t added = add_chunk(tcp, conn, *before, seq + done);
            if (added == TCP_NONE)
                break;
            *before = added;
            continue;
        }
        uint32_t end = chunk->start + chunk->len;
        uint32_t part = tcp_min(len - done, TCP_CHUNK_DATA - end);
        memcpy(chunk->data + end, bytes + done, part);
        chunk->len = (uint16_t)(chunk->len + part);
        chunk->stamp = tcp->stamp;
        done += part;
    }
    return done;
}

/* join takes the next chunk's bytes into this one, the later stamp of the two, when they touch and
 * fit. */
static void join(struct tcp *tcp, struct tcp_conn *conn, uint32_t at)
{
    struct tcp_chunk *chunk = chunk_at(tcp, at);
    if (chunk->next == TCP_NONE)
        return;
    uint32_t index = chunk->next;
    struct tcp_chunk *next = chunk_at(tcp, index);
    uint32_t end = chunk->start + chunk->len;
    if (chunk_end(chunk) != next->seq || end + next->len > TCP_CHUNK_DATA)
        return;
    memcpy(chunk->data + end, next->data + next->start, next->len);
    chunk->len = (uint16_t)(chunk->len + next->len);
    chunk->next = next->next;
    tcp_chunk_give(tcp, index);
    conn->store_chunks--;
}

/* too_many_runs: the segment would begin one range beyond the gaps too many. */
static bool too_many_runs(const struct tcp *tcp, const struct tcp_conn *conn, uint32_t seq,
                          uint32_t len)
{
    unsigned runs = 0;
    uint32_t end = conn->rcv_nxt;
    for (uint32_t at = conn->store; at != TCP_NONE; at = chunk_at(tcp, at)->next) {
        const struct tcp_chunk *chunk = chunk_at(tcp, at);
        if (!tcp_before(seq + len, chunk->seq) && !tcp_before(chunk_end(chunk), seq))
            return false;
        runs += tcp_before(end, chunk->seq);
        end = chunk_end(chunk);
    }
    return runs >= TCP_RUNS_MAX;
}

bool tcp_store_put(struct tcp *tcp, struct tcp_conn *conn, uint32_t seq, const uint8_t *bytes,
                   uint32_t len)
{
    if (seq != conn->rcv_nxt && too_many_runs(tcp, conn, seq, len))
        return false;
    tcp->stamp++;
    uint32_t done = 0, before = TCP_NONE, at = conn->store;
    bool overlap = false;
    while (done < len) {
        const struct tcp_chunk *chunk = at == TCP_NONE ? NULL : chunk_at(tcp, at);
        if (chunk && !tcp_before(seq + done, chunk->seq)) {
            if (tcp_before(seq + done, chunk_end(chunk))) {
                overlap = true;
                done = tcp_min(len, chunk_end(chunk) - seq);
            }
            before = at;
            at = chunk->next;
            continue;
        }
        uint32_t gap = len - done;
        if (chunk)
            gap = tcp_min(gap, chunk->seq - (seq + done));
        uint32_t filled = fill(tcp, conn, &before, seq + done, bytes + done, gap);
        if (filled)
            join(tcp, conn, before);
        if (filled < gap)
            return false;
        done += gap;
        at = before; /* joined, it may hold more of what comes */
    }
    if (overlap)
        TCP_COUNT(tcp, overlap);
    return true;
}

uint32_t tcp_store_end(const struct tcp *tcp, const struct tcp_conn *conn, uint32_t seq)
{
    for (uint32_t at = conn->store; at != TCP_NONE; at = chunk_at(tcp, at)->next) {
        const struct tcp_chunk *chunk = chunk_at(tcp, at);
        if (tcp_before(seq, chunk->seq))
            break;
        if (tcp_before(seq, chunk_end(chunk)))
            seq = chunk_end(chunk);
    }
    return seq;
}

const uint8_t *tcp_store_front(const struct tcp *tcp, const struct tcp_conn *conn, uint32_t *len)
{
    const struct tcp_chunk *chunk = chunk_at(tcp, conn->store);
    *len = chunk->len;
    return chunk->data + chunk->start;
}

void tcp_store_drop(struct tcp *tcp, struct tcp_conn *conn, uint32_t len)
{
    struct tcp_chunk *chunk = chunk_at(tcp, conn->store);
    chunk->seq += len;
    chunk->start = (uint16_t)(chunk->start + len);
    chunk->len = (uint16_t)(chunk->len - len);
    if (chunk->len)
        return;
    uint32_t index = conn->store;
    conn->store = chunk->next;
    conn->store_chunks--;
    tcp_chunk_give(tcp, index);
}

unsigned tcp_store_ranges(const struct tcp *tcp, const struct tcp_conn *conn,
                          struct tcp_range *ranges, unsigned max)
{
    struct tcp_range found[TCP_RUNS_MAX + 1];
    unsigned count = 0, recent = 0;
    uint32_t stamp = 0;
    for (uint32_t at = conn->store; at != TCP_NONE; at = chunk_at(tcp, at)->next) {
        const struct tcp_chunk *chunk = chunk_at(tcp, at);
        if (!tcp_before(conn->rcv_nxt, chunk->seq))
            continue;
        if (!count || found[count - 1].end != chunk->seq) {
            if (count > TCP_RUNS_MAX)
                break;
            found[count++].start = chunk->seq;
        }
        found[count - 1].end = chunk_end(chunk);
        if (count == 1 || tcp_before(stamp, chunk->stamp)) {
            stamp = chunk->stamp;
            recent = count - 1;
        }
    }
    unsigned out = 0;
    if (count && max)
        ranges[out++] = found[recent];
    for (unsigned i = 0; i < count && out < max; i++)
        if (i != recent)
            ranges[out++] = found[i];
    return out;
}
