/* test_histogram_log.c - an interval log, read back by a slow decoder of its own, holds the counts
 * that went in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "dataplane/base/histogram_log.h"

static struct histogram h, back;
static uint8_t packed[1 << 20], raw[1 << 20];

static size_t decode_base64(const char *text, size_t len, uint8_t *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t word = 0;
    size_t bits = 0, bytes = 0;
    assert_int_equal(len % 4, 0);
    for (size_t i = 0; i < len && text[i] != '='; i++) {
        const char *digit = strchr(digits, text[i]);
        assert_non_null(digit);
        word = word << 6 | (uint32_t)(digit - digits);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[bytes++] = (uint8_t)(word >> bits);
        }
    }
    return bytes;
}

static uint64_t read_big(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

static int64_t read_number(const uint8_t **at)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 9; i++) {
        uint8_t byte = *(*at)++;
        value |= (i < 8 ? (uint64_t)(byte & 0x7f) : byte) << (7 * i);
        if (i < 8 && byte < 0x80)
            break;
    }
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* Reads the counts of a line's fourth field into back. */
static void decode(const char *field, size_t len)
{
    uLongf raw_len = sizeof raw;
    size_t bytes = decode_base64(field, len, packed);
    assert_int_equal(read_big(packed, 4), 0x1c849314);
    assert_int_equal(read_big(packed + 4, 4), bytes - 8);
    assert_int_equal(uncompress(raw, &raw_len, packed + 8, bytes - 8), Z_OK);
    assert_int_equal(read_big(raw, 4), 0x1c849313);
    assert_int_equal(read_big(raw + 4, 4), raw_len - 40);
    assert_int_equal(read_big(raw + 12, 4), 3);
    assert_int_equal(read_big(raw + 16, 8), 1);
    memset(&back, 0, sizeof back);
    uint32_t index = 0;
    for (const uint8_t *at = raw + 40; at < raw + raw_len;) {
        int64_t number = read_number(&at);
        assert_true(index < HISTOGRAM_COUNT);
        if (number < 0)
            index += (uint32_t)-number;
        else
            back.count[index++] = (uint64_t)number;
    }
    assert_true(index <= HISTOGRAM_COUNT);
}

static void there_and_back(double max_ms)
{
    char *text = NULL, *end;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_int_equal(histogram_log_add(out, 1.5, 0.25, &h), 0);
    fclose(out);
    assert_memory_equal(text, "1.500,0.250,", 12);
    assert_float_equal(strtod(text + 12, &end), max_ms, 0.001);
    assert_int_equal(*end, ',');
    decode(end + 1, strcspn(end + 1, "\n"));
    assert_memory_equal(back.count, h.count, sizeof h.count);
    free(text);
    memset(&h, 0, sizeof h);
}

static void counts_come_back(void **state)
{
    (void)state;
    there_and_back(0);
    histogram_record(&h, 0);
    there_and_back(0);
    histogram_record(&h, UINT64_MAX >> 20);
    there_and_back((double)(UINT64_MAX >> 20) / 1e6);
    for (uint64_t v = 1; v < 200000000; v += v / 50 + 1)
        for (uint64_t n = 0; n < 1 + v % 300; n++)
            histogram_record(&h, v);
    there_and_back((double)h.max / 1e6);
}

/* Of one to nine bytes each, at both ends of the range. */
static void counts_of_any_size_come_back(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 63; bit++) {
        h.count[bit] = 1ull << bit;
        h.count[HISTOGRAM_COUNT - 1 - bit] = (1ull << bit) - 1;
    }
    there_and_back(0);
    for (uint32_t i = 0; i < HISTOGRAM_COUNT; i++)
        h.count[i] = INT64_MAX - i * 1234567ull;
    there_and_back(0);
}

static void the_head_names_the_start(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    histogram_log_begin(out, 1441812279.474);
    fclose(out);
    assert_string_equal(
        text, "#[Histogram log format version 1.3]\n"
              "#[StartTime: 1441812279.474 (seconds since epoch), 2015-09-09T15:24:39Z]\n"
              "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_"
              "Histogram\"\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_come_back),
        cmocka_unit_test(counts_of_any_size_come_back),
        cmocka_unit_test(the_head_names_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
