/* http_kit.c - see http_kit.h. */
#include "tests/unit/dataplane/http_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/event.h"
#include "tests/require.h"

struct tcp {
    int unused;
};

struct tcp_conn {
    uint32_t index;
};

struct kit kit;
static struct tcp the_tcp;
static struct tcp_conn tcp_conns[KIT_CONNS];
static struct arena arena;
static void *memory;
static struct hash_key key;

static struct kit_conn *conn_of(const struct tcp_conn *conn)
{
    struct kit_conn *c = &kit.conns[conn->index];
    REQUIRE(c->open && !c->aborted);
    return c;
}

/* The TCP. */

uint32_t tcp_send(struct tcp *tcp, struct tcp_conn *conn, const void *bytes, uint32_t len)
{
    struct kit_conn *c = conn_of(conn);
    REQUIRE(tcp == &the_tcp && !c->finished);
    uint32_t taken = len < c->room ? len : c->room;
    REQUIRE(c->out_len + taken < KIT_OUT_BYTES);
    memcpy(c->out + c->out_len, bytes, taken);
    c->out_len += taken;
    if (c->room != UINT32_MAX)
        c->room -= taken;
    if (taken < len)
        c->starved = true;
    return taken;
}

uint32_t tcp_send_room(const struct tcp *tcp, const struct tcp_conn *conn)
{
    (void)tcp;
    return conn_of(conn)->room;
}

void tcp_resume(struct tcp *tcp, struct tcp_conn *conn)
{
    (void)tcp;
    REQUIRE(conn_of(conn)->held);
    conn_of(conn)->resumed = true;
}

void tcp_finish(struct tcp *tcp, struct tcp_conn *conn)
{
    (void)tcp;
    REQUIRE(!conn_of(conn)->finished);
    conn_of(conn)->finished = true;
}

void tcp_abort(struct tcp *tcp, struct tcp_conn *conn)
{
    (void)tcp;
    conn_of(conn)->aborted = true;
}

void tcp_wake(struct tcp *tcp, struct tcp_conn *conn, uint64_t at_ns)
{
    (void)tcp;
    conn_of(conn)->wake_ns = at_ns;
}

uint32_t tcp_conn_index(const struct tcp *tcp, const struct tcp_conn *conn)
{
    (void)tcp;
    return conn->index;
}

/* The intake. */

static uint32_t intake_room(void *rx)
{
    (void)rx;
    return kit.room;
}

static void log_event(const uint8_t *bytes, uint32_t len)
{
    while (kit.log_len + len + 2 > kit.log_room) {
        kit.log_room = kit.log_room ? 2 * kit.log_room : 4096;
        kit.log = realloc(kit.log, kit.log_room);
        REQUIRE(kit.log);
    }
    if (len)
        memcpy(kit.log + kit.log_len, bytes, len);
    kit.log_len += len;
    kit.log[kit.log_len++] = '\n';
    kit.log[kit.log_len] = 0;
}

static uint64_t intake_wire(void *rx)
{
    (void)rx;
    return kit.wire_ns;
}

static bool intake_submit(void *rx, uint64_t token, const uint8_t *bytes, uint32_t len,
                          uint64_t wire_ns, uint64_t id[2])
{
    const struct event_limits limits = {.event_bytes = 4096, .event_depth = 32};
    struct event event;
    (void)rx;
    REQUIRE(token & 1);
    if (!kit.room || kit.shut)
        return false;
    kit.room--;
    if (kit.event_count == kit.event_room) {
        kit.event_room = kit.event_room ? 2 * kit.event_room : 64;
        kit.events = realloc(kit.events, kit.event_room * sizeof kit.events[0]);
        REQUIRE(kit.events);
    }
    struct kit_event *e = &kit.events[kit.event_count++];
    *e = (struct kit_event){
        .token = token, .bytes = bytes, .len = len, .wire_ns = wire_ns, .copy = malloc(len + 1)};
    REQUIRE(e->copy);
    if (len)
        memcpy(e->copy, bytes, len);
    bool parsed = event_parse(&limits, &key, bytes, len, &event) == REASON_none;
    e->shard = parsed ? (uint32_t)(event.user_key.hi % kit.shard_count) : 0;
    id[0] = parsed ? event.id[0] : 0;
    id[1] = parsed ? event.id[1] : 0;
    log_event(bytes, len);
    return true;
}

static uint64_t intake_durable(void *rx, uint32_t shard)
{
    (void)rx;
    return kit.hold_disk ? kit.durable[shard] : kit.ordinals[shard];
}

static unsigned intake_health(void *rx)
{
    (void)rx;
    return kit.health;
}

/* An id whose last digits are dup is one seen before. */
static bool is_duplicate(const struct kit_event *e)
{
    return memmem(e->copy, e->len, "dddd\"", 5) != NULL;
}

static void answer_one(const struct kit_event *e)
{
    const struct event_limits limits = {.event_bytes = 4096, .event_depth = 32};
    struct event event;
    REQUIRE(!e->len || !memcmp(e->bytes, e->copy, e->len));
    enum reason reason = event_parse(&limits, &key, e->copy, e->len, &event);
    if (kit.reason) {
        reason = kit.reason;
        event.reason_offset = kit.reason_offset;
    }
    struct answer answer = {
        .token = e->token,
        .partition = 7,
        .result = RESULT_ACCEPTED,
        .claim = kit.claims ? kit.claims[kit.seq % 4] : kit.claim,
    };
    if (reason) {
        answer.result = RESULT_REJECTED;
        answer.claim = ANSWER_CLAIM_NONE;
        answer.reason = (uint8_t)reason;
        answer.reason_offset = event.reason_offset;
    } else if (kit.refuse) {
        answer.result = RESULT_REFUSED;
    } else if (is_duplicate(e)) {
        answer.result = RESULT_DUPLICATE;
    }
    if (answer.result != RESULT_REFUSED) {
        answer.seq = ++kit.seq;
        answer.ordinal = ++kit.ordinals[e->shard];
    }
    http_answered(kit.http, e->shard, &answer);
    free(e->copy);
}

uint32_t kit_answer(uint32_t count)
{
    if (count > kit.event_count)
        count = kit.event_count;
    for (uint32_t i = 0; i < count; i++) {
        answer_one(&kit.events[i]);
        kit.room++;
    }
    if (count)
        memmove(kit.events, kit.events + count, (kit.event_count - count) * sizeof kit.events[0]);
    kit.event_count -= count;
    return count;
}

void kit_answer_last(void)
{
    REQUIRE(kit.event_count);
    struct kit_event e = kit.events[--kit.event_count];
    answer_one(&e);
    kit.room++;
}

/* The clients. */

struct http_limits kit_limits(void)
{
    return (struct http_limits){
        .connections = KIT_CONNS,
        .slots = 64,
        .mediums = 8,
        .medium_bytes = HTTP_HEAD_BYTES_MAX,
        .larges = 4,
        .batches = 4,
        .body_bytes = 1u << 20,
        .shard_count = 3,
    };
}

void kit_start(const struct http_limits *limits, const struct http_settings *settings)
{
    static const uint8_t seed[HASH_SEED_BYTES] = {1};
    struct http_wiring wiring = {.limits = *limits, .settings = *settings};
    hash_key_init(&key, seed);
    kit = (struct kit){
        .now_ns = UINT64_C(1000000000),
        .room = 1000,
        .shard_count = limits->shard_count,
        .health = HTTP_HEALTH_ready,
    };
    wiring.intake = (struct http_intake){
        .room = intake_room,
        .submit = intake_submit,
        .wire = intake_wire,
        .durable = intake_durable,
        .health = intake_health,
    };
    size_t bytes = http_footprint(limits);
    memory = aligned_alloc(64, arena_round(bytes, 64));
    REQUIRE(memory);
    arena_init(&arena, memory, bytes);
    kit.http = http_init(&arena, &wiring);
    kit.app = http_app(kit.http);
    http_start(kit.http, &the_tcp, kit.now_ns);
    http_poll(kit.http, kit.now_ns);
}

static void close_conn(uint32_t number, enum tcp_end why)
{
    struct kit_conn *c = &kit.conns[number];
    kit.app.closed(kit.app.app, &tcp_conns[number], why);
    c->open = false;
    free(c->in);
    c->in = NULL;
    c->in_len = 0;
}

void kit_end_all(void)
{
    const struct http_counters *counters = http_counters(kit.http);
    for (uint32_t i = 0; i < kit.conn_count; i++)
        if (kit.conns[i].open)
            close_conn(i, TCP_END_reset);
    kit.room = UINT32_MAX / 2;
    kit_settle();
    kit.hold_disk = false;
    kit_settle();
    REQUIRE(http_idle(kit.http));
    REQUIRE(!counters->slots && !counters->mediums && !counters->larges);
    REQUIRE(!counters->open_batches && !counters->open_events && !counters->open_connections);
}

void kit_begin(const struct http_settings *settings)
{
    kit.room = 1000;
    kit.seq = kit.log_len = 0;
    if (kit.log)
        kit.log[0] = 0;
    http_reconfigure(kit.http, settings);
}

void kit_stop(void)
{
    kit_end_all();
    for (uint32_t i = 0; i < kit.conn_count; i++)
        free(kit.conns[i].out);
    free(kit.events);
    free(kit.log);
    free(memory);
}

uint32_t kit_open(void)
{
    uint32_t number = 0;
    while (number < KIT_CONNS && kit.conns[number].open)
        number++;
    REQUIRE(number < KIT_CONNS);
    struct kit_conn *c = &kit.conns[number];
    char *out = c->out ? c->out : malloc(KIT_OUT_BYTES);
    REQUIRE(out);
    *c = (struct kit_conn){.open = true, .room = UINT32_MAX, .wake_ns = UINT64_MAX, .out = out};
    tcp_conns[number].index = number;
    if (number == kit.conn_count)
        kit.conn_count++;
    REQUIRE(kit.app.open(kit.app.app, &tcp_conns[number]));
    return number;
}

/* offer gives HTTP what waits, in memory of its own length. */
static void offer(uint32_t number)
{
    struct kit_conn *c = &kit.conns[number];
    if (!c->open || c->held || !c->in_len)
        return;
    if (c->finished || c->aborted) {
        c->in_len = 0;
        return;
    }
    uint8_t *bytes = malloc(c->in_len);
    REQUIRE(bytes);
    uint32_t len = c->in_len;
    memcpy(bytes, c->in, len);
    uint32_t taken = kit.app.data(kit.app.app, &tcp_conns[number], bytes, len);
    REQUIRE(taken <= len);
    free(bytes);
    c->held = taken < len;
    memmove(c->in, c->in + taken, len - taken);
    c->in_len = len - taken;
}

void kit_give(uint32_t number, const void *bytes, uint32_t len)
{
    struct kit_conn *c = &kit.conns[number];
    if (!c->open || c->finished || c->aborted || !len)
        return;
    c->in = realloc(c->in, c->in_len + len);
    REQUIRE(c->in);
    memcpy(c->in + c->in_len, bytes, len);
    c->in_len += len;
    offer(number);
}

void kit_text(uint32_t number, const char *text)
{
    kit_give(number, text, (uint32_t)strlen(text));
}

void kit_end(uint32_t number)
{
    REQUIRE(kit.conns[number].open && !kit.conns[number].in_len);
    kit.app.end(kit.app.app, &tcp_conns[number]);
}

void kit_reset(uint32_t number)
{
    close_conn(number, TCP_END_reset);
}

void kit_read(uint32_t number, uint32_t room)
{
    struct kit_conn *c = &kit.conns[number];
    c->room = room;
    if (!c->open || !c->starved || c->aborted || !room)
        return;
    c->starved = false;
    kit.app.writable(kit.app.app, &tcp_conns[number]);
}

unsigned kit_turn(void)
{
    unsigned work = http_poll(kit.http, kit.now_ns);
    for (uint32_t i = 0; i < kit.conn_count; i++) {
        struct kit_conn *c = &kit.conns[i];
        if (c->open && c->resumed) {
            c->held = c->resumed = false;
            offer(i);
            work++;
        }
        if (c->open && (c->finished || c->aborted)) {
            close_conn(i, c->aborted ? TCP_END_aborted : TCP_END_done);
            work++;
        }
    }
    return work;
}

void kit_settle(void)
{
    unsigned work;
    do {
        work = kit_turn();
        work += kit_answer(UINT32_MAX);
    } while (work);
}

void kit_advance(uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i += 10) {
        kit.now_ns += UINT64_C(10000000);
        kit_turn();
        for (uint32_t n = 0; n < kit.conn_count; n++) {
            struct kit_conn *c = &kit.conns[n];
            if (!c->open || c->finished || c->aborted || c->wake_ns > kit.now_ns)
                continue;
            c->wake_ns = UINT64_MAX;
            kit.app.wake(kit.app.app, &tcp_conns[n]);
        }
    }
    kit_turn();
}

const char *kit_output(uint32_t number)
{
    struct kit_conn *c = &kit.conns[number];
    c->out[c->out_len] = 0;
    return c->out;
}

void kit_forget_output(uint32_t number)
{
    kit.conns[number].out_len = 0;
}

/* answer_bytes returns how long the answer at text is, by its own Content-Length; to HEAD there is
 * no body, which is known by its first byte. */
static size_t answer_bytes(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n");
    REQUIRE(end);
    const char *length = strstr(text, "Content-Length: ");
    size_t body = length && length < end && end[4] == '{' ? strtoul(length + 16, NULL, 10) : 0;
    return (size_t)(end + 4 - text) + body;
}

const char *kit_statuses(uint32_t number)
{
    static char text[4096];
    const char *at = kit_output(number), *end = at + kit.conns[number].out_len;
    size_t len = 0;
    text[0] = 0;
    while (at < end) {
        if (strncmp(at, "HTTP/1.1 ", 9) || !strstr(at, "\r\n\r\n"))
            break; /* reset in the middle of an answer */
        REQUIRE(len + 16 < sizeof text);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%.3s", len ? " " : "", at + 9);
        at += answer_bytes(at);
    }
    const struct kit_conn *c = &kit.conns[number];
    REQUIRE(at == end || (at < end && c->aborted));
    if (!c->open || c->finished || c->aborted)
        snprintf(text + len, sizeof text - len, "%s%s", len ? " " : "",
                 c->aborted ? "reset" : "close");
    return text;
}
