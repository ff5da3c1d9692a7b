/* net_wire.h - what net.c, net_reply.c and net_quote.c share: the packet being looked at, and the
 * wire's byte order and constants.
 *
 * Headers are read at their offsets in the RFCs, byte by byte, so nothing depends on alignment.
 * Each layer checks once that its header lies within the frame and narrows [l3, end) for the next
 * one; beyond that check no layer reads.
 *
 * Memory:  a packet lives on the stack of net_input.  Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/base/inet_csum.h"
#include "dataplane/net.h"

enum { NET_MAC_BYTES = 6, NET_LINK_BYTES = 14, NET_VLAN_BYTES = 4, NET_FRAME_BYTES_MIN = 60 };
enum { NET_TYPE_IPV4 = 0x0800, NET_TYPE_ARP = 0x0806, NET_TYPE_IPV6 = 0x86dd };
enum { NET_TYPE_CVLAN = 0x8100, NET_TYPE_SVLAN = 0x88a8 };

/* IP protocol numbers and IPv6 extension headers (RFC 7045). */
enum { NET_PROTO_ICMP = 1, NET_PROTO_TCP = 6, NET_PROTO_UDP = 17, NET_PROTO_ICMPV6 = 58 };
enum { NET_EXT_HOPS = 0, NET_EXT_ROUTING = 43, NET_EXT_FRAGMENT = 44, NET_EXT_AUTH = 51 };
enum { NET_EXT_OPTIONS = 60, NET_EXT_MOBILITY = 135, NET_EXT_HIP = 139, NET_EXT_SHIM6 = 140 };

enum { NET_IPV4_BYTES = 20, NET_IPV6_BYTES = 40, NET_UDP_BYTES = 8, NET_ICMP_BYTES = 8 };
enum { NET_QUOTE_BYTES = 8 /* of TCP, in an ICMP error */ };

static const uint8_t net_all_nodes_mac[NET_MAC_BYTES] = {0x33, 0x33, 0, 0, 0, 1};
static const uint8_t net_all_nodes[16] = {0xff, 0x02, [15] = 1};

/* How the frame was addressed on the link. */
enum net_cast { NET_CAST_US, NET_CAST_BROADCAST, NET_CAST_MULTICAST };

struct net_packet {
    const struct net *net;
    uint8_t *frame;
    uint32_t len;  /* of the frame, as received */
    uint32_t room; /* bytes of the frame that a reply may use, at least len */
    uint32_t l3;   /* where the ARP packet or IP header starts */
    uint32_t l4;   /* behind the IP header */
    uint32_t end;  /* of the IP packet; what follows is padding or a trailer */
    unsigned offload;
    enum net_cast cast;
    bool ipv6;
    bool from_nobody; /* IPv6 source ::, which only a neighbour solicitation may have */
};

static inline uint16_t net_get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline void net_put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline bool net_same(const void *a, const void *b, size_t len)
{
    return memcmp(a, b, len) == 0;
}

static inline struct net_verdict net_drop(enum net_reason reason)
{
    return (struct net_verdict){.action = NET_DROP, .reason = (uint8_t)reason};
}

/* net_owns says whether an address, of 4 or 16 bytes by family, is one of the port's. */
static inline bool net_owns(const struct net *net, uint8_t family, const uint8_t *addr)
{
    for (uint32_t i = 0; i < net->addr_count; i++) {
        const struct net_addr *own = &net->addrs[i];
        if (own->family == family && net_same(own->bytes, addr, family == 4 ? 4 : 16))
            return true;
    }
    return false;
}

/* net_sum_l4 sums the upper-layer packet with its pseudo header: folds to 0 when its checksum is
 * right. */
static inline uint64_t net_sum_l4(const struct net_packet *packet, uint8_t protocol)
{
    const uint8_t *ip = packet->frame + packet->l3;
    uint32_t len = packet->end - packet->l4;
    uint64_t pseudo = packet->ipv6 ? inet_csum_pseudo6(ip + 8, protocol, len)
                                   : inet_csum_pseudo4(ip + 12, protocol, (uint16_t)len);
    return inet_csum_add(pseudo, packet->frame + packet->l4, len);
}

/* net_host_ipv4 says whether a host other than this one can have the IPv4 address (RFC 1122 section
 * 3.2.1.3). */
bool net_host_ipv4(const struct net *net, const uint8_t addr[4]);

/* net_icmp_error decides on an ICMP or ICMPv6 message whose checksum is right and that asks
 * nothing.
 */
struct net_verdict net_icmp_error(const struct net_packet *packet);

/* The replies, in net_reply.c.  Each turns the frame round or drops it; the addresses of the IP
 * packet have been checked. */
struct net_verdict net_reply_arp(struct net_packet *packet);
struct net_verdict net_reply_icmp(struct net_packet *packet);
struct net_verdict net_reply_icmpv6(struct net_packet *packet);
