/* rx_http.h - TCP and HTTP on the queue of an rx part: segments in, frames out, events staged for
 * the shards, answers back.
 *
 * What TCP sends waits here until the port takes it: a full transmit queue shows as frames that
 * tcp cannot get, and tcp sends later; no frame is dropped.
 *
 * Memory:  all from the rx part's arena.
 * Threads: the rx core; the counters of tcp and http, and `waiting`, are read by the control
 * thread.
 */
#pragma once

#include <stdatomic.h>

#include "dataplane/http.h"
#include "dataplane/journal.h"
#include "dataplane/rx.h"
#include "dataplane/tcp.h"

struct rx_arrival;

#define RX_HTTP_FRAMES 512u /* that wait for the port at most, each in a buffer; a power of two */

struct rx_http_settings {
    struct tcp_settings tcp;
    struct http_settings http;
};

struct rx_http_wiring {
    uint16_t port, mtu;
    bool tx_checksum; /* the rx part's port makes TCP checksums */
    struct tcp_limits tcp;
    struct http_limits http;
    struct rx_http_settings settings;
    const struct hash_key *key;                    /* outlives the part */
    uint64_t seed;                                 /* random */
    const struct journal *journals[RX_SHARDS_MAX]; /* [shard]: how far it is durable, how it is */
    const _Atomic bool *draining;                  /* the daemon stops */
};

size_t rx_http_footprint(const struct tcp_limits *tcp, const struct http_limits *http);

/* rx_http_init makes TCP and HTTP part of an rx part, before its first poll. */
void rx_http_init(struct rx *rx, struct arena *arena, const struct rx_http_wiring *wiring);
void rx_http_reconfigure(struct rx_http *http, const struct rx_http_settings *settings);

const struct tcp_counters *rx_http_tcp_counters(const struct rx_http *http);
const struct http_counters *rx_http_counters(const struct rx_http *http);
/* rx_http_waiting returns the frames that wait for the port.  Thread: any. */
uint32_t rx_http_waiting(const struct rx_http *http);

/* The rest is called by rx_poll.  rx_http_begin gives the times of a burst of frames, at most
 * RX_BURST; rx_http_input takes one of its frames (a verdict of NET_TCP or NET_TCP_ERROR), which
 * stays the caller's and as it is until rx_http_end: there segments are looked at, together, before
 * the next datagram and at the burst's end.  rx_http_answered takes an answer to an event with
 * RX_TOKEN_HTTP. */
void rx_http_begin(struct rx_http *http, uint64_t receive_ns, uint64_t now_ns);
void rx_http_end(struct rx_http *http);
void rx_http_input(struct rx_http *http, const struct packet *packet,
                   const struct net_verdict *verdict, const struct rx_arrival *arrival);
void rx_http_answered(struct rx_http *http, uint32_t shard, const struct answer *answer);

/* rx_http_poll ends the turn: answers that have become durable, batches, timers, frames to the
 * port.  receive false: nothing more comes in, and the connections that are left are reset, some in
 * each turn.  Returns work done. */
unsigned rx_http_poll(struct rx_http *http, bool receive);
