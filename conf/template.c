/* template.c - checking templates, and joining a hunt with the one that it names. */
#include "conf/template.h"

#include <stdlib.h>
#include <string.h>

#include "conf/table.h"
#include "conf/value.h"

/* Values are read into a hunt that nobody keeps. */
static void check_values(struct reader *r, const struct yaml_node *map, unsigned kinds)
{
    struct conf_hunt *scratch = calloc(1, sizeof *scratch);
    for (const struct key *key = table_hunt.keys; scratch && key->name; key++) {
        const struct yaml_node *node = yaml_find(map, key->name);
        /* Rewards are judged with the variants of the hunt, which may stand elsewhere. */
        if (!node || !table_applies(key, kinds) || key->type == KEY_REWARDS)
            continue;
        struct key_fault fault = key_read(key, r->conf, node, scratch);
        if (fault.code)
            reader_report(r, key, node, &fault);
    }
    if (!scratch)
        diag_add(r->diags, reader_at(r, map), "unreadable", "not enough memory");
    else {
        free(scratch->start);
        free(scratch->treasure);
    }
    free(scratch);
}

static void check_one(struct reader *r, const struct yaml_node *map)
{
    unsigned kinds = reader_kinds(&table_hunt, map);
    for (const struct yaml_node *node = map->first; node; node = node->next) {
        const char *name = node->key->text;
        if (strcmp(name, "name") == 0)
            diag_add(r->diags, reader_at(r, node->key), "unknown_key",
                     "a template has no name but its key; give each hunt its own");
        else if (strcmp(name, "template") == 0)
            diag_add(r->diags, reader_at(r, node->key), "unknown_key",
                     "a template cannot name a template; write the keys in this one");
        else
            reader_check_key(r, &table_hunt, kinds, node->key);
    }
    check_values(r, map, kinds);
}

void template_check(struct reader *r, const struct key *key, const struct yaml_node *map)
{
    if (map->kind != YAML_MAP) {
        reader_report(r, key, map, NULL);
        return;
    }
    if (map->count > key->max)
        diag_add(r->diags, reader_at(r, map), "out_of_range",
                 "templates holds %u entries; at most %llu are possible", map->count,
                 (unsigned long long)key->max);
    for (const struct yaml_node *one = map->first; one; one = one->next) {
        if (!value_name_valid(one->key->text, one->key->len, CONF_NAME_MAX))
            diag_add(r->diags, reader_at(r, one->key), "bad_value",
                     "the name of a template must be 1 to %u characters of A-Z a-z 0-9 . _ -, "
                     "not %s",
                     CONF_NAME_MAX, reader_quote(r, one->key));
        if (one->kind == YAML_MAP)
            check_one(r, one);
        else if (!one->broken && !yaml_empty(one))
            diag_add(r->diags, reader_at(r, one), "wrong_type",
                     "a template must be a mapping of a hunt's keys, not %s", reader_quote(r, one));
    }
}

static void report_unknown(struct reader *r, const struct yaml_node *templates,
                           const struct yaml_node *name)
{
    const struct yaml_node *near = NULL;
    unsigned best = READER_NEAR_MAX + 1;
    for (const struct yaml_node *one = templates ? templates->first : NULL; one; one = one->next) {
        unsigned d = reader_distance(name->text, one->key->text);
        if (d < best && d < one->key->len) {
            best = d;
            near = one->key;
        }
    }
    if (near)
        diag_add(r->diags, reader_at(r, name), "bad_value",
                 "no template is called %s; did you mean '%.64s'?", reader_quote(r, name),
                 near->text);
    else
        diag_add(r->diags, reader_at(r, name), "bad_value",
                 "no template is called %s; add it under templates, or remove this key",
                 reader_quote(r, name));
}

static const struct yaml_node *find_template(struct reader *r, const struct yaml_node *hunt)
{
    const struct yaml_node *name = yaml_find(hunt, "template");
    const struct yaml_node *templates = yaml_find(r->yaml->root, "templates");
    if (!name || name->broken || name->kind != YAML_SCALAR || yaml_empty(name))
        return NULL;
    if (templates && templates->kind != YAML_MAP)
        return NULL; /* told where they stand */
    const struct yaml_node *found = yaml_find(templates, name->text);
    if (!found)
        report_unknown(r, templates, name);
    return found && found->kind == YAML_MAP ? found : NULL;
}

static bool is_row(const char *name)
{
    for (const struct key *key = table_hunt.keys; key->name; key++)
        if (strcmp(key->name, name) == 0)
            return strcmp(name, "name") != 0 && strcmp(name, "template") != 0;
    return false;
}

static void append(struct yaml_node *whole, struct yaml_node *copy, const struct yaml_node *node)
{
    *copy = *node;
    copy->next = NULL;
    if (whole->last)
        whole->last->next = copy;
    else
        whole->first = copy;
    whole->last = copy;
    whole->count++;
}

struct yaml_node *template_join(struct reader *r, const struct yaml_node *hunt,
                                struct yaml_node *whole)
{
    const struct yaml_node *from = find_template(r, hunt);
    *whole = *hunt;
    if (!from || from->count == 0)
        return NULL;
    struct yaml_node *copies = calloc(hunt->count + from->count, sizeof *copies);
    if (!copies) {
        diag_add(r->diags, reader_at(r, hunt), "unreadable", "not enough memory");
        return NULL;
    }
    whole->first = whole->last = NULL;
    whole->count = 0;
    for (const struct yaml_node *node = hunt->first; node; node = node->next)
        append(whole, &copies[whole->count], node);
    for (const struct yaml_node *node = from->first; node; node = node->next)
        if (is_row(node->key->text) && !yaml_find(hunt, node->key->text))
            append(whole, &copies[whole->count], node);
    return copies;
}
