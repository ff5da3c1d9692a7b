/* admin_sink.c - GET /v1/sinks and /v1/sinks/{name}, POST /v1/sinks/{name}:pause, :resume, :drain
 * and :skip. */
#include <errno.h>
#include <string.h>

#include "dataplane/admin.h"
#include "dataplane/base/clock.h"

/* A sink that was removed and hangs is told of from here on. */
#define LEAVING_WARN_NS (5 * NS_PER_S)

static const char *state_name(const struct pump_report *report, int error)
{
    if (report->mode == PUMP_PAUSED)
        return "paused";
    if (error)
        return "error";
    return report->mode == PUMP_DRAIN ? "draining" : "ok";
}

static json_t *stuck_json(const struct sink_place *at)
{
    return json_pack("{s:s, s:i, s:o, s:o}", "at", "record", "shard", (int)at->shard, "place",
                     json_sprintf("%u-%llu", at->epoch, (unsigned long long)at->ordinal), "seq",
                     json_sprintf("%u:%llu", at->partition, (unsigned long long)at->seq));
}

/* With the lock. */
static json_t *sink_json(const struct sinks *sinks, const struct sink_thread *sink)
{
    struct sink_totals totals;
    const struct pump_counters *c = &totals.counters;
    struct pump_report report;
    int error = atomic_load(&sink->error);
    pump_report(sink->pump, &report);
    sinks_totals(sinks, sink, &totals);
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:I, s:I}", "name",
                  sink->conf.name, "type", sink->ops->type, "state", state_name(&report, error),
                  "events", (json_int_t)c->events, "outcomes", (json_int_t)c->outcomes, "delivered",
                  (json_int_t)c->delivered, "lag_records", (json_int_t)c->lag_records, "lag_bytes",
                  (json_int_t)report.lag_bytes, "lag_seconds", report.lag_seconds, "errors",
                  (json_int_t)c->errors, "set_aside", (json_int_t)c->set_aside, "skipped",
                  (json_int_t)c->skipped, "gaps", (json_int_t)c->gaps);
    if (sink->ops->repeats)
        json_object_set_new(json, "repeats", json_integer((json_int_t)totals.repeats));
    if (report.error[0])
        json_object_set_new(json, "error", control_text(report.error));
    if (report.last_error[0])
        json_object_set_new(json, "last_error", control_text(report.last_error));
    if (report.stuck.epoch)
        json_object_set_new(json, "stuck", stuck_json(&report.stuck));
    return json;
}

json_t *admin_sink_list(struct topo *topo)
{
    json_t *sinks = json_array();
    pthread_mutex_lock(&topo->sinks.lock);
    for (uint32_t i = 0; i < topo->sinks.count; i++)
        json_array_append_new(sinks, sink_json(&topo->sinks, topo->sinks.at[i]));
    pthread_mutex_unlock(&topo->sinks.lock);
    return sinks;
}

static void warn(const struct sinks *sinks, const struct sink_thread *sink, json_t *warnings)
{
    struct pump_report report;
    struct sink_totals totals;
    sinks_totals(sinks, sink, &totals);
    pump_report(sink->pump, &report);
    const char *name = sink->conf.name;
    json_t *text = control_text(report.error);
    if (sink->conf.paused)
        json_array_append_new(warnings,
                              json_sprintf("sink %s is paused by the configuration", name));
    else if (report.mode == PUMP_PAUSED)
        json_array_append_new(
            warnings, json_sprintf("sink %s is paused -> trovectl sink %s resume", name, name));
    else if (atomic_load(&sink->error))
        json_array_append_new(warnings, json_sprintf("sink %s: %s", name, json_string_value(text)));
    if (totals.counters.set_aside)
        json_array_append_new(warnings, json_sprintf("sink %s: records were set aside, see %s",
                                                     name, sink->dead_path));
    json_decref(text);
}

void admin_sink_warn(struct topo *topo, json_t *warnings)
{
    struct sinks *sinks = &topo->sinks;
    uint64_t now = clock_monotonic_ns();
    pthread_mutex_lock(&sinks->lock);
    for (uint32_t i = 0; i < sinks->count; i++)
        warn(sinks, sinks->at[i], warnings);
    for (uint32_t i = 0; i < sinks->leaving_count; i++)
        if (now - sinks->leaving[i]->told_ns > LEAVING_WARN_NS)
            json_array_append_new(
                warnings,
                json_sprintf("sink %s was removed or changed %llu s ago and has not ended: what it "
                             "writes to does not answer",
                             sinks->leaving[i]->conf.name,
                             (unsigned long long)((now - sinks->leaving[i]->told_ns) / NS_PER_S)));
    pthread_mutex_unlock(&sinks->lock);
}

/* With the lock. */
static struct sink_thread *find_sink(struct topo *topo, const char *name, size_t len)
{
    for (uint32_t i = 0; i < topo->sinks.count; i++) {
        const char *own = topo->sinks.at[i]->conf.name;
        if (strlen(own) == len && memcmp(own, name, len) == 0)
            return topo->sinks.at[i];
    }
    return NULL;
}

static void refuse_name(struct control_response *response, const char *name)
{
    control_problem(response, 404, "sink_not_found", "trovectl sink", "there is no sink '%.80s'",
                    name);
}

void admin_sinks(void *context, const struct control_request *request,
                 struct control_response *response)
{
    (void)request;
    response->body = json_pack("{s:o}", "sinks", admin_sink_list(context));
}

void admin_sink(void *context, const struct control_request *request,
                struct control_response *response)
{
    struct topo *topo = context;
    pthread_mutex_lock(&topo->sinks.lock);
    struct sink_thread *sink = find_sink(topo, request->path, strlen(request->path));
    if (sink)
        response->body = json_pack("{s:[o]}", "sinks", sink_json(&topo->sinks, sink));
    else
        refuse_name(response, request->path);
    pthread_mutex_unlock(&topo->sinks.lock);
}

static void skip(struct sink_thread *sink, struct control_response *response)
{
    struct sink_place place;
    struct pump_report report;
    pump_report(sink->pump, &report);
    if (pump_skip(sink->pump, &place)) {
        json_t *error = control_text(report.error);
        control_problem(response, 409, "not_stuck", "trovectl sink",
                        "sink '%s' is not stuck at a record%s%s", sink->conf.name,
                        report.error[0] ? ": " : "", json_string_value(error));
        json_decref(error);
        return;
    }
    response->body = json_pack("{s:s, s:s, s:o, s:s}", "name", sink->conf.name, "done", "skip",
                               "skipped", stuck_json(&place), "kept", sink->dead_path);
}

static void set_mode(struct sink_thread *sink, enum pump_mode mode, const char *verb,
                     struct control_response *response)
{
    int rc = sink_set_mode(sink, mode);
    if (rc == -EPERM)
        control_problem(response, 409, "paused_by_conf", "trovectl conf apply FILE",
                        "the configuration has sink '%s' paused (line %u): remove `paused` there",
                        sink->conf.name, sink->conf.place.line);
    else if (rc)
        control_problem(response, 500, "not_kept", "trovectl sink",
                        "%s cannot be kept for the next start, so nothing was changed: %s: %s",
                        verb, sink->mode_path, strerror(-rc));
    else
        response->body = json_pack("{s:s, s:s}", "name", sink->conf.name, "done", verb);
}

static void change(struct sink_thread *sink, const char *verb, struct control_response *response)
{
    static const struct {
        const char *verb;
        enum pump_mode mode;
    } verbs[] = {{"pause", PUMP_PAUSED}, {"resume", PUMP_RUN}, {"drain", PUMP_DRAIN}};
    if (strcmp(verb, "skip") == 0) {
        skip(sink, response);
        return;
    }
    for (unsigned i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verb, verbs[i].verb) == 0) {
            set_mode(sink, verbs[i].mode, verb, response);
            return;
        }
    control_problem(response, 404, "verb_not_found", "trovectl sink",
                    "a sink can be told pause, resume, drain and skip");
}

void admin_sink_change(void *context, const struct control_request *request,
                       struct control_response *response)
{
    struct topo *topo = context;
    const char *colon = strchr(request->path, ':');
    size_t len = colon ? (size_t)(colon - request->path) : strlen(request->path);
    pthread_mutex_lock(&topo->sinks.lock);
    struct sink_thread *sink = find_sink(topo, request->path, len);
    if (sink)
        change(sink, colon ? colon + 1 : "", response);
    else
        refuse_name(response, request->path);
    pthread_mutex_unlock(&topo->sinks.lock);
}
