/* trovectl_latency.c - latency percentiles as bars, and as a file for HdrHistogram's tools. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/histogram.h"
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

struct histogram *trovectl_histogram(const json_t *stage)
{
    const json_t *bucket;
    size_t i;
    struct histogram *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    /* Buckets of the API: [highest_ns, count] each. */
    json_array_foreach(json_object_get(stage, "buckets"), i, bucket)
    {
        json_int_t ns = json_integer_value(json_array_get(bucket, 0));
        json_int_t count = json_integer_value(json_array_get(bucket, 1));
        if (ns < 0 || count <= 0)
            continue;
        h->count[histogram_index((uint64_t)ns)] += (uint64_t)count;
        h->total += (uint64_t)count;
    }
    h->sum = (uint64_t)(fmin(field_real(stage, "mean_us") * (double)h->total, 1e15) * 1000);
    h->max = (uint64_t)(fmin(fmax(field_real(stage, "max_us"), 0), 1e15) * 1000);
    return h;
}

bool trovectl_print_hgrm(const json_t *stage, FILE *out)
{
    struct histogram *h = trovectl_histogram(stage);
    bool any = h && histogram_print_hgrm(h, out);
    free(h);
    return any;
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
    int code = ctl->hlog ? trovectl_save_hlog(ctl, &request) : TROVECTL_OK;
    if (!code)
        code = trovectl_call(ctl, &request, &answer);
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
