/* check.c - conf_load and rules_build with a dictionary and key of their own. */
#include "dataplane/check.h"

#include <errno.h>

#include "conf/conf.h"
#include "dataplane/figure.h"
#include "dataplane/http_conf.h"
#include "graph/rules.h"

/* As on a host where one core takes all packets; on others each has its share. */
static uint64_t http_bytes(const struct conf *conf)
{
    struct tcp_limits tcp = http_conf_tcp_limits(conf, 1);
    struct http_limits http = http_conf_limits(conf, 1, 1);
    return conf->http.port ? tcp_footprint(&tcp) + http_footprint(&http) : 0;
}

static void fill_report(const struct conf *conf, const struct rules *rules,
                        struct check_report *report)
{
    *report = (struct check_report){
        .types = conf->events.type_count,
        .hunts = conf->hunt_count,
        .catalogs = rules->catalog_count,
        .sinks = conf->sink_count,
        .http_bytes = http_bytes(conf),
    };
    for (uint32_t i = 0; i < rules->catalog_count; i++) {
        report->items += catalog_item_count(rules->catalogs[i]);
        report->edges += catalog_edge_count(rules->catalogs[i]);
    }
}

int check_run(const char *file, struct check_report *report, struct diag_list *diags)
{
    static const uint8_t seed[HASH_SEED_BYTES];
    struct hash_key key;
    struct rules *rules = NULL;
    struct items *items = NULL;
    hash_key_init(&key, seed);
    struct conf *conf = conf_load_file(file, diags);
    if (conf)
        items = items_new(conf->limits.items);
    if (items)
        rules = rules_build(conf, 1, &key, items, diags);
    int result = rules ? 0 : diags->count ? -EINVAL : -ENOMEM;
    if (rules)
        fill_report(conf, rules, report);
    rules_free(rules);
    items_free(items);
    conf_free(conf);
    return result;
}

static const char *plural(unsigned count)
{
    return count == 1 ? "" : "s";
}

void check_print_good(const char *file, const struct check_report *report, FILE *out)
{
    fprintf(out, "ok  %s  %u type%s, %u hunt%s, %u catalog%s with %s items and %s edges, %u sink%s",
            file, report->types, plural(report->types), report->hunts, plural(report->hunts),
            report->catalogs, plural(report->catalogs), figure_count(report->items).text,
            figure_count(report->edges).text, report->sinks, plural(report->sinks));
    if (report->http_bytes)
        fprintf(out, ", http with %s of memory", figure_bytes(report->http_bytes).text);
    fputc('\n', out);
}

int check_file(const char *file, FILE *out, FILE *err)
{
    struct check_report report;
    struct diag_list diags = {0};
    int result = check_run(file, &report, &diags);
    if (result == 0)
        check_print_good(file, &report, out);
    else if (result == -ENOMEM)
        fprintf(err, "error: not enough memory to check %s\n", file);
    diag_print(&diags, err);
    diag_list_fini(&diags);
    return result ? 1 : 0;
}
