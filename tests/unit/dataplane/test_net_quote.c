/* test_net_quote.c - ICMP errors: those about segments that we may have sent come through with what
 * they quote, all others are dropped. */
#include "tests/unit/dataplane/frames.h"

static void errors_about_our_segments_come_through_with_what_they_quote(void **state)
{
    (void)state;
    static const struct {
        bool ipv6;
        uint8_t type, code;
    } cases[] = {{false, 3, 0}, {false, 3, 4}, {false, 3, 13}, {false, 11, 0}, {false, 12, 0},
                 {true, 1, 0},  {true, 1, 4},  {true, 2, 0},   {true, 3, 1},   {true, 4, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool ipv6 = cases[i].ipv6;
        for (unsigned tags = 0; tags <= 2; tags++) {
            struct frame f = quote(ipv6, tags, cases[i].type, cases[i].code);
            struct net_verdict v = run(&f, 0);
            struct net_quote q;
            assert_int_equal(v.action, NET_TCP_ERROR);
            assert_int_equal(v.link_len, 14 + 4 * tags);
            assert_int_equal(v.payload_off, f.l4);
            net_quote(f.bytes, &v, &q);
            assert_int_equal(q.type, cases[i].type);
            assert_int_equal(q.code, cases[i].code);
            assert_int_equal(q.family, ipv6 ? 6 : 4);
            assert_int_equal(q.rest, 1300);
            assert_memory_equal(q.src, ipv6 ? our6 : our4, ipv6 ? 16 : 4);
            assert_memory_equal(q.dst, ipv6 ? peer6 : peer4, ipv6 ? 16 : 4);
            assert_memory_equal(q.tcp, "\x1f\x90\xd4\x31\1\2\3\4", 8);
            assert_int_equal(q.tcp_len, 8);
        }
    }
}

static void messages_that_are_no_errors_are_dropped(void **state)
{
    (void)state;
    static const uint8_t types4[] = {0, 4, 5, 9, 10, 13, 255}, types6[] = {0, 5, 100, 134, 137};
    for (size_t i = 0; i < sizeof types4; i++)
        expect_drop(quote(false, 0, types4[i], 0), NET_icmp);
    for (size_t i = 0; i < sizeof types6; i++)
        expect_drop(quote(true, 0, types6[i], 0), NET_icmp);
}

/* One byte of the quoted packet is changed: it is not one that we have sent. */
static void what_we_cannot_have_sent_is_dropped(void **state)
{
    (void)state;
    static const struct {
        bool ipv6;
        uint8_t at, value; /* of the quoted packet */
    } cases[] = {
        {false, 0, 0x65}, {false, 0, 0x44}, {false, 0, 0x4f}, {false, 7, 1},  {false, 6, 0x1f},
        {false, 9, 17},   {false, 15, 2},   {false, 20, 0},   {false, 21, 0}, {true, 0, 0x40},
        {true, 6, 17},    {true, 23, 0},    {true, 40, 0},    {true, 41, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct frame f = quote(cases[i].ipv6, 0, 3, 0);
        set(&f, l4(&f) + 8 + cases[i].at, cases[i].value);
        expect_drop(f, NET_icmp);
    }
    struct frame f = quote(false, 0, 3, 0);
    set(&f, l4(&f) + 8 + 6, 0x20); /* the first fragment quotes what the whole would */
    assert_int_equal(run(&f, 0).action, NET_TCP_ERROR);
}

static void a_quote_that_is_too_short_is_dropped(void **state)
{
    (void)state;
    for (int ipv6 = 0; ipv6 <= 1; ipv6++) {
        struct frame whole = quote(ipv6, 0, 3, 0);
        for (uint32_t len = 8; len < whole.len - whole.l4; len++) {
            struct frame f = whole;
            f.len = f.l4 + len;
            put16(ip(&f) + (ipv6 ? 4 : 2), ipv6 ? len : 20 + len);
            sum(&f);
            expect_drop(f, NET_icmp);
        }
    }
}

static void checksums_count_and_without_a_listener_nothing_is_ours(void **state)
{
    (void)state;
    for (int ipv6 = 0; ipv6 <= 1; ipv6++) {
        struct frame f = quote(ipv6, 0, 3, 0);
        l4(&f)[2] ^= 1;
        expect_drop(f, NET_icmp_checksum);
        assert_int_equal(run(&f, NET_L4_CHECKED).action, NET_DROP);
        net.tcp_port = 0;
        expect_drop(quote(ipv6, 0, 3, 0), NET_icmp);
        net.tcp_port = TCP_PORT;
    }
    struct frame f = quote(true, 0, 3, 0);
    memcpy(f.bytes, all_nodes_mac, 6);
    edit(&f, ip(&f) + 24, all_nodes, 16);
    expect_drop(f, NET_icmp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_about_our_segments_come_through_with_what_they_quote),
        cmocka_unit_test(messages_that_are_no_errors_are_dropped),
        cmocka_unit_test(what_we_cannot_have_sent_is_dropped),
        cmocka_unit_test(a_quote_that_is_too_short_is_dropped),
        cmocka_unit_test(checksums_count_and_without_a_listener_nothing_is_ours),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
