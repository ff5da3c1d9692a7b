/* blast_frame.c - headers built once, lengths and checksums per frame. */
#include <endian.h>
#include <string.h>

#include "bench/blast_frame.h"
#include "dataplane/base/inet_csum.h"

#define ETHER_BYTES 14
#define IP_BYTES    20
#define UDP_BYTES   8
#define UDP         17 /* protocol number */
#define IP_AT       ETHER_BYTES
#define UDP_AT      (IP_AT + IP_BYTES)

/* ARP over Ethernet, behind the Ethernet header. */
#define ARP_OPERATION   (ETHER_BYTES + 6)
#define ARP_SENDER_MAC  (ETHER_BYTES + 8)
#define ARP_SENDER_ADDR (ETHER_BYTES + 14)
#define ARP_TARGET_MAC  (ETHER_BYTES + 18)
#define ARP_TARGET_ADDR (ETHER_BYTES + 24)
#define ARP_END         (ETHER_BYTES + 28)

static const uint8_t arp_start[] = {0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 0x06, 0x04};
static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void put16(uint8_t *out, uint32_t value)
{
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
}

void blast_frame_init(struct blast_frame *frame, const struct blast_endpoint *source,
                      const struct blast_endpoint *target)
{
    uint8_t *head = frame->head;
    *frame = (struct blast_frame){0};
    memcpy(head, target->mac, 6);
    memcpy(head + 6, source->mac, 6);
    put16(head + 12, 0x0800);
    head[IP_AT] = 0x45;
    put16(head + IP_AT + 6, 0x4000); /* don't fragment: so that the id may stay 0 (RFC 6864) */
    head[IP_AT + 8] = 64;
    head[IP_AT + 9] = UDP;
    memcpy(head + IP_AT + 12, source->addr, 4);
    memcpy(head + IP_AT + 16, target->addr, 4);
    put16(head + UDP_AT, source->port);
    put16(head + UDP_AT + 2, target->port);
    frame->ip_sum = inet_csum_add(0, head + IP_AT, IP_BYTES);
    frame->udp_sum = inet_csum_add(inet_csum_pseudo4(head + IP_AT + 12, UDP, 0), head + UDP_AT, 4);
}

uint32_t blast_frame_finish(const struct blast_frame *frame, uint8_t *out, uint32_t payload_bytes,
                            uint64_t stamp_ns)
{
    uint16_t ip_bytes = htobe16((uint16_t)(IP_BYTES + UDP_BYTES + payload_bytes));
    uint16_t udp_bytes = htobe16((uint16_t)(UDP_BYTES + payload_bytes));
    memcpy(out, frame->head, BLAST_FRAME_HEAD);
    memcpy(out + IP_AT + 2, &ip_bytes, 2);
    memcpy(out + UDP_AT + 4, &udp_bytes, 2);
    uint16_t check = inet_csum_fold(frame->ip_sum + ip_bytes);
    memcpy(out + IP_AT + 10, &check, 2);
    /* The UDP length counts twice: in the pseudo header and in the header. */
    check = inet_csum_udp(inet_csum_add(frame->udp_sum + udp_bytes + udp_bytes,
                                        out + BLAST_FRAME_HEAD, payload_bytes));
    memcpy(out + UDP_AT + 6, &check, 2);

    uint32_t len = BLAST_FRAME_HEAD + payload_bytes;
    uint32_t least = BLAST_FRAME_MIN - (stamp_ns ? BLAST_FRAME_STAMP : 0);
    if (len < least) {
        memset(out + len, 0, least - len);
        len = least;
    }
    if (stamp_ns) {
        uint64_t stamp = htobe64(stamp_ns);
        memcpy(out + len, &stamp, BLAST_FRAME_STAMP);
        len += BLAST_FRAME_STAMP;
    }
    return len;
}

static void put_arp(uint8_t *out, uint8_t operation, const struct blast_endpoint *source,
                    const uint8_t *to_mac, const uint8_t *to_addr)
{
    memset(out, 0, BLAST_FRAME_ARP_BYTES);
    memcpy(out, to_mac ? to_mac : broadcast, 6);
    memcpy(out + 6, source->mac, 6);
    memcpy(out + 12, arp_start, sizeof arp_start);
    out[ARP_OPERATION + 1] = operation;
    memcpy(out + ARP_SENDER_MAC, source->mac, 6);
    memcpy(out + ARP_SENDER_ADDR, source->addr, 4);
    if (to_mac)
        memcpy(out + ARP_TARGET_MAC, to_mac, 6);
    memcpy(out + ARP_TARGET_ADDR, to_addr, 4);
}

void blast_frame_ask(uint8_t *out, const struct blast_endpoint *source,
                     const struct blast_endpoint *target)
{
    put_arp(out, 1, source, NULL, target->addr);
}

enum blast_frame_arp blast_frame_input(const uint8_t *frame, uint32_t len,
                                       const struct blast_endpoint *source,
                                       struct blast_endpoint *target, uint8_t *reply)
{
    if (len < ARP_END || memcmp(frame + 12, arp_start, sizeof arp_start) != 0 ||
        frame[ARP_OPERATION] != 0 || memcmp(frame + ARP_TARGET_ADDR, source->addr, 4) != 0)
        return BLAST_FRAME_OTHER;
    if (frame[ARP_OPERATION + 1] == 2 && memcmp(frame + ARP_SENDER_ADDR, target->addr, 4) == 0) {
        memcpy(target->mac, frame + ARP_SENDER_MAC, 6);
        return BLAST_FRAME_ANSWER;
    }
    if (frame[ARP_OPERATION + 1] != 1)
        return BLAST_FRAME_OTHER;
    put_arp(reply, 2, source, frame + ARP_SENDER_MAC, frame + ARP_SENDER_ADDR);
    return BLAST_FRAME_ASKED;
}
