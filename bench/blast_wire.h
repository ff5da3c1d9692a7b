/* blast_wire.h - whole Ethernet frames out and in, and nothing said about what is in them: a DPDK
 * port, or in tests a queue to a peer.
 *
 * Memory:  each wire's own; embeds struct blast_wire as its first member.
 * Threads: one.
 */
#pragma once

#include <signal.h>
#include <stdint.h>

#include "bench/blast_frame.h"

#define BLAST_WIRE_FRAME 1514 /* Ethernet's most, without the frame check sequence */
#define BLAST_WIRE_BURST 32

struct blast_wire_frame {
    const uint8_t *bytes;
    uint32_t len;
};

struct blast_wire {
    struct blast_endpoint source; /* we */
    struct blast_endpoint target; /* whom we talk to, as far as it is known */
    uint64_t delays;              /* flushes that the other side had no room for */

    /* frame returns room for one frame of BLAST_WIRE_FRAME bytes, or NULL: none now. */
    uint8_t *(*frame)(struct blast_wire *wire);
    /* send takes the frame that frame gave last, len bytes of it; it leaves with a flush, one of
     * the next when there is no room on the other side. */
    void (*send)(struct blast_wire *wire, uint32_t len);
    void (*flush)(struct blast_wire *wire);
    /* receive gives up to BLAST_WIRE_BURST frames, theirs until the next call.  What concerns the
     * wire itself (ARP) was answered and is left out. */
    uint32_t (*receive)(struct blast_wire *wire, struct blast_wire_frame *frames);
    void (*close)(struct blast_wire *wire);
};

/* blast_wire_dpdk_open takes the DPDK port of options, and finds the target's MAC unless the
 * options say that we are the ones to answer.  Returns 0 and a wire that close frees, or a negative
 * errno with a line for the operator in fault[BLAST_FAULT_MAX].  stop is read while it waits. */
struct blast_options;

int blast_wire_dpdk_open(struct blast_wire **wire, const struct blast_options *options,
                         const volatile sig_atomic_t *stop, char *fault);
