/* tcp_kit.h - an engine with nothing around it, and a scripted peer that knows the wire on its own:
 * what a test says is a segment, what it expects is the next frame, on a clock that it moves.
 *
 * Frames are read and checksums made here the plain way, so that they do not come from what is
 * tested.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/tcp.h"
#include "tests/big_endian.h"

#define MS        1000000ull
#define KIT_PORT  8080
#define KIT_MTU   1500
#define QUEUE_MAX 256
#define KEPT_MAX  (1u << 21)

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32 };

struct seen { /* a segment of the engine's, as read from its frame */
    uint8_t flags;
    uint32_t seq, ack, len, window;
    bool has_ts, sack_ok;
    uint32_t ts_value, ts_echo;
    int wscale, mss; /* -1: absent */
    unsigned sacks;
    uint32_t sack[4][2];
    uint8_t payload[1500];
};

struct app_conn {
    struct tcp_conn *conn;
    uint32_t received;
    bool ended, closed;
    enum tcp_end why;
    unsigned writable, woken;
};

/* What the application does; the tests set it. */
enum app_mode { APP_KEEP, APP_ECHO, APP_CLOSE_AT_END = 4 };

struct kit {
    struct tcp *tcp;
    void *memory;
    struct tcp_wiring wiring;
    struct hash_key key;
    uint64_t now_ns;
    uint8_t frames[QUEUE_MAX][TCP_FRAME_MAX + 64];
    uint32_t frame_len[QUEUE_MAX];
    unsigned first, count, in_use;
    unsigned no_frames; /* allocations that will fail */
    unsigned mode;
    bool refuse;
    uint32_t take_max; /* bytes that one call of data takes */
    unsigned opened, closed;
    struct app_conn last;           /* the connection that was opened last */
    uint8_t kept[KEPT_MAX];         /* what it received */
    struct tcp_conn *abort_in_data; /* aborted when data comes */
    bool finish_in_data;
};

static inline uint32_t kit_sum(uint32_t sum, const uint8_t *bytes, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    return sum;
}

static inline uint32_t kit_fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

/* The link. */

static inline uint8_t *kit_alloc(void *link, void **buffer)
{
    struct kit *kit = link;
    if (kit->no_frames) {
        kit->no_frames--;
        return NULL;
    }
    assert_true(kit->count < QUEUE_MAX);
    uint8_t *frame = kit->frames[(kit->first + kit->count) % QUEUE_MAX];
    memset(frame, 0xee, TCP_FRAME_MAX + 64);
    kit->in_use++;
    *buffer = frame;
    return frame;
}

static inline void kit_send(void *link, void *buffer, uint32_t len)
{
    struct kit *kit = link;
    uint8_t *frame = kit->frames[(kit->first + kit->count) % QUEUE_MAX];
    assert_ptr_equal(buffer, frame);
    assert_in_range(len, 54, TCP_FRAME_MAX);
    for (unsigned i = len; i < TCP_FRAME_MAX + 64; i++)
        assert_int_equal(frame[i], 0xee);
    kit->frame_len[(kit->first + kit->count) % QUEUE_MAX] = len;
    kit->count++;
    kit->in_use--;
}

/* The application. */

static inline bool kit_open(void *app, struct tcp_conn *conn)
{
    struct kit *kit = app;
    kit->opened++;
    if (kit->refuse)
        return false;
    kit->last = (struct app_conn){.conn = conn};
    return true;
}

static inline uint32_t kit_data(void *app, struct tcp_conn *conn, const uint8_t *bytes,
                                uint32_t len)
{
    struct kit *kit = app;
    assert_true(len >= 1);
    if (kit->abort_in_data)
        tcp_abort(kit->tcp, kit->abort_in_data);
    if (kit->finish_in_data)
        tcp_finish(kit->tcp, conn);
    if (len > kit->take_max)
        len = kit->take_max;
    if (kit->mode & APP_ECHO)
        len = tcp_send(kit->tcp, conn, bytes, len);
    if (conn == kit->last.conn) {
        assert_true(kit->last.received + len <= KEPT_MAX);
        memcpy(kit->kept + kit->last.received, bytes, len);
        kit->last.received += len;
    }
    return len;
}

static inline void kit_end(void *app, struct tcp_conn *conn)
{
    struct kit *kit = app;
    if (conn == kit->last.conn) {
        assert_false(kit->last.ended);
        kit->last.ended = true;
    }
    if (kit->mode & APP_CLOSE_AT_END)
        tcp_finish(kit->tcp, conn);
}

static inline void kit_writable(void *app, struct tcp_conn *conn)
{
    struct kit *kit = app;
    if (conn == kit->last.conn)
        kit->last.writable++;
    if (kit->mode & APP_ECHO)
        tcp_resume(kit->tcp, conn);
}

static inline void kit_wake(void *app, struct tcp_conn *conn)
{
    struct kit *kit = app;
    if (conn == kit->last.conn)
        kit->last.woken++;
}

static inline void kit_closed(void *app, struct tcp_conn *conn, enum tcp_end why)
{
    struct kit *kit = app;
    kit->closed++;
    /* It is over: these change nothing. */
    assert_int_equal(tcp_send(kit->tcp, conn, "x", 1), 0);
    assert_int_equal(tcp_send_room(kit->tcp, conn), 0);
    tcp_resume(kit->tcp, conn);
    tcp_finish(kit->tcp, conn);
    tcp_abort(kit->tcp, conn);
    tcp_wake(kit->tcp, conn, 0);
    assert_null(tcp_conn_at(kit->tcp, tcp_conn_index(kit->tcp, conn)));
    if (conn == kit->last.conn) {
        assert_false(kit->last.closed);
        kit->last.closed = true;
        kit->last.why = why;
    }
}

static inline void kit_start(struct kit *kit)
{
    size_t bytes = tcp_footprint(&kit->wiring.limits);
    kit->memory = malloc(bytes);
    struct arena arena;
    memset(kit->memory, 0, bytes);
    arena_init(&arena, kit->memory, bytes);
    kit->wiring.link = (struct tcp_link){kit_alloc, kit_send, kit};
    kit->wiring.app = (struct tcp_app){
        kit_open, kit_data, kit_end, kit_writable, kit_wake, kit_closed, kit,
    };
    kit->tcp = tcp_init(&arena, &kit->wiring, kit->now_ns);
}

/* kit_new makes one with room for 64 connections; a test may change the wiring and start it. */
static inline struct kit *kit_make(void)
{
    static const uint8_t seed[HASH_SEED_BYTES] = "a secret of the tests";
    struct kit *kit = calloc(1, sizeof *kit);
    assert_non_null(kit);
    hash_key_init(&kit->key, seed);
    kit->now_ns = 77 * MS;
    kit->take_max = UINT32_MAX;
    kit->wiring = (struct tcp_wiring){
        .limits = {.connections = 64, .time_waits = 64, .chunks = 256},
        .port = KIT_PORT,
        .mtu = KIT_MTU,
        .key = &kit->key,
        .seed = 42,
    };
    tcp_settings_init(&kit->wiring.settings);
    return kit;
}

static inline struct kit *kit_new(void)
{
    struct kit *kit = kit_make();
    kit_start(kit);
    return kit;
}

static inline const struct tcp_counters *counters(const struct kit *kit)
{
    return tcp_counters(kit->tcp);
}

static inline uint64_t dropped(const struct kit *kit, enum tcp_reason reason)
{
    return counters(kit)->dropped[reason];
}

static inline unsigned poll(struct kit *kit)
{
    return tcp_poll(kit->tcp, kit->now_ns, 256);
}

/* pass moves the clock, a millisecond at a time. */
static inline void pass(struct kit *kit, uint32_t ms)
{
    while (ms--) {
        kit->now_ns += MS;
        poll(kit);
    }
}

static inline void kit_free(struct kit *kit)
{
    assert_int_equal(kit->in_use, 0);
    free(kit->memory);
    free(kit);
}

/* The peer. */

struct peer {
    struct kit *kit;
    uint8_t family;
    uint8_t addr[16], ours[16];
    uint16_t port;
    uint32_t seq, ack; /* next of its own, next that it expects */
    uint32_t window;   /* as written into the header */
    bool ts, sack;
    int wscale;         /* offered; -1: not */
    int mss;            /* offered; 0: not */
    uint32_t ts_value;  /* of the next segment */
    uint32_t ts_recent; /* to be echoed */
    unsigned sacks;     /* blocks for the next segment */
    uint32_t sack_block[4][2];
    unsigned tags;
    const uint8_t *options; /* instead of its own */
    uint32_t options_len;
    bool bad_checksum, checked;
};

static inline struct peer peer4(struct kit *kit, uint16_t port)
{
    return (struct peer){.kit = kit,
                         .family = 4,
                         .addr = {192, 0, 2, 7},
                         .ours = {192, 0, 2, 1},
                         .port = port,
                         .seq = 1000000,
                         .window = 65535,
                         .mss = 1460,
                         .wscale = -1,
                         .ts_value = 5000};
}

static inline struct peer peer6(struct kit *kit, uint16_t port)
{
    struct peer p = peer4(kit, port);
    static const uint8_t prefix[4] = {0x20, 0x01, 0x0d, 0xb8};
    p.family = 6;
    memset(p.addr, 0, 16);
    memset(p.ours, 0, 16);
    memcpy(p.addr, prefix, 4);
    memcpy(p.ours, prefix, 4);
    p.addr[15] = 7;
    p.ours[15] = 1;
    return p;
}

static inline uint32_t peer_options(const struct peer *p, uint8_t flags, uint8_t *to)
{
    uint32_t n = 0;
    if (p->options) {
        memcpy(to, p->options, p->options_len);
        return p->options_len;
    }
    if (flags & SYN) {
        if (p->mss) {
            memcpy(to, (uint8_t[]){2, 4, (uint8_t)(p->mss >> 8), (uint8_t)p->mss}, 4);
            n += 4;
        }
        if (p->wscale >= 0) {
            memcpy(to + n, (uint8_t[]){1, 3, 3, (uint8_t)p->wscale}, 4);
            n += 4;
        }
        if (p->sack) {
            memcpy(to + n, (uint8_t[]){1, 1, 4, 2}, 4);
            n += 4;
        }
    }
    if (p->ts) {
        memcpy(to + n, (uint8_t[]){1, 1, 8, 10}, 4);
        put32(to + n + 4, p->ts_value);
        put32(to + n + 8, p->ts_recent);
        n += 12;
    }
    if (p->sacks) {
        memcpy(to + n, (uint8_t[]){1, 1, 5, (uint8_t)(2 + 8 * p->sacks)}, 4);
        for (unsigned i = 0; i < p->sacks; i++) {
            put32(to + n + 4 + i * 8, p->sack_block[i][0]);
            put32(to + n + 8 + i * 8, p->sack_block[i][1]);
        }
        n += 4 + 8 * p->sacks;
    }
    return n;
}

static inline uint32_t kit_pseudo(uint8_t family, const uint8_t *a, const uint8_t *b, uint32_t len)
{
    uint32_t n = family == 4 ? 4 : 16;
    return kit_sum(kit_sum(6 + len, a, n), b, n);
}

/* send_raw gives the engine bytes as a TCP segment; they end where the allocation does. */
static inline void send_raw(const struct peer *p, const uint8_t *bytes, uint32_t len)
{
    static const uint8_t link[22] = {2, 0, 0,    0,    0,    1,    2,    0, 0,    0,
                                     0, 2, 0x88, 0xa8, 0x20, 0x64, 0x81, 0, 0x60, 0x65};
    uint8_t head[22];
    memcpy(head, link, 22);
    memcpy(head + 12, link + 20 - 4 * p->tags, 4 * p->tags);
    put16(head + 12 + 4 * p->tags, p->family == 4 ? 0x0800 : 0x86dd);
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    struct tcp_segment segment = {
        .link = head,
        .link_len = 14 + 4 * p->tags,
        .family = p->family,
        .src = p->addr,
        .dst = p->ours,
        .bytes = copy,
        .len = len,
        .checksum_ok = p->checked,
    };
    tcp_input(p->kit->tcp, &segment, p->kit->now_ns);
    free(copy);
}

/* say sends a segment with any numbers; the checksum is right unless bad_checksum. */
static inline void say(const struct peer *p, uint8_t flags, uint32_t seq, uint32_t ack,
                       const void *payload, uint32_t len)
{
    uint8_t bytes[60 + 65536] = {0};
    uint32_t options = peer_options(p, flags, bytes + 20);
    uint32_t total = 20 + options + len;
    put16(bytes, p->port);
    put16(bytes + 2, KIT_PORT);
    put32(bytes + 4, seq);
    put32(bytes + 8, flags & ACK ? ack : 0);
    bytes[12] = (uint8_t)((20 + options) / 4 << 4);
    bytes[13] = flags;
    put16(bytes + 14, p->window);
    if (len)
        memcpy(bytes + 20 + options, payload, len);
    uint32_t sum = kit_pseudo(p->family, p->addr, p->ours, total);
    put16(bytes + 16, kit_fold(kit_sum(sum, bytes, total)) ^ (p->bad_checksum ? 1 : 0));
    send_raw(p, bytes, total);
}

/* tell sends the peer's next segment, and moves its sequence. */
static inline void tell(struct peer *p, uint8_t flags, const void *payload, uint32_t len)
{
    say(p, flags, p->seq, p->ack, payload, len);
    p->seq += len + (flags & FIN ? 1 : 0) + (flags & SYN ? 1 : 0);
}

static inline void read_options(struct seen *s, const uint8_t *at, uint32_t len)
{
    for (uint32_t i = 0; i < len;) {
        if (at[i] <= 1) {
            i++;
            continue;
        }
        uint32_t n = at[i + 1];
        assert_in_range(n, 2, len - i);
        switch (at[i]) {
        case 2:
            s->mss = (int)get16(at + i + 2);
            break;
        case 3:
            s->wscale = at[i + 2];
            break;
        case 4:
            s->sack_ok = true;
            break;
        case 5:
            s->sacks = (n - 2) / 8;
            for (unsigned k = 0; k < s->sacks; k++) {
                s->sack[k][0] = get32(at + i + 2 + k * 8);
                s->sack[k][1] = get32(at + i + 6 + k * 8);
            }
            break;
        case 8:
            s->has_ts = true;
            s->ts_value = get32(at + i + 2);
            s->ts_echo = get32(at + i + 6);
            break;
        default:
            fail_msg("option %u", at[i]);
        }
        i += n;
    }
}

/* hear reads the next frame, which must be for this peer and right in all that is not said here;
 * false: there is none. */
static inline bool hear(struct peer *p, struct seen *s)
{
    struct kit *kit = p->kit;
    memset(s, 0, sizeof *s);
    s->wscale = s->mss = -1;
    if (kit->count == 0)
        return false;
    const uint8_t *frame = kit->frames[kit->first % QUEUE_MAX];
    uint32_t len = kit->frame_len[kit->first % QUEUE_MAX];
    kit->first++;
    kit->count--;
    static const uint8_t macs[12] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
    uint32_t l3 = 14 + 4 * p->tags, n = p->family == 4 ? 4 : 16;
    assert_memory_equal(frame, macs, 12);
    assert_int_equal(get16(frame + l3 - 2), p->family == 4 ? 0x0800 : 0x86dd);
    const uint8_t *ip = frame + l3, *src = p->family == 4 ? ip + 12 : ip + 8;
    const uint8_t *tcp = ip + (p->family == 4 ? 20 : 40);
    uint32_t total = (uint32_t)(frame + len - tcp);
    if (p->family == 4) {
        assert_int_equal(ip[0], 0x45);
        assert_int_equal(ip[9], 6);
        assert_int_equal(get16(ip + 2), len - l3);
        assert_int_equal(kit_fold(kit_sum(0, ip, 20)), 0);
    } else {
        assert_int_equal(ip[0] >> 4, 6);
        assert_int_equal(ip[6], 6);
        assert_int_equal(get16(ip + 4), total);
    }
    assert_memory_equal(src, p->ours, n);
    assert_memory_equal(src + n, p->addr, n);
    assert_int_equal(get16(tcp), KIT_PORT);
    assert_int_equal(get16(tcp + 2), p->port);
    uint32_t pseudo = kit_pseudo(p->family, p->addr, p->ours, total);
    if (!kit->wiring.tx_checksum)
        assert_int_equal(kit_fold(kit_sum(pseudo, tcp, total)), 0);
    else
        assert_int_equal(get16(tcp + 16), kit_fold(pseudo) ^ 0xffff);
    s->seq = get32(tcp + 4);
    s->ack = get32(tcp + 8);
    s->flags = tcp[13];
    s->window = get16(tcp + 14);
    uint32_t header = (tcp[12] >> 4) * 4u;
    assert_in_range(header, 20, total);
    s->len = total - header;
    memcpy(s->payload, tcp + header, s->len);
    read_options(s, tcp + 20, header - 20);
    if (s->has_ts)
        p->ts_recent = s->ts_value;
    return true;
}

/* expect reads the next frame, which must have these flags and so many bytes. */
static inline struct seen expect(struct peer *p, uint8_t flags, uint32_t len)
{
    struct seen s;
    if (!hear(p, &s))
        fail_msg("nothing was sent");
    assert_int_equal(s.flags, flags);
    assert_int_equal(s.len, len);
    return s;
}

static inline void expect_nothing(struct peer *p)
{
    struct seen s;
    if (hear(p, &s))
        fail_msg("sent: flags %u, seq %u, ack %u, %u bytes", s.flags, s.seq, s.ack, s.len);
}

/* connect_peer does the handshake; its last segment carries nothing. */
static inline struct seen connect_peer(struct peer *p)
{
    tell(p, SYN, NULL, 0);
    struct seen s = expect(p, SYN | ACK, 0);
    assert_int_equal(s.ack, p->seq);
    p->ack = s.seq + 1;
    unsigned before = p->kit->opened;
    tell(p, ACK, NULL, 0);
    poll(p->kit);
    assert_int_equal(p->kit->opened, before + 1);
    return s;
}
