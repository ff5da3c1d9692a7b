/* diff.c - what differs between two configurations, along the table of keys. */
#include <stdlib.h>
#include <string.h>

#include "conf/table.h"

typedef void (*each_fn)(void *arg, char sign, const char *path, const char *from, const char *to,
                        bool hot);

struct diff {
    const struct conf *from;
    const struct conf *to;
    each_fn each;
    void *arg;
    unsigned count;
    char path[512];
    size_t path_len;
};

static void diff_set(struct diff *d, const struct key_set *set, const void *from, const void *to);

/* Appends to the path; the caller puts path_len back to what it returns. */
static size_t enter(struct diff *d, const char *name)
{
    size_t before = d->path_len;
    size_t room = sizeof d->path - before;
    int len = snprintf(d->path + before, room, "%s%s", before ? "." : "", name);
    d->path_len = before + ((size_t)len < room ? (size_t)len : room - 1);
    return before;
}

static void leave(struct diff *d, size_t path_len)
{
    d->path_len = path_len;
    d->path[path_len] = 0;
}

static void tell(struct diff *d, char sign, const char *from, const char *to, bool hot)
{
    d->count++;
    d->each(d->arg, sign, d->path, from ? from : "", to ? to : "", hot);
}

/* The value as text, "" when the key is absent or base is NULL; the caller frees it. */
static char *value_text(const struct key *key, const struct conf *conf, const void *base)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return NULL;
    if (base)
        key_print(key, conf, base, out);
    fclose(out);
    return text;
}

static void diff_value(struct diff *d, const struct key *key, const void *from, const void *to)
{
    char *before = value_text(key, d->from, from);
    char *after = value_text(key, d->to, to);
    if (before && after && strcmp(before, after) != 0)
        tell(d, *before == 0 ? '+' : *after == 0 ? '-' : '~', before, after, key->flags & KEY_HOT);
    free(before);
    free(after);
}

static bool is_default(const struct key *key, const struct conf *conf, const char *text,
                       uint32_t bytes)
{
    void *fresh = calloc(1, bytes);
    if (!fresh)
        return false;
    key_set_default(key, conf, fresh);
    char *normal = value_text(key, conf, fresh);
    bool same = normal && strcmp(normal, text) == 0;
    free(normal);
    free(fresh);
    return same;
}

static void print_element(const struct key_set *set, const struct conf *conf, const void *element,
                          bool with_id, FILE *out);

/* {name: {key: value, ...}, ...}; "" when it is empty. */
static char *map_text(const struct key *key, const struct conf *conf, const void *base)
{
    char *text = NULL;
    size_t len;
    void *map = (void *)(uintptr_t)base;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return NULL;
    for (uint32_t i = 0; i < *key_count(key, map); i++) {
        const void *element = key_element(key, map, i);
        char *id = value_text(key->set->id, conf, element);
        fprintf(out, "%s%s: ", i ? ", " : "{", id ? id : "");
        print_element(key->set, conf, element, false, out);
        free(id);
    }
    if (*key_count(key, map))
        fputc('}', out);
    fclose(out);
    return text;
}

/* A whole element on one line: what is not as by default, without the name that the path has. */
static void print_element(const struct key_set *set, const struct conf *conf, const void *element,
                          bool with_id, FILE *out)
{
    const char *comma = "";
    unsigned kinds = table_kinds(set, element);
    fputc('{', out);
    for (const struct key *key = set->keys; key->name; key++) {
        if (!table_applies(key, kinds) || (key == set->id && !with_id))
            continue;
        char *text = value_text(key, conf, element);
        if (key->type == KEY_MAP) {
            free(text);
            text = map_text(key, conf, element);
        }
        bool always = key->flags & KEY_REQUIRED || key->type == KEY_MAP;
        if (text && *text && (always || !is_default(key, conf, text, set->bytes))) {
            fprintf(out, "%s%s: %s", comma, key->name, text);
            comma = ", ";
        }
        free(text);
    }
    fputc('}', out);
}

static char *element_text(const struct key_set *set, const struct conf *conf, const void *element)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return NULL;
    print_element(set, conf, element, false, out);
    fclose(out);
    return text;
}

static void *find_element(const struct key *key, const struct conf *conf, const void *base,
                          const char *id)
{
    void *list = (void *)(uintptr_t)base;
    for (uint32_t i = 0; i < *key_count(key, list); i++) {
        void *element = key_element(key, list, i);
        char *text = value_text(key->set->id, conf, element);
        bool same = text && strcmp(text, id) == 0;
        free(text);
        if (same)
            return element;
    }
    return NULL;
}

/* Walks one side's elements: those of both sides are compared, those of this side alone told. */
static void diff_side(struct diff *d, const struct key *key, const void *base, const void *other,
                      char sign)
{
    const struct conf *conf = sign == '-' ? d->from : d->to;
    const struct conf *other_conf = sign == '-' ? d->to : d->from;
    void *list = (void *)(uintptr_t)base;
    for (uint32_t i = 0; i < *key_count(key, list); i++) {
        void *element = key_element(key, list, i);
        char *id = value_text(key->set->id, conf, element);
        if (!id)
            continue;
        size_t before = enter(d, id);
        void *twin = find_element(key, other_conf, other, id);
        if (twin && sign == '-') {
            diff_set(d, key->set, element, twin);
        } else if (!twin) {
            char *text = element_text(key->set, conf, element);
            tell(d, sign, sign == '-' ? text : NULL, sign == '-' ? NULL : text,
                 key->flags & KEY_HOT);
            free(text);
        }
        leave(d, before);
        free(id);
    }
}

static char *list_text(const struct key *key, const struct conf *conf, const void *base)
{
    char *text = NULL;
    size_t len;
    void *list = (void *)(uintptr_t)base;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return NULL;
    if (*((const bool *)base + key->auto_offset)) {
        fputs("auto", out);
    } else {
        for (uint32_t i = 0; i < *key_count(key, list); i++) {
            fputs(i ? ", " : "[", out);
            print_element(key->set, conf, key_element(key, list, i), true, out);
        }
        fputc(']', out);
    }
    fclose(out);
    return text;
}

/* Between auto and a list the whole is one difference. */
static void diff_list(struct diff *d, const struct key *key, const void *from, const void *to)
{
    if ((key->flags & KEY_AUTO) &&
        *((const bool *)from + key->auto_offset) != *((const bool *)to + key->auto_offset)) {
        char *before = list_text(key, d->from, from);
        char *after = list_text(key, d->to, to);
        tell(d, '~', before, after, key->flags & KEY_HOT);
        free(before);
        free(after);
        return;
    }
    diff_side(d, key, from, to, '-');
    diff_side(d, key, to, from, '+');
}

static void diff_set(struct diff *d, const struct key_set *set, const void *from, const void *to)
{
    unsigned from_kinds = table_kinds(set, from);
    unsigned to_kinds = table_kinds(set, to);
    for (const struct key *key = set->keys; key->name; key++) {
        bool before = table_applies(key, from_kinds);
        bool after = table_applies(key, to_kinds);
        if (key == set->id || (!before && !after) || (!key->width && !key_is_set(key)))
            continue;
        size_t path_len = enter(d, key->name);
        if (key->type == KEY_SECTION)
            diff_set(d, key->set, from, to);
        else if (key_is_set(key))
            diff_list(d, key, from, to);
        else
            diff_value(d, key, before ? from : NULL, after ? to : NULL);
        leave(d, path_len);
    }
}

unsigned conf_diff(const struct conf *from, const struct conf *to, each_fn each, void *arg)
{
    struct diff d = {.from = from, .to = to, .each = each, .arg = arg};
    diff_set(&d, &table_root, from, to);
    return d.count;
}

static void note_difference(void *arg, char sign, const char *path, const char *from,
                            const char *to, bool hot)
{
    (void)sign, (void)from, (void)to, (void)hot;
    if (strcmp(path, "paused") != 0)
        *(bool *)arg = true;
}

bool conf_sink_same(const struct conf_sink *from, const struct conf_sink *to)
{
    bool differs = false;
    struct diff d = {.each = note_difference, .arg = &differs};
    diff_set(&d, &table_sink, from, to);
    return !differs;
}
