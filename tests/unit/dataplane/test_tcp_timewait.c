/* test_tcp_timewait.c - what is remembered of connections that are over. */
#include "tests/unit/dataplane/tcp_kit.h"

/* time_wait makes a connection that was closed by the server first. */
static struct kit *time_wait(struct peer *p, bool ts)
{
    struct kit *kit = kit_new();
    *p = peer4(kit, 4000);
    p->ts = ts;
    connect_peer(p);
    tcp_finish(kit->tcp, kit->last.conn);
    poll(kit);
    expect(p, ACK | FIN, 0);
    p->ack++;
    tell(p, ACK | FIN, NULL, 0);
    poll(kit);
    expect(p, ACK, 0);
    assert_int_equal(counters(kit)->connections, 0);
    assert_int_equal(counters(kit)->time_waits, 1);
    return kit;
}

static void time_wait_cannot_be_assassinated(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = time_wait(&p, true);
    say(&p, RST, p.seq, 0, NULL, 0);
    say(&p, RST | ACK, p.seq, p.ack, NULL, 0);
    say(&p, ACK, p.seq, p.ack, NULL, 0);
    say(&p, SYN | ACK, p.seq - 1, p.ack, NULL, 0);
    struct seen s = expect(&p, ACK, 0); /* to the SYN-ACK alone */
    expect_nothing(&p);
    say(&p, ACK, p.seq - 3, p.ack, "old", 3);
    s = expect(&p, ACK, 0);
    assert_int_equal(s.ack, p.seq);
    assert_int_equal(s.seq, p.ack);
    assert_int_equal(dropped(kit, TCP_REASON_time_wait), 5);
    assert_int_equal(counters(kit)->time_waits, 1);
    kit_free(kit);
}

static void time_wait_answers_a_fin_and_begins_anew(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = time_wait(&p, false);
    pass(kit, 50000);
    say(&p, ACK | FIN, p.seq - 1, p.ack, NULL, 0);
    expect(&p, ACK, 0);
    pass(kit, 50000);
    assert_int_equal(counters(kit)->time_waits, 1);
    pass(kit, 10001);
    assert_int_equal(counters(kit)->time_waits, 0);
    kit_free(kit);
}

static void time_wait_that_is_over_answers_no_more(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = time_wait(&p, false);
    kit->now_ns += 60001 * MS; /* before a poll has noticed */
    say(&p, ACK | FIN, p.seq - 1, p.ack, NULL, 0);
    expect(&p, RST, 0);
    kit_free(kit);
}

static void time_wait_does_not_block_a_new_connection(void **state)
{
    (void)state;
    for (unsigned with_ts = 0; with_ts < 2; with_ts++) {
        struct peer p;
        struct kit *kit = time_wait(&p, with_ts);
        uint32_t seq = p.seq;
        p.seq = with_ts ? seq - 5000 : seq + 5; /* by its timestamp, or by its sequence */
        p.ts_value += 10;
        connect_peer(&p);
        assert_int_equal(kit->opened, 2);
        assert_int_equal(counters(kit)->reopened, 1);
        assert_int_equal(counters(kit)->time_waits, 0);
        tell(&p, ACK, "again", 5);
        assert_int_equal(kit->last.received, 5);
        kit_free(kit);
    }
}

static void time_wait_refuses_an_old_syn(void **state)
{
    (void)state;
    for (unsigned with_ts = 0; with_ts < 2; with_ts++) {
        struct peer p;
        struct kit *kit = time_wait(&p, with_ts);
        if (with_ts)
            p.ts_value -= 10;
        say(&p, SYN, p.seq - 3, 0, NULL, 0);
        struct seen s = expect(&p, ACK, 0);
        assert_int_equal(s.seq, p.ack);
        assert_int_equal(s.ack, p.seq);
        kit_free(kit);
    }
}

static void the_oldest_time_wait_makes_room(void **state)
{
    (void)state;
    struct kit *kit = kit_make();
    kit->wiring.limits.time_waits = 4;
    kit_start(kit);
    struct peer p[6];
    for (unsigned i = 0; i < 6; i++) {
        p[i] = peer4(kit, (uint16_t)(4000 + i));
        connect_peer(&p[i]);
        tcp_finish(kit->tcp, kit->last.conn);
        poll(kit);
        expect(&p[i], ACK | FIN, 0);
        p[i].ack++;
        tell(&p[i], ACK | FIN, NULL, 0);
        poll(kit);
        expect(&p[i], ACK, 0);
    }
    assert_int_equal(counters(kit)->time_waits, 4);
    assert_int_equal(counters(kit)->time_wait_reused, 2);
    for (unsigned i = 0; i < 6; i++) {
        say(&p[i], ACK | FIN, p[i].seq - 1, p[i].ack, NULL, 0);
        expect(&p[i], i < 2 ? RST : ACK, 0);
    }
    kit_free(kit);
}

/* A copy of the segment that opened a connection comes again when that is over: without a memory of
 * it, its cookie would be right and its request done twice. */
static void a_late_copy_does_not_open_a_connection_again(void **state)
{
    (void)state;
    for (unsigned with_ts = 0; with_ts < 2; with_ts++) {
        struct kit *kit = kit_new();
        kit->mode = APP_CLOSE_AT_END;
        struct peer p = peer4(kit, 4000);
        p.ts = with_ts;
        tell(&p, SYN, NULL, 0);
        p.ack = expect(&p, SYN | ACK, 0).seq + 1;
        struct peer copy = p;
        tell(&p, ACK, "POST", 4);
        tell(&p, ACK | FIN, NULL, 0);
        poll(kit);
        expect(&p, ACK | FIN, 0);
        p.ack++;
        tell(&p, ACK, NULL, 0);
        assert_true(kit->last.closed);
        say(&copy, ACK, copy.seq, copy.ack, "POST", 4);
        assert_int_equal(expect(&p, RST, 0).seq, copy.ack);
        say(&copy, ACK, copy.seq + 4, copy.ack, "more", 4); /* not early, but late */
        expect(&p, RST, 0);
        assert_int_equal(kit->opened, 1);
        assert_int_equal(dropped(kit, TCP_REASON_replay), 2);
        p.seq = copy.seq - 1 + 77; /* the same port again, at once */
        p.ts_value++;
        connect_peer(&p);
        assert_int_equal(kit->opened, 2);
        kit_free(kit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_wait_cannot_be_assassinated),
        cmocka_unit_test(time_wait_answers_a_fin_and_begins_anew),
        cmocka_unit_test(time_wait_that_is_over_answers_no_more),
        cmocka_unit_test(time_wait_does_not_block_a_new_connection),
        cmocka_unit_test(time_wait_refuses_an_old_syn),
        cmocka_unit_test(the_oldest_time_wait_makes_room),
        cmocka_unit_test(a_late_copy_does_not_open_a_connection_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
