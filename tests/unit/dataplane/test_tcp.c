/* test_tcp.c - how connections begin, as a peer sees them. */
#include "dataplane/tcp_impl.h"
#include "tests/unit/dataplane/tcp_kit.h"

static void a_connection_opens_echoes_and_closes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct kit *kit = kit_new();
        kit->mode = APP_ECHO | APP_CLOSE_AT_END;
        struct peer p = i % 2 ? peer6(kit, 4000) : peer4(kit, 4000);
        p.tags = i / 2;
        connect_peer(&p);
        expect_nothing(&p);
        tell(&p, ACK | PSH, "hello", 5);
        poll(kit);
        struct seen s = expect(&p, ACK | PSH, 5);
        assert_memory_equal(s.payload, "hello", 5);
        assert_int_equal(s.seq, p.ack);
        assert_int_equal(s.ack, p.seq);
        p.ack += 5;
        tell(&p, ACK | FIN, NULL, 0);
        assert_true(kit->last.ended);
        poll(kit);
        s = expect(&p, ACK | FIN, 0);
        assert_int_equal(s.ack, p.seq);
        p.ack++;
        tell(&p, ACK, NULL, 0);
        poll(kit);
        assert_true(kit->last.closed);
        assert_int_equal(kit->last.why, TCP_END_done);
        expect_nothing(&p);
        assert_int_equal(counters(kit)->connections, 0);
        assert_int_equal(counters(kit)->chunks, 0);
        kit_free(kit);
    }
}

static void a_syn_is_answered_with_what_it_offered(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        struct kit *kit = kit_new();
        struct peer p = i & 8 ? peer6(kit, 4000) : peer4(kit, 4000);
        p.ts = i & 1;
        p.sack = i & 2;
        p.wscale = i & 4 ? 7 : -1;
        tell(&p, SYN, NULL, 0);
        struct seen s = expect(&p, SYN | ACK, 0);
        assert_int_equal(s.mss, i & 8 ? 1440 : 1460);
        assert_int_equal(s.has_ts, p.ts);
        assert_true(!p.ts || s.ts_echo == p.ts_value);
        assert_int_equal(s.sack_ok, p.sack);
        assert_int_equal(s.wscale, p.wscale < 0 ? -1 : 7);
        assert_int_equal(s.window, 65535);
        assert_int_equal(counters(kit)->connections, 0);
        assert_int_equal(counters(kit)->chunks, 0);
        kit_free(kit);
    }
}

/* What the cookie carried shows in the first segment of data: its length, and the window that it
 * keeps within. */
static void the_cookie_carries_the_offer(void **state)
{
    (void)state;
    static const struct {
        int mss, wscale;
        uint32_t full, scaled;
    } cases[] = {
        {1460, -1, 1460, 4}, {1460, 0, 1460, 4},   {1459, 2, 1400, 16}, {1220, 7, 1220, 512},
        {536, 8, 536, 1024}, {100, 10, 536, 4096}, {0, 14, 536, 4096},  {9000, 1, 1460, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kit *kit = kit_new();
        struct peer p = peer4(kit, 4000);
        p.mss = cases[i].mss;
        p.wscale = cases[i].wscale;
        connect_peer(&p);
        static const uint8_t bytes[20000];
        tcp_send(kit->tcp, kit->last.conn, bytes, sizeof bytes);
        poll(kit);
        struct seen s = expect(&p, ACK, cases[i].full);
        while (hear(&p, &s))
            ;
        kit_free(kit);

        kit = kit_new();
        p.kit = kit;
        p.window = 4;
        connect_peer(&p);
        tcp_send(kit->tcp, kit->last.conn, bytes, cases[i].scaled);
        poll(kit);
        uint32_t got = 0;
        while (hear(&p, &s))
            got += s.len;
        assert_int_equal(got, cases[i].scaled);
        tcp_send(kit->tcp, kit->last.conn, bytes, 1);
        poll(kit);
        expect_nothing(&p);
        kit_free(kit);
    }
}

static void a_cookie_is_right_for_two_slots_of_time(void **state)
{
    (void)state;
    for (unsigned with_ts = 0; with_ts < 2; with_ts++) {
        for (unsigned s = 0; s < 300; s += 20) {
            struct kit *kit = kit_new();
            struct peer p = peer4(kit, 4000);
            p.ts = with_ts;
            kit->now_ns += s * 1000 * MS;
            tell(&p, SYN, NULL, 0);
            p.ack = expect(&p, SYN | ACK, 0).seq + 1;
            kit->now_ns += 63900 * MS; /* at most one slot further */
            tell(&p, ACK, NULL, 0);
            assert_int_equal(kit->opened, 1);
            kit_free(kit);

            kit = kit_new();
            p.kit = kit;
            kit->now_ns += s * 1000 * MS;
            tell(&p, SYN, NULL, 0);
            p.ack = expect(&p, SYN | ACK, 0).seq + 1;
            kit->now_ns += 128100 * MS; /* at least two */
            tell(&p, ACK, NULL, 0);
            assert_int_equal(kit->opened, 0);
            struct seen r;
            assert_true(!hear(&p, &r) || r.flags == RST);
            kit_free(kit);
        }
    }
}

static void a_wrong_cookie_is_reset(void **state)
{
    (void)state;
    unsigned opened = 0;
    struct kit *kit = kit_new();
    for (unsigned i = 0; i < 3000; i++) {
        struct peer p = peer4(kit, (uint16_t)(4000 + i % 7));
        tell(&p, SYN, NULL, 0);
        p.ack = expect(&p, SYN | ACK, 0).seq + 1;
        p.ack ^= 1u << i % 26; /* of the 26 bits, any */
        uint32_t ack = p.ack;
        tell(&p, ACK, NULL, 0);
        struct seen s;
        if (hear(&p, &s)) {
            assert_int_equal(s.flags, RST);
            assert_int_equal(s.seq, ack);
        }
        opened += kit->opened;
    }
    assert_int_equal(opened, 0);
    assert_int_equal(dropped(kit, TCP_REASON_stray) + dropped(kit, TCP_REASON_early), 3000);
    assert_true(dropped(kit, TCP_REASON_early) > 2000); /* the 22 bits that bind the sequence */
    kit_free(kit);
}

/* A segment that overtook the one that completes the handshake: a reset would end what begins. */
static void a_segment_that_is_early_is_not_reset(void **state)
{
    (void)state;
    for (unsigned with_ts = 0; with_ts < 2; with_ts++) {
        struct kit *kit = kit_new();
        struct peer p = peer4(kit, 4000);
        p.ts = with_ts;
        tell(&p, SYN, NULL, 0);
        p.ack = expect(&p, SYN | ACK, 0).seq + 1;
        say(&p, ACK, p.seq + 3, p.ack, "def", 3);
        expect_nothing(&p);
        assert_int_equal(dropped(kit, TCP_REASON_early), 1);
        say(&p, ACK, p.seq, p.ack, "abc", 3);
        assert_int_equal(kit->opened, 1);
        assert_int_equal(kit->last.received, 3);
        kit_free(kit);
    }
}

static void data_may_come_with_the_cookie(void **state)
{
    (void)state;
    struct kit *kit = kit_new();
    kit->mode = APP_ECHO;
    struct peer p = peer4(kit, 4000);
    tell(&p, SYN, NULL, 0);
    p.ack = expect(&p, SYN | ACK, 0).seq + 1;
    tell(&p, ACK | PSH | FIN, "GET", 3);
    assert_true(kit->last.ended);
    poll(kit);
    assert_memory_equal(expect(&p, ACK | PSH, 3).payload, "GET", 3);
    kit_free(kit);
}

static void what_belongs_to_nothing_is_reset_or_ignored(void **state)
{
    (void)state;
    struct kit *kit = kit_new();
    struct peer p = peer4(kit, 4000);
    say(&p, RST, 1, 0, NULL, 0);
    say(&p, RST | ACK, 1, 5, NULL, 0);
    expect_nothing(&p);
    assert_int_equal(dropped(kit, TCP_REASON_stray_reset), 2);
    say(&p, SYN | ACK, 1, 77, NULL, 0);
    struct seen s = expect(&p, RST, 0);
    assert_int_equal(s.seq, 77);
    kit->wiring.port = KIT_PORT;
    assert_int_equal(counters(kit)->resets_out, 1);
    kit_free(kit);

    kit = kit_make(); /* another port */
    kit->wiring.port = 1234;
    kit_start(kit);
    p.kit = kit;
    say(&p, SYN, 41, 0, "x", 1);
    s = expect(&p, RST | ACK, 0);
    assert_int_equal(s.ack, 43);
    assert_int_equal(s.seq, 0);
    say(&p, RST, 41, 0, NULL, 0);
    expect_nothing(&p);
    assert_int_equal(dropped(kit, TCP_REASON_closed_port), 2);
    kit_free(kit);
}

static void malformed_segments_are_dropped_under_their_reasons(void **state)
{
    (void)state;
    struct kit *kit = kit_new();
    struct peer p = peer4(kit, 4000);
    static const uint8_t flags[] = {0,         FIN,       URG,       PSH,       SYN | FIN,
                                    SYN | RST, SYN | URG, FIN | URG, RST | FIN, FIN | PSH | URG};
    for (size_t i = 0; i < sizeof flags; i++)
        say(&p, flags[i], 1, 1, NULL, 0);
    assert_int_equal(dropped(kit, TCP_REASON_flags), sizeof flags);
    static const uint8_t options[][8] = {
        {2, 0, 1, 1}, {2, 1, 1, 1}, {2, 3, 1, 1}, {2, 5, 1, 1},   {3, 2, 1, 1},
        {3, 4, 1, 1}, {4, 3, 1, 1}, {5, 2, 1, 1}, {5, 5, 1, 1},   {5, 12, 1, 1},
        {8, 9, 1, 1}, {8, 4, 1, 1}, {1, 1, 1, 9}, {254, 0, 1, 1},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        p.options = options[i];
        p.options_len = 4;
        say(&p, SYN, 1, 0, NULL, 0);
    }
    assert_int_equal(dropped(kit, TCP_REASON_options), sizeof options / sizeof *options);
    p.options = NULL;
    p.bad_checksum = true;
    say(&p, SYN, 1, 0, NULL, 0);
    assert_int_equal(dropped(kit, TCP_REASON_checksum), 1);
    p.checked = true; /* the port says that it is right */
    say(&p, SYN, 1, 0, NULL, 0);
    assert_int_equal(dropped(kit, TCP_REASON_checksum), 1);
    expect(&p, SYN | ACK, 0);
    p.port = 0;
    say(&p, SYN, 1, 0, NULL, 0);
    assert_int_equal(dropped(kit, TCP_REASON_port), 1);
    uint8_t bytes[20] = {0, 1, 0, 2, [12] = 0x50, [13] = SYN};
    for (uint32_t len = 0; len < 20; len++)
        send_raw(&p, bytes, len);
    bytes[12] = 0x40;
    send_raw(&p, bytes, 20);
    bytes[12] = 0x60;
    send_raw(&p, bytes, 20);
    assert_int_equal(dropped(kit, TCP_REASON_header), 22);
    expect_nothing(&p);
    kit_free(kit);
}

static void options_that_mean_nothing_here_are_stepped_over(void **state)
{
    (void)state;
    struct kit *kit = kit_new();
    struct peer p = peer4(kit, 4000);
    static const uint8_t options[] = {254, 4, 1, 2, 30, 2, 1, 3, 3, 77, 0, 9};
    p.options = options;
    p.options_len = sizeof options;
    say(&p, SYN, 1, 0, NULL, 0);
    assert_int_equal(expect(&p, SYN | ACK, 0).wscale, 7); /* 77 counts as 14 */
    kit_free(kit);
}

static void the_application_may_refuse(void **state)
{
    (void)state;
    struct kit *kit = kit_new();
    struct peer p = peer4(kit, 4000);
    kit->refuse = true;
    connect_peer(&p);
    expect(&p, RST | ACK, 0);
    assert_int_equal(counters(kit)->ended[TCP_END_refused], 1);
    assert_int_equal(kit->closed, 0);
    assert_int_equal(counters(kit)->connections, 0);
    kit_free(kit);
}

static void connections_are_limited_in_all_and_per_prefix(void **state)
{
    (void)state;
    struct kit *kit = kit_make();
    kit->wiring.settings.per_prefix = 3;
    kit->wiring.limits.connections = 5;
    kit_start(kit);
    for (unsigned i = 0; i < 8; i++) { /* one /24 */
        struct peer p = peer4(kit, (uint16_t)(4000 + i));
        p.addr[3] = (uint8_t)(10 + i);
        tell(&p, SYN, NULL, 0);
        p.ack = expect(&p, SYN | ACK, 0).seq + 1;
        tell(&p, ACK, NULL, 0);
        if (i >= 3)
            expect(&p, RST, 0);
        expect_nothing(&p);
    }
    assert_int_equal(kit->opened, 3);
    assert_int_equal(dropped(kit, TCP_REASON_prefix), 5);
    struct peer p[3];
    for (unsigned i = 0; i < 3; i++) { /* others still can, up to the limit of all */
        p[i] = i ? peer6(kit, (uint16_t)(5000 + i)) : peer4(kit, 5000);
        p[i].addr[i ? 7 : 2] = (uint8_t)(77 + i); /* prefixes of their own */
        tell(&p[i], SYN, NULL, 0);
        p[i].ack = expect(&p[i], SYN | ACK, 0).seq + 1;
        tell(&p[i], ACK, NULL, 0);
        if (i == 2)
            expect(&p[i], RST, 0);
    }
    assert_int_equal(kit->opened, 5);
    assert_int_equal(dropped(kit, TCP_REASON_connections), 1);
    tell(&p[0], RST, NULL, 0); /* one leaves, one may come */
    poll(kit);
    p[2].seq -= 1;
    tell(&p[2], SYN, NULL, 0);
    p[2].ack = expect(&p[2], SYN | ACK, 0).seq + 1;
    tell(&p[2], ACK, NULL, 0);
    assert_int_equal(kit->opened, 6);
    kit_free(kit);
}

/* Whoever knew the key could make them all meet in one chain. */
static void a_chain_too_long_is_refused(void **state)
{
    (void)state;
    struct kit *kit = kit_new();
    struct peer p = peer4(kit, 4000);
    struct tcp_tuple tuple;
    tcp_tuple_init(&tuple, kit->tcp, 4, p.addr, p.ours, p.port);
    for (unsigned i = 0; i < 16; i++)
        assert_true(tcp_table_add(kit->tcp, tcp_take_conn(kit->tcp), &tuple));
    tell(&p, SYN, NULL, 0);
    p.ack = expect(&p, SYN | ACK, 0).seq + 1;
    tell(&p, ACK, NULL, 0);
    expect(&p, RST, 0);
    assert_int_equal(kit->opened, 0);
    assert_int_equal(dropped(kit, TCP_REASON_connections), 1);
    assert_int_equal(counters(kit)->connections, 16);
    kit_free(kit);
}

static void a_peer_that_names_no_segment_size_gets_the_least(void **state)
{
    (void)state;
    static const uint8_t bytes[2000];
    for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
        struct kit *kit = kit_new();
        struct peer p = ipv6 ? peer6(kit, 4000) : peer4(kit, 4000);
        p.mss = 0;
        connect_peer(&p);
        tcp_send(kit->tcp, kit->last.conn, bytes, sizeof bytes);
        poll(kit);
        expect(&p, ACK, ipv6 ? 1220 : 536);
        kit_free(kit);
    }
}

static void a_prefix_is_as_long_as_configured(void **state)
{
    (void)state;
    struct kit *kit = kit_make();
    kit->wiring.settings.per_prefix = 1;
    kit->wiring.settings.prefix4 = 26;
    kit_start(kit);
    static const uint8_t hosts[] = {1, 62, 65, 126, 130};
    for (size_t i = 0; i < sizeof hosts; i++) {
        struct peer p = peer4(kit, 4000);
        p.addr[3] = hosts[i];
        tell(&p, SYN, NULL, 0);
        p.ack = expect(&p, SYN | ACK, 0).seq + 1;
        tell(&p, ACK, NULL, 0);
        poll(kit);
        struct seen s;
        while (hear(&p, &s))
            ;
    }
    assert_int_equal(kit->opened, 3);
    kit_free(kit);
}

static void connections_have_numbers(void **state)
{
    (void)state;
    struct kit *kit = kit_new();
    struct peer p = peer6(kit, 4711);
    assert_null(tcp_conn_at(kit->tcp, 0));
    connect_peer(&p);
    struct tcp_conn *conn = kit->last.conn;
    uint32_t index = tcp_conn_index(kit->tcp, conn);
    assert_true(index < 64);
    assert_ptr_equal(tcp_conn_at(kit->tcp, index), conn);
    struct tcp_peer peer = tcp_conn_peer(conn);
    assert_int_equal(peer.family, 6);
    assert_int_equal(peer.port, 4711);
    assert_memory_equal(peer.addr, p.addr, 16);
    tell(&p, RST, NULL, 0);
    assert_null(tcp_conn_at(kit->tcp, index));
    kit_free(kit);
}

static void a_connection_costs_little(void **state)
{
    (void)state;
    assert_in_range(tcp_conn_bytes(), 200, 300);
    struct tcp_limits small = {.connections = 1 << 16, .time_waits = 1, .chunks = 8};
    struct tcp_limits large = {.connections = 1 << 17, .time_waits = 1, .chunks = 8};
    size_t each = (tcp_footprint(&large) - tcp_footprint(&small)) >> 16;
    assert_in_range(each, 200, tcp_conn_bytes());
}

static void names_are_there_for_all(void **state)
{
    (void)state;
    for (unsigned i = 0; i < TCP_REASON_COUNT; i++) {
        assert_string_not_equal(tcp_reason_name(i), "unknown");
        assert_true(strlen(tcp_reason_help(i)) > 10);
    }
    for (unsigned i = 0; i < TCP_END_COUNT; i++) {
        assert_string_not_equal(tcp_end_name(i), "unknown");
        assert_true(strlen(tcp_end_help(i)) > 10);
    }
    assert_string_equal(tcp_reason_name(TCP_REASON_COUNT), "unknown");
    assert_string_equal(tcp_reason_help(TCP_REASON_COUNT), "unknown");
    assert_string_equal(tcp_end_name(TCP_END_COUNT), "unknown");
    assert_string_equal(tcp_end_help(TCP_END_COUNT), "unknown");
    assert_string_equal(tcp_reason_name(TCP_REASON_paws), "paws");
    assert_string_equal(tcp_end_name(TCP_END_done), "done");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_opens_echoes_and_closes),
        cmocka_unit_test(a_syn_is_answered_with_what_it_offered),
        cmocka_unit_test(the_cookie_carries_the_offer),
        cmocka_unit_test(a_cookie_is_right_for_two_slots_of_time),
        cmocka_unit_test(a_wrong_cookie_is_reset),
        cmocka_unit_test(a_segment_that_is_early_is_not_reset),
        cmocka_unit_test(data_may_come_with_the_cookie),
        cmocka_unit_test(what_belongs_to_nothing_is_reset_or_ignored),
        cmocka_unit_test(malformed_segments_are_dropped_under_their_reasons),
        cmocka_unit_test(options_that_mean_nothing_here_are_stepped_over),
        cmocka_unit_test(the_application_may_refuse),
        cmocka_unit_test(connections_are_limited_in_all_and_per_prefix),
        cmocka_unit_test(a_chain_too_long_is_refused),
        cmocka_unit_test(a_peer_that_names_no_segment_size_gets_the_least),
        cmocka_unit_test(a_prefix_is_as_long_as_configured),
        cmocka_unit_test(connections_have_numbers),
        cmocka_unit_test(a_connection_costs_little),
        cmocka_unit_test(names_are_there_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
