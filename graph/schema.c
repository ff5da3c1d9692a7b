/* schema.c - one pass over data's members, each judged by what its type declares. */
#include "graph/schema.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/value.h"
#include "dataplane/base/decimal.h"
#include "dataplane/base/glob.h"
#include "dataplane/base/json.h"
#include "dataplane/base/text.h"
#include "dataplane/base/utf8.h"

#define SLOTS 64u /* open addressing over at most CONF_MEMBERS_MAX members */

static_assert(SLOTS >= 2 * CONF_MEMBERS_MAX, "probing ends at an empty slot");
static_assert(CONF_MEMBERS_MAX <= 32, "a bit for each member");

/* One value of an enum. */
struct choice {
    uint32_t len;
    uint8_t text[CONF_NAME_MAX];
    struct decimal number; /* points into text */
};

struct member {
    uint64_t key; /* hash64 of the name */
    enum conf_member_type type;
    bool has_min, has_max;
    struct decimal min, max; /* point into the texts */
    char min_text[CONF_DECIMAL_MAX + 1], max_text[CONF_DECIMAL_MAX + 1];
    uint32_t min_length, max_length;
    uint32_t choice_count;
    struct choice *choices;
    struct glob *glob; /* NULL: any text */
};

struct schema {
    const struct hash_key *key;
    bool strict;
    uint32_t required; /* bit i: members[i] */
    uint32_t member_count;
    uint8_t slots[SLOTS]; /* index of a member, plus 1 */
    struct member members[CONF_MEMBERS_MAX];
};

/* ---- compiling ---- */

static struct decimal decimal_of(const char *text)
{
    return decimal_read((const uint8_t *)text, strlen(text));
}

static int build_choices(const struct conf_member *from, struct member *member)
{
    member->choices = calloc(from->value_count ? from->value_count : 1, sizeof *member->choices);
    if (!member->choices)
        return -ENOMEM;
    for (uint32_t i = 0; i < from->value_count; i++) {
        struct choice *choice = &member->choices[i];
        char number[CONF_DECIMAL_MAX + 1];
        const char *text = from->value[i];
        bool string = from->type == CONF_MEMBER_STRING;
        if (!string && value_decimal_read(text, strlen(text), number) == 0)
            text = number;
        choice->len = (uint32_t)strlen(text);
        memcpy(choice->text, text, choice->len);
        if (!string)
            choice->number = decimal_read(choice->text, choice->len);
    }
    member->choice_count = from->value_count;
    return 0;
}

static int build_member(const struct conf_member *from, const struct hash_key *key,
                        struct member *member)
{
    size_t at;
    member->key = hash64(key, from->name, strlen(from->name));
    member->type = from->type;
    memcpy(member->min_text, from->min, sizeof member->min_text);
    memcpy(member->max_text, from->max, sizeof member->max_text);
    member->has_min = from->min[0];
    member->has_max = from->max[0];
    member->min = decimal_of(member->min_text);
    member->max = decimal_of(member->max_text);
    member->min_length = from->min_length;
    member->max_length = from->max_length;
    if (from->pattern[0]) {
        member->glob = malloc(sizeof *member->glob);
        if (!member->glob)
            return -ENOMEM;
        const char *wrong = glob_compile(member->glob, from->pattern, strlen(from->pattern), &at);
        assert(!wrong);
        (void)wrong;
    }
    return build_choices(from, member);
}

static uint32_t slot_of(const struct schema *schema, uint64_t key)
{
    uint32_t at = (uint32_t)key % SLOTS;
    while (schema->slots[at] && schema->members[schema->slots[at] - 1].key != key)
        at = (at + 1) % SLOTS;
    return at;
}

int schema_build(const struct conf_type *type, const struct hash_key *key, struct schema **out)
{
    *out = NULL;
    if (!type->member_count && !type->strict_data)
        return 0;
    struct schema *schema = calloc(1, sizeof *schema);
    if (!schema)
        return -ENOMEM;
    schema->key = key;
    schema->strict = type->strict_data;
    for (uint32_t i = 0; i < type->member_count; i++) {
        int rc = build_member(&type->members[i], key, &schema->members[i]);
        schema->member_count = i + 1;
        if (rc < 0) {
            schema_free(schema);
            return rc;
        }
        schema->slots[slot_of(schema, schema->members[i].key)] = (uint8_t)(i + 1);
        if (type->members[i].required)
            schema->required |= 1u << i;
    }
    *out = schema;
    return 0;
}

void schema_free(struct schema *schema)
{
    if (!schema)
        return;
    for (uint32_t i = 0; i < schema->member_count; i++) {
        free(schema->members[i].choices);
        free(schema->members[i].glob);
    }
    free(schema);
}

/* ---- checking ---- */

static bool has_type(const struct member *member, uint8_t first)
{
    switch (member->type) {
    case CONF_MEMBER_STRING:
        return first == '"';
    case CONF_MEMBER_NUMBER:
    case CONF_MEMBER_INTEGER:
        return first == '-' || (first >= '0' && first <= '9');
    case CONF_MEMBER_BOOLEAN:
        return first == 't' || first == 'f';
    case CONF_MEMBER_OBJECT:
        return first == '{';
    case CONF_MEMBER_ARRAY:
        return first == '[';
    }
    return false;
}

static enum reason check_number(const struct member *member, const uint8_t *text, size_t len)
{
    struct decimal d = decimal_read(text, len);
    if (member->type == CONF_MEMBER_INTEGER && !decimal_is_whole(&d))
        return REASON_data_type;
    if ((member->has_min && decimal_compare(&d, &member->min) < 0) ||
        (member->has_max && decimal_compare(&d, &member->max) > 0))
        return REASON_data_range;
    for (uint32_t i = 0; i < member->choice_count; i++)
        if (decimal_compare(&d, &member->choices[i].number) == 0)
            return REASON_none;
    return member->choice_count ? REASON_data_value : REASON_none;
}

static bool is_choice(const struct member *member, const uint8_t *raw, size_t len)
{
    uint8_t text[CONF_NAME_MAX];
    int decoded = text_decode(raw, len, text, sizeof text);
    for (uint32_t i = 0; decoded >= 0 && i < member->choice_count; i++)
        if (member->choices[i].len == (uint32_t)decoded &&
            memcmp(member->choices[i].text, text, (size_t)decoded) == 0)
            return true;
    return false;
}

/* check_string judges the raw inside of a string. */
static enum reason check_string(const struct member *member, const uint8_t *raw, size_t len)
{
    uint64_t places = glob_begin();
    size_t bytes = 0;
    for (size_t at = 0; at < len;) {
        uint32_t code = text_next(raw, len, &at);
        bytes += utf8_bytes(code);
        if (member->glob)
            places = glob_step(member->glob, places, code);
    }
    if (bytes < member->min_length || bytes > member->max_length)
        return REASON_data_length;
    if (member->choice_count && !is_choice(member, raw, len))
        return REASON_data_value;
    return member->glob && !glob_matched(member->glob, places) ? REASON_data_value : REASON_none;
}

static enum reason check_value(const struct member *member, const uint8_t *text, size_t len)
{
    if (!has_type(member, text[0]))
        return REASON_data_type;
    if (member->type == CONF_MEMBER_STRING)
        return check_string(member, text + 1, len - 2);
    if (member->type == CONF_MEMBER_NUMBER || member->type == CONF_MEMBER_INTEGER)
        return check_number(member, text, len);
    return REASON_none;
}

/* find_member returns the index of the member with this name, or -1. */
static int find_member(const struct schema *schema, const uint8_t *raw, size_t len)
{
    uint8_t name[CONF_NAME_MAX];
    int decoded = text_decode(raw, len, name, sizeof name);
    if (decoded < 0)
        return -1; /* longer than any that is declared */
    return schema->slots[slot_of(schema, hash64(schema->key, name, (size_t)decoded))] - 1;
}

static enum reason found(enum reason reason, const struct event *event, size_t at, uint16_t *offset)
{
    *offset = (uint16_t)(event->data.off + at);
    return reason;
}

/* check_members walks an object, which data[0, len) is known to be. */
static enum reason check_members(const struct schema *schema, const struct event *event,
                                 uint16_t *offset)
{
    const uint8_t *data = event->bytes + event->data.off;
    uint32_t seen = 0;
    size_t at = 1;
    struct json json;
    json_init(&json, data, event->data.len, JSON_DEPTH_MAX);
    while (json_next(&json, &at) != '}') {
        size_t quote = at, name_end = json_string(&json, at + 1);
        at = name_end;
        json_next(&json, &at);
        at++; /* the colon */
        json_next(&json, &at);
        size_t begin = at;
        at = json_value(&json, at, 1);
        assert(name_end != JSON_FAULT && at != JSON_FAULT);
        int index = find_member(schema, data + quote + 1, name_end - quote - 2);
        if (index < 0 && schema->strict)
            return found(REASON_data_unknown, event, quote, offset);
        if (index >= 0) {
            seen |= 1u << index;
            enum reason reason = check_value(&schema->members[index], data + begin, at - begin);
            if (reason != REASON_none)
                return found(reason, event, begin, offset);
        }
        if (json_next(&json, &at) == ',')
            at++;
    }
    if (schema->required & ~seen)
        return found(REASON_data_required, event, at, offset);
    return REASON_none;
}

enum reason schema_check(const struct schema *schema, const struct event *event, uint16_t *offset)
{
    *offset = 0;
    if (!(event->flags & EVENT_HAS_DATA)) {
        uint16_t last = event->len;
        if (!schema->required)
            return REASON_none;
        while (last > 1 && event->bytes[last - 1] != '}')
            last--;
        *offset = (uint16_t)(last - 1);
        return REASON_data_required;
    }
    if (event->bytes[event->data.off] != '{')
        return found(REASON_data_type, event, 0, offset);
    return check_members(schema, event, offset);
}
