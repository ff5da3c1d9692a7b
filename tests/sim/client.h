/* client.h - a small client TCP for the simulator, written from the RFCs on its own: active open, a
 * fixed number of segments under way, everything sent again from the oldest byte when its time is
 * over.  Its receive store is one flag per byte of the stream.
 *
 * Streams are functions of a number, so that both ends know what must come: client_byte.
 *
 * Memory:  flags for the stream it expects, freed by client_fini.
 */
#pragma once

#include "tests/sim/wire.h"

enum client_state { CLIENT_SYN_SENT, CLIENT_OPEN, CLIENT_FAILED };

struct client_shape {
    bool ts, sack;
    int wscale; /* -1: none */
    uint16_t mss;
    uint32_t window_bytes; /* what it can hold that it has not read */
    uint32_t flight_max;   /* segments */
    uint32_t rto_ms;
    uint32_t segment_max;     /* bytes per segment, at most the peer's MSS */
    uint32_t pause_per_mille; /* chance per millisecond that it stops reading for a while */
    uint32_t send_bytes;      /* how long its stream is */
    uint32_t receive_bytes;   /* and the one that it expects */
    bool close_last;          /* its FIN comes only after the server's */
};

struct client {
    struct wire *wire;
    struct random random;
    struct client_shape shape;
    unsigned number; /* on the wire, from 1 */
    uint16_t port, server_port;
    uint32_t pseudo;
    enum client_state state;

    uint32_t iss, una, nxt, max; /* numbers in its stream: 0 is the SYN, 1 the first byte */
    uint32_t peer_window, peer_scale, peer_mss;
    uint64_t rto_at_ms;
    uint32_t backoff, dup_acks;

    uint32_t irs, rcv_nxt; /* rcv_nxt counts like una */
    uint8_t *have;
    uint32_t read; /* bytes that it has consumed */
    uint64_t paused_until_ms;
    uint32_t fin_at; /* number of the server's FIN, 0: not seen */
    bool ack_owed, ended;
    uint32_t ts_recent, announced;
    bool wrong; /* a byte was not what it must be */
};

uint8_t client_byte(uint32_t stream, uint32_t at);

void client_init(struct client *client);
void client_fini(struct client *client);

/* client_input takes a segment that has arrived; client_tick sends what is due. */
void client_input(struct client *client, const uint8_t *bytes, uint32_t len);
void client_tick(struct client *client);

/* client_done: all sent and acknowledged, all received, both ends closed. */
bool client_done(const struct client *client);
