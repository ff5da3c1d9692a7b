/* jitter.c - trove-jitter: what the machine itself takes away from a core.
 *
 *   trove-jitter CORE SECONDS      one JSON object: percentiles of gaps, weighted by time, in
 *                                  microseconds; and the work
 *
 * For four fifths of the time it does nothing but read its clock.  A gap between two reads that is
 * longer than a read takes is time that the hypervisor, the kernel or an interrupt had the core. No
 * poll-mode program can be better than this, so benchmarks print it beside their own tails.
 *
 * For the rest it does the same work, which needs no memory, over and over.  By how much the median
 * of its times is above the least is how much slower than at its best the core usually is: by its
 * frequency, and by what a host has the core's other thread do.  No clock shows that as a gap.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/histogram.h"

#define WORK_TURNS 16384 /* some ten microseconds, so that few are interrupted */

static struct histogram gaps;
static struct histogram works;

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

/* As many instructions at once as a core can do: what another thread on it takes is missed. */
static void work(void)
{
    uint64_t a = 0, b = 0, c = 0, d = 0, e = 0, f = 0;
    for (uint32_t i = 0; i < WORK_TURNS; i++) {
        a += i;
        b ^= i;
        c -= i;
        d += 3;
        e ^= 5;
        f -= 7;
        __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
    }
}

static void work_on(uint64_t until_ns)
{
    uint64_t before = clock_monotonic_ns();
    while (before < until_ns) {
        work();
        uint64_t now = clock_monotonic_ns();
        histogram_record(&works, now - before);
        before = now;
    }
}

static double us(const struct histogram *h, double percentile)
{
    return (double)histogram_percentile(h, percentile) / 1000.0;
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
    uint64_t start_ns = clock_monotonic_ns(), length_ns = seconds * NS_PER_S;
    spin(start_ns + length_ns / 5 * 4);
    work_on(start_ns + length_ns);
    printf("{\"core\":%lu,\"seconds\":%lu,\"p99_us\":%.3f,\"p999_us\":%.3f,\"p9999_us\":%.3f,"
           "\"max_us\":%.3f,\"work_us\":%.3f,\"work_least_us\":%.3f}\n",
           core, seconds, us(&gaps, 99.0), us(&gaps, 99.9), us(&gaps, 99.99),
           (double)gaps.max / 1000.0, us(&works, 50.0), us(&works, 1.0));
    return 0;
}
