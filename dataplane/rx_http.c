/* rx_http.c - the rx part as TCP's link and as HTTP's intake. */
#include "dataplane/rx_http.h"

#include <assert.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/counter.h"
#include "dataplane/rx_impl.h"

#define TCP_BUDGET 256  /* connections' worth of timers, and of sends, in a turn */
#define ABORT_STEP 1024 /* connection numbers looked at in a turn, once nothing comes in */
#define DATE_NS    (NS_PER_S / 2) /* the Date header's second is never more than this behind */

static_assert(RX_FRAME_BYTES >= TCP_FRAME_MAX, "a frame of tcp fits the port's buffers");

struct rx_http {
    struct rx *rx;
    struct tcp *tcp;
    struct http *http;
    uint32_t connections; /* numbers of connections are below this */
    uint32_t shard_count;
    const struct journal *journals[RX_SHARDS_MAX];
    const _Atomic bool *draining;
    bool tx_checksum;

    /* This turn. */
    bool begun;                /* a burst of frames has set the times */
    uint64_t now_ns;           /* CLOCK_MONOTONIC */
    struct rx_arrival arrival; /* of the segment at hand; receive_ns 0: not read yet */
    uint64_t dated_ns;         /* when http was last told the time */
    unsigned health;
    uint32_t abort_next;

    /* Segments of the burst at hand, and when they came. */
    uint32_t burst_count;
    struct tcp_segment burst[RX_BURST];
    struct rx_arrival arrivals[RX_BURST];

    /* Frames on their way to the port: [tail, head) of a ring. */
    uint32_t head, tail;
    struct packet *frames[RX_HTTP_FRAMES];
    uint32_t waiting __attribute__((aligned(64))); /* written here, read by the control thread */
};

/* ---- TCP's link ---- */

static uint8_t *link_alloc(void *link, void **buffer)
{
    struct rx_http *h = link;
    if (h->head - h->tail == RX_HTTP_FRAMES)
        return NULL;
    struct packet *packet = h->rx->port.alloc(h->rx->port.port);
    *buffer = packet;
    return packet ? packet->frame : NULL;
}

/* Bytes in front of the IP header of a frame that tcp made: its Ethernet header, and tags. */
static uint8_t link_bytes(const uint8_t *frame)
{
    uint8_t len = 14;
    while (len < TCP_LINK_BYTES_MAX && (frame[len - 2] == 0x81 || frame[len - 2] == 0x88) &&
           (frame[len - 1] == 0x00 || frame[len - 1] == 0xa8))
        len += 4;
    return len;
}

static void link_send(void *link, void *buffer, uint32_t len)
{
    struct rx_http *h = link;
    struct packet *packet = buffer;
    assert(len <= RX_FRAME_BYTES);
    packet->len = len;
    packet->unsummed = h->tx_checksum ? link_bytes(packet->frame) : 0;
    h->frames[h->head++ % RX_HTTP_FRAMES] = packet;
}

/* transmit gives the port what it takes; the rest waits for the next turn. */
static uint32_t transmit(struct rx_http *h)
{
    uint32_t total = 0, sent = RX_BURST;
    while (h->head != h->tail && sent == RX_BURST) {
        struct packet *burst[RX_BURST];
        uint32_t count = h->head - h->tail < RX_BURST ? h->head - h->tail : RX_BURST;
        for (uint32_t i = 0; i < count; i++)
            burst[i] = h->frames[(h->tail + i) % RX_HTTP_FRAMES];
        sent = h->rx->port.transmit(h->rx->port.port, burst, count);
        h->tail += sent;
        total += sent;
    }
    __atomic_store_n(&h->waiting, h->head - h->tail, __ATOMIC_RELAXED);
    return total;
}

/* ---- HTTP's intake ---- */

static uint32_t intake_room(void *rx)
{
    const struct rx_http *h = rx;
    uint32_t least = UINT32_MAX;
    for (uint32_t s = 0; s < h->shard_count; s++) {
        uint32_t room = rx_shard_room(h->rx, s);
        least = room < least ? room : least;
    }
    return least;
}

static bool intake_submit(void *rx, uint64_t token, const uint8_t *bytes, uint32_t len,
                          uint64_t wire_ns, uint64_t id[2])
{
    struct rx_http *h = rx;
    struct event event;
    if (!h->arrival.receive_ns)
        h->arrival.receive_ns = clock_realtime_ns();
    uint32_t shard = rx_parse(h->rx, &h->arrival, bytes, len, &event);
    if (!rx_shard_room(h->rx, shard))
        return false;
    assert(token & RX_TOKEN_HTTP);
    event.token = token;
    if (wire_ns)
        event.wire_ns = wire_ns;
    id[0] = event.reason == REASON_none ? event.id[0] : 0;
    id[1] = event.reason == REASON_none ? event.id[1] : 0;
    rx_stage(h->rx, shard, &event);
    return true;
}

static uint64_t intake_wire(void *rx)
{
    return ((const struct rx_http *)rx)->arrival.wire_ns;
}

static uint64_t intake_durable(void *rx, uint32_t shard)
{
    const struct rx_http *h = rx;
    return atomic_load_explicit(&h->journals[shard]->mark.ordinal, memory_order_acquire);
}

static unsigned intake_health(void *rx)
{
    return ((const struct rx_http *)rx)->health;
}

/* What is waiting for a full disk is still written, to the reserve; nothing is when a journal
 * failed. */
static unsigned look_at_health(const struct rx_http *h)
{
    unsigned health = atomic_load_explicit(h->draining, memory_order_relaxed) ? HTTP_HEALTH_draining
                                                                              : HTTP_HEALTH_ready;
    for (uint32_t s = 0; s < h->shard_count; s++) {
        if (journal_has_failed(h->journals[s]))
            return HTTP_HEALTH_journal_failed;
        if (health == HTTP_HEALTH_ready && journal_is_refusing(h->journals[s]))
            health = HTTP_HEALTH_disk_full;
    }
    return health;
}

/* ---- set-up ---- */

size_t rx_http_footprint(const struct tcp_limits *tcp, const struct http_limits *http)
{
    return arena_round(sizeof(struct rx_http), 64) + 64 + tcp_footprint(tcp) + http_footprint(http);
}

void rx_http_init(struct rx *rx, struct arena *arena, const struct rx_http_wiring *wiring)
{
    struct rx_http *h = arena_alloc(arena, sizeof *h, 64);
    assert(h && wiring->http.connections == wiring->tcp.connections);
    h->rx = rx;
    h->connections = wiring->tcp.connections;
    h->shard_count = rx->shard_count;
    memcpy(h->journals, wiring->journals, sizeof h->journals);
    h->draining = wiring->draining;
    h->tx_checksum = wiring->tx_checksum;
    h->now_ns = clock_monotonic_ns();
    struct http_wiring http = {
        .limits = wiring->http,
        .settings = wiring->settings.http,
        .intake = {.room = intake_room,
                   .submit = intake_submit,
                   .wire = intake_wire,
                   .durable = intake_durable,
                   .health = intake_health,
                   .rx = h},
    };
    h->http = http_init(arena, &http);
    struct tcp_wiring tcp = {
        .limits = wiring->tcp,
        .settings = wiring->settings.tcp,
        .link = {link_alloc, link_send, h},
        .app = http_app(h->http),
        .port = wiring->port,
        .mtu = wiring->mtu,
        .tx_checksum = wiring->tx_checksum,
        .key = wiring->key,
        .seed = wiring->seed,
    };
    h->tcp = tcp_init(arena, &tcp, h->now_ns);
    http_start(h->http, h->tcp, h->now_ns);
    rx->http = h;
}

void rx_http_reconfigure(struct rx_http *h, const struct rx_http_settings *settings)
{
    tcp_reconfigure(h->tcp, &settings->tcp);
    http_reconfigure(h->http, &settings->http);
}

const struct tcp_counters *rx_http_tcp_counters(const struct rx_http *h)
{
    return tcp_counters(h->tcp);
}

const struct http_counters *rx_http_counters(const struct rx_http *h)
{
    return http_counters(h->http);
}

uint32_t rx_http_waiting(const struct rx_http *h)
{
    return __atomic_load_n(&h->waiting, __ATOMIC_RELAXED);
}

/* ---- a turn ---- */

void rx_http_begin(struct rx_http *h, uint64_t receive_ns, uint64_t now_ns)
{
    h->begun = true;
    h->now_ns = now_ns;
    h->arrival = (struct rx_arrival){.receive_ns = receive_ns, .wire_ns = now_ns};
}

static void keep_segment(struct rx_http *h, const struct packet *packet,
                         const struct net_verdict *verdict, const struct rx_arrival *arrival)
{
    const uint8_t *ip = packet->frame + verdict->link_len;
    bool ipv6 = ip[0] >> 4 == 6;
    assert(h->burst_count < RX_BURST);
    h->arrivals[h->burst_count] = *arrival;
    h->burst[h->burst_count++] = (struct tcp_segment){
        .link = packet->frame,
        .link_len = verdict->link_len,
        .family = ipv6 ? 6 : 4,
        .checksum_ok = packet->offload & NET_L4_CHECKED,
        .src = ip + (ipv6 ? 8 : 12),
        .dst = ip + (ipv6 ? 24 : 16),
        .bytes = packet->frame + verdict->payload_off,
        .len = verdict->payload_len,
    };
}

void rx_http_end(struct rx_http *h)
{
    uint32_t count = h->burst_count;
    tcp_prefetch(h->tcp, h->burst, count);
    for (uint32_t i = 0; i < count; i++)
        http_prefetch(h->http, h->burst[i].likely);
    for (uint32_t i = 0; i < count; i++) {
        h->arrival = h->arrivals[i];
        tcp_input(h->tcp, &h->burst[i], h->now_ns);
    }
    h->burst_count = 0;
}

static void input_error(struct rx_http *h, const struct packet *packet,
                        const struct net_verdict *verdict)
{
    struct net_quote quote;
    net_quote(packet->frame, verdict, &quote);
    struct tcp_icmp error = {
        .family = quote.family,
        .type = quote.type,
        .code = quote.code,
        .mtu = quote.family == 4 ? quote.rest & 0xffff : quote.rest,
        .src = quote.src,
        .dst = quote.dst,
        .bytes = quote.tcp,
        .len = quote.tcp_len,
    };
    tcp_icmp(h->tcp, &error, h->now_ns);
}

void rx_http_input(struct rx_http *h, const struct packet *packet,
                   const struct net_verdict *verdict, const struct rx_arrival *arrival)
{
    if (verdict->action == NET_TCP) {
        keep_segment(h, packet, verdict, arrival);
        return;
    }
    rx_http_end(h); /* the error may be about what came before it */
    h->arrival = *arrival;
    input_error(h, packet, verdict);
}

void rx_http_answered(struct rx_http *h, uint32_t shard, const struct answer *answer)
{
    if (answer->result == RESULT_REFUSED)
        counter_add(&h->rx->counters.refused, 1);
    http_answered(h->http, shard, answer);
}

static void abort_some(struct rx_http *h)
{
    for (uint32_t i = 0; i < ABORT_STEP && i < h->connections; i++) {
        struct tcp_conn *conn = tcp_conn_at(h->tcp, h->abort_next);
        h->abort_next = h->abort_next + 1 < h->connections ? h->abort_next + 1 : 0;
        if (conn)
            tcp_abort(h->tcp, conn);
    }
}

static void begin_turn(struct rx_http *h)
{
    if (!h->begun)
        h->now_ns = clock_monotonic_ns();
    h->begun = false;
    /* What is submitted from here on did not come with a segment of this turn. */
    h->arrival = (struct rx_arrival){.wire_ns = h->now_ns};
    h->health = look_at_health(h);
    if (h->now_ns - h->dated_ns >= DATE_NS) {
        http_date(h->http, clock_realtime_ns());
        h->dated_ns = h->now_ns;
    }
}

unsigned rx_http_poll(struct rx_http *h, bool receive)
{
    begin_turn(h);
    if (!receive && tcp_counters(h->tcp)->connections)
        abort_some(h);
    unsigned work = http_poll(h->http, h->now_ns);
    work += tcp_poll(h->tcp, h->now_ns, TCP_BUDGET);
    rx_push_stages(h->rx);
    return work + transmit(h);
}
