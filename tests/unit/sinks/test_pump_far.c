/* test_pump_far.c - a sink on the other side of a network: refuses records, is full, forgets,
 * is paused. */
#include "tests/unit/sinks/pump_kit.h"

static struct sink_cursor cursor_in_file(const struct world *w)
{
    struct cursor cursor;
    struct sink_cursor value;
    assert_int_equal(cursor_open(&cursor, w->cursor, &value), 0);
    cursor_close(&cursor);
    return value;
}

/* The file lags behind what was confirmed; the pump itself does not go back. */
static void what_was_confirmed_just_now_is_not_yet_in_the_cursor_file(void **state)
{
    struct world *w = *state;
    w->far = true;
    w->confirm_after_ns = 200 * NS_PER_MS;
    kit_start_epoch(w, 1, 1);
    kit_open_pump(w);
    kit_append_stories(w, 0, 3, 50);
    kit_drain(w, 100);
    assert_int_equal(w->sink.committed, 15);
    struct sink_cursor early = cursor_in_file(w);
    assert_int_equal(early.at[0].ordinal, 0);
    kit_close_pump(w);
    assert_int_equal(cursor_in_file(w).at[0].ordinal, 0);
    kit_open_pump(w);
    w->sink.fail_at = w->sink.op_count + 2; /* a first delivery after the opening */
    w->sink.fail_count = 1;
    kit_append_stories(w, 0, 3, 50);
    while (pump_poll(w->pump, 100) < 0)
        ;
    usleep(250000);
    kit_drain(w, 100);
    struct sink_cursor late = cursor_in_file(w);
    assert_true(late.at[0].ordinal > early.at[0].ordinal);
    assert_int_equal(late.confirmed[0].ordinal, late.at[0].ordinal);
}

/* ---- sinks on the other side of a network ---- */

static void start_far(struct world *w, uint32_t shards)
{
    w->far = true;
    kit_start_epoch(w, 1, shards);
    kit_open_pump(w);
}

static unsigned count_lines(const char *path)
{
    unsigned count = 0;
    FILE *in = fopen(path, "re");
    for (int c; in && (c = fgetc(in)) != EOF;)
        count += c == '\n';
    if (in)
        fclose(in);
    return count;
}

static bool has_seq(const struct world *w, uint64_t seq)
{
    for (uint64_t i = 0; i < w->sink.committed; i++)
        if (w->sink.list[i].seq == seq)
            return true;
    return false;
}

static void who_is_away_at_start_is_waited_for(void **state)
{
    struct world *w = *state;
    w->sink.fail_at = 1;
    w->sink.fail_count = 2;
    start_far(w, 1);
    kit_append_stories(w, 0, 3, 50);
    assert_int_equal(pump_poll(w->pump, 100), -ECONNREFUSED);
    assert_int_equal(pump_counters(w->pump)->lag_records, 22);
    assert_int_equal(pump_poll(w->pump, 100), -ECONNREFUSED);
    kit_drain(w, 100);
    kit_expect_stories(w, 1, 0, 3);
    assert_int_equal(pump_counters(w->pump)->lag_records, 0);
}

static void a_record_refused_three_times_is_set_aside(void **state)
{
    struct world *w = *state;
    start_far(w, 1);
    kit_append_stories(w, 0, 3, 50);
    w->sink.refused_seq = 1010; /* the second story's award */
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pump_poll(w->pump, 100), -EREMOTEIO);
    kit_drain(w, 100);
    assert_int_equal(w->sink.refusals, 3);
    assert_int_equal(w->sink.committed, w->want_outcomes - 1);
    assert_false(has_seq(w, 1010));
    assert_int_equal(count_lines(w->dead), 1);
    assert_int_equal(pump_counters(w->pump)->set_aside, 1);
    assert_int_equal(pump_counters(w->pump)->skipped, 0);
    kit_close_pump(w);
    kit_open_pump(w);
    kit_drain(w, 100);
    assert_int_equal(count_lines(w->dead), 1);
}

/* Polls until nothing is left, whatever is refused. */
static void drain_refused(struct world *w, unsigned polls)
{
    for (unsigned i = 0; i < polls && pump_poll(w->pump, 100) != 0; i++)
        continue;
    kit_drain(w, 100);
}

static void two_records_of_a_batch_are_set_aside_each_once(void **state)
{
    struct world *w = *state;
    start_far(w, 1);
    kit_append_stories(w, 0, 6, 50);
    w->sink.refused_late[0] = 1010;
    w->sink.refused_late[1] = 1018;
    drain_refused(w, 20);
    assert_int_equal(w->sink.refusals, 6);
    assert_int_equal(w->sink.committed, w->want_outcomes - 2);
    assert_false(has_seq(w, 1010) || has_seq(w, 1018));
    assert_int_equal(count_lines(w->dead), 2);
    assert_int_equal(pump_counters(w->pump)->set_aside, 2);
}

static void a_record_of_each_journal_is_set_aside_once(void **state)
{
    struct world *w = *state;
    start_far(w, 2);
    kit_append_stories(w, 0, 3, 50);
    kit_append_stories(w, 1, 3, 50);
    w->sink.refused_late[0] = 1010;
    w->sink.refused_late[1] = 1110;
    drain_refused(w, 20);
    assert_int_equal(w->sink.refusals, 6);
    assert_int_equal(w->sink.committed, w->want_outcomes - 2);
    assert_int_equal(count_lines(w->dead), 2);
    assert_int_equal(pump_counters(w->pump)->set_aside, 2);
}

static void a_full_server_is_tried_for_ever_unless_told_to_skip(void **state)
{
    struct world *w = *state;
    struct sink_place place;
    struct pump_report report;
    start_far(w, 1);
    kit_append_stories(w, 0, 1, 50);
    kit_drain(w, 100);
    assert_int_equal(pump_skip(w->pump, &place), -ENOENT);
    w->sink.full = true;
    kit_append_stories(w, 0, 1, 50);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(pump_poll(w->pump, 100), -EREMOTEIO);
    pump_report(w->pump, &report);
    assert_string_equal(report.error, "ERR no such luck");
    assert_true(report.lag_bytes > 0);
    assert_int_equal(pump_counters(w->pump)->set_aside, 0);
    assert_false(pump_is_asked(w->pump));
    assert_int_equal(pump_skip(w->pump, &place), 0);
    assert_true(pump_is_asked(w->pump));
    w->sink.full = false;
    kit_drain(w, 100);
    assert_int_equal(w->sink.committed, w->want_outcomes - 1);
    assert_int_equal(count_lines(w->dead), 1);
    assert_int_equal(pump_counters(w->pump)->skipped, 1);
    pump_report(w->pump, &report);
    assert_string_equal(report.error, "");
    assert_string_equal(report.last_error, "ERR no such luck");
}

/* The other side forgets all but its first `keep` outcomes, and the connection breaks. */
static void forget(struct world *w, uint64_t keep)
{
    w->sink.committed = keep;
    w->sink.fail_at = w->sink.op_count + 1;
    w->sink.fail_count = 1;
    kit_append_stories(w, 0, 1, 50);
    assert_true(pump_poll(w->pump, 1000) < 0);
}

static void expect_all(const struct world *w)
{
    for (uint64_t i = 0; i < w->sink.committed; i++)
        for (uint64_t j = 0; j < i; j++)
            assert_false(w->sink.list[i].seq == w->sink.list[j].seq);
    assert_int_equal(w->sink.committed, w->want_outcomes);
}

static void what_the_other_side_lost_it_gets_again(void **state)
{
    struct world *w = *state;
    start_far(w, 1);
    kit_append_stories(w, 0, 6, 50000); /* over several segments */
    kit_drain(w, 7);
    expect_all(w);
    forget(w, 11);
    kit_drain(w, 1000);
    expect_all(w);
    assert_int_equal(pump_counters(w->pump)->gaps, 1);
    forget(w, 0);
    kit_drain(w, 1000);
    expect_all(w);
    assert_int_equal(pump_counters(w->pump)->gaps, 2);
}

static void a_gap_may_reach_back_into_earlier_epochs(void **state)
{
    struct world *w = *state;
    start_far(w, 1);
    kit_append_stories(w, 0, 4, 50);
    kit_drain(w, 1000);
    kit_close_pump(w);
    kit_end_epoch(w);
    kit_start_epoch(w, 2, 1);
    kit_open_pump(w);
    kit_append_stories(w, 0, 4, 50);
    kit_drain(w, 1000);
    expect_all(w);
    forget(w, 7);
    kit_drain(w, 1000);
    expect_all(w);
    /* And over a restart that finds it. */
    kit_close_pump(w);
    kit_end_epoch(w);
    w->sink.committed = 3;
    kit_start_epoch(w, 3, 1);
    kit_open_pump(w);
    kit_drain(w, 1000);
    expect_all(w);
}

static void a_side_that_has_more_than_the_journal_is_not_written_to(void **state)
{
    struct world *w = *state;
    w->sink.list[0] = (struct delivered){.epoch = 1, .ordinal = 1000};
    w->sink.committed = w->sink.count = 1;
    start_far(w, 1);
    kit_append_stories(w, 0, 1, 50);
    assert_int_equal(pump_poll(w->pump, 100), -ESTALE);
    assert_int_equal(w->sink.committed, 1);
}

static void pause_drain_resume(void **state)
{
    struct world *w = *state;
    struct pump_report report;
    start_far(w, 1);
    pump_set_mode(w->pump, PUMP_PAUSED);
    kit_append_stories(w, 0, 2, 50);
    kit_drain(w, 100);
    assert_int_equal(w->sink.committed, 0);
    assert_int_equal(pump_counters(w->pump)->lag_records, 15);
    pump_set_mode(w->pump, PUMP_DRAIN);
    kit_drain(w, 100);
    expect_all(w);
    pump_report(w->pump, &report);
    assert_int_equal(report.mode, PUMP_PAUSED);
    kit_append_stories(w, 0, 2, 50);
    kit_drain(w, 100);
    assert_int_equal(w->sink.committed, 10);
    pump_set_mode(w->pump, PUMP_RUN);
    kit_drain(w, 100);
    expect_all(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(what_was_confirmed_just_now_is_not_yet_in_the_cursor_file),
        IN_DIR(who_is_away_at_start_is_waited_for),
        IN_DIR(a_record_refused_three_times_is_set_aside),
        IN_DIR(two_records_of_a_batch_are_set_aside_each_once),
        IN_DIR(a_record_of_each_journal_is_set_aside_once),
        IN_DIR(a_full_server_is_tried_for_ever_unless_told_to_skip),
        IN_DIR(what_the_other_side_lost_it_gets_again),
        IN_DIR(a_gap_may_reach_back_into_earlier_epochs),
        IN_DIR(a_side_that_has_more_than_the_journal_is_not_written_to),
        IN_DIR(pause_drain_resume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
