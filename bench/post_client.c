/* post_client.c - see post_client.h. */
#include "bench/post_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/blast_segment.h"
#include "bench/parse_events.h"
#include "bench/post_host.h"

#define FIRST_PORT 1024
#define HEAD_MAX   256
#define BODY_MAX   (128u << 10)
#define WINDOW     65535

struct client {
    uint32_t seq, ack;
    uint32_t open; /* requests without an answer */
};

static const struct post_set *set;
static struct client *clients;
static struct blast_segment_head to_host;
static struct parse_events texts;
static uint32_t next_text, next_client;
static uint64_t answered;
static uint8_t request[HEAD_MAX + BODY_MAX];

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "error: %s\n", what);
    exit(1);
}

static void send_segment(uint32_t number, uint8_t flags, const uint8_t *bytes, uint32_t len)
{
    struct client *client = &clients[number];
    uint8_t *frame = post_host_frame();
    struct blast_segment segment = {
        .source_port = (uint16_t)(FIRST_PORT + number),
        .target_port = POST_HOST_PORT,
        .seq = client->seq,
        .ack = flags & BLAST_ACK ? client->ack : 0,
        .flags = flags,
        .mss = BLAST_SEGMENT_MSS,
        .window = WINDOW,
        .len = len,
    };
    if (len)
        memcpy(frame + BLAST_SEGMENT_HEAD, bytes, len);
    post_host_offer(blast_segment_finish(&to_host, frame, &segment));
    client->seq += len + (flags & BLAST_SYN ? 1 : 0);
}

static void turns(void)
{
    do {
        post_host_begin();
        post_host_poll();
        post_host_shard();
        post_client_hear();
    } while (post_host_waiting() || post_host.sent_count);
}

static void connect_all(void)
{
    for (uint32_t i = 0; i < set->connections; i++) {
        clients[i].seq = i * 7919;
        send_segment(i, BLAST_SYN, NULL, 0);
        turns();
        send_segment(i, BLAST_ACK, NULL, 0);
        turns();
    }
    need(post_host.rx.http &&
             rx_http_counters(post_host.rx.http)->open_connections == set->connections,
         "not all connections opened");
}

void post_client_init(const struct post_set *of)
{
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 2};
    struct blast_endpoint host = {.port = POST_HOST_PORT}, peer = {.addr = {192, 0, 2, 2}};
    memcpy(host.mac, post_host_mac, 6);
    memcpy(host.addr, post_host_addr, 4);
    memcpy(peer.mac, mac, 6);
    set = of;
    clients = calloc(set->connections, sizeof *clients);
    need(clients, "out of memory");
    blast_segment_init(&to_host, &peer, &host);
    parse_events_make(&texts, PARSE_BLAST, PARSE_WRITTEN);
    connect_all();
}

/* build writes a request as trove-blast does, and returns its length. */
static uint32_t build(void)
{
    static uint8_t body[BODY_MAX];
    uint32_t len = 0;
    for (uint32_t i = 0; i < set->batch; i++) {
        const struct parse_text *text = &texts.texts[next_text++ % PARSE_EVENTS];
        need(len + text->len < BODY_MAX, "a batch is too long");
        memcpy(body + len, text->bytes, text->len);
        len += text->len;
        if (set->batch > 1)
            body[len++] = '\n';
    }
    int head =
        snprintf((char *)request, HEAD_MAX,
                 "POST /v1/events HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Type: %s\r\n"
                 "Trove-Ack: %s\r\nContent-Length: %u\r\n\r\n",
                 set->batch > 1 ? "application/x-ndjson" : "application/json", set->ack, len);
    need(head > 0 && head < HEAD_MAX, "the head is too long");
    memcpy(request + head, body, len);
    return (uint32_t)head + len;
}

static void post(uint32_t number)
{
    uint32_t len = build();
    for (uint32_t at = 0, part; at < len; at += part) {
        part = len - at < BLAST_SEGMENT_MSS ? len - at : BLAST_SEGMENT_MSS;
        send_segment(number, BLAST_ACK | (at + part == len ? BLAST_PSH : 0), request + at, part);
    }
    clients[number].open++;
}

void post_client_offer(uint32_t frames)
{
    for (uint32_t i = 0; i < set->connections && post_host_waiting() < frames; i++) {
        while (clients[next_client].open < set->pipeline)
            post(next_client);
        next_client = (next_client + 1) % set->connections;
    }
}

/* count counts the answers in a segment: each has one head, and nothing was refused. */
static void count(struct client *client, const uint8_t *text, uint32_t len)
{
    static const char accepted[] = "HTTP/1.1 202 ", batch[] = "HTTP/1.1 200 ";
    const char *good = set->batch > 1 ? batch : accepted;
    const uint8_t *end = text + len;
    while ((text = memmem(text, (size_t)(end - text), "HTTP/1.1 ", 9))) {
        need(!memcmp(text, good, 13) && client->open, "an answer says no");
        client->open--;
        answered += set->batch;
        text += 13;
    }
}

void post_client_hear(void)
{
    static const uint8_t addr[4] = {192, 0, 2, 2};
    for (uint32_t i = 0; i < post_host.sent_count; i++) {
        struct blast_segment segment;
        need(blast_segment_parse(&segment, post_host.sent[i].bytes, post_host.sent[i].len, addr),
             "the host sent what is no segment");
        struct client *client = &clients[segment.target_port - FIRST_PORT];
        if (segment.flags & BLAST_SYN) {
            client->ack = segment.seq + 1;
        } else if (segment.seq == client->ack) { /* else sent again, to a client that is slow */
            client->ack += segment.len;
            count(client, segment.payload, segment.len);
        }
    }
}

uint64_t post_client_answered(void)
{
    return answered;
}
