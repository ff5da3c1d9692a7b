/* test_log.c - what is recorded in each interval is in that interval, and nothing is lost when the
 * room is used up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/blast_log.h"

#define SECOND 1000000000ull

static struct histogram live;
static struct blast_log log_;

static void begin(uint64_t room)
{
    live = (struct histogram){0};
    assert_int_equal(blast_log_init(&log_, &live, SECOND, room), 0);
}

/* The lines behind the head. */
static unsigned write_and_count(uint64_t end_ns)
{
    char *text = NULL;
    size_t len = 0;
    unsigned lines = 0;
    FILE *out = open_memstream(&text, &len);
    assert_int_equal(blast_log_write(&log_, 1795209600, end_ns, out), 0);
    fclose(out);
    for (const char *at = text; (at = strstr(at, ",HISTF")) != NULL; at++)
        lines++;
    assert_non_null(strstr(text, "#[StartTime: 1795209600.000 (seconds since epoch), "
                                 "2026-11-20T21:20:00Z]\n"));
    free(text);
    return lines;
}

static uint64_t recorded(uint32_t interval)
{
    uint64_t end = interval + 1 < log_.count ? log_.intervals[interval + 1].first : log_.used,
             sum = 0;
    for (uint64_t b = log_.intervals[interval].first; b < end; b++)
        sum += log_.buckets[b].count;
    return sum;
}

static void every_value_is_in_its_interval(void **state)
{
    (void)state;
    begin(BLAST_LOG_ROOM);
    for (uint64_t now_ns = 0, n = 0; now_ns < 5 * SECOND + SECOND / 2; now_ns += 1000000, n++) {
        if (blast_log_due(&log_, now_ns))
            blast_log_tick(&log_, now_ns);
        histogram_record(&live, n * 1000);
    }
    assert_int_equal(write_and_count(5 * SECOND + SECOND / 2), 6);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(recorded(i), 1000);
    assert_int_equal(recorded(5), 500);
    blast_log_fini(&log_);
}

static void a_late_tick_skips_to_the_next_whole_second(void **state)
{
    (void)state;
    begin(BLAST_LOG_ROOM);
    histogram_record(&live, 1);
    assert_false(blast_log_due(&log_, SECOND - 1));
    assert_true(blast_log_due(&log_, 3 * SECOND + 5));
    blast_log_tick(&log_, 3 * SECOND + 5);
    assert_false(blast_log_due(&log_, 4 * SECOND - 1));
    assert_true(blast_log_due(&log_, 4 * SECOND));
    blast_log_fini(&log_);
}

static void without_room_the_rest_is_one_interval(void **state)
{
    (void)state;
    begin(3 * (uint64_t)HISTOGRAM_COUNT);
    for (uint64_t second = 1; second <= 10; second++) {
        for (uint32_t i = 0; i < HISTOGRAM_COUNT; i += 2)
            histogram_record(&live, histogram_lowest(i));
        if (blast_log_due(&log_, second * SECOND))
            blast_log_tick(&log_, second * SECOND);
    }
    uint32_t ticks = log_.count;
    assert_in_range(ticks, 1, 5);
    assert_int_equal(write_and_count(10 * SECOND), ticks + 1);
    uint64_t sum = 0;
    for (uint32_t i = 0; i <= ticks; i++)
        sum += recorded(i);
    assert_int_equal(sum, live.total);
    blast_log_fini(&log_);
}

static void a_log_that_was_never_begun_is_never_due(void **state)
{
    (void)state;
    const struct blast_log none = {0};
    assert_false(blast_log_due(&none, UINT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_is_in_its_interval),
        cmocka_unit_test(a_late_tick_skips_to_the_next_whole_second),
        cmocka_unit_test(without_room_the_rest_is_one_interval),
        cmocka_unit_test(a_log_that_was_never_begun_is_never_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
