/* trovectl_status.c - how the daemon is, on one screen. */
#include <string.h>

#include "dataplane/trovectl.h"

static bool all_sinks_ok(const json_t *status)
{
    const json_t *sink;
    size_t i;
    json_array_foreach(json_object_get(status, "sinks"), i, sink)
    {
        if (strcmp(field_text(sink, "state"), "ok") != 0)
            return false;
    }
    return true;
}

static bool is_balanced(const json_t *status)
{
    return json_is_true(json_object_get(json_object_get(status, "account"), "balanced"));
}

/* A journal that has begun its reserve takes nothing, as one that cannot write. */
static bool all_journals_take(const json_t *status)
{
    const json_t *journal;
    size_t i;
    json_array_foreach(json_object_get(status, "journal"), i, journal)
    {
        if (json_is_true(json_object_get(journal, "refusing")))
            return false;
    }
    return strcmp(field_text(status, "state"), "journal_failed") != 0;
}

bool trovectl_is_well(const json_t *status)
{
    return is_balanced(status) && all_journals_take(status);
}

static struct figure health(const json_t *status)
{
    struct figure f;
    const char *state = field_text(status, "state");
    size_t warnings = json_array_size(json_object_get(status, "warnings"));
    if (!strcmp(state, "journal_failed"))
        state = "JOURNAL FAILED";
    else if (!strcmp(state, "disk_full"))
        state = "DISK FULL";
    else if (!strcmp(state, "running"))
        state = is_balanced(status) && all_sinks_ok(status) ? "healthy" : "degraded";
    snprintf(f.text, sizeof f.text, "%.14s", state);
    if (warnings)
        snprintf(f.text, sizeof f.text, "%.14s, %u warning%s", state, (unsigned)warnings,
                 warnings == 1 ? "" : "s");
    return f;
}

/* "recovered 1,204 events in 0.4 s, behind checkpoint 000001-000007.ckp" */
static void print_recovery(const json_t *recovery, FILE *out)
{
    const char *checkpoint = json_string_value(json_object_get(recovery, "checkpoint"));
    if (!field_count(recovery, "events") && !checkpoint)
        return;
    fprintf(out, "recovered %s events in %.1f s, %s%s\n",
            figure_count(field_count(recovery, "events")).text, field_real(recovery, "seconds"),
            checkpoint ? "behind checkpoint " : "from the first record",
            checkpoint ? checkpoint : "");
}

/* "checkpoint 12 s old, 3.1 MiB made in 0.2 s" */
static void print_checkpoint(const json_t *checkpoint, FILE *out)
{
    const char *error = json_string_value(json_object_get(checkpoint, "error"));
    if (!json_is_true(json_object_get(checkpoint, "enabled")))
        return;
    fputs("checkpoint ", out);
    if (json_is_number(json_object_get(checkpoint, "age_s")))
        fprintf(out, "%.0f s old", field_real(checkpoint, "age_s"));
    else
        fputs("none yet", out);
    if (field_count(checkpoint, "made"))
        fprintf(out, ", %s made in %.1f s", figure_bytes(field_count(checkpoint, "bytes")).text,
                field_real(checkpoint, "took_s"));
    fprintf(out, "%s%s\n", error ? "  FAILED " : "", error ? error : "");
}

/* "retained 1.2 GiB, from 2026-11-20 09:14" */
static void print_retained(const json_t *retained, FILE *out)
{
    const char *begins = json_string_value(json_object_get(retained, "begins"));
    const char *held_by = json_string_value(json_object_get(retained, "held_by"));
    if (!begins && !held_by)
        return;
    fprintf(out, "retained  %s, %s%s", figure_bytes(field_count(retained, "bytes")).text,
            begins ? "from " : "from the first record", begins ? figure_time(begins).text : "");
    if (field_count(retained, "removed_segments"))
        fprintf(out, "  removed %s segments",
                figure_count(field_count(retained, "removed_segments")).text);
    if (held_by)
        fprintf(out, "  more is held for %s", held_by);
    fputc('\n', out);
}

static void print_head(const json_t *status, FILE *out)
{
    const json_t *config = json_object_get(status, "config");
    uint64_t hunts = field_count(config, "hunts");
    fprintf(out, "troved %s  pop %s  host %s  pid %llu  up %s  %s\n", field_text(status, "version"),
            field_text(status, "pop"), field_text(status, "host"),
            (unsigned long long)field_count(status, "pid"),
            figure_uptime(field_real(status, "uptime_s")).text, health(status).text);
    fprintf(out, "config    v%llu  digest %.6s  applied %s  %s hunt%s  %s\n",
            (unsigned long long)field_count(config, "version"), field_text(config, "digest"),
            figure_time(field_text(config, "applied")).text, figure_count(hunts).text,
            hunts == 1 ? "" : "s", field_text(config, "file"));
    print_recovery(json_object_get(status, "recovery"), out);
    fprintf(out, "ingest    %s ev/s\n", figure_count(field_count(status, "events_per_s")).text);
}

static void print_account(const json_t *account, FILE *out)
{
    static const char *const parts[] = {"accepted", "duplicate", "rejected", "refused", "lost"};
    fprintf(out, "account   received %s", figure_count(field_count(account, "received")).text);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        fprintf(out, " %c %s %s", i ? '+' : '=', parts[i],
                figure_count(field_count(account, parts[i])).text);
    uint64_t in_flight = field_count(account, "in_flight");
    if (in_flight)
        fprintf(out, " + in flight %s", figure_count(in_flight).text);
    fprintf(out, "   %s\n",
            json_is_true(json_object_get(account, "balanced")) ? "balanced" : "NOT BALANCED");
}

/* print_counts lists the counters that have counted; returns false when none has. */
static bool print_counts(const char *head, const json_t *counters, FILE *out)
{
    const char *name;
    json_t *value;
    bool any = false;
    json_object_foreach((json_t *)counters, name, value)
    {
        uint64_t count = field_count(counters, name);
        if (!count)
            continue;
        if (any)
            fprintf(out, "  %s %s", name, figure_count(count).text);
        else
            fprintf(out, "%-9s %s %s", head, name, figure_count(count).text);
        any = true;
    }
    if (any)
        fputc('\n', out);
    return any;
}

static void print_packets(const json_t *packets, FILE *out)
{
    uint64_t failed = field_count(packets, "reply_failed"),
             stamps = field_count(packets, "bad_stamps");
    fprintf(out, "packets   received %s  delivered %s  replied %s",
            figure_count(field_count(packets, "received")).text,
            figure_count(field_count(packets, "delivered")).text,
            figure_count(field_count(packets, "replied")).text);
    if (failed)
        fprintf(out, "  not sent %s", figure_count(failed).text);
    if (stamps)
        fprintf(out, "  bad time stamps %s", figure_count(stamps).text);
    fputc('\n', out);
    print_counts("dropped", json_object_get(packets, "dropped"), out);
}

static void print_names(const char *title, const json_t *names, FILE *out)
{
    const json_t *name;
    size_t i;
    json_array_foreach(names, i, name)
    {
        const char *text = json_string_value(name);
        fprintf(out, "%s %s", i ? "" : title, text ? text : "-");
    }
}

/* A port of which nothing is said leaves all checksums to Trove. */
static void print_ports(const json_t *ports, FILE *out)
{
    const json_t *port;
    size_t i;
    json_array_foreach(ports, i, port)
    {
        fprintf(out, "%s%s %s", i ? " | " : "ports     ", field_text(port, "name"),
                field_text(port, "device"));
        print_names("  checks", json_object_get(port, "checks"), out);
        print_names("  makes", json_object_get(port, "makes"), out);
    }
    if (json_array_size(ports))
        fputc('\n', out);
}

/* Answers by their first digit, as an operator asks about them. */
static void print_answers(const json_t *answers, FILE *out)
{
    const char *number;
    json_t *value;
    uint64_t by_class[10] = {0};
    json_object_foreach((json_t *)answers, number, value)
    {
        if (number[0] >= '0' && number[0] <= '9')
            by_class[number[0] - '0'] += (uint64_t)json_integer_value(value);
    }
    for (int i = 2; i < 6; i++)
        fprintf(out, "  %dxx %s", i, figure_count(by_class[i]).text);
    fputc('\n', out);
}

static void print_http(const json_t *status, FILE *out)
{
    const json_t *http = json_object_get(status, "http"), *tcp = json_object_get(status, "tcp");
    if (!field_count(http, "port"))
        return;
    fprintf(out, "http      port %llu  connections %s  requests %s/s  %s in all",
            (unsigned long long)field_count(http, "port"),
            figure_count(field_count(json_object_get(http, "now"), "connections")).text,
            figure_count(field_count(http, "requests_per_s")).text,
            figure_count(field_count(http, "requests")).text);
    print_answers(json_object_get(http, "answers"), out);
    print_counts("problems", json_object_get(http, "problems"), out);
    print_counts("tcp drops", json_object_get(tcp, "dropped"), out);
}

static void print_latency(const json_t *latency, FILE *out)
{
    static const char *const stages[] = {"decision", "durable", "ring_wait", "sync"};
    const char *head = "latency";
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        const json_t *stage = json_object_get(latency, stages[i]);
        if (!field_count(stage, "count"))
            continue;
        fprintf(out, "%-9s %-17s p50 %s  p99 %s  p99.9 %s  max %s\n", head,
                trovectl_stage_title(stages[i]), figure_us(field_real(stage, "p50_us")).text,
                figure_us(field_real(stage, "p99_us")).text,
                figure_us(field_real(stage, "p999_us")).text,
                figure_us(field_real(stage, "max_us")).text);
        head = "";
    }
    if (*head)
        fprintf(out, "latency   nothing measured yet\n");
}

/* "DISK FULL, refusing: No space left on device since 2026-11-21T02:19:21.756Z", "ok" */
static void print_journal_state(const json_t *journal, FILE *out)
{
    const char *state = field_text(journal, "state");
    const char *error = json_string_value(json_object_get(journal, "error"));
    uint64_t given_up = field_count(journal, "given_up");
    fputs(!strcmp(state, "failed")      ? "FAILED"
          : !strcmp(state, "disk_full") ? "DISK FULL"
                                        : state,
          out);
    if (json_is_true(json_object_get(journal, "refusing")))
        fputs(", refusing", out);
    if (error)
        fprintf(out, ": %s since %s", error, figure_time(field_text(journal, "since")).text);
    if (given_up)
        fprintf(out, "  %s segments given up", figure_count(given_up).text);
    if (strcmp(state, "ok") != 0)
        fprintf(out, "  %s of %s spare segments", figure_count(field_count(journal, "spare")).text,
                figure_count(field_count(journal, "ahead") + field_count(journal, "reserve")).text);
    fputc('\n', out);
}

static void print_journals(const json_t *journals, FILE *out)
{
    const json_t *journal;
    size_t i;
    json_array_foreach(journals, i, journal)
    {
        fprintf(out, "%-9s shard %llu  seg %06llu at %s  durable to record %s  %s in %s syncs  ",
                i ? "" : "journal", (unsigned long long)field_count(journal, "shard"),
                (unsigned long long)field_count(journal, "segment"),
                figure_bytes(field_count(journal, "offset")).text,
                figure_count(field_count(journal, "durable_ordinal")).text,
                figure_bytes(field_count(journal, "bytes")).text,
                figure_count(field_count(journal, "syncs")).text);
        print_journal_state(journal, out);
    }
}

static void print_compressed(const json_t *compressed, FILE *out)
{
    const char *error = json_string_value(json_object_get(compressed, "error"));
    if (!field_count(compressed, "segments") && !error)
        return;
    fprintf(out, "          compressed %s segments, %s to %s%s%s\n",
            figure_count(field_count(compressed, "segments")).text,
            figure_bytes(field_count(compressed, "bytes")).text,
            figure_bytes(field_count(compressed, "packed_bytes")).text, error ? "  FAILED " : "",
            error ? error : "");
}

/* "  plain 90 of 1,000 users  double 10 of 110 users" */
static void print_variants(const json_t *variants, FILE *out)
{
    const json_t *variant;
    size_t i;
    json_array_foreach(variants, i, variant)
        fprintf(out, "  %s %s of %s users", field_text(variant, "name"),
                figure_count(field_count(variant, "awards")).text,
                figure_count(field_count(variant, "users")).text);
}

static void print_hunts(const json_t *hunts, FILE *out)
{
    const json_t *hunt;
    size_t i;
    json_array_foreach(hunts, i, hunt)
    {
        fprintf(out, "%-9s %s %s (%s)", i ? "" : "awards", field_text(hunt, "name"),
                figure_count(field_count(hunt, "awards")).text, field_text(hunt, "kind"));
        print_variants(json_object_get(hunt, "variants"), out);
        fputc('\n', out);
    }
}

static void print_use(const char *what, uint64_t used, uint64_t capacity, FILE *out)
{
    fprintf(out, "  %s %s of %s (%.1f%%)", what, figure_count(used).text,
            figure_count(capacity).text, capacity ? 100.0 * (double)used / (double)capacity : 0.0);
}

static void print_usage(const json_t *usage, FILE *out)
{
    fputs("state   ", out);
    print_use("ids", field_count(usage, "dedupe_used"), field_count(usage, "dedupe_capacity"), out);
    if (field_count(usage, "dedupe_left_early"))
        fprintf(out, ", %s left early", figure_count(field_count(usage, "dedupe_left_early")).text);
    print_use("users", field_count(usage, "users_used"), field_count(usage, "users_capacity"), out);
    if (field_count(usage, "claims_used"))
        print_use("claims", field_count(usage, "claims_used"),
                  field_count(usage, "claims_capacity"), out);
    if (field_count(usage, "corrections_used"))
        print_use("corrections", field_count(usage, "corrections_used"),
                  field_count(usage, "corrections_capacity"), out);
    fputc('\n', out);
}

static void print_sinks(const json_t *sinks, FILE *out)
{
    const json_t *sink;
    size_t i;
    json_array_foreach(sinks, i, sink)
    {
        const char *error = json_string_value(json_object_get(sink, "error"));
        const char *state = field_text(sink, "state");
        fprintf(out, "%s%s %s delivered %s lag %s%s%s", i ? " | " : "sinks     ",
                field_text(sink, "name"), strcmp(state, "error") ? state : "ERROR",
                figure_count(field_count(sink, "delivered")).text,
                figure_count(field_count(sink, "lag_records")).text, error ? ": " : "",
                error ? error : "");
    }
    if (json_array_size(sinks))
        fputc('\n', out);
}

static void print_lcores(const json_t *lcores, FILE *out)
{
    const json_t *lcore;
    size_t i;
    json_array_foreach(lcores, i, lcore)
    {
        fprintf(out, "%s%llu %s %.0f%%", i ? " | " : "lcores    ",
                (unsigned long long)field_count(lcore, "core"), field_text(lcore, "roles"),
                100.0 * field_real(lcore, "busy"));
    }
    if (json_array_size(lcores))
        fputc('\n', out);
}

void trovectl_print_status(const json_t *status, FILE *out)
{
    const json_t *warning;
    size_t i;
    print_head(status, out);
    print_account(json_object_get(status, "account"), out);
    print_counts("rejected", json_object_get(status, "rejected"), out);
    print_counts("lost", json_object_get(status, "lost"), out);
    print_packets(json_object_get(status, "packets"), out);
    print_ports(json_object_get(status, "ports"), out);
    print_http(status, out);
    print_latency(json_object_get(status, "latency"), out);
    print_journals(json_object_get(status, "journal"), out);
    print_checkpoint(json_object_get(status, "checkpoint"), out);
    print_retained(json_object_get(status, "retained"), out);
    print_compressed(json_object_get(status, "compressed"), out);
    print_counts("outcomes", json_object_get(status, "outcomes"), out);
    print_counts("refusals", json_object_get(status, "refusals"), out);
    print_hunts(json_object_get(status, "hunts"), out);
    print_counts("patched", json_object_get(status, "corrections"), out);
    print_usage(json_object_get(status, "usage"), out);
    print_sinks(json_object_get(status, "sinks"), out);
    print_lcores(json_object_get(status, "lcores"), out);
    json_array_foreach(json_object_get(status, "warnings"), i, warning)
    {
        const char *text = json_string_value(warning);
        fprintf(out, "warn      %s\n", text ? text : "-");
    }
}

int trovectl_status(struct trovectl *ctl)
{
    struct trovectl_request request = {.method = "GET", .path = "/v1/status", .member = "account"};
    json_t *answer = NULL;
    int code = trovectl_call(ctl, &request, &answer);
    if (code)
        return code;
    bool well = trovectl_is_well(answer);
    trovectl_show(ctl, answer, trovectl_print_status);
    json_decref(answer);
    return well ? TROVECTL_OK : TROVECTL_FAILED;
}
