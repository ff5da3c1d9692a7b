/* tcp_segment.c - TCP header and options, in and out. */
#include "dataplane/tcp_segment.h"

#include "dataplane/base/inet_csum.h"

enum { PROTO_TCP = 6, TTL = 64, MAC_BYTES = 6, MACS_BYTES = 12 };
enum { CSUM_OFFSET = 16 };

enum {
    OPTION_END = 0,
    OPTION_NOP = 1,
    OPTION_MSS = 2,
    OPTION_WSCALE = 3,
    OPTION_SACK_PERMITTED = 4,
    OPTION_SACK = 5,
    OPTION_TIMESTAMP = 8
};

/* Two NOPs, timestamp, its length: how nearly every segment's options begin, and mostly end. */
#define TIMESTAMP_WORD 0x0101080au

static bool decode_sack(struct tcp_head *head, const uint8_t *body, uint32_t len)
{
    if (len == 0 || len % 8 || len / 8 > TCP_SACKS_MAX)
        return false;
    head->sack_count = (uint8_t)(len / 8);
    for (size_t i = 0; i < len / 8; i++)
        head->sacks[i] = (struct tcp_range){tcp_get32(body + i * 8), tcp_get32(body + i * 8 + 4)};
    return true;
}

static bool decode_option(struct tcp_head *head, uint8_t kind, const uint8_t *body, uint32_t len)
{
    switch (kind) {
    case OPTION_MSS:
        if (len != 2)
            return false;
        head->mss = tcp_get16(body);
        return true;
    case OPTION_WSCALE:
        if (len != 1)
            return false;
        head->wscale = body[0] > 14 ? 14 : body[0]; /* RFC 7323 section 2.3 */
        return true;
    case OPTION_SACK_PERMITTED:
        head->sack_permitted = true;
        return len == 0;
    case OPTION_SACK:
        return decode_sack(head, body, len);
    case OPTION_TIMESTAMP:
        if (len != 8)
            return false;
        head->has_timestamp = true;
        head->ts_value = tcp_get32(body);
        head->ts_echo = tcp_get32(body + 4);
        return true;
    default:
        return true;
    }
}

bool tcp_options_decode(struct tcp_head *head, const uint8_t *options, uint32_t len)
{
    uint32_t at = 0;
    while (at < len && options[at] != OPTION_END) {
        if (options[at] == OPTION_NOP) {
            at++;
            continue;
        }
        if (len - at < 2 || options[at + 1] < 2 || options[at + 1] > len - at)
            return false;
        if (!decode_option(head, options[at], options + at + 2, options[at + 1] - 2u))
            return false;
        at += options[at + 1];
    }
    return true;
}

/* sane_flags: a segment is a SYN, a RST, or neither, and a FIN ends something that was opened.
 * Urgent data, which nobody sends, is read as data. */
static bool sane_flags(uint8_t flags)
{
    if (flags & TCP_SYN)
        return !(flags & (TCP_FIN | TCP_RST | TCP_URG));
    if (flags & TCP_RST)
        return !(flags & TCP_FIN);
    return flags & TCP_ACK;
}

int tcp_head_decode(struct tcp_head *head, const uint8_t *bytes, uint32_t len)
{
    if (len < TCP_HEADER_BYTES)
        return TCP_REASON_header;
    uint32_t header = (bytes[12] >> 4) * 4u;
    if (header < TCP_HEADER_BYTES || header > len)
        return TCP_REASON_header;
    head->src_port = tcp_get16(bytes);
    head->dst_port = tcp_get16(bytes + 2);
    head->seq = tcp_get32(bytes + 4);
    head->ack = tcp_get32(bytes + 8);
    head->flags = bytes[13] & 63; /* ECN was not agreed on: its flags mean nothing */
    head->window = tcp_get16(bytes + 14);
    head->has_timestamp = false;
    head->mss = 0;
    head->wscale = TCP_NO_WSCALE;
    head->sack_permitted = false;
    head->sack_count = 0;
    head->payload = bytes + header;
    head->len = len - header;
    if (!head->src_port)
        return TCP_REASON_port;
    if (!sane_flags(head->flags))
        return TCP_REASON_flags;
    if (header == TCP_HEADER_BYTES + TCP_TIMESTAMP_BYTES &&
        tcp_get32(bytes + TCP_HEADER_BYTES) == TIMESTAMP_WORD) {
        head->has_timestamp = true;
        head->ts_value = tcp_get32(bytes + TCP_HEADER_BYTES + 4);
        head->ts_echo = tcp_get32(bytes + TCP_HEADER_BYTES + 8);
        return -1;
    }
    return tcp_options_decode(head, bytes + TCP_HEADER_BYTES, header - TCP_HEADER_BYTES)
               ? -1
               : TCP_REASON_options;
}

/* addrs_sum is symmetric in the two addresses. */
static uint64_t addrs_sum(uint8_t family, const uint8_t *src, const uint8_t *dst)
{
    uint32_t bytes = family == 4 ? 4 : 16;
    return inet_csum_add(inet_csum_add(0, src, bytes), dst, bytes);
}

/* pseudo_sum completes the sum of a pseudo header. */
static uint64_t pseudo_sum(uint64_t addrs, uint32_t len)
{
    return addrs + htobe16(PROTO_TCP) + htobe32(len);
}

bool tcp_checksum_right(const struct tcp_segment *segment)
{
    uint64_t addrs = addrs_sum(segment->family, segment->src, segment->dst);
    uint64_t sum = pseudo_sum(addrs, segment->len);
    return inet_csum_fold(inet_csum_add(sum, segment->bytes, segment->len)) == 0;
}

void tcp_link_turn(uint8_t *to, const uint8_t *from, uint32_t len)
{
    memcpy(to, from + MAC_BYTES, MAC_BYTES);
    memcpy(to + MAC_BYTES, from, MAC_BYTES);
    memcpy(to + MACS_BYTES, from + MACS_BYTES, len - MACS_BYTES);
}

/* put_ip4: never fragmented on its way, so the identification says nothing (RFC 6864). */
static void put_ip4(uint8_t *ip, const struct tcp_packet *packet, uint64_t addrs, uint32_t tcp_len)
{
    static const uint8_t fixed[TCP_IPV4_BYTES] = {0x45, [6] = 0x40, [8] = TTL, [9] = PROTO_TCP};
    memcpy(ip, fixed, sizeof fixed);
    tcp_put16(ip + 2, (uint16_t)(TCP_IPV4_BYTES + tcp_len));
    memcpy(ip + 12, packet->src, 4);
    memcpy(ip + 16, packet->dst, 4);
    uint16_t csum = inet_csum_fold(inet_csum_add(addrs, ip, TCP_IPV4_BYTES - 8));
    memcpy(ip + 10, &csum, sizeof csum);
}

static void put_ip6(uint8_t *ip, const struct tcp_packet *packet, uint32_t tcp_len)
{
    static const uint8_t fixed[8] = {0x60, [6] = PROTO_TCP, [7] = TTL};
    memcpy(ip, fixed, sizeof fixed);
    tcp_put16(ip + 4, (uint16_t)tcp_len);
    memcpy(ip + 8, packet->src, 16);
    memcpy(ip + 24, packet->dst, 16);
}

static void put_tcp(uint8_t *tcp, const struct tcp_packet *packet)
{
    tcp_put16(tcp, packet->src_port);
    tcp_put16(tcp + 2, packet->dst_port);
    tcp_put32(tcp + 4, packet->seq);
    tcp_put32(tcp + 8, packet->ack);
    tcp[12] = (uint8_t)((TCP_HEADER_BYTES + packet->options_len) / 4 << 4);
    tcp[13] = packet->flags;
    tcp_put16(tcp + 14, packet->window);
    memset(tcp + CSUM_OFFSET, 0, 4); /* and no urgent pointer */
    memcpy(tcp + TCP_HEADER_BYTES, packet->options, packet->options_len);
}

uint32_t tcp_packet_encode(uint8_t *frame, const struct tcp_packet *packet, uint32_t payload_len,
                           bool offload)
{
    uint8_t *ip = frame + packet->link_len;
    uint8_t *tcp = ip + (packet->family == 4 ? TCP_IPV4_BYTES : TCP_IPV6_BYTES);
    uint32_t tcp_len = TCP_HEADER_BYTES + packet->options_len + payload_len;
    uint64_t addrs = addrs_sum(packet->family, packet->src, packet->dst);
    memcpy(frame, packet->link, packet->link_len);
    if (packet->family == 4)
        put_ip4(ip, packet, addrs, tcp_len);
    else
        put_ip6(ip, packet, tcp_len);
    put_tcp(tcp, packet);
    uint64_t sum = pseudo_sum(addrs, tcp_len);
    uint16_t csum =
        offload ? (uint16_t)~inet_csum_fold(sum) : inet_csum_fold(inet_csum_add(sum, tcp, tcp_len));
    memcpy(tcp + CSUM_OFFSET, &csum, sizeof csum);
    return (uint32_t)(tcp - frame) + tcp_len;
}

void tcp_option_timestamp(struct tcp_packet *packet, uint32_t value, uint32_t echo)
{
    uint8_t *at = packet->options + packet->options_len;
    tcp_put32(at, TIMESTAMP_WORD);
    tcp_put32(at + 4, value);
    tcp_put32(at + 8, echo);
    packet->options_len += TCP_TIMESTAMP_BYTES;
}

void tcp_option_sack(struct tcp_packet *packet, const struct tcp_range *ranges, unsigned count)
{
    uint8_t *at = packet->options + packet->options_len;
    const uint8_t head[4] = {OPTION_NOP, OPTION_NOP, OPTION_SACK, (uint8_t)(2 + 8 * count)};
    memcpy(at, head, sizeof head);
    for (size_t i = 0; i < count; i++) {
        tcp_put32(at + 4 + i * 8, ranges[i].start);
        tcp_put32(at + 8 + i * 8, ranges[i].end);
    }
    packet->options_len += (uint8_t)(4 + 8 * count);
}

void tcp_option_syn(struct tcp_packet *packet, uint16_t mss, uint8_t wscale, bool sack_permitted)
{
    uint8_t *at = packet->options + packet->options_len;
    *at++ = OPTION_MSS;
    *at++ = 4;
    tcp_put16(at, mss);
    at += 2;
    if (wscale != TCP_NO_WSCALE) {
        const uint8_t option[4] = {OPTION_NOP, OPTION_WSCALE, 3, wscale};
        memcpy(at, option, sizeof option);
        at += sizeof option;
    }
    if (sack_permitted) {
        const uint8_t option[4] = {OPTION_NOP, OPTION_NOP, OPTION_SACK_PERMITTED, 2};
        memcpy(at, option, sizeof option);
        at += sizeof option;
    }
    packet->options_len = (uint8_t)(at - packet->options);
}
