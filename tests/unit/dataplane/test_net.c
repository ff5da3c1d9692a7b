/* test_net.c - what is delivered, and that every other frame is dropped under its reason with
 * nothing read past its end. */
#include "tests/unit/dataplane/frames.h"

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

static void tcp_is_a_segment_under_any_tags_and_over_both_versions(void **state)
{
    (void)state;
    for (unsigned tags = 0; tags <= 2; tags++) {
        for (int ipv6 = 0; ipv6 <= 1; ipv6++) {
            struct frame f = tcp(ipv6, tags, "data");
            uint32_t len = f.len;
            put(&f, "\0\0\0\0\0\0", 6); /* padding */
            struct net_verdict v = run(&f, 0);
            assert_int_equal(v.action, NET_TCP);
            assert_int_equal(v.link_len, 14 + 4 * tags);
            assert_int_equal(v.payload_off, 14 + 4 * tags + (ipv6 ? 40 : 20));
            assert_int_equal(v.payload_len, 24);
            assert_int_equal(v.frame_len, len);
        }
    }
    struct frame f = tcp(false, 0, "data");
    l4(&f)[16] ^= 1; /* the checksum is tcp's to verify */
    assert_int_equal(run(&f, 0).action, NET_TCP);
}

static void tcp_without_a_listener_is_dropped(void **state)
{
    (void)state;
    for (int ipv6 = 0; ipv6 <= 1; ipv6++) {
        net.tcp_port = 0;
        expect_drop(tcp(ipv6, 0, "data"), NET_protocol);
        net.tcp_port = TCP_PORT;
    }
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

static void an_ipv4_option_cut_by_the_end_of_the_frame_is_not_read_on(void **state)
{
    (void)state;
    struct frame f = udp(false, 0, "");
    memcpy(ip(&f) + 20, (uint8_t[]){1, 1, 1, 7}, 4);
    ip(&f)[0] = 0x46;
    ip(&f)[3] = 24;
    f.len = f.l3 + 24;
    f.l4 = f.len;
    put16(ip(&f) + 10, 0);
    put16(ip(&f) + 10, fold(add(0, ip(&f), 24)));
    expect_drop(f, NET_ip_header);
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
    f = solicitation(0, true, source_option, 8);
    memcpy(f.bytes, broadcast_mac, 6);
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
                 {7, NET_protocol},     {1, NET_protocol}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        f = udp(true, 0, "x");
        ip(&f)[6] = cases[i].next;
        expect_drop(f, cases[i].reason);
    }
    f = udp(false, 0, "x");
    set(&f, ip(&f) + 9, 132); /* SCTP */
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
        tcp(false, 1, "data"),
        tcp(true, 0, "data"),
        quote(false, 0, 3, 4),
        quote(true, 1, 2, 0),
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
            sum(&f);
            bool is_echo = f.ipv6 ? l4(&f)[0] == 128 : l4(&f)[0] == 8;
            bool is_whole = (is_echo && len >= 8) || (l4(&f)[0] == 135 && len == 24);
            unsigned action = is_whole ? NET_REPLY : NET_DROP;
            struct frame again = f;
            assert_int_equal(run(&f, NET_TAILROOM).action, action);
            assert_int_equal(run(&again, NET_L4_CHECKED | NET_TAILROOM).action, action);
        }
    }
}

static void every_reason_has_been_met_and_has_a_name(void **state)
{
    (void)state;
    seen[NET_segmented] = true;                     /* the port's to give */
    seen[NET_arp] = seen[NET_icmp_checksum] = true; /* test_net_reply's */
    for (unsigned i = NET_none + 1; i < NET_REASON_COUNT; i++)
        if (!seen[i])
            fail_msg("no frame was dropped as %s", net_reason_name(i));
    assert_string_equal(net_reason_name(NET_udp_port), "udp_port");
    assert_string_equal(net_reason_help(NET_none), "not dropped");
    assert_string_equal(net_reason_name(NET_REASON_COUNT), "unknown");
    assert_string_equal(net_reason_help(UINT32_MAX), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(udp_is_delivered_under_any_tags_and_over_both_versions),
        cmocka_unit_test(tcp_is_a_segment_under_any_tags_and_over_both_versions),
        cmocka_unit_test(tcp_without_a_listener_is_dropped),
        cmocka_unit_test(padding_and_trailers_are_not_payload),
        cmocka_unit_test(ipv4_options_are_stepped_over_but_source_routes_are_not_followed),
        cmocka_unit_test(an_ipv4_option_cut_by_the_end_of_the_frame_is_not_read_on),
        cmocka_unit_test(link_destination_and_tags_decide_first),
        cmocka_unit_test(multicast_and_broadcast_carry_no_datagram),
        cmocka_unit_test(ip_headers_that_lie_are_dropped),
        cmocka_unit_test(other_addresses_are_not_ours),
        cmocka_unit_test(impossible_sources_are_dropped),
        cmocka_unit_test(fragments_and_extension_headers_are_dropped),
        cmocka_unit_test(udp_length_checksum_port_and_size_are_checked),
        cmocka_unit_test(a_checksum_that_comes_out_as_zero_is_sent_as_ffff_and_passes),
        cmocka_unit_test(any_flipped_bit_behind_the_link_header_drops_an_ipv4_datagram),
        cmocka_unit_test(frames_cut_at_any_byte_are_dropped_as_truncated),
        cmocka_unit_test(packets_cut_inside_the_upper_layer_are_dropped),
        cmocka_unit_test(every_reason_has_been_met_and_has_a_name),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
