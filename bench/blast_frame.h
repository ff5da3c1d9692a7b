/* blast_frame.h - Ethernet, IPv4 and UDP headers in front of a payload, and the ARP to find a peer
 * (RFC 826, 791, 768).
 *
 * Memory:  the caller's buffers.  Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BLAST_FRAME_HEAD      42 /* Ethernet, IPv4, UDP */
#define BLAST_FRAME_MIN       60 /* without the frame check sequence */
#define BLAST_FRAME_STAMP     8
#define BLAST_FRAME_ARP_BYTES 60

struct blast_frame {
    uint8_t head[BLAST_FRAME_HEAD]; /* lengths and checksums zero */
    uint64_t ip_sum;                /* of its IPv4 header, not folded */
    uint64_t udp_sum;               /* of pseudo header and UDP header */
};

struct blast_endpoint {
    uint8_t mac[6];
    uint8_t addr[4];
    uint16_t port;
};

/* blast_frame_init prepares the headers from source to target. */
void blast_frame_init(struct blast_frame *frame, const struct blast_endpoint *source,
                      const struct blast_endpoint *target);

/* blast_frame_finish completes the frame at out whose payload of payload_bytes, in [0, 1472],
 * already stands at out + BLAST_FRAME_HEAD.  stamp_ns, unless 0, is written behind it, big-endian,
 * after padding when the frame is shorter than Ethernet's least.  Returns the frame's length. */
uint32_t blast_frame_finish(const struct blast_frame *frame, uint8_t *out, uint32_t payload_bytes,
                            uint64_t stamp_ns);

/* blast_frame_ask writes an ARP request of source for target's address to
 * out[BLAST_FRAME_ARP_BYTES]. */
void blast_frame_ask(uint8_t *out, const struct blast_endpoint *source,
                     const struct blast_endpoint *target);

enum blast_frame_arp {
    BLAST_FRAME_OTHER,  /* nothing to do */
    BLAST_FRAME_ANSWER, /* target's answer: its MAC is now in target->mac */
    BLAST_FRAME_ASKED,  /* a request for source's address: reply[BLAST_FRAME_ARP_BYTES] answers it
                         */
};

/* blast_frame_input looks at a received frame of len bytes. */
enum blast_frame_arp blast_frame_input(const uint8_t *frame, uint32_t len,
                                       const struct blast_endpoint *source,
                                       struct blast_endpoint *target, uint8_t *reply);
