/* test_pump_journal.c - journals that are short of segments, damaged, or not those that the
 * cursor is of. */
#include "tests/unit/sinks/pump_kit.h"

static void remove_segment(struct world *w, const char *name)
{
    assert_int_equal(unlinkat(w->dir.fd, name, 0), 0);
}

/* It died before it wrote anything: the next start has the same number. */
static void an_epoch_begun_again_with_more_shards_is_read_whole(void **state)
{
    struct world *w = *state;
    kit_start_epoch(w, 1, 1);
    kit_open_pump(w);
    assert_int_equal(pump_poll(w->pump, 100), 0);
    kit_close_pump(w);
    kit_end_epoch(w);
    kit_start_epoch(w, 1, 3);
    kit_append_stories(w, 2, 2, 50);
    kit_open_pump(w);
    kit_append_stories(w, 1, 2, 50);
    for (int rc = 1; rc;) {
        rc = pump_poll(w->pump, 100);
        assert_true(rc >= 0);
    }
    assert_int_equal(w->sink.committed, w->want_outcomes);
    kit_close_pump(w);
    kit_end_epoch(w);
    kit_start_epoch(w, 2, 1);
    kit_open_pump(w);
    assert_int_equal(pump_poll(w->pump, 100), 0);
    assert_int_equal(w->sink.committed, w->want_outcomes);
}

static void records_that_went_missing_are_an_error(void **state)
{
    struct world *w = *state;
    kit_start_epoch(w, 1, 1);
    kit_append_stories(w, 0, 8, 50000);
    kit_end_epoch(w);
    kit_start_epoch(w, 2, 1);
    kit_open_pump(w);
    assert_int_equal(pump_poll(w->pump, 7), 7); /* the second block, in a segment of its own */
    kit_close_pump(w);
    remove_segment(w, "000001-000-000001.seg");
    assert_int_equal(kit_try_open(w, ALL_KINDS), 0);
    kit_close_pump(w);
    remove_segment(w, "000001-000-000002.seg");
    assert_int_equal(kit_try_open(w, ALL_KINDS), -ESTALE);
    assert_null(w->pump);
}

static void a_segment_read_to_its_end_may_go(void **state)
{
    struct world *w = *state;
    kit_start_epoch(w, 1, 1);
    kit_append_stories(w, 0, 4, 50000);
    kit_end_epoch(w);
    kit_start_epoch(w, 2, 1);
    kit_open_pump(w);
    assert_int_equal(pump_poll(w->pump, 5), 5);
    kit_close_pump(w);
    remove_segment(w, "000001-000-000001.seg");
    kit_open_pump(w);
    kit_drain(w, 100);
    kit_expect_stories(w, 1, 0, 4);
}

static void a_segment_missing_in_the_middle_is_an_error(void **state)
{
    struct world *w = *state;
    kit_start_epoch(w, 1, 1);
    kit_append_stories(w, 0, 4, 50000);
    kit_end_epoch(w);
    kit_start_epoch(w, 2, 1);
    remove_segment(w, "000001-000-000003.seg");
    kit_open_pump(w);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pump_poll(w->pump, 1000), -ESTALE);
    kit_expect_stories(w, 1, 0, 2);
}

static void journals_that_start_anew_under_an_old_cursor_are_an_error(void **state)
{
    struct world *w = *state;
    kit_start_epoch(w, 3, 1);
    kit_append_stories(w, 0, 2, 50);
    kit_open_pump(w);
    kit_drain(w, 100);
    kit_close_pump(w);
    kit_end_epoch(w);
    remove_segment(w, "000003-000-000001.seg");
    kit_start_epoch(w, 1, 1);
    assert_int_equal(kit_try_open(w, ALL_KINDS), -ESTALE);
    kit_end_epoch(w);
    kit_start_epoch(w, 4, 1);
    assert_int_equal(kit_try_open(w, ALL_KINDS), -ESTALE);
}

static void a_new_sink_starts_with_the_oldest_record_there_is(void **state)
{
    struct world *w = *state;
    kit_start_epoch(w, 1, 1);
    kit_append_stories(w, 0, 2, 50000);
    kit_end_epoch(w);
    kit_start_epoch(w, 2, 2);
    kit_append_stories(w, 0, 4, 50000);
    kit_append_stories(w, 1, 2, 50);
    kit_end_epoch(w);
    remove_segment(w, "000001-000-000001.seg");
    remove_segment(w, "000001-000-000002.seg");
    remove_segment(w, "000002-000-000001.seg");
    kit_start_epoch(w, 3, 1);
    kit_open_pump(w);
    kit_close_pump(w); /* before anything was delivered */
    kit_open_pump(w);
    kit_drain(w, 4);
    assert_int_equal(w->sink.committed, 3 * 5 + 2 * 5);
    assert_int_equal(w->sink.list[0].epoch, 2);
    kit_expect_stories(w, 2, 1, 2);
}

static void damage_is_reported_and_not_passed_over(void **state)
{
    struct world *w = *state;
    kit_start_epoch(w, 1, 1);
    kit_append_stories(w, 0, 6, 50);
    kit_end_epoch(w);
    kit_start_epoch(w, 2, 1);
    kit_append_stories(w, 0, 1, 50);
    uint64_t second_block = SEGMENT_HEADER_BYTES + BLOCK_ALIGN;
    kit_patch_file(w->dir.fd, "000001-000-000001.seg", "damage", 6, second_block + 300);
    kit_open_pump(w);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pump_poll(w->pump, 1000), -EBADMSG);
        kit_expect_stories(w, 1, 0, 3);
        kit_expect_stories(w, 2, 0, 0);
    }
    assert_int_equal(pump_counters(w->pump)->outcomes, 15);
    assert_int_equal(pump_counters(w->pump)->errors, 3);
}

static void an_outcome_that_is_none_is_damage(void **state)
{
    struct world *w = *state;
    kit_start_epoch(w, 1, 1);
    kit_append_story(w, 0, 50);
    kit_append_record(&w->writers[0], RECORD_OUTCOME, "junk", 4);
    kit_flush(w, 0);
    kit_open_pump(w);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pump_poll(w->pump, 1000), -EBADMSG);
        kit_expect_stories(w, 1, 0, 1);
    }
}

static void an_outcome_without_its_event_is_damage(void **state)
{
    struct world *w = *state;
    kit_start_epoch(w, 1, 1);
    struct writer *writer = &w->writers[0];
    kit_append_story(w, 0, 50);
    kit_flush(w, 0);
    /* Two blocks of one shape: where the first has its event, the second has another one. */
    uint8_t body[OUTCOME_BODY_MAX] = {0};
    struct outcome_view view = {0};
    kit_append_record(writer, RECORD_CONFIG, body, outcome_encode(&view, body));
    kit_append_record(writer, RECORD_EVENT, "event", 5);
    kit_flush(w, 0);
    kit_append_outcome(writer, OUTCOME_award);
    kit_append_record(writer, RECORD_EVENT, "event", 5);
    kit_flush(w, 0);
    kit_open_pump(w);
    assert_int_equal(pump_poll(w->pump, 1000), -EBADMSG);
    kit_expect_stories(w, 1, 0, 1);
}

static void an_event_has_no_outcome_of_a_correction_nor_the_other_way_about(void **state)
{
    struct world *w = *state;
    kit_start_epoch(w, 1, 2);
    kit_append_record(&w->writers[0], RECORD_EVENT, "event", 5);
    kit_append_outcome(&w->writers[0], OUTCOME_revoked);
    kit_append_record(&w->writers[1], RECORD_CORRECTION, "event", 5);
    kit_append_outcome(&w->writers[1], OUTCOME_award);
    kit_flush(w, 0);
    kit_flush(w, 1);
    kit_open_pump(w);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pump_poll(w->pump, 1000), -EBADMSG);
    assert_int_equal(w->sink.count, 0);
}

static void a_last_segment_that_was_never_written_is_the_end(void **state)
{
    struct world *w = *state;
    static const uint8_t zeros[2 * BLOCK_ALIGN];
    kit_start_epoch(w, 1, 2);
    kit_append_stories(w, 0, 1, 50000);
    kit_end_epoch(w);
    kit_write_file(w->dir.fd, "000001-000-000002.seg", zeros, sizeof zeros);
    kit_write_file(w->dir.fd, "000001-001-000001.seg", "", 0);
    kit_start_epoch(w, 2, 1);
    kit_append_stories(w, 0, 1, 50);
    kit_open_pump(w);
    kit_drain(w, 2);
    kit_expect_stories(w, 1, 0, 1);
    kit_expect_stories(w, 2, 0, 1);
    kit_close_pump(w);
    kit_open_pump(w);
    assert_int_equal(pump_poll(w->pump, 10), 0);
}

static void a_pump_that_cannot_open_tries_again_at_each_poll(void **state)
{
    struct world *w = *state;
    struct pump_report report;
    kit_start_epoch(w, 1, 1);
    kit_append_stories(w, 0, 3, 50);
    kit_open_pump(w);
    struct pump_wiring wiring = {.cursor_path = "/nowhere/at/all",
                                 .journal_dir_fd = w->dir.fd,
                                 .epoch = 1,
                                 .shard_count = 1,
                                 .marks = {&w->writers[0].journal.mark},
                                 .outcomes = ALL_KINDS,
                                 .ops = &memory_ops,
                                 .sink = &w->sink};
    struct pump *pump;
    assert_int_equal(pump_new(&pump, &wiring), 0);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(pump_poll(pump, 100), -ENOENT);
        assert_int_equal(pump_counters(pump)->errors, i);
    }
    pump_report(pump, &report);
    assert_string_equal(report.error, "No such file or directory");
    pump_free(pump);
    kit_write_file(w->dir.fd, "bad", (char[8192]){1, 1, 1}, 8192);
    char path[160];
    snprintf(path, sizeof path, "%s/journal/bad", w->dir.path);
    wiring.cursor_path = path;
    assert_int_equal(pump_new(&pump, &wiring), 0);
    assert_int_equal(pump_poll(pump, 100), -EBADMSG);
    pump_report(pump, &report);
    assert_non_null(strstr(report.error, "cursor is damaged"));
    kit_close_pump(w);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(pump_poll(pump, 100), 15);
    pump_free(pump);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(an_epoch_begun_again_with_more_shards_is_read_whole),
        IN_DIR(records_that_went_missing_are_an_error),
        IN_DIR(a_segment_read_to_its_end_may_go),
        IN_DIR(a_segment_missing_in_the_middle_is_an_error),
        IN_DIR(journals_that_start_anew_under_an_old_cursor_are_an_error),
        IN_DIR(a_new_sink_starts_with_the_oldest_record_there_is),
        IN_DIR(damage_is_reported_and_not_passed_over),
        IN_DIR(an_outcome_that_is_none_is_damage),
        IN_DIR(an_outcome_without_its_event_is_damage),
        IN_DIR(an_event_has_no_outcome_of_a_correction_nor_the_other_way_about),
        IN_DIR(a_last_segment_that_was_never_written_is_the_end),
        IN_DIR(a_pump_that_cannot_open_tries_again_at_each_poll),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
