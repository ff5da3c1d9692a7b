/* check_member.c - whether what an event type says of a member of data can be meant. */
#include "conf/check.h"

#include <errno.h>
#include <string.h>

#include "conf/value.h"
#include "dataplane/base/decimal.h"
#include "dataplane/base/glob.h"

static bool is_numeric(const struct conf_member *member)
{
    return member->type == CONF_MEMBER_NUMBER || member->type == CONF_MEMBER_INTEGER;
}

static const struct {
    const char *word;
    const char *phrase;
} types[] = {
    [CONF_MEMBER_STRING] = {"string", "a string"},
    [CONF_MEMBER_NUMBER] = {"number", "a number"},
    [CONF_MEMBER_INTEGER] = {"integer", "a number"},
    [CONF_MEMBER_BOOLEAN] = {"boolean", "true or false"},
    [CONF_MEMBER_OBJECT] = {"object", "an object"},
    [CONF_MEMBER_ARRAY] = {"array", "an array"},
};

static const char *type_name(const struct conf_member *member)
{
    return types[member->type].phrase;
}

static void check_for(struct reader *r, const struct yaml_node *map, const char *key,
                      const struct conf_member *member, bool right, const char *whose)
{
    const struct yaml_node *node = yaml_find(map, key);
    if (node && !right)
        diag_add(r->diags, reader_at(r, node->key), "conflict",
                 "%s is a key of members that are %s, and '%s' is %s; remove it", key, whose,
                 member->name, type_name(member));
}

static struct decimal decimal_of(const char *text)
{
    return decimal_read((const uint8_t *)text, strlen(text));
}

static void check_range(struct reader *r, const struct yaml_node *map,
                        const struct conf_member *member)
{
    const struct yaml_node *min = yaml_find(map, "min"), *max = yaml_find(map, "max");
    if (member->min[0] && member->max[0] && min && max) {
        struct decimal least = decimal_of(member->min), most = decimal_of(member->max);
        if (decimal_compare(&least, &most) > 0)
            diag_add(r->diags, reader_at(r, min), "conflict",
                     "min, %s, is greater than max, %s (line %u), so no number would do; lower min "
                     "or raise max",
                     member->min, member->max, max->line);
    }
    if (member->min_length > member->max_length)
        diag_add(r->diags, reader_at(r, yaml_find(map, "min_length")), "conflict",
                 "min_length, %u, is greater than max_length, %u, so no string would do; lower "
                 "min_length or raise max_length",
                 member->min_length, member->max_length);
}

static void check_pattern(struct reader *r, const struct yaml_node *map,
                          const struct conf_member *member)
{
    struct glob glob;
    size_t at;
    const char *wrong = glob_compile(&glob, member->pattern, strlen(member->pattern), &at);
    if (wrong)
        diag_add(r->diags, reader_at(r, yaml_find(map, "pattern")), "bad_value",
                 "%s, at byte %zu of the pattern; a character that means something stands for "
                 "itself in a class, such as [*]",
                 wrong, at + 1);
}

/* What YAML reads as something else than a string, written without quotes. */
static bool looks_other(const char *text, size_t len)
{
    char number[CONF_DECIMAL_MAX + 1];
    return value_decimal_read(text, len, number) != -EINVAL || strcmp(text, "true") == 0 ||
           strcmp(text, "false") == 0 || strcmp(text, "null") == 0;
}

static void check_value(struct reader *r, const struct yaml_node *node,
                        const struct conf_member *member)
{
    char number[CONF_DECIMAL_MAX + 1];
    if (node->broken || node->kind != YAML_SCALAR)
        return;
    if (member->type == CONF_MEMBER_STRING) {
        if (!node->quoted && looks_other(node->text, node->len))
            diag_add(r->diags, reader_at(r, node), "wrong_type",
                     "'%s' is a string, and its enum has %s without quotes; write \"%.48s\"",
                     member->name, reader_quote(r, node), node->text);
        return;
    }
    bool fits = !node->quoted && value_decimal_read(node->text, node->len, number) == 0;
    if (fits && member->type == CONF_MEMBER_INTEGER) {
        struct decimal d = decimal_of(number);
        fits = decimal_is_whole(&d);
    }
    if (!fits)
        diag_add(r->diags, reader_at(r, node), "wrong_type",
                 "'%s' is %s, so each value of its enum must be %s as JSON writes it, not %s%s",
                 member->name, type_name(member),
                 member->type == CONF_MEMBER_INTEGER ? "a whole number" : "a number",
                 reader_quote(r, node), node->quoted ? " in quotes" : "");
}

static void check_values(struct reader *r, const struct yaml_node *map,
                         const struct conf_member *member)
{
    const struct yaml_node *list = yaml_find(map, "enum");
    if (!list)
        return;
    if (!is_numeric(member) && member->type != CONF_MEMBER_STRING)
        check_for(r, map, "enum", member, false, "strings or numbers");
    else if (list->kind == YAML_LIST)
        for (const struct yaml_node *one = list->first; one; one = one->next)
            check_value(r, one, member);
    else
        check_value(r, list, member);
}

void check_member(struct reader *r, const struct yaml_node *map, void *base)
{
    const struct conf_member *member = base;
    const struct yaml_node *type = yaml_find(map, "type");
    if (!type || type->kind != YAML_SCALAR || strcmp(type->text, types[member->type].word) != 0)
        return; /* told already, and nothing else can be judged */
    bool string = member->type == CONF_MEMBER_STRING, numeric = is_numeric(member);
    check_for(r, map, "min", member, numeric, "numbers");
    check_for(r, map, "max", member, numeric, "numbers");
    check_for(r, map, "min_length", member, string, "strings");
    check_for(r, map, "max_length", member, string, "strings");
    check_for(r, map, "pattern", member, string, "strings");
    check_range(r, map, member);
    check_values(r, map, member);
    check_pattern(r, map, member);
}
