/* check.c - conf_load and rules_build with a dictionary and key of their own. */
#include "dataplane/check.h"

#include "conf/conf.h"
#include "graph/rules.h"

static void print_good(const struct conf *conf, const struct rules *rules, FILE *out)
{
    uint64_t items = 0, edges = 0;
    for (uint32_t i = 0; i < rules->catalog_count; i++) {
        items += catalog_item_count(rules->catalogs[i]);
        edges += catalog_edge_count(rules->catalogs[i]);
    }
    fprintf(out,
            "ok  %s  %u types, %u hunts, %u catalogs with %llu items and %llu edges, %u sinks\n",
            conf->file, conf->events.type_count, conf->hunt_count, rules->catalog_count,
            (unsigned long long)items, (unsigned long long)edges, conf->sink_count);
}

int check_file(const char *file, FILE *out, FILE *err)
{
    static const uint8_t seed[HASH_SEED_BYTES];
    struct diag_list diags = {0};
    struct hash_key key;
    struct rules *rules = NULL;
    struct items *items = NULL;
    hash_key_init(&key, seed);
    struct conf *conf = conf_load_file(file, &diags);
    if (conf)
        items = items_new(conf->limits.items);
    if (items)
        rules = rules_build(conf, 1, &key, items, &diags);
    if (rules)
        print_good(conf, rules, out);
    else
        diag_print(&diags, err);
    int status = rules ? 0 : 1;
    rules_free(rules);
    items_free(items);
    conf_free(conf);
    diag_list_fini(&diags);
    return status;
}
