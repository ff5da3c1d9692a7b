/* admin_http.c - what the status says of TCP and HTTP: every counter of their lists, under its
 * name.
 */
#include "dataplane/admin.h"

static void count(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name, json_integer((json_int_t)value));
}

static json_t *tcp_json(const struct http_totals *totals)
{
    const struct tcp_counters *c = &totals->tcp;
    json_t *tcp = json_object(), *dropped = json_object(), *ended = json_object();
#define COUNT(name, help) count(tcp, #name, c->name);
    TCP_COUNTER_LIST(COUNT)
#undef COUNT
    for (unsigned i = 0; i < TCP_REASON_COUNT; i++)
        count(dropped, tcp_reason_name(i), c->dropped[i]);
    for (unsigned i = 0; i < TCP_END_COUNT; i++)
        count(ended, tcp_end_name(i), c->ended[i]);
    json_object_set_new(tcp, "dropped", dropped);
    json_object_set_new(tcp, "ended", ended);
    json_object_set_new(tcp, "now",
                        json_pack("{s:I, s:I, s:I, s:I}", "connections", (json_int_t)c->connections,
                                  "time_waits", (json_int_t)c->time_waits, "chunks",
                                  (json_int_t)c->chunks, "frames_waiting",
                                  (json_int_t)totals->frames_waiting));
    return tcp;
}

static json_t *http_json(const struct topo *topo, const struct http_totals *totals)
{
    const struct http_counters *c = &totals->http;
    json_t *http = json_object(), *answers = json_object(), *problems = json_object();
    count(http, "port", topo->conf->http.port);
    count(http, "requests_per_s", atomic_load(&topo->requests_per_s));
#define COUNT(name, help) count(http, #name, c->name);
    HTTP_COUNTER_LIST(COUNT)
#undef COUNT
    for (unsigned i = 0; i < HTTP_STATUS_COUNT; i++) {
        char number[16];
        snprintf(number, sizeof number, "%u", http_status_number(i));
        count(answers, number, c->answers[i]);
    }
    for (unsigned i = 1; i < HTTP_PROBLEM_COUNT; i++)
        count(problems, http_problem_name(i), c->problems[i]);
    json_object_set_new(http, "answers", answers);
    json_object_set_new(http, "problems", problems);
    json_object_set_new(http, "now",
                        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "connections",
                                  (json_int_t)c->open_connections, "requests", (json_int_t)c->slots,
                                  "mediums", (json_int_t)c->mediums, "larges",
                                  (json_int_t)c->larges, "batches", (json_int_t)c->open_batches,
                                  "events", (json_int_t)c->open_events));
    return http;
}

void admin_http_status(const struct topo *topo, json_t *status)
{
    struct http_totals totals;
    topo_http_count(topo, &totals);
    json_object_set_new(status, "tcp", tcp_json(&totals));
    json_object_set_new(status, "http", http_json(topo, &totals));
}
