/* sim_client.h - the simulated clients: what they have sent, and what they were told of it.
 *
 * Memory:  a copy of every line ever sent.  Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SIM_LINES_MAX 4096u
#define SIM_LINE_MAX  700u

struct sim_line {
    uint8_t bytes[SIM_LINE_MAX];
    uint32_t len;
    uint64_t hash;
    uint32_t user; /* (user, number): what duplicates are found by */
    uint64_t number;
    uint64_t sent_ns; /* first, CLOCK_MONOTONIC */
    char tile[21];    /* "": it is none of a claim */
    bool whole;       /* it is an event, whatever the rules say of it */

    /* What the client was told. */
    bool durable;
    uint8_t result; /* enum result */
    uint16_t partition;
    uint64_t seq;
};

struct sim_client {
    struct sim_line lines[SIM_LINES_MAX];
    uint32_t count;
    uint64_t numbers;                  /* ids given out */
    uint16_t slots[4 * SIM_LINES_MAX]; /* by hash, 0: free */
};

extern struct sim_client sim_client;

void sim_client_reset(void);
/* sim_client_send makes and sends one datagram of a few lines; sim_client_again sends every line
 * of which it is not known that it is durable, at most count. Returns how many it sent. */
void sim_client_send(uint32_t queues);
uint32_t sim_client_again(uint32_t queues, uint32_t count);
/* sim_client_find returns the line of these bytes, or NULL. */
struct sim_line *sim_client_find(const uint8_t *bytes, uint32_t len);
