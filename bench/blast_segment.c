/* blast_segment.c - TCP headers. */
#include <endian.h>
#include <string.h>

#include "bench/blast_segment.h"
#include "dataplane/base/inet_csum.h"

#define IP_AT       14
#define IP_BYTES    20
#define TCP_AT      (IP_AT + IP_BYTES)
#define TCP_BYTES   20
#define TCP         6      /* protocol number */
#define FRAGMENT    0x3fff /* more fragments, or an offset */
#define SYN_OPTIONS 8
#define MSS_DEFAULT 536
#define SCALE_MAX   14

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return be32toh(value);
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    value = htobe32(value);
    memcpy(at, &value, sizeof value);
}

/* MSS and window scale of a SYN; what is odd ends the reading. */
static void parse_options(struct blast_segment *segment, const uint8_t *at, const uint8_t *end)
{
    while (at < end && *at != 0) {
        if (*at == 1) {
            at++;
            continue;
        }
        if (end - at < 2 || at[1] < 2 || at[1] > end - at)
            return;
        if (at[0] == 2 && at[1] == 4)
            segment->mss = get16(at + 2);
        if (at[0] == 3 && at[1] == 3)
            segment->scale = at[2] < SCALE_MAX ? at[2] : SCALE_MAX;
        at += at[1];
    }
}

/* The IPv4 packet's end within the frame; 0 when it is not a whole TCP packet to addr. */
static uint32_t ip_end(const uint8_t *frame, uint32_t len, const uint8_t addr[4])
{
    const uint8_t *ip = frame + IP_AT;
    if (len < TCP_AT + TCP_BYTES || frame[12] != 0x08 || frame[13] != 0 || ip[0] != 0x45)
        return 0;
    uint32_t end = IP_AT + get16(ip + 2);
    if (end > len || end < TCP_AT + TCP_BYTES || ip[9] != TCP || (get16(ip + 6) & FRAGMENT) ||
        memcmp(ip + 16, addr, 4) != 0 || inet_csum_fold(inet_csum_add(0, ip, IP_BYTES)) != 0)
        return 0;
    return end;
}

bool blast_segment_parse(struct blast_segment *segment, const uint8_t *frame, uint32_t len,
                         const uint8_t addr[4])
{
    uint32_t end = ip_end(frame, len, addr);
    const uint8_t *tcp = frame + TCP_AT;
    if (!end)
        return false;
    uint32_t tcp_bytes = end - TCP_AT;
    uint32_t head = (uint32_t)(tcp[12] >> 4) * 4;
    uint64_t sum = inet_csum_pseudo4(frame + IP_AT + 12, TCP, (uint16_t)tcp_bytes);
    if (head < TCP_BYTES || head > tcp_bytes ||
        inet_csum_fold(inet_csum_add(sum, tcp, tcp_bytes)) != 0)
        return false;
    *segment = (struct blast_segment){
        .source_port = get16(tcp),
        .target_port = get16(tcp + 2),
        .seq = get32(tcp + 4),
        .ack = get32(tcp + 8),
        .flags = tcp[13],
        .scale = BLAST_SEGMENT_NOSCALE,
        .mss = MSS_DEFAULT,
        .window = get16(tcp + 14),
        .payload = tcp + head,
        .len = tcp_bytes - head,
    };
    if (segment->flags & BLAST_SYN)
        parse_options(segment, tcp + TCP_BYTES, tcp + head);
    return true;
}

void blast_segment_init(struct blast_segment_head *head, const struct blast_endpoint *source,
                        const struct blast_endpoint *target)
{
    uint8_t *bytes = head->bytes;
    *head = (struct blast_segment_head){0};
    memcpy(bytes, target->mac, 6);
    memcpy(bytes + 6, source->mac, 6);
    put16(bytes + 12, 0x0800);
    bytes[IP_AT] = 0x45;
    put16(bytes + IP_AT + 6, 0x4000); /* don't fragment: so that the id may stay 0 (RFC 6864) */
    bytes[IP_AT + 8] = 64;
    bytes[IP_AT + 9] = TCP;
    memcpy(bytes + IP_AT + 12, source->addr, 4);
    memcpy(bytes + IP_AT + 16, target->addr, 4);
    head->ip_sum = inet_csum_add(0, bytes + IP_AT, IP_BYTES);
    head->tcp_sum = inet_csum_pseudo4(bytes + IP_AT + 12, TCP, 0);
}

static uint32_t put_options(uint8_t *at, const struct blast_segment *segment)
{
    const uint8_t options[SYN_OPTIONS] = {
        2, 4, (uint8_t)(segment->mss >> 8), (uint8_t)segment->mss, 1, 3, 3, segment->scale,
    };
    memcpy(at, options, sizeof options);
    return sizeof options;
}

uint32_t blast_segment_finish(const struct blast_segment_head *head, uint8_t *out,
                              const struct blast_segment *segment)
{
    uint8_t *tcp = out + TCP_AT;
    uint32_t options = 0;
    memcpy(out, head->bytes, BLAST_SEGMENT_HEAD);
    if (segment->flags & BLAST_SYN)
        options = put_options(out + BLAST_SEGMENT_HEAD, segment);
    uint32_t tcp_bytes = TCP_BYTES + options + segment->len;
    put16(tcp, segment->source_port);
    put16(tcp + 2, segment->target_port);
    put32(tcp + 4, segment->seq);
    put32(tcp + 8, segment->ack);
    tcp[12] = (uint8_t)((TCP_BYTES + options) / 4 << 4);
    tcp[13] = segment->flags;
    put16(tcp + 14, segment->window);

    put16(out + IP_AT + 2, IP_BYTES + tcp_bytes);
    uint16_t check = inet_csum_fold(head->ip_sum + htobe16((uint16_t)(IP_BYTES + tcp_bytes)));
    memcpy(out + IP_AT + 10, &check, 2);
    check =
        inet_csum_fold(inet_csum_add(head->tcp_sum + htobe16((uint16_t)tcp_bytes), tcp, tcp_bytes));
    memcpy(tcp + 16, &check, 2);

    uint32_t len = TCP_AT + tcp_bytes;
    if (len >= BLAST_FRAME_MIN)
        return len;
    memset(out + len, 0, BLAST_FRAME_MIN - len);
    return BLAST_FRAME_MIN;
}
