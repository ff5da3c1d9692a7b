/* trovectl_check.c - what can be said about configurations without a daemon: checking a file, the
 * schema, the manual. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "dataplane/check.h"
#include "dataplane/trovectl.h"

/* A file's name or a source line need not be UTF-8, and then has no JSON. */
static void set_text(json_t *object, const char *key, const char *text)
{
    json_t *value = json_string(text);
    json_object_set_new(object, key, value ? value : json_null());
}

static json_t *faults_json(const struct diag_list *diags)
{
    json_t *errors = json_array();
    for (unsigned i = 0; i < diags->count; i++) {
        const struct diag *diag = &diags->diags[i];
        json_t *fault =
            json_pack("{s:i, s:i, s:i, s:s}", "line", (int)diag->line, "column", (int)diag->column,
                      "length", (int)diag->length, "code", diag->code);
        set_text(fault, "file", diag->file);
        set_text(fault, "text", diag->text);
        set_text(fault, "source", diag->source);
        json_array_append_new(errors, fault);
    }
    return errors;
}

static int report_faults(struct trovectl *ctl, const struct diag_list *diags)
{
    unsigned count = diags->count + diags->dropped;
    if (ctl->json) {
        json_t *answer = json_pack("{s:b, s:o}", "ok", 0, "errors", faults_json(diags));
        trovectl_print_json(answer, ctl->out);
        json_decref(answer);
    }
    diag_print(diags, ctl->err);
    fprintf(ctl->err, "%u error%s.  See: trovectl conf manual\n", count, count == 1 ? "" : "s");
    return TROVECTL_FAILED;
}

static int report_good(struct trovectl *ctl, const struct check_report *report)
{
    if (!ctl->json) {
        check_print_good(ctl->file, report, ctl->out);
        return TROVECTL_OK;
    }
    json_t *answer =
        json_pack("{s:b, s:i, s:i, s:i, s:I, s:I, s:i, s:I}", "ok", 1, "types", (int)report->types,
                  "hunts", (int)report->hunts, "catalogs", (int)report->catalogs, "items",
                  (json_int_t)report->items, "edges", (json_int_t)report->edges, "sinks",
                  (int)report->sinks, "http_bytes", (json_int_t)report->http_bytes);
    trovectl_print_json(answer, ctl->out);
    json_decref(answer);
    return TROVECTL_OK;
}

int trovectl_conf_check(struct trovectl *ctl)
{
    struct check_report report;
    struct diag_list diags = {0};
    int code;
    switch (check_run(ctl->file, &report, &diags)) {
    case 0:
        code = report_good(ctl, &report);
        break;
    case -ENOMEM:
        code = trovectl_fail(ctl, TROVECTL_FAILED, "no_memory", "free -m",
                             "not enough memory to check %s", ctl->file);
        break;
    default:
        code = report_faults(ctl, &diags);
        break;
    }
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
