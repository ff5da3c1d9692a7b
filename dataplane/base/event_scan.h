/* event_scan.h - the members of an event as most clients write them: fast, or not at all.
 *
 * First the offsets of all quotes are found, 64 bytes at a time; then each member is read between
 * its quotes.  What is not plainly right is given up: white space but one space behind each colon
 * and comma, keys with escapes, faults.  What the scan takes is JSON, and it finds in it what
 * the walk (event_walk.h) would; what it gives up may be an event all the same.
 *
 * How quotes are found depends on the processor, so there is more than one scan; event_scan chooses
 * when it is first called.
 *
 * Memory:  the caller's.  Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/base/event_members.h"

#define EVENT_SCAN_MIN 64 /* bytes; fewer are no event */
#define EVENT_SCAN_MAX 1024

/* An event_scan_fn looks at len bytes, of which it reads bytes[0, len) only.
 *
 * Returns true when it has found an object of RFC 8259 that nests at most depth_max deep, in
 * [1, JSON_DEPTH_MAX], with well-formed UTF-8 and no own key given twice, and has filled in
 * *members.  Returns false when it gives up. */
typedef bool event_scan_fn(const uint8_t *bytes, uint32_t len, uint32_t depth_max,
                           struct event_members *members);

struct event_scan {
    const char *name;
    bool (*runs)(void); /* on this processor */
    event_scan_fn *scan;
};

/* All there are in this build, the best first, ended by one without a name.  The last one runs
 * everywhere. */
extern const struct event_scan event_scans[];

event_scan_fn event_scan_avx512; /* AVX-512 BW and VBMI2 */
event_scan_fn event_scan_avx2;
event_scan_fn event_scan_portable;

/* event_scan calls the first of them that runs here. */
event_scan_fn event_scan;

/* event_scan_use has event_scan call this one.  For tests and benchmarks: no other thread may be
 * parsing. */
void event_scan_use(const struct event_scan *scan);
