/* blast_link.h - how datagrams leave: kernel sockets, a DPDK port, or
 * not at all, which measures the building of events.
 *
 * The sender fills slots and sends them together: reserve gives payload buffers, send takes the
 * first count of them.
 *
 * Memory:  each link's own; embeds struct blast_link as its first member.
 * Threads: one.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/blast_source.h"

#define BLAST_FAULT_MAX 512

struct blast_slot {
    uint8_t *payload; /* room for BLAST_DATAGRAM_MAX + BLAST_SLACK */
    uint32_t len;
    uint64_t due_real_ns; /* CLOCK_REALTIME at which it was planned to be sent */
};

struct blast_link {
    uint32_t burst; /* datagrams at most in one send, [1, BLAST_BURST_MAX] */
    bool spins;     /* waits in idle, never asleep: it has a queue to look after */
    struct blast_slot slots[BLAST_BURST_MAX];

    uint64_t delays;             /* times that a send had to wait for room */
    uint64_t unreachable;        /* ICMP answers saying that nobody listens */
    bool broken;                 /* nothing can be sent any more; fault says why */
    char fault[BLAST_FAULT_MAX]; /* a line for the operator */

    /* reserve makes slots[0, n) ready to be filled and returns n, in [0, burst]. */
    uint32_t (*reserve)(struct blast_link *link);
    /* send sends slots[0, count) in order and returns how many were sent; the rest never will be.
     */
    uint32_t (*send)(struct blast_link *link, uint32_t count);
    /* idle is called between sends: what the peer asked is answered. */
    void (*idle)(struct blast_link *link);
    /* flush waits until the peer has taken everything, and says in fault, with broken unset, when
     * it cannot know. */
    void (*flush)(struct blast_link *link);
    void (*close)(struct blast_link *link);
};

/* The three links.  Each open returns 0 and a link that close frees, or a negative errno with a
 * line for the operator in fault[BLAST_FAULT_MAX].  stop is read while a send waits for room: once
 * it is set, the send gives up. */
struct blast_options;

int blast_link_null_open(struct blast_link **link, char *fault);
int blast_link_socket_open(struct blast_link **link, const struct blast_options *options,
                           const volatile sig_atomic_t *stop, char *fault);
int blast_link_dpdk_open(struct blast_link **link, const struct blast_options *options,
                         const volatile sig_atomic_t *stop, char *fault);
