/* tcp.c - memory, the calls of the application, and the poll. */
#include "dataplane/tcp_impl.h"

#include <stdlib.h>

#include "dataplane/base/clock.h"

#define CACHE_LINE 64

static_assert(sizeof(struct tcp_chunk) == TCP_CHUNK_BYTES, "a chunk is what tcp.h says");
static_assert(sizeof(struct tcp_past) <= 64, "an entry and its chain's head are a cache line");
static_assert(sizeof(struct tcp_conn) == 256, "a connection is four cache lines");

void tcp_settings_init(struct tcp_settings *settings)
{
    *settings = (struct tcp_settings){
        .per_prefix = UINT32_MAX,
        .prefix4 = 24,
        .prefix6 = 64,
        .receive_bytes = 65536,
        .send_bytes = 65536,
        .rto_min_ms = 200,
        .rto_max_ms = 60000,
        .retries = 8,
        .zero_window_ms = 60000,
        .delayed_ack_ms = 40,
        .keepalive_ms = 75000,
        .keepalive_every_ms = 15000,
        .keepalive_probes = 4,
        .linger_ms = 10000,
        .linger_bytes = 1048576,
        .time_wait_ms = 60000,
        .challenges = 10,
    };
}

static uint32_t power_of_two(uint32_t at_least)
{
    uint32_t size = 16;
    while (size < at_least)
        size *= 2;
    return size;
}

static uint32_t head_count(const struct tcp_limits *limits)
{
    return power_of_two(2 * limits->connections);
}

static uint32_t prefix_slots(const struct tcp_limits *limits)
{
    return power_of_two(limits->connections);
}

size_t tcp_footprint(const struct tcp_limits *limits)
{
    const size_t parts[] = {
        sizeof(struct tcp),
        limits->connections * sizeof(struct tcp_conn),
        limits->connections * sizeof(struct tcp_stuck),
        head_count(limits) * sizeof(uint32_t),
        prefix_slots(limits) * sizeof(uint32_t),
        prefix_slots(limits) * sizeof(uint32_t),
        limits->chunks * sizeof(struct tcp_chunk),
        limits->time_waits * sizeof(struct tcp_past),
        power_of_two(limits->time_waits) * sizeof(uint32_t),
    };
    size_t bytes = CACHE_LINE;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        bytes += arena_round(parts[i], CACHE_LINE);
    return bytes;
}

size_t tcp_conn_bytes(void)
{
    /* The tables have at most four heads and two counters of each row for a connection. */
    return sizeof(struct tcp_conn) + sizeof(struct tcp_stuck) + 4 * sizeof(uint32_t) +
           4 * sizeof(uint32_t);
}

static void *take(struct arena *arena, size_t count, size_t size)
{
    void *memory = arena_alloc(arena, count * size, CACHE_LINE);
    assert(memory);
    return memory;
}

static uint32_t *take_heads(struct arena *arena, uint32_t count)
{
    uint32_t *heads = take(arena, count, sizeof *heads);
    for (uint32_t i = 0; i < count; i++)
        heads[i] = TCP_NONE;
    return heads;
}

static void init_memory(struct tcp *tcp, struct arena *arena)
{
    const struct tcp_limits *limits = &tcp->limits;
    tcp->conns = take(arena, limits->connections, sizeof *tcp->conns);
    tcp->stuck = take(arena, limits->connections, sizeof *tcp->stuck);
    tcp->heads = take_heads(arena, head_count(limits));
    tcp->head_mask = head_count(limits) - 1;
    tcp->prefixes[0] = take(arena, prefix_slots(limits), sizeof(uint32_t));
    tcp->prefixes[1] = take(arena, prefix_slots(limits), sizeof(uint32_t));
    tcp->prefix_mask = prefix_slots(limits) - 1;
    tcp->chunks = take(arena, limits->chunks, sizeof *tcp->chunks);
    tcp->pasts = take(arena, limits->time_waits, sizeof *tcp->pasts);
    tcp->past_heads = take_heads(arena, power_of_two(limits->time_waits));
    tcp->past_mask = power_of_two(limits->time_waits) - 1;
    tcp->free_conn = tcp->free_chunk = tcp->free_past = TCP_NONE;
    tcp->past_oldest = tcp->past_newest = TCP_NONE;
    tcp->out_first = tcp->out_last = TCP_NONE;
    tcp->stuck_first = tcp->stuck_last = TCP_NONE;
}

static void check_limits(const struct tcp_limits *limits)
{
    assert(limits->connections >= 1 && limits->connections <= TCP_CONNECTIONS_MAX);
    assert(limits->time_waits >= 1 && limits->time_waits <= TCP_CONNECTIONS_MAX);
    assert(limits->chunks >= 8 && limits->chunks <= 1u << 22);
}

static void check_settings(const struct tcp_settings *settings)
{
    assert(settings->per_prefix >= 1);
    assert(settings->prefix4 >= 8 && settings->prefix4 <= 32);
    assert(settings->prefix6 >= 16 && settings->prefix6 <= 128);
    assert(settings->receive_bytes >= 4096 && settings->receive_bytes <= 262144);
    assert(settings->send_bytes >= 4096 && settings->send_bytes <= 1048576);
    assert(settings->rto_min_ms >= 10 && settings->rto_min_ms <= settings->rto_max_ms);
    assert(settings->rto_max_ms <= 120000 && settings->retries >= 1 && settings->retries <= 30);
    assert(settings->challenges >= 1);
}

struct tcp *tcp_init(struct arena *arena, const struct tcp_wiring *wiring, uint64_t now_ns)
{
    check_limits(&wiring->limits);
    check_settings(&wiring->settings);
    assert(wiring->port && wiring->mtu >= TCP_MTU_MIN && wiring->mtu <= TCP_MTU_MAX);
    struct tcp *tcp = take(arena, 1, sizeof *tcp);
    tcp->settings = wiring->settings;
    tcp->limits = wiring->limits;
    tcp->link = wiring->link;
    tcp->app = wiring->app;
    tcp->port = wiring->port;
    tcp->mtu = wiring->mtu;
    tcp->tx_checksum = wiring->tx_checksum;
    tcp->key = wiring->key;
    tcp_cookie_key(tcp, wiring->key, wiring->seed);
    init_memory(tcp, arena);
    tcp_wheel_init(&tcp->wheel);
    tcp->start_ns = now_ns;
    tcp_clock_set(tcp, now_ns);
    return tcp;
}

void tcp_reconfigure(struct tcp *tcp, const struct tcp_settings *settings)
{
    check_settings(settings);
    tcp->settings = *settings;
}

void tcp_clock_set(struct tcp *tcp, uint64_t now_ns)
{
    uint64_t since_ns = now_ns - tcp->start_ns;
    tcp->now_ms = (uint32_t)(since_ns / NS_PER_MS);
    tcp->now_us = (uint32_t)(since_ns / NS_PER_US);
    tcp->slot = (uint32_t)(since_ns / NS_PER_MS / TCP_COOKIE_SLOT_MS);
}

const struct tcp_counters *tcp_counters(const struct tcp *tcp)
{
    return &tcp->counters;
}

/* Connections come and go. */

struct tcp_conn *tcp_take_conn(struct tcp *tcp)
{
    uint32_t index = tcp->free_conn;
    if (index != TCP_NONE)
        tcp->free_conn = tcp_conn(tcp, index)->out_next;
    else if (tcp->fresh_conn < tcp->limits.connections)
        index = tcp->fresh_conn++;
    else
        return NULL;
    struct tcp_conn *conn = tcp_conn(tcp, index);
    memset(conn, 0, sizeof *conn);
    conn->timer_slot = TCP_SLOT_NONE;
    conn->store = conn->queue = conn->queue_last = TCP_NONE;
    counter_add(&tcp->counters.connections, 1);
    return conn;
}

void tcp_give_conn(struct tcp *tcp, struct tcp_conn *conn)
{
    conn->state = TCP_FREE;
    conn->out_next = tcp->free_conn;
    tcp->free_conn = tcp_index(tcp, conn);
    counter_add(&tcp->counters.connections, UINT64_MAX);
}

void tcp_want_output(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->flags & TCP_F_QUEUED)
        return;
    conn->flags |= TCP_F_QUEUED;
    conn->out_next = TCP_NONE;
    uint32_t index = tcp_index(tcp, conn);
    if (tcp->out_first == TCP_NONE)
        tcp->out_first = index;
    else
        tcp_conn(tcp, tcp->out_last)->out_next = index;
    tcp->out_last = index;
}

/* say_goodbye sends the last segment: the acknowledgement that is owed, or a reset, unless the peer
 * sent one. */
static void say_goodbye(struct tcp *tcp, struct tcp_conn *conn, enum tcp_end why)
{
    if (why == TCP_END_done && conn->flags & TCP_F_ACK_NOW)
        (void)tcp_output(tcp, conn); /* should there be no frame: the peer asks again */
    else if (why != TCP_END_done && why != TCP_END_reset && why != TCP_END_aborted &&
             why != TCP_END_gave_way)
        (void)tcp_send_reset(tcp, conn);
}

void tcp_over(struct tcp *tcp, struct tcp_conn *conn, enum tcp_end why)
{
    struct tcp_tuple tuple;
    bool first = conn->state == TCP_FIN_WAIT_2 || conn->state == TCP_CLOSING;
    say_goodbye(tcp, conn, why);
    TCP_COUNT(tcp, ended[why]);
    tcp_tuple_of(&tuple, tcp, conn);
    tcp_past_add(tcp, conn, &tuple.id, first && why == TCP_END_done);
    tcp_table_remove(tcp, conn, &tuple);
    tcp_prefix_add(tcp, tcp_prefix_hash(tcp, conn->family, conn->addrs, conn->prefix_bits), -1);
    tcp_timer_remove(tcp, conn);
    tcp_stuck_remove(tcp, conn);
    conn->armed = 0;
    tcp_chunks_give(tcp, conn->store);
    tcp_chunks_give(tcp, conn->queue);
    conn->store = conn->queue = TCP_NONE;
    conn->state = TCP_OVER;
    if (why != TCP_END_refused)
        tcp->app.closed(tcp->app.app, conn, why);
    if (!(conn->flags & TCP_F_QUEUED))
        tcp_give_conn(tcp, conn);
}

/* The calls of the application. */

static bool usable(const struct tcp_conn *conn)
{
    return conn->state != TCP_OVER && !(conn->flags & TCP_F_ABORT);
}

uint32_t tcp_send_room(const struct tcp *tcp, const struct tcp_conn *conn)
{
    if (!usable(conn) || tcp_finished(conn) || conn->queued >= tcp->settings.send_bytes)
        return 0;
    return tcp->settings.send_bytes - conn->queued;
}

uint32_t tcp_send(struct tcp *tcp, struct tcp_conn *conn, const void *bytes, uint32_t len)
{
    if (!usable(conn) || tcp_finished(conn))
        return 0;
    uint32_t room = tcp_min(len, tcp_send_room(tcp, conn));
    uint32_t taken = room ? tcp_queue_append(tcp, conn, bytes, room) : 0;
    if (taken < len) {
        conn->flags |= TCP_F_BLOCKED;
        TCP_COUNT(tcp, send_full);
    }
    if (taken)
        tcp_want_output(tcp, conn);
    return taken;
}

void tcp_resume(struct tcp *tcp, struct tcp_conn *conn)
{
    if (!usable(conn) || !(conn->flags & TCP_F_PAUSED))
        return;
    conn->flags |= TCP_F_RESUMED;
    tcp_want_output(tcp, conn);
}

void tcp_finish(struct tcp *tcp, struct tcp_conn *conn)
{
    if (!usable(conn) || tcp_finished(conn))
        return;
    conn->state = conn->flags & TCP_F_PEER_FIN ? TCP_LAST_ACK : TCP_FIN_WAIT_1;
    conn->flags |= TCP_F_RESUMED; /* what waits in the store is thrown away */
    tcp_want_output(tcp, conn);
}

void tcp_abort(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->state == TCP_OVER)
        return;
    conn->flags |= TCP_F_ABORT;
    tcp_want_output(tcp, conn);
}

void tcp_wake(struct tcp *tcp, struct tcp_conn *conn, uint64_t at_ns)
{
    if (!usable(conn))
        return;
    if (at_ns == UINT64_MAX) {
        tcp_timer_stop(conn, TCP_T_WAKE);
        return;
    }
    /* Rounded up, so that it is never early. */
    uint64_t at_ms = (at_ns - tcp->start_ns + NS_PER_MS - 1) / NS_PER_MS;
    uint64_t now_ms = (uint64_t)tcp->now_ms;
    uint32_t in_ms = at_ns < tcp->start_ns ? 0 : (uint32_t)at_ms - (uint32_t)now_ms;
    tcp_timer_set(tcp, conn, TCP_T_WAKE, in_ms > INT32_MAX ? 0 : in_ms);
}

uint32_t tcp_conn_index(const struct tcp *tcp, const struct tcp_conn *conn)
{
    return tcp_index(tcp, conn);
}

struct tcp_conn *tcp_conn_at(struct tcp *tcp, uint32_t index)
{
    if (index >= tcp->fresh_conn)
        return NULL;
    struct tcp_conn *conn = tcp_conn(tcp, index);
    return conn->state == TCP_FREE || conn->state == TCP_OVER ? NULL : conn;
}

struct tcp_peer tcp_conn_peer(const struct tcp_conn *conn)
{
    struct tcp_peer peer = {.family = conn->family, .port = conn->peer_port};
    memcpy(peer.addr, conn->addrs, conn->family == 4 ? 4 : 16);
    return peer;
}

uint32_t tcp_conn_queued(const struct tcp_conn *conn)
{
    return conn->queued;
}

/* The poll. */

/* serve does what a connection on the output list waits for; false: there is no frame. */
static bool serve(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->flags & TCP_F_RESUMED) {
        conn->flags &= ~(TCP_F_RESUMED | TCP_F_PAUSED);
        tcp_offer_store(tcp, conn);
    }
    if (!(conn->flags & TCP_F_ABORT))
        return tcp_output(tcp, conn);
    if (!tcp_send_reset(tcp, conn))
        return false;
    tcp_over(tcp, conn, conn->flags & TCP_F_GAVE_WAY ? TCP_END_gave_way : TCP_END_aborted);
    return true;
}

static struct tcp_conn *pop_output(struct tcp *tcp)
{
    struct tcp_conn *conn = tcp_conn(tcp, tcp->out_first);
    tcp->out_first = conn->out_next;
    conn->flags &= ~TCP_F_QUEUED;
    return conn;
}

static unsigned poll_output(struct tcp *tcp, unsigned budget)
{
    unsigned work = 0;
    uint32_t last = tcp->out_last; /* what is queued meanwhile comes in the next turn */
    while (work < budget && tcp->out_first != TCP_NONE) {
        struct tcp_conn *conn = pop_output(tcp);
        work++;
        if (conn->state == TCP_OVER) {
            tcp_give_conn(tcp, conn);
        } else if (!serve(tcp, conn)) {
            tcp_want_output(tcp, conn);
            break;
        }
        if (tcp_index(tcp, conn) == last)
            break;
    }
    return work;
}

unsigned tcp_poll(struct tcp *tcp, uint64_t now_ns, unsigned budget)
{
    tcp_clock_set(tcp, now_ns);
    unsigned work = tcp_timer_poll(tcp, budget);
    work += tcp_past_expire(tcp, budget);
    return work + poll_output(tcp, budget);
}

static const struct {
    const char *name, *help;
} reasons[] =
    {
#define TCP_REASON_TEXT(name, help) {#name, help},
        TCP_REASON_LIST(TCP_REASON_TEXT)
#undef TCP_REASON_TEXT
},
  ends[] = {
#define TCP_END_TEXT(name, help) {#name, help},
      TCP_END_LIST(TCP_END_TEXT)
#undef TCP_END_TEXT
};

const char *tcp_reason_name(unsigned reason)
{
    return reason < TCP_REASON_COUNT ? reasons[reason].name : "unknown";
}

const char *tcp_reason_help(unsigned reason)
{
    return reason < TCP_REASON_COUNT ? reasons[reason].help : "unknown";
}

const char *tcp_end_name(unsigned end)
{
    return end < TCP_END_COUNT ? ends[end].name : "unknown";
}

const char *tcp_end_help(unsigned end)
{
    return end < TCP_END_COUNT ? ends[end].help : "unknown";
}
