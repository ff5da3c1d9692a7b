/* test_tcp_attack.c - what strangers can do to the engine, in numbers. */
#include "tests/unit/dataplane/tcp_kit.h"

static uint32_t random_state = 99;

static uint32_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

static unsigned hear_count(struct peer *p)
{
    unsigned count = 0;
    for (struct seen s; hear(p, &s);)
        count++;
    return count;
}

/* drop_frames forgets what was sent to whomever. */
static void drop_frames(struct kit *kit)
{
    kit->first += kit->count;
    kit->count = 0;
}

static void a_flood_of_syns_takes_no_memory_and_shuts_nobody_out(void **state)
{
    (void)state;
    struct kit *kit = kit_new();
    for (unsigned i = 0; i < 100000; i++) {
        struct peer p = i % 4 ? peer4(kit, (uint16_t)(1 + i % 65535)) : peer6(kit, 7777);
        uint32_t from = next_random();
        memcpy(p.addr + p.family - 4, &from, 4);
        p.ts = i % 2;
        say(&p, SYN, next_random(), 0, NULL, 0);
        assert_int_equal(kit->count, 1); /* one answer, no more, ever */
        drop_frames(kit);
        if (i % 20 == 0) { /* a real client among them */
            struct peer real = peer4(kit, (uint16_t)(2000 + i / 20));
            real.seq = next_random();
            connect_peer(&real);
            tell(&real, ACK, "hello", 5);
            assert_int_equal(kit->last.received, 5);
            tell(&real, RST, NULL, 0);
            drop_frames(kit);
        }
    }
    assert_int_equal(kit->opened, 5000);
    assert_int_equal(counters(kit)->syns, 105000);
    assert_int_equal(counters(kit)->connections, 0);
    assert_int_equal(counters(kit)->chunks, 0);
    pass(kit, 5000);
    assert_int_equal(kit->count, 0); /* nothing is sent unasked */
    kit_free(kit);
}

static void blind_acknowledgements_open_nothing(void **state)
{
    (void)state;
    struct kit *kit = kit_new();
    for (unsigned i = 0; i < 100000; i++) {
        struct peer p = peer4(kit, (uint16_t)(1 + i % 65535));
        p.ts = i % 2;
        p.ts_recent = next_random();
        say(&p, ACK, next_random(), next_random(), "x", 1);
        drop_frames(kit);
    }
    assert_int_equal(kit->opened, 0);
    assert_int_equal(counters(kit)->connections, 0);
    kit_free(kit);
}

/* Sequence numbers all over: one in 2^32 is exact, and that one is left out. */
static void blind_resets_end_nothing_and_are_answered_seldom(void **state)
{
    (void)state;
    struct kit *kit = kit_new();
    struct peer p = peer4(kit, 4000);
    connect_peer(&p);
    unsigned answers = 0;
    for (unsigned i = 0; i < 60000; i++) {
        uint32_t seq = i % 2 ? p.seq + 1 + i % 60000 : next_random();
        if (seq == p.seq)
            continue;
        say(&p, i % 3 ? RST : RST | ACK, seq, p.ack, NULL, 0);
        poll(kit);
        answers += hear_count(&p);
        if (i % 60 == 0)
            pass(kit, 10); /* ten seconds in all */
    }
    assert_false(kit->last.closed);
    assert_in_range(answers, 10, 110);
    assert_true(counters(kit)->challenges_held > 20000);
    assert_int_equal(counters(kit)->challenges, answers);
    say(&p, RST, p.seq, 0, NULL, 0);
    assert_true(kit->last.closed);
    kit_free(kit);
}

static void one_connections_challenges_are_not_anothers(void **state)
{
    (void)state;
    struct kit *kit = kit_new();
    struct peer a = peer4(kit, 4000), b = peer4(kit, 4001);
    connect_peer(&a);
    connect_peer(&b);
    for (unsigned i = 0; i < 1000; i++) {
        say(&a, RST, a.seq + 5, 0, NULL, 0);
        poll(kit);
    }
    assert_int_equal(hear_count(&a), 10);
    for (unsigned i = 0; i < 10; i++) {
        say(&b, RST, b.seq + 5, 0, NULL, 0);
        poll(kit);
        expect(&b, ACK, 0);
    }
    kit_free(kit);
}

static void blind_syns_end_nothing(void **state)
{
    (void)state;
    struct kit *kit = kit_new();
    struct peer p = peer4(kit, 4000);
    connect_peer(&p);
    unsigned answers = 0;
    for (unsigned i = 0; i < 10000; i++) {
        say(&p, SYN, i % 2 ? p.seq + i : next_random(), 0, NULL, 0);
        poll(kit);
        answers += hear_count(&p);
    }
    assert_int_equal(answers, 10);
    assert_false(kit->last.closed);
    tell(&p, ACK, "alive", 5);
    assert_int_equal(kit->last.received, 5);
    kit_free(kit);
}

/* Data needs a sequence in the window and an acknowledgement within what was sent: a blind guess
 * has a chance of 2^16 in 2^32 times 2^16 in 2^32. */
static void blind_data_is_not_taken(void **state)
{
    (void)state;
    struct kit *kit = kit_new();
    struct peer p = peer4(kit, 4000);
    connect_peer(&p);
    for (unsigned i = 0; i < 60000; i++) {
        uint32_t seq = i % 2 ? p.seq + i % 60000 : next_random();
        uint32_t ack = i % 2 ? next_random() : p.ack;
        bool near = ack - (p.ack - 70000) <= 70000 && seq - p.seq < 65535;
        if (!near)
            say(&p, ACK | (i % 5 ? 0 : FIN), seq, ack, "blind", 5);
        poll(kit);
        drop_frames(kit);
    }
    assert_int_equal(kit->last.received, 0);
    assert_false(kit->last.ended);
    assert_int_equal(counters(kit)->chunks, 0);
    kit_free(kit);
}

static void a_flood_from_one_prefix_leaves_room_for_others(void **state)
{
    (void)state;
    struct kit *kit = kit_make();
    kit->wiring.limits.connections = 2000;
    kit->wiring.settings.per_prefix = 100;
    kit_start(kit);
    for (unsigned i = 0; i < 5000; i++) {
        struct peer p = peer4(kit, (uint16_t)(2000 + i));
        p.addr[3] = (uint8_t)i;
        tell(&p, SYN, NULL, 0);
        p.ack = expect(&p, SYN | ACK, 0).seq + 1;
        tell(&p, ACK, NULL, 0);
        drop_frames(kit);
    }
    assert_int_equal(counters(kit)->connections, 100);
    unsigned others = 0;
    for (unsigned i = 0; i < 1500; i++) {
        struct peer p = peer4(kit, 2000);
        p.addr[0] = (uint8_t)(1 + i % 100);
        p.addr[1] = (uint8_t)(i / 100);
        tell(&p, SYN, NULL, 0);
        p.ack = expect(&p, SYN | ACK, 0).seq + 1;
        unsigned before = kit->opened;
        tell(&p, ACK, NULL, 0);
        others += kit->opened - before;
        drop_frames(kit);
    }
    assert_int_equal(others, 1500); /* none of them shares both its counters with the flood */
    kit_free(kit);
}

static void all_prefixes_are_counted_back(void **state)
{
    (void)state;
    struct kit *kit = kit_make();
    kit->wiring.settings.per_prefix = 2;
    kit_start(kit);
    for (unsigned i = 0; i < 3000; i++) {
        struct peer p = i % 2 ? peer6(kit, 4000) : peer4(kit, 4000);
        p.seq += i;
        struct tcp_settings settings = kit->wiring.settings;
        settings.prefix4 = (uint8_t)(8 + i % 25); /* changes while connections are open */
        settings.prefix6 = (uint8_t)(16 + i % 113);
        tcp_reconfigure(kit->tcp, &settings);
        connect_peer(&p);
        settings.prefix4 = 24;
        tcp_reconfigure(kit->tcp, &settings);
        tell(&p, RST, NULL, 0);
        drop_frames(kit);
    }
    assert_int_equal(kit->opened, 3000);
    assert_int_equal(dropped(kit, TCP_REASON_prefix), 0);
    kit_free(kit);
}

/* Every connection holds as much as it can; then all is over, and everything is back. */
static void connections_that_hoard_are_bounded(void **state)
{
    (void)state;
    struct kit *kit = kit_new(); /* 64 connections, 256 chunks */
    static uint8_t bytes[60000];
    kit->take_max = 0;
    struct peer p[64];
    for (unsigned i = 0; i < 64; i++) {
        p[i] = peer4(kit, (uint16_t)(4000 + i));
        connect_peer(&p[i]);
        for (unsigned k = 0; k < 40; k++)
            say(&p[i], ACK, p[i].seq + k * 1460, p[i].ack, bytes, 1460);
        poll(kit);
        drop_frames(kit);
    }
    assert_int_equal(counters(kit)->chunks, 192); /* a quarter is kept for answers */
    assert_true(counters(kit)->store_full > 0);
    assert_int_equal(tcp_send(kit->tcp, kit->last.conn, bytes, 3000), 3000);
    for (unsigned i = 0; i < 64; i++)
        say(&p[i], RST, p[i].seq, 0, NULL, 0);
    poll(kit);
    drop_frames(kit);
    say(&p[0], ACK, 1, 1, NULL, 0);
    assert_true(counters(kit)->connections <= 64);
    for (uint32_t i = 0; i < 64; i++) {
        struct tcp_conn *conn = tcp_conn_at(kit->tcp, i);
        if (conn)
            tcp_abort(kit->tcp, conn);
    }
    poll(kit);
    drop_frames(kit);
    assert_int_equal(counters(kit)->connections, 0);
    assert_int_equal(counters(kit)->chunks, 0);
    pass(kit, 130000);
    assert_int_equal(counters(kit)->time_waits, 0);
    kit_free(kit);
}

/* deaf opens a connection whose peer asks, takes nothing of the answer, and shuts its window or
 * falls silent. */
static struct tcp_conn *deaf(struct kit *kit, uint16_t port, bool shut)
{
    static const uint8_t answer[16000];
    struct peer p = peer4(kit, port);
    connect_peer(&p);
    struct tcp_conn *conn = kit->last.conn;
    p.window = shut ? 0 : p.window;
    tell(&p, ACK, "GET", 3);
    assert_int_equal(tcp_send(kit->tcp, conn, answer, sizeof answer), sizeof answer);
    pass(kit, 1500); /* longer than the first timeout */
    drop_frames(kit);
    return conn;
}

/* Eight chunks each: sixteen of them have all that there is. */
static void who_reads_nothing_gives_way_when_buffers_run_out(void **state)
{
    (void)state;
    static const uint8_t answer[24000];
    struct kit *kit = kit_make();
    kit->wiring.limits.chunks = 128;
    kit_start(kit);
    for (uint16_t i = 0; i < 16; i++)
        (void)deaf(kit, (uint16_t)(4000 + i), i % 2);
    assert_int_equal(counters(kit)->chunks, 128);
    struct peer p = peer4(kit, 5000);
    connect_peer(&p);
    assert_int_equal(tcp_send(kit->tcp, kit->last.conn, answer, 24000), 24000);
    poll(kit);
    assert_int_equal(counters(kit)->ended[TCP_END_gave_way], 2); /* twelve chunks of sixteen */
    assert_int_equal(counters(kit)->connections, 15);
    assert_int_equal(counters(kit)->chunks, 124);
    for (unsigned i = 0; i < 2; i++) { /* the first two: nothing else is sent to them */
        struct peer first = peer4(kit, (uint16_t)(4000 + i));
        struct seen s;
        assert_true(hear(&first, &s));
        assert_int_equal(s.flags & RST, RST);
    }
    kit_free(kit);
}

static void who_reads_again_does_not_give_way(void **state)
{
    (void)state;
    static const uint8_t answer[16000];
    struct kit *kit = kit_make();
    kit->wiring.limits.chunks = 16;
    kit_start(kit);
    struct peer slow = peer4(kit, 4000);
    connect_peer(&slow);
    struct tcp_conn *conn = kit->last.conn;
    slow.window = 0;
    tell(&slow, ACK, "GET", 3);
    assert_int_equal(tcp_send(kit->tcp, conn, answer, sizeof answer), sizeof answer);
    pass(kit, 1500);
    drop_frames(kit);
    (void)deaf(kit, 4001, true);
    slow.window = 1460; /* the second has been deaf for longer now */
    say(&slow, ACK, slow.seq, slow.ack, NULL, 0);
    poll(kit);
    drop_frames(kit);
    struct peer p = peer4(kit, 5000);
    connect_peer(&p);
    assert_int_equal(tcp_send(kit->tcp, kit->last.conn, answer, 2000), 2000);
    poll(kit);
    assert_int_equal(counters(kit)->ended[TCP_END_gave_way], 1);
    assert_ptr_equal(tcp_conn_at(kit->tcp, tcp_conn_index(kit->tcp, conn)), conn);
    assert_int_equal(tcp_send(kit->tcp, conn, answer, 1), 1);
    kit_free(kit);
}

static void sequence_numbers_cannot_be_guessed_from_others(void **state)
{
    (void)state;
    struct kit *kit = kit_new();
    uint32_t ones[32] = {0}, last = 0, same = 0;
    for (unsigned i = 0; i < 4000; i++) {
        struct peer p = peer4(kit, (uint16_t)(1000 + i));
        tell(&p, SYN, NULL, 0);
        uint32_t iss = expect(&p, SYN | ACK, 0).seq;
        for (unsigned bit = 0; bit < 32; bit++)
            ones[bit] += iss >> bit & 1;
        same += i && (iss ^ last) < 1u << 16;
        last = iss;
    }
    for (unsigned bit = 0; bit < 32; bit++) /* each bit is set in about half of them */
        assert_in_range(ones[bit], 1850, 2150);
    assert_in_range(same, 0, 2);
    kit_free(kit);
}

static void another_start_has_other_cookies(void **state)
{
    (void)state;
    uint32_t iss[3];
    for (unsigned i = 0; i < 3; i++) {
        struct kit *kit = kit_make();
        kit->wiring.seed = i;
        kit_start(kit);
        struct peer p = peer4(kit, 4000);
        tell(&p, SYN, NULL, 0);
        iss[i] = expect(&p, SYN | ACK, 0).seq;
        kit_free(kit);
    }
    assert_true(iss[0] != iss[1] && iss[1] != iss[2] && iss[0] != iss[2]);
}

/* What a segment costs does not grow with what is stored: the list is as long as its limit. */
static void a_store_full_of_gaps_stays_small(void **state)
{
    (void)state;
    struct kit *kit = kit_make();
    kit->wiring.limits.chunks = 4096;
    kit->wiring.settings.receive_bytes = 262144;
    kit_start(kit);
    struct peer p = peer4(kit, 4000);
    p.wscale = 0;
    p.sack = true;
    connect_peer(&p);
    static uint8_t bytes[60000];
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t at = 1 + next_random() % 60000, len = 1 + next_random() % 1400;
        say(&p, ACK, p.seq + at, p.ack, bytes, len);
        poll(kit);
        drop_frames(kit);
        assert_in_range(counters(kit)->chunks, 1, 2 * (262144 / TCP_CHUNK_DATA) + 10);
    }
    kit_free(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_of_syns_takes_no_memory_and_shuts_nobody_out),
        cmocka_unit_test(blind_acknowledgements_open_nothing),
        cmocka_unit_test(blind_resets_end_nothing_and_are_answered_seldom),
        cmocka_unit_test(one_connections_challenges_are_not_anothers),
        cmocka_unit_test(blind_syns_end_nothing),
        cmocka_unit_test(blind_data_is_not_taken),
        cmocka_unit_test(a_flood_from_one_prefix_leaves_room_for_others),
        cmocka_unit_test(all_prefixes_are_counted_back),
        cmocka_unit_test(connections_that_hoard_are_bounded),
        cmocka_unit_test(who_reads_nothing_gives_way_when_buffers_run_out),
        cmocka_unit_test(who_reads_again_does_not_give_way),
        cmocka_unit_test(sequence_numbers_cannot_be_guessed_from_others),
        cmocka_unit_test(another_start_has_other_cookies),
        cmocka_unit_test(a_store_full_of_gaps_stays_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
