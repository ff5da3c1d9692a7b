/* net_reply.c - ARP, ICMP and ICMPv6: the answers that an address owes, built in the asking frame.
 */
#include "dataplane/net_wire.h"

enum { ARP_BYTES = 28, ARP_REQUEST = 1, ARP_REPLY = 2 };
enum { ECHO_REQUEST = 8, ECHO_REPLY = 0 };
enum { ECHO6_REQUEST = 128, ECHO6_REPLY = 129, SOLICITATION = 135, ADVERTISEMENT = 136 };
enum {
    SOLICITATION_BYTES = 24,
    LINK_OPTION_BYTES = 8,
    OPTION_SOURCE_LINK = 1,
    OPTION_TARGET_LINK = 2
};
enum { ADVERT_SOLICITED = 0x40, ADVERT_OVERRIDE = 0x20 };
enum { HOP_LIMIT = 64, HOP_LIMIT_ON_LINK = 255 };

static void swap(uint8_t *a, uint8_t *b, size_t len)
{
    uint8_t keep[16];
    memcpy(keep, a, len);
    memcpy(a, b, len);
    memcpy(b, keep, len);
}

/* send_back addresses the frame, which now ends at end, to a MAC.  What the frame had for padding
 * stays padding, zeroed, up to the shortest frame that Ethernet carries. */
static struct net_verdict send_back(struct net_packet *packet, const uint8_t *mac, uint32_t end)
{
    uint32_t len = end;
    if (len < NET_FRAME_BYTES_MIN && packet->len > len) {
        len = packet->len < NET_FRAME_BYTES_MIN ? packet->len : NET_FRAME_BYTES_MIN;
        memset(packet->frame + end, 0, len - end);
    }
    memcpy(packet->frame, mac, NET_MAC_BYTES);
    memcpy(packet->frame + NET_MAC_BYTES, packet->net->mac, NET_MAC_BYTES);
    return (struct net_verdict){.action = NET_REPLY, .frame_len = (uint16_t)len};
}

static bool host_mac(const uint8_t mac[NET_MAC_BYTES])
{
    static const uint8_t zero[NET_MAC_BYTES];
    return !(mac[0] & 1) && !net_same(mac, zero, NET_MAC_BYTES);
}

/* The sender may be 0.0.0.0: a host that probes whether the address is free (RFC 5227). */
static bool arp_asks_us(const struct net *net, const uint8_t *arp)
{
    static const uint8_t ethernet_ipv4_request[8] = {0, 1, 0x08, 0, 6, 4, 0, ARP_REQUEST};
    static const uint8_t unspecified[4];
    const uint8_t *sender_mac = arp + 8, *sender = arp + 14, *target = arp + 24;
    if (!net_same(arp, ethernet_ipv4_request, sizeof ethernet_ipv4_request) ||
        !host_mac(sender_mac))
        return false;
    if (!net_same(sender, unspecified, 4) && !net_host_ipv4(net, sender))
        return false;
    return net_owns(net, 4, target);
}

struct net_verdict net_reply_arp(struct net_packet *packet)
{
    uint8_t *arp = packet->frame + packet->l3;
    if (packet->len - packet->l3 < ARP_BYTES)
        return net_drop(NET_truncated);
    if (!arp_asks_us(packet->net, arp))
        return net_drop(NET_arp);
    uint8_t *sender = arp + 8, *target = arp + 18; /* MAC and IPv4 address each */
    arp[7] = ARP_REPLY;
    swap(sender, target, 10);
    memcpy(sender, packet->net->mac, NET_MAC_BYTES);
    return send_back(packet, target, packet->l3 + ARP_BYTES);
}

struct net_verdict net_reply_icmp(struct net_packet *packet)
{
    uint8_t *ip = packet->frame + packet->l3;
    uint8_t *icmp = packet->frame + packet->l4;
    uint32_t header = packet->l4 - packet->l3, len = packet->end - packet->l4;
    if (len < NET_ICMP_BYTES)
        return net_drop(NET_icmp);
    if (inet_csum_fold(inet_csum_add(0, icmp, len)))
        return net_drop(NET_icmp_checksum);
    if (icmp[0] != ECHO_REQUEST || icmp[1] != 0)
        return net_icmp_error(packet);

    icmp[0] = ECHO_REPLY;
    memset(icmp + 2, 0, 2);
    uint16_t csum = inet_csum_fold(inet_csum_add(0, icmp, len));
    memcpy(icmp + 2, &csum, 2);

    ip[1] &= 0xfc;             /* the class asked for, without the congestion mark met on the way */
    net_put16(ip + 4, 0);      /* an atomic datagram needs no id (RFC 6864) ... */
    net_put16(ip + 6, 0x4000); /* ... and says "don't fragment" */
    ip[8] = HOP_LIMIT;
    swap(ip + 12, ip + 16, 4);
    memset(ip + NET_IPV4_BYTES, 1,
           header - NET_IPV4_BYTES); /* a recorded route is not ours to go on with */
    memset(ip + 10, 0, 2);
    csum = inet_csum_fold(inet_csum_add(0, ip, header));
    memcpy(ip + 10, &csum, 2);
    return send_back(packet, packet->frame + NET_MAC_BYTES, packet->end);
}

/* finish_icmpv6 completes an answer of len bytes: what is the same for all of them. */
static void finish_icmpv6(struct net_packet *packet, uint8_t hop_limit, uint32_t len)
{
    uint8_t *ip = packet->frame + packet->l3;
    uint8_t *icmp = packet->frame + packet->l4;
    ip[1] &= 0xc0;        /* as in IPv4: the class without the mark ... */
    net_put16(ip + 2, 0); /* ... and the flow label was the asker's */
    net_put16(ip + 4, (uint16_t)len);
    ip[7] = hop_limit;
    packet->end = packet->l4 + len;
    memset(icmp + 2, 0, 2);
    uint16_t csum = inet_csum_fold(net_sum_l4(packet, NET_PROTO_ICMPV6));
    memcpy(icmp + 2, &csum, 2);
}

static struct net_verdict reply_echo6(struct net_packet *packet)
{
    uint8_t *ip = packet->frame + packet->l3;
    uint8_t *icmp = packet->frame + packet->l4;
    if (packet->from_nobody)
        return net_drop(NET_ip_source);
    if (ip[24] == 0xff || icmp[1] != 0)
        return net_drop(NET_icmp);
    icmp[0] = ECHO6_REPLY;
    swap(ip + 8, ip + 24, 16);
    finish_icmpv6(packet, HOP_LIMIT, packet->end - packet->l4);
    return send_back(packet, packet->frame + NET_MAC_BYTES, packet->end);
}

/* link_option walks the options of a solicitation (RFC 4861 section 4.6).  False when they are
 * malformed; *mac is the source link-layer address, or left alone. */
static bool link_option(const uint8_t *options, uint32_t len, const uint8_t **mac)
{
    while (len) {
        uint32_t bytes = len < 2 ? 0 : options[1] * 8u;
        if (!bytes || bytes > len)
            return false;
        if (options[0] == OPTION_SOURCE_LINK) {
            if (bytes != LINK_OPTION_BYTES || !host_mac(options + 2))
                return false;
            *mac = options + 2;
        }
        len -= bytes;
        options += bytes;
    }
    return true;
}

/* solicits_us checks a solicitation by RFC 4861 section 7.1.1 and sets *mac to whom to answer. */
static bool solicits_us(const struct net_packet *packet, const uint8_t **mac)
{
    const uint8_t *ip = packet->frame + packet->l3;
    const uint8_t *icmp = packet->frame + packet->l4;
    uint32_t len = packet->end - packet->l4;
    if (ip[7] != HOP_LIMIT_ON_LINK || icmp[1] != 0 || len < SOLICITATION_BYTES)
        return false;
    if (!net_owns(packet->net, 6, icmp + 8))
        return false;
    const uint8_t *option = NULL;
    if (!link_option(icmp + SOLICITATION_BYTES, len - SOLICITATION_BYTES, &option))
        return false;
    if (packet->from_nobody) {
        *mac = net_all_nodes_mac;
        bool to_solicited_node = ip[24] == 0xff && !net_same(ip + 24, net_all_nodes, 16);
        return !option && to_solicited_node;
    }
    *mac = option ? option : packet->frame + NET_MAC_BYTES;
    return true;
}

static struct net_verdict reply_advertisement(struct net_packet *packet)
{
    uint8_t *ip = packet->frame + packet->l3;
    uint8_t *icmp = packet->frame + packet->l4;
    const uint8_t *asker;
    if (!solicits_us(packet, &asker))
        return net_drop(NET_icmp);
    uint32_t len = SOLICITATION_BYTES + LINK_OPTION_BYTES;
    if (packet->l4 + len > packet->room) {
        if (ip[24] == 0xff)
            return net_drop(NET_icmp);
        len = SOLICITATION_BYTES;
    }

    uint8_t mac[NET_MAC_BYTES]; /* the option is about to be overwritten */
    memcpy(mac, asker, NET_MAC_BYTES);
    memcpy(ip + 24, packet->from_nobody ? net_all_nodes : ip + 8, 16);
    memcpy(ip + 8, icmp + 8, 16);
    icmp[0] = ADVERTISEMENT;
    memset(icmp + 4, 0, 4);
    icmp[4] = packet->from_nobody ? ADVERT_OVERRIDE : ADVERT_SOLICITED | ADVERT_OVERRIDE;
    if (len > SOLICITATION_BYTES) {
        icmp[SOLICITATION_BYTES] = OPTION_TARGET_LINK;
        icmp[SOLICITATION_BYTES + 1] = 1;
        memcpy(icmp + SOLICITATION_BYTES + 2, packet->net->mac, NET_MAC_BYTES);
    }
    finish_icmpv6(packet, HOP_LIMIT_ON_LINK, len);
    return send_back(packet, mac, packet->end);
}

struct net_verdict net_reply_icmpv6(struct net_packet *packet)
{
    const uint8_t *icmp = packet->frame + packet->l4;
    if (packet->end - packet->l4 < NET_ICMP_BYTES)
        return net_drop(NET_icmp);
    if (inet_csum_fold(net_sum_l4(packet, NET_PROTO_ICMPV6)))
        return net_drop(NET_icmp_checksum);
    if (icmp[0] == ECHO6_REQUEST)
        return reply_echo6(packet);
    if (icmp[0] == SOLICITATION)
        return reply_advertisement(packet);
    return packet->from_nobody ? net_drop(NET_ip_source) : net_icmp_error(packet);
}
