/* port_checksum.c - flags and lengths of mbufs. */
#include "dataplane/port_checksum.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <string.h>

#include "dataplane/base/inet_csum.h"

enum { IPV4_BYTES = 20, IPV6_BYTES = 40, TCP_DATA_OFFSET = 12, TCP_CHECKSUM = 16 };

struct port_checksums port_checksums_of(uint64_t rx, uint64_t tx, bool tcp)
{
    uint64_t receive = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
    if (!tcp)
        return (struct port_checksums){.receive = rx & receive};
    return (struct port_checksums){.receive = rx & (receive | RTE_ETH_RX_OFFLOAD_TCP_CKSUM),
                                   .send = tx & RTE_ETH_TX_OFFLOAD_TCP_CKSUM};
}

uint8_t port_checksum_received(uint64_t ol_flags)
{
    uint64_t ip = ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
    uint64_t l4 = ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
    bool good = l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD || l4 == RTE_MBUF_F_RX_L4_CKSUM_NONE;
    return (uint8_t)((ip == RTE_MBUF_F_RX_IP_CKSUM_GOOD ? NET_IP_CHECKED : 0) |
                     (good ? NET_L4_CHECKED : 0));
}

void port_checksum_ask(struct rte_mbuf *mbuf, const struct packet *packet)
{
    uint32_t link_len = packet->unsummed;
    mbuf->ol_flags = 0;
    mbuf->tx_offload = 0;
    if (!link_len)
        return;
    const uint8_t *ip = rte_pktmbuf_mtod_offset(mbuf, const uint8_t *, link_len);
    bool ipv6 = ip[0] >> 4 == 6;
    uint32_t ip_len = ipv6 ? IPV6_BYTES : IPV4_BYTES;
    mbuf->l2_len = link_len & 0x7f;
    mbuf->l3_len = ip_len & 0x1ff;
    mbuf->l4_len = (uint8_t)(ip[ip_len + TCP_DATA_OFFSET] >> 4 << 2);
    mbuf->ol_flags = RTE_MBUF_F_TX_TCP_CKSUM | (ipv6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4);
}

void port_checksum_make(struct rte_mbuf *mbuf)
{
    if (!(mbuf->ol_flags & RTE_MBUF_F_TX_L4_MASK))
        return;
    uint32_t at = (uint32_t)mbuf->l2_len + mbuf->l3_len;
    uint8_t *tcp = rte_pktmbuf_mtod_offset(mbuf, uint8_t *, at);
    uint16_t csum = inet_csum_fold(inet_csum_add(0, tcp, mbuf->data_len - at));
    memcpy(tcp + TCP_CHECKSUM, &csum, sizeof csum);
    mbuf->ol_flags &= ~RTE_MBUF_F_TX_L4_MASK;
}

void port_checksum_keep(const struct rte_mbuf *mbuf, struct packet *packet)
{
    if (!(mbuf->ol_flags & RTE_MBUF_F_TX_L4_MASK))
        packet->unsummed = 0;
}
