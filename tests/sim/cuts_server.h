/* cuts_server.h - TCP and HTTP as they are, joined to an intake that answers every event in the
 * next turn, for a peer that is played segment by segment (cuts.c).
 *
 * Memory:  one instance in static memory.  Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CUTS_TEXT_MAX 65536

struct cuts_text {
    uint32_t len;
    char bytes[CUTS_TEXT_MAX];
};

struct cuts_server {
    /* What became of the stream since cuts_server_begin. */
    struct cuts_text events; /* that HTTP submitted, a line each */
    struct cuts_text answers;
    bool fin; /* the server's came */

    /* What the peer has to know: the last of the server's numbers. */
    uint32_t seq_next, ack;
    bool syn_ack, reset;
};

extern struct cuts_server cuts_server;

void cuts_server_start(void);
/* cuts_server_begin forgets the last stream, and requires that nothing of it is left in the
 * server. */
void cuts_server_begin(void);

/* cuts_server_segment gives the server a TCP segment from the peer's address. */
void cuts_server_segment(const uint8_t *bytes, uint32_t len);

/* cuts_server_turn polls once; cuts_server_settle until nothing is left to do. */
unsigned cuts_server_turn(void);
void cuts_server_settle(void);
/* cuts_server_end resets what is still open. */
void cuts_server_end(void);
