/* test_tcp.c - connections from the handshake to the end, as a peer sees them. */
#include "tests/unit/dataplane/tcp_kit.h"

static void a_connection_opens_echoes_and_closes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct kit *kit = kit_new();
        kit->mode = APP_ECHO | APP_CLOSE_AT_END;
        struct peer p = i % 2 ? peer6(kit, 4000) : peer4(kit, 4000);
        p.tags = i / 2;
        connect_peer(&p);
        expect_nothing(&p);
        tell(&p, ACK | PSH, "hello", 5);
        poll(kit);
        struct seen s = expect(&p, ACK | PSH, 5);
        assert_memory_equal(s.payload, "hello", 5);
        assert_int_equal(s.seq, p.ack);
        assert_int_equal(s.ack, p.seq);
        p.ack += 5;
        tell(&p, ACK | FIN, NULL, 0);
        assert_true(kit->last.ended);
        poll(kit);
        s = expect(&p, ACK | FIN, 0);
        assert_int_equal(s.ack, p.seq);
        p.ack++;
        tell(&p, ACK, NULL, 0);
        poll(kit);
        assert_true(kit->last.closed);
        assert_int_equal(kit->last.why, TCP_END_done);
        expect_nothing(&p);
        assert_int_equal(counters(kit)->connections, 0);
        assert_int_equal(counters(kit)->chunks, 0);
        kit_free(kit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_opens_echoes_and_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
