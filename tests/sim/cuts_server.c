/* cuts_server.c - see cuts_server.h. */
#include "tests/sim/cuts_server.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/base/event.h"
#include "dataplane/http.h"
#include "dataplane/tcp.h"
#include "tests/big_endian.h"
#include "tests/require.h"

#define MS         1000000ull
#define EVENTS_MAX 4096
#define ROOM       512 /* events at the shard */
#define TCP_AT     34

struct pending {
    uint64_t token;
    enum reason reason;
    uint16_t reason_offset;
};

struct cuts_server cuts_server;

static struct tcp *tcp;
static struct http *http;
static struct hash_key key;
static uint64_t now_ns = 1000 * MS;
static uint8_t frame[TCP_FRAME_MAX];
static struct pending pending[ROOM];
static uint32_t pending_count;
static uint64_t ordinal, seq;

static void append(struct cuts_text *text, const void *bytes, uint32_t len)
{
    REQUIRE(text->len + len < CUTS_TEXT_MAX);
    memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
}

/* The intake: one shard that answers in the next turn. */

static uint32_t intake_room(void *rx)
{
    (void)rx;
    return ROOM - pending_count;
}

static uint64_t intake_wire(void *rx)
{
    (void)rx;
    return 1;
}

static bool intake_submit(void *rx, uint64_t token, const uint8_t *bytes, uint32_t len,
                          uint64_t wire_ns, uint64_t id[2])
{
    (void)wire_ns;
    static const struct event_limits limits = {.event_bytes = 4096, .event_depth = 32};
    struct event event;
    (void)rx;
    if (pending_count == ROOM)
        return false;
    enum reason reason = event_parse(&limits, &key, bytes, len, &event);
    id[0] = reason ? 0 : event.id[0];
    id[1] = reason ? 0 : event.id[1];
    pending[pending_count++] =
        (struct pending){.token = token, .reason = reason, .reason_offset = event.reason_offset};
    append(&cuts_server.events, bytes, len);
    append(&cuts_server.events, "\n", 1);
    return true;
}

static uint64_t intake_durable(void *rx, uint32_t shard)
{
    (void)rx;
    (void)shard;
    return ordinal;
}

static unsigned intake_health(void *rx)
{
    (void)rx;
    return HTTP_HEALTH_ready;
}

static unsigned answer_events(void)
{
    uint32_t count = pending_count;
    struct pending now[ROOM];
    memcpy(now, pending, count * sizeof *now);
    pending_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct answer answer = {
            .token = now[i].token,
            .result = now[i].reason ? RESULT_REJECTED : RESULT_ACCEPTED,
            .reason = (uint8_t)now[i].reason,
            .reason_offset = now[i].reason_offset,
            .seq = ++seq,
            .ordinal = ++ordinal,
        };
        http_answered(http, 0, &answer);
    }
    return count;
}

/* The link. */

static uint8_t *link_alloc(void *link, void **buffer)
{
    (void)link;
    *buffer = frame;
    return frame;
}

/* The server's segments come in order, as nothing is lost: those that it sends again are known by
 * their number. */
static void link_send(void *link, void *buffer, uint32_t len)
{
    const uint8_t *head = frame + TCP_AT;
    uint32_t header = (head[12] >> 4) * 4u, number = get32(head + 4);
    (void)link;
    REQUIRE(buffer == frame && len >= TCP_AT + header);
    uint32_t data = len - TCP_AT - header;
    if (head[13] & 2) {
        cuts_server.syn_ack = true;
        cuts_server.seq_next = number + 1;
        return;
    }
    cuts_server.reset |= head[13] & 4;
    cuts_server.ack = get32(head + 8);
    if (number != cuts_server.seq_next)
        return;
    append(&cuts_server.answers, head + header, data);
    cuts_server.fin |= head[13] & 1;
    cuts_server.seq_next += data + (head[13] & 1);
}

void cuts_server_segment(const uint8_t *bytes, uint32_t len)
{
    static const uint8_t link[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00};
    static const uint8_t peer[4] = {192, 0, 2, 9}, ours[4] = {192, 0, 2, 1};
    struct tcp_segment segment = {
        .link = link,
        .link_len = sizeof link,
        .family = 4,
        .checksum_ok = true,
        .src = peer,
        .dst = ours,
        .bytes = bytes,
        .len = len,
    };
    tcp_input(tcp, &segment, now_ns);
}

unsigned cuts_server_turn(void)
{
    unsigned work = answer_events() + http_poll(http, now_ns);
    return work + tcp_poll(tcp, now_ns, 64);
}

void cuts_server_settle(void)
{
    for (unsigned turns = 0; cuts_server_turn(); turns++)
        REQUIRE(turns < 100000);
}

void cuts_server_end(void)
{
    struct tcp_conn *conn = tcp_conn_at(tcp, 0);
    if (conn)
        tcp_abort(tcp, conn);
    cuts_server_settle();
    now_ns += MS;
}

static struct arena make_arena(size_t bytes)
{
    struct arena arena;
    void *memory = aligned_alloc(64, arena_round(bytes, 64));
    REQUIRE(memory);
    arena_init(&arena, memory, bytes);
    return arena;
}

static void start_http(void)
{
    struct http_wiring wiring = {
        .limits = {.connections = 1,
                   .slots = 32,
                   .mediums = 8,
                   .medium_bytes = HTTP_HEAD_BYTES_MAX,
                   .larges = 2,
                   .batches = 4,
                   .body_bytes = 1u << 17,
                   .shard_count = 1},
        .intake = {.room = intake_room,
                   .submit = intake_submit,
                   .wire = intake_wire,
                   .durable = intake_durable,
                   .health = intake_health},
    };
    http_settings_init(&wiring.settings);
    wiring.settings.body_bytes = 1u << 17;
    struct arena arena = make_arena(http_footprint(&wiring.limits));
    http = http_init(&arena, &wiring);
}

void cuts_server_start(void)
{
    static const uint8_t secret[HASH_SEED_BYTES] = "cuts";
    struct tcp_wiring wiring = {
        .limits = {.connections = 1, .time_waits = 64, .chunks = 512},
        .link = {link_alloc, link_send, NULL},
        .port = 8080,
        .mtu = 1500,
        .key = &key,
        .seed = 1,
    };
    hash_key_init(&key, secret);
    start_http();
    wiring.app = http_app(http);
    tcp_settings_init(&wiring.settings);
    struct arena arena = make_arena(tcp_footprint(&wiring.limits));
    tcp = tcp_init(&arena, &wiring, now_ns);
    http_start(http, tcp, now_ns);
}

void cuts_server_begin(void)
{
    const struct tcp_counters *t = tcp_counters(tcp);
    const struct http_counters *h = http_counters(http);
    REQUIRE(!t->connections && !t->chunks && !pending_count && http_idle(http));
    REQUIRE(!h->slots && !h->mediums && !h->larges && !h->open_batches && !h->open_connections);
    cuts_server.events.len = cuts_server.answers.len = 0;
    cuts_server.fin = cuts_server.syn_ack = cuts_server.reset = false;
    seq = 0;
}
