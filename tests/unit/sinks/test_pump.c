/* test_pump.c - every outcome once, with its event, never ahead of what is durable;
 * whatever fails in between. */
#include "tests/unit/sinks/pump_kit.h"

static void delivers_each_outcome_once_with_its_event(void **state)
{
    struct world *w = *state;
    kit_start_epoch(w, 1, 2);
    kit_open_pump(w);
    assert_int_equal(pump_poll(w->pump, 100), 0);
    kit_append_stories(w, 0, 10, 50);
    kit_append_stories(w, 1, 7, 50);
    kit_drain(w, 100);
    kit_expect_stories(w, 1, 0, 10);
    kit_expect_stories(w, 1, 1, 7);
    kit_append_stories(w, 0, 4, 50);
    kit_drain(w, 100);
    kit_expect_stories(w, 1, 0, 14);
    const struct pump_counters *counters = pump_counters(w->pump);
    assert_int_equal(counters->events, w->want_events);
    assert_int_equal(counters->outcomes, w->want_outcomes);
    assert_int_equal(counters->delivered, w->want_outcomes);
    assert_int_equal(counters->errors, 0);
    assert_int_equal(counters->lag_records, 0);
}

static void a_pump_that_has_not_looked_does_not_say_that_nothing_is_left(void **state)
{
    struct world *w = *state;
    struct pump *pump;
    assert_int_equal(pump_new(&pump, &(struct pump_wiring){.name = "memory"}), 0);
    assert_int_equal(pump_counters(pump)->lag_records, 1);
    pump_free(pump);

    kit_start_epoch(w, 1, 1);
    kit_open_pump(w);
    assert_int_equal(pump_counters(w->pump)->lag_records, 0);
}

static void a_budget_may_end_between_an_event_and_its_outcomes(void **state)
{
    struct world *w = *state;
    kit_start_epoch(w, 1, 1);
    kit_append_stories(w, 0, 6, 50);
    for (unsigned i = 0; i < 30; i++) {
        kit_open_pump(w);
        assert_int_equal(pump_poll(w->pump, 1), 1);
        kit_close_pump(w);
    }
    kit_open_pump(w);
    assert_int_equal(pump_poll(w->pump, 1), 0);
    kit_expect_stories(w, 1, 0, 6);
}

static void nothing_that_is_not_durable_is_read(void **state)
{
    struct world *w = *state;
    kit_start_epoch(w, 1, 1);
    kit_append_stories(w, 0, 3, 50);
    struct segment_mark *mark = &w->writers[0].journal.mark;
    uint64_t position = mark->position, ordinal = mark->ordinal;
    kit_append_stories(w, 0, 3, 50);
    uint64_t later = mark->position;
    mark->position = position;
    mark->ordinal = ordinal;
    kit_open_pump(w);
    kit_drain(w, 1000);
    kit_expect_stories(w, 1, 0, 3);
    mark->position = later;
    kit_drain(w, 1000);
    kit_expect_stories(w, 1, 0, 6);
}

static void reads_epoch_after_epoch_and_segment_after_segment(void **state)
{
    struct world *w = *state;
    kit_start_epoch(w, 1, 3);
    kit_append_stories(w, 0, 8, 50000);
    kit_append_stories(w, 2, 3, 50);
    assert_true(w->writers[0].journal.counters.segments > 3);
    kit_end_epoch(w);
    kit_start_epoch(w, 2, 1);
    kit_end_epoch(w);
    kit_start_epoch(w, 5, 1);
    kit_append_stories(w, 0, 4, 50000);
    kit_end_epoch(w);
    kit_start_epoch(w, 7, 2);
    kit_append_stories(w, 1, 5, 50000);
    kit_open_pump(w);
    kit_drain(w, 7);
    kit_append_stories(w, 0, 5, 50000);
    kit_append_stories(w, 1, 5, 50000);
    kit_drain(w, 7);
    kit_expect_stories(w, 1, 0, 8);
    kit_expect_stories(w, 1, 1, 0);
    kit_expect_stories(w, 1, 2, 3);
    kit_expect_stories(w, 5, 0, 4);
    kit_expect_stories(w, 7, 0, 5);
    kit_expect_stories(w, 7, 1, 10);
    for (uint64_t i = 1; i < w->sink.committed; i++)
        assert_true(w->sink.list[i].epoch >= w->sink.list[i - 1].epoch);
    assert_int_equal(pump_counters(w->pump)->outcomes, w->want_outcomes);
}

/* A history that has a past epoch of two journals, one of several segments, and a running one. */
static void make_history(struct world *w)
{
    kit_start_epoch(w, 1, 2);
    kit_append_stories(w, 0, 2, 50000);
    kit_append_stories(w, 1, 2, 50);
    kit_end_epoch(w);
    kit_start_epoch(w, 2, 1);
    kit_append_stories(w, 0, 2, 50);
}

static void expect_history(const struct world *w)
{
    kit_expect_stories(w, 1, 0, 2);
    kit_expect_stories(w, 1, 1, 2);
    kit_expect_stories(w, 2, 0, 2);
    assert_int_equal(w->sink.committed, w->want_outcomes);
}

static unsigned count_sink_ops(struct world *w, unsigned budget)
{
    memset(&w->sink, 0, sizeof w->sink);
    unlink(w->cursor);
    kit_open_pump(w);
    kit_drain(w, budget);
    kit_close_pump(w);
    expect_history(w);
    return w->sink.op_count;
}

static void a_sink_that_fails_anywhere_gets_everything_once(void **state)
{
    struct world *w = *state;
    make_history(w);
    unsigned op_count = count_sink_ops(w, 4);
    assert_in_range(op_count, 30, 100);
    for (unsigned n = 3; n <= op_count; n++)
        for (unsigned in_a_row = 1; in_a_row <= 3; in_a_row++) {
            memset(&w->sink, 0, sizeof w->sink);
            unlink(w->cursor);
            w->sink.fail_at = n;
            w->sink.fail_count = in_a_row;
            kit_open_pump(w);
            unsigned errors = 0;
            for (int rc = 1; rc;) {
                rc = pump_poll(w->pump, 4);
                errors += rc < 0;
            }
            assert_int_equal(errors, in_a_row);
            assert_int_equal(pump_counters(w->pump)->errors, in_a_row);
            expect_history(w);
            /* What had to be read again is not counted again. */
            assert_int_equal(pump_counters(w->pump)->events, w->want_events);
            assert_int_equal(pump_counters(w->pump)->outcomes, w->want_outcomes);
            kit_close_pump(w);
        }
}

/* What is saved while a journal has not been read on is not where it was read to before. */
static void a_sink_that_fails_again_soon_misses_nothing(void **state)
{
    struct world *w = *state;
    make_history(w);
    for (unsigned n = 3; n <= 30; n++)
        for (unsigned apart = 2; apart <= 16; apart++) {
            memset(&w->sink, 0, sizeof w->sink);
            unlink(w->cursor);
            w->sink.fail_at = n;
            w->sink.fail_count = 1;
            kit_open_pump(w);
            bool again = false;
            for (int rc = 1; rc;) {
                rc = pump_poll(w->pump, 3);
                if (rc < 0 && !again)
                    w->sink.fail_at = w->sink.op_count + apart;
                again |= rc < 0;
            }
            expect_history(w);
            kit_close_pump(w);
        }
}

static void a_crash_anywhere_repeats_nothing_and_loses_nothing(void **state)
{
    struct world *w = *state;
    make_history(w);
    unsigned op_count = count_sink_ops(w, 4);
    for (unsigned n = 3; n <= op_count; n++) {
        memset(&w->sink, 0, sizeof w->sink);
        unlink(w->cursor);
        w->sink.fail_at = n;
        w->sink.fail_count = 1;
        kit_open_pump(w);
        while (pump_poll(w->pump, 4) > 0)
            ;
        kit_close_pump(w);
        kit_open_pump(w);
        kit_drain(w, 4);
        expect_history(w);
        kit_close_pump(w);
    }
}

static void copy_file(const char *from, const char *to)
{
    char command[300];
    snprintf(command, sizeof command, "cp %s %s", from, to);
    assert_int_equal(system(command), 0);
}

static void a_crash_between_commit_and_cursor_repeats_nothing(void **state)
{
    struct world *w = *state;
    char before[140];
    snprintf(before, sizeof before, "%s.before", w->cursor);
    make_history(w);
    for (unsigned polls = 1; polls <= 12; polls++) {
        memset(&w->sink, 0, sizeof w->sink);
        unlink(w->cursor);
        kit_open_pump(w);
        for (unsigned i = 0; i < polls; i++) {
            copy_file(w->cursor, before);
            assert_true(pump_poll(w->pump, 3) >= 0);
        }
        kit_close_pump(w);
        copy_file(before, w->cursor);
        kit_open_pump(w);
        kit_drain(w, 3);
        expect_history(w);
        kit_close_pump(w);
    }
}

static void only_wanted_kinds_are_delivered_and_the_rest_is_passed_for_good(void **state)
{
    struct world *w = *state;
    kit_start_epoch(w, 1, 1);
    kit_append_stories(w, 0, 5, 50);
    assert_int_equal(kit_try_open(w, 1u << OUTCOME_claim_granted), 0);
    kit_drain(w, 1000);
    assert_int_equal(pump_counters(w->pump)->outcomes, 25);
    assert_int_equal(pump_counters(w->pump)->delivered, 0);
    kit_close_pump(w);
    assert_int_equal(kit_try_open(w, 1u << OUTCOME_award | 1u << OUTCOME_rejected), 0);
    kit_drain(w, 1000);
    assert_int_equal(w->sink.committed, 0);
    kit_append_stories(w, 0, 3, 50);
    kit_drain(w, 1000);
    assert_int_equal(w->sink.committed, 6);
    assert_int_equal(w->sink.list[0].kind, OUTCOME_award);
    assert_int_equal(w->sink.list[1].kind, OUTCOME_rejected);
}

static void a_correction_is_delivered_with_what_came_of_it(void **state)
{
    struct world *w = *state;
    kit_start_epoch(w, 1, 1);
    struct writer *writer = &w->writers[0];
    kit_append_record(writer, RECORD_CORRECTION, "event", 5);
    kit_append_outcome(writer, OUTCOME_granted);
    kit_append_record(writer, RECORD_EVENT, "event", 5);
    kit_append_outcome(writer, OUTCOME_visit);
    kit_append_record(writer, RECORD_CORRECTION, "event", 5);
    kit_append_outcome(writer, OUTCOME_correction_refused);
    kit_flush(w, 0);
    kit_open_pump(w);
    assert_int_equal(pump_poll(w->pump, 1000), 3);
    assert_int_equal(w->sink.count, 3);
    assert_int_equal(w->sink.list[0].kind, OUTCOME_granted);
    assert_true(w->sink.list[0].event_seq + 1 == w->sink.list[0].seq);
    assert_int_equal(pump_counters(w->pump)->events, 1);
    assert_int_equal(pump_counters(w->pump)->outcomes, 3);
}

static void a_pump_may_leave_and_come_back_while_the_epoch_runs(void **state)
{
    struct world *w = *state;
    kit_start_epoch(w, 1, 2);
    for (unsigned i = 1; i <= 6; i++) {
        kit_append_stories(w, i % 2, 1, 50000);
        kit_open_pump(w);
        kit_drain(w, 100);
        kit_close_pump(w);
        assert_int_equal(w->sink.committed, 5 * i);
    }
    kit_expect_stories(w, 1, 0, 3);
    kit_expect_stories(w, 1, 1, 3);
}

/* A sink that remembers, and the place it was opened at. */
static void what_is_found_at_another_place_is_not_cut(void **state)
{
    struct world *w = *state;
    w->target = 1;
    kit_start_epoch(w, 1, 1);
    kit_append_stories(w, 0, 3, 50);
    kit_open_pump(w);
    kit_drain(w, 100);
    kit_close_pump(w);
    struct delivered theirs = {.seq = 77, .kind = OUTCOME_late};
    uint64_t ours = w->sink.committed;
    w->sink.list[w->sink.committed++] = theirs;
    w->target = 2;
    kit_open_pump(w);
    assert_int_equal(w->sink.committed, ours + 1);
    kit_close_pump(w);
    kit_open_pump(w);
    assert_int_equal(w->sink.committed, ours + 1);
    kit_append_stories(w, 0, 3, 50);
    kit_drain(w, 100);
    assert_int_equal(w->sink.list[ours].seq, 77);
    assert_int_equal(w->sink.committed, ours + 1 + 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(delivers_each_outcome_once_with_its_event),
        IN_DIR(a_pump_that_has_not_looked_does_not_say_that_nothing_is_left),
        IN_DIR(a_budget_may_end_between_an_event_and_its_outcomes),
        IN_DIR(nothing_that_is_not_durable_is_read),
        IN_DIR(reads_epoch_after_epoch_and_segment_after_segment),
        IN_DIR(a_sink_that_fails_anywhere_gets_everything_once),
        IN_DIR(a_sink_that_fails_again_soon_misses_nothing),
        IN_DIR(a_crash_anywhere_repeats_nothing_and_loses_nothing),
        IN_DIR(a_crash_between_commit_and_cursor_repeats_nothing),
        IN_DIR(only_wanted_kinds_are_delivered_and_the_rest_is_passed_for_good),
        IN_DIR(a_correction_is_delivered_with_what_came_of_it),
        IN_DIR(a_pump_may_leave_and_come_back_while_the_epoch_runs),
        IN_DIR(what_is_found_at_another_place_is_not_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
