/* blast_server.c - a server that agrees with everything. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/blast_server.h"
#include "dataplane/base/clock.h"

#define PORTS    65536
#define TIMERS   2 /* ports that one turn looks at */
#define RETRY_NS (200 * NS_PER_MS)
#define HEAD_MAX 1024
#define SCALE    4
#define LENGTH   "Content-Length: "
#define BODY                                                                                       \
    "{\"id\":\"00000000-0000-4000-8000-000000000000\",\"result\":\"accepted\",\"seq\":\"000:"      \
    "0000000\"}"

struct blast_server_conn {
    bool open;
    bool stalled;    /* there was no room for all that should have left */
    bool closing;    /* the client's FIN came: ours is out */
    uint32_t irs;    /* sequence number of the client's SYN */
    uint32_t una;    /* oldest byte of it that is not acknowledged */
    uint32_t nxt;    /* next to send */
    uint32_t end;    /* behind the last answer */
    uint32_t phase;  /* where in an answer una is */
    uint32_t window; /* what the client takes from una on */
    uint32_t rcv_nxt;
    uint32_t body_left;
    uint32_t head_len; /* of a request's head that came in pieces */
    uint64_t retry_ns;
    char head[HEAD_MAX];
};

static bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static uint8_t *make_answers(uint32_t *len)
{
    char one[512];
    int bytes = snprintf(one, sizeof one,
                         "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n"
                         "Content-Length: %zu\r\n\r\n%s",
                         sizeof BODY - 1, BODY);
    *len = (uint32_t)bytes;
    uint8_t *answers = malloc(*len + BLAST_SEGMENT_MSS);
    for (uint32_t i = 0; answers && i < *len + BLAST_SEGMENT_MSS; i++)
        answers[i] = (uint8_t)one[i % *len];
    return answers;
}

int blast_server_init(struct blast_server *server, struct blast_wire *wire)
{
    *server = (struct blast_server){.wire = wire};
    server->conns = calloc(PORTS, sizeof *server->conns);
    server->answers = make_answers(&server->answer_len);
    if (server->conns && server->answers)
        return 0;
    blast_server_fini(server);
    return -ENOMEM;
}

void blast_server_fini(struct blast_server *server)
{
    free(server->conns);
    free(server->answers);
    server->conns = NULL;
    server->answers = NULL;
}

static bool emit(struct blast_server *server, uint32_t port, uint32_t seq, uint32_t len,
                 uint8_t flags)
{
    const struct blast_server_conn *conn = &server->conns[port];
    uint8_t *out = server->wire->frame(server->wire);
    if (!out)
        return false;
    uint32_t at = (conn->phase + (seq - conn->una)) % server->answer_len;
    memcpy(out + BLAST_SEGMENT_HEAD, server->answers + at, len);
    struct blast_segment segment = {
        .source_port = server->wire->source.port,
        .target_port = (uint16_t)port,
        .seq = seq,
        .ack = conn->rcv_nxt,
        .flags = flags,
        .scale = SCALE,
        .mss = BLAST_SEGMENT_MSS,
        .window = UINT16_MAX,
        .len = len,
    };
    server->wire->send(server->wire, blast_segment_finish(&server->head, out, &segment));
    return true;
}

static void output(struct blast_server *server, uint32_t port, bool ack, uint64_t now_ns)
{
    struct blast_server_conn *conn = &server->conns[port];
    while (before(conn->nxt, conn->end)) {
        uint32_t flying = conn->nxt - conn->una;
        uint32_t len = conn->window > flying ? conn->window - flying : 0;
        len = len < conn->end - conn->nxt ? len : conn->end - conn->nxt;
        len = len < BLAST_SEGMENT_MSS ? len : BLAST_SEGMENT_MSS;
        if (!len)
            break;
        conn->stalled = !emit(server, port, conn->nxt, len, BLAST_ACK | BLAST_PSH);
        if (conn->stalled)
            break;
        conn->nxt += len;
        ack = false;
    }
    if (conn->closing && conn->nxt == conn->end)
        emit(server, port, conn->end, 0, BLAST_ACK | BLAST_FIN);
    else if (ack)
        emit(server, port, conn->nxt, 0, BLAST_ACK);
    conn->retry_ns = conn->una == conn->end ? 0 : now_ns + RETRY_NS;
}

/* The length of a whole head in bytes, and of its body; 0 while it is not whole, -1 when strange.
 */
static int parse_head(const char *bytes, uint32_t len, uint32_t *body)
{
    const char *stop = memmem(bytes, len, "\r\n\r\n", 4);
    if (!stop)
        return len < HEAD_MAX ? 0 : -1;
    if (stop - bytes < 5 || memcmp(bytes, "POST ", 5) != 0)
        return -1;
    const char *value = memmem(bytes, (size_t)(stop - bytes), LENGTH, sizeof LENGTH - 1);
    if (!value)
        return -1;
    *body = (uint32_t)strtoul(value + sizeof LENGTH - 1, NULL, 10);
    return (int)(stop + 4 - bytes);
}

/* Reads requests; every one that is whole makes the stream longer by an answer. */
static bool take(struct blast_server *server, struct blast_server_conn *conn, const char *bytes,
                 uint32_t len)
{
    while (len) {
        if (!conn->body_left) {
            uint32_t kept = conn->head_len;
            uint32_t piece = len < HEAD_MAX - kept ? len : HEAD_MAX - kept;
            memcpy(conn->head + kept, bytes, kept ? piece : 0);
            int head = kept ? parse_head(conn->head, kept + piece, &conn->body_left)
                            : parse_head(bytes, len, &conn->body_left);
            if (head < 0)
                return false;
            if (head == 0) {
                memcpy(conn->head + kept, bytes, piece);
                conn->head_len += piece;
                return true;
            }
            conn->head_len = 0;
            bytes += (uint32_t)head - kept;
            len -= (uint32_t)head - kept;
        }
        uint32_t skip = len < conn->body_left ? len : conn->body_left;
        bytes += skip;
        len -= skip;
        conn->body_left -= skip;
        if (conn->body_left)
            return true;
        server->requests++;
        conn->end += server->answer_len;
    }
    return true;
}

static void input_syn(struct blast_server *server, const struct blast_segment *segment,
                      const uint8_t *frame)
{
    struct blast_endpoint *client = &server->wire->target;
    struct blast_server_conn *conn = &server->conns[segment->source_port];
    uint32_t first = segment->seq * 2654435761u;
    if (conn->open && conn->irs == segment->seq && conn->rcv_nxt != segment->seq + 1)
        return; /* late, and long since answered */
    memcpy(client->mac, frame + 6, 6);
    memcpy(client->addr, frame + 26, 4);
    blast_segment_init(&server->head, &server->wire->source, client);
    *conn = (struct blast_server_conn){
        .open = true,
        .irs = segment->seq,
        .una = first + 1,
        .nxt = first + 1,
        .end = first + 1,
        .window = segment->window,
        .rcv_nxt = segment->seq + 1,
    };
    emit(server, segment->source_port, first, 0, BLAST_SYN | BLAST_ACK);
    if (segment->source_port < server->port_low || !server->port_low)
        server->port_low = segment->source_port;
    if (segment->source_port > server->port_high)
        server->port_high = segment->source_port;
}

static void input_ack(struct blast_server *server, struct blast_server_conn *conn,
                      const struct blast_segment *segment)
{
    uint32_t acked = segment->ack - conn->una;
    conn->window = segment->window;
    if (acked == 0 || acked > conn->end - conn->una)
        return;
    conn->phase = (conn->phase + acked) % server->answer_len;
    conn->una = segment->ack;
    if (before(conn->nxt, conn->una))
        conn->nxt = conn->una;
}

static void input(struct blast_server *server, const struct blast_segment *segment, uint64_t now_ns)
{
    uint32_t port = segment->source_port;
    struct blast_server_conn *conn = &server->conns[port];
    bool fin = segment->flags & BLAST_FIN;
    if (segment->flags & BLAST_RST || !(segment->flags & BLAST_ACK)) {
        conn->open = false;
        return;
    }
    if (conn->closing && segment->ack == conn->end + 1) {
        conn->open = false;
        return;
    }
    input_ack(server, conn, segment);
    uint32_t known = conn->rcv_nxt - segment->seq;
    if (!before(conn->rcv_nxt, segment->seq) && known < segment->len + fin) {
        uint32_t len = segment->len - known;
        if (!take(server, conn, (const char *)segment->payload + known, len)) {
            server->strange++;
            emit(server, port, conn->nxt, 0, BLAST_RST | BLAST_ACK);
            conn->open = false;
            return;
        }
        conn->rcv_nxt += len + fin;
        conn->closing = fin;
    }
    output(server, port, segment->len + fin > 0, now_ns);
}

static void look_at_timers(struct blast_server *server, uint64_t now_ns)
{
    for (uint32_t i = 0; i < TIMERS; i++) {
        uint32_t port = server->port_at++;
        if (port < server->port_low || port > server->port_high)
            port = server->port_at = server->port_low;
        struct blast_server_conn *conn = &server->conns[port];
        bool late = conn->retry_ns && now_ns >= conn->retry_ns;
        if (!conn->open || (!late && !conn->stalled))
            continue;
        if (late)
            conn->nxt = conn->una;
        output(server, port, true, now_ns);
    }
}

bool blast_server_turn(struct blast_server *server, uint64_t now_ns)
{
    struct blast_wire_frame frames[BLAST_WIRE_BURST];
    uint32_t received = server->wire->receive(server->wire, frames);
    for (uint32_t i = 0; i < received; i++) {
        struct blast_segment segment;
        if (!blast_segment_parse(&segment, frames[i].bytes, frames[i].len,
                                 server->wire->source.addr) ||
            segment.target_port != server->wire->source.port)
            continue;
        if (segment.flags & BLAST_SYN)
            input_syn(server, &segment, frames[i].bytes);
        else if (server->conns[segment.source_port].open)
            input(server, &segment, now_ns);
    }
    look_at_timers(server, now_ns);
    server->wire->flush(server->wire);
    return received > 0;
}
