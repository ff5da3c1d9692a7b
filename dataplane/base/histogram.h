/* histogram.h - latency in log-linear buckets, 3 significant digits, [1 ns, 2^37 ns) (about 137 s);
 * more is counted as the top.
 *
 * 1024 buckets for each power of two above 2^11: the width of a bucket is never over 0.1 % of its
 * value.  Same layout as an HdrHistogram of lowest 1, 3 digits, so that its tools read what we
 * export.
 *
 * Memory:  the caller's, 216 KiB each.
 * Threads: one writer; any reader, which may see a count of a moment ago.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_SUB_BITS 11 /* sub-buckets: 2^11, upper half used from the second octave on */
#define HISTOGRAM_MAX_BITS 37
#define HISTOGRAM_COUNT                                                                            \
    ((1u << HISTOGRAM_SUB_BITS) +                                                                  \
     (HISTOGRAM_MAX_BITS - HISTOGRAM_SUB_BITS) * (1u << (HISTOGRAM_SUB_BITS - 1)))

struct histogram {
    uint64_t total;
    uint64_t sum; /* of the values, for the mean */
    uint64_t max;
    uint64_t count[HISTOGRAM_COUNT];
};

/* histogram_index returns the bucket of a value, in [0, HISTOGRAM_COUNT). */
static inline uint32_t histogram_index(uint64_t value)
{
    if (value >> HISTOGRAM_MAX_BITS)
        return HISTOGRAM_COUNT - 1;
    uint32_t msb = 63 - (uint32_t)__builtin_clzll(value | 1);
    if (msb < HISTOGRAM_SUB_BITS)
        return (uint32_t)value;
    uint32_t shift = msb - (HISTOGRAM_SUB_BITS - 1);
    return (shift << (HISTOGRAM_SUB_BITS - 1)) + (uint32_t)(value >> shift);
}

/* histogram_record_times counts a value that was met `times` times, at least once.  Thread: the
 * writer. */
static inline void histogram_record_times(struct histogram *h, uint64_t value, uint64_t times)
{
    uint64_t *count = &h->count[histogram_index(value)];
    __atomic_store_n(count, *count + times, __ATOMIC_RELAXED);
    __atomic_store_n(&h->total, h->total + times, __ATOMIC_RELAXED);
    __atomic_store_n(&h->sum, h->sum + value * times, __ATOMIC_RELAXED);
    if (value > h->max)
        __atomic_store_n(&h->max, value, __ATOMIC_RELAXED);
}

/* histogram_record counts one value.  Thread: the writer. */
static inline void histogram_record(struct histogram *h, uint64_t value)
{
    histogram_record_times(h, value, 1);
}

/* histogram_lowest and histogram_highest return the smallest and the largest value that fall into
 * bucket index. */
uint64_t histogram_lowest(uint32_t index);
uint64_t histogram_highest(uint32_t index);

/* histogram_add adds a live histogram to a reader's own; histogram_subtract takes an earlier copy
 * away (max becomes the top of the highest bucket left).  histogram_percentile returns the highest
 * value of the bucket that holds the given percentile in (0, 100], 0 when the histogram is empty.
 */
void histogram_add(struct histogram *sum, const struct histogram *live);
void histogram_subtract(struct histogram *now, const struct histogram *earlier);
uint64_t histogram_percentile(const struct histogram *h, double percentile);

/* histogram_print_hgrm writes HdrHistogram's percentile distribution, in microseconds; returns
 * false, and writes nothing, when the histogram is empty. */
bool histogram_print_hgrm(const struct histogram *h, FILE *out);
