/* topo_http.c - HTTP's share in the topology: limits and settings from the configuration, and what
 * was counted. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/counter.h"
#include "dataplane/topo.h"

#define BATCHES_PER_REQUESTS 16 /* requests at work to one batch at work */

/* share_of returns an rx part's share of what all have together: an eighth more where there are
 * several, since connections are spread by a hash. */
static uint32_t share_of(const struct topo *topo, uint64_t total, uint64_t least, uint64_t most)
{
    uint32_t parts = topo->plan.rx_count;
    uint64_t share = (total + parts - 1) / parts;
    if (parts > 1)
        share += share / 8;
    share = share > least ? share : least;
    return (uint32_t)(share < most ? share : most);
}

static uint32_t ms(uint64_t ns)
{
    return (uint32_t)(ns / NS_PER_MS);
}

static struct tcp_limits tcp_limits_of(const struct topo *topo)
{
    const struct conf_http *http = &topo->conf->http;
    return (struct tcp_limits){
        .connections = share_of(topo, http->connections, 1, TCP_CONNECTIONS_MAX),
        .time_waits = share_of(topo, http->tcp.time_waits, 1, TCP_CONNECTIONS_MAX),
        .chunks = share_of(topo, http->buffer_bytes / TCP_CHUNK_BYTES, 8, 1u << 22),
    };
}

static struct http_limits http_limits_of(const struct topo *topo)
{
    const struct conf_http *http = &topo->conf->http;
    uint64_t half = http->bodies_bytes / 2;
    return (struct http_limits){
        .connections = share_of(topo, http->connections, 1, TCP_CONNECTIONS_MAX),
        .slots = share_of(topo, http->requests, 8, HTTP_SLOTS_MAX),
        .mediums = share_of(topo, half / HTTP_MEDIUM_BYTES, 1, 65536),
        .larges = share_of(topo, half / http->body_bytes, 1, 4096),
        .batches = share_of(topo, http->requests / BATCHES_PER_REQUESTS, 1, 65536),
        .body_bytes = http->body_bytes,
        .shard_count = topo->plan.shard_count,
    };
}

static void tcp_settings_of(const struct topo *topo, const struct conf_http *conf,
                            struct tcp_settings *settings)
{
    const struct conf_tcp *tcp = &conf->tcp;
    *settings = (struct tcp_settings){
        .per_prefix = share_of(topo, conf->prefix_connections, 1, TCP_CONNECTIONS_MAX),
        .prefix4 = conf->prefix4,
        .prefix6 = conf->prefix6,
        .receive_bytes = conf->receive_bytes,
        .send_bytes = conf->send_bytes,
        .rto_min_ms = ms(tcp->rto_min_ns),
        .rto_max_ms = ms(tcp->rto_max_ns),
        .retries = tcp->retries,
        .zero_window_ms = ms(tcp->zero_window_ns),
        .delayed_ack_ms = ms(tcp->delayed_ack_ns),
        .keepalive_ms = ms(tcp->keepalive_ns),
        .keepalive_every_ms = ms(tcp->keepalive_every_ns),
        .keepalive_probes = tcp->keepalive_probes,
        .linger_ms = ms(tcp->linger_ns),
        .linger_bytes = tcp->linger_bytes,
        .time_wait_ms = ms(tcp->time_wait_ns),
        .challenges = tcp->challenges,
    };
}

static void cors_of(const struct conf_http *conf, struct http_cors *cors)
{
    static_assert(CONF_ORIGINS_MAX <= HTTP_ORIGINS_MAX && CONF_NAME_MAX < HTTP_ORIGIN_BYTES_MAX,
                  "every list of the configuration fits");
    *cors = (struct http_cors){.max_age_s = (uint32_t)(conf->preflight_ns / NS_PER_S)};
    for (uint32_t i = 0; i < conf->origin_count; i++) {
        if (strcmp(conf->origin[i], "*") == 0)
            cors->any = true;
        else
            memcpy(cors->origins[cors->origin_count++], conf->origin[i], CONF_NAME_MAX + 1);
    }
}

static void http_settings_of(const struct topo *topo, const struct conf_http *conf,
                             struct http_settings *settings)
{
    *settings = (struct http_settings){
        .line_bytes = conf->line_bytes,
        .head_bytes = conf->head_bytes,
        .header_count = conf->header_count,
        .body_bytes = topo->conf->http.body_bytes, /* buffers are as they were made */
        .batch_events = conf->batch_events,
        .pipeline = conf->pipeline,
        .head_ms = ms(conf->head_timeout_ns),
        .idle_ms = ms(conf->idle_timeout_ns),
        .body_ms = ms(conf->body_timeout_ns),
        .body_bytes_per_s = conf->body_rate,
        .answer_ms = ms(conf->answer_timeout_ns),
        .retry_after_s = (uint32_t)(conf->retry_after_ns / NS_PER_S),
        .batch_room = topo->conf->ring_slots / 2,
        .conn_events_per_s = conf->event_rate,
        .ack = conf->ack == CONF_ACK_DURABLE ? HTTP_ACK_DURABLE : HTTP_ACK_ACCEPTED,
        .ack_weakest = conf->ack_min == CONF_ACK_DURABLE ? HTTP_ACK_DURABLE : HTTP_ACK_ACCEPTED,
    };
    cors_of(conf, &settings->cors);
}

size_t topo_http_footprint(const struct topo *topo)
{
    if (!topo->conf->http.port)
        return 0;
    struct tcp_limits tcp = tcp_limits_of(topo);
    struct http_limits http = http_limits_of(topo);
    return rx_http_footprint(&tcp, &http);
}

int topo_http_key(struct topo *topo, char error[512])
{
    uint8_t seed[HASH_SEED_BYTES];
    if (getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        snprintf(error, 512, "the kernel has no random bytes: %s", strerror(errno));
        return -1;
    }
    hash_key_init(&topo->tcp_key, seed);
    return 0;
}

void topo_http_make(const struct topo *topo, uint32_t index, struct rx *rx, struct arena *arena)
{
    const struct conf_http *conf = &topo->conf->http;
    if (!conf->port)
        return;
    struct rx_http_wiring wiring = {
        .port = conf->port,
        .mtu = (uint16_t)conf->tcp.mtu,
        .tcp = tcp_limits_of(topo),
        .http = http_limits_of(topo),
        .key = &topo->tcp_key,
        .seed = hash64(&topo->tcp_key, &index, sizeof index),
        .draining = &topo->stop_wanted,
    };
    tcp_settings_of(topo, conf, &wiring.settings.tcp);
    http_settings_of(topo, conf, &wiring.settings.http);
    for (uint32_t s = 0; s < topo->plan.shard_count; s++) {
        wiring.marks[s] = &topo->journals[s].journal->mark;
        wiring.journal_errors[s] = &topo->journals[s].journal->error;
    }
    rx_http_init(rx, arena, &wiring);
}

void topo_http_reconfigure(const struct topo *topo, const struct conf *conf, struct rx *rx)
{
    struct rx_http_settings settings;
    if (!rx->http)
        return;
    tcp_settings_of(topo, &conf->http, &settings.tcp);
    http_settings_of(topo, &conf->http, &settings.http);
    rx_http_reconfigure(rx->http, &settings);
}

/* Both structs are nothing but counters. */
static void add(void *sum, const void *counters, size_t bytes)
{
    uint64_t *to = sum;
    const uint64_t *from = counters;
    for (size_t i = 0; i < bytes / sizeof *to; i++)
        to[i] += counter_read(&from[i]);
}

bool topo_http_count(const struct topo *topo, struct http_totals *totals)
{
    static const uint8_t turned_away[] = {HTTP_PROBLEM_rate,     HTTP_PROBLEM_not_ready,
                                          HTTP_PROBLEM_no_room,  HTTP_PROBLEM_no_buffer,
                                          HTTP_PROBLEM_no_batch, HTTP_PROBLEM_gave_way};
    memset(totals, 0, sizeof *totals);
    for (uint32_t r = 0; r < topo->plan.rx_count; r++) {
        const struct rx_http *http = topo->rx[r]->http;
        if (!http)
            continue;
        add(&totals->tcp, rx_http_tcp_counters(http), sizeof totals->tcp);
        add(&totals->http, rx_http_counters(http), sizeof totals->http);
        totals->frames_waiting += rx_http_waiting(http);
    }
    for (size_t i = 0; i < sizeof turned_away; i++)
        totals->refused += totals->http.problems[turned_away[i]];
    return topo->conf->http.port != 0;
}
