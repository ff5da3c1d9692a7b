/* port_checksum.h - which checksums a port checks and makes, and what a frame says of them.
 *
 * Of what is sent a port makes TCP's, when it can: the field then holds the sum of the pseudo
 * header (dataplane/tcp.h), which is what ports start from.  IPv4's header, 20 bytes that are at
 * hand, and the rare ARP and ICMP replies leave here whole.
 *
 * Memory:  none.  Threads: any.
 */
#pragma once

#include <rte_mbuf_core.h>

#include "dataplane/rx.h"

struct port_checksums {
    uint64_t receive, send; /* RTE_ETH_RX_OFFLOAD_*, RTE_ETH_TX_OFFLOAD_* to ask the port for */
};

/* port_checksums_of returns what there is to ask for of a port that says it can do rx and tx; with
 * tcp, also TCP's. */
struct port_checksums port_checksums_of(uint64_t rx, uint64_t tx, bool tcp);

/* port_checksum_received returns what the flags of a received frame say has been checked: enum
 * net_offload.  A sum that is not made yet, since its sender never was on a wire, is a good one. */
uint8_t port_checksum_received(uint64_t ol_flags);

/* port_checksum_ask has the port make the TCP checksum of a frame that is sent, as its packet says:
 * packet->unsummed. */
void port_checksum_ask(struct rte_mbuf *mbuf, const struct packet *packet);

/* port_checksum_make makes here what was asked for, and the port is not asked any more. */
void port_checksum_make(struct rte_mbuf *mbuf);

/* port_checksum_keep notes in the packet of a frame that the port did not take whether its checksum
 * was made all the same: some drivers make those of a burst before they know how many they take. */
void port_checksum_keep(const struct rte_mbuf *mbuf, struct packet *packet);
