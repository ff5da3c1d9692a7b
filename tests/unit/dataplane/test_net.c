/* test_net.c - what is delivered, what is answered and how, and that every other frame is dropped
 * under its reason with nothing read past its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "dataplane/net.h"

#define PORT 9461

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

static struct net net = {.udp_port = PORT, .max_datagram = 1472, .addr_count = 3};

static uint8_t *edge; /* a page that faults starts here */
static bool seen[NET_REASON_COUNT];

struct frame {
    uint8_t bytes[2048];
    uint32_t len;
    uint32_t l3, l4;
    bool ipv6;
};

static void put(struct frame *f, const void *bytes, uint32_t len)
{
    memcpy(f->bytes + f->len, bytes, len);
    f->len += len;
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* Sums are made here the plain way, so that they do not come from what is tested. */
static uint32_t add(uint32_t sum, const uint8_t *bytes, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    return sum;
}

static uint32_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

static uint8_t *ip(struct frame *f)
{
    return f->bytes + f->l3;
}

static uint8_t *l4(struct frame *f)
{
    return f->bytes + f->l4;
}

/* sum puts right checksums in, with the lengths and the protocol as they stand. */
static void sum(struct frame *f)
{
    uint8_t *h = ip(f);
    uint8_t protocol = f->ipv6 ? h[6] : h[9];
    uint32_t at = protocol == 17 ? 6 : 2;
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

static struct frame link_frame(const uint8_t *to, const uint8_t *from, unsigned tags, uint32_t type)
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

static struct frame frame4(unsigned tags, uint8_t protocol, const void *bytes, uint32_t len)
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

static struct frame frame6(unsigned tags, uint8_t protocol, const void *bytes, uint32_t len)
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

static struct frame udp(bool ipv6, unsigned tags, const char *payload)
{
    uint8_t bytes[1500] = {0xd4, 0x31};
    uint32_t len = 8 + (uint32_t)strlen(payload);
    put16(bytes + 2, PORT);
    put16(bytes + 4, len);
    memcpy(bytes + 8, payload, len - 8);
    return ipv6 ? frame6(tags, 17, bytes, len) : frame4(tags, 17, bytes, len);
}

static struct frame echo(bool ipv6, unsigned tags, bool reply)
{
    uint8_t bytes[] = {8, 0, 0, 0, 0x11, 0x22, 0, 1, 'p', 'i', 'n', 'g', '!'};
    bytes[0] = ipv6 ? 128 : 8;
    if (reply)
        bytes[0] = ipv6 ? 129 : 0;
    return ipv6 ? frame6(tags, 58, bytes, sizeof bytes) : frame4(tags, 1, bytes, sizeof bytes);
}

static struct frame arp(unsigned tags)
{
    struct frame f = link_frame(broadcast_mac, peer_mac, tags, 0x0806);
    put(&f, (uint8_t[]){0, 1, 8, 0, 6, 4, 0, 1}, 8);
    put(&f, peer_mac, 6);
    put(&f, peer4, 4);
    put(&f, (uint8_t[6]){0}, 6);
    put(&f, our4, 4);
    return f;
}

static struct frame solicitation(unsigned tags, bool multicast, const uint8_t *options,
                                 uint32_t len)
{
    uint8_t bytes[128] = {135};
    memcpy(bytes + 8, our6, 16);
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
static struct frame probe6(bool nonce)
{
    struct frame f = solicitation(0, true, nonce_option, nonce ? 8 : 0);
    memcpy(ip(&f) + 8, none6, 16);
    sum(&f);
    return f;
}

static struct frame advertisement(const uint8_t *mac, const uint8_t *to, uint8_t flags, bool option)
{
    uint8_t bytes[32] = {136, 0, 0, 0, flags};
    memcpy(bytes + 8, our6, 16);
    memcpy(bytes + 24, (uint8_t[]){2, 1}, 2);
    memcpy(bytes + 26, our_mac, 6);
    struct frame f = frame6(0, 58, bytes, option ? 32 : 24);
    memcpy(f.bytes, mac, 6);
    memcpy(f.bytes + 6, our_mac, 6);
    memcpy(ip(&f) + 8, our6, 16);
    memcpy(ip(&f) + 24, to, 16);
    sum(&f);
    return f;
}

/* run shows the frame to net with the faulting page right behind it (behind the tailroom when there
 * is some), and checks what holds for every frame. */
static struct net_verdict run(struct frame *f, unsigned offload)
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
    assert_int_equal(v.action, NET_DELIVER);
    assert_in_range(v.frame_len, 42, f->len);
    assert_in_range(v.payload_off, 42, v.frame_len);
    assert_int_equal(v.payload_off + v.payload_len, v.frame_len);
    return v;
}

static void expect_drop(struct frame f, enum net_reason reason)
{
    struct net_verdict v = run(&f, 0);
    assert_int_equal(v.action, NET_DROP);
    assert_string_equal(net_reason_name(v.reason), net_reason_name(reason));
}

static void expect_payload(struct frame f, unsigned offload, const char *payload)
{
    struct net_verdict v = run(&f, offload);
    assert_int_equal(v.action, NET_DELIVER);
    assert_int_equal(v.payload_len, strlen(payload));
    assert_memory_equal(f.bytes + v.payload_off, payload, v.payload_len);
}

static void expect_reply(struct frame f, unsigned offload, struct frame answer)
{
    struct net_verdict v = run(&f, offload);
    assert_int_equal(v.action, NET_REPLY);
    assert_int_equal(f.len, answer.len);
    assert_memory_equal(f.bytes, answer.bytes, answer.len);
}

static void edit(struct frame *f, uint8_t *at, const void *bytes, uint32_t len)
{
    memcpy(at, bytes, len);
    sum(f);
}

static void set(struct frame *f, uint8_t *at, uint32_t value)
{
    *at = (uint8_t)value;
    sum(f);
}

static void turn_round(struct frame *f)
{
    memcpy(f->bytes, peer_mac, 6);
    memcpy(f->bytes + 6, our_mac, 6);
}

static struct frame echo_answer(bool ipv6, unsigned tags)
{
    struct frame f = echo(ipv6, tags, true);
    turn_round(&f);
    if (ipv6) {
        memcpy(ip(&f) + 8, our6, 16);
        memcpy(ip(&f) + 24, peer6, 16);
        ip(&f)[7] = 64;
    } else {
        memcpy(ip(&f) + 12, our4, 4);
        memcpy(ip(&f) + 16, peer4, 4);
        ip(&f)[8] = 64;
        memcpy(ip(&f) + 4, (uint8_t[]){0, 0, 0x40, 0}, 4);
    }
    sum(&f);
    return f;
}

static struct frame arp_answer(unsigned tags)
{
    struct frame f = link_frame(peer_mac, our_mac, tags, 0x0806);
    put(&f, (uint8_t[]){0, 1, 8, 0, 6, 4, 0, 2}, 8);
    put(&f, our_mac, 6);
    put(&f, our4, 4);
    put(&f, peer_mac, 6);
    put(&f, peer4, 4);
    return f;
}

static void udp_is_delivered_under_any_tags_and_over_both_versions(void **state)
{
    (void)state;
    for (unsigned tags = 0; tags <= 2; tags++) {
        for (int ipv6 = 0; ipv6 <= 1; ipv6++) {
            struct frame f = udp(ipv6, tags, "{\"id\":1}");
            struct net_verdict v = run(&f, 0);
            assert_int_equal(v.payload_off, 14 + 4 * tags + (ipv6 ? 40 : 20) + 8);
            assert_int_equal(v.frame_len, f.len);
            expect_payload(f, 0, "{\"id\":1}");
            expect_payload(f, NET_IP_CHECKED | NET_L4_CHECKED | NET_TAILROOM, "{\"id\":1}");
        }
    }
    expect_payload(udp(false, 0, ""), 0, "");
    expect_payload(udp(true, 0, "odd"), 0, "odd");
}

static void padding_and_trailers_are_not_payload(void **state)
{
    (void)state;
    for (int ipv6 = 0; ipv6 <= 1; ipv6++) {
        struct frame f = udp(ipv6, 1, "x");
        uint32_t len = f.len;
        put(&f, "0123456789", 10);
        struct net_verdict v = run(&f, 0);
        assert_int_equal(v.frame_len, len);
        expect_payload(f, 0, "x");
    }
}

static void ipv4_options_are_stepped_over_but_source_routes_are_not_followed(void **state)
{
    (void)state;
    static const struct {
        uint8_t options[8];
        enum net_reason reason;
    } cases[] = {
        {{1, 1, 1, 1, 0, 9, 9, 9}, NET_none},         /* no-ops, then the end */
        {{148, 4, 0, 0, 1, 1, 1, 1}, NET_none},       /* router alert */
        {{7, 7, 4, 0, 0, 0, 0, 0}, NET_none},         /* record route */
        {{131, 7, 4, 1, 2, 3, 4, 0}, NET_ip_options}, /* loose source route */
        {{1, 137, 7, 4, 1, 2, 3, 4}, NET_ip_options}, /* strict source route */
        {{7, 0, 0, 0, 0, 0, 0, 0}, NET_ip_header},    /* length 0 would loop */
        {{7, 1, 0, 0, 0, 0, 0, 0}, NET_ip_header},
        {{7, 9, 0, 0, 0, 0, 0, 0}, NET_ip_header}, /* longer than the header */
        {{1, 1, 1, 1, 1, 1, 1, 7}, NET_ip_header}, /* cut after its type */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct frame plain = udp(false, 0, "data"), f = plain;
        memcpy(f.bytes + f.l4, cases[i].options, 8);
        memcpy(f.bytes + f.l4 + 8, plain.bytes + plain.l4, 12);
        f.l4 += 8;
        f.len += 8;
        ip(&f)[0] = 0x47;
        ip(&f)[3] += 8;
        sum(&f);
        if (cases[i].reason == NET_none)
            expect_payload(f, 0, "data");
        else
            expect_drop(f, cases[i].reason);
    }
}

static void link_destination_and_tags_decide_first(void **state)
{
    (void)state;
    static const uint8_t strange_macs[][6] = {
        {0x02, 0, 0, 0, 0, 3},             /* another host */
        {0x01, 0, 0x5e, 0, 0, 1},          /* IPv4 multicast */
        {0x01, 0x80, 0xc2, 0, 0, 0},       /* spanning tree */
        {0x33, 0x33, 0, 0, 0, 0xfb},       /* multicast DNS */
        {0x33, 0x33, 0xff, 0xbb, 0xcc, 1}, /* another's solicited node */
        {0xff, 0xff, 0xff, 0xff, 0xff, 0xfe},
    };
    struct frame all[] = {udp(false, 0, "x"), udp(true, 0, "x"), arp(0), echo(false, 0, false),
                          solicitation(0, true, source_option, 8)};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        for (size_t m = 0; m < sizeof strange_macs / sizeof *strange_macs; m++) {
            struct frame f = all[i];
            memcpy(f.bytes, strange_macs[m], 6);
            expect_drop(f, NET_not_for_us);
        }
        struct frame f = all[i];
        f.bytes[6] |= 1; /* an answer would go to a group */
        expect_drop(f, NET_ip_source);
    }
    expect_drop(udp(false, 3, "x"), NET_vlan_depth);
    expect_drop(arp(3), NET_vlan_depth);
    struct frame f = link_frame(our_mac, peer_mac, 0, 0x88cc);
    expect_drop(f, NET_ethertype);
    f = link_frame(our_mac, peer_mac, 1, 46); /* an IEEE 802.3 length */
    expect_drop(f, NET_ethertype);
}

static void multicast_and_broadcast_carry_no_datagram(void **state)
{
    (void)state;
    const uint8_t *groups[] = {broadcast_mac, all_nodes_mac, solicited_mac};
    for (size_t i = 0; i < 3; i++) {
        struct frame all[] = {udp(false, 0, "x"), udp(true, 0, "x"), echo(false, 0, false),
                              echo(true, 0, false)};
        for (size_t k = 0; k < 4; k++) {
            memcpy(all[k].bytes, groups[i], 6);
            expect_drop(all[k], NET_not_for_us);
        }
    }
    struct frame f = udp(true, 0, "x");
    edit(&f, ip(&f) + 24, all_nodes, 16);
    expect_drop(f, NET_not_for_us);
    f = udp(false, 0, "x");
    edit(&f, ip(&f) + 16, (uint8_t[]){224, 0, 0, 1}, 4);
    expect_drop(f, NET_not_for_us);
    f = udp(false, 0, "x");
    edit(&f, ip(&f) + 16, broadcast_mac, 4);
    expect_drop(f, NET_not_for_us);
    f = echo(true, 0, false);
    edit(&f, ip(&f) + 24, all_nodes, 16);
    expect_drop(f, NET_icmp);
    f = arp(0);
    memcpy(f.bytes, all_nodes_mac, 6);
    expect_drop(f, NET_not_for_us);
}

static void ip_headers_that_lie_are_dropped(void **state)
{
    (void)state;
    static const struct {
        bool ipv6;
        uint8_t at, value;
        enum net_reason reason;
    } cases[] = {
        {false, 0, 0x55, NET_ip_header},    {false, 0, 0x44, NET_ip_header},
        {false, 0, 0x40, NET_ip_header},    {false, 3, 19, NET_ip_header},
        {false, 3, 33, NET_truncated},      {false, 2, 1, NET_truncated},
        {false, 10, 0xee, NET_ip_checksum}, {true, 0, 0x40, NET_ip_header},
        {true, 5, 13, NET_truncated},       {true, 4, 0xff, NET_truncated},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct frame f = udp(cases[i].ipv6, 0, "data"); /* 32 bytes of IPv4, 12 behind IPv6 */
        ip(&f)[cases[i].at] = cases[i].value;
        expect_drop(f, cases[i].reason);
    }
    struct frame f = udp(false, 0, "data");
    ip(&f)[10] ^= 1;
    expect_payload(f, NET_IP_CHECKED, "data");
}

static void other_addresses_are_not_ours(void **state)
{
    (void)state;
    struct frame f = udp(false, 0, "x");
    set(&f, ip(&f) + 19, 2);
    expect_drop(f, NET_not_for_us);
    f = udp(true, 0, "x");
    set(&f, ip(&f) + 39, 1);
    expect_drop(f, NET_not_for_us);

    f = udp(false, 0, "x"); /* the third of our addresses */
    edit(&f, ip(&f) + 16, (uint8_t[]){198, 51, 100, 9}, 4);
    expect_payload(f, 0, "x");
}

static void impossible_sources_are_dropped(void **state)
{
    (void)state;
    static const uint8_t bad4[][4] = {{0, 0, 0, 0},   {0, 1, 2, 3},     {127, 0, 0, 1},
                                      {224, 0, 0, 1}, {239, 255, 0, 1}, {255, 255, 255, 255},
                                      {192, 0, 2, 1}, {198, 51, 100, 9}};
    for (size_t i = 0; i < sizeof bad4 / sizeof *bad4; i++) {
        struct frame f = udp(false, 0, "x");
        edit(&f, ip(&f) + 12, bad4[i], 4);
        expect_drop(f, NET_ip_source);
        f = echo(false, 0, false);
        edit(&f, ip(&f) + 12, bad4[i], 4);
        expect_drop(f, NET_ip_source);
    }
    static const uint8_t bad6[][16] = {
        {0},
        {[15] = 1},
        {0xff, 0x02, [15] = 1},
        {[10] = 0xff, 0xff, 192, 0, 2, 7},
        {0x20, 0x01, 0x0d, 0xb8, [13] = 0xbb, 0xcc, 0xdd},
    };
    for (size_t i = 0; i < sizeof bad6 / sizeof *bad6; i++) {
        struct frame all[] = {udp(true, 0, "x"), echo(true, 0, false)};
        for (size_t k = 0; k < 2; k++) {
            edit(&all[k], ip(&all[k]) + 8, bad6[i], 16);
            expect_drop(all[k], NET_ip_source);
        }
    }
    struct frame f = udp(false, 0, "x"); /* 240/4 is in private use */
    edit(&f, ip(&f) + 12, (uint8_t[]){240, 1, 2, 3}, 4);
    expect_payload(f, 0, "x");
}

static void fragments_and_extension_headers_are_dropped(void **state)
{
    (void)state;
    struct frame f = udp(false, 0, "x");
    set(&f, ip(&f) + 6, 0x20); /* more fragments */
    expect_drop(f, NET_fragment);
    f = udp(false, 0, "x");
    set(&f, ip(&f) + 7, 1); /* the last one */
    expect_drop(f, NET_fragment);
    f = udp(false, 0, "x");
    set(&f, ip(&f) + 6, 0x40); /* whole, and to stay so */
    expect_payload(f, 0, "x");

    static const struct {
        uint8_t next;
        enum net_reason reason;
    } cases[] = {{44, NET_fragment},    {0, NET_ip_options},   {43, NET_ip_options},
                 {51, NET_ip_options},  {60, NET_ip_options},  {135, NET_ip_options},
                 {139, NET_ip_options}, {140, NET_ip_options}, {59, NET_protocol},
                 {6, NET_protocol},     {1, NET_protocol}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        f = udp(true, 0, "x");
        ip(&f)[6] = cases[i].next;
        expect_drop(f, cases[i].reason);
    }
    f = udp(false, 0, "x");
    set(&f, ip(&f) + 9, 6);
    expect_drop(f, NET_protocol);
    f = echo(true, 0, false); /* ICMPv6 has no meaning over IPv4 */
    f = frame4(0, 58, l4(&f), 13);
    expect_drop(f, NET_protocol);
}

static void udp_length_checksum_port_and_size_are_checked(void **state)
{
    (void)state;
    for (int ipv6 = 0; ipv6 <= 1; ipv6++) {
        static const uint8_t wrong_lens[] = {0, 7, 8, 11, 13, 255};
        for (size_t i = 0; i < sizeof wrong_lens; i++) {
            struct frame f = udp(ipv6, 0, "data");
            set(&f, l4(&f) + 5, wrong_lens[i]);
            expect_drop(f, NET_udp_length);
        }
        struct frame f = udp(ipv6, 0, "data");
        l4(&f)[6] ^= 1;
        expect_drop(f, NET_udp_checksum);
        expect_payload(f, NET_L4_CHECKED, "data");
        f = udp(ipv6, 0, "data");
        put16(l4(&f) + 6, 0);
        if (ipv6) {
            expect_drop(f, NET_udp_checksum);
            assert_int_equal(run(&f, NET_L4_CHECKED).reason, NET_udp_checksum);
        } else {
            expect_payload(f, 0, "data");
        }
        f = udp(ipv6, 0, "data");
        set(&f, l4(&f) + 3, 1);
        expect_drop(f, NET_udp_port);
        f = udp(ipv6, 0, "data");
        net.max_datagram = 3;
        expect_drop(f, NET_too_long);
        net.max_datagram = 4;
        expect_payload(f, 0, "data");
        net.max_datagram = 1472;
    }
    struct frame f = frame4(0, 17, "\x12\x34\x24\xf5\0\7", 7);
    expect_drop(f, NET_udp_length);
    f = frame6(0, 17, "", 0);
    expect_drop(f, NET_udp_length);
}

static void a_checksum_that_comes_out_as_zero_is_sent_as_ffff_and_passes(void **state)
{
    (void)state;
    for (int ipv6 = 0; ipv6 <= 1; ipv6++) {
        struct frame f = udp(ipv6, 0, "data");
        uint32_t csum = (uint32_t)l4(&f)[6] << 8 | l4(&f)[7];
        put16(l4(&f), csum + 0xd431 - (csum + 0xd431 > 0xffff ? 0xffff : 0)); /* the source port */
        sum(&f);
        assert_memory_equal(l4(&f) + 6, "\xff\xff", 2);
        expect_payload(f, 0, "data");
    }
}

static void any_flipped_bit_behind_the_link_header_drops_an_ipv4_datagram(void **state)
{
    (void)state;
    struct frame f = udp(false, 1, "{\"id\":\"7f3c\"}");
    for (uint32_t bit = 12 * 8; bit < f.len * 8; bit++) {
        if (bit >= 14 * 8 && bit < 16 * 8)
            continue; /* the tag's own identifier and priority */
        struct frame broken = f;
        broken.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(run(&broken, 0).action, NET_DROP);
    }
}

static void arp_requests_for_our_addresses_are_answered(void **state)
{
    (void)state;
    for (unsigned tags = 0; tags <= 2; tags++)
        expect_reply(arp(tags), 0, arp_answer(tags));

    struct frame unicast = arp(0);
    memcpy(unicast.bytes, our_mac, 6);
    expect_reply(unicast, 0, arp_answer(0));

    struct frame probe = arp(0), answer = arp_answer(0);
    memset(ip(&probe) + 14, 0, 4);
    memset(ip(&answer) + 24, 0, 4);
    expect_reply(probe, 0, answer);
}

static void padding_of_an_arp_request_comes_back_zeroed(void **state)
{
    (void)state;
    struct frame f = arp(0), answer = arp_answer(0);
    put(&f, "a secret that is not for echo", 29);
    put(&answer, (uint8_t[18]){0}, 18);
    expect_reply(f, 0, answer); /* 60 bytes of 71 */
    f.len = 50;
    answer.len = 50;
    expect_reply(f, 0, answer);
}

static void other_arp_is_dropped(void **state)
{
    (void)state;
    static const struct {
        uint8_t at, value;
    } cases[] = {
        {1, 6},   {2, 9},    {4, 8},    {5, 16}, {7, 2}, {6, 1},
        {8, 3},   {14, 127}, {14, 224}, {17, 1}, /* sender is us: an announcement or a conflict */
        {27, 99},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct frame f = arp(0);
        ip(&f)[cases[i].at] = cases[i].value;
        expect_drop(f, NET_arp);
    }
    struct frame f = arp(0);
    memset(ip(&f) + 8, 0, 6);
    expect_drop(f, NET_arp);
}

static void echo_requests_are_answered(void **state)
{
    (void)state;
    for (unsigned tags = 0; tags <= 2; tags++)
        for (int ipv6 = 0; ipv6 <= 1; ipv6++)
            expect_reply(echo(ipv6, tags, false), 0, echo_answer(ipv6, tags));

    struct frame f = echo(false, 0, false), answer = echo_answer(false, 0);
    set(&f, ip(&f) + 1, 0xbb); /* the class comes back, the congestion mark does not */
    set(&answer, ip(&answer) + 1, 0xb8);
    put(&f, "trailer and padding", 19);
    put(&answer, (uint8_t[13]){0}, 13);
    expect_reply(f, 0, answer);

    f = echo(true, 0, false);
    answer = echo_answer(true, 0);
    memcpy(ip(&f), (uint8_t[]){0x6b, 0xbf, 0x12, 0x34}, 4);
    memcpy(ip(&answer), (uint8_t[]){0x6b, 0x80, 0, 0}, 4);
    expect_reply(f, 0, answer);
}

static void an_echo_with_ip_options_is_answered_with_no_ops(void **state)
{
    (void)state;
    static const uint8_t route[8] = {7, 7, 4, 0, 0, 0, 0, 0}, no_ops[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    struct frame f = echo(false, 0, false), answer = echo_answer(false, 0);
    struct frame *both[] = {&f, &answer};
    for (int i = 0; i < 2; i++) {
        memmove(l4(both[i]) + 8, l4(both[i]), 13);
        memcpy(l4(both[i]), i ? no_ops : route, 8);
        both[i]->l4 += 8;
        both[i]->len += 8;
        ip(both[i])[0] = 0x47;
        ip(both[i])[3] += 8;
        sum(both[i]);
    }
    expect_reply(f, 0, answer);
}

static void other_icmp_is_dropped(void **state)
{
    (void)state;
    for (int ipv6 = 0; ipv6 <= 1; ipv6++) {
        static const uint8_t types[] = {0, 3, 5, 11, 13, 17, 1, 2, 129, 130, 133, 134, 136, 137};
        for (size_t i = 0; i < sizeof types; i++) {
            struct frame f = echo(ipv6, 0, false);
            set(&f, l4(&f), types[i]);
            expect_drop(f, NET_icmp);
        }
        struct frame f = echo(ipv6, 0, false);
        set(&f, l4(&f) + 1, 1);
        expect_drop(f, NET_icmp);
        f = echo(ipv6, 0, false);
        l4(&f)[12] ^= 1;
        expect_drop(f, NET_icmp_checksum);
        assert_int_equal(run(&f, NET_L4_CHECKED).reason, NET_icmp_checksum);
        f = ipv6 ? frame6(0, 58, "\x80\0\0\0\0\0\0", 7) : frame4(0, 1, "\x8\0\0\0\0\0\0", 7);
        expect_drop(f, NET_icmp);
    }
}

static void solicitations_for_our_addresses_are_answered(void **state)
{
    (void)state;
    struct frame answer = advertisement(peer_mac, peer6, 0x60, true);
    expect_reply(solicitation(0, true, source_option, 8), 0, answer);
    expect_reply(solicitation(0, false, source_option, 8), 0, answer);

    struct frame f = solicitation(0, true, source_option, 8);
    edit(&f, ip(&f) + 24, all_nodes, 16);
    memcpy(f.bytes, all_nodes_mac, 6);
    expect_reply(f, 0, answer);

    /* The option says where to answer to; options after it are stepped over. */
    uint8_t options[24] = {1, 1, 0x02, 0, 0, 0, 0, 9, 14, 2};
    answer = advertisement(options + 2, peer6, 0x60, true);
    expect_reply(solicitation(0, true, options, 24), 0, answer);

    f = solicitation(2, true, source_option, 8);
    uint32_t len = f.len;
    assert_int_equal(run(&f, 0).action, NET_REPLY);
    assert_int_equal(f.len, len);
    assert_memory_equal(f.bytes + 12, "\x88\xa8\x20\x64\x81\0\x60\x65\x86\xdd", 10);
}

static void a_solicitation_without_option_is_answered_as_far_as_room_allows(void **state)
{
    (void)state;
    struct frame unicast = solicitation(0, false, NULL, 0);
    struct frame multicast = solicitation(0, true, NULL, 0);
    struct frame with = advertisement(peer_mac, peer6, 0x60, true);
    expect_reply(unicast, 0, advertisement(peer_mac, peer6, 0x60, false));
    expect_drop(multicast, NET_icmp);
    expect_reply(unicast, NET_TAILROOM, with);
    expect_reply(multicast, NET_TAILROOM, with);
    put(&unicast, "a trailer", 9);
    put(&multicast, "trailer!", 8);
    expect_reply(unicast, 0, with);
    expect_reply(multicast, 0, with);
}

static void duplicate_address_detection_is_answered_to_all_nodes(void **state)
{
    (void)state;
    struct frame answer = advertisement(all_nodes_mac, all_nodes, 0x20, true);
    expect_reply(probe6(true), 0, answer);
    expect_reply(probe6(false), NET_TAILROOM, answer);
    expect_drop(probe6(false), NET_icmp);
}

static void malformed_solicitations_are_dropped(void **state)
{
    (void)state;
    static const uint8_t bad_options[][8] = {
        {1, 0, 2, 0, 0, 0, 0, 2},  /* length 0 */
        {14, 2, 2, 0, 0, 0, 0, 2}, /* past the end */
        {1, 1, 3, 0, 0, 0, 0, 2},  /* a group as source */
        {1, 1, 0, 0, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof bad_options / sizeof *bad_options; i++)
        expect_drop(solicitation(0, true, bad_options[i], 8), NET_icmp);
    for (uint32_t len = 1; len < 8; len++)
        expect_drop(solicitation(0, true, source_option, len), NET_icmp);
    uint8_t long_source[16] = {1, 2, 0x02};
    expect_drop(solicitation(0, true, long_source, 16), NET_icmp);

    struct frame f = solicitation(0, true, source_option, 8);
    ip(&f)[7] = 254; /* it came through a router */
    expect_drop(f, NET_icmp);
    f = solicitation(0, true, source_option, 8);
    set(&f, l4(&f) + 1, 1);
    expect_drop(f, NET_icmp);
    f = solicitation(0, true, source_option, 8);
    set(&f, l4(&f) + 8, 0xff); /* a target that is not ours */
    expect_drop(f, NET_icmp);
    f = solicitation(0, true, source_option, 8);
    l4(&f)[24] ^= 1;
    expect_drop(f, NET_icmp_checksum);
    f = solicitation(0, true, source_option, 8);
    edit(&f, ip(&f) + 8, our6, 16);
    expect_drop(f, NET_ip_source);

    f = probe6(false);
    edit(&f, ip(&f) + 24, our6, 16); /* from ::, to one host */
    memcpy(f.bytes, our_mac, 6);
    expect_drop(f, NET_icmp);
    f = probe6(true);
    edit(&f, ip(&f) + 24, all_nodes, 16);
    expect_drop(f, NET_icmp);
    f = solicitation(0, true, source_option, 8);
    edit(&f, ip(&f) + 8, none6, 16); /* from ::, with a source option */
    expect_drop(f, NET_icmp);
    f = probe6(true);
    set(&f, l4(&f), 133); /* :: solicits routers too, which is nothing to us */
    expect_drop(f, NET_ip_source);
}

static void frames_cut_at_any_byte_are_dropped_as_truncated(void **state)
{
    (void)state;
    struct frame all[] = {
        udp(false, 0, "data"),
        udp(false, 2, "data"),
        udp(true, 0, "data"),
        udp(true, 2, "data"),
        arp(0),
        arp(2),
        echo(false, 0, false),
        echo(false, 1, false),
        echo(true, 0, false),
        echo(true, 1, false),
        solicitation(0, true, source_option, 8),
        solicitation(2, false, source_option, 8),
        probe6(true),
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        assert_int_not_equal(run(&(struct frame){0}, 0).action, NET_DELIVER);
        struct frame whole = all[i];
        assert_int_not_equal(run(&whole, 0).action, NET_DROP);
        for (uint32_t len = 0; len < all[i].len; len++) {
            struct frame f = all[i];
            f.len = len;
            expect_drop(f, NET_truncated);
        }
    }
}

/* The same with an IP length that follows the cut: the layers inside must notice. */
static void packets_cut_inside_the_upper_layer_are_dropped(void **state)
{
    (void)state;
    struct frame all[] = {udp(false, 0, "data"), udp(true, 1, "data"), echo(false, 0, false),
                          echo(true, 0, false), solicitation(0, true, source_option, 8)};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        for (uint32_t len = 0; len < all[i].len - all[i].l4; len++) {
            struct frame f = all[i];
            f.len = f.l4 + len;
            put16(ip(&f) + (f.ipv6 ? 4 : 2), f.ipv6 ? len : 20 + len);
            if (!f.ipv6) {
                put16(ip(&f) + 10, 0);
                put16(ip(&f) + 10, fold(add(0, ip(&f), 20)));
            }
            assert_int_equal(run(&f, 0).action, NET_DROP);
            assert_int_equal(run(&f, NET_L4_CHECKED | NET_TAILROOM).action, NET_DROP);
        }
    }
}

static void an_answer_is_never_answered(void **state)
{
    (void)state;
    struct frame all[] = {arp(0), echo(false, 0, false), echo(true, 0, false),
                          solicitation(0, true, source_option, 8), probe6(true)};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct frame f = all[i];
        memcpy(f.bytes + 6, our_mac, 6); /* a forged source: the answer comes back to us */
        assert_int_equal(run(&f, 0).action, NET_REPLY);
        assert_int_equal(run(&f, 0).action, NET_DROP);
    }
}

static void every_reason_has_been_met_and_has_a_name(void **state)
{
    (void)state;
    for (unsigned i = NET_none + 1; i < NET_REASON_COUNT; i++)
        if (i != NET_segmented && !seen[i]) /* that one is the port's to give */
            fail_msg("no frame was dropped as %s", net_reason_name(i));
    assert_string_equal(net_reason_name(NET_udp_port), "udp_port");
    assert_string_equal(net_reason_help(NET_none), "not dropped");
    assert_string_equal(net_reason_name(NET_REASON_COUNT), "unknown");
    assert_string_equal(net_reason_help(UINT32_MAX), "unknown");
}

static int set_up(void **state)
{
    (void)state;
    uint8_t *pages =
        mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(udp_is_delivered_under_any_tags_and_over_both_versions),
        cmocka_unit_test(padding_and_trailers_are_not_payload),
        cmocka_unit_test(ipv4_options_are_stepped_over_but_source_routes_are_not_followed),
        cmocka_unit_test(link_destination_and_tags_decide_first),
        cmocka_unit_test(multicast_and_broadcast_carry_no_datagram),
        cmocka_unit_test(ip_headers_that_lie_are_dropped),
        cmocka_unit_test(other_addresses_are_not_ours),
        cmocka_unit_test(impossible_sources_are_dropped),
        cmocka_unit_test(fragments_and_extension_headers_are_dropped),
        cmocka_unit_test(udp_length_checksum_port_and_size_are_checked),
        cmocka_unit_test(a_checksum_that_comes_out_as_zero_is_sent_as_ffff_and_passes),
        cmocka_unit_test(any_flipped_bit_behind_the_link_header_drops_an_ipv4_datagram),
        cmocka_unit_test(arp_requests_for_our_addresses_are_answered),
        cmocka_unit_test(padding_of_an_arp_request_comes_back_zeroed),
        cmocka_unit_test(other_arp_is_dropped),
        cmocka_unit_test(echo_requests_are_answered),
        cmocka_unit_test(an_echo_with_ip_options_is_answered_with_no_ops),
        cmocka_unit_test(other_icmp_is_dropped),
        cmocka_unit_test(solicitations_for_our_addresses_are_answered),
        cmocka_unit_test(a_solicitation_without_option_is_answered_as_far_as_room_allows),
        cmocka_unit_test(duplicate_address_detection_is_answered_to_all_nodes),
        cmocka_unit_test(malformed_solicitations_are_dropped),
        cmocka_unit_test(frames_cut_at_any_byte_are_dropped_as_truncated),
        cmocka_unit_test(packets_cut_inside_the_upper_layer_are_dropped),
        cmocka_unit_test(an_answer_is_never_answered),
        cmocka_unit_test(every_reason_has_been_met_and_has_a_name),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
