/* blast_segment.h - TCP segments over IPv4 and Ethernet (RFC 9293 section 3.1, RFC 791): decoded in
 * place, encoded behind headers that were built once.
 *
 * Memory:  the caller's buffers.  Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bench/blast_frame.h"

#define BLAST_SEGMENT_HEAD    54 /* Ethernet, IPv4 and TCP without options */
#define BLAST_SEGMENT_MSS     1460
#define BLAST_SEGMENT_NOSCALE 0xff /* no window scale option */

enum blast_segment_flag {
    BLAST_FIN = 0x01,
    BLAST_SYN = 0x02,
    BLAST_RST = 0x04,
    BLAST_PSH = 0x08,
    BLAST_ACK = 0x10,
};

struct blast_segment {
    uint16_t source_port;
    uint16_t target_port;
    uint32_t seq;
    uint32_t ack;
    uint8_t flags;
    uint8_t scale;   /* of a SYN: its window scale, [0, 14], or BLAST_SEGMENT_NOSCALE */
    uint16_t mss;    /* of a SYN: what it says, or 536 (RFC 9293 section 3.7.1) */
    uint16_t window; /* as it is in the header, not scaled */
    const uint8_t *payload;
    uint32_t len; /* of the payload */
};

/* blast_segment_parse decodes a frame that is a whole TCP segment to addr, with right checksums.
 * Returns false for everything else. */
bool blast_segment_parse(struct blast_segment *segment, const uint8_t *frame, uint32_t len,
                         const uint8_t addr[4]);

/* The headers from source to target, lengths, ports and checksums zero. */
struct blast_segment_head {
    uint8_t bytes[BLAST_SEGMENT_HEAD];
    uint64_t ip_sum;  /* of the IPv4 header, not folded */
    uint64_t tcp_sum; /* of the pseudo header's addresses and protocol */
};

void blast_segment_init(struct blast_segment_head *head, const struct blast_endpoint *source,
                        const struct blast_endpoint *target);

/* blast_segment_finish completes the frame at out, whose payload of segment->len bytes already
 * stands at out + BLAST_SEGMENT_HEAD; a SYN has none, and gets MSS and window scale as options.
 * Returns the frame's length, in [60, 1514]. */
uint32_t blast_segment_finish(const struct blast_segment_head *head, uint8_t *out,
                              const struct blast_segment *segment);
