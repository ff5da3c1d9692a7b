/* test_builder.c - the events of a profile: valid ones are valid, broken ones are broken, and the
 * tally says which were which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "bench/blast_builder.h"
#include "bench/blast_malformed.h"
#include "bench/blast_value.h"
#include "dataplane/base/event.h"

#define START_NS 1795209600123000000ull

/* A builder with what it needs beside it. */
struct fixture {
    struct blast_profile profile;
    struct blast_pacer pacer;
    struct blast_builder builder;
    char fault[512];
    uint8_t out[BLAST_DATAGRAM_MAX + BLAST_SLACK];
};

static struct fixture *make(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    blast_profile_init(&f->profile);
    f->profile.users = 500;
    f->profile.items = 300;
    return f;
}

static void start(struct fixture *f, uint64_t events)
{
    if (!f->pacer.stage_count)
        blast_pacer_parse(&f->pacer, "1M");
    assert_int_equal(blast_pacer_limit(&f->pacer, events, 0), 0);
    assert_int_equal(
        blast_builder_init(&f->builder, &f->profile, &f->pacer, f->fault, sizeof f->fault), 0);
    f->builder.source.start_real_ns = START_NS;
}

static void stop(struct fixture *f)
{
    blast_builder_fini(&f->builder);
    free(f);
}

static uint32_t next(struct fixture *f, uint64_t *due_ns)
{
    struct blast_source *source = &f->builder.source;
    if (!source->due(source, due_ns))
        return 0;
    uint32_t len = source->build(source, *due_ns, f->out);
    f->out[len] = '\0';
    return len;
}

static const char *text_of(json_t *event, const char *key)
{
    const char *text = json_string_value(json_object_get(event, key));
    return text ? text : "";
}

static void assert_event(json_t *event)
{
    const char *id = text_of(event, "id");
    assert_int_equal(strlen(id), 36);
    assert_int_equal(strspn(id, "0123456789abcdef-"), 36);
    assert_true(id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-');
    assert_true(id[14] == '4' && strchr("89ab", id[19]));
    assert_true(json_is_integer(json_object_get(event, "time")));
    unsigned user = (unsigned)atoi(text_of(event, "user") + 2);
    assert_in_range(user, 1, 500);
    unsigned item = (unsigned)atoi(text_of(event, "item") + 2);
    assert_in_range(item, 1, 300);
}

static void every_event_is_json_of_the_size_asked_for(void **state)
{
    (void)state;
    struct fixture *f = make();
    uint64_t due_ns;
    blast_profile_types(&f->profile, "view:90,purchase:10");
    blast_profile_hunt(&f->profile, "spring-26:50%");
    start(f, 5000);
    for (uint64_t i = 0; i < 5000; i++) {
        assert_int_equal(next(f, &due_ns), 170);
        json_t *event = json_loads((char *)f->out, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(event);
        assert_event(event);
        assert_int_equal(json_integer_value(json_object_get(event, "time")),
                         (START_NS + due_ns) / 1000000);
        json_decref(event);
        f->builder.source.settle(&f->builder.source, 1);
    }
    assert_int_equal(next(f, &due_ns), 0);
    assert_int_equal(f->builder.source.tally.unique, 5000);
    assert_int_equal(f->builder.source.tally.bytes, 5000 * 170);
    stop(f);
}

static void sizes_below_the_fields_cost_the_padding_only(void **state)
{
    (void)state;
    for (uint64_t size = 64; size < 250; size++) {
        struct fixture *f = make();
        uint64_t due_ns;
        f->profile.event_bytes = size;
        start(f, 20);
        for (uint32_t len; (len = next(f, &due_ns)) > 0;) {
            json_t *event = json_loads((char *)f->out, JSON_REJECT_DUPLICATES, NULL);
            assert_non_null(event);
            assert_event(event);
            json_decref(event);
            /* An event takes up to 120 bytes, its padding at least 19. */
            assert_true(size >= 140 ? len == size : len < 140);
            f->builder.source.settle(&f->builder.source, 1);
        }
        stop(f);
    }
}

static void the_same_seed_gives_the_same_bytes_however_they_are_grouped(void **state)
{
    (void)state;
    struct fixture *a = make();
    struct fixture *b = make();
    uint64_t due_ns;
    a->profile.duplicates = b->profile.duplicates = 1ull << 29;
    a->profile.malformed = b->profile.malformed = 1ull << 29;
    start(a, 4000);
    start(b, 4000);
    for (uint32_t i = 0; i < 4000; i++) {
        uint32_t len = next(a, &due_ns);
        assert_int_equal(next(b, &due_ns), len);
        assert_memory_equal(a->out, b->out, len);
        a->builder.source.settle(&a->builder.source, 1);
        if (i % 50 == 49)
            b->builder.source.settle(&b->builder.source, 50);
    }
    assert_memory_equal(&a->builder.source.tally, &b->builder.source.tally,
                        sizeof a->builder.source.tally);
    stop(a);
    stop(b);
}

static void another_run_id_changes_the_ids_and_nothing_else(void **state)
{
    (void)state;
    struct fixture *a = make();
    struct fixture *b = make();
    uint64_t due_ns;
    b->profile.run_id = "second";
    start(a, 100);
    start(b, 100);
    while (next(a, &due_ns) && next(b, &due_ns)) {
        assert_memory_not_equal(a->out + 7, b->out + 7, 36);
        assert_memory_equal(a->out + 43, b->out + 43, 170 - 43);
        a->builder.source.settle(&a->builder.source, 1);
        b->builder.source.settle(&b->builder.source, 1);
    }
    stop(a);
    stop(b);
}

/* What was sent before, by its bytes: a poor man's set. */
static bool seen_before(char (*sent)[171], uint32_t count, const char *event)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(sent[i], event) == 0)
            return true;
    }
    return false;
}

static void a_duplicate_is_an_earlier_event_byte_for_byte(void **state)
{
    (void)state;
    struct fixture *f = make();
    char(*sent)[171] = calloc(3000, sizeof *sent);
    uint64_t due_ns;
    uint32_t repeats = 0;
    blast_value_share("10%", &f->profile.duplicates);
    start(f, 3000);
    for (uint32_t i = 0; next(f, &due_ns); i++) {
        memcpy(sent[i], f->out, 171);
        repeats += seen_before(sent, i, sent[i]);
        f->builder.source.settle(&f->builder.source, 1);
    }
    assert_int_equal(f->builder.source.tally.duplicates, repeats);
    assert_int_equal(f->builder.source.tally.unique, 3000 - repeats);
    assert_in_range(repeats, 250, 350);
    free(sent);
    stop(f);
}

static void duplicates_of_what_was_never_sent_are_not_duplicates(void **state)
{
    (void)state;
    struct fixture *f = make();
    char(*sent)[171] = calloc(3000, sizeof *sent);
    uint64_t due_ns;
    uint32_t count = 0, repeats = 0, lost = 0;
    blast_value_share("30%", &f->profile.duplicates);
    start(f, 3000);
    for (uint32_t i = 0; next(f, &due_ns); i++) {
        bool taken = i % 3 != 0;
        f->builder.source.settle(&f->builder.source, taken);
        lost += !taken;
        if (!taken)
            continue;
        repeats += seen_before(sent, count, (char *)f->out);
        memcpy(sent[count++], f->out, 171);
    }
    const struct blast_tally *tally = &f->builder.source.tally;
    assert_int_equal(tally->unsent, lost);
    assert_int_equal(tally->sent, count);
    assert_int_equal(tally->duplicates, repeats);
    assert_int_equal(tally->unique, count - repeats);
    free(sent);
    stop(f);
}

static void an_old_event_is_not_repeated_at_a_low_rate(void **state)
{
    (void)state;
    struct fixture *f = make();
    char last[171] = "";
    uint64_t due_ns;
    uint64_t now_ms;
    blast_pacer_parse(&f->pacer, "0.001k");
    blast_value_share("50%", &f->profile.duplicates);
    start(f, 3000);
    while (next(f, &due_ns)) {
        now_ms = (START_NS + due_ns) / 1000000;
        uint64_t time_ms = strtoull((char *)f->out + 52, NULL, 10);
        assert_true(time_ms == now_ms || time_ms + 301000 >= now_ms ||
                    memcmp(last, f->out, 170) == 0);
        if (time_ms == now_ms)
            memcpy(last, f->out, 170);
        f->builder.source.settle(&f->builder.source, 1);
    }
    stop(f);
}

static void clocks_are_ahead_and_behind_as_asked_and_counted(void **state)
{
    (void)state;
    struct fixture *f = make();
    uint64_t due_ns;
    uint32_t skewed = 0, late = 0;
    blast_profile_shifted("20%:90s", &f->profile.skew, &f->profile.skew_ns);
    blast_profile_shifted("10%:20m", &f->profile.late, &f->profile.late_ns);
    start(f, 5000);
    while (next(f, &due_ns)) {
        int64_t off_ms = (int64_t)strtoull((char *)f->out + 52, NULL, 10) -
                         (int64_t)((START_NS + due_ns) / 1000000);
        skewed += off_ms == 90000;
        late += off_ms == -1200000;
        assert_true(off_ms == 0 || off_ms == 90000 || off_ms == -1200000);
        f->builder.source.settle(&f->builder.source, 1);
    }
    assert_int_equal(f->builder.source.tally.skewed, skewed);
    assert_int_equal(f->builder.source.tally.late, late);
    assert_in_range(skewed, 900, 1100);
    assert_in_range(late, 430, 570);
    stop(f);
}

static void types_and_hunts_get_their_shares(void **state)
{
    (void)state;
    struct fixture *f = make();
    uint64_t due_ns;
    uint32_t purchases = 0, a = 0, b = 0, none = 0;
    blast_profile_types(&f->profile, "view:90,purchase:10");
    blast_profile_hunt(&f->profile, "a:25%");
    blast_profile_hunt(&f->profile, "b:25%");
    start(f, 10000);
    while (next(f, &due_ns)) {
        purchases += strstr((char *)f->out, "\"type\":\"purchase\"") != NULL;
        a += strstr((char *)f->out, "\"hunt\":\"a\"") != NULL;
        b += strstr((char *)f->out, "\"hunt\":\"b\"") != NULL;
        none += strstr((char *)f->out, "\"hunt\"") == NULL;
        f->builder.source.settle(&f->builder.source, 1);
    }
    assert_in_range(purchases, 900, 1100);
    assert_in_range(a, 2350, 2650);
    assert_in_range(b, 2350, 2650);
    assert_int_equal(a + b + none, 10000);
    stop(f);
}

static void several_events_share_a_datagram(void **state)
{
    (void)state;
    struct fixture *f = make();
    uint64_t due_ns;
    uint32_t lines = 0, datagrams = 0;
    f->profile.per_datagram = 8;
    start(f, 803);
    while (next(f, &due_ns)) {
        for (char *line = strtok((char *)f->out, "\n"); line; line = strtok(NULL, "\n")) {
            json_t *event = json_loads(line, 0, NULL);
            assert_non_null(event);
            assert_event(event);
            json_decref(event);
            lines++;
        }
        datagrams++;
        f->builder.source.settle(&f->builder.source, 1);
    }
    assert_int_equal(lines, 803);
    assert_int_equal(datagrams, 101);
    assert_int_equal(f->builder.source.tally.sent, 803);
    assert_int_equal(f->builder.source.tally.datagrams, 101);
    stop(f);
}

static void more_than_fits_a_datagram_is_refused_with_what_would(void **state)
{
    (void)state;
    struct fixture *f = make();
    f->profile.per_datagram = 9;
    blast_pacer_parse(&f->pacer, "1k");
    blast_pacer_limit(&f->pacer, 10, 0);
    assert_true(blast_builder_init(&f->builder, &f->profile, &f->pacer, f->fault, sizeof f->fault) <
                0);
    assert_non_null(strstr(f->fault, "--per-datagram 8"));
    free(f);
}

static void what_the_plan_had_left_is_unsent(void **state)
{
    (void)state;
    struct fixture *f = make();
    uint64_t due_ns;
    blast_pacer_parse(&f->pacer, "1k/10s");
    start(f, 0);
    for (int i = 0; i < 100; i++)
        next(f, &due_ns), f->builder.source.settle(&f->builder.source, 1);
    f->builder.source.abandon(&f->builder.source, 2000000000);
    assert_int_equal(f->builder.source.tally.unsent, 2000 - 100);
    assert_int_equal(next(f, &due_ns), 0);
    stop(f);
}

/* Reasons that a JSON parser sees, the others are the event's own rules. */
static bool breaks_json(unsigned reason)
{
    return reason == REASON_syntax || reason == REASON_utf8 || reason == REASON_surrogate ||
           reason == REASON_trailing || reason == REASON_duplicate_key;
}

static void each_kind_of_broken_event_breaks_one_rule(void **state)
{
    (void)state;
    struct blast_values values = {
        .id = "7f3c1e2a-9b4d-4c8e-a1f2-0d9e8c7b6a5f",
        .time = "1795209600123",
        .user = "u-4000000000",
        .type = "purchase-of-a-type-of-32-letters",
        .item = "item-of-64-letters-item-of-64-letters-item-of-64-letters-item-ok",
    };
    bool seen[REASON_COUNT] = {false};
    for (uint32_t kind = 0; kind < blast_malformed_count(); kind++) {
        uint8_t out[BLAST_MALFORMED_BYTES_MAX];
        enum reason reason;
        uint32_t len = blast_malformed_build(kind, &values, out, &reason);
        assert_false(seen[reason]);
        seen[reason] = true;
        assert_null(memchr(out, '\n', len));
        assert_true(len < 240);
        json_t *event =
            json_loadb((char *)out, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
        if (reason == REASON_time_range) /* more than jansson's integers hold */
            assert_non_null(strstr((char *)out, ":9223372036854775808,"));
        else if (breaks_json(reason))
            assert_null(event);
        else
            assert_non_null(event);
        json_decref(event);
    }
    assert_true(blast_malformed_count() >= 8);
    assert_true(seen[REASON_user_length] && seen[REASON_id_invalid] && seen[REASON_type_missing]);
}

/* What the receiver's parser says; type_unknown is found later, under its configuration. */
static enum reason parsed(const uint8_t *bytes, uint32_t len)
{
    static const uint8_t seed[HASH_SEED_BYTES];
    static const struct event_limits limits = {.event_bytes = 1400, .event_depth = 64};
    struct hash_key key;
    struct event event;
    hash_key_init(&key, seed);
    return event_parse(&limits, &key, bytes, len, &event);
}

static void the_receiver_finds_the_reason_that_is_counted(void **state)
{
    (void)state;
    struct fixture *f = make();
    uint64_t due_ns;
    uint64_t found[REASON_COUNT] = {0};
    blast_value_share("30%", &f->profile.malformed);
    blast_value_share("5%", &f->profile.duplicates);
    blast_profile_hunt(&f->profile, "spring-26:50%");
    start(f, 3000);
    for (uint32_t len; (len = next(f, &due_ns)) > 0;) {
        enum reason reason = parsed(f->out, len);
        if (reason == REASON_none && strstr((char *)f->out, "\"no-such-type\""))
            reason = REASON_type_unknown;
        found[reason]++;
        f->builder.source.settle(&f->builder.source, 1);
    }
    const struct blast_tally *tally = &f->builder.source.tally;
    assert_int_equal(found[REASON_none], tally->unique + tally->duplicates);
    found[REASON_none] = 0;
    assert_memory_equal(found, tally->malformed_by_reason, sizeof found);
    stop(f);
}

static void broken_events_are_counted_by_their_reason_in_turn(void **state)
{
    (void)state;
    struct fixture *f = make();
    uint64_t due_ns, sum = 0;
    blast_value_share("50%", &f->profile.malformed);
    start(f, 3000);
    while (next(f, &due_ns))
        f->builder.source.settle(&f->builder.source, 1);
    const struct blast_tally *tally = &f->builder.source.tally;
    uint64_t each = tally->malformed / blast_malformed_count();
    for (unsigned i = 0; i < REASON_COUNT; i++) {
        uint64_t count = tally->malformed_by_reason[i];
        assert_true(count == 0 || count == each || count == each + 1);
        sum += count;
    }
    assert_int_equal(sum, tally->malformed);
    assert_in_range(tally->malformed, 1400, 1600);
    assert_int_equal(tally->unique + tally->malformed, 3000);
    stop(f);
}

static void a_user_of_65_bytes_has_65_bytes(void **state)
{
    (void)state;
    struct blast_values values = {.id = "i", .time = "1", .user = "u", .type = "t", .item = "x"};
    for (uint32_t kind = 0; kind < blast_malformed_count(); kind++) {
        char out[BLAST_MALFORMED_BYTES_MAX + 1];
        enum reason reason;
        if (blast_malformed_build(0, &values, (uint8_t *)out, &reason) == 0)
            fail();
        uint32_t len = blast_malformed_build(kind, &values, (uint8_t *)out, &reason);
        if (reason != REASON_user_length)
            continue;
        json_t *event = json_loadb(out, len, 0, NULL);
        assert_int_equal(strlen(text_of(event, "user")), 65);
        json_decref(event);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_is_json_of_the_size_asked_for),
        cmocka_unit_test(sizes_below_the_fields_cost_the_padding_only),
        cmocka_unit_test(the_same_seed_gives_the_same_bytes_however_they_are_grouped),
        cmocka_unit_test(another_run_id_changes_the_ids_and_nothing_else),
        cmocka_unit_test(a_duplicate_is_an_earlier_event_byte_for_byte),
        cmocka_unit_test(duplicates_of_what_was_never_sent_are_not_duplicates),
        cmocka_unit_test(an_old_event_is_not_repeated_at_a_low_rate),
        cmocka_unit_test(clocks_are_ahead_and_behind_as_asked_and_counted),
        cmocka_unit_test(types_and_hunts_get_their_shares),
        cmocka_unit_test(several_events_share_a_datagram),
        cmocka_unit_test(more_than_fits_a_datagram_is_refused_with_what_would),
        cmocka_unit_test(what_the_plan_had_left_is_unsent),
        cmocka_unit_test(each_kind_of_broken_event_breaks_one_rule),
        cmocka_unit_test(the_receiver_finds_the_reason_that_is_counted),
        cmocka_unit_test(broken_events_are_counted_by_their_reason_in_turn),
        cmocka_unit_test(a_user_of_65_bytes_has_65_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
