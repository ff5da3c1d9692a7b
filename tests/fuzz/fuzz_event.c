/* fuzz_event.c - any bytes get the verdict, the offset and the fields that the reference parser
 * gives them, and what is accepted can be decoded and written again.
 *
 * The first byte of an input chooses the limits, the rest is the text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/event.h"
#include "dataplane/base/text.h"
#include "tests/unit/base/reference_event.h"

static const struct hash_key *make_key(void)
{
    static struct hash_key key;
    if (!key.fingerprint) {
        const uint8_t seed[HASH_SEED_BYTES] = {1};
        hash_key_init(&key, seed);
    }
    return &key;
}

/* A span decodes to a name that comes back the same from a JSON string. */
static void check_span(const struct event *event, struct span span)
{
    uint8_t name[EVENT_NAME_MAX];
    uint8_t back[EVENT_NAME_MAX];
    char json[6 * EVENT_NAME_MAX + 2];
    int len = text_decode(event->bytes + span.off, span.len, name, sizeof name);
    if (len < 0 || text_utf8_valid(name, (size_t)len) != (size_t)len)
        abort();
    int encoded = text_json_encode(name, (size_t)len, json, sizeof json);
    if (encoded < 2 ||
        text_decode((uint8_t *)json + 1, (size_t)encoded - 2, back, sizeof back) != len)
        abort();
    if (memcmp(name, back, (size_t)len))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 1u << 17)
        return 0;
    const struct hash_key *key = make_key();
    const struct event_limits limits = {
        .event_bytes = data[0] & 0x80 ? EVENT_BYTES_MAX : 512u,
        .event_depth = 1 + (data[0] & 63),
    };
    const uint8_t *text = data + 1;
    uint32_t len = (uint32_t)size - 1;
    const char *difference = reference_event_differs(&limits, key, text, len);
    if (difference) {
        fprintf(stderr, "%s differs from the reference\n", difference);
        abort();
    }
    struct event event;
    if (event_parse(&limits, key, text, len, &event) == REASON_none) {
        check_span(&event, event.user);
        check_span(&event, event.item);
        check_span(&event, event.tile);
    }
    return 0;
}
