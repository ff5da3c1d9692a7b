/* histogram.c - the readers' side of log-linear histograms. */
#include "dataplane/base/histogram.h"

#include <math.h>

#define HALF (1u << (HISTOGRAM_SUB_BITS - 1))

uint64_t histogram_lowest(uint32_t index)
{
    if (index < 2 * HALF)
        return index;
    uint32_t shift = index / HALF - 1;
    return (uint64_t)(index - shift * HALF) << shift;
}

uint64_t histogram_highest(uint32_t index)
{
    return histogram_lowest(index + 1) - 1;
}

void histogram_add(struct histogram *sum, const struct histogram *live)
{
    for (uint32_t i = 0; i < HISTOGRAM_COUNT; i++) {
        uint64_t count = __atomic_load_n(&live->count[i], __ATOMIC_RELAXED);
        sum->count[i] += count;
        sum->total += count;
    }
    sum->sum += __atomic_load_n(&live->sum, __ATOMIC_RELAXED);
    uint64_t max = __atomic_load_n(&live->max, __ATOMIC_RELAXED);
    if (max > sum->max)
        sum->max = max;
}

void histogram_subtract(struct histogram *now, const struct histogram *earlier)
{
    uint64_t total = 0;
    uint32_t top = 0;
    for (uint32_t i = 0; i < HISTOGRAM_COUNT; i++) {
        now->count[i] -= earlier->count[i];
        total += now->count[i];
        if (now->count[i])
            top = i;
    }
    now->total = total;
    now->sum -= earlier->sum;
    uint64_t highest = total ? histogram_highest(top) : 0;
    if (highest < now->max)
        now->max = highest;
}

uint64_t histogram_percentile(const struct histogram *h, double percentile)
{
    if (!h->total)
        return 0;
    /* Rounded up, as HdrHistogram does; the next lower percentile is for products such as 99.9 % of
     * 1000, which doubles make more than 999. */
    uint64_t want = (uint64_t)ceil(nextafter(percentile, 0) / 100.0 * (double)h->total);
    if (want < 1)
        want = 1;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_COUNT; i++) {
        seen += h->count[i];
        if (seen >= want)
            return histogram_highest(i) < h->max ? histogram_highest(i) : h->max;
    }
    return h->max;
}
