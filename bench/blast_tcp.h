/* blast_tcp.h - the client side of TCP, no more of it than a load generator needs (RFC 9293).
 *
 * Active open, MSS and the peer's window scale, data in order, one retransmission timer for each
 * connection that goes back to what is not acknowledged.  No congestion control and no selective
 * acknowledgement: the link is meant to lose nothing, and where it does the bytes are still right.
 * A segment that comes early is dropped and comes again.  Acknowledgements ride on requests, or
 * follow after two full segments or 10 ms.
 *
 * A connection is a number, and its own port follows from it, so finding one is one look into an
 * array.
 *
 * Memory:  taken by init: a send buffer for each connection, which keeps what may have to go again.
 * Threads: one.  No clock is read: now_ns is CLOCK_MONOTONIC or a simulated one, above 0.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bench/blast_segment.h"
#include "bench/blast_wire.h"

#define BLAST_TCP_CONNS_MAX 16384

enum blast_tcp_end {
    BLAST_TCP_CLOSED,  /* FIN both ways */
    BLAST_TCP_RESET,   /* by the peer, of an open connection */
    BLAST_TCP_REFUSED, /* by the peer, of one that was opening */
    BLAST_TCP_TIMEOUT, /* no acknowledgement came, however often it was sent */
};

/* Who uses the connections.  Callbacks may call any function below. */
struct blast_tcp_app {
    void (*open)(void *app, uint32_t conn);
    /* data: bytes in order.  false: they are nonsense; the connection is aborted, and closed with
     * BLAST_TCP_RESET. */
    bool (*data)(void *app, uint32_t conn, const uint8_t *bytes, uint32_t len);
    void (*acked)(void *app, uint32_t conn); /* there is more room to write */
    void (*closed)(void *app, uint32_t conn, enum blast_tcp_end why);
    void *app;
};

enum blast_tcp_state {
    BLAST_TCP_IDLE, /* nothing there */
    BLAST_TCP_OPENING,
    BLAST_TCP_OPEN,
};

struct blast_tcp_conn {
    uint8_t state; /* enum blast_tcp_state */
    uint8_t scale; /* of the peer's window */
    uint8_t tries; /* of what is sent first now */
    bool queued;   /* in the list of those that may have something to send */
    bool fin;      /* ours is wanted: it stands at end */
    bool peer_fin;
    bool ack_now;
    bool probe; /* into a closed window, one byte */
    uint16_t port;
    uint16_t mss;
    uint32_t una;    /* oldest byte that is not acknowledged */
    uint32_t nxt;    /* next to send */
    uint32_t max;    /* behind all that was ever sent */
    uint32_t end;    /* behind all that was written */
    uint32_t window; /* what the peer takes from una on */
    uint32_t rcv_nxt;
    uint32_t rcv_unacked; /* bytes that came since our last acknowledgement */
    uint64_t retry_ns;    /* when to send again, or to begin opening; 0: nothing waits */
    uint64_t ack_ns;      /* when to acknowledge at the latest; 0: no need */
};

struct blast_tcp {
    struct blast_wire *wire;
    struct blast_tcp_app app;
    uint32_t conn_count;
    uint32_t send_bytes; /* of one send buffer, a power of two */
    uint16_t first_port; /* conn i has first_port + i, then + conn_count more each time */
    uint16_t target_port;
    uint32_t seed; /* of initial sequence numbers */
    struct blast_segment_head head;
    struct blast_tcp_conn *conns;
    uint8_t *send_buffers;
    uint32_t *queue; /* connections that may have something to send */
    uint32_t queue_count;
    uint32_t timer_at; /* the next connection whose timers are looked at */
    uint32_t *by_port; /* 65536: connection + 1, or 0 */

    uint32_t open_count;
    uint64_t segments_out;
    uint64_t segments_in;
    uint64_t retransmitted; /* segments */
    uint64_t out_of_order;  /* segments dropped because an earlier one is missing */
    uint64_t strange;       /* frames that belong to no connection */
};

/* blast_tcp_init prepares conn_count connections, [1, BLAST_TCP_CONNS_MAX], from first_port of
 * wire->source on to wire->target, each with room for at least send_bytes, [1, 2^30]; the ports
 * [first_port, first_port + conn_count) must exist.  Returns 0 or -ENOMEM. */
int blast_tcp_init(struct blast_tcp *tcp, struct blast_wire *wire, uint32_t conn_count,
                   uint32_t send_bytes, uint32_t seed);
void blast_tcp_fini(struct blast_tcp *tcp);

/* blast_tcp_open begins to open an idle connection at at_ns or soon after. */
void blast_tcp_open(struct blast_tcp *tcp, uint32_t conn, uint64_t at_ns);

/* blast_tcp_room returns how many bytes blast_tcp_write would take now.  blast_tcp_write copies len
 * bytes, at most the room, to an open connection; they leave in the next blast_tcp_poll. */
uint32_t blast_tcp_room(const struct blast_tcp *tcp, uint32_t conn);
void blast_tcp_write(struct blast_tcp *tcp, uint32_t conn, const void *bytes, uint32_t len);

/* blast_tcp_finish ends our side behind what was written; blast_tcp_abort resets a connection at
 * once, without a word to the application. */
void blast_tcp_finish(struct blast_tcp *tcp, uint32_t conn);
void blast_tcp_abort(struct blast_tcp *tcp, uint32_t conn);

/* blast_tcp_input takes a received frame. */
void blast_tcp_input(struct blast_tcp *tcp, const uint8_t *frame, uint32_t len, uint64_t now_ns);

/* blast_tcp_poll sends what is due and looks at the timers of some connections, in turn. */
void blast_tcp_poll(struct blast_tcp *tcp, uint64_t now_ns);
