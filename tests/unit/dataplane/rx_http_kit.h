/* rx_http_kit.h - what the tests of HTTP on an rx part share: a port whose buffers are counted, the
 * client at its other end, and a shard that answers when it is told to.
 *
 * Memory:  static, and an arena by calloc, freed by teardown.  Threads: one.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/rx_http.h"
#include "tests/big_endian.h"

#define BUFFERS 1024
#define SLOTS   16
#define ARENA   (64u << 20)

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t our_ip[4] = {192, 0, 2, 1}, peer_ip[4] = {192, 0, 2, 2};

/* A port whose buffers are counted, and the client at its other end. */
static struct {
    struct packet packets[BUFFERS];
    uint8_t frames[BUFFERS][2048];
    struct packet *idle[BUFFERS];
    uint32_t idle_count;
    struct packet *waiting[64];
    uint32_t waiting_count;
    uint32_t transmit_room; /* frames that it takes in one call */
    uint32_t left, whole; /* segments whose checksum was left to the port, and those that had it */
    bool no_buffers;
} port;

static struct {
    uint16_t port;
    uint32_t seq, ack;
    bool open, reset, finished;
    char text[65536]; /* what the server said */
    size_t text_len;
} client;

static struct rx rx;
static struct arena arena;
static struct event_ring events;
static struct answer_ring answers;
static struct hash_key key;
static struct journal journal;
static _Atomic bool draining;

static inline uint32_t port_receive(void *arg, struct packet **packets, uint32_t count)
{
    (void)arg;
    uint32_t n = count < port.waiting_count ? count : port.waiting_count;
    memcpy(packets, port.waiting, n * sizeof *packets);
    port.waiting_count -= n;
    memmove(port.waiting, port.waiting + n, port.waiting_count * sizeof *packets);
    return n;
}

static inline void port_release(void *arg, struct packet **packets, uint32_t count)
{
    (void)arg;
    for (uint32_t i = 0; i < count; i++)
        port.idle[port.idle_count++] = packets[i];
}

static inline struct packet *port_alloc(void *arg)
{
    (void)arg;
    if (port.no_buffers || !port.idle_count)
        return NULL;
    struct packet *packet = port.idle[--port.idle_count];
    packet->frame = port.frames[packet - port.packets];
    return packet;
}

/* hear takes in what the server sends, in order, as a link without loss brings it. */
static inline void hear(const uint8_t *frame, uint32_t len)
{
    const uint8_t *ip = frame + 14, *tcp = ip + 20;
    assert_memory_equal(frame, peer_mac, 6);
    assert_memory_equal(frame + 6, our_mac, 6);
    if (ip[9] != 6)
        return;
    uint32_t total = (uint32_t)ip[2] << 8 | ip[3], head = (tcp[12] >> 4) * 4u;
    assert_in_range(total, 40, len - 14);
    assert_memory_equal(ip + 12, our_ip, 4);
    assert_memory_equal(ip + 16, peer_ip, 4);
    uint32_t seq = get32(tcp + 4), bytes = total - 20 - head;
    client.reset |= (tcp[13] & RST) != 0;
    if (tcp[13] & SYN) {
        client.ack = seq + 1;
        client.open = true;
    } else if (seq == client.ack) {
        memcpy(client.text + client.text_len, tcp + head, bytes);
        client.text_len += bytes;
        client.ack += bytes + (tcp[13] & FIN ? 1 : 0);
        client.finished |= (tcp[13] & FIN) != 0;
    }
}

/* count_sums notes what the port is asked for, and where it looks for the IP header. */
static inline void count_sums(const struct packet *packet)
{
    const uint8_t *ip = packet->frame + packet->unsummed;
    if (!packet->unsummed) {
        port.whole++;
        return;
    }
    assert_int_equal(get16(ip - 2), 0x0800);
    assert_int_equal(ip[0], 0x45);
    assert_int_equal(ip[9], 6);
    port.left++;
}

static inline uint32_t port_transmit(void *arg, struct packet **packets, uint32_t count)
{
    uint32_t n = count < port.transmit_room ? count : port.transmit_room;
    for (uint32_t i = 0; i < n; i++) {
        count_sums(packets[i]);
        hear(packets[i]->frame, packets[i]->len);
    }
    port_release(arg, packets, n);
    return n;
}

static inline uint8_t *frame(uint8_t protocol, uint32_t len)
{
    struct packet *packet = port.idle[--port.idle_count];
    uint8_t *f = port.frames[packet - port.packets];
    memset(f, 0, 14 + 20 + len);
    memcpy(f, our_mac, 6);
    memcpy(f + 6, peer_mac, 6);
    put16(f + 12, 0x0800);
    f[14] = 0x45;
    put16(f + 16, 20 + len);
    f[22] = 64;
    f[23] = protocol;
    memcpy(f + 26, peer_ip, 4);
    memcpy(f + 30, our_ip, 4);
    *packet =
        (struct packet){.frame = f, .len = 34 + len, .offload = NET_IP_CHECKED | NET_L4_CHECKED};
    port.waiting[port.waiting_count++] = packet;
    return f + 34;
}

static inline void segment(unsigned flags, const char *text, size_t len)
{
    uint8_t *tcp = frame(6, 20 + (uint32_t)len);
    put16(tcp, client.port);
    put16(tcp + 2, 8080);
    put32(tcp + 4, client.seq);
    put32(tcp + 8, flags & ACK ? client.ack : 0);
    tcp[12] = 0x50;
    tcp[13] = (uint8_t)flags;
    put16(tcp + 14, 65535);
    memcpy(tcp + 20, text, len);
    client.seq += (uint32_t)len + (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0);
}

static inline void turn(void)
{
    rx_poll(&rx, true);
}

static inline void dial(void)
{
    static uint16_t next_port = 40000;
    memset(&client, 0, sizeof client);
    client.port = next_port++;
    client.seq = 1000;
    segment(SYN, "", 0);
    turn();
    assert_true(client.open);
    segment(ACK, "", 0);
    turn();
}

static inline void say(const char *text)
{
    segment(PSH | ACK, text, strlen(text));
    turn();
}

static inline const char *event_text(unsigned n)
{
    static char text[256];
    snprintf(text, sizeof text,
             "{\"id\":\"00000000-0000-4000-8000-%012u\",\"time\":1795209600123,"
             "\"user\":\"u-%u\",\"type\":\"view\",\"item\":\"A\"}",
             n + 1, n);
    return text;
}

static inline void post(unsigned n)
{
    char wire[1024];
    const char *body = event_text(n);
    snprintf(wire, sizeof wire,
             "POST /v1/events HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    say(wire);
}

static inline void datagram(unsigned n)
{
    const char *text = event_text(n);
    uint8_t *udp = frame(17, 8 + (uint32_t)strlen(text));
    put16(udp, 40000);
    put16(udp + 2, 7001);
    put16(udp + 4, 8 + (unsigned)strlen(text));
    memcpy(udp + 8, text, strlen(text));
}

static inline void assert_status(const char *status)
{
    client.text[client.text_len] = 0;
    assert_memory_equal(client.text, "HTTP/1.1 ", 9);
    assert_memory_equal(client.text + 9, status, 3);
}

static inline struct event taken(void)
{
    struct event event;
    assert_int_equal(event_ring_pop_burst(&events, &event, 1), 1);
    return event;
}

static inline void reply(const struct event *event, enum result result, uint64_t ordinal)
{
    struct answer answer = {.token = event->token,
                            .seq = 7,
                            .ordinal = ordinal,
                            .partition = event->partition,
                            .result = (uint8_t)result};
    assert_int_equal(answer_ring_push_burst(&answers, &answer, 1), 1);
    turn();
    turn();
}

static inline int setup_with(bool tx_checksum)
{
    static const uint8_t seed[HASH_SEED_BYTES] = {1};
    static struct event_ring *to_shard[] = {&events};
    static struct answer_ring *back[] = {&answers};
    memset(&port, 0, sizeof port);
    port.transmit_room = RX_BURST;
    for (uint32_t i = 0; i < BUFFERS; i++)
        port.idle[port.idle_count++] = &port.packets[i];
    atomic_store(&journal.mark.ordinal, 0);
    atomic_store(&journal.state, JOURNAL_OK);
    atomic_store(&journal.refusing, false);
    atomic_store(&draining, false);
    hash_key_init(&key, seed);
    arena_init(&arena, calloc(1, ARENA), ARENA);
    event_ring_init(&events, &arena, SLOTS);
    answer_ring_init(&answers, &arena, SLOTS);
    struct rx_wiring wiring = {
        .port = {port_receive, port_transmit, port_release, port_alloc, NULL},
        .net = {.udp_port = 7001,
                .tcp_port = 8080,
                .max_datagram = 1400,
                .addr_count = 1,
                .addrs = {{.family = 4, .bytes = {192, 0, 2, 1}}}},
        .settings = {.limits = {.event_bytes = 1400, .event_depth = 16}},
        .key = &key,
        .partition_count = 16,
        .shard_count = 1,
        .ring_slots = SLOTS,
        .local_shard = -1,
        .to_shard = to_shard,
        .answers = back,
    };
    memcpy(wiring.net.mac, our_mac, 6);
    rx_init(&rx, &arena, &wiring);
    struct rx_http_wiring http = {
        .port = 8080,
        .mtu = 1500,
        .tx_checksum = tx_checksum,
        .tcp = {.connections = 64, .time_waits = 64, .chunks = 256},
        .http = {.connections = 64,
                 .slots = 64,
                 .mediums = 8,
                 .medium_bytes = HTTP_HEAD_BYTES_MAX,
                 .larges = 2,
                 .batches = 4,
                 .body_bytes = 1 << 20,
                 .shard_count = 1},
        .key = &key,
        .seed = 5,
        .journals = {&journal},
        .draining = &draining,
    };
    tcp_settings_init(&http.settings.tcp);
    http_settings_init(&http.settings.http);
    rx_http_init(&rx, &arena, &http);
    return 0;
}

static inline int setup(void **state)
{
    (void)state;
    return setup_with(false);
}

static inline int teardown(void **state)
{
    (void)state;
    free(arena.base);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
