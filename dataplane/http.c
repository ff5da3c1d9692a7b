/* http.c - set-up, the poll, and answers on their way to their requests. */
#include "dataplane/http.h"

#include "dataplane/base/counter.h"
#include "dataplane/http_impl.h"
#include "dataplane/http_text.h"

static const char *const health_names[] = {
#define HTTP_HEALTH_NAME(name, help) #name,
    HTTP_HEALTH_LIST(HTTP_HEALTH_NAME)
#undef HTTP_HEALTH_NAME
};

static const char *const health_helps[] = {
#define HTTP_HEALTH_HELP(name, help) help,
    HTTP_HEALTH_LIST(HTTP_HEALTH_HELP)
#undef HTTP_HEALTH_HELP
};

const char *http_health_name(unsigned health)
{
    return health < HTTP_HEALTH_COUNT ? health_names[health] : "unknown";
}

const char *http_health_help(unsigned health)
{
    return health < HTTP_HEALTH_COUNT ? health_helps[health] : "unknown";
}

void http_settings_init(struct http_settings *settings)
{
    *settings = (struct http_settings){
        .line_bytes = 4096,
        .head_bytes = HTTP_HEAD_BYTES_MAX,
        .header_count = 100,
        .body_bytes = 1u << 20,
        .batch_events = 10000,
        .pipeline = 16,
        .head_ms = 10000,
        .idle_ms = 60000,
        .body_ms = 10000,
        .body_bytes_per_s = 1024,
        .answer_ms = 30000,
        .retry_after_s = 1,
        .batch_room = 256,
        .ack = HTTP_ACK_DURABLE,
        .ack_weakest = HTTP_ACK_ACCEPTED,
    };
}

static void check_limits(const struct http_limits *l)
{
    assert(l->connections >= 1 && l->connections <= TCP_CONNECTIONS_MAX);
    assert(l->slots >= 8 && l->slots <= HTTP_SLOTS_MAX);
    assert(l->mediums >= 1 && l->mediums <= 65536 && l->larges >= 1 && l->larges <= 4096);
    assert(l->batches >= 1 && l->batches <= 65536);
    assert(l->medium_bytes >= HTTP_HEAD_BYTES_MAX && l->medium_bytes <= l->body_bytes);
    assert(l->body_bytes <= HTTP_BODY_BYTES_MAX);
    assert(l->shard_count >= 1 && l->shard_count <= HTTP_SHARDS_MAX);
}

static void check_settings(const struct http *http, const struct http_settings *s)
{
    assert(s->head_bytes >= 256 && s->head_bytes <= HTTP_HEAD_BYTES_MAX);
    assert(s->line_bytes >= 64 && s->line_bytes <= HTTP_HEAD_BYTES_MAX);
    assert(s->header_count >= 1 && s->header_count <= 1000);
    assert(s->body_bytes >= 64 && s->body_bytes <= http->body_bytes_max);
    assert(s->batch_events >= 1 && s->batch_events <= HTTP_BATCH_EVENTS_MAX);
    assert(s->pipeline >= 1 && s->pipeline <= 1000);
    assert(s->head_ms && s->idle_ms && s->body_ms && s->answer_ms && s->body_bytes_per_s);
    assert(s->batch_room && s->retry_after_s && s->cors.origin_count <= HTTP_ORIGINS_MAX);
}

size_t http_conn_bytes(void)
{
    return sizeof(struct http_conn);
}

size_t http_footprint(const struct http_limits *limits)
{
    return arena_round(sizeof(struct http), 64) + 64 +
           arena_round(limits->connections * sizeof(struct http_conn), 64) + 64 +
           http_pool_footprint(limits->slots, sizeof(struct http_request)) +
           http_pool_footprint(limits->mediums, limits->medium_bytes) +
           http_pool_footprint(limits->larges, limits->body_bytes) +
           http_pool_footprint(limits->batches, sizeof(struct http_batch));
}

static void set(struct http *http, const struct http_settings *settings)
{
    check_settings(http, settings);
    http->settings = *settings;
    http->head_limits = (struct http_head_limits){
        .line_bytes = settings->line_bytes,
        .head_bytes = settings->head_bytes,
        .header_count = settings->header_count,
    };
    http_memo_init(&http->memo);
}

struct http *http_init(struct arena *arena, const struct http_wiring *wiring)
{
    const struct http_limits *limits = &wiring->limits;
    const struct http_list empty = {HTTP_NONE, HTTP_NONE};
    check_limits(limits);
    struct http *http = arena_alloc(arena, sizeof *http, 64);
    assert(http);
    http->connection_count = limits->connections;
    http->conns = arena_alloc(arena, limits->connections * sizeof(struct http_conn), 64);
    assert(http->conns);
    http->medium_bytes = limits->medium_bytes;
    http->body_bytes_max = limits->body_bytes;
    http->shard_count = limits->shard_count;
    http->intake = wiring->intake;
    http_pool_init(&http->slots, arena, limits->slots, sizeof(struct http_request));
    http_pool_init(&http->mediums, arena, limits->mediums, limits->medium_bytes);
    http_pool_init(&http->larges, arena, limits->larges, limits->body_bytes);
    http_pool_init(&http->batches, arena, limits->batches, sizeof(struct http_batch));
    for (unsigned i = 0; i < HTTP_CLASSES; i++)
        http->incoming[i] = empty;
    for (unsigned i = 0; i < HTTP_SHARDS_MAX; i++)
        http->waits[i] = empty;
    http->feeding = empty;
    http->blocked = empty;
    set(http, &wiring->settings);
    return http;
}

void http_start(struct http *http, struct tcp *tcp, uint64_t now_ns)
{
    http->tcp = tcp;
    http->now_ns = now_ns;
    http->health = http->intake.health(http->intake.rx);
}

void http_reconfigure(struct http *http, const struct http_settings *settings)
{
    set(http, settings);
}

void http_date(struct http *http, uint64_t realtime_ns)
{
    static const char days[] = "ThuFriSatSunMonTueWed"; /* 1970 began on a Thursday */
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    uint64_t seconds = realtime_ns / 1000000000;
    if (seconds == http->date_s && http->date_len)
        return;
    char now[TEXT_TIME_LEN + 1]; /* 2026-11-20T12:00:01.201Z */
    text_time_format((int64_t)(seconds * 1000), now);
    struct http_text t = {.at = http->date, .end = http->date + sizeof http->date};
    HTTP_PUT(&t, "Date: ");
    http_text_put(&t, days + 3 * (size_t)(seconds / 86400 % 7), 3);
    HTTP_PUT(&t, ", ");
    http_text_put(&t, now + 8, 2);
    HTTP_PUT(&t, " ");
    http_text_put(&t, months + 3 * (size_t)((now[5] - '0') * 10 + now[6] - '0' - 1), 3);
    HTTP_PUT(&t, " ");
    http_text_put(&t, now, 4);
    HTTP_PUT(&t, " ");
    http_text_put(&t, now + 11, 8);
    HTTP_PUT(&t, " GMT\r\n");
    http->date_s = seconds;
    http->date_len = (uint32_t)(t.at - http->date);
}

void http_prefetch(const struct http *http, uint32_t conn)
{
    if (conn < http->connection_count)
        __builtin_prefetch(&http->conns[conn]);
}

void http_answered(struct http *http, uint32_t shard, const struct answer *answer)
{
    const uint64_t slots = (UINT64_C(1) << HTTP_TOKEN_SLOT_BITS) - 1;
    const uint64_t indexes = (UINT64_C(1) << HTTP_TOKEN_INDEX_BITS) - 1;
    uint64_t token = answer->token >> 1;
    uint32_t slot = (uint32_t)(token & slots);
    uint32_t index = (uint32_t)(token >> HTTP_TOKEN_SLOT_BITS & indexes);
    uint32_t at = (uint32_t)(token >> (HTTP_TOKEN_SLOT_BITS + HTTP_TOKEN_INDEX_BITS));
    struct http_request *r = http_request_at(http, slot);
    assert(r->open && http->counters.open_events && shard < http->shard_count);
    r->open--;
    counter_add(&http->counters.open_events, UINT64_MAX);
    if (r->batch == HTTP_NONE)
        http_request_answered(http, slot, shard, answer);
    else
        http_batch_answered(http, slot, shard, index, at, answer);
}

unsigned http_poll(struct http *http, uint64_t now_ns)
{
    struct http_counters *counters = &http->counters;
    http->now_ns = now_ns;
    http->health = http->intake.health(http->intake.rx);
    unsigned work = http_wait_poll(http) + http_batch_poll(http);
    if (http->health == HTTP_HEALTH_draining)
        work += http_conn_drain(http);
    counter_set(&counters->slots, http->slots.used);
    counter_set(&counters->mediums, http->mediums.used);
    counter_set(&counters->larges, http->larges.used);
    counter_set(&counters->open_batches, http->batches.used);
    return work;
}

bool http_idle(const struct http *http)
{
    return http->slots.used == 0;
}

const struct http_counters *http_counters(const struct http *http)
{
    return &http->counters;
}
