/* admin_sink.c - GET /v1/sinks and /v1/sinks/{name}, POST /v1/sinks/{name}:pause, :resume, :drain
 * and :skip. */
#include <string.h>

#include "dataplane/admin.h"
#include "dataplane/base/counter.h"

#define READ(field) counter_read(&(field))

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

json_t *admin_sink_json(const struct sink_thread *sink)
{
    static const char *const types[] = {[CONF_SINK_FILE] = "file", [CONF_SINK_REDIS] = "redis"};
    const struct pump_counters *c = pump_counters(sink->pump);
    struct pump_report report;
    int error = atomic_load(&sink->error);
    pump_report(sink->pump, &report);
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:I, s:I}", "name",
                  sink->conf->name, "type", types[sink->conf->type], "state",
                  state_name(&report, error), "events", (json_int_t)READ(c->events), "outcomes",
                  (json_int_t)READ(c->outcomes), "delivered", (json_int_t)READ(c->delivered),
                  "lag_records", (json_int_t)READ(c->lag_records), "lag_bytes",
                  (json_int_t)report.lag_bytes, "lag_seconds", report.lag_seconds, "errors",
                  (json_int_t)READ(c->errors), "set_aside", (json_int_t)READ(c->set_aside),
                  "skipped", (json_int_t)READ(c->skipped), "gaps", (json_int_t)READ(c->gaps));
    if (sink->redis)
        json_object_set_new(
            json, "repeats",
            json_integer((json_int_t)READ(sink_redis_counters(sink->redis)->repeats)));
    if (report.error[0])
        json_object_set_new(json, "error", control_text(report.error));
    if (report.last_error[0])
        json_object_set_new(json, "last_error", control_text(report.last_error));
    if (report.stuck.epoch)
        json_object_set_new(json, "stuck", stuck_json(&report.stuck));
    return json;
}

void admin_sink_warn(const struct sink_thread *sink, json_t *warnings)
{
    struct pump_report report;
    pump_report(sink->pump, &report);
    const char *name = sink->conf->name;
    json_t *text = control_text(report.error);
    if (report.mode == PUMP_PAUSED)
        json_array_append_new(
            warnings, json_sprintf("sink %s is paused -> trovectl sink %s resume", name, name));
    else if (atomic_load(&sink->error))
        json_array_append_new(warnings, json_sprintf("sink %s: %s", name, json_string_value(text)));
    if (READ(pump_counters(sink->pump)->set_aside))
        json_array_append_new(warnings, json_sprintf("sink %s: records were set aside, see %s",
                                                     name, sink->dead_path));
    json_decref(text);
}

static struct sink_thread *find_sink(struct topo *topo, const char *name, size_t len)
{
    for (uint32_t i = 0; i < topo->conf->sink_count; i++) {
        const char *own = topo->sinks[i].conf->name;
        if (strlen(own) == len && memcmp(own, name, len) == 0)
            return &topo->sinks[i];
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
    struct topo *topo = context;
    (void)request;
    json_t *sinks = json_array();
    for (uint32_t i = 0; i < topo->conf->sink_count; i++)
        json_array_append_new(sinks, admin_sink_json(&topo->sinks[i]));
    response->body = json_pack("{s:o}", "sinks", sinks);
}

void admin_sink(void *context, const struct control_request *request,
                struct control_response *response)
{
    struct sink_thread *sink = find_sink(context, request->path, strlen(request->path));
    if (sink)
        response->body = json_pack("{s:[o]}", "sinks", admin_sink_json(sink));
    else
        refuse_name(response, request->path);
}

static void skip(struct sink_thread *sink, struct control_response *response)
{
    struct sink_place place;
    struct pump_report report;
    pump_report(sink->pump, &report);
    if (pump_skip(sink->pump, &place)) {
        json_t *error = control_text(report.error);
        control_problem(response, 409, "not_stuck", "trovectl sink",
                        "sink '%s' is not stuck at a record%s%s", sink->conf->name,
                        report.error[0] ? ": " : "", json_string_value(error));
        json_decref(error);
        return;
    }
    response->body = json_pack("{s:s, s:s, s:o, s:s}", "name", sink->conf->name, "done", "skip",
                               "skipped", stuck_json(&place), "kept", sink->dead_path);
}

void admin_sink_change(void *context, const struct control_request *request,
                       struct control_response *response)
{
    static const struct {
        const char *verb;
        enum pump_mode mode;
    } verbs[] = {{"pause", PUMP_PAUSED}, {"resume", PUMP_RUN}, {"drain", PUMP_DRAIN}};
    const char *colon = strchr(request->path, ':');
    size_t len = colon ? (size_t)(colon - request->path) : strlen(request->path);
    struct sink_thread *sink = find_sink(context, request->path, len);
    if (!sink) {
        refuse_name(response, request->path);
        return;
    }
    if (colon && strcmp(colon + 1, "skip") == 0) {
        skip(sink, response);
        return;
    }
    for (unsigned i = 0; colon && i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(colon + 1, verbs[i].verb) == 0) {
            pump_set_mode(sink->pump, verbs[i].mode);
            response->body =
                json_pack("{s:s, s:s}", "name", sink->conf->name, "done", verbs[i].verb);
            return;
        }
    control_problem(response, 404, "verb_not_found", "trovectl sink",
                    "a sink can be told pause, resume, drain and skip");
}
