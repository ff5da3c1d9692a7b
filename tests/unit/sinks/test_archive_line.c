/* test_archive_line.c - every kind of record comes back as it was, and nothing else comes back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/outcome.h"
#include "dataplane/base/reason.h"
#include "sinks/archive_line.h"

static struct archive_room room;
static char line[ARCHIVE_LINE_MAX];

static struct {
    struct record head;
    uint8_t body[BLOCK_BYTES - sizeof(struct record)];
} given;

/* Writes the record with that body, and reads it back. */
static size_t round_trip(struct record head, const void *body, size_t len)
{
    struct archive_record back, from = {&given.head, 7, 3};
    given.head = head;
    given.head.body_len = (uint32_t)len;
    memcpy(given.body, body, len);
    size_t bytes = archive_line_encode(&from, line);
    assert_int_equal(line[bytes - 1], '\n');
    assert_null(memchr(line, '\n', bytes - 1));
    assert_int_equal(archive_line_decode(line, bytes - 1, &room, &back), 0);
    assert_int_equal(back.ordinal, 7);
    assert_int_equal(back.config_version, 3);
    assert_memory_equal(back.record, &given, sizeof given.head + len);
    line[bytes] = '\0';
    return bytes - 1;
}

static const struct record event = {.kind = RECORD_EVENT,
                                    .partition = 3,
                                    .seq = 12,
                                    .receive_ns = 1795209600123456789,
                                    .flags = RECORD_LATE};

static void an_event_stands_in_its_line_as_it_came(void **state)
{
    static const char json[] = "{\"id\":\"x\", \"user\":\"\\u00e9\xc3\xa9\"}";
    (void)state;
    round_trip(event, json, sizeof json - 1);
    assert_string_equal(line,
                        "{\"ordinal\":7,\"kind\":\"event\",\"partition\":3,\"seq\":12,"
                        "\"received\":\"2026-11-20T21:20:00.123456789Z\",\"config\":3,"
                        "\"flags\":1,\"body\":{\"id\":\"x\", \"user\":\"\\u00e9\xc3\xa9\"}}\n");
}

static void an_event_of_several_lines_comes_back(void **state)
{
    (void)state;
    round_trip(event, "{\n\t\"a\":1\r\n}", 11);
    assert_non_null(strstr(line, "\"text\":\"{\\n\\t\\\"a\\\":1\\r\\n}\"}"));
}

static void a_dead_letter_of_any_bytes_comes_back(void **state)
{
    struct record dead = event;
    uint8_t bytes[256];
    (void)state;
    dead.kind = RECORD_DEAD;
    dead.reason = REASON_utf8;
    dead.reason_offset = 65535;
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    round_trip(dead, bytes, sizeof bytes);
    assert_non_null(strstr(line, "\"reason\":\"utf8\",\"offset\":65535,\"hex\":\"0001"));
    round_trip(dead, bytes, 128); /* NUL and all other control characters */
    assert_non_null(strstr(line, "\"text\":\"\\u0000"));
    round_trip(dead, "", 0);
    round_trip(dead, "{\"a\":1}", 7);
    assert_non_null(strstr(line, "\"text\":\"{"));
}

static void an_outcome_says_what_it_is(void **state)
{
    struct record record = event;
    uint8_t body[OUTCOME_BODY_MAX];
    struct outcome_view view = {.outcome = {.kind = OUTCOME_award},
                                .hunt = {(const uint8_t *)"a\"\xc3\xa9", 4},
                                .user = {(const uint8_t *)"u", 1}};
    (void)state;
    record.kind = RECORD_OUTCOME;
    record.flags = 0;
    round_trip(record, body, outcome_encode(&view, body));
    assert_non_null(strstr(line, ",\"outcome\":\"award\",\"hunt\":\"a\\\"\xc3\xa9\",\"hex\":\"01"));
    round_trip(record, "", 0);
}

static void a_record_as_large_as_a_block_comes_back(void **state)
{
    struct record dead = event;
    static uint8_t bytes[BLOCK_BYTES - sizeof(struct record) - sizeof(struct block_header)];
    (void)state;
    dead.kind = RECORD_DEAD;
    memset(bytes, 1, sizeof bytes);
    assert_true(round_trip(dead, bytes, sizeof bytes) > 6 * sizeof bytes);
}

static void times_at_the_ends_come_back(void **state)
{
    struct record record = event;
    (void)state;
    record.receive_ns = 0;
    round_trip(record, "{}", 2);
    record.receive_ns = UINT64_MAX - 1000000000;
    round_trip(record, "{}", 2);
    record.partition = RECORD_NO_PARTITION;
    record.seq = UINT64_MAX;
    record.kind = RECORD_CONFIG;
    round_trip(record, "{\"version\":1}", 13);
}

/* Each byte of a line changed in every bit, left out and doubled: never what was not written. */
static void what_was_changed_is_refused_or_another_record(void **state)
{
    struct archive_record back;
    static char changed[4096];
    (void)state;
    size_t len = round_trip(event, "{\"a\":\"b\"}", 9), taken = 0;
    for (size_t i = 0; i < len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(changed, line, len);
            changed[i] = (char)(changed[i] ^ 1 << bit);
            if (archive_line_decode(changed, len, &room, &back))
                continue;
            taken++;
            assert_true(memcmp(back.record, &given, sizeof given.head + 9) != 0 ||
                        back.ordinal != 7 || back.config_version != 3);
        }
        memmove(changed, line, i);
        memcpy(changed + i, line + i + 1, len - i - 1);
        if (archive_line_decode(changed, len - 1, &room, &back) == 0)
            taken++;
        assert_int_equal(archive_line_decode(line, i, &room, &back), -EBADMSG);
    }
    assert_true(taken > 0 && taken < len * 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_stands_in_its_line_as_it_came),
        cmocka_unit_test(an_event_of_several_lines_comes_back),
        cmocka_unit_test(a_dead_letter_of_any_bytes_comes_back),
        cmocka_unit_test(an_outcome_says_what_it_is),
        cmocka_unit_test(a_record_as_large_as_a_block_comes_back),
        cmocka_unit_test(times_at_the_ends_come_back),
        cmocka_unit_test(what_was_changed_is_refused_or_another_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
