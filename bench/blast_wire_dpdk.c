/* blast_wire_dpdk.c - frames through a DPDK port. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "bench/blast_link.h"
#include "bench/blast_options.h"
#include "bench/blast_port.h"
#include "bench/blast_wire.h"

#define BURST BLAST_PORT_BURST

_Static_assert(BLAST_PORT_ROOM >= BLAST_WIRE_FRAME, "a frame fits in an mbuf");
_Static_assert(BLAST_WIRE_BURST >= BLAST_PORT_BURST, "a burst fits in what the caller has");

struct port_wire {
    struct blast_wire wire; /* first */
    struct blast_port port;
    struct rte_mbuf *next; /* given by frame, not sent yet */
    uint32_t out_count;
    uint32_t in_count;
    struct rte_mbuf *out[BURST];
    struct rte_mbuf *in[BURST];
};

static void wire_flush(struct blast_wire *wire)
{
    struct port_wire *port = (struct port_wire *)wire;
    if (!port->out_count)
        return;
    uint32_t sent = rte_eth_tx_burst(port->port.id, 0, port->out, (uint16_t)port->out_count);
    port->out_count -= sent;
    wire->delays += port->out_count > 0;
    for (uint32_t i = 0; sent && i < port->out_count; i++)
        port->out[i] = port->out[sent + i];
}

static uint8_t *wire_frame(struct blast_wire *wire)
{
    struct port_wire *port = (struct port_wire *)wire;
    if (port->out_count == BURST)
        wire_flush(wire);
    if (port->out_count == BURST)
        return NULL;
    if (!port->next)
        port->next = rte_pktmbuf_alloc(port->port.pool);
    return port->next ? rte_pktmbuf_mtod(port->next, uint8_t *) : NULL;
}

static void wire_send(struct blast_wire *wire, uint32_t len)
{
    struct port_wire *port = (struct port_wire *)wire;
    port->next->pkt_len = len;
    port->next->data_len = (uint16_t)len;
    port->out[port->out_count++] = port->next;
    port->next = NULL;
}

static uint32_t wire_receive(struct blast_wire *wire, struct blast_wire_frame *frames)
{
    struct port_wire *port = (struct port_wire *)wire;
    rte_pktmbuf_free_bulk(port->in, port->in_count);
    port->in_count = blast_port_receive(&port->port, port->in);
    for (uint32_t i = 0; i < port->in_count; i++)
        frames[i] = (struct blast_wire_frame){rte_pktmbuf_mtod(port->in[i], const uint8_t *),
                                              port->in[i]->data_len};
    return port->in_count;
}

static void wire_close(struct blast_wire *wire)
{
    struct port_wire *port = (struct port_wire *)wire;
    uint32_t sent = blast_port_push(&port->port, port->out, port->out_count);
    rte_pktmbuf_free_bulk(port->out + sent, port->out_count - sent);
    rte_pktmbuf_free_bulk(port->in, port->in_count);
    rte_pktmbuf_free(port->next);
    blast_port_close(&port->port);
    free(port);
}

int blast_wire_dpdk_open(struct blast_wire **wire, const struct blast_options *options,
                         const volatile sig_atomic_t *stop, char *fault)
{
    struct port_wire *port = calloc(1, sizeof *port);
    snprintf(fault, BLAST_FAULT_MAX, "out of memory");
    int rc = port ? blast_port_open(&port->port, options, stop, fault) : -ENOMEM;
    if (rc < 0) {
        free(port);
        return rc;
    }
    port->wire = (struct blast_wire){
        .source = port->port.source,
        .target = port->port.target,
        .frame = wire_frame,
        .send = wire_send,
        .flush = wire_flush,
        .receive = wire_receive,
        .close = wire_close,
    };
    *wire = &port->wire;
    return 0;
}
