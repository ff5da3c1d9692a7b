/* tcp_segment.h - the TCP header and its options: decoded from a segment's bytes, encoded into a
 * frame (RFC 9293 section 3.1, RFC 7323, RFC 2018).
 *
 * Pure functions over the caller's bytes; nothing is read past the given length, at any alignment.
 *
 * Memory:  none of its own.  Threads: any.
 */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/tcp.h"

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16, TCP_URG = 32 };

enum { TCP_HEADER_BYTES = 20, TCP_OPTIONS_MAX = 40, TCP_IPV4_BYTES = 20, TCP_IPV6_BYTES = 40 };

#define TCP_TIMESTAMP_BYTES 12   /* the option, with two NOPs before it */
#define TCP_NO_WSCALE       0xff /* the option was absent */
#define TCP_SACKS_MAX       4

struct tcp_range {
    uint32_t start, end; /* sequence numbers, [start, end) */
};

/* A segment, decoded; numbers in host order. */
struct tcp_head {
    uint16_t src_port, dst_port;
    uint32_t seq, ack;
    uint16_t window; /* not scaled */
    uint8_t flags;
    bool has_timestamp;
    uint32_t ts_value, ts_echo;
    uint16_t mss; /* 0: absent; like the next two, looked at in a SYN only */
    uint8_t wscale;
    bool sack_permitted;
    uint8_t sack_count;
    struct tcp_range sacks[TCP_SACKS_MAX];
    const uint8_t *payload;
    uint32_t len; /* of the payload */
};

static inline uint16_t tcp_get16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return be16toh(value);
}

static inline uint32_t tcp_get32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return be32toh(value);
}

static inline void tcp_put16(uint8_t *at, uint16_t value)
{
    value = htobe16(value);
    memcpy(at, &value, sizeof value);
}

static inline void tcp_put32(uint8_t *at, uint32_t value)
{
    value = htobe32(value);
    memcpy(at, &value, sizeof value);
}

/* tcp_head_decode reads a segment's header and options.  Returns -1 when it is well formed, else
 * the reason (header, flags, options, port); then *head is not to be used. */
int tcp_head_decode(struct tcp_head *head, const uint8_t *bytes, uint32_t len);

/* tcp_options_decode reads the options alone; false when they are malformed. */
bool tcp_options_decode(struct tcp_head *head, const uint8_t *options, uint32_t len);

/* tcp_checksum_right says whether the segment's checksum is. */
bool tcp_checksum_right(const struct tcp_segment *segment);

/* What goes into one frame; the payload is written behind the headers by whoever sends it. */
struct tcp_packet {
    const uint8_t *link; /* ready to be sent: addresses turned round */
    uint8_t link_len;
    uint8_t family;
    const uint8_t *src, *dst;
    uint16_t src_port, dst_port;
    uint32_t seq, ack;
    uint8_t flags;
    uint16_t window;
    uint8_t options_len; /* a multiple of 4, in [0, 40] */
    uint8_t options[TCP_OPTIONS_MAX];
};

/* tcp_link_turn writes the link header that answers one: addresses swapped, tags and type kept. */
void tcp_link_turn(uint8_t *to, const uint8_t *from, uint32_t len);

/* tcp_packet_head_bytes returns how many bytes are before the payload. */
static inline uint32_t tcp_packet_head_bytes(const struct tcp_packet *packet)
{
    return packet->link_len + (packet->family == 4 ? TCP_IPV4_BYTES : TCP_IPV6_BYTES) +
           TCP_HEADER_BYTES + packet->options_len;
}

/* tcp_packet_encode writes everything before the payload, which lies in the frame already, and
 * returns the frame's length.  With offload, the checksum field gets the sum of the pseudo header
 * alone, which is what ports that make checksums start from. */
uint32_t tcp_packet_encode(uint8_t *frame, const struct tcp_packet *packet, uint32_t payload_len,
                           bool offload);

/* tcp_option_timestamp, tcp_option_sack and tcp_option_syn append to a packet's options. */
void tcp_option_timestamp(struct tcp_packet *packet, uint32_t value, uint32_t echo);
void tcp_option_sack(struct tcp_packet *packet, const struct tcp_range *ranges, unsigned count);
void tcp_option_syn(struct tcp_packet *packet, uint16_t mss, uint8_t wscale, bool sack_permitted);
