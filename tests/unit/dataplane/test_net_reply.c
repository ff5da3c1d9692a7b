/* test_net_reply.c - what ARP, ICMP and neighbour discovery are answered, byte for byte, and what
 * they are not. */
#include "tests/unit/dataplane/frames.h"

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

    f = solicitation(0, true, source_option, 8);
    edit(&f, l4(&f) + 4, "\xff\xff\xff\xff", 4); /* reserved: ignored, and not sent back */
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
    put(&unicast, "trailer", 7); /* one byte short */
    put(&multicast, "trailer", 7);
    expect_reply(unicast, 0, advertisement(peer_mac, peer6, 0x60, false));
    expect_drop(multicast, NET_icmp);
    put(&unicast, "s!", 2);
    put(&multicast, "s", 1);
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
        {14, 0, 2, 0, 0, 0, 0, 2}, /* where a careless walk would never end */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        cmocka_unit_test(an_answer_is_never_answered),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
