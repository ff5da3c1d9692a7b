/* test_port_checksum.c - what a frame that is left to the port looks like after the port has made
 * its checksum: held against DPDK's own software for drivers, and against the frame that is summed
 * here. */
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_net.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/port_checksum.h"
#include "dataplane/tcp_segment.h"

enum { PAYLOAD_MAX = 101, ROOM = 256 };

static const uint8_t ours[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
static const uint8_t peers[16] = {0x20, 1, 0xd, 0xb8, [15] = 2};

/* A frame as tcp makes it, its checksum left out or not, in an mbuf that needs no pool. */
struct sent {
    struct rte_mbuf mbuf;
    struct packet packet;
    uint8_t frame[ROOM];
};

static void make(struct sent *sent, uint8_t family, uint32_t link_len, uint32_t payload,
                 bool offload)
{
    uint8_t link[22] = {[12] = 0x81};
    struct tcp_packet packet = {
        .link = link,
        .link_len = (uint8_t)link_len,
        .family = family,
        .src = ours,
        .dst = peers,
        .src_port = 8080,
        .dst_port = 40000,
        .seq = 0x01020304,
        .ack = 0x05060708,
        .flags = 0x18,
        .window = 4711,
    };
    memset(sent, 0, sizeof *sent);
    tcp_option_timestamp(&packet, 7, 9);
    uint32_t payload_at = link_len + (family == 4 ? 20 : 40) + 20 + packet.options_len;
    for (uint32_t i = 0; i < payload; i++)
        sent->frame[payload_at + i] = (uint8_t)(i * 37 + 11);
    uint32_t len = tcp_packet_encode(sent->frame, &packet, payload, offload);
    assert_int_equal(len, payload_at + payload);
    sent->mbuf.buf_addr = sent->frame;
    sent->mbuf.nb_segs = 1;
    sent->mbuf.data_len = (uint16_t)len;
    sent->mbuf.pkt_len = len;
    sent->packet.frame = sent->frame;
    sent->packet.len = len;
    sent->packet.unsummed = offload ? (uint8_t)link_len : 0;
}

/* What a port does: the sum of all behind the IP header, with what stands in the field, goes
 * there. */
static void port_sums(struct sent *sent)
{
    uint16_t sum = 0, at = (uint16_t)(sent->mbuf.l2_len + sent->mbuf.l3_len);
    assert_int_equal(rte_raw_cksum_mbuf(&sent->mbuf, at, sent->mbuf.pkt_len - at, &sum), 0);
    sum = (uint16_t)~sum;
    memcpy(sent->frame + at + 16, &sum, sizeof sum);
}

static void for_all(void (*check)(uint8_t family, uint32_t link_len, uint32_t payload))
{
    for (uint32_t link_len = 14; link_len <= 22; link_len += 4)
        for (uint32_t payload = 0; payload <= PAYLOAD_MAX; payload++) {
            check(4, link_len, payload);
            check(6, link_len, payload);
        }
}

static void check_port(uint8_t family, uint32_t link_len, uint32_t payload)
{
    struct sent whole, left;
    uint8_t before[ROOM];
    make(&whole, family, link_len, payload, false);
    make(&left, family, link_len, payload, true);
    port_checksum_ask(&left.mbuf, &left.packet);
    assert_int_equal(left.mbuf.l2_len, link_len);
    assert_int_equal(left.mbuf.l3_len, family == 4 ? 20 : 40);
    assert_int_equal(left.mbuf.l4_len, 32);
    assert_int_equal(left.mbuf.ol_flags,
                     RTE_MBUF_F_TX_TCP_CKSUM |
                         (family == 4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6));
    assert_int_equal(rte_validate_tx_offload(&left.mbuf), 0);
    /* What drivers prepare is what stands there already. */
    memcpy(before, left.frame, ROOM);
    assert_int_equal(rte_net_intel_cksum_prepare(&left.mbuf), 0);
    assert_memory_equal(left.frame, before, ROOM);
    assert_memory_not_equal(left.frame, whole.frame, ROOM);
    port_sums(&left);
    assert_memory_equal(left.frame, whole.frame, ROOM);
}

static void a_port_makes_the_checksum_that_is_made_here(void **state)
{
    (void)state;
    for_all(check_port);
}

static void check_refused(uint8_t family, uint32_t link_len, uint32_t payload)
{
    struct sent whole, left;
    make(&whole, family, link_len, payload, false);
    make(&left, family, link_len, payload, true);
    port_checksum_ask(&left.mbuf, &left.packet);
    port_checksum_make(&left.mbuf);
    assert_memory_equal(left.frame, whole.frame, ROOM);
    assert_int_equal(left.mbuf.ol_flags & RTE_MBUF_F_TX_L4_MASK, 0);
    port_checksum_make(&left.mbuf); /* nothing is asked for any more */
    assert_memory_equal(left.frame, whole.frame, ROOM);
}

static void what_a_driver_refuses_is_made_here(void **state)
{
    (void)state;
    for_all(check_refused);
}

/* A driver that takes fewer frames than it has summed, as net_vhost, gets the rest again. */
static void a_frame_that_was_summed_and_not_taken_is_not_summed_again(void **state)
{
    (void)state;
    struct sent sent;
    make(&sent, 4, 14, 33, true);
    port_checksum_ask(&sent.mbuf, &sent.packet);
    port_checksum_keep(&sent.mbuf, &sent.packet);
    assert_int_equal(sent.packet.unsummed, 14); /* it was not */
    port_sums(&sent);
    sent.mbuf.ol_flags &= ~RTE_MBUF_F_TX_L4_MASK;
    port_checksum_keep(&sent.mbuf, &sent.packet);
    assert_int_equal(sent.packet.unsummed, 0);
    port_checksum_ask(&sent.mbuf, &sent.packet);
    assert_int_equal(sent.mbuf.ol_flags, 0);
}

static void a_frame_that_is_whole_asks_for_nothing(void **state)
{
    (void)state;
    struct sent sent;
    make(&sent, 4, 14, 33, false);
    sent.mbuf.ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_TX_TCP_CKSUM;
    sent.mbuf.l2_len = 14;
    port_checksum_ask(&sent.mbuf, &sent.packet);
    assert_int_equal(sent.mbuf.ol_flags, 0);
    assert_int_equal(sent.mbuf.tx_offload, 0);
}

static void a_port_is_asked_for_what_it_can_and_no_more(void **state)
{
    (void)state;
    uint64_t all = UINT64_MAX;
    struct port_checksums c = port_checksums_of(all, all, true);
    assert_int_equal(c.receive, RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM |
                                    RTE_ETH_RX_OFFLOAD_TCP_CKSUM);
    assert_int_equal(c.send, RTE_ETH_TX_OFFLOAD_TCP_CKSUM);
    c = port_checksums_of(all, all, false);
    assert_int_equal(c.receive, RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM);
    assert_int_equal(c.send, 0);
    c = port_checksums_of(RTE_ETH_RX_OFFLOAD_TCP_CKSUM, RTE_ETH_TX_OFFLOAD_UDP_CKSUM, true);
    assert_int_equal(c.receive, RTE_ETH_RX_OFFLOAD_TCP_CKSUM);
    assert_int_equal(c.send, 0);
}

static void a_sum_that_is_not_made_yet_is_a_good_one(void **state)
{
    (void)state;
    static const struct {
        uint64_t flags;
        unsigned checked;
    } cases[] = {
        {0, 0},
        {RTE_MBUF_F_RX_IP_CKSUM_GOOD, NET_IP_CHECKED},
        {RTE_MBUF_F_RX_IP_CKSUM_BAD, 0},
        {RTE_MBUF_F_RX_L4_CKSUM_GOOD, NET_L4_CHECKED},
        {RTE_MBUF_F_RX_L4_CKSUM_NONE, NET_L4_CHECKED},
        {RTE_MBUF_F_RX_L4_CKSUM_BAD, 0},
        {RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_NONE,
         NET_IP_CHECKED | NET_L4_CHECKED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(port_checksum_received(cases[i].flags), cases[i].checked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_port_makes_the_checksum_that_is_made_here),
        cmocka_unit_test(what_a_driver_refuses_is_made_here),
        cmocka_unit_test(a_frame_that_was_summed_and_not_taken_is_not_summed_again),
        cmocka_unit_test(a_frame_that_is_whole_asks_for_nothing),
        cmocka_unit_test(a_port_is_asked_for_what_it_can_and_no_more),
        cmocka_unit_test(a_sum_that_is_not_made_yet_is_a_good_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
