/* test_tcp_loss.c - what the network loses: duplicates, ranges, timeouts, and what is sent again.
 */
#include "tests/unit/dataplane/tcp_send_kit.h"

static void what_is_not_acknowledged_is_sent_again_ever_later(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    send_all(kit, 100);
    expect(&p, ACK | PSH, 100);
    uint64_t last = kit->now_ns;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t wait = 1000ull << i < 60000 ? 1000ull << i : 60000;
        while (kit->count == 0)
            pass(kit, 1);
        expect(&p, ACK | PSH, 100);
        assert_in_range((kit->now_ns - last) / MS, wait, wait + 3);
        last = kit->now_ns;
    }
    pass(kit, 60010);
    assert_int_equal(kit->last.why, TCP_END_timeout);
    expect(&p, RST | ACK, 0);
    assert_int_equal(counters(kit)->retransmits, 8);
    kit_free(kit);
}

static void the_timeout_follows_the_round_trip(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    for (unsigned i = 0; i < 50; i++) {
        send_all(kit, 100);
        expect(&p, ACK | PSH, 100);
        pass(kit, 300);
        acknowledge(&p, 100);
    }
    send_all(kit, 100);
    expect(&p, ACK | PSH, 100);
    pass(kit, 299);
    expect_nothing(&p);
    pass(kit, 30);
    expect(&p, ACK | PSH, 100); /* 300 ms and next to no variance */
    acknowledge(&p, 100);
    kit_free(kit);

    kit = open_one(&p, false, false); /* never under the least */
    for (unsigned i = 0; i < 50; i++) {
        send_all(kit, 100);
        expect(&p, ACK | PSH, 100);
        acknowledge(&p, 100);
    }
    send_all(kit, 100);
    expect(&p, ACK | PSH, 100);
    pass(kit, 198);
    expect_nothing(&p);
    pass(kit, 4);
    expect(&p, ACK | PSH, 100);
    kit_free(kit);
}

/* Karn: an acknowledgement of what was sent twice says nothing about either, unless a timestamp
 * tells which. */
static void what_was_sent_twice_is_measured_by_its_timestamp_alone(void **state)
{
    (void)state;
    for (unsigned with_ts = 0; with_ts < 2; with_ts++) {
        struct peer p;
        struct kit *kit = open_one(&p, with_ts, false);
        send_all(kit, 100);
        expect(&p, ACK | PSH, 100);
        pass(kit, 1003);
        expect(&p, ACK | PSH, 100);
        pass(kit, 10);
        acknowledge(&p, 100);
        send_all(kit, 100);
        expect(&p, ACK | PSH, 100);
        pass(kit, 210);
        assert_int_equal(hear_count(&p), with_ts); /* else it is still the doubled first one */
        pass(kit, 1900);
        assert_true(hear_count(&p) > 0);
        kit_free(kit);
    }
}

static void three_duplicates_are_a_loss(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_flight(&p, false);
    uint32_t una = p.ack;
    for (unsigned i = 0; i < 3; i++) {
        say(&p, ACK, p.seq, p.ack, NULL, 0);
        poll(kit);
        if (i < 2)
            expect_nothing(&p);
    }
    struct seen s = expect(&p, ACK, 1460);
    assert_int_equal(s.seq, una);
    assert_int_equal(counters(kit)->recoveries, 1);
    acknowledge(&p, 2920); /* part: the next one is lost, too (RFC 6582) */
    s = expect(&p, ACK, 1460);
    assert_int_equal(s.seq, una + 2920);
    acknowledge(&p, FLIGHT - 2920);
    expect_nothing(&p);
    assert_int_equal(counters(kit)->timeouts, 0);
    assert_int_equal(counters(kit)->retransmits, 2);
    kit_free(kit);
}

static void duplicates_let_new_data_out(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    send_all(kit, 60000);
    assert_int_equal(hear_count(&p), 10);
    for (unsigned i = 0; i < 2; i++) { /* RFC 3042 */
        say(&p, ACK, p.seq, p.ack, NULL, 0);
        poll(kit);
        assert_int_equal(hear_count(&p), 1);
    }
    kit_free(kit);
}

static void holes_are_filled_and_nothing_else(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_flight(&p, true);
    uint32_t una = p.ack;
    p.sacks = 2; /* 0, 3 and 4 are missing */
    p.sack_block[0][0] = una + 5 * 1460;
    p.sack_block[0][1] = una + 10 * 1460;
    p.sack_block[1][0] = una + 1460;
    p.sack_block[1][1] = una + 3 * 1460;
    say(&p, ACK, p.seq, p.ack, NULL, 0);
    poll(kit);
    static const uint32_t missing[] = {0, 3, 4};
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(expect(&p, ACK, 1460).seq, una + missing[i] * 1460);
    expect_nothing(&p);
    p.sacks = 0;
    acknowledge(&p, FLIGHT);
    assert_int_equal(counters(kit)->chunks, 0);
    assert_int_equal(counters(kit)->retransmits, 3);
    pass(kit, 3000);
    expect_nothing(&p);
    kit_free(kit);
}

static void impossible_ranges_are_ignored(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_flight(&p, true);
    const uint32_t una = p.ack, cases[][2] = {
                                    {una, una + 1460},
                                    {una - 1460, una},
                                    {una + 1460, una + FLIGHT + 1},
                                    {una + 2920, una + 1460},
                                    {una + 1460, una + 1460},
                                    {una + (1u << 31), una + 5},
                                };
    p.sacks = 1;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memcpy(p.sack_block[0], cases[i], sizeof cases[i]);
        say(&p, ACK, p.seq, p.ack, NULL, 0);
        poll(kit);
    }
    expect_nothing(&p);
    assert_int_equal(counters(kit)->recoveries, 0);
    for (unsigned i = 8; i > 0; i--) { /* more than are kept, from the highest down */
        p.sack_block[0][0] = una + i * 1000;
        p.sack_block[0][1] = una + i * 1000 + 10;
        say(&p, ACK, p.seq, p.ack, NULL, 0);
    }
    poll(kit);
    assert_true(hear_count(&p) > 0);
    assert_int_equal(counters(kit)->recoveries, 1);
    p.sacks = 0;
    acknowledge(&p, FLIGHT);
    assert_int_equal(tcp_conn_queued(kit->last.conn), 0);
    kit_free(kit);
}

static void ranges_that_overlap_are_one(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_flight(&p, true);
    uint32_t una = p.ack;
    const uint32_t cases[][2] = {{4380, 5840},  {5000, 7300}, {2920, 4380},   {3000, 5000},
                                 {8760, 10220}, {2000, 8000}, {10220, FLIGHT}};
    p.sacks = 1;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        p.sack_block[0][0] = una + cases[i][0];
        p.sack_block[0][1] = una + cases[i][1];
        say(&p, ACK, p.seq, p.ack, NULL, 0);
        poll(kit);
    }
    assert_int_equal(expect(&p, ACK, 1460).seq, una);
    struct seen s = expect(&p, ACK, 540); /* up to what is there */
    assert_int_equal(s.seq, una + 1460);
    assert_int_equal(expect(&p, ACK, 760).seq, una + 8000);
    p.sacks = 0;
    acknowledge(&p, 2500); /* within a range that was told */
    acknowledge(&p, FLIGHT - 2500);
    assert_int_equal(tcp_conn_queued(kit->last.conn), 0);
    kit_free(kit);
}

static void after_a_timeout_everything_is_sent_anew(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, true);
    send_all(kit, 5840);
    assert_int_equal(hear_count(&p), 4);
    p.sacks = 1; /* told, but the peer may forget it */
    p.sack_block[0][0] = p.ack + 1460;
    p.sack_block[0][1] = p.ack + 2920;
    say(&p, ACK, p.seq, p.ack, NULL, 0);
    p.sacks = 0;
    pass(kit, 1003);
    assert_int_equal(expect(&p, ACK, 1460).seq, p.ack);
    expect_nothing(&p);
    acknowledge(&p, 1460);
    assert_int_equal(expect(&p, ACK, 1460).seq, p.ack);
    assert_int_equal(expect(&p, ACK, 1460).seq, p.ack + 1460);
    kit_free(kit);
}

static void a_lost_fin_is_sent_again(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, false);
    tcp_finish(kit->tcp, kit->last.conn);
    poll(kit);
    uint32_t seq = expect(&p, ACK | FIN, 0).seq;
    pass(kit, 1003);
    assert_int_equal(expect(&p, ACK | FIN, 0).seq, seq);
    acknowledge(&p, 1);
    pass(kit, 3000);
    expect_nothing(&p);
    kit_free(kit);

    kit = open_one(&p, false, false);
    send_all(kit, 2000);
    tcp_finish(kit->tcp, kit->last.conn);
    poll(kit);
    expect(&p, ACK, 1460);
    expect(&p, ACK | PSH, 540);
    assert_int_equal(expect(&p, ACK | FIN, 0).seq, p.ack + 2000);
    acknowledge(&p, 2000);
    pass(kit, 300);
    expect(&p, ACK | FIN, 0);
    kit_free(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_acknowledged_is_sent_again_ever_later),
        cmocka_unit_test(the_timeout_follows_the_round_trip),
        cmocka_unit_test(what_was_sent_twice_is_measured_by_its_timestamp_alone),
        cmocka_unit_test(three_duplicates_are_a_loss),
        cmocka_unit_test(duplicates_let_new_data_out),
        cmocka_unit_test(holes_are_filled_and_nothing_else),
        cmocka_unit_test(impossible_ranges_are_ignored),
        cmocka_unit_test(ranges_that_overlap_are_one),
        cmocka_unit_test(after_a_timeout_everything_is_sent_anew),
        cmocka_unit_test(a_lost_fin_is_sent_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
