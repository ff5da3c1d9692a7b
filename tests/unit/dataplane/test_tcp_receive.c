/* test_tcp_receive.c - data from the peer: order, gaps, overlaps, windows, acknowledgements. */
#include "tests/unit/dataplane/tcp_kit.h"

static const uint8_t zeros[70000];

static struct kit *open_one(struct peer *p, bool ts, bool sack)
{
    struct kit *kit = kit_new();
    *p = peer4(kit, 4000);
    p->ts = ts;
    p->sack = sack;
    connect_peer(p);
    expect_nothing(p);
    return kit;
}

static void expect_kept(const struct kit *kit, const char *text)
{
    assert_int_equal(kit->last.received, strlen(text));
    assert_memory_equal(kit->kept, text, strlen(text));
}

static void an_acknowledgement_waits_for_company(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    tell(&p, ACK, "abc", 3);
    pass(kit, 39);
    expect_nothing(&p);
    pass(kit, 2);
    assert_int_equal(expect(&p, ACK, 0).ack, p.seq);
    assert_int_equal(counters(kit)->acks_delayed, 1);
    pass(kit, 1000);
    expect_nothing(&p);
    tell(&p, ACK, "abc", 3); /* an answer takes it along */
    tcp_send(kit->tcp, kit->last.conn, "answer", 6);
    poll(kit);
    assert_int_equal(expect(&p, ACK | PSH, 6).ack, p.seq);
    p.ack += 6;
    tell(&p, ACK, NULL, 0);
    pass(kit, 1000);
    expect_nothing(&p);
    kit_free(kit);
}

static void every_second_full_segment_is_acknowledged_at_once(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    for (unsigned i = 0; i < 10; i++) {
        tell(&p, ACK, zeros, 1460);
        poll(kit);
        if (i % 2)
            assert_int_equal(expect(&p, ACK, 0).ack, p.seq);
        else if (i)
            expect_nothing(&p);
        struct seen s;
        hear(&p, &s);
    }
    kit_free(kit);
}

static void what_is_out_of_order_waits_and_is_told(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, true);
    uint32_t seq = p.seq;
    say(&p, ACK, seq + 6, p.ack, "ghi", 3);
    poll(kit);
    struct seen s = expect(&p, ACK, 0);
    assert_int_equal(s.ack, seq);
    assert_int_equal(s.sacks, 1);
    assert_int_equal(s.sack[0][0], seq + 6);
    assert_int_equal(s.sack[0][1], seq + 9);
    say(&p, ACK, seq + 12, p.ack, "mno", 3);
    poll(kit);
    s = expect(&p, ACK, 0);
    assert_int_equal(s.sacks, 2);
    assert_int_equal(s.sack[0][0], seq + 12); /* the latest first */
    assert_int_equal(s.sack[1][0], seq + 6);
    say(&p, ACK, seq + 9, p.ack, "jkl", 3);
    poll(kit);
    s = expect(&p, ACK, 0);
    assert_int_equal(s.sacks, 1);
    assert_int_equal(s.sack[0][0], seq + 6);
    assert_int_equal(s.sack[0][1], seq + 15);
    assert_int_equal(kit->last.received, 0);
    say(&p, ACK, seq, p.ack, "abc", 3);
    poll(kit);
    s = expect(&p, ACK, 0); /* at once: it moved into the gap */
    assert_int_equal(s.ack, seq + 3);
    expect_kept(kit, "abc");
    say(&p, ACK, seq + 3, p.ack, "def", 3);
    poll(kit);
    s = expect(&p, ACK, 0);
    assert_int_equal(s.ack, seq + 15);
    assert_int_equal(s.sacks, 0);
    expect_kept(kit, "abcdefghijklmno");
    assert_int_equal(counters(kit)->chunks, 0);
    assert_int_equal(counters(kit)->out_of_order, 3);
    kit_free(kit);
}

static void each_segment_out_of_order_is_answered(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, true, true);
    for (unsigned i = 1; i <= 3; i++)
        say(&p, ACK, p.seq + i * 100, p.ack, zeros, 100);
    poll(kit);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(expect(&p, ACK, 0).ack, p.seq);
    expect_nothing(&p);
    kit_free(kit);
}

static void more_ranges_than_an_option_holds(void **state)
{
    (void)state;
    for (unsigned with_ts = 0; with_ts < 2; with_ts++) {
        struct peer p;
        struct kit *kit = open_one(&p, with_ts, true);
        struct seen s;
        for (unsigned i = 1; i <= 6; i++) {
            say(&p, ACK, p.seq + i * 10, p.ack, "xyz", 3);
            poll(kit);
            s = expect(&p, ACK, 0);
        }
        assert_int_equal(s.sacks, with_ts ? 3 : 4);
        assert_int_equal(s.sack[0][0], p.seq + 60);
        assert_int_equal(s.sack[1][0], p.seq + 10);
        kit_free(kit);
    }
}

static void what_came_first_stands(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    uint32_t seq = p.seq;
    say(&p, ACK, seq + 4, p.ack, "EFGH", 4);
    say(&p, ACK, seq + 2, p.ack, "cdefghij", 8); /* cd and ij are new */
    say(&p, ACK, seq + 3, p.ack, "xxxxxxxxkl", 10);
    say(&p, ACK, seq, p.ack, "abyyyyyyyyy", 11);
    poll(kit);
    expect_kept(kit, "abcdEFGHijxkl");
    kit_free(kit);

    kit = open_one(&p, false, false);
    seq = p.seq;
    say(&p, ACK, seq, p.ack, "abc", 3);
    say(&p, ACK, seq, p.ack, "xxxdef", 6);
    say(&p, ACK, seq + 1, p.ack, "zzz", 3);
    poll(kit);
    expect_kept(kit, "abcdef");
    assert_true(counters(kit)->overlap + counters(kit)->duplicate >= 2);
    kit_free(kit);
}

static void a_copy_is_acknowledged_again(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    tell(&p, ACK, "abc", 3);
    pass(kit, 50);
    expect(&p, ACK, 0);
    for (unsigned i = 0; i < 30; i++) { /* not limited as challenges are */
        say(&p, ACK, p.seq - 3, p.ack, "abc", 3);
        poll(kit);
        assert_int_equal(expect(&p, ACK, 0).ack, p.seq);
    }
    expect_kept(kit, "abc");
    assert_int_equal(counters(kit)->duplicate, 30);
    kit_free(kit);
}

static void bytes_beyond_the_window_are_cut(void **state)
{
    (void)state;
    struct kit *kit = kit_make();
    kit->wiring.settings.receive_bytes = 4096;
    kit_start(kit);
    struct peer p = peer4(kit, 4000);
    connect_peer(&p);
    kit->take_max = 0;
    say(&p, ACK | FIN, p.seq, p.ack, zeros, 5000);
    poll(kit);
    struct seen s = expect(&p, ACK, 0);
    assert_int_equal(s.ack, p.seq + 4096);
    assert_int_equal(s.window, 0);
    assert_int_equal(counters(kit)->beyond_window, 1);
    assert_false(kit->last.ended); /* the FIN was cut off, too */
    p.seq += 4096;
    say(&p, ACK, p.seq, p.ack, zeros, 1); /* a probe of the closed window */
    poll(kit);
    s = expect(&p, ACK, 0);
    assert_int_equal(s.window, 0);
    assert_int_equal(s.ack, p.seq);
    kit->take_max = UINT32_MAX;
    tcp_resume(kit->tcp, kit->last.conn);
    poll(kit);
    assert_int_equal(kit->last.received, 4096);
    s = expect(&p, ACK, 0); /* the window is open again, and that is told */
    assert_int_equal(s.window, 4096);
    assert_int_equal(counters(kit)->chunks, 0);
    say(&p, ACK, p.seq + 4096, p.ack, "x", 1);
    say(&p, ACK, p.seq + 5000, p.ack, "x", 1);
    assert_int_equal(dropped(kit, TCP_REASON_sequence), 3);
    kit_free(kit);
}

/* A segment from before the window to behind it, and a FIN right at its end. */
static void a_segment_may_be_wider_than_the_window(void **state)
{
    (void)state;
    struct kit *kit = kit_make();
    kit->wiring.settings.receive_bytes = 4096;
    kit_start(kit);
    struct peer p = peer4(kit, 4000);
    connect_peer(&p);
    tell(&p, ACK, zeros, 100);
    say(&p, ACK | FIN, p.seq - 50, p.ack, zeros, 5000);
    assert_int_equal(kit->last.received, 4096);
    assert_false(kit->last.ended);
    p.seq += 3996;
    poll(kit);
    assert_int_equal(expect(&p, ACK, 0).ack, p.seq);
    tell(&p, ACK | FIN, zeros, 4096);
    assert_true(kit->last.ended);
    assert_int_equal(kit->last.received, 2 * 4096);
    kit_free(kit);
}

static void a_smaller_window_by_reload_takes_nothing_back(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    struct tcp_settings settings = kit->wiring.settings;
    settings.receive_bytes = 4096;
    kit->take_max = 0;
    for (unsigned i = 0; i < 30; i++)
        tell(&p, ACK, zeros, 1460);
    tcp_reconfigure(kit->tcp, &settings);
    say(&p, ACK, p.seq, p.ack, zeros, 1460); /* announced, but there is no chunk for it any more */
    assert_int_equal(counters(kit)->store_full, 1);
    kit->take_max = UINT32_MAX;
    tcp_resume(kit->tcp, kit->last.conn);
    poll(kit);
    assert_in_range(kit->last.received, 30 * 1460, 31 * 1460);
    assert_int_equal(counters(kit)->chunks, 0);
    kit_free(kit);
}

static void the_window_is_not_opened_by_crumbs(void **state)
{
    (void)state;
    struct kit *kit = kit_make();
    kit->wiring.settings.receive_bytes = 8192;
    kit_start(kit);
    struct peer p = peer4(kit, 4000);
    connect_peer(&p);
    kit->take_max = 0;
    tell(&p, ACK, zeros, 8192);
    poll(kit);
    assert_int_equal(expect(&p, ACK, 0).window, 0);
    kit->take_max = 100; /* at a time, then it pauses again */
    unsigned updates = 0;
    uint32_t last = 0;
    for (unsigned i = 0; i < 82; i++) {
        tcp_resume(kit->tcp, kit->last.conn);
        pass(kit, 1);
        for (struct seen s; hear(&p, &s);) {
            assert_true(s.window >= last + 1460);
            last = s.window;
            updates++;
        }
    }
    assert_in_range(updates, 1, 5);
    kit_free(kit);
}

static void the_window_scales(void **state)
{
    (void)state;
    struct kit *kit = kit_make();
    kit->wiring.settings.receive_bytes = 200000;
    kit_start(kit);
    struct peer p = peer4(kit, 4000);
    p.wscale = 3;
    struct seen s = connect_peer(&p);
    assert_int_equal(s.window, 65535);
    tell(&p, ACK, zeros, 1460);
    tell(&p, ACK, zeros, 1460);
    poll(kit);
    s = expect(&p, ACK, 0);
    assert_int_equal(s.window, (200000 + 127) / 128);
    kit_free(kit);
}

static void one_byte_segments_cost_little(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, true);
    struct seen s;
    for (unsigned i = 0; i < 20000; i++) { /* every second byte, backwards too */
        uint32_t at = i < 10000 ? i * 2 + 1 : (20000 - i) * 2 + 1;
        say(&p, ACK, p.seq + at, p.ack, "x", 1);
        poll(kit);
        while (hear(&p, &s))
            ;
        assert_in_range(counters(kit)->chunks, 1, 10);
    }
    assert_true(counters(kit)->store_full > 19000);
    for (unsigned i = 0; i < 30000; i++) { /* in order, while the application does not read */
        kit->take_max = 0;
        say(&p, ACK, p.seq + i, p.ack, "x", 1);
        poll(kit);
        while (hear(&p, &s))
            ;
        assert_in_range(counters(kit)->chunks, 1, 32);
    }
    kit->take_max = UINT32_MAX;
    tcp_resume(kit->tcp, kit->last.conn);
    poll(kit);
    assert_true(kit->last.received >= 30000);
    kit_free(kit);
}

static void a_full_pool_loses_nothing_that_was_acknowledged(void **state)
{
    (void)state;
    struct kit *kit = kit_make();
    kit->wiring.limits.chunks = 8; /* six for what is received */
    kit_start(kit);
    struct peer p = peer4(kit, 4000);
    connect_peer(&p);
    kit->take_max = 0;
    static uint8_t bytes[40000];
    for (uint32_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + (i >> 8));
    uint32_t acked = 0, start = p.seq;
    struct seen s;
    for (unsigned i = 0; i < 28; i++) {
        say(&p, ACK, start + i * 1400, p.ack, bytes + i * 1400, 1400);
        poll(kit);
        while (hear(&p, &s))
            acked = s.ack - start;
    }
    assert_true(counters(kit)->store_full > 0);
    assert_in_range(acked, 6 * 1400, 6 * TCP_CHUNK_DATA);
    assert_int_equal(counters(kit)->chunks, 6);
    kit->take_max = UINT32_MAX;
    tcp_resume(kit->tcp, kit->last.conn);
    poll(kit);
    assert_int_equal(kit->last.received, acked);
    say(&p, ACK, start + acked, p.ack, bytes + acked, (uint32_t)sizeof bytes - acked);
    assert_int_equal(kit->last.received, sizeof bytes);
    assert_memory_equal(kit->kept, bytes, sizeof bytes);
    assert_int_equal(counters(kit)->chunks, 0);
    kit_free(kit);
}

static void an_old_timestamp_is_refused(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, true, false);
    tell(&p, ACK, "abc", 3);
    poll(kit);
    p.ts_value -= 1;
    say(&p, ACK, p.seq, p.ack, "xyz", 3);
    poll(kit);
    struct seen s = expect(&p, ACK, 0);
    assert_int_equal(s.ack, p.seq);
    assert_int_equal(s.ts_echo, p.ts_value + 1);
    assert_int_equal(dropped(kit, TCP_REASON_paws), 1);
    p.ts_value += 100;
    say(&p, ACK, p.seq + 3, p.ack, "ghi", 3); /* does not move what is recent: out of order */
    poll(kit);
    s = expect(&p, ACK, 0);
    assert_int_equal(s.ts_echo, p.ts_value - 99);
    p.ts_value -= 50;
    tell(&p, ACK, "def", 3);
    poll(kit);
    expect_kept(kit, "abcdefghi");
    assert_int_equal(expect(&p, ACK, 0).ts_echo, p.ts_value);
    p.ts = false; /* agreed on, and missing */
    say(&p, ACK, p.seq + 3, p.ack, "jkl", 3);
    assert_int_equal(dropped(kit, TCP_REASON_timestamp), 1);
    say(&p, RST, p.seq + 3, 0, NULL, 0); /* a reset needs none */
    assert_int_equal(kit->last.why, TCP_END_reset);
    kit_free(kit);
}

static void after_24_days_a_timestamp_means_nothing(void **state)
{
    (void)state;
    struct kit *kit = kit_make();
    kit->wiring.settings.keepalive_ms = 0;
    kit_start(kit);
    struct peer p = peer4(kit, 4000);
    p.ts = true;
    connect_peer(&p);
    p.ts_value -= 1000;
    say(&p, ACK, p.seq, p.ack, "abc", 3);
    kit->now_ns += 24ull * 24 * 3600 * 1000 * MS - 1000 * MS;
    say(&p, ACK, p.seq, p.ack, "abc", 3);
    assert_int_equal(kit->last.received, 0);
    assert_int_equal(dropped(kit, TCP_REASON_paws), 2);
    kit->now_ns += 1000 * MS;
    tell(&p, ACK, "abc", 3);
    expect_kept(kit, "abc");
    kit_free(kit);
}

static void the_application_may_take_in_part(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    kit->take_max = 2;
    tell(&p, ACK, "abcde", 5);
    expect_kept(kit, "ab");
    tell(&p, ACK, "fgh", 3); /* waits behind */
    poll(kit);
    expect_kept(kit, "ab");
    tcp_resume(kit->tcp, kit->last.conn);
    tcp_resume(kit->tcp, kit->last.conn);
    poll(kit);
    expect_kept(kit, "abcd");
    tell(&p, ACK | FIN, NULL, 0);
    assert_false(kit->last.ended); /* not before all is taken */
    kit->take_max = 3;
    tcp_resume(kit->tcp, kit->last.conn);
    poll(kit);
    expect_kept(kit, "abcdefg");
    kit->take_max = 0;
    tcp_resume(kit->tcp, kit->last.conn);
    poll(kit);
    kit->take_max = 8;
    tcp_resume(kit->tcp, kit->last.conn);
    poll(kit);
    expect_kept(kit, "abcdefgh");
    assert_true(kit->last.ended);
    tcp_resume(kit->tcp, kit->last.conn); /* nothing waits */
    poll(kit);
    assert_int_equal(counters(kit)->chunks, 0);
    kit_free(kit);
}

static void what_waits_is_thrown_away_at_the_end(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    kit->take_max = 1;
    tell(&p, ACK, "abcde", 5);
    say(&p, ACK, p.seq + 5, p.ack, "klm", 3);
    assert_int_equal(counters(kit)->chunks, 2);
    tcp_finish(kit->tcp, kit->last.conn);
    poll(kit);
    expect_kept(kit, "a");
    assert_int_equal(counters(kit)->chunks, 0);
    kit_free(kit);
}

static void the_fast_way_is_taken(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct peer p;
        struct kit *kit = open_one(&p, i, true);
        kit->mode = APP_ECHO;
        uint64_t before = counters(kit)->fast;
        for (unsigned k = 0; k < 100; k++) {
            p.ts_value++;
            tell(&p, ACK | PSH, "request", 7);
            poll(kit);
            expect(&p, ACK | PSH, 7);
            p.ack += 7;
        }
        tell(&p, ACK, NULL, 0); /* nothing but an acknowledgement */
        assert_int_equal(counters(kit)->fast - before, 101);
        kit_free(kit);
    }
}

static void answers_follow_the_peer_to_another_link(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    p.tags = 2;
    say(&p, ACK, p.seq + 100000, p.ack, "x", 1); /* not the peer's, as far as we know */
    p.tags = 0;
    poll(kit);
    expect(&p, ACK, 0);
    p.tags = 1;
    tell(&p, ACK, "abc", 3);
    pass(kit, 50);
    expect(&p, ACK, 0);
    kit_free(kit);
}

/* Segmentations, orders and overlaps of one stream, by chance: the bytes are always the same. */
static void the_bytes_do_not_depend_on_how_they_were_cut(void **state)
{
    (void)state;
    static uint8_t stream[3000];
    for (uint32_t i = 0; i < sizeof stream; i++)
        stream[i] = (uint8_t)(i * 31 ^ i >> 5);
    const char *given = getenv("TROVE_ROUNDS");
    unsigned rounds = given ? (unsigned)atoi(given) * 50000 : 1000;
    uint32_t random = 12345;
    struct kit *kit = kit_new();
    kit->now_ns += 1000 * MS;
    for (unsigned round = 0; round < rounds; round++) {
        struct peer p = peer4(kit, (uint16_t)(1024 + round % 60000));
        p.seq = round * 2654435761u; /* also across the end of the numbers */
        connect_peer(&p);
        uint32_t len = 1 + round % (uint32_t)sizeof stream, most = 1 + round % 700;
        struct seen s;
        while (kit->last.received < len) {
            random = random * 1664525 + 1013904223;
            uint32_t at = kit->last.received + (random >> 8) % 900;
            random = random * 1664525 + 1013904223;
            uint32_t n = 1 + (random >> 8) % most;
            at = at > 300 ? at - 300 : 0;
            if (at >= len)
                continue;
            if (at + n > len)
                n = len - at;
            kit->take_max = random % 3 ? UINT32_MAX : n / 2;
            say(&p, ACK, p.seq + at, p.ack, stream + at, n);
            tcp_resume(kit->tcp, kit->last.conn);
            if (random % 5 == 0)
                poll(kit);
            while (hear(&p, &s))
                ;
        }
        assert_int_equal(kit->last.received, len);
        assert_memory_equal(kit->kept, stream, len);
        tcp_abort(kit->tcp, kit->last.conn);
        poll(kit);
        while (hear(&p, &s))
            ;
        assert_int_equal(counters(kit)->chunks, 0);
        kit->now_ns += MS;
    }
    assert_int_equal(counters(kit)->connections, 0);
    kit_free(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_acknowledgement_waits_for_company),
        cmocka_unit_test(every_second_full_segment_is_acknowledged_at_once),
        cmocka_unit_test(what_is_out_of_order_waits_and_is_told),
        cmocka_unit_test(each_segment_out_of_order_is_answered),
        cmocka_unit_test(more_ranges_than_an_option_holds),
        cmocka_unit_test(what_came_first_stands),
        cmocka_unit_test(a_copy_is_acknowledged_again),
        cmocka_unit_test(bytes_beyond_the_window_are_cut),
        cmocka_unit_test(a_segment_may_be_wider_than_the_window),
        cmocka_unit_test(a_smaller_window_by_reload_takes_nothing_back),
        cmocka_unit_test(the_window_is_not_opened_by_crumbs),
        cmocka_unit_test(the_window_scales),
        cmocka_unit_test(one_byte_segments_cost_little),
        cmocka_unit_test(a_full_pool_loses_nothing_that_was_acknowledged),
        cmocka_unit_test(an_old_timestamp_is_refused),
        cmocka_unit_test(after_24_days_a_timestamp_means_nothing),
        cmocka_unit_test(the_application_may_take_in_part),
        cmocka_unit_test(what_waits_is_thrown_away_at_the_end),
        cmocka_unit_test(the_fast_way_is_taken),
        cmocka_unit_test(answers_follow_the_peer_to_another_link),
        cmocka_unit_test(the_bytes_do_not_depend_on_how_they_were_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
