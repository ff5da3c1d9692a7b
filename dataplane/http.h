/* http.h - HTTP/1.1 (RFC 9110, RFC 9112) for events, the application on top of tcp.h: one instance
 * per core, sharing nothing.
 *
 * POST /v1/events takes one event, a JSON array of them or NDJSON; GET and HEAD /healthz say
 * whether this host should get traffic; OPTIONS answers a browser's preflight.  What could be read
 * in two ways is refused and the connection closed, with nothing parsed behind the bad byte.
 *
 * A connection at rest is a small struct in an array.  From the first byte of a request that does
 * not come in one piece, or from its complete head, until its answer is with TCP, it holds a slot
 * with a small buffer; longer bodies take a medium or the large one.  Where such a pool is used up,
 * the request that has been coming in for longest gives way, so those who send slowly hold up each
 * other and nobody else.  Answers leave in the order of the requests; what TCP does not take of one
 * is kept in its slot.
 *
 * Memory:  all from the arena, in http_init.
 * Threads: one core calls everything; counters are read by any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/answer.h"
#include "dataplane/base/arena.h"
#include "dataplane/http_problem.h"
#include "dataplane/tcp.h"

#define HTTP_SHARDS_MAX       64
#define HTTP_ORIGINS_MAX      16
#define HTTP_ORIGIN_BYTES_MAX 128
#define HTTP_SLOTS_MAX        (1u << 22)
#define HTTP_SMALL_BYTES      1280 /* in each slot, for a head in pieces or a small body */
#define HTTP_HEAD_BYTES_MAX   (16u << 10)
#define HTTP_BODY_BYTES_MAX   (16u << 20)
#define HTTP_BATCH_EVENTS_MAX 65536
#define HTTP_BATCH_ERRORS     100 /* listed of one batch; the others are counted only */
#define HTTP_BATCH_CLAIMS     512 /* likewise */

/* Whether events are taken; what /healthz says. */
#define HTTP_HEALTH_LIST(HTTP_HEALTH)                                                              \
    HTTP_HEALTH(ready, "takes events")                                                             \
    HTTP_HEALTH(starting, "recovery is not complete")                                              \
    HTTP_HEALTH(draining, "stops; what it has taken is answered")                                  \
    HTTP_HEALTH(disk_full, "there is no room for the journal; what it has taken is answered")      \
    HTTP_HEALTH(journal_failed, "a journal cannot write")

enum http_health {
#define HTTP_HEALTH_ENUM(name, help) HTTP_HEALTH_##name,
    HTTP_HEALTH_LIST(HTTP_HEALTH_ENUM)
#undef HTTP_HEALTH_ENUM
        HTTP_HEALTH_COUNT
};

const char *http_health_name(unsigned health);
const char *http_health_help(unsigned health);

/* What HTTP asks of the rx part; tests play it. */
struct http_intake {
    /* room returns how many events every shard's ring could take now (the least of them); what was
     * submitted and is not pushed yet counts as there. */
    uint32_t (*room)(void *rx);
    /* submit parses one event and stages it for its shard.  False: that ring is full, nothing
     * happened and no answer will come.  Else exactly one answer comes through http_answered, with
     * this token, and bytes stay as they are until then.  id becomes the event's, 0 where the bytes
     * have none (they are rejected then).  It must not answer from within.  len in [0,
     * HTTP_BODY_BYTES_MAX]: what is longer than an event may be is taken too, and comes back
     * rejected.  wire_ns is when it came, 0: with the segment at hand. */
    bool (*submit)(void *rx, uint64_t token, const uint8_t *bytes, uint32_t len, uint64_t wire_ns,
                   uint64_t id[2]);
    /* wire returns when the segment at hand came, on the clock of latencies. */
    uint64_t (*wire)(void *rx);
    /* durable returns the highest ordinal of a shard that is on disk. */
    uint64_t (*durable)(void *rx, uint32_t shard);
    /* health returns enum http_health. */
    unsigned (*health)(void *rx);
    void *rx;
};

enum http_ack { HTTP_ACK_ACCEPTED, HTTP_ACK_DURABLE }; /* weaker ones first */

/* What sizes memory: a restart changes it. */
struct http_limits {
    uint32_t connections; /* [1, TCP_CONNECTIONS_MAX], as tcp_limits has it; HTTP_CONN_BYTES each */
    uint32_t slots;   /* [8, HTTP_SLOTS_MAX] requests at once, about 1.5 KiB each: more than come in
                         slowly, and what is at the shards */
    uint32_t mediums; /* [1, 65536] of medium_bytes */
    uint32_t larges;  /* [1, 4096] of body_bytes */
    uint32_t batches; /* [1, 65536] at once, about 18 KiB each */
    uint32_t medium_bytes; /* [HTTP_HEAD_BYTES_MAX, body_bytes]: nearly every body fits */
    uint32_t body_bytes;   /* [HTTP_HEAD_BYTES_MAX, HTTP_BODY_BYTES_MAX] */
    uint32_t shard_count;  /* [1, HTTP_SHARDS_MAX] */
};

/* CORS, for scripts in browsers.  Off: no origin is allowed. */
struct http_cors {
    bool any; /* every origin: `*` */
    uint32_t origin_count;
    char origins[HTTP_ORIGINS_MAX][HTTP_ORIGIN_BYTES_MAX]; /* "https://shop.example", with a NUL */
    uint32_t max_age_s; /* that a browser may remember a preflight: [0, 86400] */
};

/* What a reload may change.  http_settings_init fills in the second figure of each range. */
struct http_settings {
    uint32_t line_bytes;        /* of the request line: [64, 16384] 4096; longer: 414 */
    uint32_t head_bytes;        /* of the head in all: [256, 16384] 16384; longer: 431 */
    uint32_t header_count;      /* [1, 1000] 100; more: 431 */
    uint32_t body_bytes;        /* [64, limits.body_bytes] 1 MiB; longer: 413 */
    uint32_t batch_events;      /* [1, HTTP_BATCH_EVENTS_MAX] 10000; more: 413 */
    uint32_t pipeline;          /* requests of a connection at once: [1, 1000] 16; more wait */
    uint32_t head_ms;           /* from a head's first byte to its last: [100, 600000] 10000 */
    uint32_t idle_ms;           /* without a request: [100, 3600000] 60000; closes silently */
    uint32_t body_ms;           /* that a body may take whatever its rate: [100, 600000] 10000 */
    uint32_t body_bytes_per_s;  /* least rate after that, on average: [1, 2^30] 1024 */
    uint32_t answer_ms;         /* for an answer to come or be taken: [100, 600000] 30000 */
    uint32_t retry_after_s;     /* in 429 and 503: [1, 3600] 1 */
    uint32_t batch_room;        /* half an event ring: room that a batch needs to begin, if it is
                                   not smaller; [1, 2^31] 256 */
    uint32_t conn_events_per_s; /* of one connection: [0, 2^30] 0: no limit; more: 429 */
    uint8_t ack;                /* enum http_ack without Trove-Ack: durable */
    uint8_t ack_weakest; /* what Trove-Ack may ask for at least; weaker is raised: accepted */
    struct http_cors cors;
};

void http_settings_init(struct http_settings *settings);

/* HTTP_COUNTER(name, help): what else is counted. */
#define HTTP_COUNTER_LIST(HTTP_COUNTER)                                                            \
    HTTP_COUNTER(connections, "connections opened")                                                \
    HTTP_COUNTER(requests, "requests whose head was read")                                         \
    HTTP_COUNTER(body_bytes, "bytes of bodies, chunk framing taken off")                           \
    HTTP_COUNTER(answer_bytes, "bytes of answers")                                                 \
    HTTP_COUNTER(continues, "100 Continue sent")                                                   \
    HTTP_COUNTER(events, "events submitted to shards")                                             \
    HTTP_COUNTER(batches, "batches begun")                                                         \
    HTTP_COUNTER(idle_closed, "connections closed because nothing came")                           \
    HTTP_COUNTER(cut_short, "requests that a connection's end left incomplete")                    \
    HTTP_COUNTER(unanswered, "requests whose connection ended before their answer left")           \
    HTTP_COUNTER(stalled,                                                                          \
                 "connections reset because answers were not read in time, or slots ran out")      \
    HTTP_COUNTER(held, "times that a connection had to wait for its own earlier requests")

struct http_counters {
#define HTTP_COUNTER_FIELD(name, help) uint64_t name;
    HTTP_COUNTER_LIST(HTTP_COUNTER_FIELD)
#undef HTTP_COUNTER_FIELD
    uint64_t answers[HTTP_STATUS_COUNT];
    uint64_t problems[HTTP_PROBLEM_COUNT];
    /* How much there is now. */
    uint64_t open_connections;
    uint64_t slots, mediums, larges, open_batches; /* in use */
    uint64_t open_events;                          /* at shards */
};

struct http_wiring {
    struct http_limits limits;
    struct http_settings settings;
    struct http_intake intake;
};

struct http;

/* http_footprint returns the bytes that http_init takes of its arena; http_conn_bytes what one
 * connection at rest costs of them. */
size_t http_footprint(const struct http_limits *limits);
size_t http_conn_bytes(void);

/* http_init makes an instance; limits and settings are in their ranges (asserted).  http_app gives
 * the callbacks for tcp_init, and http_start what tcp_init returned, before the first poll. */
struct http *http_init(struct arena *arena, const struct http_wiring *wiring);
struct tcp_app http_app(struct http *http);
void http_start(struct http *http, struct tcp *tcp, uint64_t now_ns);

/* http_reconfigure takes over a copy of new settings; requests that are open go on under them. */
void http_reconfigure(struct http *http, const struct http_settings *settings);

/* http_prefetch brings a connection's struct into the cache; any number, of which one that is none
 * does nothing. */
void http_prefetch(const struct http *http, uint32_t conn);

/* http_answered takes the answer to one submitted event, of a shard in [0, shard_count): once for
 * each, in the shard's order.  A durable answer is sent later, by http_poll. */
void http_answered(struct http *http, uint32_t shard, const struct answer *answer);

/* http_poll sends answers that have become durable and feeds batches on, a bounded amount of each,
 * and takes over the time for the callbacks until the next poll.  While health says draining it
 * also closes connections that have waited for a request for a second.  Once per turn, between the
 * turn's tcp_input calls and tcp_poll; now_ns: CLOCK_MONOTONIC.  Returns work done, 0 means idle.
 */
unsigned http_poll(struct http *http, uint64_t now_ns);

/* http_date gives the Date header the time, CLOCK_REALTIME: at least once a second; without it
 * answers have none, as of a server without a clock (RFC 9110 section 6.6.1). */
void http_date(struct http *http, uint64_t realtime_ns);

/* http_idle returns whether no request is open: every event that was submitted is answered and
 * every answer is with TCP.  For the daemon's stop. */
bool http_idle(const struct http *http);

const struct http_counters *http_counters(const struct http *http);
