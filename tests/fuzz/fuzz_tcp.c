/* fuzz_tcp.c - a peer that says anything, with numbers near the right ones, and an application that
 * does anything, in any order.
 *
 * An input is a script of operations.  A byte is a function of its sequence number, so what the
 * application gets can be checked whatever was cut, repeated or overlapped, and whichever of a
 * peer's SYNs a connection is of.  At the end everything is given back.
 */
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/inet_csum.h"
#include "dataplane/tcp.h"
#include "tests/big_endian.h"

#define PEERS     3
#define PORT      8080
#define MS        1000000ull
#define DATA_MAX  4096 /* bytes of a segment */
#define TCP_BYTES (1u << 17)

enum op {
    OP_SEGMENT,
    OP_OPEN,
    OP_DATA,
    OP_TIME,
    OP_SEND,
    OP_FINISH,
    OP_ABORT,
    OP_RESUME,
    OP_TAKE,
    OP_RAW,
    OP_ICMP,
    OP_NO_FRAMES,
    OP_WAKE,
    OP_ANSWER,
    OP_COUNT
};

struct peer {
    bool ipv6, ts, sack;
    uint8_t addrs[32];
    uint16_t port;
    uint32_t irs, seq; /* where its stream begins, and goes on */
    uint32_t ack;      /* what it heard of ours */
    uint32_t ts_value, ts_recent;
    struct tcp_conn *conn;
    uint32_t first; /* sequence number of the connection's first byte */
    uint32_t received;
    bool ended;
};

struct run {
    struct tcp *tcp;
    uint64_t now_ns;
    uint32_t seq; /* of the segment that is said */
    struct peer peers[PEERS];
    const uint8_t *at, *end; /* of the script */
    unsigned no_frames;
    uint32_t take_max;
    bool out;
    uint64_t given, opened, closed;
    uint8_t *frame; /* TCP_FRAME_MAX */
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static uint32_t next(struct run *run, unsigned bytes)
{
    uint32_t value = 0;
    while (bytes--)
        value = value << 8 | (run->at < run->end ? *run->at++ : 0);
    return value;
}

static uint8_t stream_byte(uint32_t seq)
{
    return (uint8_t)(seq * 0x9e3779b9u >> 23);
}

static struct peer *peer_of(struct run *run, const struct tcp_conn *conn)
{
    uint32_t i = tcp_conn_peer(conn).port - 1000u;
    require(i < PEERS);
    return &run->peers[i];
}

static uint8_t *link_alloc(void *link, void **buffer)
{
    struct run *run = link;
    require(!run->out);
    if (run->no_frames) {
        run->no_frames--;
        return NULL;
    }
    run->out = true;
    *buffer = run->frame;
    return run->frame;
}

/* link_send checks what holds for every frame, and lets the peer learn from it. */
static void link_send(void *link, void *buffer, uint32_t len)
{
    struct run *run = link;
    require(run->out && buffer == run->frame && len <= TCP_FRAME_MAX && len >= 54);
    run->out = false;
    bool ipv6 = run->frame[12] == 0x86;
    const uint8_t *ip = run->frame + 14, *tcp = ip + (ipv6 ? 40 : 20);
    uint32_t total = (uint32_t)(run->frame + len - tcp), header = (tcp[12] >> 4) * 4u;
    require(header >= 20 && header <= total);
    uint64_t pseudo =
        ipv6 ? inet_csum_pseudo6(ip + 8, 6, total) : inet_csum_pseudo4(ip + 12, 6, (uint16_t)total);
    require(inet_csum_fold(inet_csum_add(pseudo, tcp, total)) == 0);
    uint32_t i = ((uint32_t)tcp[2] << 8 | tcp[3]) - 1000u;
    if (i >= PEERS)
        return;
    struct peer *p = &run->peers[i];
    if (tcp[13] & 2)
        p->ack = get32(tcp + 4) + 1;
    else if (total > header || tcp[13] & 1)
        p->ack = get32(tcp + 4) + (total - header) + (tcp[13] & 1);
    if (header >= 32 && tcp[20] == 1 && tcp[22] == 8)
        p->ts_recent = get32(tcp + 24);
    else if (tcp[13] & 2 && p->ts)
        p->ts_recent = get32(run->frame + len - 8);
}

static bool app_open(void *app, struct tcp_conn *conn)
{
    struct run *run = app;
    struct peer *p = peer_of(run, conn);
    require(!p->conn);
    p->conn = conn;
    p->first =
        run->seq; /* nothing is kept of a SYN: what it began is what acknowledges the answer */
    p->received = 0;
    p->ended = false;
    run->opened++;
    return true;
}

static uint32_t app_data(void *app, struct tcp_conn *conn, const uint8_t *bytes, uint32_t len)
{
    struct run *run = app;
    struct peer *p = peer_of(run, conn);
    require(p->conn == conn && len >= 1 && !p->ended);
    if (len > run->take_max)
        len = run->take_max;
    for (uint32_t i = 0; i < len; i++)
        require(bytes[i] == stream_byte(p->first + p->received + i));
    p->received += len;
    run->given += len;
    return len;
}

static void app_end(void *app, struct tcp_conn *conn)
{
    struct peer *p = peer_of(app, conn);
    require(p->conn == conn && !p->ended);
    p->ended = true;
}

static void app_writable(void *app, struct tcp_conn *conn)
{
    struct run *run = app;
    require(peer_of(run, conn)->conn == conn);
    tcp_send(run->tcp, conn, "more", 4);
}

static void app_wake(void *app, struct tcp_conn *conn)
{
    struct run *run = app;
    require(peer_of(run, conn)->conn == conn);
    tcp_resume(run->tcp, conn);
}

static void app_closed(void *app, struct tcp_conn *conn, enum tcp_end why)
{
    struct run *run = app;
    struct peer *p = peer_of(run, conn);
    require(p->conn == conn && why < TCP_END_COUNT);
    p->conn = NULL;
    run->closed++;
}

static void input(struct run *run, const struct peer *p, const uint8_t *bytes, uint32_t len,
                  bool checked)
{
    static const uint8_t link4[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00};
    static const uint8_t link6[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd};
    static uint8_t room[60 + DATA_MAX]; /* a segment ends where it does */
    uint8_t *copy = room + sizeof room - len;
    memcpy(copy, bytes, len);
    struct tcp_segment segment = {
        .link = p->ipv6 ? link6 : link4,
        .link_len = 14,
        .family = p->ipv6 ? 6 : 4,
        .checksum_ok = checked,
        .src = p->addrs,
        .dst = p->addrs + (p->ipv6 ? 16 : 4),
        .bytes = copy,
        .len = len,
    };
    tcp_input(run->tcp, &segment, run->now_ns);
}

/* say sends bytes [place, place + len) of the stream. */
static void say(struct run *run, struct peer *p, uint8_t flags, uint32_t place, uint32_t ack,
                uint32_t len, uint16_t window, const uint32_t *sack)
{
    uint8_t bytes[60 + DATA_MAX];
    memset(bytes, 0, 20);
    memcpy(bytes, (uint8_t[]){(uint8_t)(p->port >> 8), (uint8_t)p->port, PORT >> 8, PORT & 255}, 4);
    uint32_t n = 20, seq = p->irs + 1 + place;
    put32(bytes + 4, seq);
    put32(bytes + 8, ack);
    bytes[13] = flags;
    bytes[14] = (uint8_t)(window >> 8);
    bytes[15] = (uint8_t)window;
    if (flags & 2) {
        memcpy(bytes + n, (uint8_t[]){2, 4, 5, 0xb4, 1, 3, 3, 2, 4, 2, 1, 1}, 12);
        n += p->sack ? 12 : 8;
    }
    if (p->ts) {
        memcpy(bytes + n, (uint8_t[]){1, 1, 8, 10}, 4);
        put32(bytes + n + 4, p->ts_value);
        put32(bytes + n + 8, p->ts_recent);
        n += 12;
    }
    if (sack) {
        memcpy(bytes + n, (uint8_t[]){1, 1, 5, 10}, 4);
        put32(bytes + n + 4, sack[0]);
        put32(bytes + n + 8, sack[1]);
        n += 12;
    }
    bytes[12] = (uint8_t)(n / 4 << 4);
    for (uint32_t i = 0; i < len; i++)
        bytes[n + i] = stream_byte(seq + i);
    run->seq = seq;
    input(run, p, bytes, n + len, true);
}

/* near draws a number around zero: mostly small, sometimes anything. */
static uint32_t near(struct run *run)
{
    uint32_t kind = next(run, 1);
    if (kind < 64)
        return 0;
    if (kind < 160)
        return (uint32_t)(int8_t)next(run, 1);
    return kind < 250 ? (uint32_t)(int16_t)next(run, 2) : next(run, 4);
}

static void do_segment(struct run *run, struct peer *p)
{
    uint8_t flags = (uint8_t)next(run, 1);
    uint32_t place = p->seq - p->irs - 1 + near(run), ack = p->ack + near(run);
    uint32_t len = next(run, 1) * (flags & 64 ? 16 : 1), sack[2];
    uint16_t window = (uint16_t)next(run, 2);
    bool ranges = flags & 128 && p->sack && !(flags & 2);
    if (flags & 2 && !p->conn) { /* begins another stream */
        p->irs += 1 + place;
        p->seq = p->irs + 1;
        place = UINT32_MAX;
    }
    if (place > 1u << 20) /* a stream has no bytes before its first */
        len = 0;
    if (ranges) {
        sack[0] = p->ack + near(run);
        sack[1] = sack[0] + near(run);
    }
    say(run, p, flags & 63, place, ack, len, window, ranges ? sack : NULL);
}

static void do_open(struct run *run, struct peer *p)
{
    uint8_t how = (uint8_t)next(run, 1);
    if (p->conn)
        return;
    p->ts = how & 1;
    p->sack = how & 2;
    p->irs += 100000 + how;
    p->ts_value += 1;
    p->seq = p->irs + 1;
    say(run, p, 2, UINT32_MAX, 0, 0, 65535, NULL);
    say(run, p, 16, 0, p->ack, 0, (uint16_t)(how << 4), NULL);
}

static void do_raw(struct run *run, struct peer *p)
{
    uint8_t bytes[128];
    uint32_t len = next(run, 1) % sizeof bytes;
    for (uint32_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)next(run, 1);
    if (len >= 4)
        memcpy(bytes, (uint8_t[]){(uint8_t)(p->port >> 8), (uint8_t)p->port, PORT >> 8, PORT & 255},
               4);
    if (len >= 8)
        run->seq = get32(bytes + 4);
    bool payload = len >= 20 && (bytes[12] >> 4) * 4u < len; /* would not be the stream's */
    if (!payload)
        input(run, p, bytes, len, run->no_frames % 2);
}

static void do_icmp(struct run *run, struct peer *p)
{
    uint8_t quoted[8] = {PORT >> 8, PORT & 255, (uint8_t)(p->port >> 8), (uint8_t)p->port};
    put32(quoted + 4, p->ack - 1 + near(run));
    struct tcp_icmp error = {
        .family = p->ipv6 ? 6 : 4,
        .type = (uint8_t)next(run, 1) & 15,
        .code = (uint8_t)next(run, 1) & 7,
        .mtu = next(run, 2),
        .src = p->addrs + (p->ipv6 ? 16 : 4),
        .dst = p->addrs,
        .bytes = quoted,
        .len = 8,
    };
    tcp_icmp(run->tcp, &error, run->now_ns);
}

static void do_data(struct run *run, struct peer *p)
{
    uint32_t len = next(run, 1) * 8;
    say(run, p, 24, p->seq - p->irs - 1, p->ack, len, 60000, NULL);
    p->seq += len;
}

static void do_op(struct run *run, enum op op, struct peer *p)
{
    static const uint8_t bytes[5000];
    switch (op) {
    case OP_SEGMENT:
        do_segment(run, p);
        break;
    case OP_OPEN:
        do_open(run, p);
        break;
    case OP_DATA:
        do_data(run, p);
        break;
    case OP_TIME:
        run->now_ns += next(run, 1) * (next(run, 1) % 8 ? 1 : 1000) * MS;
        p->ts_value += 1;
        tcp_poll(run->tcp, run->now_ns, 4);
        break;
    case OP_RAW:
        do_raw(run, p);
        break;
    case OP_ICMP:
        do_icmp(run, p);
        break;
    case OP_TAKE:
        run->take_max = next(run, 1);
        break;
    case OP_NO_FRAMES:
        run->no_frames = next(run, 1) % 8;
        break;
    case OP_ANSWER: /* the peer acknowledges what it heard */
        say(run, p, 16, p->seq - p->irs - 1, p->ack, 0, (uint16_t)next(run, 2), NULL);
        break;
    default:
        if (!p->conn)
            break;
        if (op == OP_SEND)
            tcp_send(run->tcp, p->conn, bytes, next(run, 1) * 19);
        else if (op == OP_FINISH)
            tcp_finish(run->tcp, p->conn);
        else if (op == OP_ABORT)
            tcp_abort(run->tcp, p->conn);
        else if (op == OP_RESUME)
            tcp_resume(run->tcp, p->conn);
        else
            tcp_wake(run->tcp, p->conn, run->now_ns + next(run, 2) * MS);
    }
}

static void start(struct run *run, struct arena *arena, const struct hash_key *key)
{
    struct tcp_wiring wiring = {
        .limits = {.connections = 2, .time_waits = 2, .chunks = 16},
        .link = {link_alloc, link_send, run},
        .app = {app_open, app_data, app_end, app_writable, app_wake, app_closed, run},
        .port = PORT,
        .mtu = 1500,
        .key = key,
        .seed = 7,
    };
    tcp_settings_init(&wiring.settings);
    wiring.settings.receive_bytes = 8192;
    wiring.settings.send_bytes = 8192;
    wiring.settings.linger_bytes = 2000;
    static _Alignas(64) uint8_t memory[TCP_BYTES];
    require(tcp_footprint(&wiring.limits) <= sizeof memory);
    arena_init(arena, memory, sizeof memory);
    run->tcp = tcp_init(arena, &wiring, run->now_ns);
}

static void end(struct run *run)
{
    run->no_frames = 0;
    for (unsigned i = 0; i < PEERS; i++)
        if (run->peers[i].conn)
            tcp_abort(run->tcp, run->peers[i].conn);
    for (unsigned i = 0; i < 8; i++)
        tcp_poll(run->tcp, run->now_ns, 64);
    const struct tcp_counters *c = tcp_counters(run->tcp);
    require(c->connections == 0 && c->chunks == 0 && !run->out);
    require(c->bytes_in == run->given && run->opened == run->closed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[HASH_SEED_BYTES] = "fuzz";
    struct hash_key key;
    struct arena arena;
    if (size > 4096)
        return 0;
    static uint8_t frame[TCP_FRAME_MAX];
    struct run the_run = {
        .now_ns = MS,
        .at = data,
        .end = data + size,
        .take_max = UINT32_MAX,
        .frame = frame,
    };
    struct run *run = &the_run;
    hash_key_init(&key, seed);
    for (unsigned i = 0; i < PEERS; i++) {
        run->peers[i].ipv6 = i == 2;
        run->peers[i].port = (uint16_t)(1000 + i);
        memcpy(run->peers[i].addrs, (uint8_t[]){192, 0, 2, 9, 192, 0, 2, 1, [20] = 7}, 21);
    }
    start(run, &arena, &key);
    while (run->at < run->end) {
        uint32_t what = next(run, 1);
        do_op(run, what % OP_COUNT, &run->peers[what / OP_COUNT % PEERS]);
    }
    end(run);
    return 0;
}
