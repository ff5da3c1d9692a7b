/* topo_http.c - HTTP's share in the topology: made for each rx part, reconfigured, counted. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "dataplane/base/counter.h"
#include "dataplane/http_conf.h"
#include "dataplane/topo.h"

size_t topo_http_footprint(const struct topo *topo)
{
    if (!topo->conf->http.port)
        return 0;
    struct tcp_limits tcp = http_conf_tcp_limits(topo->conf, topo->plan.rx_count);
    struct http_limits http =
        http_conf_limits(topo->conf, topo->plan.rx_count, topo->plan.shard_count);
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
        .tx_checksum = port_makes_tcp(&topo->ports[topo->plan.rx[index].port]),
        .tcp = http_conf_tcp_limits(topo->conf, topo->plan.rx_count),
        .http = http_conf_limits(topo->conf, topo->plan.rx_count, topo->plan.shard_count),
        .key = &topo->tcp_key,
        .seed = hash64(&topo->tcp_key, &index, sizeof index),
        .draining = &topo->stop_wanted,
    };
    http_conf_settings(topo->conf, topo->conf, topo->plan.rx_count, &wiring.settings.tcp,
                       &wiring.settings.http);
    for (uint32_t s = 0; s < topo->plan.shard_count; s++)
        wiring.journals[s] = topo->journals[s].journal;
    rx_http_init(rx, arena, &wiring);
}

void topo_http_reconfigure(const struct topo *topo, const struct conf *conf, struct rx *rx)
{
    struct rx_http_settings settings;
    if (!rx->http)
        return;
    http_conf_settings(topo->conf, conf, topo->plan.rx_count, &settings.tcp, &settings.http);
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

void topo_http_count(const struct topo *topo, struct http_totals *totals)
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
}
