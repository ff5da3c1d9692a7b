/* trovectl_latency.c - latency percentiles as bars, and as a file for HdrHistogram's tools. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "dataplane/trovectl.h"

#define PLOT_COLUMNS 40
#define DECADES_MIN  5 /* 1 us to 100 ms: plots of well-behaved stages compare at a glance */
#define DECADES_MAX  9 /* 1,000 s, more than a histogram holds */

const char *trovectl_stage_title(const char *stage)
{
    static const char *const titles[][2] = {
        {"decision", "wire -> decision"},
        {"durable", "wire -> durable"},
        {"ring_wait", "ring wait"},
        {"sync", "write+fdatasync"},
    };
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (!strcmp(titles[i][0], stage))
            return titles[i][1];
    return stage;
}

static int decades_of(double max_us)
{
    int decades = max_us > 1 ? (int)ceil(log10(fmin(max_us, 1e12))) : 0;
    return decades < DECADES_MIN ? DECADES_MIN : decades > DECADES_MAX ? DECADES_MAX : decades;
}

static void print_axis(int decades, FILE *out)
{
    static const char *const labels[DECADES_MAX] = {"1",    "10", "100", "1k",  "10k",
                                                    "100k", "1M", "10M", "100M"};
    int step = PLOT_COLUMNS / decades;
    fputs("      us  ", out);
    for (int i = 0; i < decades; i++)
        fprintf(out, i + 1 < decades ? "%-*s" : "%.*s", i + 1 < decades ? step : 8, labels[i]);
    fputc('\n', out);
}

static void print_bar(const char *name, double us, int decades, FILE *out)
{
    static const char hashes[] = "########################################";
    int step = PLOT_COLUMNS / decades;
    /* 1 us is one column, so that anything at all shows. */
    double length = us > 0 ? 1 + log10(fmax(us, 1)) * step : 0;
    int columns = length > step * decades ? step * decades : (int)length;
    struct figure value = {0};
    if (us < 99.95)
        snprintf(value.text, sizeof value.text, "%.1f", us);
    else
        value = figure_count((uint64_t)llround(fmin(us, 1e15)));
    fprintf(out, " %-8s|%-*.*s %12s\n", name, step * decades, columns, hashes, value.text);
}

void trovectl_print_stage(const json_t *stage, FILE *out)
{
    const json_t *percentile;
    size_t i;
    double max_us = field_real(stage, "max_us");
    int decades = decades_of(max_us);
    fprintf(out, "%s   n %s", trovectl_stage_title(field_text(stage, "stage")),
            figure_count(field_count(stage, "count")).text);
    if (!field_count(stage, "count")) {
        fputs("   nothing measured yet\n", out);
        return;
    }
    fprintf(out, "   mean %s\n", figure_us(field_real(stage, "mean_us")).text);
    print_axis(decades, out);
    json_array_foreach(json_object_get(stage, "percentiles"), i, percentile)
    {
        char name[16];
        double p = field_real(percentile, "percentile");
        if (p >= 100)
            continue;
        snprintf(name, sizeof name, "p%.7g", p);
        print_bar(name, field_real(percentile, "us"), decades, out);
    }
    print_bar("max", max_us, decades, out);
}

/* Buckets of the API: [highest_ns, count] each, ascending. */
static double bucket_us(const json_t *buckets, size_t i)
{
    return json_number_value(json_array_get(json_array_get(buckets, i), 0)) / 1000;
}

static uint64_t bucket_count(const json_t *buckets, size_t i)
{
    json_int_t count = json_integer_value(json_array_get(json_array_get(buckets, i), 1));
    return count > 0 ? (uint64_t)count : 0;
}

struct moments {
    uint64_t total;
    double mean_us;
    double deviation_us;
    double max_us;
};

static struct moments moments_of(const json_t *stage, const json_t *buckets)
{
    struct moments m = {.mean_us = field_real(stage, "mean_us"),
                        .max_us = field_real(stage, "max_us")};
    double squares = 0;
    for (size_t i = 0; i < json_array_size(buckets); i++) {
        double distance = bucket_us(buckets, i) - m.mean_us;
        uint64_t count = bucket_count(buckets, i);
        m.total += count;
        squares += distance * distance * (double)count;
    }
    m.deviation_us = m.total ? sqrt(squares / (double)m.total) : 0;
    return m;
}

/* next_level returns the percentile to report after level: five steps to every halving of what is
 * above it, as HdrHistogram's own tools do; 100 when doubles can tell no more of them apart. */
static double next_level(double level)
{
    double halvings = floor(log2(100 / (100 - level))) + 1;
    double next = level + 100 / (5 * exp2(halvings));
    return next > level ? next : 100;
}

bool trovectl_print_hgrm(const json_t *stage, FILE *out)
{
    const json_t *buckets = json_object_get(stage, "buckets");
    struct moments m = moments_of(stage, buckets);
    uint64_t seen = 0;
    double level = 0, us = 0;
    if (!m.total)
        return false;
    fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
            "1/(1-Percentile)");
    for (size_t i = 0; i < json_array_size(buckets) && seen < m.total; i++) {
        seen += bucket_count(buckets, i);
        us = bucket_us(buckets, i);
        double reached = 100 * ((double)seen / (double)m.total);
        /* The value that completes the count is given for one level, and then as 1.0. */
        bool last = seen == m.total, more = true;
        for (; more && level <= reached && level < 100; level = next_level(level)) {
            fprintf(out, "%12.3f %2.12f %10llu %14.2f\n", us, level / 100, (unsigned long long)seen,
                    1 / (1 - level / 100));
            more = !last;
        }
    }
    fprintf(out, "%12.3f %2.12f %10llu\n", us, 1.0, (unsigned long long)m.total);
    fprintf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", m.mean_us, m.deviation_us);
    fprintf(out, "#[Max     = %12.3f, Total count    = %12llu]\n", m.max_us,
            (unsigned long long)m.total);
    fprintf(out, "#[Buckets = %12d, SubBuckets     = %12d]\n", 27, 2048);
    return true;
}

static int save_hgrm(struct trovectl *ctl, const json_t *stage)
{
    FILE *file = fopen(ctl->hgrm, "we");
    if (!file)
        return trovectl_fail(ctl, TROVECTL_FAILED, "unwritable", "trovectl help",
                             "cannot write %s: %s", ctl->hgrm, strerror(errno));
    bool any = trovectl_print_hgrm(stage, file);
    bool written = !ferror(file);
    if (fclose(file) || !written)
        return trovectl_fail(ctl, TROVECTL_FAILED, "unwritable", "df", "cannot write %s: %s",
                             ctl->hgrm, strerror(errno));
    if (!any)
        fprintf(ctl->err, "note: nothing measured yet, %s is empty\n", ctl->hgrm);
    return TROVECTL_OK;
}

int trovectl_latency(struct trovectl *ctl)
{
    char path[256] = "/v1/latency";
    if (ctl->stage)
        trovectl_query(path, sizeof path, "stage", ctl->stage);
    struct trovectl_request request = {.method = "GET", .path = path, .member = "stages"};
    json_t *answer = NULL;
    int code = trovectl_call(ctl, &request, &answer);
    if (code)
        return code;
    const json_t *stages = json_object_get(answer, "stages"), *stage;
    size_t i;
    if (ctl->json)
        trovectl_print_json(answer, ctl->out);
    else
        json_array_foreach(stages, i, stage)
        {
            if (i)
                fputc('\n', ctl->out);
            trovectl_print_stage(stage, ctl->out);
        }
    if (ctl->hgrm)
        code = save_hgrm(ctl, json_array_get(stages, 0));
    json_decref(answer);
    return code;
}
