/* reader.c - walks the YAML tree and the table of keys side by side. */
#include "conf/reader.h"

#include <stdlib.h>
#include <string.h>

#include "conf/table.h"
#include "conf/template.h"

#define NEAR_MAX     READER_NEAR_MAX
#define LIST_MAX     12 /* possible keys are listed when there are fewer */
#define NEAR_KEY_MAX 32

static void read_set(struct reader *r, const struct key_set *set, const struct yaml_node *map,
                     const struct yaml_node *where, void *base);

const struct diag *reader_at(struct reader *r, const struct yaml_node *node)
{
    if (node)
        yaml_place(r->yaml, node, &r->place);
    else
        r->place = (struct diag){0};
    return &r->place;
}

const char *reader_quote(struct reader *r, const struct yaml_node *node)
{
    if (node->kind != YAML_SCALAR)
        return node->count == 0 ? "an empty one" : node->kind == YAML_LIST ? "a list" : "a mapping";
    bool cut = node->len > 48;
    snprintf(r->quoted, sizeof r->quoted, "'%.48s%s'", node->text, cut ? "..." : "");
    return r->quoted;
}

void reader_anchor(struct reader *r, const struct yaml_node *node, const char *dir,
                   char path[CONF_PATH_MAX])
{
    char joined[2 * CONF_PATH_MAX];
    if (path[0] == '/' || path[0] == 0)
        return;
    int len = snprintf(joined, sizeof joined, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, path);
    if (len >= CONF_PATH_MAX)
        diag_add(r->diags, reader_at(r, node), "out_of_range",
                 "with its directory the path is %d bytes long, at most %d are possible; use a "
                 "shorter one",
                 len, CONF_PATH_MAX - 1);
    else
        memcpy(path, joined, (size_t)len + 1);
}

unsigned reader_distance(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    unsigned row[NEAR_KEY_MAX + 1];
    if (a_len > NEAR_KEY_MAX || b_len > NEAR_KEY_MAX)
        return NEAR_MAX + 1;
    for (unsigned j = 0; j <= b_len; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            unsigned replaced = diagonal + (a[i - 1] != b[j - 1]);
            unsigned other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = replaced < other ? replaced : other;
        }
    }
    return row[b_len];
}

static const struct key *find_near(const struct key_set *set, unsigned kinds, const char *name)
{
    const struct key *best = NULL;
    unsigned best_distance = NEAR_MAX + 1;
    for (const struct key *key = set->keys; key->name; key++) {
        unsigned d = reader_distance(name, key->name);
        if (table_applies(key, kinds) && d < best_distance && d < strlen(key->name)) {
            best = key;
            best_distance = d;
        }
    }
    return best;
}

static void list_keys(const struct key_set *set, unsigned kinds, char *out, size_t room)
{
    unsigned count = 0;
    size_t at = 0;
    for (const struct key *key = set->keys; key->name; key++)
        count += table_applies(key, kinds);
    if (count >= LIST_MAX) {
        snprintf(out, room, "see trove.yaml(5) for its keys");
        return;
    }
    at += (size_t)snprintf(out, room, "possible here:");
    for (const struct key *key = set->keys; key->name && at < room; key++)
        if (table_applies(key, kinds))
            at += (size_t)snprintf(out + at, room - at, " %s", key->name);
}

static void report_unknown(struct reader *r, const struct key_set *set, unsigned kinds,
                           const struct yaml_node *name)
{
    char hint[256];
    /* Beyond DIAG_MAX nobody reads the hint, and hostile text could make many of them. */
    bool full = r->diags->count >= DIAG_MAX;
    const struct key *near = full ? NULL : find_near(set, kinds, name->text);
    if (near)
        snprintf(hint, sizeof hint, "did you mean '%s'?", near->name);
    else if (memchr(name->text, '=', name->len))
        snprintf(hint, sizeof hint,
                 "if it belongs to the value before the comma, quote that value");
    else
        list_keys(set, kinds, hint, sizeof hint);
    diag_add(r->diags, reader_at(r, name), "unknown_key", "unknown key %s in %s; %s",
             reader_quote(r, name), set->noun, hint);
}

/* Finds the row of a key.  A row of another kind of element is an error that says so, once the
 * kind is known. */
void reader_check_key(struct reader *r, const struct key_set *set, unsigned kinds,
                      const struct yaml_node *name)
{
    const struct key *other = NULL;
    for (const struct key *key = set->keys; key->name; key++) {
        if (strcmp(key->name, name->text) != 0)
            continue;
        if (table_applies(key, kinds))
            return;
        other = key;
    }
    if (!other)
        report_unknown(r, set, kinds, name);
    else if (kinds)
        diag_add(r->diags, reader_at(r, name), "unknown_key",
                 "'%s' is a key of %s hunts, and this is a %s hunt; remove it", name->text,
                 table_kind_name(other->flags), table_kind_name(kinds));
}

unsigned reader_kinds(const struct key_set *set, const struct yaml_node *map)
{
    const struct yaml_node *kind = set == &table_hunt ? yaml_find(map, "kind") : NULL;
    if (!kind || kind->kind != YAML_SCALAR)
        return 0;
    return table_kind_find(kind->text);
}

/* "max_depth must be a whole number from 1 to 16, not '4x'" */
void reader_report(struct reader *r, const struct key *key, const struct yaml_node *node,
                   const struct key_fault *fault)
{
    char expected[256] = "";
    const struct yaml_node *place = fault && fault->node ? fault->node : node;
    FILE *out = fmemopen(expected, sizeof expected - 1, "w");
    if (out) {
        key_describe(key, out);
        fclose(out);
    }
    if (!fault || !fault->text)
        diag_add(r->diags, reader_at(r, place), fault ? fault->code : "wrong_type",
                 "%s must be %s, not %s", key->name, expected, reader_quote(r, place));
    else if (yaml_empty(place))
        diag_add(r->diags, reader_at(r, place), fault->code, "%s %s; it must be %s", key->name,
                 fault->text, expected);
    else
        diag_add(r->diags, reader_at(r, place), fault->code, "%s: %s (%s)", key->name, fault->text,
                 reader_quote(r, place));
}

static bool same_id(const struct key *id, const void *a, const void *b)
{
    if (id->type == KEY_NAME)
        return strcmp((const char *)a + id->offset, (const char *)b + id->offset) == 0;
    return key_fetch(id, a) == key_fetch(id, b);
}

static void check_id(struct reader *r, const struct key *key, const struct yaml_node *node,
                     void *base, uint32_t index)
{
    const struct key *id = key->set->id;
    const struct yaml_node *name = yaml_find(node, id->name);
    void *element = key_element(key, base, index);
    if (!name || (id->type == KEY_NAME && !((const char *)element)[id->offset]))
        return;
    for (uint32_t i = 0; i < index; i++) {
        void *other = key_element(key, base, i);
        if (!same_id(id, element, other))
            continue;
        const struct conf_place *place = (void *)((char *)other + key->set->place_offset);
        diag_add(r->diags, reader_at(r, name), "conflict",
                 "another %s on line %u has the %s %s; give this one its own", key->set->noun,
                 place->line, id->name, reader_quote(r, name));
        return;
    }
}

static void set_place(const struct key_set *set, const struct yaml_node *node, void *element)
{
    struct conf_place *place = (void *)((char *)element + set->place_offset);
    place->line = node->line;
    place->column = node->column;
}

static void read_element(struct reader *r, const struct key *key, const struct yaml_node *node,
                         void *base, uint32_t index)
{
    void *element = key_element(key, base, index);
    set_place(key->set, node->key ? node->key : node, element);
    if (node->kind == YAML_MAP && key->set == &table_hunt) {
        struct yaml_node whole;
        struct yaml_node *copies = template_join(r, node, &whole);
        read_set(r, key->set, &whole, node, element);
        free(copies);
    } else if (node->kind == YAML_MAP) {
        read_set(r, key->set, node, node, element);
    } else if (key->type == KEY_MAP && yaml_empty(node)) {
        read_set(r, key->set, NULL, node, element);
    } else if (!node->broken) {
        diag_add(r->diags, reader_at(r, node), "wrong_type", "each %s must be a mapping, not %s",
                 key->set->noun, reader_quote(r, node));
        return;
    }
    if (key->type == KEY_LIST)
        check_id(r, key, node, base, index);
}

/* An element of a KEY_MAP is named by its key. */
static bool read_element_name(struct reader *r, const struct key *key, const struct yaml_node *node,
                              void *base, uint32_t index)
{
    const struct key *id = key->set->id;
    struct key_fault fault = key_read(id, r->conf, node->key, key_element(key, base, index));
    if (!fault.code)
        return true;
    diag_add(r->diags, reader_at(r, node->key), fault.code,
             "the name of each %s must be 1 to %u characters of A-Z a-z 0-9 . _ -%s, not %s",
             key->set->noun, (unsigned)id->max,
             id->flags & KEY_VERSIONED ? " and one @ before a version" : "",
             reader_quote(r, node->key));
    return false;
}

static void read_elements(struct reader *r, const struct key *key, const struct yaml_node *node,
                          void *base)
{
    uint32_t *count = key_count(key, base);
    if (node->count < key->min) {
        diag_add(r->diags, reader_at(r, node), "missing_key", "%s is empty; it holds %s", key->name,
                 key->help);
        return;
    }
    if (node->count > key->max) {
        diag_add(r->diags, reader_at(r, node), "out_of_range",
                 "%s holds %u entries; at most %llu are possible", key->name, node->count,
                 (unsigned long long)key->max);
        return;
    }
    for (const struct yaml_node *one = node->first; one; one = one->next) {
        if (key->type == KEY_MAP && !read_element_name(r, key, one, base, *count))
            continue;
        read_element(r, key, one, base, *count);
        ++*count;
    }
}

static void set_auto(const struct key *key, void *base)
{
    if (key->flags & KEY_AUTO)
        *((bool *)base + key->auto_offset) = true;
}

static void report_missing(struct reader *r, const struct key_set *set, const struct key *key,
                           const struct yaml_node *where)
{
    diag_add(r->diags, reader_at(r, where), "missing_key", "missing key '%s' in %s; add it: %s",
             key->name, set->noun, key->help);
}

static void read_key(struct reader *r, const struct key_set *set, const struct key *key,
                     const struct yaml_node *node, const struct yaml_node *where, void *base)
{
    bool absent = !node || (key_is_set(key) && yaml_empty(node) && !node->broken);
    if (node && node->broken)
        return;
    if (absent && (key->flags & KEY_REQUIRED)) {
        report_missing(r, set, key, node ? node : where);
    } else if (key->type == KEY_SECTION) {
        if (absent || node->kind == YAML_MAP)
            read_set(r, key->set, absent ? NULL : node, node ? node : where, base);
        else
            reader_report(r, key, node, NULL);
    } else if (key->type == KEY_TEMPLATES) {
        if (!absent && !yaml_empty(node))
            template_check(r, key, node);
    } else if (!key_is_set(key)) {
        struct key_fault fault = {0};
        if (absent)
            key_set_default(key, r->conf, base);
        else
            fault = key_read(key, r->conf, node, base);
        if (fault.code)
            reader_report(r, key, node, &fault);
    } else if (absent || ((key->flags & KEY_AUTO) && node->kind == YAML_SCALAR &&
                          strcmp(node->text, "auto") == 0)) {
        set_auto(key, base);
    } else if (node->kind == (key->type == KEY_LIST ? YAML_LIST : YAML_MAP)) {
        read_elements(r, key, node, base);
    } else {
        reader_report(r, key, node, NULL);
    }
}

/* Reads a mapping; map NULL: all keys absent, where says what lacks them. */
static void read_set(struct reader *r, const struct key_set *set, const struct yaml_node *map,
                     const struct yaml_node *where, void *base)
{
    unsigned kinds = reader_kinds(set, map);
    for (const struct yaml_node *node = map ? map->first : NULL; node; node = node->next)
        reader_check_key(r, set, kinds, node->key);
    for (const struct key *key = set->keys; key->name; key++)
        if (table_applies(key, kinds))
            read_key(r, set, key, yaml_find(map, key->name), where, base);
    if (set->check)
        set->check(r, map, base);
}

void reader_run(struct reader *r)
{
    const struct yaml_node *root = r->yaml->root;
    if (!root || yaml_empty(root)) {
        struct diag place = {.line = 1, .column = 1};
        snprintf(place.file, sizeof place.file, "%s", r->yaml->file);
        diag_add(r->diags, &place, "missing_key",
                 "the configuration is empty; it needs at least version, data_dir, ports and "
                 "events.types, see trove.yaml(5)");
    } else if (root->broken) {
        return;
    } else if (root->kind != YAML_MAP) {
        diag_add(r->diags, reader_at(r, root), "wrong_type",
                 "a configuration is a mapping of keys such as 'version: 1', not %s",
                 reader_quote(r, root));
    } else {
        read_set(r, &table_root, root, root, r->conf);
    }
}
