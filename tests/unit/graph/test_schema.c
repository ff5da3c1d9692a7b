/* test_schema.c - what a type declares of data is what its events have, to the byte and the digit.
 */
#include "tests/unit/graph/fixture.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define HEAD                                                                                       \
    "{\"id\":\"7f3c1e2a-9b4d-4c8e-a1f2-0d9e8c7b6a5f\",\"time\":1795209600000,\"user\":\"u\","      \
    "\"item\":\"a\",\"type\":\"view\""

static char colours[][CONF_NAME_MAX + 1] = {"red", "gr\xc3\xbcn"};
static char sizes[][CONF_NAME_MAX + 1] = {"1_000", "2.50"};

static struct conf_member *declare(struct fixture *f, const char *name, enum conf_member_type type)
{
    struct conf_type *view = &f->conf.events.types[0];
    struct conf_member *member = &view->members[view->member_count++];
    *member = (struct conf_member){.type = type, .max_length = EVENT_BYTES_MAX};
    snprintf(member->name, sizeof member->name, "%s", name);
    return member;
}

static struct fixture *open_declared(void)
{
    struct fixture *f = fixture_open();
    strcpy(declare(f, "price", CONF_MEMBER_NUMBER)->min, "0.01");
    strcpy(f->conf.events.types[0].members[0].max, "1e6");
    declare(f, "quantity", CONF_MEMBER_INTEGER);
    struct conf_member *size = declare(f, "size", CONF_MEMBER_NUMBER);
    size->value_count = COUNT(sizes);
    size->value = sizes;
    struct conf_member *colour = declare(f, "colour", CONF_MEMBER_STRING);
    colour->value_count = COUNT(colours);
    colour->value = colours;
    struct conf_member *code = declare(f, "code", CONF_MEMBER_STRING);
    code->min_length = 4;
    code->max_length = 6;
    strcpy(code->pattern, "[A-Z]?*[0-9]");
    declare(f, "flag", CONF_MEMBER_BOOLEAN);
    declare(f, "list", CONF_MEMBER_ARRAY);
    declare(f, "map", CONF_MEMBER_OBJECT);
    return f;
}

static struct verdict judge(const struct fixture *f, const char *tail, char text[1024])
{
    struct host host = host_open(small_limits);
    struct outcome out[STATE_OUTCOMES_MAX];
    struct event event = {.receive_ns = T0};
    int len = snprintf(text, 1024, HEAD "%s}", tail);
    assert_int_equal(
        event_parse(&f->rules->limits, &f->key, (const uint8_t *)text, (uint32_t)len, &event),
        REASON_none);
    event.receive_ns = T0;
    event.partition = event_partition(event.user_key.hi, small_limits.partition_count);
    struct verdict verdict = state_apply(host.state, f->rules, &event, out);
    host_close(&host);
    return verdict;
}

/* The event's data is refused for this reason at the first byte of `at`; "": it is taken. */
static void assert_reason(const struct fixture *f, const char *tail, enum reason reason,
                          const char *at)
{
    char text[1024];
    struct verdict verdict = judge(f, tail, text);
    if (verdict.reason != reason)
        print_error("%s: %s\n", tail, reason_name(verdict.reason));
    assert_int_equal(verdict.reason, reason);
    assert_int_equal(verdict.result, reason == REASON_none ? RESULT_ACCEPTED : RESULT_REJECTED);
    size_t offset = 0;
    if (reason != REASON_none) {
        const char *place = strstr(text + sizeof HEAD - 1, at);
        assert_non_null(place);
        offset = (size_t)(place - text);
    }
    assert_int_equal(verdict.reason_offset, offset);
}

static void data(const struct fixture *f, const char *member, enum reason reason, const char *at)
{
    char tail[512];
    snprintf(tail, sizeof tail, ",\"data\":{\"other\":[{\"price\":\"x\"}],%s}", member);
    assert_reason(f, tail, reason, at);
}

static void values_are_what_is_declared(void **state)
{
    (void)state;
    static const struct {
        const char *member;
        enum reason reason;
        const char *at;
    } cases[] = {
        {"\"price\":2.55", REASON_none, ""},
        {"\"price\":0.01", REASON_none, ""},
        {"\"price\":1e-2", REASON_none, ""},
        {"\"price\":1000000.000", REASON_none, ""},
        {"\"price\":0.0099999999999999999999999", REASON_data_range, "0.009"},
        {"\"price\":1000000.0000000000000000001", REASON_data_range, "1000000."},
        {"\"price\": -2", REASON_data_range, "-2"},
        {"\"price\":\"2\"", REASON_data_type, "\"2\""},
        {"\"price\":null", REASON_data_type, "null"},
        {"\"quantity\":3", REASON_none, ""},
        {"\"quantity\":3.0e0", REASON_none, ""},
        {"\"quantity\":9007199254740993", REASON_none, ""},
        {"\"quantity\":3.5", REASON_data_type, "3.5"},
        {"\"size\":1000.0", REASON_none, ""},
        {"\"size\":2.5", REASON_none, ""},
        {"\"size\":2.51", REASON_data_value, "2.51"},
        {"\"colour\":\"red\"", REASON_none, ""},
        {"\"colour\":\"gr\\u00fcn\"", REASON_none, ""},
        {"\"c\\u006flour\":\"blue\"", REASON_data_value, "\"blue\""},
        {"\"colour\":\"\"", REASON_data_value, "\"\""},
        {"\"code\":\"AB12\"", REASON_none, ""},
        {"\"code\":\"A\\u00fc9\"", REASON_none, ""},
        {"\"code\":\"A\xc3\xbc\x31\"", REASON_none, ""},
        {"\"code\":\"A19\"", REASON_data_length, "\"A19\""},
        {"\"code\":\"A123456\"", REASON_data_length, "\"A123456\""},
        {"\"code\":\"a123\"", REASON_data_value, "\"a123\""},
        {"\"flag\":true", REASON_none, ""},
        {"\"flag\":false", REASON_none, ""},
        {"\"flag\":1", REASON_data_type, "1}"},
        {"\"list\":[]", REASON_none, ""},
        {"\"list\":{}", REASON_data_type, "{}"},
        {"\"map\":{\"price\":\"x\"}", REASON_none, ""},
        {"\"map\":[]", REASON_data_type, "[]"},
        {"\"flag\":true,\"flag\":2", REASON_data_type, "2}"},
        {"\"flag\":3,\"price\":-1", REASON_data_type, "3,"},
    };
    struct fixture *f = open_declared();
    fixture_build(f);
    for (size_t i = 0; i < COUNT(cases); i++)
        data(f, cases[i].member, cases[i].reason, cases[i].at);
    assert_reason(f, "", REASON_none, "");
    assert_reason(f, ",\"data\":{}", REASON_none, "");
    assert_reason(f, ",\"data\":{ }", REASON_none, "");
    assert_reason(f, ",\"data\":null", REASON_data_type, "null");
    fixture_close(f);
}

static void required_members_are_missed_where_data_ends(void **state)
{
    (void)state;
    struct fixture *f = open_declared();
    f->conf.events.types[0].members[5].required = true;
    fixture_build(f);
    data(f, "\"flag\":true", REASON_none, "");
    data(f, "\"price\":1 ", REASON_data_required, "}}");
    assert_reason(f, "", REASON_data_required, "}");
    assert_reason(f, ",\"data\":{}", REASON_data_required, "}}");
    data(f, "\"price\":-1", REASON_data_range, "-1");
    fixture_close(f);
}

static void strict_data_has_no_other_members(void **state)
{
    (void)state;
    struct fixture *f = open_declared();
    f->conf.events.types[0].strict_data = true;
    f->conf.events.types[1].strict_data = true;
    fixture_build(f);
    assert_reason(f, ",\"data\":{\"flag\":true, \"fl\":1}", REASON_data_unknown, "\"fl\"");
    assert_reason(f, ",\"data\":{\"flag\":true}", REASON_none, "");
    /* A type that declares nothing lets data be empty. */
    assert_non_null(rules_find_type(f->rules, hash64(&f->key, "note", 4))->schema);
    fixture_close(f);
}

static void a_type_without_declarations_has_no_schema(void **state)
{
    (void)state;
    struct fixture *f = fixture_open();
    const struct rules *rules = fixture_build(f);
    assert_null(rules_find_type(rules, hash64(&f->key, "view", 4))->schema);
    assert_reason(f, ",\"data\":[1,{}]", REASON_none, "");
    fixture_close(f);
}

static void versions_of_a_type_stand_side_by_side(void **state)
{
    (void)state;
    struct fixture *f = fixture_open();
    strcpy(f->conf.events.types[1].name, "view@2");
    strcpy(declare(f, "price", CONF_MEMBER_NUMBER)->min, "5");
    fixture_build(f);
    assert_reason(f, ",\"data\":{\"price\":1}", REASON_data_range, "1}");
    /* The type of the head is view; a later key of the same name would be a duplicate. */
    assert_ptr_not_equal(rules_find_type(f->rules, hash64(&f->key, "view", 4)),
                         rules_find_type(f->rules, hash64(&f->key, "view@2", 6)));
    assert_null(rules_find_type(f->rules, hash64(&f->key, "view@2", 6))->schema);
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_what_is_declared),
        cmocka_unit_test(required_members_are_missed_where_data_ends),
        cmocka_unit_test(strict_data_has_no_other_members),
        cmocka_unit_test(a_type_without_declarations_has_no_schema),
        cmocka_unit_test(versions_of_a_type_stand_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
