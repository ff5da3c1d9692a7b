/* net.c - from the link header to the UDP payload or the TCP header; what is owed an answer goes to
 * net_reply.c. */
#include "dataplane/net_wire.h"

#include <assert.h>

enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_LOOSE_ROUTE = 131, OPTION_STRICT_ROUTE = 137 };

static const uint8_t solicited_node[13] = {0xff, 0x02, [11] = 1, 0xff};

/* ends_like_ours says whether the last three bytes of an address are those of one of our IPv6
 * addresses, as in a solicited-node address and its MAC. */
static bool ends_like_ours(const struct net *net, const uint8_t tail[3])
{
    for (uint32_t i = 0; i < net->addr_count; i++)
        if (net->addrs[i].family == 6 && net_same(net->addrs[i].bytes + 13, tail, 3))
            return true;
    return false;
}

static bool link_is_ours(struct net_packet *packet)
{
    static const uint8_t broadcast[NET_MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const uint8_t *to = packet->frame;
    if (net_same(to, packet->net->mac, NET_MAC_BYTES)) {
        packet->cast = NET_CAST_US;
        return true;
    }
    if (net_same(to, broadcast, NET_MAC_BYTES)) {
        packet->cast = NET_CAST_BROADCAST;
        return true;
    }
    packet->cast = NET_CAST_MULTICAST;
    if (net_same(to, net_all_nodes_mac, NET_MAC_BYTES))
        return true;
    return to[0] == 0x33 && to[1] == 0x33 && to[2] == 0xff && ends_like_ours(packet->net, to + 3);
}

/* open_link sets cast and l3, and the type of what is behind the tags. */
static enum net_reason open_link(struct net_packet *packet, uint16_t *type)
{
    if (packet->len < NET_LINK_BYTES)
        return NET_truncated;
    if (!link_is_ours(packet))
        return NET_not_for_us;
    if (packet->frame[NET_MAC_BYTES] & 1)
        return NET_ip_source;
    uint32_t at = 2 * NET_MAC_BYTES;
    unsigned tags = 0;
    for (;;) {
        *type = net_get16(packet->frame + at);
        if (*type != NET_TYPE_CVLAN && *type != NET_TYPE_SVLAN)
            break;
        if (tags++ == 2)
            return NET_vlan_depth;
        at += NET_VLAN_BYTES;
        if (packet->len < at + 2)
            return NET_truncated;
    }
    packet->l3 = at + 2;
    return NET_none;
}

static struct net_verdict input_udp(struct net_packet *packet)
{
    const struct net *net = packet->net;
    const uint8_t *udp = packet->frame + packet->l4;
    uint32_t len = packet->end - packet->l4;
    if (len < NET_UDP_BYTES || net_get16(udp + 4) != len)
        return net_drop(NET_udp_length);

    bool has_sum = udp[6] | udp[7];
    if (!has_sum && packet->ipv6)
        return net_drop(NET_udp_checksum);
    if (has_sum && !(packet->offload & NET_L4_CHECKED) &&
        inet_csum_fold(net_sum_l4(packet, NET_PROTO_UDP)))
        return net_drop(NET_udp_checksum);

    if (net_get16(udp + 2) != net->udp_port)
        return net_drop(NET_udp_port);
    if (len - NET_UDP_BYTES > net->max_datagram)
        return net_drop(NET_too_long);
    return (struct net_verdict){
        .action = NET_DELIVER,
        .payload_off = (uint16_t)(packet->l4 + NET_UDP_BYTES),
        .payload_len = (uint16_t)(len - NET_UDP_BYTES),
        .frame_len = (uint16_t)packet->end,
    };
}

static struct net_verdict input_tcp(const struct net_packet *packet)
{
    if (!packet->net->tcp_port)
        return net_drop(NET_protocol);
    return (struct net_verdict){
        .action = NET_TCP,
        .link_len = (uint8_t)packet->l3,
        .payload_off = (uint16_t)packet->l4,
        .payload_len = (uint16_t)(packet->end - packet->l4),
        .frame_len = (uint16_t)packet->end,
    };
}

/* check_options walks IPv4 options (RFC 791 section 3.1).  Source routes are refused, the others
 * mean nothing to a host. */
static enum net_reason check_options(const uint8_t *options, uint32_t len)
{
    uint32_t at = 0;
    while (at < len && options[at] != OPTION_END) {
        if (options[at] == OPTION_NOP) {
            at++;
            continue;
        }
        if (options[at] == OPTION_LOOSE_ROUTE || options[at] == OPTION_STRICT_ROUTE)
            return NET_ip_options;
        if (len - at < 2 || options[at + 1] < 2 || options[at + 1] > len - at)
            return NET_ip_header;
        at += options[at + 1];
    }
    return NET_none;
}

bool net_host_ipv4(const struct net *net, const uint8_t addr[4])
{
    bool limited_broadcast = (addr[0] & addr[1] & addr[2] & addr[3]) == 0xff;
    return addr[0] != 0 && addr[0] != 127 && addr[0] >> 4 != 14 && !limited_broadcast &&
           !net_owns(net, 4, addr);
}

/* open_ipv4 checks the IP header and sets l4 and end. */
static enum net_reason open_ipv4(struct net_packet *packet)
{
    const uint8_t *ip = packet->frame + packet->l3;
    uint32_t room = packet->len - packet->l3;
    if (room < NET_IPV4_BYTES)
        return NET_truncated;
    uint32_t header = (ip[0] & 15) * 4u;
    uint32_t total = net_get16(ip + 2);
    if (ip[0] >> 4 != 4 || header < NET_IPV4_BYTES || total < header)
        return NET_ip_header;
    if (total > room)
        return NET_truncated;
    if (!(packet->offload & NET_IP_CHECKED) && inet_csum_fold(inet_csum_add(0, ip, header)))
        return NET_ip_checksum;
    if (packet->cast != NET_CAST_US || !net_owns(packet->net, 4, ip + 16))
        return NET_not_for_us;
    if (!net_host_ipv4(packet->net, ip + 12))
        return NET_ip_source;
    if (net_get16(ip + 6) & 0x3fff) /* more fragments, or an offset */
        return NET_fragment;
    packet->l4 = packet->l3 + header;
    packet->end = packet->l3 + total;
    return check_options(ip + NET_IPV4_BYTES, header - NET_IPV4_BYTES);
}

static struct net_verdict input_ipv4(struct net_packet *packet)
{
    enum net_reason reason = open_ipv4(packet);
    if (reason != NET_none)
        return net_drop(reason);
    switch (packet->frame[packet->l3 + 9]) {
    case NET_PROTO_UDP:
        return input_udp(packet);
    case NET_PROTO_TCP:
        return input_tcp(packet);
    case NET_PROTO_ICMP:
        return net_reply_icmp(packet);
    default:
        return net_drop(NET_protocol);
    }
}

/* sent_to_us: a unicast address of ours by unicast, or, for ICMPv6, one of the multicast addresses
 * that neighbour solicitations go to; those may come by unicast too (RFC 6085). */
static bool sent_to_us(const struct net_packet *packet, const uint8_t *ip)
{
    const uint8_t *to = ip + 24;
    if (to[0] != 0xff)
        return packet->cast == NET_CAST_US && net_owns(packet->net, 6, to);
    if (packet->cast == NET_CAST_BROADCAST || ip[6] != NET_PROTO_ICMPV6)
        return false;
    if (net_same(to, net_all_nodes, sizeof net_all_nodes))
        return true;
    return net_same(to, solicited_node, sizeof solicited_node) &&
           ends_like_ours(packet->net, to + 13);
}

/* host_ipv6 says whether a host other than this one can send from the address: not multicast, not
 * IPv4-mapped (RFC 6890), not ::1, not ours.  :: passes, as *nobody. */
static bool host_ipv6(const struct net *net, const uint8_t addr[16], bool *nobody)
{
    static const uint8_t zero[16];
    *nobody = net_same(addr, zero, 16);
    if (addr[0] == 0xff)
        return false;
    if (net_same(addr, zero, 10) && addr[10] == 0xff && addr[11] == 0xff)
        return false;
    if (net_same(addr, zero, 15) && addr[15] == 1)
        return false;
    return !net_owns(net, 6, addr);
}

/* open_ipv6 checks the IP header and sets l4 and end. */
static enum net_reason open_ipv6(struct net_packet *packet)
{
    const uint8_t *ip = packet->frame + packet->l3;
    uint32_t room = packet->len - packet->l3;
    if (room < NET_IPV6_BYTES)
        return NET_truncated;
    if (ip[0] >> 4 != 6)
        return NET_ip_header;
    uint32_t payload = net_get16(ip + 4);
    if (payload > room - NET_IPV6_BYTES)
        return NET_truncated;
    if (!sent_to_us(packet, ip))
        return NET_not_for_us;
    if (!host_ipv6(packet->net, ip + 8, &packet->from_nobody))
        return NET_ip_source;
    if (packet->from_nobody && ip[6] != NET_PROTO_ICMPV6)
        return NET_ip_source;
    packet->ipv6 = true;
    packet->l4 = packet->l3 + NET_IPV6_BYTES;
    packet->end = packet->l4 + payload;
    return NET_none;
}

static struct net_verdict input_ipv6(struct net_packet *packet)
{
    enum net_reason reason = open_ipv6(packet);
    if (reason != NET_none)
        return net_drop(reason);
    switch (packet->frame[packet->l3 + 6]) {
    case NET_PROTO_UDP:
        return input_udp(packet);
    case NET_PROTO_TCP:
        return input_tcp(packet);
    case NET_PROTO_ICMPV6:
        return net_reply_icmpv6(packet);
    case NET_EXT_FRAGMENT:
        return net_drop(NET_fragment);
    case NET_EXT_HOPS:
    case NET_EXT_ROUTING:
    case NET_EXT_AUTH:
    case NET_EXT_OPTIONS:
    case NET_EXT_MOBILITY:
    case NET_EXT_HIP:
    case NET_EXT_SHIM6:
        return net_drop(NET_ip_options);
    default:
        return net_drop(NET_protocol);
    }
}

struct net_verdict net_input(const struct net *net, uint8_t *frame, uint32_t len, unsigned offload)
{
    assert(len <= UINT16_MAX && net->addr_count <= NET_ADDRS_MAX);
    struct net_packet packet = {.net = net, .frame = frame, .len = len, .offload = offload};
    packet.room = len + (offload & NET_TAILROOM ? NET_GROW_BYTES : 0);
    uint16_t type;
    enum net_reason reason = open_link(&packet, &type);
    if (reason != NET_none)
        return net_drop(reason);
    if (type == NET_TYPE_ARP && packet.cast != NET_CAST_MULTICAST)
        return net_reply_arp(&packet);
    if (type == NET_TYPE_IPV4)
        return input_ipv4(&packet);
    if (type == NET_TYPE_IPV6)
        return input_ipv6(&packet);
    return net_drop(type == NET_TYPE_ARP ? NET_not_for_us : NET_ethertype);
}

static const char *const names[] = {
#define NET_REASON_NAME(name, help) #name,
    NET_REASON_LIST(NET_REASON_NAME)
#undef NET_REASON_NAME
};

static const char *const helps[] = {
#define NET_REASON_HELP(name, help) help,
    NET_REASON_LIST(NET_REASON_HELP)
#undef NET_REASON_HELP
};

const char *net_reason_name(unsigned reason)
{
    return reason < NET_REASON_COUNT ? names[reason] : "unknown";
}

const char *net_reason_help(unsigned reason)
{
    return reason < NET_REASON_COUNT ? helps[reason] : "unknown";
}
