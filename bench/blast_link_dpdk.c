/* blast_link_dpdk.c - datagrams as frames through a DPDK port. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_mbuf.h>

#include "bench/blast_frame.h"
#include "bench/blast_link.h"
#include "bench/blast_options.h"
#include "bench/blast_port.h"
#include "dataplane/base/clock.h"

#define BURST          BLAST_PORT_BURST
#define FLUSH_NS       (5 * NS_PER_S)    /* a peer whose disk is slow takes frames when it can */
#define FLUSH_BLIND_NS (200 * NS_PER_MS) /* when the peer may know no ARP */

_Static_assert(BLAST_PORT_ROOM >= BLAST_FRAME_HEAD + BLAST_DATAGRAM_MAX + BLAST_SLACK,
               "a payload and what is scribbled behind it fit in an mbuf");

struct sender {
    struct blast_link link; /* first */
    struct blast_port port;
    bool stamp;
    uint32_t held; /* mbufs allocated and not handed to the port */
    struct rte_mbuf *mbufs[BURST];
    struct blast_frame frame;
};

static uint32_t dpdk_reserve(struct blast_link *link)
{
    struct sender *sender = (struct sender *)link;
    if (rte_pktmbuf_alloc_bulk(sender->port.pool, sender->mbufs + sender->held,
                               BURST - sender->held) == 0)
        sender->held = BURST;
    for (uint32_t i = 0; i < sender->held; i++)
        link->slots[i].payload =
            rte_pktmbuf_mtod_offset(sender->mbufs[i], uint8_t *, BLAST_FRAME_HEAD);
    return sender->held;
}

static uint32_t dpdk_send(struct blast_link *link, uint32_t count)
{
    struct sender *sender = (struct sender *)link;
    for (uint32_t i = 0; i < count; i++) {
        const struct blast_slot *slot = &link->slots[i];
        struct rte_mbuf *mbuf = sender->mbufs[i];
        uint32_t len = blast_frame_finish(&sender->frame, rte_pktmbuf_mtod(mbuf, uint8_t *),
                                          slot->len, sender->stamp ? slot->due_real_ns : 0);
        mbuf->pkt_len = len;
        mbuf->data_len = (uint16_t)len;
    }
    uint32_t sent = blast_port_push(&sender->port, sender->mbufs, count);
    link->delays = sender->port.delays;
    sender->held -= sent;
    for (uint32_t i = 0; i < sender->held; i++)
        sender->mbufs[i] = sender->mbufs[sent + i];
    return sent;
}

static void dpdk_idle(struct blast_link *link)
{
    struct sender *sender = (struct sender *)link;
    struct rte_mbuf *mbufs[BURST];
    rte_pktmbuf_free_bulk(mbufs, blast_port_receive(&sender->port, mbufs));
}

static void dpdk_flush(struct blast_link *link)
{
    struct blast_port *port = &((struct sender *)link)->port;
    if (blast_port_ask(port, port->blind ? FLUSH_BLIND_NS : FLUSH_NS, false) < 0 && !port->blind)
        snprintf(link->fault, sizeof link->fault,
                 "the target did not answer the closing ARP request: it may not have taken the "
                 "last frames, counted as sent");
}

static void dpdk_close(struct blast_link *link)
{
    struct sender *sender = (struct sender *)link;
    rte_pktmbuf_free_bulk(sender->mbufs, sender->held);
    blast_port_close(&sender->port);
    free(sender);
}

int blast_link_dpdk_open(struct blast_link **link, const struct blast_options *options,
                         const volatile sig_atomic_t *stop, char *fault)
{
    struct sender *sender = calloc(1, sizeof *sender);
    snprintf(fault, BLAST_FAULT_MAX, "out of memory");
    int rc = sender ? blast_port_open(&sender->port, options, stop, fault) : -ENOMEM;
    if (rc < 0) {
        free(sender);
        return rc;
    }
    sender->link = (struct blast_link){
        .burst = BURST,
        .spins = true,
        .reserve = dpdk_reserve,
        .send = dpdk_send,
        .idle = dpdk_idle,
        .flush = dpdk_flush,
        .close = dpdk_close,
    };
    sender->stamp = options->stamp;
    blast_frame_init(&sender->frame, &sender->port.source, &sender->port.target);
    *link = &sender->link;
    return 0;
}
