/* test_rx_http.c - TCP and HTTP on an rx part: frames of a client in, its event in a shard's ring,
 * the shard's answer out as frames, and what happens when one of them has no room. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/dataplane/rx_http_kit.h"

/* Segments of a burst are looked at together, but not across a datagram. */
static void a_burst_is_taken_in_its_order(void **state)
{
    (void)state;
    char wire[1024], body[256];
    strcpy(body, event_text(3));
    dial();
    int head = snprintf(wire, sizeof wire,
                        "POST /v1/events HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        strlen(body));
    segment(ACK, wire, 30);
    datagram(4);
    segment(ACK, wire + 30, (size_t)head - 30);
    segment(PSH | ACK, body, strlen(body));
    datagram(5);
    turn();
    assert_int_equal(rx_http_tcp_counters(rx.http)->out_of_order, 0);
    struct event first = taken(), second = taken(), third = taken();
    assert_false(first.token & RX_TOKEN_HTTP || third.token & RX_TOKEN_HTTP);
    assert_true(second.token & RX_TOKEN_HTTP);
    assert_memory_equal(second.bytes, body, second.len);
    reply(&first, RESULT_ACCEPTED, 1);
    reply(&second, RESULT_ACCEPTED, 2);
    reply(&third, RESULT_ACCEPTED, 3);
    atomic_store(&journal.mark.ordinal, 3);
    turn();
    assert_status("202");
    assert_int_equal(port.idle_count, BUFFERS);
}

/* A batch of more events than the ring has room for: those that follow in later turns came when the
 * first ones did. */
static void the_events_of_a_batch_came_when_it_came(void **state)
{
    (void)state;
    char wire[8192] = "", body[6144] = "";
    struct rx_http_settings settings;
    tcp_settings_init(&settings.tcp);
    http_settings_init(&settings.http);
    settings.http.batch_room = 8;
    rx_http_reconfigure(rx.http, &settings);
    for (unsigned i = 0; i < 12; i++) {
        strcat(body, event_text(i));
        strcat(body, "\n");
    }
    snprintf(wire, sizeof wire,
             "POST /v1/events HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-ndjson\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    dial();
    say(wire);
    struct event first = taken();
    unsigned turns = 0, turns_with_events = 0;
    for (unsigned seen = 0; seen < 11 && turns < 100; turns++) {
        struct event event;
        if (turns == 0)
            reply(&first, RESULT_ACCEPTED, 1);
        if (event_ring_pop_burst(&events, &event, 1) == 0)
            continue;
        assert_int_equal(event.wire_ns, first.wire_ns);
        seen++;
        turns_with_events++;
        reply(&event, RESULT_ACCEPTED, 1);
    }
    assert_int_equal(turns_with_events, 11);
    atomic_store(&journal.mark.ordinal, 1);
    turn();
    assert_status("200");
}

static void a_post_is_an_event_in_the_ring_and_its_answer_leaves_once_it_is_durable(void **state)
{
    (void)state;
    dial();
    uint64_t before = clock_monotonic_ns();
    post(1);
    struct event event = taken();
    assert_true(event.token & RX_TOKEN_HTTP);
    assert_int_equal(event.len, strlen(event_text(1)));
    assert_memory_equal(event.bytes, event_text(1), event.len);
    assert_in_range(event.wire_ns, before, clock_monotonic_ns());
    assert_true(event.receive_ns > 1600000000 * NS_PER_S);
    assert_int_equal(rx.counters.received, 1);
    atomic_store(&journal.mark.ordinal, 4);
    reply(&event, RESULT_ACCEPTED, 5);
    assert_int_equal(client.text_len, 0);
    atomic_store(&journal.mark.ordinal, 5);
    turn();
    assert_status("202");
    assert_non_null(strstr(client.text, "\"result\":\"accepted\""));
    assert_int_equal(rx.counters.answered, 1);
}

static void who_asks_for_less_is_answered_at_once(void **state)
{
    (void)state;
    char wire[1024];
    const char *body = event_text(1);
    snprintf(wire, sizeof wire,
             "POST /v1/events HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
             "Trove-Ack: accepted\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    dial();
    say(wire);
    struct event event = taken();
    reply(&event, RESULT_ACCEPTED, 5); /* the mark is at 0 */
    assert_status("202");
}

static void buffers_come_back_and_nothing_is_held_for_who_is_idle(void **state)
{
    (void)state;
    dial();
    for (unsigned n = 0; n < 50; n++) {
        client.text_len = 0;
        post(n);
        struct event event = taken();
        atomic_store(&journal.mark.ordinal, n + 1);
        reply(&event, RESULT_ACCEPTED, n + 1);
        assert_status("202");
        assert_int_equal(port.idle_count, BUFFERS);
    }
    segment(ACK, "", 0);
    turn();
    assert_int_equal(rx_http_tcp_counters(rx.http)->chunks, 0);
    assert_int_equal(rx_http_counters(rx.http)->slots, 0);
    assert_int_equal(rx_http_tcp_counters(rx.http)->connections, 1);
}

static void frames_wait_for_a_port_that_takes_none(void **state)
{
    (void)state;
    port.transmit_room = 0;
    memset(&client, 0, sizeof client);
    client.port = 50000;
    for (unsigned i = 0; i < 40; i++) { /* more than a burst of SYN-ACKs */
        client.port++;
        client.seq = 1;
        segment(SYN, "", 0);
    }
    turn();
    turn();
    assert_int_equal(rx_http_waiting(rx.http), 40);
    assert_int_equal(port.idle_count, BUFFERS - 40);
    port.transmit_room = 3;
    turn();
    assert_int_equal(rx_http_waiting(rx.http), 37);
    port.transmit_room = RX_BURST;
    turn();
    assert_int_equal(rx_http_waiting(rx.http), 0);
    assert_int_equal(port.idle_count, BUFFERS);
}

static void an_answer_waits_for_a_buffer(void **state)
{
    (void)state;
    dial();
    post(1);
    struct event event = taken();
    atomic_store(&journal.mark.ordinal, 1);
    port.no_buffers = true;
    reply(&event, RESULT_ACCEPTED, 1);
    assert_int_equal(client.text_len, 0);
    assert_true(rx_http_tcp_counters(rx.http)->no_frame > 0);
    port.no_buffers = false;
    turn();
    assert_status("202");
}

static void no_more_frames_wait_than_there_is_room_for(void **state)
{
    (void)state;
    port.transmit_room = 0;
    memset(&client, 0, sizeof client);
    for (unsigned i = 0; i < RX_HTTP_FRAMES + 32; i++) {
        client.port = (uint16_t)(20000 + i);
        client.seq = 1;
        segment(SYN, "", 0);
        turn();
    }
    assert_int_equal(rx_http_waiting(rx.http), RX_HTTP_FRAMES);
    assert_int_equal(port.idle_count, BUFFERS - RX_HTTP_FRAMES);
}

static void refused_for_want_of_state_is_told_and_not_lost(void **state)
{
    (void)state;
    dial();
    post(1);
    struct event event = taken();
    reply(&event, RESULT_REFUSED, 0);
    assert_status("503");
    assert_non_null(strstr(client.text, "state_full"));
    assert_non_null(strstr(client.text, "Retry-After: "));
    assert_int_equal(rx.counters.refused, 1);
    assert_int_equal(rx.counters.lost[LOST_state_full], 0);
}

static void a_full_ring_is_told_and_datagrams_behind_a_post_are_lost_in_its_place(void **state)
{
    (void)state;
    dial();
    for (unsigned n = 0; n < SLOTS - 2; n++)
        datagram(n);
    turn();
    /* One place is left: the post has it, though datagrams come in the same burst. */
    char wire[1024];
    const char *body = event_text(90);
    snprintf(wire, sizeof wire,
             "POST /v1/events HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    segment(PSH | ACK, wire, strlen(wire));
    datagram(91);
    datagram(92);
    turn();
    assert_int_equal(rx.counters.lost[LOST_ring_full], 2);
    assert_int_equal(event_ring_count(&events), SLOTS - 1);
    dial();
    post(93);
    assert_status("503");
    assert_int_equal(rx.counters.received, SLOTS - 2 + 3);
    assert_int_equal(rx.counters.lost[LOST_ring_full], 2);
    uint32_t https = 0;
    for (uint32_t i = 0; i < SLOTS - 1; i++)
        https += (taken().token & RX_TOKEN_HTTP) != 0;
    assert_int_equal(https, 1);
}

static void while_a_journal_cannot_write_posts_are_refused(void **state)
{
    (void)state;
    dial();
    atomic_store(&journal.state, JOURNAL_FAILED);
    turn();
    post(1);
    assert_status("503");
    assert_non_null(strstr(client.text, "not_ready"));
    assert_int_equal(event_ring_count(&events), 0);
    atomic_store(&journal.state, JOURNAL_OK);
    turn();
    post(2);
    taken();
}

static void what_waits_for_a_full_disk_is_answered_and_nothing_more_is_taken(void **state)
{
    (void)state;
    dial();
    post(1);
    struct event event = taken();
    reply(&event, RESULT_ACCEPTED, 1);
    atomic_store(&journal.refusing, true);
    turn();
    assert_int_equal(client.text_len, 0);
    atomic_store(&journal.mark.ordinal, 1);
    turn();
    assert_status("202");
    client.text_len = 0;
    post(2);
    assert_status("503");
    client.text_len = 0;
    say("GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_status("503");
    assert_non_null(strstr(client.text, "disk_full"));
}

static void while_draining_what_waits_is_closed_and_what_comes_is_refused(void **state)
{
    (void)state;
    dial();
    atomic_store(&draining, true);
    turn();
    assert_false(client.finished);
    post(1);
    assert_status("503");
    turn();
    assert_true(client.finished && !client.reset);
    dial(); /* a load balancer, which must hear it */
    say("GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_status("503");
    assert_non_null(strstr(client.text, "draining"));
}

static void when_nothing_is_received_any_more_connections_are_reset(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        dial();
    post(1);
    struct event event = taken();
    assert_int_equal(rx_http_tcp_counters(rx.http)->connections, 10);
    for (int i = 0; i < 4; i++)
        rx_poll(&rx, false);
    assert_true(client.reset);
    assert_int_equal(rx_http_tcp_counters(rx.http)->connections, 0);
    struct answer answer = {.token = event.token, .result = RESULT_ACCEPTED, .ordinal = 1};
    answer_ring_push_burst(&answers, &answer, 1);
    rx_poll(&rx, false);
    rx_poll(&rx, false);
    assert_int_equal(rx.counters.answered, 1);
    assert_int_equal(rx_http_counters(rx.http)->slots, 0);
    assert_int_equal(port.idle_count, BUFFERS);
}

static void an_icmp_error_comes_to_tcp(void **state)
{
    (void)state;
    dial();
    uint8_t *icmp = frame(1, 8 + 28), *quoted = icmp + 8;
    icmp[0] = 3;
    icmp[1] = 4;
    put16(icmp + 6, 1000);
    quoted[0] = 0x45;
    quoted[9] = 6;
    memcpy(quoted + 12, our_ip, 4);
    memcpy(quoted + 16, peer_ip, 4);
    put16(quoted + 20, 8080);
    put16(quoted + 22, 9); /* no connection has this port */
    uint32_t sum = 0;
    for (int i = 0; i < 36; i += 2)
        sum += (uint32_t)icmp[i] << 8 | icmp[i + 1];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    put16(icmp + 2, ~sum & 0xffff);
    turn();
    assert_int_equal(rx_http_tcp_counters(rx.http)->dropped[TCP_REASON_icmp], 1);
    assert_int_equal(rx.counters.dropped[NET_icmp], 0);
    assert_int_equal(port.idle_count, BUFFERS);
}

static void checksums_are_made_here_where_the_port_makes_none(void **state)
{
    (void)state;
    dial();
    say("GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_status("200");
    assert_int_equal(port.left, 0);
    assert_true(port.whole >= 2); /* SYN-ACK, answer */
}

static int setup_left(void **state)
{
    (void)state;
    return setup_with(true);
}

static void ask_for_our_address(void)
{
    uint8_t *arp = frame(0, 8) - 20;
    memset(arp - 14, 0xff, 6);
    put16(arp - 2, 0x0806);
    put16(arp, 1);
    put16(arp + 2, 0x0800);
    put16(arp + 4, 0x0604);
    put16(arp + 6, 1);
    memcpy(arp + 8, peer_mac, 6);
    memcpy(arp + 14, peer_ip, 4);
    memcpy(arp + 24, our_ip, 4);
    turn();
}

static void checksums_are_left_to_a_port_that_makes_them_but_not_those_of_replies(void **state)
{
    (void)state;
    dial();
    say("GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_status("200");
    assert_int_equal(port.whole, 0);
    assert_true(port.left >= 2);
    uint32_t left = port.left;
    ask_for_our_address();
    assert_int_equal(rx.counters.replied, 1);
    assert_int_equal(port.whole, 1);
    assert_int_equal(port.left, left);
}

/* What is sent goes back the way it came: with its tags. */
static void a_port_is_told_of_tags(void **state)
{
    (void)state;
    static const uint16_t types[] = {0x88a8, 0x8100};
    for (uint32_t tags = 1; tags <= 2; tags++) {
        client = (typeof(client)){.port = 45000, .seq = 77};
        segment(SYN, "", 0);
        struct packet *packet = port.waiting[port.waiting_count - 1];
        memmove(packet->frame + 14 + (size_t)4 * tags, packet->frame + 14, packet->len - 14);
        for (uint32_t t = 0; t < tags; t++) {
            put16(packet->frame + 12 + (size_t)4 * t, types[t + 2 - tags]);
            put16(packet->frame + 14 + (size_t)4 * t, 100 + t);
        }
        put16(packet->frame + 12 + (size_t)4 * tags, 0x0800);
        packet->len += 4 * tags;
        turn();
        assert_int_equal(port.left, tags); /* count_sums looks where it points to */
    }
    assert_int_equal(port.whole, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_post_is_an_event_in_the_ring_and_its_answer_leaves_once_it_is_durable),
        TEST(a_burst_is_taken_in_its_order),
        TEST(the_events_of_a_batch_came_when_it_came),
        TEST(who_asks_for_less_is_answered_at_once),
        TEST(buffers_come_back_and_nothing_is_held_for_who_is_idle),
        TEST(frames_wait_for_a_port_that_takes_none),
        TEST(an_answer_waits_for_a_buffer),
        TEST(no_more_frames_wait_than_there_is_room_for),
        TEST(refused_for_want_of_state_is_told_and_not_lost),
        TEST(a_full_ring_is_told_and_datagrams_behind_a_post_are_lost_in_its_place),
        TEST(while_a_journal_cannot_write_posts_are_refused),
        TEST(what_waits_for_a_full_disk_is_answered_and_nothing_more_is_taken),
        TEST(while_draining_what_waits_is_closed_and_what_comes_is_refused),
        TEST(when_nothing_is_received_any_more_connections_are_reset),
        TEST(an_icmp_error_comes_to_tcp),
        TEST(checksums_are_made_here_where_the_port_makes_none),
        cmocka_unit_test_setup_teardown(
            checksums_are_left_to_a_port_that_makes_them_but_not_those_of_replies, setup_left,
            teardown),
        cmocka_unit_test_setup_teardown(a_port_is_told_of_tags, setup_left, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
