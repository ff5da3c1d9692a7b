/* test_words.c - what an event said, from its bytes alone. */
#include "tests/unit/journal_kit.h"

#include "dataplane/base/event.h"
#include "sinks/words.h"

#define UUID "7f3c1e2a-9b4d-4c8e-a1f2-0d9e8c7b6a5f"
#define REST ",\"type\":\"view\",\"time\":1795209600123}"

static struct {
    struct record record;
    uint8_t body[4096];
} stored;

static void read_as(enum record_kind kind, const char *event, struct words *words)
{
    size_t len = strlen(event);
    assert_in_range(len, 0, sizeof stored.body);
    stored.record = kit_record(kind, 1, (uint32_t)len);
    memcpy(stored.body, event, len);
    words_read(&stored.record, words);
}

static void expect_word(const struct words *words, const struct word *word, const char *want)
{
    uint8_t text[EVENT_NAME_MAX];
    size_t len = words_decode(words, word, text);
    assert_int_equal(len, strlen(want));
    assert_memory_equal(text, want, len);
}

static void all_words_are_found(void **state)
{
    (void)state;
    struct words words;
    read_as(RECORD_EVENT,
            "{\"tile\":\"A4\",\"id\":\"7F3C1E2A-9b4d-4c8e-a1f2-0D9E8C7B6A5F\",\"user\":\"u-1\","
            "\"item\":\"85123A\"" REST,
            &words);
    assert_true(words.known);
    assert_false(words.escaped);
    assert_memory_equal(words.id, UUID, TEXT_UUID_LEN);
    expect_word(&words, &words.user, "u-1");
    expect_word(&words, &words.type, "view");
    expect_word(&words, &words.item, "85123A");
    expect_word(&words, &words.tile, "A4");
}

static void what_is_not_there_is_nothing(void **state)
{
    (void)state;
    struct words words;
    read_as(RECORD_EVENT, "{\"id\":\"" UUID "\",\"user\":\"u-1\"" REST, &words);
    assert_true(words.known);
    assert_null(words.item.raw);
    assert_null(words.tile.raw);
    expect_word(&words, &words.tile, "");
}

static void escapes_are_taken_away(void **state)
{
    (void)state;
    struct words words;
    read_as(RECORD_EVENT,
            "{ \"\\u0069d\" : \"\\u0037f3c1e2a-9b4d-4c8e-a1f2-0d9e8c7b6a5f\", "
            "\"user\":\"\\u0075-\\u00e9\\\"\"" REST,
            &words);
    assert_true(words.known);
    assert_true(words.escaped);
    assert_memory_equal(words.id, UUID, TEXT_UUID_LEN);
    expect_word(&words, &words.user, "u-\xc3\xa9\"");
}

static void what_is_no_event_says_nothing(void **state)
{
    (void)state;
    static const char *const events[] = {
        "",
        "{}",
        "not json at all",
        "{\"id\":\"" UUID "\"" REST,
        "{\"id\":\"" UUID "\",\"user\":7" REST,
        "{\"id\":\"" UUID "\",\"user\":\"\"" REST,
        "{\"id\":\"7f3c1e2a-9b4d-4c8e-a1f2-0d9e8c7b6a5\",\"user\":\"u\"" REST,
        "{\"id\":\"7f3c1e2a-9b4d-4c8e-a1f2-0d9e8c7b6a5g\",\"user\":\"u\"" REST,
        "{\"id\":\"" UUID "\",\"user\":\"u\",\"user\":\"v\"" REST,
        "{\"id\":\"" UUID "\",\"user\":\"u\",\"item\":null" REST,
        "{\"id\":\"" UUID "\",\"user\":\"0123456789012345678901234567890123456789012345678901234567"
        "8901234\"" REST,
    };
    struct words words;
    for (unsigned i = 0; i < sizeof events / sizeof *events; i++) {
        read_as(RECORD_EVENT, events[i], &words);
        assert_false(words.known);
    }
    words.known = true;
    words_read(NULL, &words);
    assert_false(words.known);
    read_as(RECORD_CORRECTION, "{\"id\":\"" UUID "\",\"user\":\"u\"" REST, &words);
    assert_false(words.known);
}

static void a_dead_letter_that_is_an_event_says_it(void **state)
{
    (void)state;
    struct words words;
    read_as(RECORD_DEAD, "{\"id\":\"" UUID "\",\"user\":\"u\"" REST, &words);
    assert_true(words.known);
    read_as(RECORD_DEAD, "{\"id\":\"" UUID "\",\"user\":\"u\",\"time\":-1,\"type\":\"view\"}",
            &words);
    assert_false(words.known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_words_are_found),
        cmocka_unit_test(what_is_not_there_is_nothing),
        cmocka_unit_test(escapes_are_taken_away),
        cmocka_unit_test(what_is_no_event_says_nothing),
        cmocka_unit_test(a_dead_letter_that_is_an_event_says_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
