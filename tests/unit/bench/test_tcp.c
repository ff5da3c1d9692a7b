/* test_tcp.c - the client's connections against a peer that is played segment by segment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/blast_tcp.h"
#include "dataplane/base/clock.h"
#include "tests/unit/bench/wires.h"

#define PEER_SEQ 0xfffffff0u /* wraps soon */
#define START_NS NS_PER_S

struct fixture {
    struct wires wires;
    struct blast_tcp tcp;
    struct blast_segment_head head;
    struct blast_segment last; /* that the client sent */
    uint8_t bytes[BLAST_WIRE_FRAME];
    uint64_t now_ns;
    uint32_t client_seq; /* of its first byte */
    char got[256];
    uint32_t got_count;
    uint32_t opened;
    uint32_t acked;
    uint32_t closed;
    enum blast_tcp_end why;
    bool refuse_data;
};

static void on_open(void *app, uint32_t conn)
{
    (void)conn;
    ((struct fixture *)app)->opened++;
}

static bool on_data(void *app, uint32_t conn, const uint8_t *bytes, uint32_t len)
{
    struct fixture *f = app;
    (void)conn;
    assert_true(f->got_count + len <= sizeof f->got);
    memcpy(f->got + f->got_count, bytes, len);
    f->got_count += len;
    return !f->refuse_data;
}

static void on_acked(void *app, uint32_t conn)
{
    (void)conn;
    ((struct fixture *)app)->acked++;
}

static void on_closed(void *app, uint32_t conn, enum blast_tcp_end why)
{
    struct fixture *f = app;
    (void)conn;
    f->closed++;
    f->why = why;
}

static struct fixture *make(uint32_t conns)
{
    struct fixture *f = calloc(1, sizeof *f);
    wires_init(&f->wires, 1);
    struct blast_wire *wire = &f->wires.client.wire;
    assert_int_equal(blast_tcp_init(&f->tcp, wire, conns, 4000, 0xffffff00), 0);
    f->tcp.app = (struct blast_tcp_app){on_open, on_data, on_acked, on_closed, f};
    blast_segment_init(&f->head, &wire->target, &wire->source);
    f->now_ns = START_NS;
    return f;
}

static void done(struct fixture *f)
{
    blast_tcp_fini(&f->tcp);
    free(f);
}

/* Lets time pass, in steps in which every timer is looked at. */
static void pass(struct fixture *f, uint64_t ns)
{
    f->now_ns += ns;
    for (uint32_t i = 0; i <= f->tcp.conn_count; i++)
        blast_tcp_poll(&f->tcp, f->now_ns);
}

/* The next segment of the client into last; false when it has sent no more. */
static bool next(struct fixture *f)
{
    struct wires_side *server = &f->wires.server;
    if (!server->count)
        return false;
    struct wires_frame *frame = &server->queue[server->first];
    memcpy(f->bytes, frame->bytes, frame->len);
    assert_true(blast_segment_parse(&f->last, f->bytes, frame->len, server->wire.source.addr));
    server->first = (server->first + 1) % WIRES_QUEUE;
    server->count--;
    return true;
}

/* Says something as the peer. */
static void say(struct fixture *f, uint8_t flags, uint32_t seq, uint32_t ack, const char *text)
{
    uint8_t frame[BLAST_WIRE_FRAME];
    struct blast_segment segment = {.source_port = 8080,
                                    .target_port = f->last.source_port,
                                    .seq = seq,
                                    .ack = ack,
                                    .flags = flags,
                                    .scale = 2,
                                    .mss = 1000,
                                    .window = 1000,
                                    .len = (uint32_t)strlen(text)};
    memcpy(frame + BLAST_SEGMENT_HEAD, text, segment.len);
    uint32_t len = blast_segment_finish(&f->head, frame, &segment);
    blast_tcp_input(&f->tcp, frame, len, f->now_ns);
    pass(f, 0);
}

static struct fixture *make_open(void)
{
    struct fixture *f = make(1);
    blast_tcp_open(&f->tcp, 0, f->now_ns);
    pass(f, 0);
    assert_true(next(f));
    assert_int_equal(f->last.flags, BLAST_SYN);
    assert_int_equal(f->last.mss, BLAST_SEGMENT_MSS);
    f->client_seq = f->last.seq + 1;
    say(f, BLAST_SYN | BLAST_ACK, PEER_SEQ - 1, f->client_seq, "");
    assert_true(next(f));
    assert_int_equal(f->last.flags, BLAST_ACK);
    assert_int_equal(f->last.ack, PEER_SEQ);
    assert_int_equal(f->last.seq, f->client_seq);
    assert_int_equal(f->opened, 1);
    assert_int_equal(f->tcp.open_count, 1);
    assert_false(next(f));
    return f;
}

static void a_syn_is_sent_until_it_is_answered(void **state)
{
    (void)state;
    struct fixture *f = make(1);
    blast_tcp_open(&f->tcp, 0, f->now_ns + 1000);
    pass(f, 0);
    assert_false(next(f));
    pass(f, 1000);
    assert_true(next(f));
    uint32_t seq = f->last.seq;
    pass(f, 190 * NS_PER_MS);
    assert_false(next(f));
    pass(f, 10 * NS_PER_MS);
    assert_true(next(f));
    assert_int_equal(f->last.flags, BLAST_SYN);
    assert_int_equal(f->last.seq, seq);
    assert_int_equal(f->tcp.retransmitted, 1);
    say(f, BLAST_SYN | BLAST_ACK, PEER_SEQ - 1, seq, ""); /* acknowledges nothing */
    assert_int_equal(f->opened, 0);
    say(f, BLAST_SYN | BLAST_ACK, PEER_SEQ - 1, seq + 1, "");
    assert_int_equal(f->opened, 1);
    done(f);
}

static void a_refusal_and_a_silence_end_the_opening(void **state)
{
    (void)state;
    struct fixture *f = make(1);
    blast_tcp_open(&f->tcp, 0, f->now_ns);
    pass(f, 0);
    assert_true(next(f));
    say(f, BLAST_RST | BLAST_ACK, 0, f->last.seq + 77, "");
    assert_int_equal(f->closed, 0);
    say(f, BLAST_RST | BLAST_ACK, 0, f->last.seq + 1, "");
    assert_int_equal(f->closed, 1);
    assert_int_equal(f->why, BLAST_TCP_REFUSED);
    blast_tcp_open(&f->tcp, 0, f->now_ns);
    for (int i = 0; i < 300 && f->closed == 1; i++)
        pass(f, 200 * NS_PER_MS);
    assert_int_equal(f->closed, 2);
    assert_int_equal(f->why, BLAST_TCP_TIMEOUT);
    done(f);
}

static void data_goes_in_segments_of_the_peers_size_and_again_when_lost(void **state)
{
    (void)state;
    struct fixture *f = make_open();
    char text[2500];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 23);
    blast_tcp_write(&f->tcp, 0, text, sizeof text);
    say(f, BLAST_ACK, PEER_SEQ, f->client_seq, ""); /* its window is 4000 from now on */
    for (int again = 0; again < 2; again++) {
        for (uint32_t at = 0; at < 2500; at += 1000) {
            assert_true(next(f));
            assert_int_equal(f->last.seq, f->client_seq + at);
            assert_int_equal(f->last.len, at < 2000 ? 1000 : 500);
            assert_memory_equal(f->last.payload, text + at, f->last.len);
        }
        assert_false(next(f));
        pass(f, again ? 0 : 200 * NS_PER_MS);
    }
    assert_int_equal(f->tcp.retransmitted, 3);
    say(f, BLAST_ACK, PEER_SEQ, f->client_seq + 1500, "");
    assert_int_equal(f->acked, 1);
    assert_int_equal(blast_tcp_room(&f->tcp, 0), 4096 - 1000);
    say(f, BLAST_ACK, PEER_SEQ, f->client_seq + 2500, "");
    pass(f, 10 * NS_PER_S);
    assert_false(next(f));
    done(f);
}

static void what_is_written_wraps_round_the_buffer(void **state)
{
    (void)state;
    struct fixture *f = make_open();
    char text[700];
    uint32_t sent = 0;
    for (int i = 0; i < 100; i++) {
        for (size_t k = 0; k < sizeof text; k++)
            text[k] = (char)((sent + k) % 251);
        blast_tcp_write(&f->tcp, 0, text, sizeof text);
        pass(f, 0);
        assert_true(next(f));
        assert_int_equal(f->last.seq, f->client_seq + sent);
        assert_int_equal(f->last.len, sizeof text);
        assert_memory_equal(f->last.payload, text, sizeof text);
        sent += (uint32_t)sizeof text;
        say(f, BLAST_ACK, PEER_SEQ, f->client_seq + sent, "");
    }
    assert_int_equal(f->acked, 100);
    done(f);
}

static void bytes_come_in_order_and_once(void **state)
{
    (void)state;
    struct fixture *f = make_open();
    say(f, BLAST_ACK, PEER_SEQ + 5, f->client_seq, "world"); /* early: not taken */
    assert_true(next(f));
    assert_int_equal(f->last.ack, PEER_SEQ);
    assert_int_equal(f->tcp.out_of_order, 1);
    say(f, BLAST_ACK, PEER_SEQ, f->client_seq, "hello");
    say(f, BLAST_ACK, PEER_SEQ, f->client_seq, "hello"); /* repeated */
    assert_true(next(f));
    assert_int_equal(f->last.ack, PEER_SEQ + 5);
    say(f, BLAST_ACK, PEER_SEQ + 3, f->client_seq, "lo world"); /* overlaps */
    assert_int_equal(f->got_count, 11);
    assert_memory_equal(f->got, "hello world", 11);
    done(f);
}

static void an_acknowledgement_rides_on_data_or_comes_in_time(void **state)
{
    (void)state;
    struct fixture *f = make_open();
    say(f, BLAST_ACK, PEER_SEQ, f->client_seq, "hello");
    assert_false(next(f));
    pass(f, 10 * NS_PER_MS);
    assert_true(next(f));
    assert_int_equal(f->last.ack, PEER_SEQ + 5);
    assert_int_equal(f->last.len, 0);
    say(f, BLAST_ACK, PEER_SEQ + 5, f->client_seq, " you");
    blast_tcp_write(&f->tcp, 0, "x", 1);
    pass(f, 0);
    assert_true(next(f));
    assert_int_equal(f->last.ack, PEER_SEQ + 9);
    assert_int_equal(f->last.len, 1);
    pass(f, 20 * NS_PER_MS);
    assert_false(next(f));
    done(f);
}

/* The peer takes no more, for long, and then does. */
static void a_closed_window_is_probed_until_it_opens(void **state)
{
    (void)state;
    struct fixture *f = make_open();
    struct blast_tcp_conn *conn = &f->tcp.conns[0];
    conn->window = 0;
    blast_tcp_write(&f->tcp, 0, "0123456789", 10);
    pass(f, 0);
    assert_false(next(f));
    for (int i = 0; i < 50; i++) {
        uint32_t seq = f->client_seq;
        pass(f, 5 * NS_PER_S);
        assert_true(next(f));
        assert_int_equal(f->last.seq, seq);
        assert_int_equal(f->last.len, 1);
        uint8_t frame[BLAST_WIRE_FRAME];
        struct blast_segment closed = {.source_port = 8080,
                                       .target_port = f->last.source_port,
                                       .seq = PEER_SEQ,
                                       .ack = seq,
                                       .flags = BLAST_ACK};
        uint32_t len = blast_segment_finish(&f->head, frame, &closed);
        blast_tcp_input(&f->tcp, frame, len, f->now_ns);
    }
    assert_int_equal(f->closed, 0);
    say(f, BLAST_ACK, PEER_SEQ, f->client_seq + 1, "");
    assert_true(next(f));
    assert_int_equal(f->last.len, 9);
    done(f);
}

static void a_reset_counts_only_at_the_right_place(void **state)
{
    (void)state;
    struct fixture *f = make_open();
    say(f, BLAST_RST, PEER_SEQ + 1, f->client_seq, "");
    say(f, BLAST_RST, PEER_SEQ - 1, f->client_seq, "");
    assert_int_equal(f->closed, 0);
    say(f, BLAST_RST, PEER_SEQ, f->client_seq, "");
    assert_int_equal(f->closed, 1);
    assert_int_equal(f->why, BLAST_TCP_RESET);
    assert_int_equal(f->tcp.open_count, 0);
    say(f, BLAST_ACK, PEER_SEQ, f->client_seq, "late");
    assert_int_equal(f->tcp.strange, 1);
    done(f);
}

static void nonsense_is_answered_with_a_reset(void **state)
{
    (void)state;
    struct fixture *f = make_open();
    f->refuse_data = true;
    say(f, BLAST_ACK, PEER_SEQ, f->client_seq, "hello");
    assert_true(next(f));
    assert_true(f->last.flags & BLAST_RST);
    assert_int_equal(f->why, BLAST_TCP_RESET);
    assert_int_equal(f->closed, 1);
    done(f);
}

static void both_sides_finish(void **state)
{
    (void)state;
    for (int peer_first = 0; peer_first < 2; peer_first++) {
        struct fixture *f = make_open();
        if (peer_first) {
            say(f, BLAST_ACK | BLAST_FIN, PEER_SEQ, f->client_seq, "bye");
        } else {
            blast_tcp_write(&f->tcp, 0, "end", 3);
            blast_tcp_finish(&f->tcp, 0);
            pass(f, 0);
            assert_true(next(f));
            assert_int_equal(f->last.len, 3);
            f->client_seq += 3;
        }
        assert_true(next(f));
        assert_int_equal(f->last.flags, BLAST_ACK | BLAST_FIN);
        assert_int_equal(f->last.seq, f->client_seq);
        pass(f, 200 * NS_PER_MS); /* lost: again, with the data before it */
        assert_true(next(f));
        while (!(f->last.flags & BLAST_FIN))
            assert_true(next(f));
        uint32_t seq = PEER_SEQ + (peer_first ? 4 : 0);
        say(f, BLAST_ACK | (peer_first ? 0 : BLAST_FIN), seq, f->client_seq + 1, "");
        assert_int_equal(f->closed, 1);
        assert_int_equal(f->why, BLAST_TCP_CLOSED);
        if (!peer_first) {
            assert_true(next(f));
            assert_int_equal(f->last.ack, PEER_SEQ + 1);
        }
        assert_int_equal(f->got_count, peer_first ? 3 : 0);
        done(f);
    }
}

static void a_port_is_not_used_twice_in_a_row(void **state)
{
    (void)state;
    struct fixture *f = make(2);
    uint16_t ports[3];
    uint32_t seqs[3];
    for (int i = 0; i < 3; i++) {
        blast_tcp_open(&f->tcp, 1, f->now_ns);
        pass(f, 0);
        assert_true(next(f));
        ports[i] = f->last.source_port;
        seqs[i] = f->last.seq;
        blast_tcp_abort(&f->tcp, 1);
    }
    assert_int_equal(ports[0], 40001);
    assert_int_equal(ports[1], 40003);
    assert_int_equal(ports[2], 40005);
    assert_true(seqs[0] != seqs[1] && seqs[1] != seqs[2]);
    f->tcp.conns[1].port = 65535;
    blast_tcp_open(&f->tcp, 1, f->now_ns);
    pass(f, 0);
    assert_true(next(f));
    assert_int_equal(f->last.source_port, 40001);
    done(f);
}

static void a_wire_without_room_only_delays(void **state)
{
    (void)state;
    struct fixture *f = make_open();
    f->wires.client.full = true;
    blast_tcp_write(&f->tcp, 0, "hello", 5);
    pass(f, 0);
    assert_false(next(f));
    f->wires.client.full = false;
    pass(f, 0);
    assert_true(next(f));
    assert_int_equal(f->last.len, 5);
    assert_int_equal(f->tcp.retransmitted, 0);
    done(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_syn_is_sent_until_it_is_answered),
        cmocka_unit_test(a_refusal_and_a_silence_end_the_opening),
        cmocka_unit_test(data_goes_in_segments_of_the_peers_size_and_again_when_lost),
        cmocka_unit_test(what_is_written_wraps_round_the_buffer),
        cmocka_unit_test(bytes_come_in_order_and_once),
        cmocka_unit_test(an_acknowledgement_rides_on_data_or_comes_in_time),
        cmocka_unit_test(a_closed_window_is_probed_until_it_opens),
        cmocka_unit_test(a_reset_counts_only_at_the_right_place),
        cmocka_unit_test(nonsense_is_answered_with_a_reset),
        cmocka_unit_test(both_sides_finish),
        cmocka_unit_test(a_port_is_not_used_twice_in_a_row),
        cmocka_unit_test(a_wire_without_room_only_delays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
