/* test_inet_csum.c - the fast checksum says what RFC 1071's plain one says, at every length and
 * alignment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/inet_csum.h"

/* RFC 1071 section 4.1, on big-endian words. */
static uint16_t plain(const uint8_t *bytes, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return htobe16((uint16_t)~sum);
}

static void fill(uint8_t *bytes, size_t len, uint64_t seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(seed >> 56);
    }
}

static void equals_the_plain_sum_at_every_length_and_alignment(void **state)
{
    (void)state;
    uint8_t bytes[320];
    fill(bytes, sizeof bytes, 1);
    for (size_t at = 0; at < 9; at++)
        for (size_t len = 0; len + at <= sizeof bytes; len++)
            assert_int_equal(inet_csum_fold(inet_csum_add(0, bytes + at, len)),
                             plain(bytes + at, len));
}

static void carries_go_round_when_every_bit_is_set(void **state)
{
    (void)state;
    static uint8_t bytes[65535];
    memset(bytes, 0xff, sizeof bytes);
    for (size_t len = 65500; len <= sizeof bytes; len++)
        assert_int_equal(inet_csum_fold(inet_csum_add(0, bytes, len)), plain(bytes, len));
    assert_int_equal(inet_csum_fold(UINT64_MAX), 0);
    assert_int_equal(inet_csum_fold(0), 0xffff);
    assert_int_equal(inet_csum_fold(0x00010000ffffffff), 0xfffe); /* takes every fold */
}

static void pieces_of_even_length_chain(void **state)
{
    (void)state;
    uint8_t bytes[101];
    fill(bytes, sizeof bytes, 2);
    for (size_t cut = 0; cut <= 100; cut += 2) {
        uint64_t sum = inet_csum_add(inet_csum_add(0, bytes, cut), bytes + cut, 101 - cut);
        assert_int_equal(inet_csum_fold(sum), plain(bytes, sizeof bytes));
    }
}

static void the_example_of_an_ipv4_header_sums_up(void **state)
{
    (void)state;
    uint8_t header[20] = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                          0x00, 0x00, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};
    uint16_t csum = inet_csum_fold(inet_csum_add(0, header, sizeof header));
    assert_int_equal(csum, htobe16(0xb861));
    memcpy(header + 10, &csum, 2);
    assert_int_equal(inet_csum_fold(inet_csum_add(0, header, sizeof header)), 0);
}

static void pseudo_headers_are_those_of_the_rfcs(void **state)
{
    (void)state;
    uint8_t addrs[32], flat[40] = {0};
    fill(addrs, sizeof addrs, 3);
    memcpy(flat, addrs, 8);
    memcpy(flat + 8, (uint8_t[]){0, 17, 0x12, 0x34}, 4);
    assert_int_equal(inet_csum_fold(inet_csum_pseudo4(addrs, 17, 0x1234)), plain(flat, 12));

    memcpy(flat, addrs, 32);
    memcpy(flat + 32, (uint8_t[]){0, 1, 0x23, 0x45, 0, 0, 0, 58}, 8);
    assert_int_equal(inet_csum_fold(inet_csum_pseudo6(addrs, 58, 0x12345)), plain(flat, 40));
}

static void a_udp_checksum_is_never_zero(void **state)
{
    (void)state;
    assert_int_equal(inet_csum_udp(0xffff), 0xffff);
    assert_int_equal(inet_csum_udp(0), 0xffff);
    assert_int_equal(inet_csum_udp(1), 0xfffe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_plain_sum_at_every_length_and_alignment),
        cmocka_unit_test(carries_go_round_when_every_bit_is_set),
        cmocka_unit_test(pieces_of_even_length_chain),
        cmocka_unit_test(the_example_of_an_ipv4_header_sums_up),
        cmocka_unit_test(pseudo_headers_are_those_of_the_rfcs),
        cmocka_unit_test(a_udp_checksum_is_never_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
