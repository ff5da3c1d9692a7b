/* test_frame.c - frames carry the right lengths and checksums, and ARP is asked and answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/blast_frame.h"
#include "tests/big_endian.h"

static const struct blast_endpoint source = {
    .mac = {2, 0, 0, 0, 0, 1}, .addr = {10, 0, 0, 1}, .port = 40000};
static const struct blast_endpoint target = {
    .mac = {2, 0, 0, 0, 0, 2}, .addr = {10, 0, 0, 2}, .port = 7001};

/* The Internet checksum over big-endian 16-bit words, as RFC 1071 writes it. */
static uint32_t add(uint32_t sum, const uint8_t *bytes, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static void check_sums(const uint8_t *frame, uint32_t payload_bytes)
{
    uint32_t udp_bytes = payload_bytes + 8;
    assert_int_equal(get16(frame + 16), payload_bytes + 28);
    assert_int_equal(get16(frame + 38), udp_bytes);
    assert_int_equal(add(0, frame + 14, 20), 0xffff);
    uint8_t pseudo[12] = {0};
    memcpy(pseudo, frame + 26, 8);
    pseudo[9] = 17;
    pseudo[10] = (uint8_t)(udp_bytes >> 8);
    pseudo[11] = (uint8_t)udp_bytes;
    assert_int_equal(add(add(0, pseudo, 12), frame + 34, udp_bytes), 0xffff);
    assert_true(get16(frame + 40) != 0);
}

static void every_length_has_right_checksums(void **state)
{
    (void)state;
    struct blast_frame frame;
    uint8_t *out = malloc(2048);
    blast_frame_init(&frame, &source, &target);
    for (uint32_t len = 0; len <= 1472; len++) {
        for (uint32_t i = 0; i < len; i++)
            out[BLAST_FRAME_HEAD + i] = (uint8_t)(len * 31 + i * 7);
        uint32_t bytes = blast_frame_finish(&frame, out, len, 0);
        assert_int_equal(bytes, len + 42 < 60 ? 60 : len + 42);
        check_sums(out, len);
    }
    free(out);
}

static void a_checksum_of_zero_is_sent_as_all_ones(void **state)
{
    (void)state;
    struct blast_frame frame;
    uint8_t out[2048];
    blast_frame_init(&frame, &source, &target);
    uint32_t found = 0;
    for (uint32_t word = 0; word < 65536; word++) {
        out[BLAST_FRAME_HEAD] = (uint8_t)(word >> 8);
        out[BLAST_FRAME_HEAD + 1] = (uint8_t)word;
        blast_frame_finish(&frame, out, 2, 0);
        check_sums(out, 2);
        found += get16(out + 40) == 0xffff;
    }
    assert_true(found > 0);
}

static void addresses_and_ports_are_in_their_places(void **state)
{
    (void)state;
    struct blast_frame frame;
    uint8_t out[256];
    blast_frame_init(&frame, &source, &target);
    blast_frame_finish(&frame, out, 100, 0);
    static const uint8_t start[] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45};
    assert_memory_equal(out, start, sizeof start);
    assert_memory_equal(out + 26, source.addr, 4);
    assert_memory_equal(out + 30, target.addr, 4);
    assert_int_equal(get16(out + 34), 40000);
    assert_int_equal(get16(out + 36), 7001);
}

static void the_stamp_is_the_last_eight_bytes(void **state)
{
    (void)state;
    struct blast_frame frame;
    uint8_t out[256];
    static const uint8_t stamp[8] = {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88};
    blast_frame_init(&frame, &source, &target);
    assert_int_equal(blast_frame_finish(&frame, out, 100, 0x1122334455667788), 150);
    assert_memory_equal(out + 142, stamp, 8);
    check_sums(out, 100);
    assert_int_equal(blast_frame_finish(&frame, out, 3, 0x1122334455667788), 60);
    assert_memory_equal(out + 52, stamp, 8);
    check_sums(out, 3);
}

static void a_question_is_answered_and_the_answer_understood(void **state)
{
    (void)state;
    uint8_t question[BLAST_FRAME_ARP_BYTES], answer[BLAST_FRAME_ARP_BYTES], none[60];
    struct blast_endpoint unknown = target;
    struct blast_endpoint asker = source;
    memset(unknown.mac, 0, 6);
    blast_frame_ask(question, &source, &unknown);
    assert_int_equal(blast_frame_input(question, 60, &target, &asker, answer), BLAST_FRAME_ASKED);
    assert_memory_equal(answer, source.mac, 6);
    assert_int_equal(blast_frame_input(answer, 60, &source, &unknown, none), BLAST_FRAME_ANSWER);
    assert_memory_equal(unknown.mac, target.mac, 6);
}

static void arp_about_others_and_short_frames_are_left_alone(void **state)
{
    (void)state;
    uint8_t question[BLAST_FRAME_ARP_BYTES], answer[BLAST_FRAME_ARP_BYTES];
    struct blast_endpoint other = target;
    struct blast_endpoint asker = source;
    other.addr[3] = 9;
    blast_frame_ask(question, &source, &other);
    assert_int_equal(blast_frame_input(question, 60, &target, &asker, answer), BLAST_FRAME_OTHER);
    blast_frame_ask(question, &source, &target);
    for (uint32_t len = 0; len < 42; len++) {
        uint8_t *cut = malloc(len + 1);
        memcpy(cut, question, len);
        assert_int_equal(blast_frame_input(cut, len, &target, &asker, answer), BLAST_FRAME_OTHER);
        free(cut);
    }
    for (uint32_t at = 12; at < 22; at++) {
        question[at] ^= 0x40;
        assert_int_equal(blast_frame_input(question, 60, &target, &asker, answer),
                         BLAST_FRAME_OTHER);
        question[at] ^= 0x40;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_has_right_checksums),
        cmocka_unit_test(a_checksum_of_zero_is_sent_as_all_ones),
        cmocka_unit_test(addresses_and_ports_are_in_their_places),
        cmocka_unit_test(the_stamp_is_the_last_eight_bytes),
        cmocka_unit_test(a_question_is_answered_and_the_answer_understood),
        cmocka_unit_test(arp_about_others_and_short_frames_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
