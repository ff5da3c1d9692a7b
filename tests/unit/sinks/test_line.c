/* test_line.c - each kind of outcome as a line, to the byte. */
#include "tests/unit/journal_kit.h"

#include <errno.h>

#include "dataplane/base/text.h"
#include "sinks/line.h"

#define NAME(s) ((struct outcome_name){.text = (const uint8_t *)(s), .len = sizeof(s) - 1})
#define UUID    "7f3c1e2a-9b4d-4c8e-a1f2-0d9e8c7b6a5f"
#define VIEW                                                                                       \
    "{\"id\":\"" UUID "\",\"time\":1795209600123,\"user\":\"u-1\",\"type\":\"view\","              \
    "\"item\":\"85123A\"}"
#define TAIL ",\"pop\":\"fra1\",\"host\":\"e07\"}\n"

/* Records as they lie in a block. */
struct stored {
    struct record record;
    uint8_t body[4096];
};

static struct stored event_record, outcome_record;

static void store(struct stored *stored, enum record_kind kind, uint64_t seq, const void *body,
                  size_t len)
{
    stored->record = kit_record(kind, seq, (uint32_t)len);
    stored->record.receive_ns = 1795209600201999999ull;
    memcpy(stored->body, body, len);
}

static struct sink_item item_of(const char *event, struct outcome_view view)
{
    struct sink_item item = {.outcome = &outcome_record.record, .view = view};
    if (event) {
        store(&event_record, RECORD_EVENT, 55020, event, strlen(event));
        item.event = &event_record.record;
    }
    store(&outcome_record, RECORD_OUTCOME, 55021, "", 0);
    text_uuid_parse((const uint8_t *)UUID, item.view.id);
    return item;
}

static void expect(const struct sink_item *item, const char *want)
{
    char out[LINE_BYTES_MAX + 1];
    struct line_origin origin;
    assert_int_equal(line_origin_init(&origin, "fra1", "e07", "j"), 0);
    out[line_encode(item, &origin, out)] = '\0';
    assert_string_equal(out, want);
}

static void an_award_tells_what_was_won_and_why(void **state)
{
    (void)state;
    struct sink_item item = item_of(VIEW, (struct outcome_view){
                                              .outcome = {.kind = OUTCOME_award,
                                                          .flags = OUTCOME_STOPPED,
                                                          .item_count = 2,
                                                          .score = (2u << 16) + (3u << 14),
                                                          .award_id = {0x1f, UINT64_MAX}},
                                              .hunt = NAME("spring-26"),
                                              .user = NAME("u-1"),
                                              .item = {NAME("85123A"), NAME("22\"42")},
                                          });
    expect(&item,
           "{\"seq\":\"17:55021\",\"time\":\"2026-11-20T21:20:00.201Z\",\"outcome\":\"award\","
           "\"hunt\":\"spring-26\",\"user\":\"u-1\",\"id\":\"" UUID "\",\"type\":\"view\","
           "\"item\":\"85123A\",\"event_seq\":\"17:55020\","
           "\"award\":\"aw-000000000000001fffffffffffffffff\",\"items\":[\"85123A\",\"22\\\"42\"],"
           "\"score\":2.750,\"stopped\":true" TAIL);
}

#define GRANT                                                                                      \
    "{\"id\":\"" UUID "\",\"correction\":\"grant\",\"user\":\"u-1\",\"hunt\":\"tiles\","           \
    "\"tile\":\"abc\",\"reason\":\"r\",\"ref\":\"OPS-1\",\"by\":\"uid 0\"}"

static void a_correction_tells_all_that_it_said(void **state)
{
    (void)state;
    struct sink_item item = item_of(
        GRANT, (struct outcome_view){.outcome = {.kind = OUTCOME_granted, .award_id = {1, 0xabcd}},
                                     .hunt = {(const uint8_t *)"tiles", 5},
                                     .user = {(const uint8_t *)"u-1", 3}});
    event_record.record.kind = RECORD_CORRECTION;
    expect(&item, "{\"seq\":\"17:55021\",\"time\":\"2026-11-20T21:20:00.201Z\","
                  "\"outcome\":\"granted\",\"hunt\":\"tiles\",\"user\":\"u-1\",\"id\":\"" UUID
                  "\",\"tile\":\"abc\",\"correction\":" GRANT ",\"event_seq\":\"17:55020\","
                  "\"award\":\"aw-0000000000000001000000000000abcd\","
                  "\"pop\":\"fra1\",\"host\":\"e07\"}\n");
    item.view.outcome =
        (struct outcome){.kind = OUTCOME_correction_refused, .refusal = REFUSAL_taken};
    expect(&item,
           "{\"seq\":\"17:55021\",\"time\":\"2026-11-20T21:20:00.201Z\","
           "\"outcome\":\"correction_refused\",\"hunt\":\"tiles\",\"user\":\"u-1\",\"id\":\"" UUID
           "\",\"tile\":\"abc\",\"correction\":" GRANT ",\"event_seq\":\"17:55020\","
           "\"reason\":\"taken\",\"pop\":\"fra1\",\"host\":\"e07\"}\n");
}

static void an_award_tells_its_variant_and_reward(void **state)
{
    (void)state;
    struct sink_item item =
        item_of(NULL, (struct outcome_view){
                          .outcome = {.kind = OUTCOME_award, .item_count = 1, .score = 1u << 16},
                          .hunt = NAME("h"),
                          .user = NAME("u-1"),
                          .item = {NAME("a")},
                          .variant = NAME("double"),
                          .reward = NAME("2 \"x\"")});
    expect(&item,
           "{\"seq\":\"17:55021\",\"time\":\"2026-11-20T21:20:00.201Z\",\"outcome\":\"award\","
           "\"hunt\":\"h\",\"user\":\"u-1\",\"id\":\"" UUID "\","
           "\"award\":\"aw-00000000000000000000000000000000\",\"items\":[\"a\"],"
           "\"variant\":\"double\",\"reward\":\"2 \\\"x\\\"\",\"score\":1.000" TAIL);
}

static void a_visit_tells_its_step_and_flags(void **state)
{
    (void)state;
    struct sink_item item =
        item_of(VIEW, (struct outcome_view){
                          .outcome = {.kind = OUTCOME_visit,
                                      .flags = OUTCOME_STEP | OUTCOME_DONE | OUTCOME_ITEM_UNKNOWN,
                                      .depth = 3},
                          .hunt = NAME("h")});
    event_record.record.flags = RECORD_CLAMPED;
    expect(&item,
           "{\"seq\":\"17:55021\",\"time\":\"2026-11-20T21:20:00.201Z\",\"outcome\":\"visit\","
           "\"hunt\":\"h\",\"user\":\"u-1\",\"id\":\"" UUID "\",\"type\":\"view\","
           "\"item\":\"85123A\",\"event_seq\":\"17:55020\",\"step\":true,\"depth\":3,"
           "\"item_unknown\":true,\"done\":true,\"clamped\":true" TAIL);
}

static void a_refusal_tells_its_reason(void **state)
{
    (void)state;
    struct sink_item item = item_of(
        VIEW,
        (struct outcome_view){.outcome = {.kind = OUTCOME_refusal, .refusal = REFUSAL_too_fast},
                              .hunt = NAME("h")});
    expect(&item,
           "{\"seq\":\"17:55021\",\"time\":\"2026-11-20T21:20:00.201Z\",\"outcome\":\"refusal\","
           "\"hunt\":\"h\",\"user\":\"u-1\",\"id\":\"" UUID "\",\"type\":\"view\","
           "\"item\":\"85123A\",\"event_seq\":\"17:55020\",\"reason\":\"too_fast\"" TAIL);
}

static void a_claim_tells_its_tile_and_what_became_of_it(void **state)
{
    (void)state;
    static const char event[] = "{\"id\":\"" UUID "\",\"time\":1795209600123,\"user\":\"u-1\","
                                "\"type\":\"claim\",\"tile\":\"abc\"}";
    struct sink_item item = item_of(
        event, (struct outcome_view){.outcome = {.kind = OUTCOME_claim_granted, .award_id = {1, 2}},
                                     .hunt = NAME("h")});
    expect(
        &item,
        "{\"seq\":\"17:55021\",\"time\":\"2026-11-20T21:20:00.201Z\",\"outcome\":\"claim_granted\","
        "\"hunt\":\"h\",\"user\":\"u-1\",\"id\":\"" UUID "\",\"type\":\"claim\",\"tile\":\"abc\","
        "\"event_seq\":\"17:55020\",\"award\":\"aw-00000000000000010000000000000002\"" TAIL);
    item.view.outcome = (struct outcome){.kind = OUTCOME_claim_refused, .refusal = REFUSAL_taken};
    expect(
        &item,
        "{\"seq\":\"17:55021\",\"time\":\"2026-11-20T21:20:00.201Z\",\"outcome\":\"claim_refused\","
        "\"hunt\":\"h\",\"user\":\"u-1\",\"id\":\"" UUID "\",\"type\":\"claim\",\"tile\":\"abc\","
        "\"event_seq\":\"17:55020\",\"reason\":\"taken\"" TAIL);
}

static void a_late_event_says_so(void **state)
{
    (void)state;
    struct sink_item item = item_of(VIEW, (struct outcome_view){.outcome = {.kind = OUTCOME_late}});
    event_record.record.flags = RECORD_LATE;
    expect(&item,
           "{\"seq\":\"17:55021\",\"time\":\"2026-11-20T21:20:00.201Z\",\"outcome\":\"late\","
           "\"user\":\"u-1\",\"id\":\"" UUID "\",\"type\":\"view\",\"item\":\"85123A\","
           "\"event_seq\":\"17:55020\",\"late\":true" TAIL);
}

static void a_duplicate_names_the_first(void **state)
{
    (void)state;
    struct sink_item item = item_of(
        NULL, (struct outcome_view){.outcome = {.kind = OUTCOME_duplicate, .first_seq = 123},
                                    .user = NAME("u-1")});
    expect(&item,
           "{\"seq\":\"17:55021\",\"time\":\"2026-11-20T21:20:00.201Z\",\"outcome\":\"duplicate\","
           "\"user\":\"u-1\",\"id\":\"" UUID "\",\"first_seq\":\"17:123\"" TAIL);
}

static struct sink_item dead_item(const void *bytes, size_t len, enum reason reason,
                                  uint16_t offset)
{
    store(&event_record, RECORD_DEAD, 9001, bytes, len);
    event_record.record.reason = (uint8_t)reason;
    event_record.record.reason_offset = offset;
    return (struct sink_item){.event = &event_record.record,
                              .outcome = &event_record.record,
                              .view = {.outcome = {.kind = OUTCOME_rejected}}};
}

static void a_dead_letter_shows_its_bytes_whatever_they_are(void **state)
{
    (void)state;
    struct sink_item item = dead_item("{\"id\":\xff\n\0", 9, REASON_utf8, 6);
    expect(
        &item,
        "{\"seq\":\"17:9001\",\"time\":\"2026-11-20T21:20:00.201Z\",\"outcome\":\"rejected\","
        "\"reason\":\"utf8\",\"offset\":6,\"bytes\":\"{\\\"id\\\":\xef\xbf\xbd\\n\\u0000\"" TAIL);
}

static void a_dead_letter_points_at_what_is_wrong_with_data(void **state)
{
    (void)state;
    struct sink_item item = dead_item("{\"data\":{\"price\":-1}}", 21, REASON_data_range, 17);
    expect(&item,
           "{\"seq\":\"17:9001\",\"time\":\"2026-11-20T21:20:00.201Z\",\"outcome\":\"rejected\","
           "\"reason\":\"data_range\",\"offset\":17,\"pointer\":\"/data/price\","
           "\"bytes\":\"{\\\"data\\\":{\\\"price\\\":-1}}\"" TAIL);
}

static void a_dead_letter_that_was_an_event_tells_whose(void **state)
{
    (void)state;
    struct sink_item item = dead_item(VIEW, sizeof VIEW - 1, REASON_type_unknown, 0);
    char out[LINE_BYTES_MAX + 1];
    struct line_origin origin;
    line_origin_init(&origin, "p", "h", "j");
    out[line_encode(&item, &origin, out)] = '\0';
    assert_non_null(strstr(out, "\"rejected\",\"user\":\"u-1\",\"id\":\"" UUID
                                "\",\"type\":\"view\",\"item\":\"85123A\","
                                "\"reason\":\"type_unknown\""));
}

static void a_long_dead_letter_is_cut_between_characters(void **state)
{
    (void)state;
    char bytes[2000], out[LINE_BYTES_MAX + 1];
    struct line_origin origin;
    line_origin_init(&origin, "p", "h", "j");
    for (size_t i = 0; i < sizeof bytes; i += 4)
        memcpy(bytes + i, "\xf0\x9f\x8e\x81", 4);
    for (size_t shift = 0; shift < 4; shift++) {
        struct sink_item item = dead_item(bytes + shift, 1990, REASON_syntax, 0);
        out[line_encode(&item, &origin, out)] = '\0';
        assert_non_null(strstr(out, "\x81\",\"cut\":true,\"pop\""));
    }
    struct sink_item item = dead_item(bytes, LINE_DEAD_BYTES, REASON_syntax, 0);
    out[line_encode(&item, &origin, out)] = '\0';
    assert_null(strstr(out, "cut"));
}

static void the_type_is_found_wherever_it_stands(void **state)
{
    (void)state;
#define REST "\"id\":\"" UUID "\",\"time\":1,\"user\":\"u\""
    static const char *const events[] = {
        "{\"type\":\"view\"," REST "}",
        "{" REST ",\"type\":\"view\"}",
        "{" REST " , \"typ\\u0065\" : \"vi\\u0065w\" }",
        "{\"data\":{\"type\":\"no\"},\"x\":[\"type\",\"no\",{\"type\":\"no\"}]," REST
        ",\"type\":\"view\"}",
        "{\"y\":\"type\",\"z\":\"a\\\"b,\\\\\"," REST ",\"type\":\"view\"}",
        " {\"typeX\":\"no\",\"x\":\"}\",\"\":\"{[\"," REST ",\"type\":\"view\",\"t\":null}",
    };
    for (unsigned i = 0; i < sizeof events / sizeof *events; i++) {
        struct sink_item item =
            item_of(events[i], (struct outcome_view){.outcome = {.kind = OUTCOME_visit}});
        expect(&item,
               "{\"seq\":\"17:55021\",\"time\":\"2026-11-20T21:20:00.201Z\",\"outcome\":\"visit\","
               "\"user\":\"u\",\"id\":\"" UUID
               "\",\"type\":\"view\",\"event_seq\":\"17:55020\"" TAIL);
    }
}

static void names_are_told_decoded(void **state)
{
    (void)state;
    struct sink_item item =
        item_of("{\"user\":\"\\u0075-\\u00e9\\\"\",\"tile\":\"A\\/4\",\"type\":\"v\",\"time\":1,"
                "\"id\":\"" UUID "\"}",
                (struct outcome_view){.outcome = {.kind = OUTCOME_visit}});
    char out[LINE_BYTES_MAX + 1];
    struct line_origin origin;
    line_origin_init(&origin, "p", "h", "j");
    out[line_encode(&item, &origin, out)] = '\0';
    assert_non_null(strstr(out, "\"user\":\"u-\xc3\xa9\\\"\""));
    assert_non_null(strstr(out, "\"tile\":\"A/4\""));
}

static void the_longest_lines_fit(void **state)
{
    (void)state;
    uint8_t text[EVENT_NAME_MAX];
    memset(text, 1, sizeof text); /* \u0001: six characters each */
    struct outcome_name name = {.text = text, .len = sizeof text};
    struct outcome_view view = {.outcome = {.kind = OUTCOME_award,
                                            .flags = 0xff,
                                            .item_count = OUTCOME_ITEMS_MAX,
                                            .depth = UINT16_MAX,
                                            .score = UINT32_MAX},
                                .hunt = name,
                                .user = name};
    for (unsigned i = 0; i < OUTCOME_ITEMS_MAX; i++)
        view.item[i] = name;
    char pop[CONF_NAME_MAX + 1] = {0}, out[LINE_BYTES_MAX];
    memset(pop, 1, CONF_NAME_MAX);
    struct line_origin origin;
    assert_int_equal(line_origin_init(&origin, pop, pop, "j"), 0);
    struct sink_item item = item_of(NULL, view);
    assert_in_range(line_encode(&item, &origin, out), 8000, LINE_BYTES_MAX);
    char bytes[LINE_DEAD_BYTES + 1];
    memset(bytes, 1, sizeof bytes);
    item = dead_item(bytes, sizeof bytes, REASON_syntax, UINT16_MAX);
    assert_in_range(line_encode(&item, &origin, out), 6144, LINE_BYTES_MAX);
    char longer[CONF_NAME_MAX + 2] = {0};
    memset(longer, 'x', CONF_NAME_MAX + 1);
    assert_int_equal(line_origin_init(&origin, "p", longer, "j"), -ENAMETOOLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_award_tells_what_was_won_and_why),
        cmocka_unit_test(an_award_tells_its_variant_and_reward),
        cmocka_unit_test(a_correction_tells_all_that_it_said),
        cmocka_unit_test(a_dead_letter_points_at_what_is_wrong_with_data),
        cmocka_unit_test(a_visit_tells_its_step_and_flags),
        cmocka_unit_test(a_refusal_tells_its_reason),
        cmocka_unit_test(a_claim_tells_its_tile_and_what_became_of_it),
        cmocka_unit_test(a_late_event_says_so),
        cmocka_unit_test(a_duplicate_names_the_first),
        cmocka_unit_test(a_dead_letter_shows_its_bytes_whatever_they_are),
        cmocka_unit_test(a_dead_letter_that_was_an_event_tells_whose),
        cmocka_unit_test(a_long_dead_letter_is_cut_between_characters),
        cmocka_unit_test(the_type_is_found_wherever_it_stands),
        cmocka_unit_test(names_are_told_decoded),
        cmocka_unit_test(the_longest_lines_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
