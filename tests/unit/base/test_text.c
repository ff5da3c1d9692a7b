/* test_text.c - text codecs give back what they were given, and refuse what no standard allows. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "dataplane/base/text.h"
#include "dataplane/base/utf8.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define U(text)      ((const uint8_t *)(text))

static void escapes_decode_to_what_they_stand_for(void **state)
{
    (void)state;
    static const struct {
        const char *raw;
        const char *text;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t"},
        {"a\\u0041b", "aAb"},
        {"\\u00e4\\u00E4", "\xc3\xa4\xc3\xa4"},
        {"\\u20ac", "\xe2\x82\xac"},
        {"\\ud83d\\ude00!", "\xf0\x9f\x98\x80!"},
        {"\\uD800\\uDC00\\uDBFF\\uDFFF", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
        {"\xc3\xa4\\n\xe2\x82\xac", "\xc3\xa4\n\xe2\x82\xac"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t out[64];
        size_t want = strlen(cases[i].text);
        int len = text_decode(U(cases[i].raw), strlen(cases[i].raw), out, sizeof out);
        assert_int_equal(len, want);
        assert_memory_equal(out, cases[i].text, want);
        /* Exactly enough room is enough, one byte less is not. */
        assert_int_equal(text_decode(U(cases[i].raw), strlen(cases[i].raw), out, want), want);
        if (want)
            assert_int_equal(text_decode(U(cases[i].raw), strlen(cases[i].raw), out, want - 1), -1);
    }
}

static void broken_escapes_do_not_decode(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "\\",
        "\\x",
        "\\u",
        "\\u123",
        "\\u12g4",
        "\\ud800",
        "\\ud800x",
        "\\ud800\\udbff",
        "\\ud800\\ue000",
        "\\ud800\\u0041",
        "\\udc00",
        "\\ud800\\udc0",
        "a\\ud83d\\n123456",
    };
    uint8_t out[64];
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(text_decode(U(cases[i]), strlen(cases[i]), out, sizeof out), -1);
}

static void json_escapes_only_what_it_must(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        const char *json;
    } cases[] = {
        {"", "\"\""},
        {"a/b", "\"a/b\""},
        {"\"\\", "\"\\\"\\\\\""},
        {"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
        {"\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\""},
        {"\xc3\xa4\xf0\x9f\x98\x80", "\"\xc3\xa4\xf0\x9f\x98\x80\""},
        {"\xff", "\"\xef\xbf\xbd\""},
        {"a\xe2\x82", "\"a\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xc3(", "\"\xef\xbf\xbd(\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[64];
        size_t want = strlen(cases[i].json);
        size_t len = strlen(cases[i].bytes);
        assert_int_equal(text_json_encode(U(cases[i].bytes), len, out, sizeof out), want);
        assert_memory_equal(out, cases[i].json, want);
        assert_int_equal(text_json_encode(U(cases[i].bytes), len, out, want), want);
        for (size_t room = 0; room < want; room++)
            assert_int_equal(text_json_encode(U(cases[i].bytes), len, out, room), -1);
    }
}

/* Whole names that are plain take another way than those that are not: any byte at any place. */
static void a_byte_is_escaped_or_not_wherever_it_stands(void **state)
{
    (void)state;
    uint8_t text[20];
    char want[6 * sizeof text + 2], got[sizeof want], one[8];
    for (size_t len = 1; len <= sizeof text; len++)
        for (size_t place = 0; place < len; place++)
            for (unsigned byte = 0; byte < 256; byte++) {
                memset(text, 'x', sizeof text);
                text[place] = (uint8_t)byte;
                int piece = text_json_encode(text + place, 1, one, sizeof one) - 2;
                int want_len = snprintf(want, sizeof want, "\"%.*s%.*s%.*s\"", (int)place,
                                        "xxxxxxxxxxxxxxxxxxxx", piece, one + 1,
                                        (int)(len - place - 1), "xxxxxxxxxxxxxxxxxxxx");
                assert_int_equal(text_json_encode(text, len, got, sizeof got), want_len);
                assert_memory_equal(got, want, (size_t)want_len);
                assert_int_equal(text_json_encode(text, len, got, (size_t)want_len - 1), -1);
            }
}

static void a_number_is_its_digits(void **state)
{
    (void)state;
    char want[TEXT_DECIMAL_MAX + 1], got[TEXT_DECIMAL_MAX];
    for (unsigned shift = 0; shift < 64; shift++)
        for (uint64_t more = 0; more < 300; more++) {
            uint64_t value = (UINT64_C(1) << shift) - 1 + more;
            size_t len = text_decimal_format(value, got);
            assert_int_equal(snprintf(want, sizeof want, "%llu", (unsigned long long)value), len);
            assert_memory_equal(got, want, len);
        }
    assert_int_equal(text_decimal_format(UINT64_MAX, got), TEXT_DECIMAL_MAX);
    assert_memory_equal(got, "18446744073709551615", TEXT_DECIMAL_MAX);
}

static void every_code_point_survives_encoding_and_decoding(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        if (code >= 0xd800 && code <= 0xdfff)
            continue;
        uint8_t text[UTF8_BYTES_MAX];
        uint8_t back[UTF8_BYTES_MAX];
        char json[6 * UTF8_BYTES_MAX + 2];
        unsigned len = utf8_encode(code, text);
        int encoded = text_json_encode(text, len, json, sizeof json);
        assert_true(encoded >= 2 + (int)len && json[0] == '"' && json[encoded - 1] == '"');
        int decoded = text_decode(U(json + 1), (size_t)encoded - 2, back, sizeof back);
        assert_true(decoded == (int)len && !memcmp(text, back, len));
    }
}

/* Well-formed by the table of RFC 3629: decode to a code point, then ask whether it is the one that
 * this many bytes are for. */
static unsigned sequence_by_value(const uint8_t *p)
{
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned count = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (count < 2)
        return count;
    if (p[0] > 0xf7)
        return 0;
    uint32_t code = p[0] & (0x7fu >> count);
    for (unsigned i = 1; i < count; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
        code = code << 6 | (p[i] & 0x3fu);
    }
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return code < smallest[count] || code > 0x10ffff || surrogate ? 0 : count;
}

static void utf8_is_well_formed_by_value_and_by_table(void **state)
{
    (void)state;
    static const uint8_t tails[] = {0x00, 0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xff};
    for (unsigned head = 0; head < 65536; head++)
        for (size_t i = 0; i < COUNT(tails) * COUNT(tails); i++) {
            uint8_t p[4] = {(uint8_t)(head >> 8), (uint8_t)head, tails[i / COUNT(tails)],
                            tails[i % COUNT(tails)]};
            unsigned want = sequence_by_value(p);
            assert_true(utf8_sequence(p, 4) == want);
            for (size_t room = 1; room < 4; room++)
                assert_true(utf8_sequence(p, room) == (want <= room ? want : 0));
        }
}

static void the_first_byte_that_is_not_utf8_is_found_anywhere(void **state)
{
    (void)state;
    for (size_t at = 0; at < 40; at++) {
        uint8_t text[40];
        memset(text, 'a', sizeof text);
        if (at >= 4)
            memcpy(text + at - 4, "\xc3\xa4\xc3\xa4", 4);
        assert_int_equal(text_utf8_valid(text, sizeof text), sizeof text);
        text[at] = 0xc3;
        assert_int_equal(text_utf8_valid(text, sizeof text), at);
    }
    assert_int_equal(text_utf8_valid(NULL, 0), 0);
}

static void a_uuid_comes_back_as_it_was_written(void **state)
{
    (void)state;
    char out[TEXT_UUID_LEN + 1];
    uint64_t id[2];
    assert_int_equal(text_uuid_parse(U("00112233-4455-6677-8899-aAbBcCdDeEfF"), id), -1);
    assert_true(id[0] == 0x0011223344556677 && id[1] == 0x8899aabbccddeeff);
    text_uuid_format(id, out);
    assert_string_equal(out, "00112233-4455-6677-8899-aabbccddeeff");
    for (unsigned bit = 0; bit < 128; bit++) {
        uint64_t back[2];
        id[0] = bit < 64 ? 1ull << bit : 0;
        id[1] = bit < 64 ? 0 : 1ull << (bit - 64);
        text_uuid_format(id, out);
        assert_int_equal(text_uuid_parse(U(out), back), -1);
        assert_memory_equal(back, id, sizeof id);
    }
}

static void the_first_wrong_character_of_a_uuid_is_found(void **state)
{
    (void)state;
    static const char good[] = "01234567-89ab-cdef-ABCD-EF9876543210";
    for (unsigned at = 0; at < TEXT_UUID_LEN; at++)
        for (unsigned c = 0; c < 256; c++) {
            uint8_t text[TEXT_UUID_LEN];
            uint64_t id[2];
            memcpy(text, good, sizeof text);
            text[at] = (uint8_t)c;
            bool fits = good[at] == '-' ? c == '-' : c && strchr("0123456789abcdefABCDEF", (int)c);
            assert_int_equal(text_uuid_parse(text, id), fits ? -1 : (int)at);
            if (at > 0) {
                text[at - 1] = '/';
                assert_int_equal(text_uuid_parse(text, id), at - 1);
            }
        }
}

static void times_are_read_as_rfc_3339_says(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t time_ms;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1985-04-12T23:20:50.52Z", 482196050520},
        {"1996-12-19T16:39:57-08:00", 851042397000},
        {"1990-12-31T23:59:60Z", 662688000000},
        {"1990-12-31T15:59:60-08:00", 662688000000},
        {"1990-12-31T23:59:60.250Z", 662688000250},
        {"1937-01-01T12:00:27.87+00:20", -ERANGE},
        {"1970-01-01T00:59:59.999+01:00", -ERANGE},
        {"1970-01-01T01:00:00+01:00", 0},
        {"1969-12-31T23:00:00-01:00", 0},
        {"2026-11-20t12:00:01.2019z", 1795176001201},
        {"2026-11-20T12:00:01-00:00", 1795176001000},
        {"2000-02-29T00:00:00Z", 951782400000},
        {"9999-12-31T23:59:59.9999Z", 253402300799999},
        {"9999-12-31T23:59:59.999-00:01", -ERANGE},
        {"9999-12-31T23:59:60Z", -ERANGE},
        {"0000-01-01T00:00:00+23:59", -ERANGE},
        {"1900-02-29T00:00:00Z", -EINVAL},
        {"2023-02-29T00:00:00Z", -EINVAL},
        {"2023-04-31T00:00:00Z", -EINVAL},
        {"2023-00-10T00:00:00Z", -EINVAL},
        {"2023-13-10T00:00:00Z", -EINVAL},
        {"2023-01-00T00:00:00Z", -EINVAL},
        {"2023-01-01T24:00:00Z", -EINVAL},
        {"2023-01-01T00:60:00Z", -EINVAL},
        {"2023-01-01T00:00:61Z", -EINVAL},
        {"2023-01-01T12:00:60Z", -EINVAL},
        {"2023-01-02T23:59:60Z", -EINVAL},
        {"2023-01-01T00:00:00", -EINVAL},
        {"2023-01-01T00:00:00.Z", -EINVAL},
        {"2023-01-01T00:00:00,5Z", -EINVAL},
        {"2023-01-01T00:00:00ZZ", -EINVAL},
        {"2023-01-01T00:00:00+1:00", -EINVAL},
        {"2023-01-01T00:00:00+24:00", -EINVAL},
        {"2023-01-01T00:00:00+01:60", -EINVAL},
        {"2023-01-01T00:00:00+0100", -EINVAL},
        {"2023-01-01T00:00:00+01:00Z", -EINVAL},
        {"2023-01-01 00:00:00Z", -EINVAL},
        {"2023-1-01T00:00:00Z", -EINVAL},
        {"+2023-01-01T00:00:0Z", -EINVAL},
        {"2023-01-01T00:00Z", -EINVAL},
        {"2023/01/01T00:00:00Z", -EINVAL},
        {"2023-01-01T00-00-00Z", -EINVAL},
        {"2023-01-01T-1:00:00Z", -EINVAL},
        {"", -EINVAL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t time_ms = 0;
        int result = text_time_parse(U(cases[i].text), strlen(cases[i].text), &time_ms);
        if (cases[i].time_ms < 0)
            assert_int_equal(result, cases[i].time_ms);
        else
            assert_true(result == 0 && time_ms == cases[i].time_ms);
    }
}

static void a_time_cut_short_anywhere_is_refused(void **state)
{
    (void)state;
    static const char text[] = "2026-11-20T12:00:01.201+01:30";
    int64_t time_ms;
    for (size_t len = 0; len < strlen(text); len++)
        assert_int_equal(text_time_parse(U(text), len, &time_ms), -EINVAL);
    assert_int_equal(text_time_parse(U(text), strlen(text), &time_ms), 0);
}

static void dates_agree_with_the_c_library_up_to_the_year_9999(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 2932897; day += day % 5 ? 1 : 4) {
        int64_t time_ms = day * 86400000 + day % 86400 * 1000 + day % 1000;
        time_t seconds = time_ms / 1000;
        struct tm tm;
        char want[64];
        char got[TEXT_TIME_LEN + 1];
        int64_t back = -1;
        gmtime_r(&seconds, &tm);
        strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S.", &tm);
        text_time_format(time_ms, got);
        assert_memory_equal(got, want, 20);
        assert_int_equal(text_time_parse(U(got), TEXT_TIME_LEN, &back), 0);
        assert_int_equal(back, time_ms);
    }
}

static void a_time_beyond_the_format_shows_as_its_nearest(void **state)
{
    (void)state;
    char out[TEXT_TIME_LEN + 1];
    text_time_format(-1, out);
    assert_string_equal(out, "1970-01-01T00:00:00.000Z");
    text_time_format(INT64_MAX, out);
    assert_string_equal(out, "9999-12-31T23:59:59.999Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_decode_to_what_they_stand_for),
        cmocka_unit_test(broken_escapes_do_not_decode),
        cmocka_unit_test(json_escapes_only_what_it_must),
        cmocka_unit_test(a_byte_is_escaped_or_not_wherever_it_stands),
        cmocka_unit_test(a_number_is_its_digits),
        cmocka_unit_test(every_code_point_survives_encoding_and_decoding),
        cmocka_unit_test(utf8_is_well_formed_by_value_and_by_table),
        cmocka_unit_test(the_first_byte_that_is_not_utf8_is_found_anywhere),
        cmocka_unit_test(a_uuid_comes_back_as_it_was_written),
        cmocka_unit_test(the_first_wrong_character_of_a_uuid_is_found),
        cmocka_unit_test(times_are_read_as_rfc_3339_says),
        cmocka_unit_test(a_time_cut_short_anywhere_is_refused),
        cmocka_unit_test(dates_agree_with_the_c_library_up_to_the_year_9999),
        cmocka_unit_test(a_time_beyond_the_format_shows_as_its_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
