/* jitter.c - trove-jitter: what the machine itself takes away from a core that does nothing but
 * read its clock.
 *
 * A gap between two reads that is longer than a read takes is time that the hypervisor, the kernel
 * or an interrupt had the core. No poll-mode program can be better than this, so benchmarks print
 * it beside their own tails.
 *
 *   trove-jitter CORE SECONDS      one JSON object: percentiles of the gaps, weighted by time, in
 * microseconds
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/histogram.h"

static struct histogram gaps;

/* Each microsecond of a gap is a moment at which an event would have waited for the rest of it. */
static void record_waits(uint64_t gap_ns)
{
    for (uint64_t rest = gap_ns; rest > NS_PER_US; rest -= NS_PER_US)
        histogram_record(&gaps, rest);
    histogram_record(&gaps, gap_ns % NS_PER_US);
}

static void spin(uint64_t until_ns)
{
    uint64_t before = clock_monotonic_ns();
    uint64_t owed = 0;
    while (before < until_ns) {
        uint64_t now = clock_monotonic_ns();
        uint64_t gap = now - before;
        if (gap > NS_PER_US)
            record_waits(gap);
        else
            owed += gap;
        for (; owed >= NS_PER_US; owed -= NS_PER_US)
            histogram_record(&gaps, 1);
        before = now;
    }
}

static double us(double percentile)
{
    return (double)histogram_percentile(&gaps, percentile) / 1000.0;
}

int main(int argc, char **argv)
{
    char *end_core = NULL, *end_seconds = NULL;
    unsigned long core = argc == 3 ? strtoul(argv[1], &end_core, 10) : 0;
    unsigned long seconds = argc == 3 ? strtoul(argv[2], &end_seconds, 10) : 0;
    if (argc != 3 || *end_core || *end_seconds || !seconds || seconds > 3600 ||
        core >= CPU_SETSIZE) {
        fputs("usage: trove-jitter CORE SECONDS\n", stderr);
        return 2;
    }
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    if (sched_setaffinity(0, sizeof set, &set)) {
        fprintf(stderr, "error: cannot run on core %lu: %s\n", core, strerror(errno));
        return 1;
    }
    spin(clock_monotonic_ns() + seconds * NS_PER_S);
    printf("{\"core\":%lu,\"seconds\":%lu,\"p99_us\":%.3f,\"p999_us\":%.3f,\"p9999_us\":%.3f,"
           "\"max_us\":%.3f}\n",
           core, seconds, us(99.0), us(99.9), us(99.99), (double)gaps.max / 1000.0);
    return 0;
}
