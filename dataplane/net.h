/* net.h - the packet path without DPDK: what a frame is, where its UDP payload or its TCP segment
 * lies, and the replies that an address owes.
 *
 * Ethernet II, up to two 802.1Q/802.1ad tags, ARP (RFC 826), IPv4 (RFC 791), ICMP echo (RFC 792),
 * IPv6 (RFC 8200), neighbour discovery (RFC 4861) and ICMPv6 echo (RFC 4443), UDP (RFC 768).  Of
 * TCP (RFC 9293) the destination port is looked at, and in an ICMP error the quoted packet: whether
 * it may be one that this address sent from its TCP port (RFC 5927 section 4.1); all else is tcp's.
 * Malformed, truncated, fragmented and foreign frames are dropped under a named reason; nothing is
 * read past the end.
 *
 * The first fault in this order names the drop: link address, tags, IP header, IP checksum,
 * destination, source, fragment, options; then length, checksum, port, size of the datagram.
 *
 * Memory:  works in the frame's own bytes; a reply is built in place.
 * Threads: any; struct net is read-only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* NET_REASON(name, help): every frame that is neither delivered nor answered is counted under one
 * of these. */
#define NET_REASON_LIST(NET_REASON)                                                                \
    NET_REASON(none, "not dropped")                                                                \
    NET_REASON(truncated, "shorter than its headers say")                                          \
    NET_REASON(ethertype, "neither ARP, IPv4 nor IPv6")                                            \
    NET_REASON(not_for_us, "the destination is not an address of this port")                       \
    NET_REASON(vlan_depth, "more than two VLAN tags")                                              \
    NET_REASON(arp, "an ARP packet that asks nothing of us, or is malformed")                      \
    NET_REASON(ip_header, "IP version, header length or total length is wrong")                    \
    NET_REASON(ip_checksum, "wrong IPv4 header checksum")                                          \
    NET_REASON(ip_source, "a source address that no host can have")                                \
    NET_REASON(fragment, "an IP fragment; events fit in one packet")                               \
    NET_REASON(ip_options, "IPv6 extension headers, or IPv4 source routing")                       \
    NET_REASON(protocol, "neither UDP, nor TCP with a listener, nor ICMP")                         \
    NET_REASON(icmp, "an ICMP message that asks nothing of us, or is malformed")                   \
    NET_REASON(icmp_checksum, "wrong ICMP checksum")                                               \
    NET_REASON(udp_length, "UDP length does not match the packet")                                 \
    NET_REASON(udp_checksum, "wrong UDP checksum, or none over IPv6")                              \
    NET_REASON(udp_port, "no listener on that UDP port")                                           \
    NET_REASON(too_long, "the datagram is longer than listen.udp.max_datagram")                    \
    NET_REASON(segmented, "the port delivered it in several buffers")

enum net_reason {
#define NET_REASON_ENUM(name, help) NET_##name,
    NET_REASON_LIST(NET_REASON_ENUM)
#undef NET_REASON_ENUM
        NET_REASON_COUNT
};

#define NET_ADDRS_MAX 8

struct net_addr {
    uint8_t family; /* 4 or 6 */
    uint8_t bytes[16];
};

/* What a port answers to. */
struct net {
    uint8_t mac[6];
    uint16_t udp_port;
    uint16_t tcp_port;     /* 0: no TCP */
    uint32_t max_datagram; /* UDP payload bytes */
    uint32_t addr_count;
    struct net_addr addrs[NET_ADDRS_MAX];
};

#define NET_GROW_BYTES 8

/* What the port has already checked for this frame, and whether a reply may use bytes behind it. */
enum net_offload {
    NET_IP_CHECKED = 1 << 0,
    NET_L4_CHECKED = 1 << 1, /* UDP only: an ICMP checksum is always verified */
    NET_TAILROOM = 1 << 2    /* NET_GROW_BYTES behind the frame are the caller's to write */
};

enum net_action {
    NET_DROP,
    NET_DELIVER, /* events in a datagram */
    NET_REPLY,   /* the frame has become its own answer */
    NET_TCP,     /* a segment to our TCP port; its checksum is NET_L4_CHECKED or tcp's to verify */
    NET_TCP_ERROR, /* an ICMP error about a segment from our TCP port: see net_quote */
};

struct net_verdict {
    uint8_t action; /* enum net_action */
    union {
        uint8_t reason;   /* DROP: enum net_reason */
        uint8_t link_len; /* TCP, TCP_ERROR: bytes in front of the IP header, in [14, 22] */
    };
    uint16_t
        payload_off; /* DELIVER: the UDP payload; TCP: the TCP header; TCP_ERROR: the ICMP one */
    uint16_t payload_len; /* up to the end of the IP packet */
    uint16_t frame_len;   /* DELIVER, TCP, TCP_ERROR: link header and IP packet, what follows is
                             padding or a trailer; REPLY: bytes to send */
};

/* What an ICMP error quotes: a packet as this address may have sent it. */
struct net_quote {
    uint8_t type, code; /* of the ICMP message (RFC 792; RFC 4443 over IPv6) */
    uint8_t family;     /* 4 or 6 */
    uint32_t rest;      /* bytes 4 to 7 of the ICMP message: where there is one, the next hop's
                           MTU, over IPv4 in the lower half */
    const uint8_t *src, *dst; /* of the quoted packet, 4 or 16 bytes: src is ours */
    const uint8_t *tcp;       /* the first bytes of its TCP header: ports and sequence number */
    uint32_t tcp_len;         /* at least 8 */
};

/* net_quote reads the error that a verdict of NET_TCP_ERROR is for. The pointers are into frame. */
void net_quote(const uint8_t *frame, const struct net_verdict *verdict, struct net_quote *quote);

/* net_input classifies one frame of len bytes, in [0, 65535].  For a REPLY the frame has been
 * turned round in place, VLAN tags kept. Multicast and broadcast frames are accepted for ARP and
 * for IPv6 neighbour solicitation only.  A frame that is not a REPLY is left as it was.
 *
 * A reply is longer than its frame in one case, and only with NET_TAILROOM: a solicitation without
 * a source link-layer option, which every plain duplicate address detection is, owes an
 * advertisement with an option of 8 bytes.  Where there is no room for it, the advertisement goes
 * without when the solicitation was unicast (RFC 4861 section 4.4 allows that) and the frame is
 * dropped as icmp when it was multicast. */
struct net_verdict net_input(const struct net *net, uint8_t *frame, uint32_t len, unsigned offload);

const char *net_reason_name(unsigned reason);
const char *net_reason_help(unsigned reason);
