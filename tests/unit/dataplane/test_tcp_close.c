/* test_tcp_close.c - how connections end: resets, both ends' FINs in every state, and aborts. */
#include "tests/unit/dataplane/tcp_kit.h"

/* at_state makes a connection that is in one of these. */
enum { AT_OPEN, AT_CLOSE_WAIT, AT_FIN_WAIT_1, AT_FIN_WAIT_2, AT_CLOSING, AT_LAST_ACK, AT_STATES };

static struct kit *at_state(unsigned which, struct peer *p)
{
    struct kit *kit = kit_new();
    *p = peer4(kit, 4000);
    p->kit = kit;
    connect_peer(p);
    struct seen s;
    bool peer_first = which == AT_CLOSE_WAIT || which == AT_LAST_ACK;
    if (peer_first)
        tell(p, ACK | FIN, NULL, 0);
    if (which != AT_OPEN && which != AT_CLOSE_WAIT)
        tcp_finish(kit->tcp, kit->last.conn);
    poll(kit);
    if (which == AT_FIN_WAIT_2) {
        p->ack++;
        tell(p, ACK, NULL, 0);
    }
    if (which == AT_CLOSING)
        tell(p, ACK | FIN, NULL, 0);
    poll(kit);
    while (hear(p, &s))
        ;
    assert_int_equal(counters(kit)->connections, 1);
    return kit;
}

static void a_reset_that_is_exact_ends_every_state(void **state)
{
    (void)state;
    for (unsigned which = 0; which < AT_STATES; which++) {
        struct peer p;
        struct kit *kit = at_state(which, &p);
        say(&p, RST, p.seq, 0, NULL, 0);
        assert_true(kit->last.closed);
        assert_int_equal(kit->last.why, TCP_END_reset);
        poll(kit);
        expect_nothing(&p);
        assert_int_equal(counters(kit)->connections, 0);
        kit_free(kit);
    }
}

static void a_reset_in_the_window_is_challenged_in_every_state(void **state)
{
    (void)state;
    for (unsigned which = 0; which < AT_STATES; which++) {
        struct peer p;
        struct kit *kit = at_state(which, &p);
        say(&p, RST, p.seq + 1, 0, NULL, 0);
        poll(kit);
        assert_int_equal(expect(&p, ACK, 0).ack, p.seq);
        say(&p, RST, p.seq + 70000, 0, NULL, 0); /* outside: nothing */
        say(&p, RST, p.seq - 1, 0, NULL, 0);
        poll(kit);
        expect_nothing(&p);
        assert_false(kit->last.closed);
        assert_int_equal(dropped(kit, TCP_REASON_reset), 3);
        kit_free(kit);
    }
}

static void a_syn_is_challenged_in_every_state(void **state)
{
    (void)state;
    for (unsigned which = 0; which < AT_STATES; which++) {
        for (unsigned i = 0; i < 4; i++) {
            struct peer p;
            struct kit *kit = at_state(which, &p);
            uint32_t seqs[] = {p.seq, p.seq + 9, p.seq - 100000, p.seq + (1u << 30)};
            say(&p, i % 2 ? SYN | ACK : SYN, seqs[i], p.ack, NULL, 0);
            poll(kit);
            assert_int_equal(expect(&p, ACK, 0).ack, p.seq);
            expect_nothing(&p);
            assert_false(kit->last.closed);
            kit_free(kit);
        }
    }
}

static void an_acknowledgement_of_what_was_not_sent_is_challenged(void **state)
{
    (void)state;
    for (unsigned which = 0; which < AT_STATES; which++) {
        struct peer p;
        struct kit *kit = at_state(which, &p);
        say(&p, ACK, p.seq, p.ack + 1000, "x", 1);
        say(&p, ACK, p.seq, p.ack - 100000, "x", 1);
        poll(kit);
        assert_int_equal(expect(&p, ACK, 0).ack, p.seq);
        assert_int_equal(dropped(kit, TCP_REASON_ack), 2);
        assert_int_equal(kit->last.received, 0);
        kit_free(kit);
    }
}

static void data_counts_only_where_it_may_come(void **state)
{
    (void)state;
    for (unsigned which = 0; which < AT_STATES; which++) {
        struct peer p;
        struct kit *kit = at_state(which, &p);
        tell(&p, ACK | PSH, "data", 4);
        pass(kit, 100);
        uint32_t acked = 0;
        for (struct seen s; hear(&p, &s);)
            acked = s.ack;
        bool after_fin = which == AT_CLOSE_WAIT || which == AT_CLOSING || which == AT_LAST_ACK;
        assert_int_equal(kit->last.received, which == AT_OPEN ? 4 : 0);
        assert_int_equal(counters(kit)->discarded,
                         which == AT_FIN_WAIT_1 || which == AT_FIN_WAIT_2 ? 4 : 0);
        if (!after_fin)
            assert_int_equal(acked, p.seq);
        assert_false(kit->last.closed);
        kit_free(kit);
    }
}

static void a_fin_moves_every_state_on(void **state)
{
    (void)state;
    for (unsigned which = 0; which < AT_STATES; which++) {
        struct peer p;
        struct kit *kit = at_state(which, &p);
        bool had = which == AT_CLOSE_WAIT || which == AT_CLOSING || which == AT_LAST_ACK;
        say(&p, ACK | FIN, p.seq - had, p.ack, NULL, 0);
        poll(kit);
        struct seen s = expect(&p, ACK, 0);
        assert_int_equal(s.ack, p.seq + !had);
        assert_int_equal(kit->last.closed, which == AT_FIN_WAIT_2);
        assert_int_equal(kit->last.ended,
                         which == AT_OPEN || which == AT_CLOSE_WAIT || which == AT_LAST_ACK);
        kit_free(kit);
    }
}

static void both_ends_may_close_at_once(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = at_state(AT_CLOSING, &p);
    p.ack++;
    tell(&p, ACK, NULL, 0);
    poll(kit);
    assert_int_equal(kit->last.why, TCP_END_done);
    assert_int_equal(counters(kit)->time_waits, 1);
    say(&p, ACK | FIN, p.seq - 1, p.ack, NULL, 0);
    expect(&p, ACK, 0);
    kit_free(kit);
}

static void fin_and_its_acknowledgement_come_together(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = at_state(AT_FIN_WAIT_1, &p);
    p.ack++;
    tell(&p, ACK | FIN, NULL, 0);
    assert_true(kit->last.closed);
    poll(kit);
    assert_int_equal(expect(&p, ACK, 0).ack, p.seq);
    expect_nothing(&p);
    assert_int_equal(counters(kit)->connections, 0);
    kit_free(kit);
}

static void half_closed_the_server_still_sends(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = at_state(AT_CLOSE_WAIT, &p);
    assert_int_equal(tcp_send(kit->tcp, kit->last.conn, "late answer", 11), 11);
    tcp_finish(kit->tcp, kit->last.conn);
    assert_int_equal(tcp_send(kit->tcp, kit->last.conn, "x", 1), 0);
    poll(kit);
    expect(&p, ACK | PSH | FIN, 11);
    p.ack += 12;
    tell(&p, ACK, NULL, 0);
    assert_int_equal(kit->last.why, TCP_END_done);
    kit_free(kit);
}

static void after_the_end_the_peer_has_a_time_and_a_size_to_finish(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = at_state(AT_FIN_WAIT_2, &p);
    pass(kit, 9990);
    assert_false(kit->last.closed);
    pass(kit, 20);
    assert_int_equal(kit->last.why, TCP_END_linger);
    expect(&p, RST | ACK, 0);
    kit_free(kit);

    kit = at_state(AT_FIN_WAIT_2, &p);
    struct tcp_settings settings = kit->wiring.settings;
    settings.linger_bytes = 5000;
    tcp_reconfigure(kit->tcp, &settings);
    static const uint8_t bytes[1000];
    for (unsigned i = 0; i < 5; i++)
        tell(&p, ACK, bytes, 1000);
    assert_false(kit->last.closed);
    tell(&p, ACK, bytes, 1);
    assert_int_equal(kit->last.why, TCP_END_linger);
    assert_int_equal(counters(kit)->discarded, 5001);
    kit_free(kit);
}

static void an_abort_resets_and_says_so_in_the_poll(void **state)
{
    (void)state;
    for (unsigned which = 0; which < AT_STATES; which++) {
        struct peer p;
        struct kit *kit = at_state(which, &p);
        tcp_abort(kit->tcp, kit->last.conn);
        tcp_abort(kit->tcp, kit->last.conn);
        assert_false(kit->last.closed);
        assert_int_equal(tcp_send(kit->tcp, kit->last.conn, "x", 1), 0);
        say(&p, ACK, p.seq, p.ack, "x", 1);
        assert_int_equal(dropped(kit, TCP_REASON_ending), 1);
        assert_int_equal(kit->last.received, 0);
        kit->no_frames = 1;
        poll(kit);
        assert_false(kit->last.closed);
        poll(kit);
        assert_int_equal(kit->last.why, TCP_END_aborted);
        struct seen s = expect(&p, RST | ACK, 0);
        assert_int_equal(s.ack, p.seq);
        expect_nothing(&p);
        assert_int_equal(counters(kit)->connections, 0);
        kit_free(kit);
    }
}

static void callbacks_may_end_their_own_connection(void **state)
{
    (void)state;
    struct kit *kit = kit_new();
    struct peer p = peer4(kit, 4000);
    connect_peer(&p);
    kit->abort_in_data = kit->last.conn;
    tell(&p, ACK | FIN, "abc", 3);
    assert_false(kit->last.ended);
    poll(kit);
    expect(&p, RST | ACK, 0);
    assert_int_equal(kit->last.why, TCP_END_aborted);
    kit_free(kit);

    kit = kit_new();
    p = peer4(kit, 4000);
    connect_peer(&p);
    kit->finish_in_data = true;
    kit->take_max = 1;
    tell(&p, ACK | FIN, "abc", 3);
    poll(kit);
    struct seen s = expect(&p, ACK | FIN, 0);
    assert_int_equal(s.ack, p.seq);
    p.ack++;
    tell(&p, ACK, NULL, 0);
    assert_int_equal(kit->last.why, TCP_END_done);
    assert_int_equal(counters(kit)->chunks, 0);
    kit_free(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reset_that_is_exact_ends_every_state),
        cmocka_unit_test(a_reset_in_the_window_is_challenged_in_every_state),
        cmocka_unit_test(a_syn_is_challenged_in_every_state),
        cmocka_unit_test(an_acknowledgement_of_what_was_not_sent_is_challenged),
        cmocka_unit_test(data_counts_only_where_it_may_come),
        cmocka_unit_test(a_fin_moves_every_state_on),
        cmocka_unit_test(both_ends_may_close_at_once),
        cmocka_unit_test(fin_and_its_acknowledgement_come_together),
        cmocka_unit_test(half_closed_the_server_still_sends),
        cmocka_unit_test(after_the_end_the_peer_has_a_time_and_a_size_to_finish),
        cmocka_unit_test(an_abort_resets_and_says_so_in_the_poll),
        cmocka_unit_test(callbacks_may_end_their_own_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
