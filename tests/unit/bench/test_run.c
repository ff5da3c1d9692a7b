/* test_run.c - the sender's loop sends each event of a plan once, and reports what it did. */
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
#include "bench/blast_report.h"
#include "bench/blast_run.h"

/* A link that counts, refuses every refuse-th datagram, and can break or be stopped. */
struct fake {
    struct blast_link link; /* first */
    uint8_t payloads[BLAST_BURST_MAX][BLAST_DATAGRAM_MAX + BLAST_SLACK];
    uint64_t taken;
    uint64_t refused;
    uint64_t idles;
    uint64_t flushes;
    bool refuses;
    uint64_t break_after;
    uint64_t stop_after;
};

static volatile sig_atomic_t stopped;

static uint32_t fake_reserve(struct blast_link *link)
{
    return link->burst;
}

static uint32_t fake_send(struct blast_link *link, uint32_t count)
{
    struct fake *fake = (struct fake *)link;
    uint32_t sent = fake->refuses ? count - (count + 3) / 4 : count;
    for (uint32_t i = 0; i < count; i++)
        assert_true(link->slots[i].len > 0 && link->slots[i].payload[0] != '\0');
    fake->taken += sent;
    fake->refused += count - sent;
    if (fake->break_after && fake->taken >= fake->break_after) {
        link->broken = true;
        strcpy(link->fault, "broken");
    }
    stopped = fake->stop_after && fake->taken >= fake->stop_after;
    return sent;
}

static void fake_idle(struct blast_link *link)
{
    ((struct fake *)link)->idles++;
}

static void fake_flush(struct blast_link *link)
{
    ((struct fake *)link)->flushes++;
}

/* Everything a run needs. */
struct fixture {
    struct blast_profile profile;
    struct blast_pacer pacer;
    struct blast_builder builder;
    struct blast_run run;
    struct fake fake;
    char fault[512];
};

static struct fixture *make(const char *rate, uint64_t events)
{
    struct fixture *f = calloc(1, sizeof *f);
    blast_profile_init(&f->profile);
    f->profile.items = 100;
    if (rate)
        assert_int_equal(blast_pacer_parse(&f->pacer, rate), 0);
    assert_int_equal(blast_pacer_limit(&f->pacer, events, 0), 0);
    assert_int_equal(
        blast_builder_init(&f->builder, &f->profile, &f->pacer, f->fault, sizeof f->fault), 0);
    f->fake.link = (struct blast_link){.burst = 32,
                                       .reserve = fake_reserve,
                                       .send = fake_send,
                                       .idle = fake_idle,
                                       .flush = fake_flush};
    for (uint32_t i = 0; i < BLAST_BURST_MAX; i++)
        f->fake.link.slots[i].payload = f->fake.payloads[i];
    f->run.source = &f->builder.source;
    f->run.link = &f->fake.link;
    f->run.stop = &stopped;
    f->run.end_ns = UINT64_MAX;
    stopped = 0;
    return f;
}

static void done(struct fixture *f)
{
    blast_builder_fini(&f->builder);
    free(f);
}

static void as_fast_as_possible_sends_every_event_once(void **state)
{
    (void)state;
    struct fixture *f = make(NULL, 10001);
    blast_run(&f->run);
    assert_int_equal(f->fake.taken, 10001);
    assert_int_equal(f->builder.source.tally.sent, 10001);
    assert_int_equal(f->run.lag.total, 10001);
    assert_int_equal(f->fake.flushes, 1);
    assert_true(f->run.held_rate);
    assert_true(f->run.asked_per_s == 0);
    done(f);
}

static void a_paced_plan_is_sent_to_its_end(void **state)
{
    (void)state;
    struct fixture *f = make("100k/20ms", 0);
    blast_run(&f->run);
    assert_int_equal(f->fake.taken, 2000);
    assert_true(f->run.elapsed_ns >= 19990000);
    assert_in_range((uint64_t)f->run.asked_per_s, 99900, 100100);
    done(f);
}

static void what_the_link_does_not_take_is_unsent_and_the_plan_goes_on(void **state)
{
    (void)state;
    struct fixture *f = make("100k/20ms", 0);
    f->fake.refuses = true;
    blast_run(&f->run);
    assert_int_equal(f->fake.taken + f->fake.refused, 2000);
    assert_int_equal(f->builder.source.tally.sent, f->fake.taken);
    assert_int_equal(f->builder.source.tally.unsent, f->fake.refused);
    assert_int_equal(f->run.lag.total, f->fake.taken);
    assert_false(f->run.held_rate);
    done(f);
}

static void a_broken_link_ends_the_run(void **state)
{
    (void)state;
    struct fixture *f = make(NULL, 10000);
    f->fake.break_after = 500;
    blast_run(&f->run);
    assert_in_range(f->fake.taken, 500, 531);
    done(f);
}

static void a_signal_ends_the_run_with_what_was_sent(void **state)
{
    (void)state;
    struct fixture *f = make(NULL, 10000);
    f->fake.stop_after = 500;
    blast_run(&f->run);
    assert_true(f->run.interrupted);
    assert_in_range(f->builder.source.tally.sent, 500, 531);
    done(f);
}

static void a_plan_past_its_end_gives_up_what_is_left(void **state)
{
    (void)state;
    struct fixture *f = make("1M/10s", 0);
    f->run.end_ns = 1000000; /* as if the sender were ten thousand times too slow */
    blast_run(&f->run);
    assert_int_equal(f->fake.taken, f->builder.source.tally.sent);
    assert_true(f->builder.source.tally.sent + f->builder.source.tally.unsent >= 1000);
    done(f);
}

/* As fast as possible there is no pause in which to nap. */
static void a_plan_without_a_pause_stands_back_all_the_same(void **state)
{
    (void)state;
    for (unsigned naps = 0; naps < 2; naps++) {
        struct fixture *f = make(NULL, 10001);
        uint64_t began_ns = clock_monotonic_ns(),
                 long_ago_ns = began_ns - 2 * BLAST_NAP_BUSY_MOST_NS;
        f->run.nap = (struct blast_nap){.ns = naps ? 1000 : 0, .last_ns = long_ago_ns};
        blast_run(&f->run);
        if (naps)
            assert_true(f->run.nap.last_ns >= began_ns + BLAST_NAP_STAND_BACK);
        else
            assert_int_equal(f->run.nap.last_ns, long_ago_ns);
        assert_int_equal(f->builder.source.tally.sent, 10001);
        done(f);
    }
}

static json_t *report(struct fixture *f)
{
    char *text = NULL;
    size_t len;
    FILE *file = open_memstream(&text, &len);
    blast_report_json(file, &f->run);
    fclose(file);
    assert_ptr_equal(strchr(text, '\n'), text + len - 1);
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    assert_non_null(object);
    return object;
}

static json_int_t number(json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void the_report_is_json_that_adds_up(void **state)
{
    (void)state;
    struct fixture *f = make(NULL, 5000);
    f->profile.duplicates = 1ull << 29;
    f->profile.malformed = 1ull << 29;
    blast_run(&f->run);
    json_t *object = report(f);
    assert_int_equal(number(object, "sent"), 5000);
    assert_int_equal(number(object, "unique") + number(object, "duplicates") +
                         number(object, "malformed"),
                     5000);
    json_int_t sum = 0;
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(object, "malformed_by_reason"), key, value) sum +=
        json_integer_value(value);
    assert_int_equal(sum, number(object, "malformed"));
    assert_true(sum > 0);
    assert_true(json_is_null(json_object_get(object, "asked_per_s")));
    assert_true(json_is_true(json_object_get(object, "held_rate")));
    assert_true(json_is_number(json_object_get(json_object_get(object, "lag_us"), "p999")));
    json_decref(object);
    done(f);
}

static void a_rate_that_was_not_held_is_said_in_words(void **state)
{
    (void)state;
    struct fixture *f = make(NULL, 1);
    f->run.asked_per_s = 500000;
    f->run.sent_per_s = 371000;
    char *text = NULL;
    size_t len;
    FILE *file = open_memstream(&text, &len);
    blast_report_line(file, &f->run);
    fclose(file);
    assert_non_null(strstr(text, "asked 500k/s, sent 371k/s: latencies are not valid for 500k/s"));
    free(text);
    done(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_fast_as_possible_sends_every_event_once),
        cmocka_unit_test(a_paced_plan_is_sent_to_its_end),
        cmocka_unit_test(what_the_link_does_not_take_is_unsent_and_the_plan_goes_on),
        cmocka_unit_test(a_broken_link_ends_the_run),
        cmocka_unit_test(a_signal_ends_the_run_with_what_was_sent),
        cmocka_unit_test(a_plan_past_its_end_gives_up_what_is_left),
        cmocka_unit_test(a_plan_without_a_pause_stands_back_all_the_same),
        cmocka_unit_test(the_report_is_json_that_adds_up),
        cmocka_unit_test(a_rate_that_was_not_held_is_said_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
