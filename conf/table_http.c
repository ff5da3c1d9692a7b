/* table_http.c - the keys of listen.http. */
#include "conf/check.h"
#include "conf/table_row.h"

#define HTTP(member) AT(struct conf, http.member)
#define TCP(member)  AT(struct conf, http.tcp.member)

static const char *const ack_words[] = {
    [CONF_ACK_ACCEPTED] = "accepted", [CONF_ACK_DURABLE] = "durable", NULL};

static const struct key tcp_keys[] = {
    {"mtu", KEY_NUMBER, 0, TCP(mtu), .min = 1280, .max = 1500, .fallback = "1500",
     .help = "bytes of an IP packet on the link"},
    {"rto_min", KEY_TIME, KEY_HOT, TCP(rto_min_ns), .min = 10 * MILLISECOND, .max = 10 * SECOND,
     .fallback = "200ms", .help = "the shortest wait before a segment is sent again"},
    {"rto_max", KEY_TIME, KEY_HOT, TCP(rto_max_ns), .min = SECOND, .max = 2 * MINUTE,
     .fallback = "1m", .help = "the longest, after some retries"},
    {"retries", KEY_NUMBER, KEY_HOT, TCP(retries), .min = 1, .max = 30, .fallback = "8",
     .help = "how often a segment is sent again before the connection is given up"},
    {"zero_window", KEY_TIME, KEY_HOT, TCP(zero_window_ns), .min = SECOND / 10, .max = HOUR,
     .fallback = "1m", .help = "how long a client may take no answer before it is given up"},
    {"delayed_ack", KEY_TIME, KEY_HOT, TCP(delayed_ack_ns), .min = MILLISECOND, .max = SECOND / 2,
     .fallback = "40ms", .help = "how long an acknowledgement waits for an answer to ride on"},
    {"keepalive", KEY_TIME, KEY_HOT, TCP(keepalive_ns), .max = DAY, .fallback = "75s",
     .help = "of silence before a client is asked whether it is still there; 0s: never, else at "
             "least 1s"},
    {"keepalive_every", KEY_TIME, KEY_HOT, TCP(keepalive_every_ns), .min = SECOND / 10,
     .max = 10 * MINUTE, .fallback = "15s", .help = "between one such question and the next"},
    {"keepalive_probes", KEY_NUMBER, KEY_HOT, TCP(keepalive_probes), .min = 1, .max = 30,
     .fallback = "4", .help = "questions without an answer before it is given up"},
    {"linger", KEY_TIME, KEY_HOT, TCP(linger_ns), .min = SECOND / 10, .max = 10 * MINUTE,
     .fallback = "10s",
     .help = "how long a client has to close its side once Trove closed its own"},
    {"linger_bytes", KEY_SIZE, KEY_HOT, TCP(linger_bytes), .max = GIB, .fallback = "1MiB",
     .help = "what it may still send meanwhile, to be thrown away"},
    {"time_wait", KEY_TIME, KEY_HOT, TCP(time_wait_ns), .min = SECOND, .max = 4 * MINUTE,
     .fallback = "1m", .help = "how long a connection that is over is remembered"},
    {"time_waits", KEY_NUMBER, 0, TCP(time_waits), .min = 64, .max = 4194304, .fallback = "65_536",
     .help = "how many of them; beyond, the oldest are forgotten; 64 bytes each, taken at start"},
    {"challenges", KEY_NUMBER, KEY_HOT, TCP(challenges), .min = 1, .max = 1000, .fallback = "10",
     .help = "segments that look forged and are answered, for each connection and second"},
    {0},
};

static const struct key_set tcp_set = {
    .noun = "listen.http.tcp", .keys = tcp_keys, .check = check_tcp};

static const struct key cors_keys[] = {
    {"origins", KEY_ITEMS, KEY_HOT, LIST_AT(struct conf, http.origin), .min = 1,
     .max = CONF_ORIGINS_MAX, .absent = "none",
     .help = "whose pages may post from a browser, such as https://shop.example; '*' for any"},
    {"max_age", KEY_TIME, KEY_HOT, HTTP(preflight_ns), .max = DAY, .fallback = "1h",
     .help = "how long a browser may remember that it may"},
    {0},
};

static const struct key_set cors_set = {
    .noun = "listen.http.cors", .keys = cors_keys, .check = check_cors};

static const struct key http_keys[] = {
    {"port", KEY_NUMBER, 0, HTTP(port), .max = 65535, .fallback = "0",
     .help = "the TCP port that takes POST /v1/events and GET /healthz, on every address; 0: none, "
             "and no memory for it"},
    {"ack", KEY_CHOICE, KEY_HOT, HTTP(ack), .fallback = "durable", .words = ack_words,
     .help = "when a POST is answered: once its events are on disk (durable), or in memory "
             "(accepted: a crash may still forget them)"},
    {"ack_min", KEY_CHOICE, KEY_HOT, HTTP(ack_min), .fallback = "accepted", .words = ack_words,
     .help = "the least that a client may ask for with Trove-Ack; who asks for less gets this"},
    {"max_line", KEY_SIZE, KEY_HOT, HTTP(line_bytes), .min = 64, .max = 16 * KIB,
     .fallback = "4KiB", .help = "bytes of a request line; longer: 414"},
    {"max_head", KEY_SIZE, KEY_HOT, HTTP(head_bytes), .min = 256, .max = 16 * KIB,
     .fallback = "16KiB", .help = "bytes of a request's line and header together; longer: 431"},
    {"max_headers", KEY_NUMBER, KEY_HOT, HTTP(header_count), .min = 1, .max = 1000,
     .fallback = "100", .help = "fields in a request's header; more: 431"},
    {"max_body", KEY_SIZE, 0, HTTP(body_bytes), .min = 16 * KIB, .max = 16 * MIB,
     .fallback = "1MiB", .help = "bytes of a request's body; longer: 413"},
    {"max_batch", KEY_NUMBER, KEY_HOT, HTTP(batch_events), .min = 1, .max = 65536,
     .fallback = "10_000", .help = "events in one request; more: 413"},
    {"pipeline", KEY_NUMBER, KEY_HOT, HTTP(pipeline), .min = 1, .max = 1000, .fallback = "16",
     .help = "requests of one connection at work at a time; more wait for the first"},
    {"head_timeout", KEY_TIME, KEY_HOT, HTTP(head_timeout_ns), .min = SECOND / 10,
     .max = 10 * MINUTE, .fallback = "10s",
     .help = "from a head's first byte to its last; later: 408"},
    {"idle_timeout", KEY_TIME, KEY_HOT, HTTP(idle_timeout_ns), .min = SECOND / 10, .max = HOUR,
     .fallback = "1m", .help = "how long a connection may wait for its next request"},
    {"body_timeout", KEY_TIME, KEY_HOT, HTTP(body_timeout_ns), .min = SECOND / 10,
     .max = 10 * MINUTE, .fallback = "10s",
     .help = "what a body may take at any rate; after that min_body_rate counts"},
    {"min_body_rate", KEY_NUMBER, KEY_HOT, HTTP(body_rate), .min = 1, .max = 1073741824,
     .fallback = "1024", .help = "bytes a second that a body must come at on average; slower: 408"},
    {"answer_timeout", KEY_TIME, KEY_HOT, HTTP(answer_timeout_ns), .min = SECOND / 10,
     .max = 10 * MINUTE, .fallback = "30s",
     .help = "how long a shard may take for an answer (later: 503), or a client to read it"},
    {"event_rate", KEY_NUMBER, KEY_HOT, HTTP(event_rate), .max = 1073741824, .fallback = "0",
     .help = "events a second of one connection; more: 429; 0: any"},
    {"retry_after", KEY_TIME, KEY_HOT, HTTP(retry_after_ns), .min = SECOND, .max = HOUR,
     .fallback = "1s", .help = "what 429 and 503 tell a client to wait, in whole seconds"},
    {"receive_buffer", KEY_SIZE, KEY_HOT, HTTP(receive_bytes), .min = 4 * KIB, .max = 256 * KIB,
     .fallback = "64KiB", .help = "the window of a connection: what its client may send ahead"},
    {"send_buffer", KEY_SIZE, KEY_HOT, HTTP(send_bytes), .min = 4 * KIB, .max = MIB,
     .fallback = "64KiB", .help = "answers of a connection that its client has not taken yet"},
    {"connections", KEY_NUMBER, 0, HTTP(connections), .min = 16, .max = 4194304,
     .fallback = "65_536",
     .help = "open at a time; more are reset; about 350 bytes each, taken at "
             "start"},
    {"connections_per_prefix", KEY_NUMBER, KEY_HOT, HTTP(prefix_connections), .min = 1,
     .max = 4194304, .fallback = "4096",
     .help = "of them, from addresses with the same prefix; more are reset"},
    {"prefix_ipv4", KEY_NUMBER, KEY_HOT, HTTP(prefix4), .min = 8, .max = 32, .fallback = "24",
     .help = "bits of an IPv4 address that are its prefix"},
    {"prefix_ipv6", KEY_NUMBER, KEY_HOT, HTTP(prefix6), .min = 16, .max = 128, .fallback = "64",
     .help = "bits of an IPv6 address that are"},
    {"requests", KEY_NUMBER, 0, HTTP(requests), .min = 128, .max = 1048576, .fallback = "16_384",
     .help =
         "at work at a time; for more, the one that comes in slowest gives way (503); about 1.5 "
         "KiB each, taken at start"},
    {"bodies", KEY_SIZE, 0, HTTP(bodies_bytes), .min = MIB, .max = 64 * GIB, .fallback = "64MiB",
     .help = "for their bodies beyond the first KiB of each: half of it in pieces of usual_body, "
             "half in pieces of max_body; taken at start"},
    {"usual_body", KEY_SIZE, 0, HTTP(usual_bytes), .min = 16 * KIB, .max = 16 * MIB,
     .fallback = "32KiB",
     .help = "bytes of which nearly no body has more: a batch of 100 events, say; longer ones "
             "share the few pieces of max_body; at most max_body"},
    {"buffers", KEY_SIZE, 0, HTTP(buffer_bytes), .min = MIB, .max = 8 * GIB, .fallback = "64MiB",
     .help = "for what is received and cannot be read yet, or sent and not yet acknowledged; taken "
             "at start; when an answer finds none left, the connection that has taken nothing for "
             "longest is reset"},
    {"cors", KEY_SECTION, .set = &cors_set, .help = "scripts in browsers"},
    {"tcp", KEY_SECTION, .set = &tcp_set, .help = "how connections behave"},
    {0},
};

const struct key_set table_http = {
    .noun = "listen.http", .keys = http_keys, .check = check_http_listen};
