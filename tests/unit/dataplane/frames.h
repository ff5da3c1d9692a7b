/* frames.h - frames for the tests of net: builders that know the wire on their own, and a run that
 * puts a faulting page right behind the frame.
 *
 * Checksums are made here the plain way, so that they do not come from what is tested.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "dataplane/net.h"
#include "tests/big_endian.h"

#define PORT     9461
#define TCP_PORT 8080

static const uint8_t our_mac[6] = {0x02, 0, 0, 0, 0, 1}, peer_mac[6] = {0x02, 0, 0, 0, 0, 2};
static const uint8_t broadcast_mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
static const uint8_t solicited_mac[6] = {0x33, 0x33, 0xff, 0xbb, 0xcc, 0xdd};
static const uint8_t our4[4] = {192, 0, 2, 1}, peer4[4] = {192, 0, 2, 7};
static const uint8_t our6[16] = {0x20, 0x01, 0x0d, 0xb8, [13] = 0xbb, 0xcc, 0xdd};
static const uint8_t peer6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 7};
static const uint8_t none6[16];
static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};
static const uint8_t solicited[16] = {0xff, 0x02, [11] = 1, 0xff, 0xbb, 0xcc, 0xdd};

static struct net net = {
    .udp_port = PORT, .tcp_port = TCP_PORT, .max_datagram = 1472, .addr_count = 3};

static uint8_t *edge; /* a page that faults starts here */
static bool seen[NET_REASON_COUNT];

struct frame {
    uint8_t bytes[2048];
    uint32_t len;
    uint32_t l3, l4;
    bool ipv6;
};

static inline void put(struct frame *f, const void *bytes, uint32_t len)
{
    memcpy(f->bytes + f->len, bytes, len);
    f->len += len;
}

static inline uint32_t add(uint32_t sum, const uint8_t *bytes, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    return sum;
}

static inline uint32_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

static inline uint8_t *ip(struct frame *f)
{
    return f->bytes + f->l3;
}

static inline uint8_t *l4(struct frame *f)
{
    return f->bytes + f->l4;
}

/* sum puts right checksums in, with the lengths and the protocol as they stand. */
static inline void sum(struct frame *f)
{
    uint8_t *h = ip(f);
    uint8_t protocol = f->ipv6 ? h[6] : h[9];
    uint32_t at = protocol == 17 ? 6 : protocol == 6 ? 16 : 2;
    uint32_t len = (uint32_t)h[f->ipv6 ? 4 : 2] << 8 | h[f->ipv6 ? 5 : 3];
    if (!f->ipv6) {
        len -= f->l4 - f->l3;
        put16(h + 10, 0);
        put16(h + 10, fold(add(0, h, f->l4 - f->l3)));
    }
    uint32_t pseudo = protocol == 1 ? 0 : protocol + len;
    if (protocol != 1)
        pseudo = f->ipv6 ? add(pseudo, h + 8, 32) : add(pseudo, h + 12, 8);
    put16(l4(f) + at, 0);
    uint32_t csum = fold(add(pseudo, l4(f), len));
    put16(l4(f) + at, csum || protocol != 17 ? csum : 0xffff);
}

static inline struct frame link_frame(const uint8_t *to, const uint8_t *from, unsigned tags,
                                      uint32_t type)
{
    static const uint8_t tag[2][4] = {{0x88, 0xa8, 0x20, 0x64}, {0x81, 0, 0x60, 0x65}};
    struct frame f = {.len = 0};
    put(&f, to, 6);
    put(&f, from, 6);
    for (unsigned i = 0; i < tags; i++)
        put(&f, tag[(i + 2 - tags) % 2], 4);
    put(&f, (uint8_t[]){(uint8_t)(type >> 8), (uint8_t)type}, 2);
    f.l3 = f.len;
    return f;
}

static inline struct frame frame4(unsigned tags, uint8_t protocol, const void *bytes, uint32_t len)
{
    struct frame f = link_frame(our_mac, peer_mac, tags, 0x0800);
    uint8_t header[20] = {0x45, 0, 0, 0, 0x12, 0x34, 0, 0, 17, protocol};
    put16(header + 2, 20 + len);
    memcpy(header + 12, peer4, 4);
    memcpy(header + 16, our4, 4);
    put(&f, header, sizeof header);
    f.l4 = f.len;
    put(&f, bytes, len);
    sum(&f);
    return f;
}

static inline struct frame frame6(unsigned tags, uint8_t protocol, const void *bytes, uint32_t len)
{
    struct frame f = link_frame(our_mac, peer_mac, tags, 0x86dd);
    uint8_t header[40] = {0x60, 0, 0, 0, 0, 0, protocol, 255};
    put16(header + 4, len);
    memcpy(header + 8, peer6, 16);
    memcpy(header + 24, our6, 16);
    f.ipv6 = true;
    put(&f, header, sizeof header);
    f.l4 = f.len;
    put(&f, bytes, len);
    sum(&f);
    return f;
}

static inline struct frame udp(bool ipv6, unsigned tags, const char *payload)
{
    uint8_t bytes[1500] = {0xd4, 0x31};
    uint32_t len = 8 + (uint32_t)strlen(payload);
    put16(bytes + 2, PORT);
    put16(bytes + 4, len);
    memcpy(bytes + 8, payload, len - 8);
    return ipv6 ? frame6(tags, 17, bytes, len) : frame4(tags, 17, bytes, len);
}

/* A segment of 20 bytes of header, and a payload. */
static inline struct frame tcp(bool ipv6, unsigned tags, const char *payload)
{
    uint8_t bytes[1500] = {0xd4, 0x31, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x10, 1, 0};
    uint32_t len = 20 + (uint32_t)strlen(payload);
    put16(bytes + 2, TCP_PORT);
    memcpy(bytes + 20, payload, len - 20);
    return ipv6 ? frame6(tags, 6, bytes, len) : frame4(tags, 6, bytes, len);
}

/* An ICMP error about a packet that we may have sent: its IP header and 8 bytes of TCP. */
static inline struct frame quote(bool ipv6, unsigned tags, uint8_t type, uint8_t code)
{
    uint8_t bytes[128] = {type, code, [6] = 5, 0x14}, *q = bytes + 8;
    uint32_t header = ipv6 ? 40 : 20;
    if (ipv6) {
        memcpy(q, (uint8_t[]){0x60, 0, 0, 0, 0, 20, 6, 64}, 8);
        memcpy(q + 8, our6, 16);
        memcpy(q + 24, peer6, 16);
    } else {
        memcpy(q, (uint8_t[]){0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0}, 12);
        memcpy(q + 12, our4, 4);
        memcpy(q + 16, peer4, 4);
    }
    put16(q + header, TCP_PORT);
    put16(q + header + 2, 0xd431);
    memcpy(q + header + 4, "\1\2\3\4", 4);
    return ipv6 ? frame6(tags, 58, bytes, 8 + header + 8) : frame4(tags, 1, bytes, 8 + header + 8);
}

static inline struct frame echo(bool ipv6, unsigned tags, bool reply)
{
    uint8_t bytes[] = {8, 0, 0, 0, 0x11, 0x22, 0, 1, 'p', 'i', 'n', 'g', '!'};
    bytes[0] = ipv6 ? 128 : 8;
    if (reply)
        bytes[0] = ipv6 ? 129 : 0;
    return ipv6 ? frame6(tags, 58, bytes, sizeof bytes) : frame4(tags, 1, bytes, sizeof bytes);
}

static inline struct frame arp(unsigned tags)
{
    struct frame f = link_frame(broadcast_mac, peer_mac, tags, 0x0806);
    put(&f, (uint8_t[]){0, 1, 8, 0, 6, 4, 0, 1}, 8);
    put(&f, peer_mac, 6);
    put(&f, peer4, 4);
    put(&f, (uint8_t[6]){0}, 6);
    put(&f, our4, 4);
    return f;
}

static inline struct frame solicitation(unsigned tags, bool multicast, const uint8_t *options,
                                        uint32_t len)
{
    uint8_t bytes[128] = {135};
    memcpy(bytes + 8, our6, 16);
    if (len)
        memcpy(bytes + 24, options, len);
    struct frame f = frame6(tags, 58, bytes, 24 + len);
    if (multicast) {
        memcpy(f.bytes, solicited_mac, 6);
        memcpy(ip(&f) + 24, solicited, 16);
    }
    sum(&f);
    return f;
}

static const uint8_t source_option[8] = {1, 1, 0x02, 0, 0, 0, 0, 2};
static const uint8_t nonce_option[8] = {14, 1, 9, 8, 7, 6, 5, 4};

/* What duplicate address detection sends: from ::, without a source link-layer option. */
static inline struct frame probe6(bool nonce)
{
    struct frame f = solicitation(0, true, nonce_option, nonce ? 8 : 0);
    memcpy(ip(&f) + 8, none6, 16);
    sum(&f);
    return f;
}

/* run shows the frame to net with the faulting page right behind it (behind the tailroom when there
 * is some), and checks what holds for every frame. */
static inline struct net_verdict run(struct frame *f, unsigned offload)
{
    uint32_t room = f->len + (offload & NET_TAILROOM ? NET_GROW_BYTES : 0);
    uint8_t *at = edge - room;
    memcpy(at, f->bytes, f->len);
    struct net_verdict v = net_input(&net, at, f->len, offload);
    if (v.action == NET_REPLY) {
        assert_int_equal(v.reason, NET_none);
        assert_in_range(v.frame_len, 14, room);
        f->len = v.frame_len;
        memcpy(f->bytes, at, f->len);
        return v;
    }
    assert_memory_equal(at, f->bytes, f->len);
    if (v.action == NET_DROP) {
        assert_in_range(v.reason, 1, NET_REASON_COUNT - 1);
        seen[v.reason] = true;
        return v;
    }
    assert_true(v.action == NET_DELIVER || v.action == NET_TCP || v.action == NET_TCP_ERROR);
    assert_in_range(v.frame_len, 34, f->len);
    assert_in_range(v.payload_off, 34, v.frame_len);
    assert_int_equal(v.payload_off + v.payload_len, v.frame_len);
    return v;
}

static inline void expect_drop(struct frame f, enum net_reason reason)
{
    struct net_verdict v = run(&f, 0);
    assert_int_equal(v.action, NET_DROP);
    assert_string_equal(net_reason_name(v.reason), net_reason_name(reason));
}

static inline void expect_payload(struct frame f, unsigned offload, const char *payload)
{
    struct net_verdict v = run(&f, offload);
    assert_int_equal(v.action, NET_DELIVER);
    assert_int_equal(v.payload_len, strlen(payload));
    assert_memory_equal(f.bytes + v.payload_off, payload, v.payload_len);
}

static inline void expect_reply(struct frame f, unsigned offload, struct frame answer)
{
    struct net_verdict v = run(&f, offload);
    assert_int_equal(v.action, NET_REPLY);
    assert_int_equal(f.len, answer.len);
    assert_memory_equal(f.bytes, answer.bytes, answer.len);
}

static inline void edit(struct frame *f, uint8_t *at, const void *bytes, uint32_t len)
{
    memcpy(at, bytes, len);
    sum(f);
}

static inline void set(struct frame *f, uint8_t *at, uint32_t value)
{
    *at = (uint8_t)value;
    sum(f);
}

static inline int set_up(void **state)
{
    (void)state;
    uint8_t *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + 4096, 4096, PROT_NONE))
        return -1;
    edge = pages + 4096;
    memcpy(net.mac, our_mac, 6);
    net.addrs[0].family = 4;
    memcpy(net.addrs[0].bytes, our4, 4);
    net.addrs[1].family = 6;
    memcpy(net.addrs[1].bytes, our6, 16);
    net.addrs[2] = (struct net_addr){.family = 4, .bytes = {198, 51, 100, 9}};
    return 0;
}
