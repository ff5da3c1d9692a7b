/* test_body.c - a CloudEvent to the byte, and what may not be a subject. */
#include "tests/unit/journal_kit.h"

#include "dataplane/base/text.h"
#include "sinks/body.h"

static const struct record record = {
    .kind = RECORD_OUTCOME, .partition = 17, .seq = 55021, .receive_ns = 1795209600201999999ull};

static struct sink_item item_of(const char *user)
{
    return (struct sink_item){
        .outcome = &record,
        .view = {.outcome = {.kind = OUTCOME_duplicate, .first_seq = 7},
                 .user = {(const uint8_t *)user, (uint8_t)strlen(user)}},
        .epoch = 3,
        .shard = 1,
        .ordinal = 99,
    };
}

static const struct line_origin *origin(void)
{
    static struct line_origin origin;
    assert_int_equal(line_origin_init(&origin, "fra1", "e07", "0123456789abcdef"), 0);
    return &origin;
}

static void an_outcome_is_a_cloud_event(void **state)
{
    char out[BODY_BYTES_MAX + 1], line[LINE_BYTES_MAX + 1], want[BODY_BYTES_MAX];
    struct sink_item item = item_of("u\"1");
    (void)state;
    line[line_encode(&item, origin(), line) - 1] = '\0';
    out[body_encode(CONF_FORMAT_CLOUDEVENTS, &item, origin(), out)] = '\0';
    snprintf(want, sizeof want,
             "{\"specversion\":\"1.0\",\"id\":\"0123456789abcdef-17-55021\",\"source\":\"/fra1/"
             "e07\",\"type\":\"trove.duplicate\",\"subject\":\"u\\\"1\",\"time\":"
             "\"2026-11-20T21:20:00.201Z\",\"datacontenttype\":\"application/json\",\"data\":%s}\n",
             line);
    assert_string_equal(out, want);
    size_t len = body_encode(CONF_FORMAT_JSON, &item, origin(), out);
    assert_memory_equal(out, line, len - 1);
}

static void a_subject_has_no_characters_that_the_specification_forbids(void **state)
{
    static const char *const good[] = {
        "u", "\xc3\xa9", "a b", "\xf0\x9f\x8d\x80", "\xc2\xa0", "\xef\xb7\x8f", "\xef\xbf\xbd"};
    static const char *const bad[] = {
        "",         "\x01",         "a\x1f",        "\x7f",
        "\xc2\x80", "\xc2\x9f",     "\xef\xbf\xbe", "\xef\xbf\xbf",
        "\xff",     "\xef\xb7\x90", "\xef\xb7\xaf", "\xf0\x9f\xbf\xbe"};
    char out[BODY_BYTES_MAX + 1];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct sink_item item = item_of(good[i]);
        out[body_encode(CONF_FORMAT_CLOUDEVENTS, &item, origin(), out)] = '\0';
        assert_non_null(strstr(out, "\"subject\":\""));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct sink_item item = item_of(bad[i]);
        out[body_encode(CONF_FORMAT_CLOUDEVENTS, &item, origin(), out)] = '\0';
        assert_null(strstr(out, "subject"));
    }
}

static void the_longest_of_all_fits(void **state)
{
    static const struct record longest = {
        .kind = RECORD_OUTCOME, .partition = UINT16_MAX, .seq = UINT64_MAX, .receive_ns = 1};
    char user[EVENT_USER_MAX + 1] = "", name[CONF_NAME_MAX + 1] = "", out[BODY_BYTES_MAX];
    struct line_origin long_origin;
    (void)state;
    memset(user, '"', sizeof user - 1);
    memset(name, 'n', sizeof name - 1);
    struct sink_item item = item_of(user);
    item.outcome = &longest;
    assert_int_equal(line_origin_init(&long_origin, name, name, "0123456789abcdef"), 0);
    size_t line = line_encode(&item, &long_origin, out);
    size_t body = body_encode(CONF_FORMAT_CLOUDEVENTS, &item, &long_origin, out);
    assert_in_range(body - line, 300, BODY_BYTES_MAX - LINE_BYTES_MAX);
    char id[BODY_ID_MAX];
    size_t len = body_id(&item, &long_origin, id);
    assert_int_equal(len, strlen(id));
    assert_string_equal(id, "0123456789abcdef-65535-18446744073709551615");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_outcome_is_a_cloud_event),
        cmocka_unit_test(a_subject_has_no_characters_that_the_specification_forbids),
        cmocka_unit_test(the_longest_of_all_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
