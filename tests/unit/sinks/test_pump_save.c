/* test_pump_save.c - when a cursor is saved: seldom while events flow, and at once where something
 * rests on it. */
#include "tests/unit/sinks/pump_kit.h"

#define LATE_US 220000 /* by then it is saved */

/* A sink that may be late, one journal, and what its pump saved at its start. */
static void start(struct world *w)
{
    w->late = true;
    kit_start_epoch(w, 1, 1);
    kit_open_pump(w);
    assert_int_equal(pump_poll(w->pump, 100), 0);
}

static struct sink_cursor saved_cursor(const struct world *w)
{
    struct sink_cursor cursor;
    assert_int_equal(cursor_read(w->cursor, &cursor), 0);
    return cursor;
}

/* A sink that may be late, the whole of an epoch, and another that goes on. */
static void start_two_epochs(struct world *w)
{
    w->late = true;
    kit_start_epoch(w, 1, 1);
    kit_append_stories(w, 0, 3, 50);
    kit_end_epoch(w);
    kit_start_epoch(w, 2, 1);
}

static void put_cursor(const struct world *w, const struct sink_cursor *value)
{
    struct cursor cursor;
    struct sink_cursor none, copy = *value;
    assert_int_equal(cursor_open(&cursor, w->cursor, &none), 0);
    assert_int_equal(cursor_save(&cursor, &copy), 0);
    cursor_close(&cursor);
}

static void saves_stay_few_while_events_flow(void **state)
{
    struct world *w = *state;
    start(w);
    struct sink_cursor before = saved_cursor(w);
    unsigned syncs = w->sink.syncs, polls = 0;
    uint64_t began_ns = clock_monotonic_ns();
    for (; polls < 200; polls++) {
        kit_append_stories(w, 0, 1, 50);
        kit_drain(w, 100);
        assert_int_equal(w->sink.committed, 5 * (polls + 1));
    }
    uint64_t most = 1 + (clock_monotonic_ns() - began_ns) / (200 * NS_PER_MS);
    assert_in_range(saved_cursor(w).version - before.version, 0, most);
    assert_in_range(w->sink.syncs - syncs, 0, most);
    usleep(LATE_US);
    assert_int_equal(pump_poll(w->pump, 100), 0);
    struct sink_cursor after = saved_cursor(w);
    assert_int_equal(after.at[0].ordinal, 7 * polls);
    assert_int_equal(after.resume, 5 * polls);
    syncs = w->sink.syncs;
    usleep(LATE_US);
    assert_int_equal(pump_poll(w->pump, 100), 0);
    assert_int_equal(saved_cursor(w).version, after.version);
    assert_int_equal(w->sink.syncs, syncs);
    kit_expect_stories(w, 1, 0, polls);
}

static void a_sink_that_must_not_repeat_has_each_commit_saved(void **state)
{
    struct world *w = *state;
    kit_start_epoch(w, 1, 1);
    kit_open_pump(w);
    uint64_t version = saved_cursor(w).version;
    for (unsigned i = 1; i <= 20; i++) {
        kit_append_stories(w, 0, 1, 50);
        kit_drain(w, 100);
        assert_int_equal(saved_cursor(w).version, version + i);
        assert_int_equal(saved_cursor(w).at[0].ordinal, 7 * i);
    }
}

static void who_stands_still_has_saved(void **state)
{
    struct world *w = *state;
    start(w);
    kit_append_stories(w, 0, 3, 50);
    kit_drain(w, 100);
    pump_set_mode(w->pump, PUMP_PAUSED);
    assert_int_equal(pump_poll(w->pump, 100), 0);
    assert_int_equal(saved_cursor(w).at[0].ordinal, 21);

    pump_set_mode(w->pump, PUMP_DRAIN);
    kit_append_stories(w, 0, 3, 50);
    kit_drain(w, 100);
    struct pump_report report;
    pump_report(w->pump, &report);
    assert_int_equal(report.mode, PUMP_PAUSED);
    assert_int_equal(saved_cursor(w).at[0].ordinal, 42);

    pump_set_mode(w->pump, PUMP_RUN);
    kit_append_stories(w, 0, 3, 50);
    kit_drain(w, 100);
    unsigned syncs = w->sink.syncs;
    kit_close_pump(w);
    assert_int_equal(saved_cursor(w).at[0].ordinal, 63);
    assert_int_equal(w->sink.syncs, syncs + 1);
    kit_expect_stories(w, 1, 0, 9);
}

static void an_epoch_is_left_behind_saved(void **state)
{
    struct world *w = *state;
    start_two_epochs(w);
    kit_open_pump(w);
    unsigned syncs = w->sink.syncs;
    kit_drain(w, 4);
    struct sink_cursor cursor = saved_cursor(w);
    assert_int_equal(cursor.epoch, 2);
    assert_int_equal(cursor.resume, 15);
    assert_in_range(w->sink.syncs, syncs + 1, syncs + 2);
}

static void what_was_not_saved_when_it_died_comes_once_more_behind_the_cut(void **state)
{
    struct world *w = *state;
    start(w);
    kit_append_stories(w, 0, 4, 50);
    kit_drain(w, 6);
    assert_int_equal(w->sink.committed, 20);
    struct sink_cursor dead = saved_cursor(w);
    kit_close_pump(w);
    assert_true(saved_cursor(w).version > dead.version);
    for (unsigned slot = 0; slot < 2; slot++) /* both: as if it had never been saved */
        put_cursor(w, &dead);
    kit_open_pump(w);
    kit_drain(w, 6);
    assert_int_equal(w->sink.committed, 20);
    kit_expect_stories(w, 1, 0, 4);
}

static void a_sync_that_fails_takes_the_pump_back_to_what_is_saved(void **state)
{
    struct world *w = *state;
    start(w);
    kit_append_stories(w, 0, 4, 50);
    kit_drain(w, 6);
    struct sink_cursor before = saved_cursor(w);
    w->sink.sync_fails = true;
    usleep(LATE_US);
    assert_int_equal(pump_poll(w->pump, 6), -EIO);
    assert_int_equal(saved_cursor(w).resume, before.resume);
    unsigned opens = w->sink.opens;
    assert_int_equal(pump_poll(w->pump, 6), 6);
    assert_int_equal(w->sink.opens, opens + 1);
    assert_int_equal(w->sink.committed, before.resume + 6);
    kit_drain(w, 6);
    kit_expect_stories(w, 1, 0, 4);
}

static void a_sync_that_fails_between_two_epochs_does_so_too(void **state)
{
    struct world *w = *state;
    start_two_epochs(w);
    kit_append_stories(w, 0, 3, 50);
    kit_open_pump(w);
    w->sink.sync_fails = true;
    assert_int_equal(pump_poll(w->pump, 100), -EIO);
    assert_int_equal(saved_cursor(w).resume, 0);
    unsigned opens = w->sink.opens;
    kit_drain(w, 100);
    assert_int_equal(w->sink.opens, opens + 1);
    kit_expect_stories(w, 1, 0, 3);
    kit_expect_stories(w, 2, 0, 3);
    assert_int_equal(w->sink.committed, 30);
}

static void what_was_confirmed_before_a_failure_is_not_sent_again(void **state)
{
    struct world *w = *state;
    start(w);
    kit_append_stories(w, 0, 2, 50);
    kit_drain(w, 100);
    kit_append_stories(w, 0, 2, 50);
    w->sink.fail_at = w->sink.op_count + 3;
    w->sink.fail_count = 1;
    assert_int_equal(pump_poll(w->pump, 100), -ENOSPC);
    assert_int_equal(saved_cursor(w).at[0].ordinal, 14);
    assert_int_equal(w->sink.committed, 10);
    kit_drain(w, 100);
    assert_int_equal(w->sink.committed, 20);
    assert_int_equal(pump_counters(w->pump)->delivered, 20);
    kit_expect_stories(w, 1, 0, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(saves_stay_few_while_events_flow, kit_set_up,
                                        kit_tear_down),
        cmocka_unit_test_setup_teardown(a_sink_that_must_not_repeat_has_each_commit_saved,
                                        kit_set_up, kit_tear_down),
        cmocka_unit_test_setup_teardown(who_stands_still_has_saved, kit_set_up, kit_tear_down),
        cmocka_unit_test_setup_teardown(an_epoch_is_left_behind_saved, kit_set_up, kit_tear_down),
        cmocka_unit_test_setup_teardown(
            what_was_not_saved_when_it_died_comes_once_more_behind_the_cut, kit_set_up,
            kit_tear_down),
        cmocka_unit_test_setup_teardown(a_sync_that_fails_takes_the_pump_back_to_what_is_saved,
                                        kit_set_up, kit_tear_down),
        cmocka_unit_test_setup_teardown(a_sync_that_fails_between_two_epochs_does_so_too,
                                        kit_set_up, kit_tear_down),
        cmocka_unit_test_setup_teardown(what_was_confirmed_before_a_failure_is_not_sent_again,
                                        kit_set_up, kit_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
