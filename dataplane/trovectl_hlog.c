/* trovectl_hlog.c - a stage's latency by the second, as HdrHistogram's interval log. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conf/value.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/histogram_log.h"
#include "dataplane/trovectl.h"

#define INTERVAL_MIN_NS (10 * NS_PER_MS)
#define SPAN_MAX_NS     (366ull * 24 * 3600 * NS_PER_S)

/* What goes into one log. */
struct hlog {
    struct trovectl *ctl;
    const struct trovectl_request *request;
    FILE *file;
    uint64_t start_ns; /* CLOCK_MONOTONIC */
    struct histogram *before;
};

static int read_time(struct trovectl *ctl, const char *name, const char *text, uint64_t *ns)
{
    if (!text)
        return TROVECTL_OK;
    if (value_time(text, strlen(text), ns) || *ns < INTERVAL_MIN_NS || *ns > SPAN_MAX_NS)
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl help",
                             "--%s is a time from 10ms to a year, such as 30s, not '%s'", name,
                             text);
    return TROVECTL_OK;
}

/* ask returns what the stage has recorded so far, the caller's to free. */
static int ask(struct hlog *log, struct histogram **h, double *uptime_s)
{
    json_t *answer = NULL;
    int code = trovectl_call(log->ctl, log->request, &answer);
    if (code)
        return code;
    *uptime_s = field_real(answer, "uptime_s");
    *h = trovectl_histogram(json_array_get(json_object_get(answer, "stages"), 0));
    json_decref(answer);
    if (!*h)
        return trovectl_fail(log->ctl, TROVECTL_FAILED, "memory", "free -m", "out of memory");
    return TROVECTL_OK;
}

/* add writes one interval and what was written stays, whatever ends the program. */
static int add(struct hlog *log, uint64_t from_ns, uint64_t to_ns, const struct histogram *h)
{
    double at_s = (double)(from_ns - log->start_ns) / NS_PER_S;
    double length_s = (double)(to_ns - from_ns) / NS_PER_S;
    if (!histogram_log_add(log->file, at_s, length_s, h) && !fflush(log->file) &&
        !ferror(log->file))
        return TROVECTL_OK;
    return trovectl_fail(log->ctl, TROVECTL_FAILED, "unwritable", "df", "cannot write %s: %s",
                         log->ctl->hlog, strerror(errno));
}

static void sleep_until(uint64_t ns)
{
    const struct timespec until = {.tv_sec = (time_t)(ns / NS_PER_S),
                                   .tv_nsec = (long)(ns % NS_PER_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}

/* One interval after the other, each from when the answer before it came. */
static int log_intervals(struct hlog *log, uint64_t span_ns, uint64_t interval_ns)
{
    uint64_t end_ns = log->start_ns + span_ns, from_ns = log->start_ns;
    for (uint64_t tick_ns = log->start_ns + interval_ns; from_ns < end_ns; tick_ns += interval_ns) {
        struct histogram *now = NULL;
        double uptime_s;
        sleep_until(tick_ns < end_ns ? tick_ns : end_ns);
        int code = ask(log, &now, &uptime_s);
        if (code)
            return code;
        uint64_t now_ns = clock_monotonic_ns();
        histogram_subtract(now, log->before);
        code = add(log, from_ns, now_ns, now);
        histogram_add(log->before, now);
        free(now);
        if (code)
            return code;
        from_ns = now_ns;
    }
    return TROVECTL_OK;
}

static int write_log(struct hlog *log, uint64_t span_ns, uint64_t interval_ns)
{
    double uptime_s;
    int code = ask(log, &log->before, &uptime_s);
    if (code)
        return code;
    log->start_ns = clock_monotonic_ns();
    double now_s = (double)clock_realtime_ns() / NS_PER_S;
    histogram_log_begin(log->file, span_ns ? now_s : now_s - uptime_s);
    if (span_ns)
        return log_intervals(log, span_ns, interval_ns);
    return add(log, log->start_ns, log->start_ns + (uint64_t)(uptime_s * NS_PER_S), log->before);
}

int trovectl_save_hlog(struct trovectl *ctl, const struct trovectl_request *request)
{
    struct hlog log = {.ctl = ctl, .request = request};
    uint64_t span_ns = 0, interval_ns = NS_PER_S;
    int code = read_time(ctl, "for", ctl->span, &span_ns);
    if (!code)
        code = read_time(ctl, "interval", ctl->interval, &interval_ns);
    if (code)
        return code;
    log.file = fopen(ctl->hlog, "we");
    if (!log.file)
        return trovectl_fail(ctl, TROVECTL_FAILED, "unwritable", "trovectl help",
                             "cannot write %s: %s", ctl->hlog, strerror(errno));
    code = write_log(&log, span_ns, interval_ns);
    free(log.before);
    if (fclose(log.file) && !code)
        return trovectl_fail(ctl, TROVECTL_FAILED, "unwritable", "df", "cannot write %s: %s",
                             ctl->hlog, strerror(errno));
    return code;
}
