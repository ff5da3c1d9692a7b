/* http_conf.c - keys to limits and settings. */
#include "dataplane/http_conf.h"

#include <assert.h>
#include <string.h>

#include "dataplane/base/clock.h"

#define BATCHES_PER_REQUESTS 16 /* requests at work to one batch at work */

/* share_of returns an rx part's share of what all have together: an eighth more where there are
 * several, since connections are spread by a hash. */
static uint32_t share_of(uint32_t parts, uint64_t total, uint64_t least, uint64_t most)
{
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

struct tcp_limits http_conf_tcp_limits(const struct conf *conf, uint32_t parts)
{
    const struct conf_http *http = &conf->http;
    return (struct tcp_limits){
        .connections = share_of(parts, http->connections, 1, TCP_CONNECTIONS_MAX),
        .time_waits = share_of(parts, http->tcp.time_waits, 1, TCP_CONNECTIONS_MAX),
        .chunks = share_of(parts, http->buffer_bytes / TCP_CHUNK_BYTES, 8, 1u << 22),
    };
}

struct http_limits http_conf_limits(const struct conf *conf, uint32_t parts, uint32_t shard_count)
{
    const struct conf_http *http = &conf->http;
    uint64_t half = http->bodies_bytes / 2;
    uint32_t usual = http->usual_bytes < http->body_bytes ? http->usual_bytes : http->body_bytes;
    return (struct http_limits){
        .connections = share_of(parts, http->connections, 1, TCP_CONNECTIONS_MAX),
        .slots = share_of(parts, http->requests, 8, HTTP_SLOTS_MAX),
        .mediums = share_of(parts, half / usual, 1, 65536),
        .larges = share_of(parts, half / http->body_bytes, 1, 4096),
        .batches = share_of(parts, http->requests / BATCHES_PER_REQUESTS, 1, 65536),
        .medium_bytes = usual,
        .body_bytes = http->body_bytes,
        .shard_count = shard_count,
    };
}

static void tcp_settings_of(const struct conf_http *conf, uint32_t parts,
                            struct tcp_settings *settings)
{
    const struct conf_tcp *tcp = &conf->tcp;
    *settings = (struct tcp_settings){
        .per_prefix = share_of(parts, conf->prefix_connections, 1, TCP_CONNECTIONS_MAX),
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

static void http_settings_of(const struct conf *started, const struct conf_http *conf,
                             struct http_settings *settings)
{
    *settings = (struct http_settings){
        .line_bytes = conf->line_bytes,
        .head_bytes = conf->head_bytes,
        .header_count = conf->header_count,
        .body_bytes = started->http.body_bytes, /* buffers are as they were made */
        .batch_events = conf->batch_events,
        .pipeline = conf->pipeline,
        .head_ms = ms(conf->head_timeout_ns),
        .idle_ms = ms(conf->idle_timeout_ns),
        .body_ms = ms(conf->body_timeout_ns),
        .body_bytes_per_s = conf->body_rate,
        .answer_ms = ms(conf->answer_timeout_ns),
        .retry_after_s = (uint32_t)(conf->retry_after_ns / NS_PER_S),
        .batch_room = started->ring_slots / 2,
        .conn_events_per_s = conf->event_rate,
        .ack = conf->ack == CONF_ACK_DURABLE ? HTTP_ACK_DURABLE : HTTP_ACK_ACCEPTED,
        .ack_weakest = conf->ack_min == CONF_ACK_DURABLE ? HTTP_ACK_DURABLE : HTTP_ACK_ACCEPTED,
    };
    cors_of(conf, &settings->cors);
}

void http_conf_settings(const struct conf *started, const struct conf *conf, uint32_t parts,
                        struct tcp_settings *tcp, struct http_settings *http)
{
    tcp_settings_of(&conf->http, parts, tcp);
    http_settings_of(started, &conf->http, http);
}
