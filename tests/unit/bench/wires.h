/* wires.h - a pair of wires that lose, repeat, delay and spoil frames, from a seed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "bench/blast_wire.h"

#define WIRES_QUEUE 1024

struct wires_frame {
    uint32_t len;
    uint8_t bytes[BLAST_WIRE_FRAME];
};

struct wires_side {
    struct blast_wire wire; /* first */
    struct wires *both;
    struct wires_side *peer;
    uint32_t first;
    uint32_t count;
    bool full;                             /* frame gives none */
    struct wires_frame queue[WIRES_QUEUE]; /* frames on their way to this side */
    struct wires_frame next;
    struct wires_frame taken[BLAST_WIRE_BURST];
};

struct wires {
    uint64_t random;
    uint32_t lose_percent;
    uint32_t repeat_percent;
    uint32_t swap_percent;
    uint32_t spoil_percent;
    uint32_t lost;
    struct wires_side client;
    struct wires_side server;
};

static inline uint32_t wires_draw(struct wires *wires, uint32_t below)
{
    wires->random = wires->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((wires->random >> 33) % below);
}

static uint8_t *wires_frame(struct blast_wire *wire)
{
    struct wires_side *side = (struct wires_side *)wire;
    return side->full ? NULL : side->next.bytes;
}

static inline void wires_put(struct wires_side *side, const struct wires_frame *frame)
{
    if (side->count == WIRES_QUEUE)
        return;
    side->queue[(side->first + side->count++) % WIRES_QUEUE] = *frame;
}

static void wires_send(struct blast_wire *wire, uint32_t len)
{
    struct wires_side *side = (struct wires_side *)wire;
    struct wires *both = side->both;
    struct wires_side *peer = side->peer;
    side->next.len = len;
    if (wires_draw(both, 100) < both->lose_percent) {
        both->lost++;
        return;
    }
    if (wires_draw(both, 100) < both->spoil_percent)
        side->next.bytes[14 + wires_draw(both, len - 14)] ^= (uint8_t)(1 << wires_draw(both, 8));
    wires_put(peer, &side->next);
    if (wires_draw(both, 100) < both->repeat_percent)
        wires_put(peer, &side->next);
    if (peer->count > 1 && wires_draw(both, 100) < both->swap_percent) {
        struct wires_frame *last = &peer->queue[(peer->first + peer->count - 1) % WIRES_QUEUE];
        struct wires_frame *other =
            &peer->queue[(peer->first + wires_draw(both, peer->count - 1)) % WIRES_QUEUE];
        struct wires_frame frame = *last;
        *last = *other;
        *other = frame;
    }
}

static void wires_flush(struct blast_wire *wire)
{
    (void)wire;
}

static uint32_t wires_receive(struct blast_wire *wire, struct blast_wire_frame *frames)
{
    struct wires_side *side = (struct wires_side *)wire;
    uint32_t count = 0;
    for (; count < BLAST_WIRE_BURST && side->count; count++, side->count--) {
        side->taken[count] = side->queue[side->first];
        side->first = (side->first + 1) % WIRES_QUEUE;
        frames[count] = (struct blast_wire_frame){side->taken[count].bytes, side->taken[count].len};
    }
    return count;
}

static inline void wires_init(struct wires *wires, uint64_t seed)
{
    static const struct blast_endpoint client = {{2, 0, 0, 0, 0, 1}, {192, 0, 2, 2}, 40000};
    static const struct blast_endpoint server = {{2, 0, 0, 0, 0, 2}, {192, 0, 2, 1}, 8080};
    memset(wires, 0, sizeof *wires);
    wires->random = seed;
    wires->client.wire = (struct blast_wire){.source = client, .target = server};
    wires->server.wire = (struct blast_wire){.source = server};
    wires->client.peer = &wires->server;
    wires->server.peer = &wires->client;
    for (struct wires_side *side = &wires->client; side; side = side->peer) {
        side->both = wires;
        side->wire.frame = wires_frame;
        side->wire.send = wires_send;
        side->wire.flush = wires_flush;
        side->wire.receive = wires_receive;
        if (side == &wires->server)
            break;
    }
}
