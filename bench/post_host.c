/* post_host.c - see post_host.h. */
#include "bench/post_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RING_SLOTS 4096
#define PARTITIONS 256
#define ROOM       2048

const uint8_t post_host_mac[6] = {2, 0, 0, 0, 0, 1}, post_host_addr[4] = {192, 0, 2, 1};
struct post_host post_host;

static struct packet *packets;
static uint8_t (*frames)[ROOM];
static struct packet *idle[POST_HOST_BUFFERS], *waiting[POST_HOST_BUFFERS];
static struct packet *busy[POST_HOST_SENT]; /* the buffers of what was sent */
static uint32_t idle_count, waiting_first, waiting_last;

static struct arena arena;
static struct event_ring events;
static struct answer_ring answers;
static struct hash_key key;
static struct journal journal;
static _Atomic bool draining;
static uint64_t ordinal;

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "error: %s\n", what);
    exit(1);
}

static uint32_t port_receive(void *port, struct packet **to, uint32_t count)
{
    (void)port;
    uint32_t there = waiting_last - waiting_first, n = count < there ? count : there;
    for (uint32_t i = 0; i < n; i++)
        to[i] = waiting[waiting_first++ % POST_HOST_BUFFERS];
    return n;
}

static void port_release(void *port, struct packet **from, uint32_t count)
{
    (void)port;
    memcpy(idle + idle_count, from, count * sizeof *from);
    idle_count += count;
}

static uint32_t port_transmit(void *port, struct packet **from, uint32_t count)
{
    (void)port;
    uint32_t room = POST_HOST_SENT - post_host.sent_count, n = count < room ? count : room;
    for (uint32_t i = 0; i < n; i++) {
        busy[post_host.sent_count] = from[i];
        post_host.sent[post_host.sent_count++] =
            (struct post_host_frame){from[i]->frame, from[i]->len};
    }
    return n;
}

static struct packet *take(void)
{
    struct packet *packet = idle[--idle_count];
    *packet = (struct packet){.frame = frames[packet - packets]};
    return packet;
}

static struct packet *port_alloc(void *port)
{
    (void)port;
    return idle_count ? take() : NULL;
}

static void init_port(void)
{
    packets = calloc(POST_HOST_BUFFERS, sizeof *packets);
    frames = calloc(POST_HOST_BUFFERS, sizeof *frames);
    need(packets && frames, "out of memory");
    for (uint32_t i = 0; i < POST_HOST_BUFFERS; i++)
        idle[idle_count++] = &packets[i];
}

static struct rx_http_wiring http_wiring(uint32_t connections)
{
    struct rx_http_wiring wiring = {
        .port = POST_HOST_PORT,
        .mtu = 1500,
        .tcp = {.connections = connections, .time_waits = 64, .chunks = 8 * connections + 1024},
        .http = {.connections = connections,
                 .slots = 8192,
                 .mediums = 64,
                 .larges = 64,
                 .batches = 64,
                 .medium_bytes = 32u << 10,
                 .body_bytes = 1u << 20,
                 .shard_count = 1},
        .key = &key,
        .seed = 5,
        .journals = {&journal},
        .draining = &draining,
    };
    tcp_settings_init(&wiring.settings.tcp);
    http_settings_init(&wiring.settings.http);
    return wiring;
}

static void init_arena(size_t bytes)
{
    void *memory = calloc(1, bytes);
    need(memory, "out of memory");
    arena_init(&arena, memory, bytes);
}

void post_host_init(uint32_t connections)
{
    static const uint8_t seed[HASH_SEED_BYTES] = "bench";
    static struct event_ring *to_shard[] = {&events};
    static struct answer_ring *back[] = {&answers};
    struct rx_http_wiring http = http_wiring(connections);
    hash_key_init(&key, seed);
    init_port();
    init_arena(event_ring_footprint(RING_SLOTS) + answer_ring_footprint(RING_SLOTS) +
               rx_footprint(1) + (connections ? rx_http_footprint(&http.tcp, &http.http) : 0));
    event_ring_init(&events, &arena, RING_SLOTS);
    answer_ring_init(&answers, &arena, RING_SLOTS);
    struct rx_wiring wiring = {
        .port = {port_receive, port_transmit, port_release, port_alloc, NULL},
        .net = {.udp_port = POST_HOST_UDP_PORT,
                .tcp_port = connections ? POST_HOST_PORT : 0,
                .max_datagram = 1400,
                .addr_count = 1,
                .addrs = {{.family = 4}}},
        .settings = {.limits = {.event_bytes = 16384, .event_depth = 16}},
        .key = &key,
        .partition_count = PARTITIONS,
        .shard_count = 1,
        .ring_slots = RING_SLOTS,
        .local_shard = -1,
        .to_shard = to_shard,
        .answers = back,
    };
    memcpy(wiring.net.mac, post_host_mac, 6);
    memcpy(wiring.net.addrs[0].bytes, post_host_addr, 4);
    rx_init(&post_host.rx, &arena, &wiring);
    if (connections)
        rx_http_init(&post_host.rx, &arena, &http);
}

uint8_t *post_host_frame(void)
{
    need(idle_count > POST_HOST_BUFFERS / 2, "too many frames wait");
    return frames[idle[idle_count - 1] - packets];
}

void post_host_offer(uint32_t len)
{
    struct packet *packet = take();
    packet->len = len;
    waiting[waiting_last++ % POST_HOST_BUFFERS] = packet;
}

uint32_t post_host_waiting(void)
{
    return waiting_last - waiting_first;
}

void post_host_begin(void)
{
    port_release(NULL, busy, post_host.sent_count);
    post_host.sent_count = 0;
}

unsigned post_host_poll(void)
{
    return rx_poll(&post_host.rx, true);
}

void post_host_shard(void)
{
    struct event burst[RX_BURST];
    struct answer said[RX_BURST];
    uint32_t count;
    while ((count = event_ring_pop_burst(&events, burst, RX_BURST))) {
        for (uint32_t i = 0; i < count; i++) {
            need(burst[i].reason == REASON_none, "an event was rejected");
            said[i] = (struct answer){.token = burst[i].token,
                                      .seq = ordinal + 1,
                                      .ordinal = ++ordinal,
                                      .partition = burst[i].partition,
                                      .result = RESULT_ACCEPTED};
        }
        answer_ring_push_burst(&answers, said, count);
    }
    atomic_store_explicit(&journal.mark.ordinal, ordinal, memory_order_release);
}
