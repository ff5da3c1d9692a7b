/* blast_server.h - answers every request with the same 202 and does nothing else: what is left is
 * what the generator and the link can do.
 *
 * TCP's passive side for one client address, in order, with one timer for all.  As all answers are
 * the same bytes, none is kept: the stream of a connection is its length.
 *
 * Memory:  taken by init, for 65,536 ports of the client.
 * Threads: one.  Time is handed in.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bench/blast_segment.h"
#include "bench/blast_wire.h"

struct blast_server_conn; /* one port of the client */

struct blast_server {
    struct blast_wire *wire;
    struct blast_segment_head head;
    struct blast_server_conn *conns;
    uint8_t *answers; /* the answer, again and again: one segment more than one answer */
    uint32_t answer_len;
    uint32_t port_low; /* of the ports that the client has used */
    uint32_t port_high;
    uint32_t port_at; /* of these, the next whose timer is looked at */

    uint64_t requests;
    uint64_t strange; /* requests that it does not understand: their connection is reset */
};

/* blast_server_init listens at wire->source.  Returns 0 or -ENOMEM. */
int blast_server_init(struct blast_server *server, struct blast_wire *wire);
void blast_server_fini(struct blast_server *server);

/* blast_server_turn receives and answers; returns whether there was anything to do.
 * now_ns above 0. */
bool blast_server_turn(struct blast_server *server, uint64_t now_ns);
