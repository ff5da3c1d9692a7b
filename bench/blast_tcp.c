/* blast_tcp.c - connections. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/blast_tcp.h"
#include "dataplane/base/clock.h"

#define RETRY_NS    (200 * NS_PER_MS) /* doubled with each try */
#define TRIES_MAX   10
#define BACKOFF_MAX 4
#define ACK_NS      (10 * NS_PER_MS)
#define ACK_BYTES   (2 * BLAST_SEGMENT_MSS)
#define WINDOW      65535
#define TIMERS      16 /* connections whose timers one poll looks at */
#define PORTS       65536
#define SEQ_PER_OPEN                                                                               \
    0x1000003 /* far enough for a late segment of the last one to be out of window */

static bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

int blast_tcp_init(struct blast_tcp *tcp, struct blast_wire *wire, uint32_t conn_count,
                   uint32_t send_bytes, uint32_t seed)
{
    assert(conn_count >= 1 && wire->source.port + conn_count <= PORTS);
    uint32_t bytes = 1024;
    while (bytes < send_bytes)
        bytes *= 2;
    *tcp = (struct blast_tcp){
        .wire = wire,
        .conn_count = conn_count,
        .send_bytes = bytes,
        .first_port = wire->source.port,
        .target_port = wire->target.port,
        .seed = seed,
        .conns = calloc(conn_count, sizeof *tcp->conns),
        .send_buffers = malloc((size_t)conn_count * bytes),
        .queue = calloc(conn_count, sizeof *tcp->queue),
        .by_port = calloc(PORTS, sizeof *tcp->by_port),
    };
    blast_segment_init(&tcp->head, &wire->source, &wire->target);
    if (tcp->conns && tcp->send_buffers && tcp->queue && tcp->by_port)
        return 0;
    blast_tcp_fini(tcp);
    return -ENOMEM;
}

void blast_tcp_fini(struct blast_tcp *tcp)
{
    free(tcp->conns);
    free(tcp->send_buffers);
    free(tcp->queue);
    free(tcp->by_port);
    *tcp = (struct blast_tcp){0};
}

static void enqueue(struct blast_tcp *tcp, struct blast_tcp_conn *conn)
{
    if (conn->queued)
        return;
    conn->queued = true;
    tcp->queue[tcp->queue_count++] = (uint32_t)(conn - tcp->conns);
}

/* The next port of a connection: never one that the last connection of this number had, as long as
 * there are others. */
static uint16_t next_port(const struct blast_tcp *tcp, uint32_t index, uint16_t port)
{
    uint32_t next = port ? (uint32_t)port + tcp->conn_count : tcp->first_port + index;
    return (uint16_t)(next < PORTS ? next : tcp->first_port + index);
}

void blast_tcp_open(struct blast_tcp *tcp, uint32_t index, uint64_t at_ns)
{
    struct blast_tcp_conn *conn = &tcp->conns[index];
    assert(conn->state == BLAST_TCP_IDLE);
    uint16_t port = next_port(tcp, index, conn->port);
    uint32_t first = tcp->seed + index;
    bool queued = conn->queued;
    tcp->seed += SEQ_PER_OPEN;
    *conn = (struct blast_tcp_conn){
        .state = BLAST_TCP_OPENING,
        .queued = queued,
        .port = port,
        .mss = BLAST_SEGMENT_MSS,
        .una = first,
        .nxt = first,
        .max = first,
        .end = first + 1, /* the SYN */
        .retry_ns = at_ns ? at_ns : 1,
    };
    tcp->by_port[port] = index + 1;
}

static void drop(struct blast_tcp *tcp, struct blast_tcp_conn *conn)
{
    tcp->open_count -= conn->state == BLAST_TCP_OPEN;
    tcp->by_port[conn->port] = 0;
    conn->state = BLAST_TCP_IDLE;
    conn->retry_ns = conn->ack_ns = 0;
}

static void close_conn(struct blast_tcp *tcp, struct blast_tcp_conn *conn, enum blast_tcp_end why)
{
    drop(tcp, conn);
    tcp->app.closed(tcp->app.app, (uint32_t)(conn - tcp->conns), why);
}

uint32_t blast_tcp_room(const struct blast_tcp *tcp, uint32_t index)
{
    const struct blast_tcp_conn *conn = &tcp->conns[index];
    bool able = conn->state == BLAST_TCP_OPEN && !conn->fin;
    return able ? tcp->send_bytes - (conn->end - conn->una) : 0;
}

static uint8_t *send_buffer(const struct blast_tcp *tcp, const struct blast_tcp_conn *conn)
{
    return tcp->send_buffers + (size_t)(conn - tcp->conns) * tcp->send_bytes;
}

void blast_tcp_write(struct blast_tcp *tcp, uint32_t index, const void *bytes, uint32_t len)
{
    struct blast_tcp_conn *conn = &tcp->conns[index];
    assert(len <= blast_tcp_room(tcp, index));
    uint8_t *buffer = send_buffer(tcp, conn);
    uint32_t at = conn->end & (tcp->send_bytes - 1);
    uint32_t first = tcp->send_bytes - at < len ? tcp->send_bytes - at : len;
    memcpy(buffer + at, bytes, first);
    memcpy(buffer, (const uint8_t *)bytes + first, len - first);
    conn->end += len;
    enqueue(tcp, conn);
}

void blast_tcp_finish(struct blast_tcp *tcp, uint32_t index)
{
    struct blast_tcp_conn *conn = &tcp->conns[index];
    if (conn->state != BLAST_TCP_OPEN || conn->fin)
        return;
    conn->fin = true;
    enqueue(tcp, conn);
}

/* Sends one segment of len bytes from seq on.  Returns false when the wire has no room. */
static bool emit(struct blast_tcp *tcp, struct blast_tcp_conn *conn, uint32_t seq, uint32_t len,
                 uint8_t flags)
{
    uint8_t *out = tcp->wire->frame(tcp->wire);
    if (!out)
        return false;
    const uint8_t *buffer = send_buffer(tcp, conn);
    uint32_t at = seq & (tcp->send_bytes - 1);
    uint32_t first = tcp->send_bytes - at < len ? tcp->send_bytes - at : len;
    memcpy(out + BLAST_SEGMENT_HEAD, buffer + at, first);
    memcpy(out + BLAST_SEGMENT_HEAD + first, buffer, len - first);
    struct blast_segment segment = {
        .source_port = conn->port,
        .target_port = tcp->target_port,
        .seq = seq,
        .ack = flags & BLAST_ACK ? conn->rcv_nxt : 0,
        .flags = flags,
        .mss = BLAST_SEGMENT_MSS,
        .window = WINDOW,
        .len = len,
    };
    tcp->wire->send(tcp->wire, blast_segment_finish(&tcp->head, out, &segment));
    tcp->segments_out++;
    tcp->retransmitted += (len || flags & (BLAST_SYN | BLAST_FIN)) && before(seq, conn->max);
    conn->ack_now = false;
    conn->ack_ns = 0;
    conn->rcv_unacked = 0;
    return true;
}

void blast_tcp_abort(struct blast_tcp *tcp, uint32_t index)
{
    struct blast_tcp_conn *conn = &tcp->conns[index];
    if (conn->state == BLAST_TCP_OPEN)
        emit(tcp, conn, conn->nxt, 0, BLAST_RST | BLAST_ACK);
    if (conn->state != BLAST_TCP_IDLE)
        drop(tcp, conn);
}

static void advance(struct blast_tcp_conn *conn, uint32_t len)
{
    conn->nxt += len;
    if (before(conn->max, conn->nxt))
        conn->max = conn->nxt;
}

/* How much of what was written may leave in the next segment. */
static uint32_t sendable(const struct blast_tcp_conn *conn)
{
    uint32_t waits = conn->end - conn->nxt;
    uint32_t flying = conn->nxt - conn->una;
    uint32_t room = conn->window > flying ? conn->window - flying : 0;
    if (before(conn->end, conn->nxt)) /* our FIN was sent */
        return 0;
    if (!room && conn->probe)
        room = 1;
    waits = waits < room ? waits : room;
    return waits < conn->mss ? waits : conn->mss;
}

static bool send_data(struct blast_tcp *tcp, struct blast_tcp_conn *conn)
{
    for (uint32_t len; (len = sendable(conn)) > 0; advance(conn, len)) {
        uint8_t push = conn->nxt + len == conn->end ? BLAST_PSH : 0;
        if (!emit(tcp, conn, conn->nxt, len, BLAST_ACK | push))
            return false;
        conn->probe = false;
    }
    if (conn->fin && conn->nxt == conn->end) {
        if (!emit(tcp, conn, conn->nxt, 0, BLAST_ACK | BLAST_FIN))
            return false;
        advance(conn, 1);
    }
    return true;
}

/* Sends what the connection has to send.  Returns false when the wire has no room for it. */
static bool output(struct blast_tcp *tcp, struct blast_tcp_conn *conn, uint64_t now_ns)
{
    bool all = true;
    if (conn->state == BLAST_TCP_OPENING && conn->nxt == conn->una && !conn->retry_ns) {
        all = emit(tcp, conn, conn->una, 0, BLAST_SYN);
        advance(conn, all);
    } else if (conn->state == BLAST_TCP_OPEN) {
        all = send_data(tcp, conn);
        if (all && conn->ack_now)
            all = emit(tcp, conn, conn->nxt, 0, BLAST_ACK);
    }
    bool waits = conn->una != conn->nxt || before(conn->nxt, conn->end);
    if (conn->state != BLAST_TCP_IDLE && waits && !conn->retry_ns)
        conn->retry_ns =
            now_ns + (RETRY_NS << (conn->tries < BACKOFF_MAX ? conn->tries : BACKOFF_MAX));
    return all;
}

static void input_syn(struct blast_tcp *tcp, struct blast_tcp_conn *conn,
                      const struct blast_segment *segment)
{
    if (!(segment->flags & BLAST_ACK) || segment->ack != conn->end || conn->nxt != conn->end)
        return;
    if (segment->flags & BLAST_RST) {
        close_conn(tcp, conn, BLAST_TCP_REFUSED);
        return;
    }
    if (!(segment->flags & BLAST_SYN))
        return;
    conn->state = BLAST_TCP_OPEN;
    conn->tries = 0;
    conn->probe = false;
    conn->retry_ns = 0;
    conn->una = segment->ack;
    conn->scale = segment->scale == BLAST_SEGMENT_NOSCALE ? 0 : segment->scale;
    conn->mss = segment->mss < BLAST_SEGMENT_MSS ? segment->mss : BLAST_SEGMENT_MSS;
    conn->window = segment->window; /* that of a SYN is never scaled (RFC 7323 section 2.2) */
    conn->rcv_nxt = segment->seq + 1;
    conn->ack_now = true;
    tcp->open_count++;
    enqueue(tcp, conn);
    tcp->app.open(tcp->app.app, (uint32_t)(conn - tcp->conns));
}

static void input_ack(struct blast_tcp *tcp, struct blast_tcp_conn *conn,
                      const struct blast_segment *segment, uint64_t now_ns)
{
    if (before(segment->ack, conn->una) || before(conn->max, segment->ack))
        return;
    bool moved = segment->ack != conn->una;
    conn->una = segment->ack;
    if (before(conn->nxt, conn->una))
        conn->nxt = conn->una;
    uint32_t window = (uint32_t)segment->window << conn->scale;
    if (window != conn->window || before(conn->nxt, conn->end))
        enqueue(tcp, conn);
    conn->window = window;
    if (window == 0)
        conn->tries = 0; /* alive, but it has no room */
    if (!moved)
        return;
    conn->tries = 0;
    conn->retry_ns = conn->una == conn->nxt ? 0 : now_ns + RETRY_NS;
    tcp->app.acked(tcp->app.app, (uint32_t)(conn - tcp->conns));
}

/* Takes what is new of a segment's bytes.  Returns false when the connection is gone. */
static bool input_data(struct blast_tcp *tcp, struct blast_tcp_conn *conn,
                       const struct blast_segment *segment, uint64_t now_ns)
{
    uint32_t index = (uint32_t)(conn - tcp->conns);
    uint32_t known = conn->rcv_nxt - segment->seq; /* bytes of it that we have */
    uint32_t fin = segment->flags & BLAST_FIN;
    if (!segment->len && !fin)
        return true;
    enqueue(tcp, conn);
    if (before(conn->rcv_nxt, segment->seq) || known >= segment->len + fin) {
        tcp->out_of_order += before(conn->rcv_nxt, segment->seq);
        conn->ack_now = true;
        return true;
    }
    uint32_t len = segment->len - known;
    conn->rcv_nxt += len;
    conn->rcv_unacked += len;
    if (!conn->ack_ns)
        conn->ack_ns = now_ns + ACK_NS;
    if (conn->rcv_unacked >= ACK_BYTES)
        conn->ack_now = true;
    if (len && !tcp->app.data(tcp->app.app, index, segment->payload + known, len)) {
        blast_tcp_abort(tcp, index);
        tcp->app.closed(tcp->app.app, index, BLAST_TCP_RESET);
        return false;
    }
    if (fin && conn->state == BLAST_TCP_OPEN) {
        conn->rcv_nxt++;
        conn->peer_fin = true;
        conn->ack_now = true;
        conn->fin = true;
    }
    return conn->state == BLAST_TCP_OPEN;
}

static void input_open(struct blast_tcp *tcp, struct blast_tcp_conn *conn,
                       const struct blast_segment *segment, uint64_t now_ns)
{
    if (segment->flags & BLAST_RST) {
        if (segment->seq == conn->rcv_nxt)
            close_conn(tcp, conn, conn->peer_fin ? BLAST_TCP_CLOSED : BLAST_TCP_RESET);
        return;
    }
    if (segment->flags & BLAST_SYN) { /* our acknowledgement of it was lost */
        conn->ack_now = true;
        enqueue(tcp, conn);
        return;
    }
    if (!(segment->flags & BLAST_ACK))
        return;
    input_ack(tcp, conn, segment, now_ns);
    if (conn->state != BLAST_TCP_OPEN || !input_data(tcp, conn, segment, now_ns))
        return;
    if (!conn->peer_fin || conn->una != conn->end + 1)
        return;
    output(tcp, conn, now_ns); /* acknowledges the peer's FIN */
    close_conn(tcp, conn, BLAST_TCP_CLOSED);
}

void blast_tcp_input(struct blast_tcp *tcp, const uint8_t *frame, uint32_t len, uint64_t now_ns)
{
    struct blast_segment segment;
    const struct blast_endpoint *target = &tcp->wire->target;
    uint32_t number = 0;
    if (blast_segment_parse(&segment, frame, len, tcp->wire->source.addr) &&
        segment.source_port == tcp->target_port && memcmp(frame + 26, target->addr, 4) == 0)
        number = tcp->by_port[segment.target_port];
    if (!number) {
        tcp->strange++;
        return;
    }
    struct blast_tcp_conn *conn = &tcp->conns[number - 1];
    tcp->segments_in++;
    if (conn->state == BLAST_TCP_OPENING)
        input_syn(tcp, conn, &segment);
    else
        input_open(tcp, conn, &segment, now_ns);
}

static void retry(struct blast_tcp *tcp, struct blast_tcp_conn *conn)
{
    conn->retry_ns = 0;
    if (conn->nxt != conn->una || conn->state == BLAST_TCP_OPEN)
        conn->tries++;
    if (conn->tries > TRIES_MAX) {
        blast_tcp_abort(tcp, (uint32_t)(conn - tcp->conns));
        tcp->app.closed(tcp->app.app, (uint32_t)(conn - tcp->conns), BLAST_TCP_TIMEOUT);
        return;
    }
    conn->nxt = conn->una;
    conn->probe = conn->window == 0;
    enqueue(tcp, conn);
}

static void look_at_timers(struct blast_tcp *tcp, uint64_t now_ns)
{
    for (uint32_t i = 0; i < TIMERS && i < tcp->conn_count; i++) {
        struct blast_tcp_conn *conn = &tcp->conns[tcp->timer_at];
        tcp->timer_at = tcp->timer_at + 1 < tcp->conn_count ? tcp->timer_at + 1 : 0;
        if (conn->ack_ns && now_ns >= conn->ack_ns) {
            conn->ack_now = true;
            enqueue(tcp, conn);
        }
        if (conn->retry_ns && now_ns >= conn->retry_ns)
            retry(tcp, conn);
    }
}

void blast_tcp_poll(struct blast_tcp *tcp, uint64_t now_ns)
{
    look_at_timers(tcp, now_ns);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < tcp->queue_count; i++) {
        struct blast_tcp_conn *conn = &tcp->conns[tcp->queue[i]];
        conn->queued = !output(tcp, conn, now_ns);
        if (conn->queued)
            tcp->queue[kept++] = tcp->queue[i];
    }
    tcp->queue_count = kept;
}
