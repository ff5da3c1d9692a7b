/* trovectl_sink.c - sinks: how they fare, and pause, resume, drain and skip. */
#include <inttypes.h>
#include <string.h>

#include "dataplane/trovectl.h"

static void print_extra(const json_t *sink, const char *key, const char *title, FILE *out)
{
    if (field_count(sink, key))
        fprintf(out, "  %s %s", title, figure_count(field_count(sink, key)).text);
}

static void print_sink(const json_t *sink, FILE *out)
{
    const json_t *stuck = json_object_get(sink, "stuck");
    fprintf(out, "%-20s %-6s %-8s delivered %s  lag %s records, %s, %.1f s",
            field_text(sink, "name"), field_text(sink, "type"), field_text(sink, "state"),
            figure_count(field_count(sink, "delivered")).text,
            figure_count(field_count(sink, "lag_records")).text,
            figure_bytes(field_count(sink, "lag_bytes")).text, field_real(sink, "lag_seconds"));
    print_extra(sink, "errors", "errors", out);
    print_extra(sink, "repeats", "repeats", out);
    print_extra(sink, "gaps", "gaps filled", out);
    print_extra(sink, "set_aside", "set aside", out);
    print_extra(sink, "skipped", "skipped", out);
    fputc('\n', out);
    if (json_object_get(sink, "last_error")) {
        fputs(json_object_get(sink, "error") ? "  error  " : "  last error  ", out);
        field_print(sink, "last_error", 256, out);
        fputc('\n', out);
    }
    if (stuck)
        fprintf(out, "  stuck at seq %s (shard %" PRIu64 ", %s): trovectl sink %s skip passes it\n",
                field_text(stuck, "seq"), field_count(stuck, "shard"), field_text(stuck, "place"),
                field_text(sink, "name"));
}

void trovectl_print_sinks(const json_t *answer, FILE *out)
{
    const json_t *sink;
    size_t i;
    json_array_foreach(json_object_get(answer, "sinks"), i, sink) print_sink(sink, out);
    if (!json_array_size(json_object_get(answer, "sinks")))
        fputs("no sinks are configured\n", out);
}

static void print_done(const json_t *answer, FILE *out)
{
    const json_t *skipped = json_object_get(answer, "skipped");
    fprintf(out, "%s: %s", field_text(answer, "name"), field_text(answer, "done"));
    if (skipped)
        fprintf(out, " of seq %s (shard %" PRIu64 ", %s), which is kept in %s",
                field_text(skipped, "seq"), field_count(skipped, "shard"),
                field_text(skipped, "place"), field_text(answer, "kept"));
    fputc('\n', out);
}

static int call(struct trovectl *ctl, const char *method, const char *verb,
                void (*print)(const json_t *, FILE *))
{
    static const char name_chars[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    char path[160] = "/v1/sinks";
    if (ctl->file && (ctl->file[strspn(ctl->file, name_chars)] || strlen(ctl->file) > 64))
        return trovectl_fail(ctl, TROVECTL_FAILED, "sink_not_found", "trovectl sink",
                             "no sink can be called '%.80s'", ctl->file);
    if (ctl->file)
        snprintf(path, sizeof path, "/v1/sinks/%s%s%s", ctl->file, *verb ? ":" : "", verb);
    struct trovectl_request request = {.method = method, .path = path};
    return trovectl_ask(ctl, &request, print);
}

int trovectl_sink(struct trovectl *ctl)
{
    static const char *const verbs[] = {"pause", "resume", "drain", "skip"};
    if (!ctl->action)
        return call(ctl, "GET", "", trovectl_print_sinks);
    for (unsigned i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(ctl->action, verbs[i]) == 0)
            return call(ctl, "POST", verbs[i], print_done);
    return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl help",
                         "a sink can be told pause, resume, drain and skip, not '%.40s'",
                         ctl->action);
}
