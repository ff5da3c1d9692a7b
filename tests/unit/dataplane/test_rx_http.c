/* test_rx_http.c - TCP and HTTP on an rx part: frames of a client in, its event in a shard's ring,
 * the shard's answer out as frames, and what happens when one of them has no room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

/* ---- the port ---- */

static uint32_t port_receive(void *arg, struct packet **packets, uint32_t count)
{
    (void)arg;
    uint32_t n = count < port.waiting_count ? count : port.waiting_count;
    memcpy(packets, port.waiting, n * sizeof *packets);
    port.waiting_count -= n;
    memmove(port.waiting, port.waiting + n, port.waiting_count * sizeof *packets);
    return n;
}

static void port_release(void *arg, struct packet **packets, uint32_t count)
{
    (void)arg;
    for (uint32_t i = 0; i < count; i++)
        port.idle[port.idle_count++] = packets[i];
}

static struct packet *port_alloc(void *arg)
{
    (void)arg;
    if (port.no_buffers || !port.idle_count)
        return NULL;
    struct packet *packet = port.idle[--port.idle_count];
    packet->frame = port.frames[packet - port.packets];
    return packet;
}

/* hear takes in what the server sends, in order, as a link without loss brings it. */
static void hear(const uint8_t *frame, uint32_t len)
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

static uint32_t port_transmit(void *arg, struct packet **packets, uint32_t count)
{
    uint32_t n = count < port.transmit_room ? count : port.transmit_room;
    for (uint32_t i = 0; i < n; i++)
        hear(packets[i]->frame, packets[i]->len);
    port_release(arg, packets, n);
    return n;
}

static uint8_t *frame(uint8_t protocol, uint32_t len)
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

/* ---- the client ---- */

static void segment(unsigned flags, const char *text, size_t len)
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

static void turn(void)
{
    rx_poll(&rx, true);
}

static void dial(void)
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

static void say(const char *text)
{
    segment(PSH | ACK, text, strlen(text));
    turn();
}

static const char *event_text(unsigned n)
{
    static char text[256];
    snprintf(text, sizeof text,
             "{\"id\":\"00000000-0000-4000-8000-%012u\",\"time\":1795209600123,"
             "\"user\":\"u-%u\",\"type\":\"view\",\"item\":\"A\"}",
             n + 1, n);
    return text;
}

static void post(unsigned n)
{
    char wire[1024];
    const char *body = event_text(n);
    snprintf(wire, sizeof wire,
             "POST /v1/events HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    say(wire);
}

static void datagram(unsigned n)
{
    const char *text = event_text(n);
    uint8_t *udp = frame(17, 8 + (uint32_t)strlen(text));
    put16(udp, 40000);
    put16(udp + 2, 7001);
    put16(udp + 4, 8 + (unsigned)strlen(text));
    memcpy(udp + 8, text, strlen(text));
}

static void assert_status(const char *status)
{
    client.text[client.text_len] = 0;
    assert_memory_equal(client.text, "HTTP/1.1 ", 9);
    assert_memory_equal(client.text + 9, status, 3);
}

/* ---- the shard ---- */

static struct event taken(void)
{
    struct event event;
    assert_int_equal(event_ring_pop_burst(&events, &event, 1), 1);
    return event;
}

static void reply(const struct event *event, enum result result, uint64_t ordinal)
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

static int setup(void **state)
{
    (void)state;
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

static int teardown(void **state)
{
    (void)state;
    free(arena.base);
    return 0;
}

/* Segments of a burst are looked at together, but not across a datagram. */
static void a_burst_is_taken_in_its_order(void **state)
{
    (void)state;
    char wire[1024], body[256];
    strcpy(body, event_text(3));
    dial();
    int head = snprintf(wire, sizeof wire,
                        "POST /v1/events HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        strlen(body));
    segment(ACK, wire, 30);
    datagram(4);
    segment(ACK, wire + 30, (size_t)head - 30);
    segment(PSH | ACK, body, strlen(body));
    datagram(5);
    turn();
    assert_int_equal(rx_http_tcp_counters(rx.http)->out_of_order, 0);
    struct event first = taken(), second = taken(), third = taken();
    assert_false(first.token & RX_TOKEN_HTTP || third.token & RX_TOKEN_HTTP);
    assert_true(second.token & RX_TOKEN_HTTP);
    assert_memory_equal(second.bytes, body, second.len);
    reply(&first, RESULT_ACCEPTED, 1);
    reply(&second, RESULT_ACCEPTED, 2);
    reply(&third, RESULT_ACCEPTED, 3);
    atomic_store(&journal.mark.ordinal, 3);
    turn();
    assert_status("202");
    assert_int_equal(port.idle_count, BUFFERS);
}

/* A batch of more events than the ring has room for: those that follow in later turns came when the
 * first ones did. */
static void the_events_of_a_batch_came_when_it_came(void **state)
{
    (void)state;
    char wire[8192] = "", body[6144] = "";
    struct rx_http_settings settings;
    tcp_settings_init(&settings.tcp);
    http_settings_init(&settings.http);
    settings.http.batch_room = 8;
    rx_http_reconfigure(rx.http, &settings);
    for (unsigned i = 0; i < 12; i++) {
        strcat(body, event_text(i));
        strcat(body, "\n");
    }
    snprintf(wire, sizeof wire,
             "POST /v1/events HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-ndjson\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    dial();
    say(wire);
    struct event first = taken();
    unsigned turns = 0, turns_with_events = 0;
    for (unsigned seen = 0; seen < 11 && turns < 100; turns++) {
        struct event event;
        if (turns == 0)
            reply(&first, RESULT_ACCEPTED, 1);
        if (event_ring_pop_burst(&events, &event, 1) == 0)
            continue;
        assert_int_equal(event.wire_ns, first.wire_ns);
        seen++;
        turns_with_events++;
        reply(&event, RESULT_ACCEPTED, 1);
    }
    assert_int_equal(turns_with_events, 11);
    atomic_store(&journal.mark.ordinal, 1);
    turn();
    assert_status("200");
}

static void a_post_is_an_event_in_the_ring_and_its_answer_leaves_once_it_is_durable(void **state)
{
    (void)state;
    dial();
    uint64_t before = clock_monotonic_ns();
    post(1);
    struct event event = taken();
    assert_true(event.token & RX_TOKEN_HTTP);
    assert_int_equal(event.len, strlen(event_text(1)));
    assert_memory_equal(event.bytes, event_text(1), event.len);
    assert_in_range(event.wire_ns, before, clock_monotonic_ns());
    assert_true(event.receive_ns > 1600000000 * NS_PER_S);
    assert_int_equal(rx.counters.received, 1);
    atomic_store(&journal.mark.ordinal, 4);
    reply(&event, RESULT_ACCEPTED, 5);
    assert_int_equal(client.text_len, 0);
    atomic_store(&journal.mark.ordinal, 5);
    turn();
    assert_status("202");
    assert_non_null(strstr(client.text, "\"result\":\"accepted\""));
    assert_int_equal(rx.counters.answered, 1);
}

static void who_asks_for_less_is_answered_at_once(void **state)
{
    (void)state;
    char wire[1024];
    const char *body = event_text(1);
    snprintf(wire, sizeof wire,
             "POST /v1/events HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
             "Trove-Ack: accepted\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    dial();
    say(wire);
    struct event event = taken();
    reply(&event, RESULT_ACCEPTED, 5); /* the mark is at 0 */
    assert_status("202");
}

static void buffers_come_back_and_nothing_is_held_for_who_is_idle(void **state)
{
    (void)state;
    dial();
    for (unsigned n = 0; n < 50; n++) {
        client.text_len = 0;
        post(n);
        struct event event = taken();
        atomic_store(&journal.mark.ordinal, n + 1);
        reply(&event, RESULT_ACCEPTED, n + 1);
        assert_status("202");
        assert_int_equal(port.idle_count, BUFFERS);
    }
    segment(ACK, "", 0);
    turn();
    assert_int_equal(rx_http_tcp_counters(rx.http)->chunks, 0);
    assert_int_equal(rx_http_counters(rx.http)->slots, 0);
    assert_int_equal(rx_http_tcp_counters(rx.http)->connections, 1);
}

static void frames_wait_for_a_port_that_takes_none(void **state)
{
    (void)state;
    port.transmit_room = 0;
    memset(&client, 0, sizeof client);
    client.port = 50000;
    for (unsigned i = 0; i < 40; i++) { /* more than a burst of SYN-ACKs */
        client.port++;
        client.seq = 1;
        segment(SYN, "", 0);
    }
    turn();
    turn();
    assert_int_equal(rx_http_waiting(rx.http), 40);
    assert_int_equal(port.idle_count, BUFFERS - 40);
    port.transmit_room = 3;
    turn();
    assert_int_equal(rx_http_waiting(rx.http), 37);
    port.transmit_room = RX_BURST;
    turn();
    assert_int_equal(rx_http_waiting(rx.http), 0);
    assert_int_equal(port.idle_count, BUFFERS);
}

static void an_answer_waits_for_a_buffer(void **state)
{
    (void)state;
    dial();
    post(1);
    struct event event = taken();
    atomic_store(&journal.mark.ordinal, 1);
    port.no_buffers = true;
    reply(&event, RESULT_ACCEPTED, 1);
    assert_int_equal(client.text_len, 0);
    assert_true(rx_http_tcp_counters(rx.http)->no_frame > 0);
    port.no_buffers = false;
    turn();
    assert_status("202");
}

static void no_more_frames_wait_than_there_is_room_for(void **state)
{
    (void)state;
    port.transmit_room = 0;
    memset(&client, 0, sizeof client);
    for (unsigned i = 0; i < RX_HTTP_FRAMES + 32; i++) {
        client.port = (uint16_t)(20000 + i);
        client.seq = 1;
        segment(SYN, "", 0);
        turn();
    }
    assert_int_equal(rx_http_waiting(rx.http), RX_HTTP_FRAMES);
    assert_int_equal(port.idle_count, BUFFERS - RX_HTTP_FRAMES);
}

static void refused_for_want_of_state_is_told_and_not_lost(void **state)
{
    (void)state;
    dial();
    post(1);
    struct event event = taken();
    reply(&event, RESULT_REFUSED, 0);
    assert_status("503");
    assert_non_null(strstr(client.text, "state_full"));
    assert_non_null(strstr(client.text, "Retry-After: "));
    assert_int_equal(rx.counters.refused, 1);
    assert_int_equal(rx.counters.lost[LOST_state_full], 0);
}

static void a_full_ring_is_told_and_datagrams_behind_a_post_are_lost_in_its_place(void **state)
{
    (void)state;
    dial();
    for (unsigned n = 0; n < SLOTS - 2; n++)
        datagram(n);
    turn();
    /* One place is left: the post has it, though datagrams come in the same burst. */
    char wire[1024];
    const char *body = event_text(90);
    snprintf(wire, sizeof wire,
             "POST /v1/events HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    segment(PSH | ACK, wire, strlen(wire));
    datagram(91);
    datagram(92);
    turn();
    assert_int_equal(rx.counters.lost[LOST_ring_full], 2);
    assert_int_equal(event_ring_count(&events), SLOTS - 1);
    dial();
    post(93);
    assert_status("503");
    assert_int_equal(rx.counters.received, SLOTS - 2 + 3);
    assert_int_equal(rx.counters.lost[LOST_ring_full], 2);
    uint32_t https = 0;
    for (uint32_t i = 0; i < SLOTS - 1; i++)
        https += (taken().token & RX_TOKEN_HTTP) != 0;
    assert_int_equal(https, 1);
}

static void while_a_journal_cannot_write_posts_are_refused(void **state)
{
    (void)state;
    dial();
    atomic_store(&journal.state, JOURNAL_FAILED);
    turn();
    post(1);
    assert_status("503");
    assert_non_null(strstr(client.text, "not_ready"));
    assert_int_equal(event_ring_count(&events), 0);
    atomic_store(&journal.state, JOURNAL_OK);
    turn();
    post(2);
    taken();
}

static void what_waits_for_a_full_disk_is_answered_and_nothing_more_is_taken(void **state)
{
    (void)state;
    dial();
    post(1);
    struct event event = taken();
    reply(&event, RESULT_ACCEPTED, 1);
    atomic_store(&journal.refusing, true);
    turn();
    assert_int_equal(client.text_len, 0);
    atomic_store(&journal.mark.ordinal, 1);
    turn();
    assert_status("202");
    client.text_len = 0;
    post(2);
    assert_status("503");
    client.text_len = 0;
    say("GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_status("503");
    assert_non_null(strstr(client.text, "disk_full"));
}

static void while_draining_what_waits_is_closed_and_what_comes_is_refused(void **state)
{
    (void)state;
    dial();
    atomic_store(&draining, true);
    turn();
    assert_false(client.finished);
    post(1);
    assert_status("503");
    turn();
    assert_true(client.finished && !client.reset);
    dial(); /* a load balancer, which must hear it */
    say("GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_status("503");
    assert_non_null(strstr(client.text, "draining"));
}

static void when_nothing_is_received_any_more_connections_are_reset(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        dial();
    post(1);
    struct event event = taken();
    assert_int_equal(rx_http_tcp_counters(rx.http)->connections, 10);
    for (int i = 0; i < 4; i++)
        rx_poll(&rx, false);
    assert_true(client.reset);
    assert_int_equal(rx_http_tcp_counters(rx.http)->connections, 0);
    struct answer answer = {.token = event.token, .result = RESULT_ACCEPTED, .ordinal = 1};
    answer_ring_push_burst(&answers, &answer, 1);
    rx_poll(&rx, false);
    rx_poll(&rx, false);
    assert_int_equal(rx.counters.answered, 1);
    assert_int_equal(rx_http_counters(rx.http)->slots, 0);
    assert_int_equal(port.idle_count, BUFFERS);
}

static void an_icmp_error_comes_to_tcp(void **state)
{
    (void)state;
    dial();
    uint8_t *icmp = frame(1, 8 + 28), *quoted = icmp + 8;
    icmp[0] = 3;
    icmp[1] = 4;
    put16(icmp + 6, 1000);
    quoted[0] = 0x45;
    quoted[9] = 6;
    memcpy(quoted + 12, our_ip, 4);
    memcpy(quoted + 16, peer_ip, 4);
    put16(quoted + 20, 8080);
    put16(quoted + 22, 9); /* no connection has this port */
    uint32_t sum = 0;
    for (int i = 0; i < 36; i += 2)
        sum += (uint32_t)icmp[i] << 8 | icmp[i + 1];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    put16(icmp + 2, ~sum & 0xffff);
    turn();
    assert_int_equal(rx_http_tcp_counters(rx.http)->dropped[TCP_REASON_icmp], 1);
    assert_int_equal(rx.counters.dropped[NET_icmp], 0);
    assert_int_equal(port.idle_count, BUFFERS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_post_is_an_event_in_the_ring_and_its_answer_leaves_once_it_is_durable),
        TEST(a_burst_is_taken_in_its_order),
        TEST(the_events_of_a_batch_came_when_it_came),
        TEST(who_asks_for_less_is_answered_at_once),
        TEST(buffers_come_back_and_nothing_is_held_for_who_is_idle),
        TEST(frames_wait_for_a_port_that_takes_none),
        TEST(an_answer_waits_for_a_buffer),
        TEST(no_more_frames_wait_than_there_is_room_for),
        TEST(refused_for_want_of_state_is_told_and_not_lost),
        TEST(a_full_ring_is_told_and_datagrams_behind_a_post_are_lost_in_its_place),
        TEST(while_a_journal_cannot_write_posts_are_refused),
        TEST(what_waits_for_a_full_disk_is_answered_and_nothing_more_is_taken),
        TEST(while_draining_what_waits_is_closed_and_what_comes_is_refused),
        TEST(when_nothing_is_received_any_more_connections_are_reset),
        TEST(an_icmp_error_comes_to_tcp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
