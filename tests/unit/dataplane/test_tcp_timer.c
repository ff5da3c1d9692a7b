/* test_tcp_timer.c - probes, keepalive, wakes, and a clock that jumps. */
#include "tests/unit/dataplane/tcp_send_kit.h"

static void a_shut_window_is_probed_until_it_opens(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    p.window = 0;
    tell(&p, ACK, "GET", 3);
    send_all(kit, 1000);
    pass(kit, 45);
    expect(&p, ACK, 0);
    pass(kit, 953);
    expect_nothing(&p);
    pass(kit, 3);
    struct seen s = expect(&p, ACK, 1);
    assert_int_equal(s.seq, p.ack);
    assert_int_equal(s.payload[0], bytes[0]);
    say(&p, ACK, p.seq, p.ack, NULL, 0);
    pass(kit, 2010); /* twice as long */
    expect(&p, ACK, 1);
    say(&p, ACK, p.seq, p.ack + 1, NULL, 0); /* took it, and no more */
    p.ack++;
    pass(kit, 4010);
    s = expect(&p, ACK, 1);
    assert_int_equal(s.payload[0], bytes[1]);
    p.window = 0xffff;
    say(&p, ACK, p.seq, p.ack, NULL, 0);
    poll(kit);
    s = expect(&p, ACK | PSH, 999);
    assert_memory_equal(s.payload, bytes + 1, 999);
    assert_int_equal(counters(kit)->probes, 3);
    assert_int_equal(counters(kit)->timeouts, 0);
    kit_free(kit);
}

static void a_window_shut_for_ever_ends_the_connection(void **state)
{
    (void)state;
    for (unsigned answers = 0; answers < 2; answers++) {
        struct peer p;
        struct kit *kit = open_one(&p, false, false);
        p.window = 0;
        tell(&p, ACK, "GET", 3);
        send_all(kit, 1000);
        uint64_t began = kit->now_ns;
        while (!kit->last.closed && kit->now_ns < began + 120000 * MS) {
            pass(kit, 10);
            for (struct seen s; hear(&p, &s);)
                if (answers && s.len)
                    say(&p, ACK, p.seq, p.ack, NULL, 0);
        }
        assert_int_equal(kit->last.why, TCP_END_window);
        assert_in_range((kit->now_ns - began) / MS, 59900, 60100);
        assert_int_equal(counters(kit)->chunks, 0);
        kit_free(kit);
    }
}

static void a_probe_that_comes_too_late_is_left_out(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    p.window = 0;
    tell(&p, ACK, "GET", 3);
    send_all(kit, 10);
    pass(kit, 990);
    expect(&p, ACK, 0);
    kit->no_frames = 1000;
    pass(kit, 20); /* the probe is due, and there is no frame */
    kit->no_frames = 0;
    p.window = 5000;
    say(&p, ACK, p.seq, p.ack, NULL, 0);
    poll(kit);
    expect(&p, ACK | PSH, 10); /* once */
    expect_nothing(&p);
    acknowledge(&p, 10);
    pass(kit, 5000);
    expect_nothing(&p);
    kit_free(kit);
}

static void keepalive_may_be_switched_off_and_lack_a_frame(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    kit->no_frames = 5;
    pass(kit, 75004);
    expect_nothing(&p);
    pass(kit, 5);
    assert_int_equal(expect(&p, ACK, 0).seq, p.ack - 1);
    struct tcp_settings settings = kit->wiring.settings;
    settings.keepalive_ms = 0;
    tcp_reconfigure(kit->tcp, &settings);
    pass(kit, 200000);
    expect_nothing(&p);
    assert_false(kit->last.closed);
    kit_free(kit);
}

static void a_silent_peer_is_asked_and_given_up(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    pass(kit, 74990);
    expect_nothing(&p);
    pass(kit, 20);
    assert_int_equal(expect(&p, ACK, 0).seq, p.ack - 1);
    say(&p, ACK, p.seq, p.ack, NULL, 0); /* it lives */
    pass(kit, 74980);
    expect_nothing(&p);
    pass(kit, 59000);
    assert_int_equal(hear_count(&p), 4);
    pass(kit, 2000);
    assert_int_equal(kit->last.why, TCP_END_keepalive);
    expect(&p, RST | ACK, 0);
    assert_int_equal(counters(kit)->keepalives, 5);
    kit_free(kit);
}

static void the_peers_keepalive_is_answered(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    say(&p, ACK, p.seq - 1, p.ack, NULL, 0);
    poll(kit);
    assert_int_equal(expect(&p, ACK, 0).ack, p.seq);
    kit_free(kit);
}

static void the_application_is_woken(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    static const uint32_t times[] = {0,   1,   2,    100,   255,   256,   257,   300,
                                     511, 512, 5000, 65535, 65536, 66000, 70000, 200000};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        tcp_wake(kit->tcp, kit->last.conn, kit->now_ns + times[i] * MS);
        unsigned before = kit->last.woken;
        for (uint32_t ms = 0; ms + 1 < times[i]; ms++) {
            pass(kit, 1);
            if (kit->now_ns % (70000 * MS) == 0) /* not to be taken for dead */
                say(&p, ACK, p.seq, p.ack, NULL, 0);
        }
        assert_int_equal(kit->last.woken, before);
        pass(kit, 4);
        assert_int_equal(kit->last.woken, before + 1);
        while (hear_count(&p))
            say(&p, ACK, p.seq, p.ack, NULL, 0);
    }
    unsigned before = kit->last.woken;
    tcp_wake(kit->tcp, kit->last.conn, kit->now_ns + 10 * MS);
    tcp_wake(kit->tcp, kit->last.conn, kit->now_ns + 100 * MS); /* replaces */
    pass(kit, 50);
    assert_int_equal(kit->last.woken, before);
    tcp_wake(kit->tcp, kit->last.conn, UINT64_MAX);
    pass(kit, 200);
    assert_int_equal(kit->last.woken, before);
    tcp_wake(kit->tcp, kit->last.conn, 0); /* long past */
    pass(kit, 3);
    assert_int_equal(kit->last.woken, before + 1);
    kit_free(kit);
}

/* The clock may jump: a core that was held up, or a wake far away. */
static void timers_survive_a_jump_of_the_clock(void **state)
{
    (void)state;
    static const uint64_t jumps[] = {300, 70000, 20000000, 50000000};
    for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
        struct kit *kit = kit_make();
        kit->wiring.settings.keepalive_ms = 0;
        kit_start(kit);
        struct peer p = peer4(kit, 4000);
        connect_peer(&p);
        tcp_wake(kit->tcp, kit->last.conn, kit->now_ns + jumps[i] * MS);
        kit->now_ns += (jumps[i] - 2) * MS;
        for (unsigned k = 0; k < jumps[i] / 1000 + 10; k++)
            poll(kit);
        assert_int_equal(kit->last.woken, 0);
        kit->now_ns += 3 * MS;
        poll(kit);
        poll(kit);
        assert_int_equal(kit->last.woken, 1);
        kit_free(kit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shut_window_is_probed_until_it_opens),
        cmocka_unit_test(a_window_shut_for_ever_ends_the_connection),
        cmocka_unit_test(a_probe_that_comes_too_late_is_left_out),
        cmocka_unit_test(keepalive_may_be_switched_off_and_lack_a_frame),
        cmocka_unit_test(a_silent_peer_is_asked_and_given_up),
        cmocka_unit_test(the_peers_keepalive_is_answered),
        cmocka_unit_test(the_application_is_woken),
        cmocka_unit_test(timers_survive_a_jump_of_the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
