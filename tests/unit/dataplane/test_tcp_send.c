/* test_tcp_send.c - data to the peer: windows, loss, timers, probes, errors from the network. */
#include "tests/unit/dataplane/tcp_kit.h"

static uint8_t bytes[200000];

static struct kit *open_one(struct peer *p, bool ts, bool sack)
{
    struct kit *kit = kit_new();
    *p = peer4(kit, 4000);
    p->ts = ts;
    p->sack = sack;
    p->wscale = 7;
    connect_peer(p);
    p->window = 0xffff;
    expect_nothing(p);
    return kit;
}

static void send_all(struct kit *kit, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 13 ^ i >> 7);
    assert_int_equal(tcp_send(kit->tcp, kit->last.conn, bytes, len), len);
    poll(kit);
}

/* hear_count takes all frames that are there and returns how many. */
static unsigned hear_count(struct peer *p)
{
    unsigned count = 0;
    for (struct seen s; hear(p, &s);)
        count++;
    return count;
}

static void acknowledge(struct peer *p, uint32_t bytes_more)
{
    p->ack += bytes_more;
    say(p, ACK, p->seq, p->ack, NULL, 0);
    poll(p->kit);
}

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
    struct kit *kit = open_one(&p, false, false);
    send_all(kit, 14600);
    assert_int_equal(hear_count(&p), 10);
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
    acknowledge(&p, 14600 - 2920);
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
    struct kit *kit = open_one(&p, false, true);
    send_all(kit, 14600);
    assert_int_equal(hear_count(&p), 10);
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
    acknowledge(&p, 14600);
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
    struct kit *kit = open_one(&p, false, true);
    send_all(kit, 14600);
    assert_int_equal(hear_count(&p), 10);
    const uint32_t una = p.ack, cases[][2] = {
                                    {una, una + 1460},         {una - 1460, una},
                                    {una + 1460, una + 14601}, {una + 2920, una + 1460},
                                    {una + 1460, una + 1460},  {una + (1u << 31), una + 5},
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
    acknowledge(&p, 14600);
    assert_int_equal(tcp_conn_queued(kit->last.conn), 0);
    kit_free(kit);
}

static void ranges_that_overlap_are_one(void **state)
{
    (void)state;
    struct peer p;
    struct kit *kit = open_one(&p, false, true);
    send_all(kit, 14600);
    assert_int_equal(hear_count(&p), 10);
    uint32_t una = p.ack;
    const uint32_t cases[][2] = {{4380, 5840},  {5000, 7300}, {2920, 4380},  {3000, 5000},
                                 {8760, 10220}, {2000, 8000}, {10220, 14600}};
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
    acknowledge(&p, 14600 - 2500);
    assert_int_equal(tcp_conn_queued(kit->last.conn), 0);
    kit_free(kit);
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
    kit_put16(quoted, KIT_PORT);
    kit_put16(quoted + 2, p->port);
    kit_put32(quoted + 4, seq);
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
        cmocka_unit_test(a_shut_window_is_probed_until_it_opens),
        cmocka_unit_test(a_window_shut_for_ever_ends_the_connection),
        cmocka_unit_test(what_is_not_acknowledged_is_sent_again_ever_later),
        cmocka_unit_test(the_timeout_follows_the_round_trip),
        cmocka_unit_test(what_was_sent_twice_is_measured_by_its_timestamp_alone),
        cmocka_unit_test(three_duplicates_are_a_loss),
        cmocka_unit_test(duplicates_let_new_data_out),
        cmocka_unit_test(holes_are_filled_and_nothing_else),
        cmocka_unit_test(impossible_ranges_are_ignored),
        cmocka_unit_test(ranges_that_overlap_are_one),
        cmocka_unit_test(a_probe_that_comes_too_late_is_left_out),
        cmocka_unit_test(keepalive_may_be_switched_off_and_lack_a_frame),
        cmocka_unit_test(after_a_timeout_everything_is_sent_anew),
        cmocka_unit_test(a_lost_fin_is_sent_again),
        cmocka_unit_test(there_is_room_again_when_half_is_gone),
        cmocka_unit_test(the_pool_limits_what_is_queued),
        cmocka_unit_test(without_a_frame_nothing_is_lost),
        cmocka_unit_test(checksums_may_be_left_to_the_port),
        cmocka_unit_test(a_silent_peer_is_asked_and_given_up),
        cmocka_unit_test(the_peers_keepalive_is_answered),
        cmocka_unit_test(the_application_is_woken),
        cmocka_unit_test(timers_survive_a_jump_of_the_clock),
        cmocka_unit_test(a_poll_does_no_more_than_its_budget),
        cmocka_unit_test(a_path_that_is_too_small_lowers_the_segments),
        cmocka_unit_test(hard_errors_are_soft_on_a_connection),
        cmocka_unit_test(after_a_silence_the_window_is_the_first_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
