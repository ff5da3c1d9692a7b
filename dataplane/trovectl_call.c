/* trovectl_call.c - a call of the daemon, reading its answer, and what to say when it does not go
 * well. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "conf/control.h"
#include "conf/diag.h"
#include "dataplane/trovectl.h"

uint64_t field_count(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (uint64_t)value : 0;
}

double field_real(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

const char *field_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "-";
}

void text_print(const char *text, size_t limit, FILE *out)
{
    const unsigned char *at = (const unsigned char *)text;
    for (size_t i = 0; at[i]; i++) {
        /* A character is not parted. */
        if (i >= limit && (at[i] & 0xc0) != 0x80) {
            fputs("...", out);
            return;
        }
        bool c1 = at[i] == 0xc2 && at[i + 1] >= 0x80 && at[i + 1] < 0xa0;
        fputc(at[i] < 0x20 || at[i] == 0x7f || c1 ? '.' : at[i], out);
        i += c1;
    }
}

void field_print(const json_t *object, const char *key, size_t limit, FILE *out)
{
    text_print(field_text(object, key), limit, out);
}

void trovectl_print_json(const json_t *answer, FILE *out)
{
    json_dumpf(answer, out, JSON_INDENT(2));
    fputc('\n', out);
}

/* print_faults renders a configuration's faults as an offline check would. */
static void print_faults(const json_t *errors, FILE *err)
{
    struct diag_list list = {0};
    const json_t *error;
    size_t i;
    json_array_foreach(errors, i, error)
    {
        struct diag place = {
            .line = (unsigned)field_count(error, "line"),
            .column = (unsigned)field_count(error, "column"),
            .length = (unsigned)field_count(error, "length"),
        };
        const char *source = json_string_value(json_object_get(error, "source"));
        snprintf(place.file, sizeof place.file, "%s", field_text(error, "file"));
        snprintf(place.source, sizeof place.source, "%s", source ? source : "");
        diag_add(&list, &place, field_text(error, "code"), "%s", field_text(error, "text"));
    }
    diag_print(&list, err);
    diag_list_fini(&list);
}

void trovectl_print_problem(const json_t *problem, FILE *err)
{
    const char *next = json_string_value(json_object_get(problem, "next"));
    print_faults(json_object_get(problem, "errors"), err);
    fprintf(err, "error: %s", field_text(problem, "detail"));
    if (next)
        fprintf(err, ".  See: %s", next);
    fputc('\n', err);
}

int trovectl_fail(struct trovectl *ctl, int exit_code, const char *code, const char *next,
                  const char *detail, ...)
{
    char text[1024];
    va_list args;
    va_start(args, detail);
    vsnprintf(text, sizeof text, detail, args);
    va_end(args);
    fprintf(ctl->err, "error: %s.  See: %s\n", text, next);
    if (ctl->json) {
        /* A path need not be UTF-8, and then has no JSON. */
        json_t *problem = json_pack("{s:s, s:s, s:s*, s:s}", "type", "about:blank", "code", code,
                                    "detail", text, "next", next);
        if (!problem)
            problem =
                json_pack("{s:s, s:s, s:s}", "type", "about:blank", "code", code, "next", next);
        trovectl_print_json(problem, ctl->out);
        json_decref(problem);
    }
    return exit_code;
}

void trovectl_query(char *path, size_t room, const char *name, const char *value)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    size_t len = strlen(path);
    int head = snprintf(path + len, room - len, "%c%s=", strchr(path, '?') ? '&' : '?', name);
    len += (size_t)head;
    for (; *value && len + 4 <= room; value++)
        len += (size_t)snprintf(path + len, room - len, strchr(plain, *value) ? "%c" : "%%%02X",
                                (unsigned char)*value);
}

static int fail_unreachable(struct trovectl *ctl, int err)
{
    switch (err) {
    case ENOENT:
        return trovectl_fail(ctl, TROVECTL_UNREACHABLE, "unreachable", "systemctl status troved",
                             "no troved: there is no control socket %s (another one: --socket "
                             "PATH, or TROVE_CTL)",
                             ctl->socket);
    case ECONNREFUSED:
        return trovectl_fail(ctl, TROVECTL_UNREACHABLE, "unreachable", "systemctl status troved",
                             "no troved: nobody listens on %s any more", ctl->socket);
    case EACCES:
    case EPERM:
        return trovectl_fail(ctl, TROVECTL_UNREACHABLE, "unreachable", "id",
                             "no access to %s: only root and the group of that file have it",
                             ctl->socket);
    case ETIMEDOUT:
        return trovectl_fail(ctl, TROVECTL_UNREACHABLE, "unreachable", "systemctl status troved",
                             "troved on %s has not answered for 8 s", ctl->socket);
    default:
        return trovectl_fail(ctl, TROVECTL_UNREACHABLE, "unreachable", "systemctl status troved",
                             "no answer from %s: %s", ctl->socket, strerror(err));
    }
}

/* headers_of writes the lines that a request needs. */
static void headers_of(const struct trovectl_request *request, char lines[3][128],
                       const char *headers[4])
{
    unsigned count = 0;
    if (request->body)
        snprintf(lines[count++], 128, "Content-Type: application/%s",
                 request->key ? "json" : "yaml");
    if (request->if_match)
        snprintf(lines[count++], 128, "If-Match: %s", request->if_match);
    if (request->key)
        snprintf(lines[count++], 128, "Idempotency-Key: %s", request->key);
    for (unsigned i = 0; i < 4; i++)
        headers[i] = i < count ? lines[i] : NULL;
}

int trovectl_call(struct trovectl *ctl, const struct trovectl_request *request, json_t **answer)
{
    char lines[3][128];
    const char *headers[4];
    headers_of(request, lines, headers);
    int status = control_call(ctl->socket, request->method, request->path, request->body,
                              request->body_len, headers, answer);
    if (status < 0)
        return fail_unreachable(ctl, -status);
    bool ours = json_is_object(*answer) &&
                (status >= 300 || !request->member || json_object_get(*answer, request->member));
    if (!ours) {
        json_decref(*answer);
        *answer = NULL;
        return trovectl_fail(ctl, TROVECTL_FAILED, "bad_answer", "trovectl version",
                             "what listens on %s answers %d, but not as troved does: is it another "
                             "version, or another program?",
                             ctl->socket, status);
    }
    if (status < 300)
        return TROVECTL_OK;
    if (ctl->json)
        trovectl_print_json(*answer, ctl->out);
    trovectl_print_problem(*answer, ctl->err);
    json_decref(*answer);
    *answer = NULL;
    return status == 412 ? TROVECTL_CONFLICT : TROVECTL_FAILED;
}

void trovectl_show(struct trovectl *ctl, const json_t *answer,
                   void (*print)(const json_t *answer, FILE *out))
{
    if (ctl->json)
        trovectl_print_json(answer, ctl->out);
    else
        print(answer, ctl->out);
}

int trovectl_ask(struct trovectl *ctl, const struct trovectl_request *request,
                 void (*print)(const json_t *answer, FILE *out))
{
    json_t *answer = NULL;
    int code = trovectl_call(ctl, request, &answer);
    if (!code)
        trovectl_show(ctl, answer, print);
    json_decref(answer);
    return code;
}
