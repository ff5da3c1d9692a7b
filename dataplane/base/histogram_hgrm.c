/* histogram_hgrm.c - a histogram as HdrHistogram's percentile distribution. */
#include <inttypes.h>
#include <math.h>

#include "dataplane/base/histogram.h"

#define NS_PER_US 1000.0

/* next_level returns the percentile to report after level: five steps to every halving of what is
 * above it, as HdrHistogram's own tools do; 100 when doubles can tell no more of them apart. */
static double next_level(double level)
{
    double halvings = floor(log2(100 / (100 - level))) + 1;
    double next = level + 100 / (5 * exp2(halvings));
    return next > level ? next : 100;
}

static double mean_us(const struct histogram *h)
{
    return (double)h->sum / NS_PER_US / (double)h->total;
}

static double deviation_us(const struct histogram *h)
{
    double squares = 0;
    for (uint32_t i = 0; i < HISTOGRAM_COUNT; i++) {
        double distance = (double)histogram_highest(i) / NS_PER_US - mean_us(h);
        squares += distance * distance * (double)h->count[i];
    }
    return sqrt(squares / (double)h->total);
}

/* print_levels writes a line for every level that is reached between the counts of two buckets;
 * returns the level to go on with. */
static double print_levels(FILE *out, const struct histogram *h, uint32_t index, uint64_t seen,
                           double level)
{
    double us = (double)histogram_highest(index) / NS_PER_US;
    double reached = 100 * ((double)seen / (double)h->total);
    /* The value that completes the count is given for one level, and then as 1.0. */
    bool last = seen == h->total, more = true;
    for (; more && level <= reached && level < 100; level = next_level(level)) {
        fprintf(out, "%12.3f %2.12f %10" PRIu64 " %14.2f\n", us, level / 100, seen,
                1 / (1 - level / 100));
        more = !last;
    }
    if (last)
        fprintf(out, "%12.3f %2.12f %10" PRIu64 "\n", us, 1.0, h->total);
    return level;
}

bool histogram_print_hgrm(const struct histogram *h, FILE *out)
{
    uint64_t seen = 0;
    double level = 0;
    if (!h->total)
        return false;
    fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
            "1/(1-Percentile)");
    for (uint32_t i = 0; i < HISTOGRAM_COUNT; i++) {
        if (!h->count[i])
            continue;
        seen += h->count[i];
        level = print_levels(out, h, i, seen, level);
    }
    fprintf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", mean_us(h), deviation_us(h));
    fprintf(out, "#[Max     = %12.3f, Total count    = %12" PRIu64 "]\n",
            (double)h->max / NS_PER_US, h->total);
    fprintf(out, "#[Buckets = %12d, SubBuckets     = %12d]\n",
            HISTOGRAM_MAX_BITS - HISTOGRAM_SUB_BITS + 1, 1 << HISTOGRAM_SUB_BITS);
    return true;
}
