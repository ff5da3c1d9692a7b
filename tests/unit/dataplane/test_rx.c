/* test_rx.c - the rx part over a port that is an array: every event comes to one counter, every
 * buffer comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/clock.h"
#include "dataplane/rx.h"
#include "tests/big_endian.h"

#define FRAMES 64
#define SHARDS 2
#define SLOTS  16

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 2};

struct fake_port {
    uint8_t frames[FRAMES][2048];
    struct packet packets[FRAMES];
    uint32_t given, count;
    uint32_t released, transmitted;
    uint32_t transmit_room;
};

static struct fake_port port;
static struct rx rx;
static struct event_ring events[SHARDS];
static struct answer_ring answers[SHARDS];
static struct hash_key key;
static uint8_t memory[1 << 20] __attribute__((aligned(64)));

static uint32_t fake_receive(void *arg, struct packet **packets, uint32_t count)
{
    struct fake_port *p = arg;
    uint32_t n = 0;
    while (n < count && p->given < p->count)
        packets[n++] = &p->packets[p->given++];
    return n;
}

static uint32_t fake_transmit(void *arg, struct packet **packets, uint32_t count)
{
    struct fake_port *p = arg;
    (void)packets;
    uint32_t n = count < p->transmit_room ? count : p->transmit_room;
    p->transmitted += n;
    return n;
}

static void fake_release(void *arg, struct packet **packets, uint32_t count)
{
    struct fake_port *p = arg;
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(packets[i]->pending, 0);
    p->released += count;
}

/* A datagram to 192.0.2.1:7001; checksums count as checked by the port. */
static void add_datagram(const char *payload, size_t len)
{
    struct packet *packet = &port.packets[port.count];
    uint8_t *f = port.frames[port.count++];
    memset(f, 0, 42);
    memcpy(f, our_mac, 6);
    memcpy(f + 6, peer_mac, 6);
    put16(f + 12, 0x0800);
    f[14] = 0x45;
    put16(f + 16, (unsigned)(28 + len));
    f[22] = 64;
    f[23] = 17;
    memcpy(f + 26, (uint8_t[]){192, 0, 2, 2, 192, 0, 2, 1}, 8);
    put16(f + 34, 40000);
    put16(f + 36, 7001);
    put16(f + 38, (unsigned)(8 + len));
    memcpy(f + 42, payload, len);
    *packet = (struct packet){
        .frame = f, .len = (uint32_t)(42 + len), .offload = NET_IP_CHECKED | NET_L4_CHECKED};
}

static int event_text(char *out, size_t room, unsigned n)
{
    return snprintf(out, room,
                    "{\"id\":\"00000000-0000-4000-8000-%012u\",\"time\":1795209600123,"
                    "\"user\":\"u-%u\",\"type\":\"view\",\"item\":\"A\"}",
                    n + 1, n);
}

static void add_event(unsigned n)
{
    char text[256];
    add_datagram(text, (size_t)event_text(text, sizeof text, n));
}

static int setup(void **state)
{
    (void)state;
    static const uint8_t seed[HASH_SEED_BYTES] = {1};
    static struct event_ring *to_shard[SHARDS] = {&events[0], &events[1]};
    static struct answer_ring *back[SHARDS] = {&answers[0], &answers[1]};
    struct arena arena;
    memset(&port, 0, sizeof port);
    port.transmit_room = FRAMES;
    hash_key_init(&key, seed);
    arena_init(&arena, memory, sizeof memory);
    for (int s = 0; s < SHARDS; s++) {
        event_ring_init(&events[s], &arena, SLOTS);
        answer_ring_init(&answers[s], &arena, SLOTS);
    }
    struct rx_wiring wiring = {
        .port = {fake_receive, fake_transmit, fake_release, NULL, &port},
        .net = {.udp_port = 7001,
                .max_datagram = 1400,
                .addr_count = 1,
                .addrs = {{.family = 4, .bytes = {192, 0, 2, 1}}}},
        .settings = {.limits = {.event_bytes = 1400, .event_depth = 16}},
        .key = &key,
        .partition_count = 16,
        .shard_count = SHARDS,
        .ring_slots = SLOTS,
        .local_shard = -1,
        .to_shard = to_shard,
        .answers = back,
    };
    memcpy(wiring.net.mac, our_mac, 6);
    rx_init(&rx, &arena, &wiring);
    return 0;
}

/* Plays the shards: everything that waits is answered with result. */
static uint32_t answer_all(enum result result)
{
    uint32_t total = 0;
    struct event event = {0};
    for (uint32_t s = 0; s < SHARDS; s++) {
        while (event_ring_pop_burst(&events[s], &event, 1)) {
            struct answer answer = {.token = event.token, .result = (uint8_t)result};
            assert_int_equal(event.partition % SHARDS, s);
            assert_int_equal(answer_ring_push_burst(&answers[s], &answer, 1), 1);
            total++;
        }
    }
    return total;
}

static void a_buffer_comes_back_when_its_event_was_answered(void **state)
{
    (void)state;
    add_event(1);
    rx_poll(&rx, true);
    assert_int_equal(rx.counters.received, 1);
    assert_int_equal(port.released, 0);
    assert_int_equal(answer_all(RESULT_ACCEPTED), 1);
    rx_poll(&rx, true);
    assert_int_equal(port.released, 1);
    assert_int_equal(rx.counters.answered, 1);
}

static void every_line_is_an_event_and_the_buffer_waits_for_the_last(void **state)
{
    (void)state;
    char text[1400];
    size_t len = 0;
    for (unsigned n = 0; n < 5; n++) {
        len += (size_t)event_text(text + len, sizeof text - len, n);
        text[len++] = '\n';
    }
    text[len++] = '\r'; /* blank lines mean nothing */
    text[len++] = '\n';
    add_datagram(text, len);
    rx_poll(&rx, true);
    assert_int_equal(rx.counters.received, 5);
    assert_int_equal(rx.counters.delivered, 1);
    assert_int_equal(answer_all(RESULT_ACCEPTED), 5);
    rx_poll(&rx, true);
    assert_int_equal(port.released, 1);
}

static void a_datagram_without_an_event_is_one_rejected_event(void **state)
{
    (void)state;
    add_datagram("", 0);
    add_datagram(" \r\n\n", 4);
    rx_poll(&rx, true);
    assert_int_equal(rx.counters.received, 2);
    struct event event = {0};
    uint32_t seen = 0;
    for (uint32_t s = 0; s < SHARDS; s++)
        while (event_ring_pop_burst(&events[s], &event, 1)) {
            assert_int_equal(event.reason, REASON_empty);
            seen++;
        }
    assert_int_equal(seen, 2);
}

static void what_the_rings_do_not_hold_is_lost_and_counted(void **state)
{
    (void)state;
    for (unsigned n = 0; n < FRAMES; n++)
        add_event(n);
    rx_poll(&rx, true);
    rx_poll(&rx, true);
    assert_int_equal(rx.counters.received, FRAMES);
    uint64_t lost = rx.counters.lost[LOST_ring_full];
    assert_true(lost >= FRAMES - SHARDS * (SLOTS - 1));
    assert_int_equal(port.released, lost);
    assert_int_equal(answer_all(RESULT_ACCEPTED) + lost, FRAMES);
    rx_poll(&rx, true);
    assert_int_equal(port.released, FRAMES);
}

static void what_a_journal_refuses_is_lost_for_that_reason(void **state)
{
    (void)state;
    _Atomic bool refuses = false;
    for (uint32_t s = 0; s < SHARDS; s++)
        rx.refusing[s] = &refuses;
    for (unsigned n = 0; n < FRAMES / 2; n++)
        add_event(n);
    rx_poll(&rx, true);
    uint64_t full = rx.counters.lost[LOST_ring_full];
    assert_true(full >= FRAMES / 2 - SHARDS * (SLOTS - 1));
    assert_int_equal(rx.counters.lost[LOST_journal], 0);
    refuses = true;
    for (unsigned n = 0; n < FRAMES / 2; n++)
        add_event(n);
    rx_poll(&rx, true);
    assert_int_equal(rx.counters.lost[LOST_ring_full], full);
    assert_int_equal(answer_all(RESULT_ACCEPTED) + full + rx.counters.lost[LOST_journal], FRAMES);
    assert_true(rx.counters.lost[LOST_journal] > 0);
}

/* Waiting for it would keep clients waiting who are to be refused, and lose datagrams uncounted. */
static void a_local_shard_whose_journal_refuses_is_not_waited_for(void **state)
{
    (void)state;
    _Atomic bool refuses = false;
    rx.local_shard = 0;
    rx.open[0] = rx.open_max / 2 + 1;
    add_event(1);
    rx_poll(&rx, true);
    assert_int_equal(rx.counters.received, 0);
    rx.refusing[0] = &refuses;
    rx_poll(&rx, true);
    assert_int_equal(rx.counters.received, 0);
    refuses = true;
    rx_poll(&rx, true);
    assert_int_equal(rx.counters.received, 1);
}

static void unanswered_events_never_outgrow_the_answer_ring(void **state)
{
    (void)state;
    for (unsigned n = 0; n < FRAMES; n++)
        add_event(0); /* one user: one shard */
    rx_poll(&rx, true);
    answer_all(RESULT_ACCEPTED); /* asserts that every answer finds room */
    rx_poll(&rx, true);
    answer_all(RESULT_ACCEPTED);
    rx_poll(&rx, false);
    assert_int_equal(port.released, FRAMES);
    assert_int_equal(rx.counters.received, rx.counters.answered + rx.counters.lost[LOST_ring_full]);
}

static void refused_over_udp_is_lost(void **state)
{
    (void)state;
    add_event(1);
    rx_poll(&rx, true);
    answer_all(RESULT_REFUSED);
    rx_poll(&rx, true);
    assert_int_equal(rx.counters.lost[LOST_state_full], 1);
    assert_int_equal(port.released, 1);
}

static void dropped_frames_are_released_and_counted_by_reason(void **state)
{
    (void)state;
    add_event(1);
    put16(port.frames[0] + 36, 7002);
    add_event(2);
    port.packets[1].segmented = 1;
    rx_poll(&rx, true);
    assert_int_equal(rx.counters.dropped[NET_udp_port], 1);
    assert_int_equal(rx.counters.dropped[NET_segmented], 1);
    assert_int_equal(rx.counters.packets, 2);
    assert_int_equal(port.released, 2);
    assert_int_equal(rx.counters.received, 0);
}

static void replies_that_the_port_does_not_take_are_released(void **state)
{
    (void)state;
    uint8_t *f = port.frames[0];
    memcpy(f, (uint8_t[]){255, 255, 255, 255, 255, 255}, 6);
    memcpy(f + 6, peer_mac, 6);
    static const uint8_t arp[28] = {0,   1, 8, 0, 6, 4, 0, 1, 2, 0, 0,   0, 0, 2,
                                    192, 0, 2, 2, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1};
    put16(f + 12, 0x0806);
    memcpy(f + 14, arp, 28);
    port.packets[0] = port.packets[1] = (struct packet){.frame = f, .len = 42};
    memcpy(port.frames[1], f, 42);
    port.packets[1].frame = port.frames[1];
    port.count = 2;
    port.transmit_room = 1;
    rx_poll(&rx, true);
    assert_int_equal(rx.counters.replied, 1);
    assert_int_equal(rx.counters.reply_failed, 1);
    assert_int_equal(port.released, 1);
}

static void nothing_is_received_while_draining(void **state)
{
    (void)state;
    add_event(1);
    assert_int_equal(rx_poll(&rx, false), 0);
    assert_int_equal(rx.counters.packets, 0);
    assert_int_equal(rx_poll(&rx, true), 1);
}

static void frames_wait_in_the_port_while_the_shard_of_this_core_is_behind(void **state)
{
    (void)state;
    struct event event = {0};
    for (unsigned n = 0; n < SLOTS / 2 + 1; n++)
        add_event(0);
    rx_poll(&rx, true);
    rx.local_shard = event_ring_count(&events[0]) ? 0 : 1;
    add_event(1);
    assert_int_equal(rx_poll(&rx, true), 0);
    assert_int_equal(port.given, SLOTS / 2 + 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(event_ring_pop_burst(&events[rx.local_shard], &event, 1), 1);
        struct answer answer = {.token = event.token};
        answer_ring_push_burst(&answers[rx.local_shard], &answer, 1);
    }
    rx_poll(&rx, true);
    assert_int_equal(port.given, SLOTS / 2 + 2);
    assert_int_equal(rx.counters.lost[LOST_ring_full], 0);
}

static void claims_of_one_tile_meet_in_one_partition(void **state)
{
    (void)state;
    struct event event = {0};
    uint32_t seen = 0, partition = 0;
    for (unsigned n = 0; n < SLOTS - 1; n++) {
        char text[256];
        int len = snprintf(text, sizeof text,
                           "{\"id\":\"00000000-0000-4000-8000-%012u\",\"time\":1795209600123,"
                           "\"user\":\"u-%u\",\"type\":\"claim\",\"tile\":\"T\"}",
                           n + 1, n);
        add_datagram(text, (size_t)len);
    }
    rx_poll(&rx, true);
    for (uint32_t s = 0; s < SHARDS; s++)
        while (event_ring_pop_burst(&events[s], &event, 1)) {
            assert_true(!seen || event.partition == partition);
            partition = event.partition;
            seen++;
        }
    assert_int_equal(seen, SLOTS - 1);
}

static void a_trailer_dates_the_wire(void **state)
{
    (void)state;
    struct event event = {0};
    rx.settings.trailer = true;
    for (unsigned i = 0; i < 2; i++) {
        add_event(i);
        uint64_t stamp = clock_realtime_ns() - (i ? 0 : 5 * NS_PER_MS);
        stamp = i ? 12345 : stamp; /* the second is no time of today */
        stamp = __builtin_bswap64(stamp);
        memcpy(port.frames[i] + port.packets[i].len, &stamp, 8);
        port.packets[i].len += 8;
    }
    rx_poll(&rx, true);
    uint64_t now = clock_monotonic_ns();
    uint32_t old = 0, seen = 0;
    for (uint32_t s = 0; s < SHARDS; s++)
        while (event_ring_pop_burst(&events[s], &event, 1)) {
            old += now - event.wire_ns >= 5 * NS_PER_MS;
            seen++;
        }
    assert_int_equal(seen, 2);
    assert_true(old >= 1);
    assert_int_equal(rx.counters.bad_stamps, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_buffer_comes_back_when_its_event_was_answered, setup),
        cmocka_unit_test_setup(every_line_is_an_event_and_the_buffer_waits_for_the_last, setup),
        cmocka_unit_test_setup(a_datagram_without_an_event_is_one_rejected_event, setup),
        cmocka_unit_test_setup(what_the_rings_do_not_hold_is_lost_and_counted, setup),
        cmocka_unit_test_setup(what_a_journal_refuses_is_lost_for_that_reason, setup),
        cmocka_unit_test_setup(a_local_shard_whose_journal_refuses_is_not_waited_for, setup),
        cmocka_unit_test_setup(unanswered_events_never_outgrow_the_answer_ring, setup),
        cmocka_unit_test_setup(refused_over_udp_is_lost, setup),
        cmocka_unit_test_setup(dropped_frames_are_released_and_counted_by_reason, setup),
        cmocka_unit_test_setup(replies_that_the_port_does_not_take_are_released, setup),
        cmocka_unit_test_setup(nothing_is_received_while_draining, setup),
        cmocka_unit_test_setup(frames_wait_in_the_port_while_the_shard_of_this_core_is_behind,
                               setup),
        cmocka_unit_test_setup(claims_of_one_tile_meet_in_one_partition, setup),
        cmocka_unit_test_setup(a_trailer_dates_the_wire, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
