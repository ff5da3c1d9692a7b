/* trovectl_check.c - what can be said about configurations without a daemon: checking a file, the
 * schema, the manual. */
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "dataplane/base/event.h"
#include "dataplane/trovectl.h"
#include "graph/catalog.h"
#include "graph/items.h"
#include "graph/rules.h"

static json_t *fault_json(const struct diag *diag)
{
    json_t *fault = json_pack("{s:s, s:i, s:i, s:i, s:s, s:s}", "file", diag->file, "line",
                              (int)diag->line, "column", (int)diag->column, "length",
                              (int)diag->length, "code", diag->code, "text", diag->text);
    /* A source line that is not UTF-8 is a fault of its own, and has no JSON. */
    json_t *source = json_string(diag->source);
    json_object_set_new(fault, "source", source ? source : json_null());
    return fault;
}

static int report_faults(struct trovectl *ctl, const struct diag_list *diags)
{
    unsigned count = diags->count + diags->dropped;
    if (ctl->json) {
        json_t *errors = json_array();
        for (unsigned i = 0; i < diags->count; i++)
            json_array_append_new(errors, fault_json(&diags->diags[i]));
        json_t *answer = json_pack("{s:b, s:o}", "ok", 0, "errors", errors);
        trovectl_print_json(answer, ctl->out);
        json_decref(answer);
    }
    diag_print(diags, ctl->err);
    fprintf(ctl->err, "%s error%s.  See: trovectl conf manual\n", figure_count(count).text,
            count == 1 ? "" : "s");
    return TROVECTL_FAILED;
}

static void report_ok(struct trovectl *ctl, const struct rules *rules, const struct items *items)
{
    uint64_t edges = 0;
    for (uint32_t i = 0; i < rules->catalog_count; i++)
        edges += catalog_edge_count(rules->catalogs[i]);
    if (ctl->json) {
        json_t *answer =
            json_pack("{s:b, s:s*, s:I, s:I, s:I, s:I}", "ok", 1, "file", ctl->file, "hunts",
                      (json_int_t)rules->hunt_count, "catalogs", (json_int_t)rules->catalog_count,
                      "items", (json_int_t)items_count(items), "edges", (json_int_t)edges);
        trovectl_print_json(answer, ctl->out);
        json_decref(answer);
        return;
    }
    fprintf(ctl->out, "ok  %s  %u hunt%s", ctl->file, rules->hunt_count,
            rules->hunt_count == 1 ? "" : "s");
    if (rules->catalog_count)
        fprintf(ctl->out, ", %u catalog%s with %s items and %s edges", rules->catalog_count,
                rules->catalog_count == 1 ? "" : "s", figure_count(items_count(items)).text,
                figure_count(edges).text);
    fputc('\n', ctl->out);
}

int trovectl_conf_check(struct trovectl *ctl)
{
    static const uint8_t seed[HASH_SEED_BYTES]; /* any key will do to count items */
    struct diag_list diags = {0};
    struct hash_key key;
    struct items *items = NULL;
    struct rules *rules = NULL;

    hash_key_init(&key, seed);
    struct conf *conf = conf_load_file(ctl->file, &diags);
    if (conf)
        items = items_new(conf->limits.items);
    if (items)
        rules = rules_build(conf, 1, &key, items, &diags);
    int code = TROVECTL_OK;
    if (rules)
        report_ok(ctl, rules, items);
    else if (diags.count)
        code = report_faults(ctl, &diags);
    else
        code = trovectl_fail(ctl, TROVECTL_FAILED, "no_memory", "free -m",
                             "not enough memory to check %s", ctl->file);
    rules_free(rules);
    items_free(items);
    conf_free(conf);
    diag_list_fini(&diags);
    return code;
}

int trovectl_conf_schema(struct trovectl *ctl)
{
    conf_print_schema(ctl->out);
    return TROVECTL_OK;
}

int trovectl_conf_manual(struct trovectl *ctl)
{
    if (!ctl->json) {
        conf_print_manual(ctl->out);
        return TROVECTL_OK;
    }
    char *text = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&text, &len);
    if (!memory)
        return trovectl_fail(ctl, TROVECTL_FAILED, "no_memory", "free -m", "not enough memory");
    conf_print_manual(memory);
    fclose(memory);
    json_t *answer = json_pack("{s:s}", "manual", text);
    trovectl_print_json(answer, ctl->out);
    json_decref(answer);
    free(text);
    return TROVECTL_OK;
}
