/* histogram_log.h - histograms of successive intervals as HdrHistogram's interval log (.hlog).
 *
 * Format version 1.3: a line an interval, its histogram in the V2 encoding (counts as ZigZag
 * LEB128, runs of zeros as negative numbers), deflated (RFC 1950) and in base64 (RFC 4648 section
 * 4). As struct histogram has HdrHistogram's own layout, counts are written in their order. Values
 * are nanoseconds; Interval_Max is in milliseconds, as the tools expect.
 *
 * Memory:  some 250 KiB by malloc while a line is written.  Threads: any, not on the event path.
 */
#pragma once

#include <stdio.h>

#include "dataplane/base/histogram.h"

/* histogram_log_begin writes the head of a log; times are counted from start_s, seconds since
 * 1970. */
void histogram_log_begin(FILE *out, double start_s);

/* histogram_log_add writes the interval that began at_s after the start and took length_s.
 * Returns 0, or -ENOMEM. */
int histogram_log_add(FILE *out, double at_s, double length_s, const struct histogram *h);
