/* blast_port.h - one DPDK port, usually virtio-user, and the ARP that finds a peer on it.
 *
 * Memory:  one pool of mbufs, taken by open.
 * Threads: one.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "bench/blast_frame.h"
#include "bench/blast_nap.h"

#define BLAST_PORT_BURST 32
#define BLAST_PORT_ROOM  2560 /* bytes of a frame and behind it */

struct blast_port {
    uint16_t id;
    bool blind;    /* nobody to ask: the target's MAC was given, or we are the target */
    bool answered; /* the last ARP request was */
    uint64_t patience_ns;
    struct blast_nap nap; /* where there is no room: who takes from the peer may need our core */
    uint64_t delays;      /* times that a send had to wait for room */
    const volatile sig_atomic_t *stop;
    struct rte_mempool *pool;
    struct blast_endpoint source;
    struct blast_endpoint target;
};

struct blast_options;

/* blast_port_open starts EAL and its first port, and finds the target.  Returns 0, or a negative
 * errno with a line for the operator in fault[BLAST_FAULT_MAX] and nothing to close.  stop is read
 * while it waits. */
int blast_port_open(struct blast_port *port, const struct blast_options *options,
                    const volatile sig_atomic_t *stop, char *fault);
void blast_port_close(struct blast_port *port);

/* blast_port_push hands mbufs to the port, again and again until patience ends; returns how many it
 * took.  The rest stay the caller's. */
uint32_t blast_port_push(struct blast_port *port, struct rte_mbuf **mbufs, uint32_t count);

/* blast_port_receive gives up to BLAST_PORT_BURST mbufs, the caller's to free.  ARP is not among
 * them: it was dealt with. */
uint32_t blast_port_receive(struct blast_port *port, struct rte_mbuf **mbufs);

/* blast_port_ask asks for the target's MAC until it answers.  Frames of a queue are taken in order,
 * so the answer also says that everything sent before was taken.  Returns 0, -ETIMEDOUT after
 * span_ns, or, when stoppable, -EINTR. */
int blast_port_ask(struct blast_port *port, uint64_t span_ns, bool stoppable);
