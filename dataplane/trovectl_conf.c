/* trovectl_conf.c - what a configuration file would change in the running daemon, and changing it.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "conf/control.h"
#include "dataplane/trovectl.h"

/* file_read returns the file's text, NUL-terminated, or NULL with errno set. */
static char *file_read(const char *path, size_t *len)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    char *text = malloc(CONTROL_BODY_MAX + 2);
    if (!text) {
        fclose(file);
        return NULL;
    }
    errno = 0;
    *len = fread(text, 1, CONTROL_BODY_MAX + 1, file);
    int err = ferror(file) ? errno : *len > CONTROL_BODY_MAX ? EFBIG : 0;
    fclose(file);
    if (err) {
        free(text);
        errno = err;
        return NULL;
    }
    text[*len] = '\0';
    return text;
}

/* send_file sends the configuration to path?file=... . */
static int send_file(struct trovectl *ctl, const char *method, const char *path,
                     const char *if_match, json_t **answer)
{
    char query[3 * PATH_MAX + 64];
    char absolute[PATH_MAX];
    size_t len = 0;
    char *text = file_read(ctl->file, &len);
    if (!text || !realpath(ctl->file, absolute)) {
        int err = errno;
        free(text);
        return trovectl_fail(ctl, TROVECTL_FAILED, "unreadable", "trovectl conf show",
                             "cannot read %s: %s", ctl->file, strerror(err));
    }
    snprintf(query, sizeof query, "%s", path);
    trovectl_query(query, sizeof query, "file", absolute);
    struct trovectl_request request = {.method = method,
                                       .path = query,
                                       .body = text,
                                       .body_len = len,
                                       .if_match = if_match,
                                       .member = "version"};
    int code = trovectl_call(ctl, &request, answer);
    free(text);
    return code;
}

/* value_print writes the change of one value; returns its width, also when out is NULL. */
static int value_print(const json_t *change, FILE *out)
{
    char text[512];
    const char *from = field_text(change, "from"), *to = field_text(change, "to");
    int len;
    switch (field_text(change, "sign")[0]) {
    case '+':
        len = snprintf(text, sizeof text, "%s", to);
        break;
    case '-':
        len = snprintf(text, sizeof text, "%s", from);
        break;
    default:
        len = snprintf(text, sizeof text, "%s -> %s", from, to);
    }
    if (out)
        fputs(text, out);
    return len < (int)sizeof text ? len : (int)sizeof text - 1;
}

#define COLUMN_MAX 48 /* a longer path or value does not push the others to the right */

void trovectl_print_diff(const json_t *diff, const char *file, FILE *out)
{
    const json_t *changes = json_object_get(diff, "differences"), *change;
    int path_width = 0, value_width = 0;
    size_t i;
    json_array_foreach(changes, i, change)
    {
        int path = (int)strnlen(field_text(change, "path"), COLUMN_MAX);
        int value = value_print(change, NULL);
        path_width = path > path_width ? path : path_width;
        if (value <= COLUMN_MAX && value > value_width)
            value_width = value;
    }
    json_array_foreach(changes, i, change)
    {
        fprintf(out, "%.1s %-*s   ", field_text(change, "sign"), path_width,
                field_text(change, "path"));
        int value = value_print(change, out);
        fprintf(out, "%*s   %s\n", value < value_width ? value_width - value : 0, "",
                json_is_true(json_object_get(change, "hot")) ? "hot" : "needs restart");
    }
    if (!json_array_size(changes))
        fprintf(out, "no differences: %s is what runs, v%llu\n", file,
                (unsigned long long)field_count(diff, "version"));
}

void trovectl_print_applied(const json_t *applied, FILE *out)
{
    const json_t *restart = json_object_get(applied, "restart"), *path;
    uint64_t changes = field_count(applied, "changes"), lcores = field_count(applied, "lcores");
    size_t waiting = json_array_size(restart), i;
    fprintf(out, "v%llu active in %.1f ms on %s lcore%s; %s change%s",
            (unsigned long long)field_count(applied, "version"), field_real(applied, "ms"),
            figure_count(lcores).text, lcores == 1 ? "" : "s", figure_count(changes).text,
            changes == 1 ? "" : "s");
    if (waiting)
        fprintf(out, ", %zu wait%s for a restart (", waiting, waiting == 1 ? "s" : "");
    json_array_foreach(restart, i, path)
    {
        const char *text = json_string_value(path);
        fprintf(out, "%s%s", i ? ", " : "", text ? text : "-");
    }
    fputs(waiting ? ")\n" : "\n", out);
}

int trovectl_conf_diff(struct trovectl *ctl)
{
    json_t *answer = NULL;
    int code = send_file(ctl, "POST", "/v1/config:diff", NULL, &answer);
    if (code)
        return code;
    if (ctl->json)
        trovectl_print_json(answer, ctl->out);
    else
        trovectl_print_diff(answer, ctl->file, ctl->out);
    json_decref(answer);
    return TROVECTL_OK;
}

int trovectl_conf_apply(struct trovectl *ctl)
{
    char tag[24];
    json_t *answer = NULL;
    if (ctl->if_version)
        snprintf(tag, sizeof tag, "\"v%s\"", ctl->if_version);
    int code = send_file(ctl, "PUT", "/v1/config", ctl->if_version ? tag : NULL, &answer);
    if (code)
        return code;
    trovectl_show(ctl, answer, trovectl_print_applied);
    bool pending = json_is_true(json_object_get(answer, "pending"));
    json_decref(answer);
    if (!pending)
        return TROVECTL_OK;
    fputs("error: it is published, but some core has not taken it up.  See: trovectl status\n",
          ctl->err);
    return TROVECTL_FAILED;
}

int trovectl_conf_show(struct trovectl *ctl)
{
    struct trovectl_request request = {.method = "GET", .path = "/v1/config", .member = "text"};
    json_t *answer = NULL;
    int code = trovectl_call(ctl, &request, &answer);
    if (code)
        return code;
    if (ctl->json) {
        trovectl_print_json(answer, ctl->out);
    } else {
        fprintf(ctl->err, "# v%llu  digest %s  applied %s  %s\n",
                (unsigned long long)field_count(answer, "version"), field_text(answer, "digest"),
                field_text(answer, "applied"), field_text(answer, "file"));
        fputs(field_text(answer, "text"), ctl->out);
    }
    json_decref(answer);
    return TROVECTL_OK;
}
