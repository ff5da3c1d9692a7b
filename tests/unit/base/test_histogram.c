/* test_histogram.c - buckets tile the range without gap or overlap, and percentiles are exact to
 * three digits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/histogram.h"

static void buckets_tile_the_range(void **state)
{
    (void)state;
    for (uint32_t i = 0; i + 1 < HISTOGRAM_COUNT; i++) {
        assert_int_equal(histogram_index(histogram_lowest(i)), i);
        assert_int_equal(histogram_index(histogram_highest(i)), i);
        assert_int_equal(histogram_highest(i) + 1, histogram_lowest(i + 1));
    }
}

static void width_is_within_a_thousandth(void **state)
{
    (void)state;
    for (uint32_t i = 1 << HISTOGRAM_SUB_BITS; i < HISTOGRAM_COUNT; i++) {
        uint64_t width = histogram_highest(i) - histogram_lowest(i) + 1;
        assert_true(width * 1000 <= histogram_lowest(i));
    }
}

static void values_over_the_top_count_as_the_top(void **state)
{
    (void)state;
    assert_int_equal(histogram_index(UINT64_MAX), HISTOGRAM_COUNT - 1);
    assert_int_equal(histogram_index(1ull << HISTOGRAM_MAX_BITS), HISTOGRAM_COUNT - 1);
    assert_int_equal(histogram_index((1ull << HISTOGRAM_MAX_BITS) - 1), HISTOGRAM_COUNT - 1);
}

static void percentiles_of_a_uniform_range(void **state)
{
    (void)state;
    struct histogram *h = calloc(1, sizeof *h);
    assert_int_equal(histogram_percentile(h, 99.0), 0);
    for (uint64_t v = 1; v <= 1000000; v++)
        histogram_record(h, v);
    assert_int_equal(h->total, 1000000);
    assert_int_equal(h->max, 1000000);
    assert_in_range(histogram_percentile(h, 50.0), 500000, 500500);
    assert_in_range(histogram_percentile(h, 99.9), 999000, 1000000);
    assert_int_equal(histogram_percentile(h, 100.0), 1000000);
    free(h);
}

static void ranks_are_rounded_up(void **state)
{
    (void)state;
    struct histogram *h = calloc(1, sizeof *h);
    for (uint64_t v = 1; v <= 1000; v++)
        histogram_record(h, v);
    assert_int_equal(histogram_percentile(h, 99.9), 999);
    assert_int_equal(histogram_percentile(h, 99.91), 1000);
    assert_int_equal(histogram_percentile(h, 50.0), 500);
    assert_int_equal(histogram_percentile(h, 50.01), 501);
    assert_int_equal(histogram_percentile(h, 0.001), 1);
    free(h);
}

static void a_value_met_many_times_counts_as_often(void **state)
{
    (void)state;
    struct histogram *times = calloc(1, sizeof *times);
    struct histogram *singly = calloc(1, sizeof *singly);
    const uint64_t values[] = {0, 7, 123456789, UINT64_MAX >> 20};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        histogram_record_times(times, values[i], 5 + i);
        for (size_t n = 0; n < 5 + i; n++)
            histogram_record(singly, values[i]);
    }
    assert_memory_equal(times, singly, sizeof *times);
    free(times);
    free(singly);
}

static void subtracting_an_earlier_copy_leaves_the_interval(void **state)
{
    (void)state;
    struct histogram *live = calloc(1, sizeof *live);
    struct histogram *early = calloc(1, sizeof *early);
    struct histogram *now = calloc(1, sizeof *now);
    histogram_record(live, 5000000);
    histogram_add(early, live);
    for (int i = 0; i < 10; i++)
        histogram_record(live, 100);
    histogram_add(now, live);
    histogram_subtract(now, early);
    assert_int_equal(now->total, 10);
    assert_int_equal(now->max, 100);
    assert_int_equal(histogram_percentile(now, 100.0), 100);
    free(live);
    free(early);
    free(now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_tile_the_range),
        cmocka_unit_test(width_is_within_a_thousandth),
        cmocka_unit_test(values_over_the_top_count_as_the_top),
        cmocka_unit_test(percentiles_of_a_uniform_range),
        cmocka_unit_test(ranks_are_rounded_up),
        cmocka_unit_test(a_value_met_many_times_counts_as_often),
        cmocka_unit_test(subtracting_an_earlier_copy_leaves_the_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
