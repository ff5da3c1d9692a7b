/* figure.c - figures as people read them. */
#include "dataplane/figure.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct figure figure_count(uint64_t count)
{
    struct figure f = {0};
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    char *out = f.text;
    for (int i = 0; i < len; i++) {
        *out++ = digits[i];
        if (len - i > 1 && (len - i) % 3 == 1)
            *out++ = ',';
    }
    return f;
}

struct figure figure_us(double us)
{
    static const char *const units[] = {"us", "ms", "s"};
    struct figure f;
    unsigned unit = 0;
    /* 999.5 would be shown as 1000 of its unit. */
    while (us >= 999.5 && unit < 2) {
        us /= 1000;
        unit++;
    }
    snprintf(f.text, sizeof f.text, us < 9.95 ? "%.1f%s" : "%.0f%s", fmin(us, 1e15), units[unit]);
    return f;
}

struct figure figure_bytes(uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    struct figure f;
    unsigned unit = 0;
    double value = (double)bytes;
    while (value >= 1023.95 && unit < 6) {
        value /= 1024;
        unit++;
    }
    snprintf(f.text, sizeof f.text, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return f;
}

struct figure figure_uptime(double uptime_s)
{
    struct figure f;
    uint64_t s = uptime_s > 0 ? (uint64_t)fmin(uptime_s, 1e15) : 0;
    unsigned long long days = s / 86400;
    unsigned hours = (unsigned)(s / 3600 % 24), minutes = (unsigned)(s / 60 % 60);
    if (days)
        snprintf(f.text, sizeof f.text, "%llud %02u:%02u", days, hours, minutes);
    else
        snprintf(f.text, sizeof f.text, "%02u:%02u:%02u", hours, minutes, (unsigned)(s % 60));
    return f;
}

struct figure figure_time(const char *rfc3339)
{
    struct figure f;
    bool full = strlen(rfc3339) >= 16 && rfc3339[10] == 'T';
    if (full)
        snprintf(f.text, sizeof f.text, "%.10s %.5s", rfc3339, rfc3339 + 11);
    else
        snprintf(f.text, sizeof f.text, "%.31s", rfc3339);
    return f;
}
