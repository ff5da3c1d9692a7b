/* fuzz_net.c - any frame gets a verdict that holds, and an answer that is right and never answered.
 *
 * The first byte of an input is the offload flags; with FIX set, the checksums of what looks like
 * ICMP are put right before, which a fuzzer cannot guess.  The rest is the frame.
 */
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/inet_csum.h"
#include "dataplane/net.h"
#include "tests/big_endian.h"

#define FIX 0x80

static const struct net net = {
    .mac = {2, 0, 0, 0, 0, 1},
    .udp_port = 9461,
    .tcp_port = 8080,
    .max_datagram = 1472,
    .addr_count = 2,
    .addrs = {{4, {192, 0, 2, 1}}, {6, {0x20, 0x01, 0x0d, 0xb8, [13] = 0xbb, 0xcc, 0xdd}}},
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static uint32_t find_ip(const uint8_t *frame, uint32_t len)
{
    uint32_t at = 12;
    while (at + 6 <= len && (get16(frame + at) == 0x8100 || get16(frame + at) == 0x88a8))
        at += 4;
    return at + 2;
}

static void put_sum(uint8_t *at, uint64_t sum)
{
    uint16_t csum = inet_csum_fold(sum);
    memcpy(at, &csum, 2);
}

/* visit_icmp puts the checksums of an ICMP or ICMPv6 packet right, or requires that they are. */
static void visit_icmp(uint8_t *frame, uint32_t len, bool fix)
{
    uint32_t l3 = find_ip(frame, len);
    if (len < l3 + 20)
        return;
    uint8_t *ip = frame + l3;
    bool ipv6 = ip[0] >> 4 == 6;
    uint32_t header = ipv6 ? 40 : (ip[0] & 15) * 4u;
    if (ipv6 && len < l3 + 40)
        return;
    uint32_t total = ipv6 ? 40 + get16(ip + 4) : get16(ip + 2);
    if (header < 20 || total < header + 4 || total > len - l3 ||
        ip[ipv6 ? 6 : 9] != (ipv6 ? 58 : 1))
        return;
    uint8_t *icmp = ip + header;
    uint32_t rest = total - header;
    uint64_t pseudo = ipv6 ? inet_csum_pseudo6(ip + 8, 58, rest) : 0;
    if (fix) {
        memset(icmp + 2, 0, 2);
        put_sum(icmp + 2, inet_csum_add(pseudo, icmp, rest));
        if (!ipv6) {
            memset(ip + 10, 0, 2);
            put_sum(ip + 10, inet_csum_add(0, ip, header));
        }
    }
    require(inet_csum_fold(inet_csum_add(pseudo, icmp, rest)) == 0);
    require(ipv6 || inet_csum_fold(inet_csum_add(0, ip, header)) == 0);
}

static void check_reply(uint8_t *frame, uint32_t len, uint32_t room)
{
    require(len >= 42 && len <= room);
    require(!memcmp(frame + 6, net.mac, 6));
    visit_icmp(frame, len, false);
    require(net_input(&net, frame, len, 0).action == NET_DROP);
    memcpy(frame, net.mac, 6); /* were it even sent to us */
    require(net_input(&net, frame, len, 0).action == NET_DROP);
}

/* What is tcp's lies within the packet, and comes from and goes to where TCP does. */
static void check_tcp(const uint8_t *frame, uint32_t len, const struct net_verdict *v)
{
    require(v->frame_len <= len && v->link_len >= 14 && v->link_len <= 22);
    require(v->payload_off + v->payload_len == v->frame_len);
    require(v->payload_off >= v->link_len + (frame[v->link_len] >> 4 == 4 ? 20 : 40));
    if (v->action == NET_TCP)
        return;
    struct net_quote q;
    net_quote(frame, v, &q);
    require(q.tcp_len >= 8 && q.tcp + q.tcp_len == frame + v->frame_len);
    require(q.family == frame[v->link_len] >> 4 && get16(q.tcp) == net.tcp_port);
    require(!memcmp(q.src, net.addrs[q.family == 6].bytes, q.family == 6 ? 16 : 4));
    require(q.dst + (q.family == 6 ? 16 : 4) <= q.tcp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > UINT16_MAX)
        return 0;
    unsigned offload = data[0] & (NET_IP_CHECKED | NET_L4_CHECKED | NET_TAILROOM);
    uint32_t len = (uint32_t)size - 1;
    uint32_t room = len + (offload & NET_TAILROOM ? NET_GROW_BYTES : 0);
    uint8_t *frame = malloc(room ? room : 1), *before = malloc(room ? room : 1);
    require(frame && before);
    memcpy(frame, data + 1, len);
    if (data[0] & FIX)
        visit_icmp(frame, len, true);
    memcpy(before, frame, len);

    struct net_verdict v = net_input(&net, frame, len, offload);
    require(v.action <= NET_TCP_ERROR);
    if (v.action == NET_TCP || v.action == NET_TCP_ERROR)
        check_tcp(frame, len, &v);
    else
        require((v.action == NET_DROP) == (v.reason != NET_none) && v.reason < NET_REASON_COUNT);
    require(v.action == NET_REPLY || !memcmp(frame, before, len));
    if (v.action == NET_DELIVER) {
        require(v.frame_len <= len && v.payload_off >= 42 && v.payload_len <= net.max_datagram);
        require(v.payload_off + v.payload_len == v.frame_len);
    }
    if (v.action == NET_REPLY)
        check_reply(frame, v.frame_len, room);
    free(frame);
    free(before);
    return 0;
}
