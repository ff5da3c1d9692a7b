/* test_segment.c - segments that are written are read, and whatever was changed on the way is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench/blast_segment.h"

static const struct blast_endpoint client = {{2, 0, 0, 0, 0, 1}, {192, 0, 2, 2}, 0};
static const struct blast_endpoint server = {{2, 0, 0, 0, 0, 2}, {192, 0, 2, 1}, 0};

static uint32_t write(uint8_t *out, const struct blast_segment *segment)
{
    struct blast_segment_head head;
    blast_segment_init(&head, &client, &server);
    for (uint32_t i = 0; i < segment->len; i++)
        out[BLAST_SEGMENT_HEAD + i] = (uint8_t)(i * 7);
    return blast_segment_finish(&head, out, segment);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    uint8_t frame[1600];
    for (uint32_t len = 0; len <= BLAST_SEGMENT_MSS; len += 73) {
        struct blast_segment sent = {.source_port = 40001,
                                     .target_port = 8080,
                                     .seq = 0xfffffff0 + len,
                                     .ack = 77,
                                     .flags = BLAST_ACK | BLAST_PSH,
                                     .window = 4711,
                                     .len = len};
        struct blast_segment read;
        uint32_t bytes = write(frame, &sent);
        assert_int_equal(bytes, len + BLAST_SEGMENT_HEAD < 60 ? 60 : len + BLAST_SEGMENT_HEAD);
        assert_true(blast_segment_parse(&read, frame, bytes, server.addr));
        assert_false(blast_segment_parse(&read, frame, bytes, client.addr));
        assert_int_equal(read.source_port, 40001);
        assert_int_equal(read.target_port, 8080);
        assert_int_equal(read.seq, sent.seq);
        assert_int_equal(read.ack, 77);
        assert_int_equal(read.flags, sent.flags);
        assert_int_equal(read.window, 4711);
        assert_int_equal(read.len, len);
        assert_ptr_equal(read.payload, frame + BLAST_SEGMENT_HEAD);
    }
}

static void a_syn_says_its_options(void **state)
{
    (void)state;
    uint8_t frame[1600];
    struct blast_segment sent = {.flags = BLAST_SYN, .mss = 1220, .scale = 9};
    struct blast_segment read;
    uint32_t bytes = write(frame, &sent);
    assert_true(blast_segment_parse(&read, frame, bytes, server.addr));
    assert_int_equal(read.mss, 1220);
    assert_int_equal(read.scale, 9);
    assert_int_equal(read.len, 0);
}

static void one_bit_wrong_anywhere_and_it_is_dropped(void **state)
{
    (void)state;
    uint8_t frame[1600];
    struct blast_segment sent = {.flags = BLAST_ACK, .len = 101};
    struct blast_segment read;
    uint32_t bytes = write(frame, &sent);
    for (uint32_t bit = 12 * 8; bit < bytes * 8; bit++) {
        frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(blast_segment_parse(&read, frame, bytes, server.addr));
        frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (uint32_t len = 0; len < bytes; len++)
        assert_false(blast_segment_parse(&read, frame, len, server.addr));
    assert_true(blast_segment_parse(&read, frame, bytes, server.addr));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_syn_says_its_options),
        cmocka_unit_test(one_bit_wrong_anywhere_and_it_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
