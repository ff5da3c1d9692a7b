/* admin.c - one handler a route; counters and histograms are read as they stand. */
#include "dataplane/admin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/admin_journal.h"
#include "dataplane/admin_port.h"
#include "dataplane/admin_story.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/counter.h"

#define READ(field) counter_read(&(field))

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static void count(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name, number(value));
}

/* ---- latency ---- */

static const char *const stage_names[STAGE_COUNT] = {"decision", "durable", "ring_wait", "sync"};

struct histogram *admin_stage_sum(const struct topo *topo, enum stage stage)
{
    struct histogram *sum = calloc(1, sizeof *sum);
    for (uint32_t s = 0; sum && s < topo->plan.shard_count; s++) {
        const struct histogram *const live[STAGE_COUNT] = {
            &topo->shards[s]->decision,
            &topo->journals[s].journal->durable,
            &topo->shards[s]->ring_wait,
            &topo->journals[s].journal->sync,
        };
        histogram_add(sum, live[stage]);
    }
    return sum;
}

static double us(uint64_t ns)
{
    return (double)ns / 1000.0;
}

static double mean_us(const struct histogram *h)
{
    return h->total ? us(h->sum) / (double)h->total : 0.0;
}

static json_t *latency_summary(const struct topo *topo, enum stage stage)
{
    struct histogram *h = admin_stage_sum(topo, stage);
    if (!h)
        return json_null();
    json_t *summary =
        json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "count", (json_int_t)h->total,
                  "mean_us", mean_us(h), "p50_us", us(histogram_percentile(h, 50.0)), "p90_us",
                  us(histogram_percentile(h, 90.0)), "p99_us", us(histogram_percentile(h, 99.0)),
                  "p999_us", us(histogram_percentile(h, 99.9)), "p9999_us",
                  us(histogram_percentile(h, 99.99)), "max_us", us(h->max));
    free(h);
    return summary;
}

static json_t *latency_full(const struct topo *topo, enum stage stage)
{
    static const double wanted[] = {50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 100.0};
    struct histogram *h = admin_stage_sum(topo, stage);
    if (!h)
        return json_null();
    json_t *percentiles = json_array(), *buckets = json_array();
    for (unsigned i = 0; i < sizeof wanted / sizeof *wanted; i++)
        json_array_append_new(percentiles, json_pack("{s:f, s:f}", "percentile", wanted[i], "us",
                                                     us(histogram_percentile(h, wanted[i]))));
    for (uint32_t i = 0; i < HISTOGRAM_COUNT; i++)
        if (h->count[i])
            json_array_append_new(buckets, json_pack("[I, I]", (json_int_t)histogram_highest(i),
                                                     (json_int_t)h->count[i]));
    json_t *full = json_pack("{s:s, s:I, s:f, s:f, s:o, s:o}", "stage", stage_names[stage], "count",
                             (json_int_t)h->total, "mean_us", mean_us(h), "max_us", us(h->max),
                             "percentiles", percentiles, "buckets", buckets);
    free(h);
    return full;
}

static void get_latency(void *context, const struct control_request *request,
                        struct control_response *response)
{
    const struct topo *topo = context;
    const char *wanted = control_query(request, "stage");
    json_t *stages = json_array();
    for (enum stage stage = 0; stage < STAGE_COUNT; stage++)
        if (!wanted || !strcmp(wanted, stage_names[stage]))
            json_array_append_new(stages, latency_full(topo, stage));
    if (!json_array_size(stages)) {
        json_decref(stages);
        control_problem(response, 400, "unknown_stage",
                        "trovectl latency --stage decision|durable|ring_wait|sync",
                        "there is no stage '%.64s'", wanted);
        return;
    }
    response->body =
        json_pack("{s:f, s:o}", "uptime_s",
                  (double)(clock_monotonic_ns() - topo->start_ns) / NS_PER_S, "stages", stages);
}

/* ---- status ---- */

static json_t *status_account(const struct account *a)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "received",
                     (json_int_t)a->received, "accepted", (json_int_t)a->accepted, "duplicate",
                     (json_int_t)a->duplicate, "rejected", (json_int_t)a->rejected, "refused",
                     (json_int_t)a->refused, "lost", (json_int_t)a->lost, "in_flight",
                     (json_int_t)a->in_flight, "balanced", (int)(a->in_flight < 1ull << 40));
}

static void status_events(const struct topo *topo, const struct account *account, json_t *status)
{
    json_t *rejected = json_object(), *lost = json_object(), *outcomes = json_object(),
           *refusals = json_object();
    uint64_t by_reason[REASON_COUNT] = {0}, by_kind[OUTCOME_KIND_COUNT] = {0},
             by_refusal[REFUSAL_COUNT] = {0};
    for (uint32_t s = 0; s < topo->plan.shard_count; s++) {
        const struct shard_counters *c = &topo->shards[s]->counters;
        for (unsigned i = 0; i < REASON_COUNT; i++)
            by_reason[i] += READ(c->rejected[i]);
        for (unsigned i = 0; i < OUTCOME_KIND_COUNT; i++)
            by_kind[i] += READ(c->outcomes[i]);
        for (unsigned i = 0; i < REFUSAL_COUNT; i++)
            by_refusal[i] += READ(c->refusals[i]);
    }
    for (unsigned i = 1; i < REASON_COUNT; i++)
        count(rejected, reason_name(i), by_reason[i]);
    for (unsigned i = 0; i < OUTCOME_KIND_COUNT; i++)
        count(outcomes, outcome_kind_name(i), by_kind[i]);
    for (unsigned i = 1; i < REFUSAL_COUNT; i++)
        count(refusals, refusal_name(i), by_refusal[i]);
    for (unsigned i = 0; i < LOST_COUNT; i++)
        count(lost, lost_name(i), account->lost_by[i]);
    json_object_set_new(status, "rejected", rejected);
    json_object_set_new(status, "lost", lost);
    json_object_set_new(status, "outcomes", outcomes);
    json_object_set_new(status, "refusals", refusals);
    json_object_set_new(status, "corrections",
                        json_pack("{s:I, s:I, s:I}", "granted",
                                  (json_int_t)by_kind[OUTCOME_granted], "revoked",
                                  (json_int_t)by_kind[OUTCOME_revoked], "refused",
                                  (json_int_t)by_kind[OUTCOME_correction_refused]));
}

static json_t *status_packets(const struct topo *topo)
{
    json_t *packets = json_object(), *dropped = json_object();
    uint64_t received = 0, delivered = 0, replied = 0, failed = 0, stamps = 0, buffers = 0,
             by_reason[NET_REASON_COUNT] = {0};
    for (uint32_t p = 0; p < topo->conf->port_count; p++) {
        struct port_stats stats = {0};
        if (topo->ports[p].queues)
            port_read_stats(&topo->ports[p], &stats);
        buffers += stats.buffers_used;
    }
    for (uint32_t r = 0; r < topo->plan.rx_count; r++) {
        const struct rx_counters *c = &topo->rx[r]->counters;
        received += READ(c->packets);
        delivered += READ(c->delivered);
        replied += READ(c->replied);
        failed += READ(c->reply_failed);
        stamps += READ(c->bad_stamps);
        for (unsigned i = 0; i < NET_REASON_COUNT; i++)
            by_reason[i] += READ(c->dropped[i]);
    }
    for (unsigned i = 1; i < NET_REASON_COUNT; i++)
        count(dropped, net_reason_name(i), by_reason[i]);
    count(packets, "received", received);
    count(packets, "delivered", delivered);
    count(packets, "replied", replied);
    count(packets, "reply_failed", failed);
    count(packets, "bad_stamps", stamps);
    count(packets, "buffers_used", buffers);
    json_object_set_new(packets, "dropped", dropped);
    return packets;
}

static const char *const kind_names[] = {
    [CONF_TRAIL] = "trail", [CONF_BASKET] = "basket", [CONF_TILES] = "tiles"};

static json_t *status_variants(const struct topo *topo, const struct rules_hunt *hunt, uint32_t h)
{
    json_t *variants = json_array();
    for (uint32_t v = 0; v < hunt->variant_count; v++) {
        uint64_t users = 0, awards = 0;
        for (uint32_t s = 0; s < topo->plan.shard_count; s++) {
            users += READ(topo->shards[s]->counters.variant_users[h][v]);
            awards += READ(topo->shards[s]->counters.variant_awards[h][v]);
        }
        json_array_append_new(variants,
                              json_pack("{s:s, s:I, s:I}", "name", hunt->variants[v].name, "users",
                                        (json_int_t)users, "awards", (json_int_t)awards));
    }
    return variants;
}

static json_t *status_hunts(const struct topo *topo)
{
    const struct rules *rules = topo_snapshot(topo)->rules;
    json_t *hunts = json_array();
    for (uint32_t h = 0; h < rules->hunt_count; h++) {
        uint64_t awards = 0;
        for (uint32_t s = 0; s < topo->plan.shard_count; s++)
            awards += READ(topo->shards[s]->counters.awards[h]);
        json_t *hunt = json_pack("{s:s, s:s, s:I}", "name", rules->hunts[h].name, "kind",
                                 kind_names[rules->hunts[h].kind], "awards", (json_int_t)awards);
        if (rules->hunts[h].variant_count)
            json_object_set_new(hunt, "variants", status_variants(topo, &rules->hunts[h], h));
        json_array_append_new(hunts, hunt);
    }
    return hunts;
}

static json_t *status_usage(const struct topo *topo)
{
    struct state_usage sum = {0};
    uint64_t left_early = 0;
    for (uint32_t s = 0; s < topo->plan.shard_count; s++) {
        struct state_usage usage;
        state_usage(topo->shards[s]->state, &usage);
        left_early += READ(topo->shards[s]->counters.left_early);
        sum.dedupe_used += usage.dedupe_used;
        sum.dedupe_capacity += usage.dedupe_capacity;
        sum.users_used += usage.users_used;
        sum.users_capacity += usage.users_capacity;
        sum.claims_used += usage.claims_used;
        sum.claims_capacity += usage.claims_capacity;
        sum.corrections_used += usage.corrections_used;
        sum.corrections_capacity += usage.corrections_capacity;
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "dedupe_used",
                     (json_int_t)sum.dedupe_used, "dedupe_capacity",
                     (json_int_t)sum.dedupe_capacity, "dedupe_left_early", (json_int_t)left_early,
                     "users_used", (json_int_t)sum.users_used, "users_capacity",
                     (json_int_t)sum.users_capacity, "claims_used", (json_int_t)sum.claims_used,
                     "claims_capacity", (json_int_t)sum.claims_capacity, "corrections_used",
                     (json_int_t)sum.corrections_used, "corrections_capacity",
                     (json_int_t)sum.corrections_capacity);
}

static json_t *status_lcores(const struct topo *topo)
{
    json_t *lcores = json_array();
    for (uint32_t i = 0; i < topo->plan.core_count; i++) {
        const struct core *core = &topo->cores[i];
        double busy = (double)atomic_load(&core->busy_ns),
               idle = (double)atomic_load(&core->idle_ns);
        json_array_append_new(
            lcores, json_pack("{s:i, s:i, s:s, s:f, s:f}", "core", (int)core->plan->core, "node",
                              (int)core->plan->node, "roles", admin_lcore_roles(core), "busy",
                              busy + idle > 0 ? busy / (busy + idle) : 0.0, "longest_us",
                              us(atomic_load(&core->longest_ns))));
    }
    return lcores;
}

static void warn_shared(const struct topo *topo, json_t *warnings)
{
    int why = 0;
    for (uint32_t i = 0; i < topo->plan.core_count; i++)
        why = why ? why : atomic_load(&topo->cores[i].shared);
    if (why)
        json_array_append_new(
            warnings,
            json_sprintf("others that are let onto a worker's core may have half of it -> %s",
                         why == -EBUSY
                             ? "start troved by a service manager, or with setsid: the kernel "
                               "weighs sessions, and this one is not troved's alone"
                             : "start troved as root or with CAP_SYS_NICE"));
}

static json_t *status_warnings(struct topo *topo, const struct account *account)
{
    json_t *warnings = json_array();
    if (account->lost)
        json_array_append_new(
            warnings, json_sprintf("%llu events were lost -> trovectl status --json shows where",
                                   (unsigned long long)account->lost));
    uint64_t left_early = 0;
    for (uint32_t s = 0; s < topo->plan.shard_count; s++)
        left_early += READ(topo->shards[s]->counters.left_early);
    if (left_early)
        json_array_append_new(
            warnings,
            json_sprintf("%llu ids left before events.dedupe.window was over, their duplicates "
                         "are not found -> raise events.dedupe.capacity",
                         (unsigned long long)left_early));
    admin_journal_warn(topo, warnings);
    admin_checkpoint_warn(topo, warnings);
    if (!topo->huge)
        json_array_append_new(warnings,
                              json_string("no huge pages: fine for a try, not for production"));
    warn_shared(topo, warnings);
    admin_sink_warn(topo, warnings);
    return warnings;
}

static json_t *status_config(const struct snapshot *snapshot)
{
    return json_pack("{s:i, s:s, s:s, s:o, s:i}", "version", (int)snapshot->version, "digest",
                     snapshot->digest, "applied", snapshot->applied, "file",
                     control_text(snapshot->conf->file), "hunts", (int)snapshot->rules->hunt_count);
}

json_t *admin_status(struct topo *topo)
{
    const struct snapshot *snapshot = topo_read_lock(topo);
    struct account account;
    topo_account(topo, &account);
    const char *state =
        atomic_load(&topo->stop_wanted) ? "draining" : admin_journal_state(topo, "running");
    json_t *status = json_pack(
        "{s:s, s:s, s:s, s:i, s:f, s:s, s:o, s:I, s:I, s:o}", "version", TROVE_VERSION, "pop",
        snapshot->conf->pop, "host", snapshot->conf->host, "pid", (int)getpid(), "uptime_s",
        (double)(clock_monotonic_ns() - topo->start_ns) / NS_PER_S, "state", state, "config",
        status_config(snapshot), "events_per_s", (json_int_t)atomic_load(&topo->events_per_s),
        "recovered", (json_int_t)topo->recovery.events, "account", status_account(&account));
    status_events(topo, &account, status);
    json_object_set_new(status, "packets", status_packets(topo));
    json_object_set_new(status, "ports", admin_ports(topo));
    admin_http_status(topo, status);
    json_object_set_new(status, "hunts", status_hunts(topo));
    json_t *latency = json_object();
    for (enum stage stage = 0; stage < STAGE_COUNT; stage++)
        json_object_set_new(latency, stage_names[stage], latency_summary(topo, stage));
    json_object_set_new(status, "latency", latency);
    json_object_set_new(status, "journal", admin_journals(topo));
    json_object_set_new(status, "checkpoint", admin_checkpoint_json(topo));
    json_object_set_new(status, "recovery", admin_recovery_json(topo));
    json_object_set_new(status, "retained", admin_retained_json(topo));
    json_object_set_new(status, "compressed", admin_packed(topo));
    json_object_set_new(status, "usage", status_usage(topo));
    json_object_set_new(status, "sinks", admin_sink_list(topo));
    json_object_set_new(status, "leaderboard_feed", admin_feed(topo));
    json_object_set_new(status, "lcores", status_lcores(topo));
    json_object_set_new(status, "warnings", status_warnings(topo, &account));
    topo_read_unlock(topo);
    return status;
}

static void get_status(void *context, const struct control_request *request,
                       struct control_response *response)
{
    (void)request;
    response->body = admin_status(context);
}

/* ---- configuration ---- */

static json_t *errors_json(const struct diag_list *diags)
{
    json_t *errors = json_array();
    for (unsigned i = 0; i < diags->count; i++) {
        const struct diag *d = &diags->diags[i];
        json_array_append_new(errors, json_pack("{s:o, s:i, s:i, s:i, s:s, s:o, s:o}", "file",
                                                control_text(d->file), "line", (int)d->line,
                                                "column", (int)d->column, "length", (int)d->length,
                                                "code", d->code, "text", control_text(d->text),
                                                "source", control_text(d->source)));
    }
    return errors;
}

static void refuse_config(struct control_response *response, struct topo *topo,
                          const struct diag_list *diags)
{
    uint32_t version = topo_read_lock(topo)->version;
    topo_read_unlock(topo);
    control_problem(response, 422, "config_invalid", "trovectl conf check FILE",
                    "%u error%s in the configuration; v%u stays", diags->count,
                    diags->count == 1 ? "" : "s", version);
    json_object_set_new(response->body, "errors", errors_json(diags));
}

/* The client's word for where the text stands; it comes back in messages, and in the status. */
static const char *file_of(const struct control_request *request)
{
    const char *file = control_query(request, "file");
    return file && *file && strlen(file) < CONF_PATH_MAX ? file : "(request)";
}

static void get_config(void *context, const struct control_request *request,
                       struct control_response *response)
{
    const struct snapshot *snapshot = topo_read_lock(context);
    (void)request;
    response->body = status_config(snapshot);
    json_object_set_new(response->body, "text",
                        json_stringn(snapshot->conf->text, snapshot->conf->text_len));
    snprintf(response->etag, sizeof response->etag, "\"v%u\"", snapshot->version);
    topo_read_unlock(context);
}

static void check_config(void *context, const struct control_request *request,
                         struct control_response *response)
{
    struct diag_list diags = {0};
    (void)context;
    struct conf *conf = conf_load(file_of(request), request->body, request->body_len, &diags);
    response->body = json_pack("{s:b}", "ok", conf ? 1 : 0);
    if (!conf)
        json_object_set_new(response->body, "errors", errors_json(&diags));
    conf_free(conf);
    diag_list_fini(&diags);
}

static void add_difference(void *arg, char sign, const char *path, const char *from, const char *to,
                           bool hot)
{
    json_array_append_new(arg, json_pack("{s:s#, s:s, s:s?, s:s?, s:b}", "sign", &sign, 1, "path",
                                         path, "from", from, "to", to, "hot", (int)hot));
}

static void diff_config(void *context, const struct control_request *request,
                        struct control_response *response)
{
    struct diag_list diags = {0};
    struct topo *topo = context;
    struct conf *conf = conf_load(file_of(request), request->body, request->body_len, &diags);
    if (conf) {
        json_t *differences = json_array();
        const struct snapshot *snapshot = topo_read_lock(topo);
        conf_diff(snapshot->conf, conf, add_difference, differences);
        response->body =
            json_pack("{s:i, s:o}", "version", (int)snapshot->version, "differences", differences);
        topo_read_unlock(topo);
    } else {
        refuse_config(response, topo, &diags);
    }
    conf_free(conf);
    diag_list_fini(&diags);
}

static void add_restart(void *arg, char sign, const char *path, const char *from, const char *to,
                        bool hot)
{
    (void)sign, (void)from, (void)to;
    if (!hot)
        json_array_append_new(arg, json_string(path));
}

/* What waits for a restart is what differs from the configuration that the daemon started with. */
static json_t *applied_json(struct topo *topo, const struct apply_result *result)
{
    json_t *restart = json_array();
    conf_diff(topo->conf, topo_read_lock(topo)->conf, add_restart, restart);
    topo_read_unlock(topo);
    return json_pack("{s:i, s:i, s:f, s:i, s:i, s:b, s:o}", "version", (int)result->version,
                     "version_before", (int)result->version_before, "ms", result->ms, "lcores",
                     (int)result->cores, "changes", (int)result->changes, "pending",
                     (int)result->pending, "restart", restart);
}

/* The version that an If-Match names (RFC 9110, 13.1.1): 0 for any, and one that never is for what
 * is no tag of ours. */
static uint32_t if_match(const struct control_request *request)
{
    const char *header = control_header(request, "If-Match");
    char *end;
    if (!header || !strcmp(header, "*"))
        return 0;
    if (strncmp(header, "\"v", 2) != 0 || header[2] < '1' || header[2] > '9')
        return UINT32_MAX;
    unsigned long version = strtoul(header + 2, &end, 10);
    return strcmp(end, "\"") != 0 || version > UINT32_MAX ? UINT32_MAX : (uint32_t)version;
}

static void put_config(void *context, const struct control_request *request,
                       struct control_response *response)
{
    struct topo *topo = context;
    struct diag_list diags = {0};
    struct apply_result result;
    uint32_t version = if_match(request);
    int rc = topo_apply(topo, file_of(request), request->body, request->body_len, version, &result,
                        &diags);
    if (rc == 0)
        response->body = applied_json(topo, &result);
    else if (rc == -EINVAL && diags.count)
        refuse_config(response, topo, &diags);
    else if (rc == -EBUSY)
        control_problem(response, 409, "apply_running", "trovectl conf apply FILE",
                        "another apply is running; it ends or fails within 5 s");
    else if (rc == -ESTALE)
        control_problem(response, 412, "version_moved", "trovectl conf diff FILE",
                        "running config is v%u, not %.64s", result.version_before,
                        control_header(request, "If-Match"));
    else if (rc == -ESHUTDOWN)
        control_problem(response, 409, "draining", "trovectl status",
                        "troved is stopping and takes no configuration any more");
    else
        control_problem(response, 507, "not_stored", "df -h", "data_dir %s: %s", topo->store.path,
                        strerror(-rc));
    diag_list_fini(&diags);
}

/* ---- stop ---- */

static void post_stop(void *context, const struct control_request *request,
                      struct control_response *response)
{
    struct topo *topo = context;
    (void)request;
    atomic_store(&topo->stop_wanted, true);
    response->status = 202;
    response->body = json_pack("{s:s}", "state", "draining");
}

const struct control_route admin_routes[] = {
    {"GET", "/v1/status", false, get_status, .open = true},
    {"GET", "/v1/latency", false, get_latency, .open = true},
    {"GET", "/v1/lcores", false, admin_lcores, .open = true},
    {"GET", "/metrics", false, admin_metrics, .open = true},
    {"GET", "/healthz", false, admin_healthz, .open = true},
    {"GET", "/readyz", false, admin_readyz, .open = true},
    {"GET", "/v1/config", false, get_config},
    {"POST", "/v1/config:check", false, check_config},
    {"POST", "/v1/config:diff", false, diff_config},
    {"PUT", "/v1/config", true, put_config},
    {"GET", "/v1/leaderboards/", false, admin_leaderboard},
    {"GET", "/v1/sinks", false, admin_sinks},
    {"GET", "/v1/sinks/", false, admin_sink},
    {"POST", "/v1/sinks/", true, admin_sink_change},
    {"POST", "/v1/stop", true, post_stop},
    {"GET", "/v1/users/", false, admin_explain},
    {"GET", "/v1/events/", false, admin_event},
    {"GET", "/v1/rejects", false, admin_rejects},
    {"POST", "/v1/corrections", true, admin_correct},
    {"GET", "/v1/corrections", false, admin_corrections},
    {"GET", "/v1/corrections/", false, admin_correction},
    {0},
};
