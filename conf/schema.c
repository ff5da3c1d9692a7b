/* schema.c - the JSON Schema of trove.yaml, for editors. */
#include <string.h>

#include "conf/table.h"

#define NUMBER_PATTERN "[0-9]+(_[0-9]+)*"

static void schema_set(FILE *out, const struct key_set *set, unsigned kinds, int depth);

static void indent(FILE *out, int depth)
{
    fprintf(out, "%*s", 2 * depth, "");
}

static void print_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void print_words(FILE *out, const struct key *key)
{
    fputs("\"enum\": [", out);
    for (unsigned i = 0; key->words[i]; i++) {
        fputs(i ? ", " : "", out);
        print_string(out, key->words[i]);
    }
    fputc(']', out);
}

static void print_name_pattern(FILE *out, const struct key *key)
{
    fprintf(out, "\"pattern\": \"^[A-Za-z0-9._-]{1,%llu}%s$\"", (unsigned long long)key->max,
            key->flags & KEY_VERSIONED ? "(@[A-Za-z0-9._-]+)?" : "");
}

/* One value, or one element of a list of values: members of its schema, without braces. */
static void print_scalar(FILE *out, const struct key *key)
{
    const char *automatic = key->flags & KEY_AUTO ? "auto|" : "";
    switch (key->type) {
    case KEY_NUMBER:
        fprintf(out,
                "\"type\": [\"integer\", \"string\"], \"minimum\": %llu, \"maximum\": %llu, "
                "\"pattern\": \"^(%s" NUMBER_PATTERN ")$\"",
                (unsigned long long)key->min, (unsigned long long)key->max, automatic);
        break;
    case KEY_SIZE:
        fputs("\"type\": \"string\", \"pattern\": \"^" NUMBER_PATTERN
              "(\\\\.[0-9]+)?(B|KiB|MiB|GiB|KB|MB|GB)$\"",
              out);
        break;
    case KEY_TIME:
        fputs("\"type\": \"string\", \"pattern\": \"^" NUMBER_PATTERN
              "(\\\\.[0-9]+)?(ns|us|ms|s|m|h|d)$\"",
              out);
        break;
    case KEY_FIXED:
        fprintf(out, "\"type\": \"number\", \"exclusiveMinimum\": 0, \"maximum\": %llu",
                (unsigned long long)(key->max >> 16));
        break;
    case KEY_DECIMAL:
        fputs("\"type\": [\"number\", \"string\"]", out);
        break;
    case KEY_TEXT:
        fprintf(out, "\"type\": \"string\", \"minLength\": 1, \"maxLength\": %u", key->width - 1);
        break;
    case KEY_DATE:
        fputs("\"type\": \"string\", \"format\": \"date-time\"", out);
        break;
    case KEY_BOOL:
        fputs("\"type\": \"boolean\"", out);
        break;
    case KEY_NAME:
        fputs("\"type\": \"string\", ", out);
        print_name_pattern(out, key);
        break;
    case KEY_CHOICE:
    case KEY_BITS:
    case KEY_BOOLS:
        print_words(out, key);
        break;
    case KEY_ITEMS:
        fputs("\"type\": [\"string\", \"number\"], \"minLength\": 1, \"maxLength\": 64", out);
        break;
    case KEY_PATH:
    case KEY_DEVICE:
        fputs("\"type\": \"string\", \"minLength\": 1, \"maxLength\": 255", out);
        break;
    default:
        fputs("\"type\": \"string\"", out);
        break;
    }
}

static void print_mapping(FILE *out, const struct key *key)
{
    fputs("\"type\": \"object\", \"additionalProperties\": { ", out);
    if (key->type == KEY_VARIANTS)
        fprintf(out, "\"type\": \"integer\", \"minimum\": 0, \"maximum\": %llu",
                (unsigned long long)key->max);
    else if (key->type == KEY_REWARDS)
        fprintf(out, "\"type\": \"string\", \"minLength\": 1, \"maxLength\": %u", CONF_NAME_MAX);
    else
        fputs("\"type\": \"object\"", out);
    fputs(" }", out);
}

/* A list of values may be written as one value. */
static void print_value(FILE *out, const struct key *key)
{
    if (key->type >= KEY_VARIANTS) {
        print_mapping(out, key);
        return;
    }
    if (key->type < KEY_ADDRESSES) {
        print_scalar(out, key);
        return;
    }
    fputs("\"anyOf\": [{ ", out);
    print_scalar(out, key);
    fputs(" }, { \"type\": \"array\", \"uniqueItems\": true, ", out);
    fprintf(out, "\"minItems\": %llu, \"maxItems\": %llu, \"items\": { ",
            (unsigned long long)key->min, (unsigned long long)key->max);
    print_scalar(out, key);
    fputs(" } }]", out);
}

static void print_default(FILE *out, const struct key *key)
{
    bool automatic = (key->flags & KEY_AUTO) && strcmp(key->fallback, "auto") == 0;
    fputs(", \"default\": ", out);
    if (automatic || (key->type != KEY_NUMBER && key->type != KEY_FIXED && key->type != KEY_BOOL)) {
        print_string(out, key->fallback);
        return;
    }
    for (const char *c = key->fallback; *c; c++)
        if (*c != '_')
            fputc(*c, out);
}

/* Hunts come in kinds with keys of their own: one schema each, told apart by `kind`; and with a
 * template, which may give any key. */
static void schema_element(FILE *out, const struct key *key, int depth)
{
    static const unsigned kinds[] = {KEY_TRAIL, KEY_BASKET, KEY_TILES, KEY_KINDS};
    if (key->set != &table_hunt) {
        schema_set(out, key->set, 0, depth);
        return;
    }
    fputs("{ \"anyOf\": [\n", out);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        indent(out, depth + 1);
        schema_set(out, key->set, kinds[i], depth + 1);
        fputs(i + 1 < sizeof kinds / sizeof *kinds ? ",\n" : "\n", out);
    }
    indent(out, depth);
    fputs("] }", out);
}

static void schema_list(FILE *out, const struct key *key, int depth)
{
    if (key->flags & KEY_AUTO)
        fputs("{ \"anyOf\": [{ \"const\": \"auto\" }, ", out);
    if (key->type == KEY_LIST) {
        fprintf(out, "{ \"type\": \"array\", \"minItems\": %llu, \"maxItems\": %llu, \"items\": ",
                (unsigned long long)key->min, (unsigned long long)key->max);
        schema_element(out, key, depth);
    } else {
        fprintf(out, "{ \"type\": \"object\", \"minProperties\": %llu, \"maxProperties\": %llu,\n",
                (unsigned long long)key->min, (unsigned long long)key->max);
        indent(out, depth + 1);
        fputs("\"propertyNames\": { ", out);
        print_name_pattern(out, key->set->id);
        fputs(" },\n", out);
        indent(out, depth + 1);
        fputs("\"additionalProperties\": ", out);
        schema_element(out, key, depth + 1);
    }
    fprintf(out, " }%s", key->flags & KEY_AUTO ? "] }" : "");
}

static void schema_value(FILE *out, const struct key *key, unsigned kinds)
{
    fputs("{ \"description\": ", out);
    print_string(out, key->help);
    fprintf(out, ", \"x-hot\": %s, ", key->flags & KEY_HOT ? "true" : "false");
    if (kinds && kinds != KEY_KINDS && key->type == KEY_CHOICE && strcmp(key->name, "kind") == 0)
        fprintf(out, "\"const\": \"%s\"", table_kind_name(kinds));
    else
        print_value(out, key);
    if (key->fallback)
        print_default(out, key);
    fputs(" }", out);
}

static void print_required(FILE *out, const struct key_set *set, unsigned kinds, int depth)
{
    const char *comma = "";
    indent(out, depth);
    if (kinds == KEY_KINDS) {
        fputs("\"required\": [\"name\", \"template\"],\n", out);
        return;
    }
    fputs("\"required\": [", out);
    for (const struct key *key = set->keys; key->name; key++) {
        if (!(key->flags & KEY_REQUIRED) || !table_applies(key, kinds))
            continue;
        fprintf(out, "%s\"%s\"", comma, key->name);
        comma = ", ";
    }
    fputs("],\n", out);
}

/* Kinds share names of keys; the widest row stands first. */
static bool is_repeat(const struct key_set *set, const struct key *key)
{
    for (const struct key *other = set->keys; other != key; other++)
        if (strcmp(other->name, key->name) == 0)
            return true;
    return false;
}

static void schema_body(FILE *out, const struct key_set *set, unsigned kinds, int depth)
{
    const char *comma = "";
    indent(out, depth);
    fputs("\"type\": \"object\", \"additionalProperties\": false,\n", out);
    print_required(out, set, kinds, depth);
    indent(out, depth);
    fputs("\"properties\": {", out);
    for (const struct key *key = set->keys; key->name; key++) {
        if (!table_applies(key, kinds) || (kinds == KEY_KINDS && is_repeat(set, key)))
            continue;
        fprintf(out, "%s\n", comma);
        indent(out, depth + 1);
        fprintf(out, "\"%s\": ", key->name);
        if (key->type == KEY_SECTION)
            schema_set(out, key->set, 0, depth + 1);
        else if (key_is_set(key))
            schema_list(out, key, depth + 1);
        else
            schema_value(out, key, kinds);
        comma = ",";
    }
    fputc('\n', out);
    indent(out, depth);
    fputs("}\n", out);
}

static void schema_set(FILE *out, const struct key_set *set, unsigned kinds, int depth)
{
    fputs("{\n", out);
    schema_body(out, set, kinds, depth + 1);
    indent(out, depth);
    fputc('}', out);
}

void conf_print_schema(FILE *out)
{
    fputs("{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
          "  \"title\": \"trove.yaml\",\n",
          out);
    schema_body(out, &table_root, 0, 1);
    fputs("}\n", out);
}
