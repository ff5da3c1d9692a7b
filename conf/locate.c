/* locate.c - down a path of keys through the YAML tree. */
#include "conf/locate.h"

#include <string.h>

#include "conf/yaml.h"

static const struct yaml_node *find_named(const struct yaml_node *list, const char *name)
{
    for (const struct yaml_node *one = list->first; one; one = one->next) {
        const struct yaml_node *id = yaml_find(one, "name");
        if (id && id->kind == YAML_SCALAR && !strcmp(id->text, name))
            return one;
    }
    return NULL;
}

static const struct yaml_node *child_of(const struct yaml_node *node, const char *name)
{
    return node->kind == YAML_LIST ? find_named(node, name) : yaml_find(node, name);
}

/* What an element does not say itself, its template may. */
static const struct yaml_node *template_of(const struct yaml_node *root,
                                           const struct yaml_node *node)
{
    const struct yaml_node *name = yaml_find(node, "template");
    const struct yaml_node *templates = yaml_find(root, "templates");
    return name && name->kind == YAML_SCALAR && templates ? child_of(templates, name->text) : NULL;
}

static const struct yaml_node *walk(const struct yaml_node *root, const char *path, bool *given)
{
    const struct yaml_node *at = root;
    char copy[CONF_PATH_MAX], *rest = copy;
    snprintf(copy, sizeof copy, "%s", path);
    *given = true;
    for (char *name = strsep(&rest, "/"); name; name = strsep(&rest, "/")) {
        const struct yaml_node *next = child_of(at, name);
        const struct yaml_node *shared = next ? NULL : template_of(root, at);
        if (shared)
            next = child_of(shared, name);
        if (!next) {
            *given = false;
            break;
        }
        at = next;
    }
    return at;
}

void conf_locate(const struct conf *conf, const char *path, struct diag *place, bool *given)
{
    struct yaml yaml = {0};
    struct diag_list diags = {0};
    *place = (struct diag){0};
    *given = false;
    if (yaml_parse(&yaml, conf->file, conf->text, conf->text_len, &diags) == 0 && yaml.root) {
        const struct yaml_node *node = walk(yaml.root, path, given);
        yaml_place(&yaml, node->key ? node->key : node, place);
    }
    snprintf(place->file, sizeof place->file, "%s", conf->file);
    yaml_fini(&yaml);
    diag_list_fini(&diags);
}
