/* figure.h - figures as people read them.
 *
 * By value: figure_count(n).text is good in the expression it stands in.
 *
 * Memory:  none.  Threads: any.
 */
#pragma once

#include <stdint.h>

struct figure {
    char text[32];
};

struct figure figure_count(uint64_t count);     /* 4,811,020,114 */
struct figure figure_us(double us);             /* 9.1us  31us  1.9ms  2.0s */
struct figure figure_bytes(uint64_t bytes);     /* 512 B  12.5 MiB */
struct figure figure_uptime(double uptime_s);   /* 00:00:12  3d 04:11 */
struct figure figure_time(const char *rfc3339); /* 2026-11-20 09:14 */
