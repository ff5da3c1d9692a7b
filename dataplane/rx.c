/* rx.c - burst by burst: answers back, frames in, lines of each datagram parsed and staged in the
 * shards' rings, what is staged handed over. */
#include "dataplane/rx_impl.h"

#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/counter.h"
#include "dataplane/base/cycles.h"
#include "dataplane/rx_http.h"

#define STAMP_BYTES   8
#define ANSWER_BURSTS 16

static const char *const lost_names[] = {
#define LOST_NAME(name, help) #name,
    LOST_LIST(LOST_NAME)
#undef LOST_NAME
};

const char *lost_name(unsigned lost)
{
    return lost < LOST_COUNT ? lost_names[lost] : "unknown";
}

static size_t staging_bytes(uint32_t shard_count)
{
    return sizeof(struct rx_staging) + shard_count * sizeof(uint32_t);
}

size_t rx_footprint(uint32_t shard_count)
{
    return arena_round(staging_bytes(shard_count), 64) + 64;
}

void rx_init(struct rx *rx, struct arena *arena, const struct rx_wiring *wiring)
{
    assert(wiring->shard_count && wiring->shard_count <= RX_SHARDS_MAX);
    memset(rx, 0, sizeof *rx);
    rx->port = wiring->port;
    rx->net = wiring->net;
    rx->settings = wiring->settings;
    rx->key = wiring->key;
    rx->partition_count = wiring->partition_count;
    rx->shard_count = wiring->shard_count;
    rx->open_max = wiring->ring_slots - 1;
    rx->local_shard = wiring->local_shard;
    for (uint32_t s = 0; s < wiring->shard_count; s++) {
        rx->to_shard[s] = wiring->to_shard[s];
        rx->answers[s] = wiring->answers[s];
        rx->refusing[s] = wiring->refusing ? wiring->refusing[s] : NULL;
    }
    rx->staging = arena_alloc(arena, staging_bytes(wiring->shard_count), 64);
    assert(rx->staging);
}

void rx_reconfigure(struct rx *rx, const struct rx_settings *settings)
{
    rx->settings = *settings;
}

static void release_flush(struct rx *rx)
{
    struct rx_staging *staging = rx->staging;
    if (staging->released_count)
        rx->port.release(rx->port.port, staging->released, staging->released_count);
    staging->released_count = 0;
}

static void release(struct rx *rx, struct packet *packet)
{
    struct rx_staging *staging = rx->staging;
    staging->released[staging->released_count++] = packet;
    if (staging->released_count == 2 * RX_BURST)
        release_flush(rx);
}

static void event_done(struct rx *rx, uint64_t token)
{
    struct packet *packet = (struct packet *)(uintptr_t)token;
    if (--packet->pending == 0)
        release(rx, packet);
}

static void datagram_answered(struct rx *rx, const struct answer *answer)
{
    if (answer->result == RESULT_REFUSED)
        counter_add(&rx->counters.lost[LOST_state_full], 1);
    event_done(rx, answer->token);
}

/* Others look at it to see whether anything is under way. */
static void set_open(struct rx *rx, uint32_t shard, uint32_t open)
{
    __atomic_store_n(&rx->open[shard], open, __ATOMIC_RELAXED);
}

static uint32_t take_burst(struct rx *rx, uint32_t shard)
{
    struct answer answers[RX_BURST];
    uint32_t count = answer_ring_pop_burst(rx->answers[shard], answers, RX_BURST);
    if (rx->http) {
        for (uint32_t i = 0; i < count; i++)
            if (answers[i].token & RX_TOKEN_HTTP)
                rx_http_answered(rx->http, shard, &answers[i]);
            else
                datagram_answered(rx, &answers[i]);
    } else {
        for (uint32_t i = 0; i < count; i++)
            datagram_answered(rx, &answers[i]);
    }
    set_open(rx, shard, rx->open[shard] - count);
    counter_add(&rx->counters.answered, count);
    return count;
}

/* A datagram may hold many events: several bursts of answers for one of frames. */
static unsigned take_answers(struct rx *rx)
{
    unsigned total = 0;
    for (uint32_t s = 0; s < rx->shard_count; s++) {
        uint32_t count = RX_BURST;
        for (uint32_t n = 0; n < ANSWER_BURSTS && count == RX_BURST; n++)
            total += count = take_burst(rx, s);
    }
    return total;
}

static bool journal_refuses(const struct rx *rx, uint32_t shard)
{
    const _Atomic bool *refusing = rx->refusing[shard];
    return refusing && atomic_load_explicit(refusing, memory_order_relaxed);
}

static void push_stage(struct rx *rx, uint32_t shard)
{
    uint32_t *staged = &rx->staging->staged[shard];
    event_ring_publish(rx->to_shard[shard], *staged);
    set_open(rx, shard, rx->open[shard] + *staged);
    *staged = 0;
}

void rx_push_stages(struct rx *rx)
{
    for (uint32_t s = 0; s < rx->shard_count; s++)
        if (rx->staging->staged[s])
            push_stage(rx, s);
}

uint32_t rx_parse(const struct rx *rx, const struct rx_arrival *arrival, const uint8_t *bytes,
                  uint32_t len, struct event *event)
{
    uint64_t owner;
    if (event_parse(&rx->settings.limits, rx->key, bytes, len, event) == REASON_none)
        owner = event->flags & EVENT_HAS_TILE ? event->tile_key : event->user_key.hi;
    else
        owner = hash64(rx->key, bytes, event->len);
    event->receive_ns = arrival->receive_ns;
    event->wire_ns = arrival->wire_ns;
    event->partition = event_partition(owner, rx->partition_count);
    return event->partition % rx->shard_count;
}

/* lose counts an event that finds no room. */
static void lose(struct rx *rx, uint32_t shard, const struct event *event)
{
    assert(!(event->token & RX_TOKEN_HTTP));
    enum lost why = journal_refuses(rx, shard) ? LOST_journal : LOST_ring_full;
    counter_add(&rx->counters.lost[why], 1);
    event_done(rx, event->token);
}

void rx_stage(struct rx *rx, uint32_t shard, const struct event *event)
{
    uint32_t *staged = &rx->staging->staged[shard];
    struct event *slot = NULL;
    counter_add(&rx->counters.received, 1);
    if (rx_shard_room(rx, shard))
        slot = event_ring_slot(rx->to_shard[shard], *staged);
    if (!slot) {
        lose(rx, shard, event);
        return;
    }
    *slot = *event;
    if (++*staged == RX_STAGE_EVENTS)
        push_stage(rx, shard);
}

static void stage_line(struct rx *rx, struct packet *packet, const struct rx_arrival *arrival,
                       const uint8_t *bytes, uint32_t len)
{
    struct event event;
    uint32_t shard = rx_parse(rx, arrival, bytes, len, &event);
    event.token = (uint64_t)(uintptr_t)packet;
    packet->pending++;
    rx_stage(rx, shard, &event);
}

static bool blank(const uint8_t *line, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
            return false;
    return true;
}

/* One event, or several separated by newlines; blank lines between them mean nothing. */
static void stage_datagram(struct rx *rx, struct packet *packet, const struct rx_arrival *arrival,
                           const uint8_t *payload, uint32_t len)
{
    const uint8_t *at = payload, *end = payload + len;
    bool any = false;
    while (at < end) {
        const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
        const uint8_t *stop = newline ? newline : end;
        if (!blank(at, (uint32_t)(stop - at))) {
            stage_line(rx, packet, arrival, at, (uint32_t)(stop - at));
            any = true;
        }
        at = stop + 1;
    }
    if (!any)
        stage_line(rx, packet, arrival, payload, 0);
}

/* The trailer is real time; latencies are monotonic: the age carries over. */
static uint64_t wire_time(struct rx *rx, const struct packet *packet, uint32_t frame_len,
                          uint64_t receive_ns, uint64_t now_ns)
{
    if (!rx->settings.trailer || packet->len < frame_len + STAMP_BYTES)
        return now_ns;
    uint64_t stamp;
    memcpy(&stamp, packet->frame + packet->len - STAMP_BYTES, STAMP_BYTES);
    uint64_t age = receive_ns - __builtin_bswap64(stamp);
    if (age > 10 * NS_PER_S) {
        counter_add(&rx->counters.bad_stamps, 1);
        return now_ns;
    }
    return now_ns - age;
}

static void take_datagram(struct rx *rx, struct packet *packet, const struct net_verdict *verdict,
                          const struct rx_arrival *arrival)
{
    counter_add(&rx->counters.delivered, 1);
    packet->pending = 1; /* until all of it is staged: a full ring must not release it half-way */
    stage_datagram(rx, packet, arrival, packet->frame + verdict->payload_off, verdict->payload_len);
    event_done(rx, (uint64_t)(uintptr_t)packet);
}

/* handle returns whether the frame is still needed: until rx_http_end. */
static bool handle(struct rx *rx, struct packet *packet, uint64_t receive_ns, uint64_t now_ns)
{
    counter_add(&rx->counters.packets, 1);
    counter_add(&rx->counters.bytes, packet->len);
    packet->pending = 0;
    struct net_verdict verdict = {.action = NET_DROP, .reason = NET_segmented};
    if (!packet->segmented)
        verdict = net_input(&rx->net, packet->frame, packet->len, packet->offload);
    struct rx_arrival arrival = {.receive_ns = receive_ns};
    switch ((enum net_action)verdict.action) {
    case NET_DELIVER:
        if (rx->http)
            rx_http_end(rx->http); /* events keep the order in which they came */
        arrival.wire_ns = wire_time(rx, packet, verdict.frame_len, receive_ns, now_ns);
        take_datagram(rx, packet, &verdict, &arrival);
        break;
    case NET_REPLY:
        packet->len = verdict.frame_len;
        rx->staging->replies[rx->staging->reply_count++] = packet;
        break;
    case NET_TCP:
    case NET_TCP_ERROR:
        arrival.wire_ns = wire_time(rx, packet, verdict.frame_len, receive_ns, now_ns);
        rx_http_input(rx->http, packet, &verdict, &arrival);
        return true;
    case NET_DROP:
        counter_add(&rx->counters.dropped[verdict.reason], 1);
        release(rx, packet);
        break;
    }
    return false;
}

static void send_replies(struct rx *rx)
{
    struct rx_staging *staging = rx->staging;
    if (!staging->reply_count)
        return;
    uint32_t sent = rx->port.transmit(rx->port.port, staging->replies, staging->reply_count);
    counter_add(&rx->counters.replied, sent);
    for (uint32_t i = sent; i < staging->reply_count; i++) {
        counter_add(&rx->counters.reply_failed, 1);
        release(rx, staging->replies[i]);
    }
    staging->reply_count = 0;
}

/* A shard on this core that is behind catches up while no frames are taken.  One whose journal
 * refuses does not: then frames are taken, to be told so or counted. */
static bool local_shard_is_behind(const struct rx *rx)
{
    return rx->local_shard >= 0 && rx->open[rx->local_shard] > rx->open_max / 2 &&
           !journal_refuses(rx, (uint32_t)rx->local_shard);
}

static uint32_t take_frames(struct rx *rx)
{
    struct packet *packets[RX_BURST];
    uint64_t before = cycles_now();
    uint32_t count = rx->port.receive(rx->port.port, packets, RX_BURST);
    if (!count)
        return 0;
    counter_add(&rx->counters.receive_cycles, cycles_now() - before);
    uint64_t receive_ns = clock_realtime_ns(), now_ns = clock_monotonic_ns();
    if (rx->http)
        rx_http_begin(rx->http, receive_ns, now_ns);
    uint32_t held = 0;
    for (uint32_t i = 0; i < count; i++)
        if (handle(rx, packets[i], receive_ns, now_ns))
            packets[held++] = packets[i];
    if (held)
        rx_http_end(rx->http);
    for (uint32_t i = 0; i < held; i++)
        release(rx, packets[i]);
    rx_push_stages(rx);
    send_replies(rx);
    return count;
}

unsigned rx_poll(struct rx *rx, bool receive)
{
    unsigned work = take_answers(rx);
    if (receive && !local_shard_is_behind(rx))
        work += take_frames(rx);
    if (rx->http)
        work += rx_http_poll(rx->http, receive);
    release_flush(rx);
    return work;
}
