/* test_tcp_send.c - data to the peer: windows, segments, frames, and what the path says of them. */
#include "tests/unit/dataplane/tcp_send_kit.h"

static void a_long_answer_is_cut_into_full_segments(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, true, true);
    send_all(kit, 10000);
    uint32_t at = 0;
    for (struct seen s; hear(&p, &s); at += s.len) {
        assert_int_equal(s.seq, p.ack + at);
        assert_int_equal(s.len, at + 1448 <= 10000 ? 1448 : 10000 - at);
        assert_int_equal(s.flags, at + s.len == 10000 ? ACK | PSH : ACK);
        assert_memory_equal(s.payload, bytes + at, s.len);
    }
    assert_int_equal(at, 10000);
    assert_int_equal(tcp_conn_queued(kit->last.conn), 10000);
    acknowledge(&p, 10000);
    assert_int_equal(counters(kit)->chunks, 0);
    assert_int_equal(tcp_conn_queued(kit->last.conn), 0);
    assert_int_equal(counters(kit)->bytes_out, 10000);
    pass(kit, 5000);
    expect_nothing(&p);
    kit_free(kit);
}

static void the_first_window_is_ten_segments_and_grows(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    send_all(kit, 60000);
    assert_int_equal(hear_count(&p), 10);
    acknowledge(&p, 2 * 1460); /* slow start: one more for each acknowledgement */
    assert_int_equal(hear_count(&p), 3);
    acknowledge(&p, 2 * 1460);
    assert_int_equal(hear_count(&p), 3);
    kit_free(kit);
}

static void small_answers_leave_at_once_and_together(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    tcp_send(kit->tcp, kit->last.conn, "one", 3);
    tcp_send(kit->tcp, kit->last.conn, "two", 3);
    poll(kit);
    struct seen s = expect(&p, ACK | PSH, 6);
    assert_memory_equal(s.payload, "onetwo", 6);
    tcp_send(kit->tcp, kit->last.conn, "three", 5); /* no Nagle */
    poll(kit);
    expect(&p, ACK | PSH, 5);
    kit_free(kit);
}

static void a_small_window_is_not_filled_with_crumbs(void **state)
{
    (void)state;
    struct kit *kit = kit_new();
    struct peer p = peer4(kit, 4000);
    p.window = 8000;
    connect_peer(&p);
    send_all(kit, 20000);
    assert_int_equal(hear_count(&p), 5); /* five full ones; 700 bytes of window stay */
    p.window = 1000;
    acknowledge(&p, 5 * 1460); /* less than a segment and than half of the largest window */
    expect_nothing(&p);
    p.window = 4200;
    say(&p, ACK, p.seq, p.ack, NULL, 0);
    poll(kit);
    assert_int_equal(hear_count(&p), 2);
    kit_free(kit);
}

static void there_is_room_again_when_half_is_gone(void **state)
{
    (void)state;
    struct kit *kit = kit_make();
    kit->wiring.settings.send_bytes = 8000;
    kit_start(kit);
    struct peer p = peer4(kit, 4000);
    connect_peer(&p);
    assert_int_equal(tcp_send_room(kit->tcp, kit->last.conn), 8000);
    assert_int_equal(tcp_send(kit->tcp, kit->last.conn, bytes, 9000), 8000);
    assert_int_equal(tcp_send(kit->tcp, kit->last.conn, bytes, 1), 0);
    assert_int_equal(tcp_send_room(kit->tcp, kit->last.conn), 0);
    assert_int_equal(counters(kit)->send_full, 2);
    poll(kit);
    assert_int_equal(hear_count(&p), 6);
    acknowledge(&p, 2920);
    assert_int_equal(kit->last.writable, 0);
    acknowledge(&p, 1460);
    assert_int_equal(kit->last.writable, 1);
    acknowledge(&p, 1460);
    assert_int_equal(kit->last.writable, 1);
    kit_free(kit);
}

static void the_pool_limits_what_is_queued(void **state)
{
    (void)state;
    struct kit *kit = kit_make();
    kit->wiring.limits.chunks = 8;
    kit_start(kit);
    struct peer p = peer4(kit, 4000);
    connect_peer(&p);
    uint32_t took = tcp_send(kit->tcp, kit->last.conn, bytes, 60000);
    assert_int_equal(took, 8 * TCP_CHUNK_DATA);
    assert_int_equal(counters(kit)->chunks, 8);
    poll(kit);
    assert_int_equal(hear_count(&p), 10);
    acknowledge(&p, 14600); /* seven chunks are free again */
    assert_int_equal(counters(kit)->chunks, 1);
    assert_int_equal(kit->last.writable, 1);
    kit_free(kit);
}

static void without_a_frame_nothing_is_lost(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    kit->no_frames = 5;
    send_all(kit, 4000);
    expect_nothing(&p);
    for (unsigned i = 0; i < 4; i++)
        poll(kit);
    expect_nothing(&p);
    poll(kit);
    assert_int_equal(hear_count(&p), 3);
    assert_int_equal(counters(kit)->no_frame, 5);
    kit->no_frames = 1;
    p.ack += 4000;
    tell(&p, ACK, bytes, 1460);
    tell(&p, ACK, bytes, 1460);
    poll(kit);
    expect_nothing(&p);
    poll(kit);
    expect(&p, ACK, 0);
    kit->no_frames = 1; /* a SYN's answer is not kept: it comes again */
    say(&p, SYN, 1, 0, NULL, 0);
    poll(kit);
    poll(kit);
    kit_free(kit);
}

static void checksums_may_be_left_to_the_port(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct kit *kit = kit_make();
        kit->wiring.tx_checksum = true;
        kit_start(kit);
        struct peer p = i ? peer6(kit, 4000) : peer4(kit, 4000);
        connect_peer(&p); /* hear compares with the pseudo header's sum */
        send_all(kit, 333);
        expect(&p, ACK | PSH, 333);
        kit_free(kit);
    }
}

static void a_poll_does_no_more_than_its_budget(void **state)
{
    (void)state;
    struct kit *kit = kit_new();
    struct peer p[64];
    for (unsigned i = 0; i < 64; i++) {
        p[i] = peer4(kit, (uint16_t)(4000 + i));
        connect_peer(&p[i]);
        tcp_wake(kit->tcp, kit->last.conn, kit->now_ns + 5 * MS);
    }
    unsigned work = 0;
    kit->now_ns += 10 * MS;
    for (unsigned i = 0; i < 8; i++) {
        unsigned did = tcp_poll(kit->tcp, kit->now_ns, 8);
        assert_in_range(did, 0, 16);
        work += did;
    }
    assert_int_equal(work, 64);
    assert_int_equal(tcp_poll(kit->tcp, kit->now_ns, 8), 0);
    kit_free(kit);
}

/* icmp sends an error about a segment of ours to the peer. */
static void icmp(const struct peer *p, uint8_t type, uint8_t code, uint32_t mtu, uint32_t seq,
                 uint32_t len)
{
    uint8_t quoted[8];
    put16(quoted, KIT_PORT);
    put16(quoted + 2, p->port);
    put32(quoted + 4, seq);
    struct tcp_icmp error = {.family = p->family,
                             .type = type,
                             .code = code,
                             .mtu = mtu,
                             .src = p->ours,
                             .dst = p->addr,
                             .bytes = quoted,
                             .len = len};
    tcp_icmp(p->kit->tcp, &error, p->kit->now_ns);
}

static void a_path_that_is_too_small_lowers_the_segments(void **state)
{
    (void)state;
    static const struct {
        bool ipv6;
        uint32_t mtu, mss;
    } cases[] = {{false, 1400, 1360}, {false, 68, 536},   {false, 0, 536},
                 {true, 1400, 1340},  {true, 1280, 1220}, {true, 600, 1220}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kit *kit = kit_new();
        struct peer p = cases[i].ipv6 ? peer6(kit, 4000) : peer4(kit, 4000);
        connect_peer(&p);
        send_all(kit, 1300);
        hear_count(&p);
        uint8_t type = cases[i].ipv6 ? 2 : 3, code = cases[i].ipv6 ? 0 : 4;
        icmp(&p, type, code, cases[i].mtu, p.ack + 1300, 8); /* not under way */
        icmp(&p, type, code, cases[i].mtu, p.ack - 1, 8);
        icmp(&p, type, code, cases[i].mtu, p.ack, 7); /* too little is quoted */
        poll(kit);
        expect_nothing(&p);
        assert_int_equal(dropped(kit, TCP_REASON_icmp), 3);
        icmp(&p, type, code, cases[i].mtu, p.ack, 8);
        poll(kit);
        uint32_t len = cases[i].mss < 1300 ? cases[i].mss : 1300;
        struct seen s;
        assert_true(hear(&p, &s)); /* at once, in segments that fit */
        assert_int_equal(s.len, len);
        assert_int_equal(s.seq, p.ack);
        assert_int_equal(counters(kit)->path_mtu, 1);
        icmp(&p, type, code, 1500, p.ack, 8); /* never up again */
        assert_int_equal(counters(kit)->path_mtu, 1);
        kit_free(kit);
    }
}

static void hard_errors_are_soft_on_a_connection(void **state)
{
    (void)state;
    static const uint8_t types4[][2] = {{3, 0}, {3, 1}, {3, 2}, {3, 3}, {3, 13}, {11, 0}, {12, 0}};
    static const uint8_t types6[][2] = {{1, 0}, {1, 4}, {3, 0}, {4, 1}};
    for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
        struct kit *kit = kit_new();
        struct peer p = ipv6 ? peer6(kit, 4000) : peer4(kit, 4000);
        connect_peer(&p);
        send_all(kit, 100);
        size_t count = ipv6 ? 4 : 7;
        for (size_t i = 0; i < count; i++) {
            const uint8_t *t = ipv6 ? types6[i] : types4[i];
            icmp(&p, t[0], t[1], 0, p.ack, 8);
        }
        assert_int_equal(counters(kit)->soft_errors, count);
        for (unsigned type = 0; type < 256; type++) /* others, among them source quench */
            if (ipv6 ? type == 0 || type > 4 : type != 3 && type != 11 && type != 12)
                icmp(&p, (uint8_t)type, 0, 0, p.ack, 8);
        assert_int_equal(dropped(kit, TCP_REASON_icmp), ipv6 ? 252 : 253);
        struct peer other = p;
        other.port++;
        icmp(&other, ipv6 ? 1 : 3, 0, 0, p.ack, 8);
        assert_int_equal(dropped(kit, TCP_REASON_icmp), ipv6 ? 253 : 254);
        assert_false(kit->last.closed);
        kit_free(kit);
    }
}

static void after_a_silence_the_window_is_the_first_again(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    for (unsigned i = 0; i < 30; i++) {
        send_all(kit, 40000);
        uint32_t left = 40000;
        while (left) {
            for (struct seen s; hear(&p, &s); left -= s.len)
                p.ack = s.seq + s.len;
            say(&p, ACK, p.seq, p.ack, NULL, 0);
            poll(kit);
        }
    }
    send_all(kit, 40000);
    assert_true(hear_count(&p) > 12); /* a turn's worth */
    acknowledge(&p, 16 * 1460);
    hear_count(&p);
    acknowledge(&p, 40000 - 16 * 1460);
    pass(kit, 5000);
    send_all(kit, 40000);
    assert_int_equal(hear_count(&p), 10);
    kit_free(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_answer_is_cut_into_full_segments),
        cmocka_unit_test(the_first_window_is_ten_segments_and_grows),
        cmocka_unit_test(small_answers_leave_at_once_and_together),
        cmocka_unit_test(a_small_window_is_not_filled_with_crumbs),
        cmocka_unit_test(there_is_room_again_when_half_is_gone),
        cmocka_unit_test(the_pool_limits_what_is_queued),
        cmocka_unit_test(without_a_frame_nothing_is_lost),
        cmocka_unit_test(checksums_may_be_left_to_the_port),
        cmocka_unit_test(a_poll_does_no_more_than_its_budget),
        cmocka_unit_test(a_path_that_is_too_small_lowers_the_segments),
        cmocka_unit_test(hard_errors_are_soft_on_a_connection),
        cmocka_unit_test(after_a_silence_the_window_is_the_first_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
