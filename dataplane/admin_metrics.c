/* admin_metrics.c - what the status says, once more for Prometheus; and the two questions of a load
 * balancer.
 *
 * A row of the table names a place in the status and what it is called there, so the two cannot
 * disagree, and a new figure is a new row.  Every series is there from the start, with 0.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "dataplane/admin.h"
#include "dataplane/admin_journal.h"

enum shape {
    ONE, /* the status has path.field */
    MAP, /* it has an object at path, whose keys are the values of the label */
    LIST /* it has a list at path, of objects whose member `key` is the value of the label */
};

struct metric {
    const char *name; /* ends in _total: a counter, else a gauge */
    const char *help;
    enum shape shape;
    const char *path; /* names joined by dots; "": the status itself */
    const char *field;
    const char *label;
    const char *key;
};

static const struct metric metrics[] = {
    {"trove_uptime_seconds", "Since the daemon started", ONE, "", "uptime_s"},
    {"trove_events_received_total", "Events taken from the wire", ONE, "account", "received"},
    {"trove_events_accepted_total", "Events accepted", ONE, "account", "accepted"},
    {"trove_events_duplicate_total", "Events seen before", ONE, "account", "duplicate"},
    {"trove_events_refused_total", "Events refused for lack of room, their sender told", ONE,
     "account", "refused"},
    {"trove_events_in_flight", "Events at a shard", ONE, "account", "in_flight"},
    {"trove_events_rejected_total", "Events that were bad, kept as dead letters", MAP, "rejected",
     NULL, "reason"},
    {"trove_events_lost_total", "Events lost, nobody told: must stay 0", MAP, "lost", NULL,
     "reason"},
    {"trove_events_recovered", "Events replayed from the journal at the start", ONE, "",
     "recovered"},
    {"trove_recovery_seconds", "How long the start took to recover", ONE, "recovery", "seconds"},
    {"trove_checkpoint_age_seconds", "Since the newest checkpoint", ONE, "checkpoint", "age_s"},
    {"trove_checkpoints_made_total", "Checkpoints made", ONE, "checkpoint", "made"},
    {"trove_checkpoints_failed_total", "Checkpoints given up", ONE, "checkpoint", "failed"},
    {"trove_journal_kept_bytes", "Segments kept", ONE, "retained", "bytes"},
    {"trove_journal_removed_bytes_total", "Segments removed", ONE, "retained", "removed_bytes"},
    {"trove_journal_lost_total", "Removals that took what a sink had not read", ONE, "retained",
     "lost"},
    {"trove_outcomes_total", "What events led to", MAP, "outcomes", NULL, "kind"},
    {"trove_refusals_total", "Why awards and claims were refused", MAP, "refusals", NULL, "reason"},
    {"trove_corrections_total", "Operators' corrections", MAP, "corrections", NULL, "result"},
    {"trove_awards_total", "Awards won and claims granted", LIST, "hunts", "awards", "hunt",
     "name"},
    {"trove_packets_received_total", "Packets taken from the ports", ONE, "packets", "received"},
    {"trove_packets_delivered_total", "Packets that held events", ONE, "packets", "delivered"},
    {"trove_packets_replied_total", "Packets answered: ARP, echo, neighbour discovery", ONE,
     "packets", "replied"},
    {"trove_packets_reply_failed_total", "Replies that found the transmit queue full", ONE,
     "packets", "reply_failed"},
    {"trove_packets_dropped_total", "Packets dropped", MAP, "packets.dropped", NULL, "reason"},
    {"trove_http_requests_total", "Requests whose head was read", ONE, "http", "requests"},
    {"trove_http_answers_total", "Answers by status code", MAP, "http.answers", NULL, "code"},
    {"trove_http_problems_total", "Why requests were refused", MAP, "http.problems", NULL,
     "problem"},
    {"trove_http_events_total", "Events posted and handed to a shard", ONE, "http", "events"},
    {"trove_http_body_bytes_total", "Bytes of bodies", ONE, "http", "body_bytes"},
    {"trove_http_answer_bytes_total", "Bytes of answers", ONE, "http", "answer_bytes"},
    {"trove_http_connections", "Connections open", ONE, "http.now", "connections"},
    {"trove_http_requests_open", "Requests at work", ONE, "http.now", "requests"},
    {"trove_tcp_segments_received_total", "Segments received", ONE, "tcp", "segments_in"},
    {"trove_tcp_segments_sent_total", "Segments sent", ONE, "tcp", "segments_out"},
    {"trove_tcp_segments_dropped_total", "Segments dropped", MAP, "tcp.dropped", NULL, "reason"},
    {"trove_tcp_retransmits_total", "Segments sent again", ONE, "tcp", "retransmits"},
    {"trove_tcp_resets_sent_total", "Resets sent", ONE, "tcp", "resets_out"},
    {"trove_tcp_syns_total", "SYNs answered with a cookie", ONE, "tcp", "syns"},
    {"trove_tcp_opened_total", "Connections opened", ONE, "tcp", "opened"},
    {"trove_tcp_ended_total", "Connections ended", MAP, "tcp.ended", NULL, "how"},
    {"trove_tcp_time_waits", "Connections that are over and remembered", ONE, "tcp.now",
     "time_waits"},
    {"trove_tcp_chunks", "Buffers in use", ONE, "tcp.now", "chunks"},
    {"trove_tcp_frames_waiting", "Frames that wait for a port", ONE, "tcp.now", "frames_waiting"},
    {"trove_journal_records_total", "Records that the shard has decided", LIST, "journal",
     "records", "shard", "shard"},
    {"trove_journal_durable_ordinal", "The last record that is on disk", LIST, "journal",
     "durable_ordinal", "shard", "shard"},
    {"trove_journal_bytes_total", "Bytes written to segments", LIST, "journal", "bytes", "shard",
     "shard"},
    {"trove_journal_syncs_total", "Groups made durable", LIST, "journal", "syncs", "shard",
     "shard"},
    {"trove_journal_errors_total", "Segments or groups that could not be made, written or synced",
     LIST, "journal", "errors", "shard", "shard"},
    {"trove_journal_given_up_total", "Segments that ended with an error", LIST, "journal",
     "given_up", "shard", "shard"},
    {"trove_journal_spare_segments", "Segments that are ready to be used", LIST, "journal", "spare",
     "shard", "shard"},
    {"trove_journal_reserve_segments", "Segments that are kept back for a full disk", LIST,
     "journal", "reserve", "shard", "shard"},
    {"trove_dedupe_ids", "Event ids remembered", ONE, "usage", "dedupe_used"},
    {"trove_dedupe_ids_capacity", "Event ids that there is room for", ONE, "usage",
     "dedupe_capacity"},
    {"trove_dedupe_left_early_total", "Ids that left before the window's end", ONE, "usage",
     "dedupe_left_early"},
    {"trove_users", "Users with progress, summed over hunts", ONE, "usage", "users_used"},
    {"trove_users_capacity", "Users that there is room for", ONE, "usage", "users_capacity"},
    {"trove_claims", "Tiles given away and remembered", ONE, "usage", "claims_used"},
    {"trove_claims_capacity", "Tiles that there is room for", ONE, "usage", "claims_capacity"},
    {"trove_sink_records_total", "Outcomes delivered", LIST, "sinks", "delivered", "sink", "name"},
    {"trove_sink_lag_records", "Records that a sink has yet to read", LIST, "sinks", "lag_records",
     "sink", "name"},
    {"trove_sink_lag_bytes", "Bytes of journal that a sink has yet to read", LIST, "sinks",
     "lag_bytes", "sink", "name"},
    {"trove_sink_lag_seconds", "Age of the oldest record not yet delivered", LIST, "sinks",
     "lag_seconds", "sink", "name"},
    {"trove_sink_errors_total", "Polls of a sink that failed", LIST, "sinks", "errors", "sink",
     "name"},
    {"trove_sink_set_aside_total", "Records that the other side would not take", LIST, "sinks",
     "set_aside", "sink", "name"},
    {"trove_lcore_busy_ratio", "Share of a worker core's time with work", LIST, "lcores", "busy",
     "lcore", "core"},
};

#define METRIC_COUNT (sizeof metrics / sizeof *metrics)

static bool is_counter(const char *name)
{
    size_t len = strlen(name);
    return len > 6 && strcmp(name + len - 6, "_total") == 0;
}

static void head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_value(FILE *out, const json_t *value)
{
    if (json_is_integer(value))
        fprintf(out, " %" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
    else if (json_is_real(value))
        fprintf(out, " %.9g\n", json_real_value(value));
    else if (json_is_null(value))
        fputs(" NaN\n", out); /* there is none yet */
    else
        fprintf(out, " %d\n", json_is_true(value));
}

/* print_label writes a value as the format wants it: backslash, quote and newline escaped. */
static void print_label(FILE *out, const char *label, const json_t *value)
{
    fprintf(out, "{%s=\"", label);
    if (json_is_integer(value))
        fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    for (const char *at = json_string_value(value); at && *at; at++)
        if (*at == '\n')
            fputs("\\n", out);
        else
            fprintf(out, *at == '"' || *at == '\\' ? "\\%c" : "%c", *at);
    fputs("\"}", out);
}

static const json_t *find(const json_t *at, const char *path)
{
    char name[64];
    while (at && *path) {
        size_t len = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)len, path);
        at = json_object_get(at, name);
        path += len + (path[len] == '.');
    }
    return at;
}

static void print_map(FILE *out, const struct metric *metric, const json_t *map)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, key, value)
    {
        json_t *name = control_text(key);
        fputs(metric->name, out);
        print_label(out, metric->label, name);
        print_value(out, value);
        json_decref(name);
    }
}

static void print_list(FILE *out, const struct metric *metric, const json_t *list)
{
    const json_t *one;
    size_t i;
    json_array_foreach(list, i, one)
    {
        fputs(metric->name, out);
        print_label(out, metric->label, json_object_get(one, metric->key));
        print_value(out, json_object_get(one, metric->field));
    }
}

static void print_metric(FILE *out, const struct metric *metric, const json_t *status)
{
    const json_t *at = find(status, metric->path);
    head(out, metric->name, is_counter(metric->name) ? "counter" : "gauge", metric->help);
    if (metric->shape == MAP) {
        print_map(out, metric, at);
    } else if (metric->shape == LIST) {
        print_list(out, metric, at);
    } else {
        fputs(metric->name, out);
        print_value(out, json_object_get(at, metric->field));
    }
}

/* ---- what is not a number in the status ---- */

static void print_info(FILE *out, const json_t *status)
{
    const json_t *config = json_object_get(status, "config");
    head(out, "trove_build_info", "gauge", "The version that runs");
    fprintf(out, "trove_build_info{version=\"%s\"} 1\n", TROVE_VERSION);
    head(out, "trove_config_info", "gauge", "The configuration that is live");
    fprintf(out, "trove_config_info{version=\"%" JSON_INTEGER_FORMAT "\",digest=\"%s\"} 1\n",
            json_integer_value(json_object_get(config, "version")),
            json_string_value(json_object_get(config, "digest")));
}

/* The second number of /proc/self/statm; 0 when it cannot be read. */
static unsigned long long resident_pages(void)
{
    char line[128] = "";
    FILE *statm = fopen("/proc/self/statm", "re");
    if (!statm)
        return 0;
    const char *space = fgets(line, sizeof line, statm) ? strchr(line, ' ') : NULL;
    fclose(statm);
    return space ? strtoull(space, NULL, 10) : 0;
}

static void print_process(FILE *out)
{
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    head(out, "process_cpu_seconds_total", "counter", "User and system time spent");
    fprintf(out, "process_cpu_seconds_total %.2f\n",
            (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    head(out, "process_resident_memory_bytes", "gauge", "Resident memory, huge pages not counted");
    fprintf(out, "process_resident_memory_bytes %llu\n",
            resident_pages() * (unsigned long long)sysconf(_SC_PAGESIZE));
}

/* ---- histograms ---- */

/* 1-2-5 from 1 us to 10 s. */
static const uint64_t bounds_us[] = {
    1,    2,     5,     10,    20,     50,     100,    200,     500,     1000,    2000,
    5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000, 2000000, 5000000, 10000000};

#define BOUND_COUNT (sizeof bounds_us / sizeof *bounds_us)

/* print_stage counts a bucket of ours under the first bound that all of it is below. */
static void print_stage(FILE *out, const char *name, const char *label, const struct histogram *h)
{
    uint64_t below = 0;
    uint32_t index = 0;
    for (unsigned b = 0; b < BOUND_COUNT; b++) {
        for (; index < HISTOGRAM_COUNT && histogram_highest(index) <= bounds_us[b] * 1000; index++)
            below += h->count[index];
        fprintf(out, "%s_bucket{%sle=\"%.6g\"} %" PRIu64 "\n", name, label,
                (double)bounds_us[b] / 1e6, below);
    }
    for (; index < HISTOGRAM_COUNT; index++)
        below += h->count[index];
    fprintf(out, "%s_bucket{%sle=\"+Inf\"} %" PRIu64 "\n", name, label, below);
    fprintf(out, "%s_sum%s%.*s%s %.9g\n", name, *label ? "{" : "",
            *label ? (int)strlen(label) - 1 : 0, label, *label ? "}" : "", (double)h->sum / 1e9);
    fprintf(out, "%s_count%s%.*s%s %" PRIu64 "\n", name, *label ? "{" : "",
            *label ? (int)strlen(label) - 1 : 0, label, *label ? "}" : "", below);
}

static void print_histograms(FILE *out, const struct topo *topo)
{
    static const struct {
        enum stage stage;
        const char *label;
    } ingest[] = {{STAGE_RING_WAIT, "stage=\"ring_wait\","},
                  {STAGE_DECISION, "stage=\"decision\","},
                  {STAGE_DURABLE, "stage=\"durable\","}};
    static const char name[] = "trove_ingest_latency_seconds",
                      fsync_name[] = "trove_journal_fsync_duration_seconds";
    head(out, name, "histogram", "From the wire to a shard, to the decision, to the disk");
    for (unsigned i = 0; i < sizeof ingest / sizeof *ingest; i++) {
        struct histogram *h = admin_stage_sum(topo, ingest[i].stage);
        if (h)
            print_stage(out, name, ingest[i].label, h);
        free(h);
    }
    head(out, fsync_name, "histogram", "Writing and syncing a group of a journal");
    struct histogram *h = admin_stage_sum(topo, STAGE_SYNC);
    if (h)
        print_stage(out, fsync_name, "", h);
    free(h);
}

void admin_metrics(void *context, const struct control_request *request,
                   struct control_response *response)
{
    struct topo *topo = context;
    size_t len = 0;
    FILE *out = open_memstream(&response->text, &len);
    (void)request;
    if (!out) {
        control_problem(response, 503, "no_memory", "trovectl status", "no memory for the answer");
        return;
    }
    json_t *status = admin_status(topo);
    print_info(out, status);
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        print_metric(out, &metrics[i], status);
    head(out, "trove_ready", "gauge", "1: this host should get traffic");
    fprintf(out, "trove_ready %d\n",
            !atomic_load(&topo->stop_wanted) && !admin_journal_refusing(topo));
    json_decref(status);
    print_histograms(out, topo);
    print_process(out);
    fclose(out);
    response->text_type = "text/plain; version=0.0.4; charset=utf-8";
}

void admin_healthz(void *context, const struct control_request *request,
                   struct control_response *response)
{
    (void)context;
    (void)request;
    response->body = json_pack("{s:s}", "state", "alive");
}

void admin_readyz(void *context, const struct control_request *request,
                  struct control_response *response)
{
    struct topo *topo = context;
    (void)request;
    if (atomic_load(&topo->stop_wanted))
        control_problem(response, 503, "draining", "trovectl status",
                        "troved is stopping: send traffic elsewhere");
    else if (admin_journal_refusing(topo))
        control_problem(response, 503, admin_journal_state(topo, "degraded"), "trovectl status",
                        "a journal has no room or cannot write: nothing that comes is accepted");
    else
        response->body = json_pack("{s:s}", "state", "ready");
}
