/* reference_event_differs.c - event_parse held against the reference, by the walk and by every
 * scan. */
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/event_scan.h"
#include "tests/unit/base/reference_event.h"

static bool same_span(const struct span *span, const struct reference_string *s)
{
    return s->present ? span->off == s->off && span->len == s->raw_len : !span->off && !span->len;
}

static bool same_key(const struct hash_key *key, uint64_t hash, const struct reference_string *s)
{
    return hash == (s->present ? hash64(key, s->bytes, s->len) : 0);
}

static bool is_escaped(const uint8_t *bytes, const struct reference_string *s)
{
    return s->present && memchr(bytes + s->off, '\\', s->raw_len);
}

static const char *differs(const struct event *event, const struct reference_event *want,
                           const struct hash_key *key)
{
    struct hash128 user_key = hash128(key, want->user.bytes, want->user.len);
    bool escaped = is_escaped(event->bytes, &want->user) || is_escaped(event->bytes, &want->item) ||
                   is_escaped(event->bytes, &want->tile);
    unsigned flags =
        (want->item.present ? EVENT_HAS_ITEM : 0u) | (want->tile.present ? EVENT_HAS_TILE : 0u) |
        (want->hunt.present ? EVENT_HAS_HUNT : 0u) | (want->has_data ? EVENT_HAS_DATA : 0u) |
        (want->has_other ? EVENT_HAS_OTHER : 0u) | (escaped ? EVENT_ESCAPED : 0u);
    if (event->id[0] != want->id[0] || event->id[1] != want->id[1])
        return "id";
    if (event->time_ms != want->time_ms)
        return "time";
    if (event->user_key.lo != user_key.lo || event->user_key.hi != user_key.hi)
        return "user_key";
    if (!same_key(key, event->type_key, &want->type) ||
        !same_key(key, event->item_key, &want->item) ||
        !same_key(key, event->tile_key, &want->tile) ||
        !same_key(key, event->hunt_key, &want->hunt))
        return "keys";
    if (!same_span(&event->user, &want->user) || !same_span(&event->item, &want->item) ||
        !same_span(&event->tile, &want->tile))
        return "spans";
    if (event->data.off != want->data_off || event->data.len != want->data_len)
        return "data";
    return event->flags == flags ? NULL : "flags";
}

static const char *differs_now(const struct event_limits *limits, const struct hash_key *key,
                               const uint8_t *bytes, uint32_t len,
                               const struct reference_event *want)
{
    struct event event;
    memset(&event, 0xa5, sizeof event);
    enum reason reason = event_parse(limits, key, bytes, len, &event);
    if (reason != want->reason || event.reason != want->reason)
        return "reason";
    if (reason != REASON_none && event.reason_offset != want->offset)
        return "reason_offset";
    if (event.bytes != bytes || (len <= EVENT_BYTES_MAX && event.len != len))
        return "bytes";
    return reason == REASON_none ? differs(&event, want, key) : NULL;
}

static bool give_up(const uint8_t *bytes, uint32_t len, uint32_t depth_max,
                    struct event_members *members)
{
    (void)bytes;
    (void)len;
    (void)depth_max;
    (void)members;
    return false;
}

const char *reference_event_differs(const struct event_limits *limits, const struct hash_key *key,
                                    const uint8_t *bytes, uint32_t len)
{
    static const struct event_scan none = {.name = "none", .scan = give_up};
    struct reference_event want;
    reference_event_parse(limits, bytes, len, &want);
    want.user.present = want.type.present = true;

    uint8_t *copy = malloc(len ? len : 1);
    if (!copy)
        abort();
    memcpy(copy, bytes, len);
    event_scan_use(&none); /* the walk alone */
    const char *result = differs_now(limits, key, copy, len, &want);
    for (const struct event_scan *scan = event_scans; scan->name && !result; scan++) {
        if (!scan->runs())
            continue;
        event_scan_use(scan);
        result = differs_now(limits, key, copy, len, &want);
    }
    free(copy);
    return result;
}
