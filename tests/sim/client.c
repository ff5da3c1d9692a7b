/* client.c - the simulator's client TCP. */
#include "tests/sim/client.h"

#include <stdlib.h>
#include <string.h>

#include "tests/big_endian.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

uint8_t client_byte(uint32_t stream, uint32_t at)
{
    uint32_t x = (at ^ stream * 0x9e3779b9u) * 0x85ebca6bu;
    return (uint8_t)(x >> 24 ^ x >> 13);
}

void client_init(struct client *c)
{
    c->iss = (uint32_t)random_next(&c->random);
    c->have = calloc(c->shape.receive_bytes + 2, 1);
    if (!c->have)
        abort();
    c->peer_mss = 536;
    c->announced = c->shape.window_bytes < 65535 ? c->shape.window_bytes : 65535;
}

void client_fini(struct client *c)
{
    free(c->have);
}

static uint32_t end_of_stream(const struct client *c)
{
    return c->shape.send_bytes + 1;
}

static bool may_fin(const struct client *c)
{
    return !c->shape.close_last || c->ended;
}

bool client_done(const struct client *c)
{
    return c->state == CLIENT_OPEN && c->una == end_of_stream(c) + 1 && c->ended &&
           c->read == c->shape.receive_bytes;
}

static uint32_t now_ts(const struct client *c)
{
    return (uint32_t)c->wire->now_ms + c->iss;
}

static uint32_t put_sack(const struct client *c, uint8_t *at)
{
    uint32_t blocks = 0, i = c->rcv_nxt;
    while (blocks < 3 && i <= c->shape.receive_bytes) {
        while (i <= c->shape.receive_bytes && !c->have[i])
            i++;
        uint32_t start = i;
        while (i <= c->shape.receive_bytes && c->have[i])
            i++;
        if (start == i)
            break;
        put32(at + 4 + blocks * 8, c->irs + start);
        put32(at + 8 + blocks * 8, c->irs + i);
        blocks++;
    }
    if (!blocks)
        return 0;
    memcpy(at, (uint8_t[]){1, 1, 5, (uint8_t)(2 + 8 * blocks)}, 4);
    return 4 + 8 * blocks;
}

static uint32_t put_options(struct client *c, uint8_t flags, uint8_t *at)
{
    uint32_t n = 0;
    if (flags & SYN) {
        memcpy(at, (uint8_t[]){2, 4, (uint8_t)(c->shape.mss >> 8), (uint8_t)c->shape.mss}, 4);
        n = 4;
        if (c->shape.wscale >= 0) {
            memcpy(at + n, (uint8_t[]){1, 3, 3, (uint8_t)c->shape.wscale}, 4);
            n += 4;
        }
        if (c->shape.sack) {
            memcpy(at + n, (uint8_t[]){1, 1, 4, 2}, 4);
            n += 4;
        }
    }
    if (c->shape.ts) {
        memcpy(at + n, (uint8_t[]){1, 1, 8, 10}, 4);
        put32(at + n + 4, now_ts(c));
        put32(at + n + 8, c->ts_recent);
        n += 12;
    }
    if (c->shape.sack && !(flags & SYN))
        n += put_sack(c, at + n);
    return n;
}

/* window returns the receive window: it never moves its right edge back. */
static uint32_t window(struct client *c)
{
    uint32_t held = c->rcv_nxt - 1 - c->read;
    uint32_t edge = c->rcv_nxt + c->shape.window_bytes - held;
    if (c->rcv_nxt == 0)
        edge = c->announced;
    if (edge > c->announced + 500 || c->announced < c->rcv_nxt)
        c->announced = edge;
    uint32_t bytes = c->announced - c->rcv_nxt;
    uint32_t shift = c->shape.wscale > 0 ? (uint32_t)c->shape.wscale : 0;
    bytes >>= shift;
    return bytes < 65535 ? bytes : 65535;
}

static void emit(struct client *c, uint8_t flags, uint32_t number, uint32_t len)
{
    uint8_t bytes[WIRE_BYTES_MAX] = {0};
    uint32_t header = 20 + put_options(c, flags, bytes + 20);
    put16(bytes, c->port);
    put16(bytes + 2, c->server_port);
    put32(bytes + 4, c->iss + number);
    put32(bytes + 8, flags & ACK ? c->irs + c->rcv_nxt : 0);
    bytes[12] = (uint8_t)(header / 4 << 4);
    bytes[13] = flags;
    put16(bytes + 14, flags & SYN ? c->announced : window(c));
    for (uint32_t i = 0; i < len; i++)
        bytes[header + i] = client_byte(c->port, number - 1 + i);
    put16(bytes + 16, wire_checksum(bytes, header + len, c->pseudo));
    wire_send(c->wire, 0, bytes, header + len, c->pseudo);
    c->ack_owed = false;
}

static void read_options(struct client *c, const uint8_t *at, uint32_t len, bool syn)
{
    for (uint32_t i = 0; i < len && at[i];) {
        if (at[i] == 1) {
            i++;
            continue;
        }
        if (at[i] == 8)
            c->ts_recent = get32(at + i + 2);
        if (syn && at[i] == 2)
            c->peer_mss = (uint32_t)at[i + 2] << 8 | at[i + 3];
        if (syn && at[i] == 3)
            c->peer_scale = at[i + 2];
        i += at[i + 1];
    }
}

static void take_syn_ack(struct client *c, const uint8_t *bytes, uint32_t header)
{
    if (get32(bytes + 8) != c->iss + 1)
        return;
    c->irs = get32(bytes + 4);
    c->peer_window = (uint32_t)bytes[14] << 8 | bytes[15];
    read_options(c, bytes + 20, header - 20, true);
    c->una = c->nxt = c->max = 1;
    c->rcv_nxt = 1;
    c->announced = c->rcv_nxt + c->announced;
    c->state = CLIENT_OPEN;
    c->backoff = 0;
    c->ack_owed = true;
}

static void take_ack(struct client *c, const uint8_t *bytes, bool bare)
{
    uint32_t ack = get32(bytes + 8) - c->iss;
    if (ack > c->max) /* also what is long past */
        return;
    uint32_t field = (uint32_t)bytes[14] << 8 | bytes[15];
    if (ack > c->una) {
        c->una = ack;
        if (c->nxt < ack)
            c->nxt = ack;
        c->backoff = 0;
        c->dup_acks = 0;
        c->rto_at_ms = c->wire->now_ms + c->shape.rto_ms;
    } else if (ack == c->una && bare && c->max > c->una && ++c->dup_acks == 3) {
        c->nxt = c->una;
    }
    if (ack == c->una)
        c->peer_window = field << c->peer_scale;
}

static void take_data(struct client *c, uint32_t number, const uint8_t *bytes, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        uint32_t at = number + i;
        if (at == 0 || at > c->shape.receive_bytes) {
            c->wrong = true; /* more than there is */
            return;
        }
        if (bytes[i] != client_byte(0x10000u | c->port, at - 1))
            c->wrong = true;
        if (at - c->rcv_nxt < c->announced - c->rcv_nxt && at >= c->rcv_nxt)
            c->have[at] = 1;
    }
    while (c->rcv_nxt <= c->shape.receive_bytes && c->have[c->rcv_nxt])
        c->rcv_nxt++;
}

/* reset_stranger answers what belongs to an earlier life of this port. */
static void reset_stranger(struct client *c, const uint8_t *bytes)
{
    uint8_t reset[20] = {0};
    put16(reset, c->port);
    put16(reset + 2, c->server_port);
    memcpy(reset + 4, bytes + 8, 4);
    reset[12] = 0x50;
    reset[13] = RST;
    put16(reset + 16, wire_checksum(reset, 20, c->pseudo));
    wire_send(c->wire, 0, reset, 20, c->pseudo);
}

void client_input(struct client *c, const uint8_t *bytes, uint32_t len)
{
    if (wire_checksum(bytes, len, c->pseudo) != 0)
        return;
    uint32_t header = (bytes[12] >> 4) * 4u, data = len - header;
    uint8_t flags = bytes[13];
    if (c->state == CLIENT_SYN_SENT) {
        if ((flags & (SYN | ACK)) == (SYN | ACK))
            take_syn_ack(c, bytes, header);
        else if (!(flags & RST))
            reset_stranger(c, bytes);
        return;
    }
    uint32_t number = get32(bytes + 4) - c->irs;
    if (flags & RST) {
        bool time_wait = c->ended && c->una == end_of_stream(c) + 1; /* RFC 1337 */
        if (number == c->rcv_nxt && !time_wait)
            c->state = CLIENT_FAILED;
        return;
    }
    if (flags & SYN) { /* of an earlier SYN of ours */
        c->ack_owed = true;
        return;
    }
    take_ack(c, bytes, data == 0);
    read_options(c, bytes + 20, header - 20, false);
    if (data)
        take_data(c, number, bytes + header, data);
    if (flags & FIN)
        c->fin_at = number + data;
    if (c->fin_at && c->rcv_nxt == c->fin_at && !c->ended) {
        c->ended = true;
        c->rcv_nxt++;
    }
    if (data || flags & FIN || number != c->rcv_nxt)
        c->ack_owed = true;
}

static void read_some(struct client *c)
{
    if (c->wire->now_ms < c->paused_until_ms)
        return;
    uint32_t there = c->rcv_nxt - 1 - (c->ended ? 1 : 0);
    uint32_t before = c->read;
    c->read = there;
    if (c->read != before && c->announced - c->rcv_nxt < c->shape.window_bytes / 2)
        c->ack_owed = true; /* the window has opened */
    if (random_chance(&c->random, c->shape.pause_per_mille))
        c->paused_until_ms = c->wire->now_ms + random_between(&c->random, 1, 3000);
}

static void on_timeout(struct client *c)
{
    c->nxt = c->una;
    if (c->backoff < 4)
        c->backoff++;
    c->dup_acks = 0;
    c->rto_at_ms = c->wire->now_ms + ((uint64_t)c->shape.rto_ms << c->backoff);
}

/* send_new sends up to the window; with none open, one byte when the time is over. */
static void send_new(struct client *c, bool probe)
{
    uint32_t segment = c->peer_mss < c->shape.segment_max ? c->peer_mss : c->shape.segment_max;
    segment -= 40; /* options */
    uint32_t limit = c->una + c->peer_window, flight = c->una + c->shape.flight_max * segment;
    if (flight < limit)
        limit = flight;
    if (probe && limit == c->una)
        limit++;
    uint32_t end = end_of_stream(c);
    while (c->nxt < limit && c->nxt < end) {
        uint32_t len = end - c->nxt;
        if (len > segment)
            len = segment;
        if (len > limit - c->nxt)
            len = limit - c->nxt;
        emit(c, ACK | (c->nxt + len == end ? PSH : 0), c->nxt, len);
        c->nxt += len;
    }
    if (c->nxt == end && may_fin(c)) {
        emit(c, ACK | FIN, c->nxt, 0);
        c->nxt++;
    }
    if (c->max < c->nxt)
        c->max = c->nxt;
}

void client_tick(struct client *c)
{
    if (c->state == CLIENT_FAILED)
        return;
    bool due = c->wire->now_ms >= c->rto_at_ms;
    if (c->state == CLIENT_SYN_SENT) {
        if (due) {
            emit(c, SYN, 0, 0);
            on_timeout(c);
        }
        return;
    }
    read_some(c);
    bool outstanding = c->una < end_of_stream(c) + 1;
    if (due && outstanding)
        on_timeout(c);
    if (outstanding)
        send_new(c, due);
    if (c->ack_owed)
        emit(c, ACK, c->max, 0);
}
