/* fuzz_schema.c - any JSON as the data of an event whose type declares members of every type: what
 * is wrong stands inside data, at a value, a name or the closing brace, and has a pointer there.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/pointer.h"
#include "graph/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD                                                                                       \
    "{\"id\":\"7f3c1e2a-9b4d-4c8e-a1f2-0d9e8c7b6a5f\",\"time\":1,\"user\":\"u\",\"type\":\"t\","   \
    "\"data\":"

static char colours[][CONF_NAME_MAX + 1] = {"red", "gr\xc3\xbcn"};
static char sizes[][CONF_NAME_MAX + 1] = {"1", "2.50"};

static const struct conf_type type = {
    .name = "t",
    .member_count = 7,
    .members =
        {
            {.name = "price", .type = CONF_MEMBER_NUMBER, .min = "-1.5", .max = "1e6"},
            {.name = "quantity", .type = CONF_MEMBER_INTEGER, .min = "1"},
            {.name = "size", .type = CONF_MEMBER_NUMBER, .value_count = 2, .value = sizes},
            {.name = "colour",
             .type = CONF_MEMBER_STRING,
             .max_length = 64,
             .value_count = 2,
             .value = colours},
            {.name = "code",
             .type = CONF_MEMBER_STRING,
             .min_length = 2,
             .max_length = 20,
             .pattern = "[A-Z]?\xc3\xbc*[!0-9]*"},
            {.name = "flag", .type = CONF_MEMBER_BOOLEAN, .required = true},
            {.name = "list", .type = CONF_MEMBER_ARRAY},
        },
};

static struct schema *make_schema(bool strict)
{
    static struct hash_key key;
    static const uint8_t seed[HASH_SEED_BYTES] = {1};
    struct conf_type *copy = malloc(sizeof *copy);
    struct schema *schema;
    assert(copy);
    *copy = type;
    copy->strict_data = strict;
    hash_key_init(&key, seed);
    int rc = schema_build(copy, &key, &schema);
    assert(rc == 0 && schema);
    free(copy);
    return schema;
}

static void check(const struct schema *schema, const struct event *event)
{
    uint8_t pointer[POINTER_MAX];
    uint16_t offset;
    enum reason reason = schema_check(schema, event, &offset);
    if (reason == REASON_none)
        return;
    assert(reason_of_data(reason));
    assert(offset >= event->data.off && offset < event->data.off + event->data.len);
    uint8_t byte = event->bytes[offset];
    assert(reason != REASON_data_required || byte == '}');
    assert(reason != REASON_data_unknown || byte == '"');
    size_t len = pointer_find(event->bytes, event->len, offset, pointer);
    assert(len >= 5 && memcmp(pointer, "/data", 5) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct schema *schemas[2];
    static const struct hash_key key;
    static const struct event_limits limits = {.event_bytes = EVENT_BYTES_MAX, .event_depth = 64};
    struct event event;
    if (size > 1u << 15)
        return 0;
    for (unsigned i = 0; i < 2 && !schemas[i]; i++)
        schemas[i] = make_schema(i);
    size_t len = sizeof HEAD - 1 + size + 1;
    uint8_t *bytes = malloc(len);
    assert(bytes);
    memcpy(bytes, HEAD, sizeof HEAD - 1);
    if (size)
        memcpy(bytes + sizeof HEAD - 1, data, size);
    bytes[len - 1] = '}';
    if (event_parse(&limits, &key, bytes, (uint32_t)len, &event) == REASON_none) {
        check(schemas[0], &event);
        check(schemas[1], &event);
    }
    free(bytes);
    return 0;
}
