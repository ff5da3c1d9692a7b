/* net_quote.c - ICMP errors: the packet that they quote, and whether it may be one of ours. */
#include "dataplane/net_wire.h"

#include <assert.h>

/* RFC 792 without source quench (RFC 6633) and redirects, which a host may ignore; RFC 4443. */
enum { UNREACHABLE = 3, TIME_EXCEEDED = 11, PARAMETER = 12 };
enum { UNREACHABLE6 = 1, PARAMETER6 = 4 };

static bool is_error(const struct net_packet *packet, uint8_t type)
{
    if (packet->ipv6)
        return type >= UNREACHABLE6 && type <= PARAMETER6;
    return type == UNREACHABLE || type == TIME_EXCEEDED || type == PARAMETER;
}

/* quoted_tcp returns where TCP begins in a quoted packet of len bytes that is a whole one or the
 * first fragment of one with TCP in it; 0 when it is not, or too little is quoted. */
static uint32_t quoted_tcp(const uint8_t *ip, uint32_t len, bool ipv6)
{
    uint32_t header = NET_IPV6_BYTES;
    if (len < (ipv6 ? NET_IPV6_BYTES : NET_IPV4_BYTES) || ip[0] >> 4 != (ipv6 ? 6 : 4))
        return 0;
    if (ip[ipv6 ? 6 : 9] != NET_PROTO_TCP)
        return 0;
    if (!ipv6) {
        header = (ip[0] & 15) * 4u;
        if (header < NET_IPV4_BYTES || net_get16(ip + 6) & 0x1fff)
            return 0;
    }
    return len >= header + NET_QUOTE_BYTES ? header : 0;
}

struct net_verdict net_icmp_error(const struct net_packet *packet)
{
    const struct net *net = packet->net;
    const uint8_t *icmp = packet->frame + packet->l4;
    const uint8_t *ip = icmp + NET_ICMP_BYTES;
    uint32_t len = packet->end - packet->l4;
    bool multicast = packet->ipv6 && packet->frame[packet->l3 + 24] == 0xff;
    if (!net->tcp_port || multicast || !is_error(packet, icmp[0]))
        return net_drop(NET_icmp);
    uint32_t tcp = quoted_tcp(ip, len - NET_ICMP_BYTES, packet->ipv6);
    if (!tcp || net_get16(ip + tcp) != net->tcp_port ||
        !net_owns(net, packet->ipv6 ? 6 : 4, ip + (packet->ipv6 ? 8 : 12)))
        return net_drop(NET_icmp);
    return (struct net_verdict){
        .action = NET_TCP_ERROR,
        .link_len = (uint8_t)packet->l3,
        .payload_off = (uint16_t)packet->l4,
        .payload_len = (uint16_t)len,
        .frame_len = (uint16_t)packet->end,
    };
}

void net_quote(const uint8_t *frame, const struct net_verdict *verdict, struct net_quote *quote)
{
    const uint8_t *icmp = frame + verdict->payload_off;
    const uint8_t *ip = icmp + NET_ICMP_BYTES;
    assert(verdict->action == NET_TCP_ERROR);
    bool ipv6 = ip[0] >> 4 == 6;
    uint32_t header = ipv6 ? NET_IPV6_BYTES : (ip[0] & 15) * 4u;
    *quote = (struct net_quote){
        .type = icmp[0],
        .code = icmp[1],
        .family = ipv6 ? 6 : 4,
        .rest = (uint32_t)net_get16(icmp + 4) << 16 | net_get16(icmp + 6),
        .src = ip + (ipv6 ? 8 : 12),
        .dst = ip + (ipv6 ? 24 : 16),
        .tcp = ip + header,
        .tcp_len = verdict->payload_len - NET_ICMP_BYTES - header,
    };
}
