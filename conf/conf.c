/* conf.c - loading and freeing a configuration. */
#include "conf/conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/reader.h"

static void report(struct diag_list *diags, const char *file, const char *code, const char *text)
{
    struct diag place = {0};
    snprintf(place.file, sizeof place.file, "%s", file);
    diag_add(diags, &place, code, "%s", text);
}

/* A fault in a long list is told at the place where it stands, whatever order it was found in. */
static int by_place(const void *a, const void *b)
{
    const struct diag *x = a, *y = b;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

/* What stands in a template is found again in every hunt that uses it, and told once. */
static void drop_repeats(struct diag_list *diags, unsigned first)
{
    unsigned kept = first;
    for (unsigned i = first; i < diags->count; i++) {
        const struct diag *one = &diags->diags[i];
        bool repeats = false;
        for (unsigned j = kept; j > first && diags->diags[j - 1].line == one->line && !repeats; j--)
            repeats = diags->diags[j - 1].column == one->column && one->line &&
                      strcmp(diags->diags[j - 1].text, one->text) == 0;
        if (!repeats && kept++ != i)
            diags->diags[kept - 1] = *one;
    }
    diags->count = kept;
}

/* Relative catalogs stand beside the configuration, wherever the daemon was started. */
static int find_dir(const char *file, char dir[CONF_PATH_MAX])
{
    char cwd[CONF_PATH_MAX] = "";
    const char *slash = strrchr(file, '/');
    int len = slash ? (int)(slash - file) : 0;
    if (file[0] != '/' && !getcwd(cwd, sizeof cwd))
        return -errno;
    const char *between = file[0] == '/' || len == 0 ? "" : "/";
    int total = snprintf(dir, CONF_PATH_MAX, "%s%s%.*s", cwd, between, len, file);
    if (total == 0)
        snprintf(dir, CONF_PATH_MAX, "/");
    return total < CONF_PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int read_text(struct conf *conf, const char *text, size_t len, struct diag_list *diags)
{
    struct yaml yaml = {0};
    struct reader reader = {.conf = conf, .yaml = &yaml, .diags = diags};
    unsigned before = diags->count, dropped = diags->dropped;
    int rc = find_dir(conf->file, reader.dir);
    if (rc == 0)
        rc = yaml_parse(&yaml, conf->file, text, len, diags);
    if (rc == 0)
        reader_run(&reader);
    yaml_fini(&yaml);
    if (rc < 0 && diags->count == before)
        report(diags, conf->file, "unreadable", strerror(-rc));
    if (diags->count > before)
        qsort(diags->diags + before, diags->count - before, sizeof *diags->diags, by_place);
    drop_repeats(diags, before);
    return diags->count > before || diags->dropped > dropped ? -EINVAL : 0;
}

struct conf *conf_load(const char *file, const char *text, size_t len, struct diag_list *diags)
{
    struct conf *conf = NULL;
    if (strlen(file) >= CONF_PATH_MAX)
        report(diags, file, "unreadable", "the file's path is longer than 255 bytes");
    else if (len > CONF_TEXT_MAX)
        report(diags, file, "unreadable", "longer than the 4 MiB that a configuration can have");
    else if (!(conf = calloc(1, sizeof *conf)) || !(conf->text = malloc(len + 1)))
        report(diags, file, "unreadable", "not enough memory");
    if (!conf || !conf->text)
        goto fail;
    memcpy(conf->text, text, len);
    conf->text[len] = 0;
    conf->text_len = len;
    snprintf(conf->file, sizeof conf->file, "%s", file);
    if (read_text(conf, conf->text, len, diags) < 0)
        goto fail;
    return conf;
fail:
    conf_free(conf);
    return NULL;
}

static int read_file(const char *file, char *text, size_t *len)
{
    FILE *in = fopen(file, "re");
    if (!in)
        return -errno;
    errno = 0;
    *len = fread(text, 1, CONF_TEXT_MAX + 1, in);
    int rc = ferror(in) ? -(errno ? errno : EIO) : 0;
    fclose(in);
    return rc;
}

struct conf *conf_load_file(const char *file, struct diag_list *diags)
{
    struct conf *conf = NULL;
    size_t len = 0;
    char *text = malloc(CONF_TEXT_MAX + 1);
    int rc = text ? read_file(file, text, &len) : -ENOMEM;
    if (rc < 0) {
        char why[128];
        snprintf(why, sizeof why, "cannot be read: %s", strerror(-rc));
        report(diags, file, "unreadable", why);
    } else {
        conf = conf_load(file, text, len, diags);
    }
    free(text);
    return conf;
}

/* FNV-1a, folded: written with users' progress, so the same on every host and for good. */
uint16_t conf_variant_tag(const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 16777619u;
    uint16_t tag = (uint16_t)(h ^ h >> 16);
    return tag ? tag : 1;
}

void conf_free(struct conf *conf)
{
    if (!conf)
        return;
    for (uint32_t i = 0; i < CONF_TYPES_MAX; i++)
        for (uint32_t j = 0; j < CONF_MEMBERS_MAX; j++)
            free(conf->events.types[i].members[j].value);
    for (uint32_t i = 0; i < CONF_HUNTS_MAX; i++) {
        free(conf->hunts[i].start);
        free(conf->hunts[i].treasure);
    }
    for (uint32_t i = 0; i < CONF_SINKS_MAX; i++)
        free(conf->sinks[i].hunt);
    free(conf->http.origin);
    free(conf->text);
    free(conf);
}
