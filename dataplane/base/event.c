/* event.c - from bytes to struct event in two steps: find the members, then check what they say.
 *
 * The first step checks the object's grammar to its end and puts each
 * own key's value into that key's slot.  The second looks at the slots in their fixed order.  So
 * the order in which a client writes its keys costs nothing.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "dataplane/base/event.h"
#include "dataplane/base/event_scan.h"
#include "dataplane/base/event_walk.h"
#include "dataplane/base/swar.h"
#include "dataplane/base/text.h"

#define TIME_MS_MAX   INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z, 15 digits */
#define TIME_DIGITS   SWAR_DECIMAL_MAX
#define DECODED_BYTES 64

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* The optional slots in their order are the bits of enum event_flag. */
static_assert(EVENT_HAS_ITEM == 1 && EVENT_HAS_TILE == 1 << (SLOT_TILE - SLOT_ITEM) &&
                  EVENT_HAS_HUNT == 1 << (SLOT_HUNT - SLOT_ITEM) &&
                  EVENT_HAS_DATA == 1 << (SLOT_DATA - SLOT_ITEM) &&
                  EVENT_HAS_OTHER == 1 << (SLOT_OTHER - SLOT_ITEM),
              "flags are the seen bits");

#define SLOTS_REQUIRED 4 /* the first four */

static_assert(EVENT_USER_MAX <= DECODED_BYTES, "room for a decoded user");
static_assert(EVENT_NAME_MAX <= DECODED_BYTES, "room for a decoded item, tile or hunt");
static_assert(EVENT_TYPE_MAX <= DECODED_BYTES, "room for a decoded type");
static_assert(EVENT_TIME_MAX <= DECODED_BYTES, "room for a decoded time");

struct fault {
    enum reason reason;
    size_t offset;
};

struct parse {
    const uint8_t *bytes;
    const struct hash_key *key;
    struct event *event;
    struct event_members members;
    struct fault fault;
};

/* note keeps the fault that comes first in the bytes. */
static void note(struct parse *p, enum reason reason, size_t offset)
{
    if (p->fault.reason == REASON_none || offset < p->fault.offset)
        p->fault = (struct fault){reason, offset};
}

/* A string's decoded bytes, in place where it has no escapes. */
struct string {
    const uint8_t *text;
    uint32_t len;
    bool escaped;
    uint8_t decoded[DECODED_BYTES];
};

/* get_string decodes the value v, a string.  Returns whether it has at most max bytes. */
static inline bool get_string(const struct parse *p, struct event_value v, uint32_t max,
                              struct string *s)
{
    s->text = p->bytes + v.off + 1;
    s->len = v.end - v.off - 2;
    s->escaped = unlikely(p->members.escaped) && memchr(s->text, '\\', s->len);
    if (s->escaped) {
        int len = text_decode(s->text, s->len, s->decoded, max);
        if (len < 0)
            return false;
        s->text = s->decoded;
        s->len = (uint32_t)len;
    }
    return s->len <= max;
}

static inline bool is_string(const struct parse *p, struct event_value v)
{
    return p->bytes[v.off] == '"';
}

/* check_string notes what is wrong with a value that must be a string of 1 to max bytes. */
static inline bool check_string(struct parse *p, struct event_value v, uint32_t max,
                                enum reason length, struct string *s)
{
    if (unlikely(!is_string(p, v))) {
        note(p, REASON_wrong_type, v.off);
        return false;
    }
    if (unlikely(!get_string(p, v, max, s) || s->len == 0)) {
        note(p, length, v.off);
        return false;
    }
    return true;
}

/* uuid_wrong returns the place of the first wrong character in an id of any length. */
static uint32_t uuid_wrong(const uint8_t *text, uint32_t len)
{
    uint8_t padded[TEXT_UUID_LEN] = {0};
    uint64_t id[2];
    memcpy(padded, text, len < TEXT_UUID_LEN ? len : TEXT_UUID_LEN);
    int wrong = text_uuid_parse(padded, id);
    return wrong < 0 ? TEXT_UUID_LEN : (uint32_t)wrong;
}

static void check_id(struct parse *p)
{
    struct event_value v = p->members.slots[SLOT_ID];
    uint64_t *id = p->event->id;
    struct string s;
    if (!is_string(p, v)) {
        note(p, REASON_wrong_type, v.off);
        return;
    }
    bool fits = get_string(p, v, TEXT_UUID_LEN, &s) && s.len == TEXT_UUID_LEN;
    if (unlikely(!fits || text_uuid_parse(s.text, id) >= 0))
        note(p, REASON_id_invalid, s.escaped ? v.off : v.off + 1 + uuid_wrong(s.text, s.len));
    else if (unlikely(!(id[0] | id[1])))
        note(p, REASON_id_invalid, v.off);
}

/* parse_odd_millis reads any JSON number. */
static enum reason parse_odd_millis(const uint8_t *text, uint32_t len, int64_t *time_ms)
{
    bool minus = text[0] == '-';
    uint32_t count = minus;
    *time_ms = 0;
    for (; count < len && text[count] >= '0' && text[count] <= '9'; count++)
        if (count < TIME_DIGITS)
            *time_ms = *time_ms * 10 + (text[count] - '0');
    if (count < len) /* a fraction or an exponent */
        return REASON_time_invalid;
    return minus || count > TIME_DIGITS ? REASON_time_range : REASON_none;
}

static enum reason parse_millis(const uint8_t *text, uint32_t len, int64_t *time_ms)
{
    *time_ms = swar_decimal_long(text, len);
    if (unlikely(*time_ms < 0))
        return parse_odd_millis(text, len, time_ms);
    return *time_ms > TIME_MS_MAX ? REASON_time_range : REASON_none;
}

static enum reason parse_time(const struct parse *p, struct event_value v, int64_t *time_ms)
{
    if (p->members.time_ms >= 0) {
        *time_ms = p->members.time_ms;
        return *time_ms > TIME_MS_MAX ? REASON_time_range : REASON_none;
    }
    uint8_t first = p->bytes[v.off];
    if (first == '-' || (first >= '0' && first <= '9'))
        return parse_millis(p->bytes + v.off, v.end - v.off, time_ms);
    if (first != '"')
        return REASON_wrong_type;
    struct string s;
    if (!get_string(p, v, EVENT_TIME_MAX, &s))
        return REASON_time_invalid;
    switch (text_time_parse(s.text, s.len, time_ms)) {
    case 0:
        return REASON_none;
    case -ERANGE:
        return REASON_time_range;
    default:
        return REASON_time_invalid;
    }
}

static void check_time(struct parse *p)
{
    struct event_value v = p->members.slots[SLOT_TIME];
    enum reason reason = parse_time(p, v, &p->event->time_ms);
    if (unlikely(reason != REASON_none))
        note(p, reason, v.off);
}

static struct span span_inside(struct event_value v)
{
    return (struct span){(uint16_t)(v.off + 1), (uint16_t)(v.end - v.off - 2)};
}

static void check_user(struct parse *p)
{
    struct event_value v = p->members.slots[SLOT_USER];
    struct string s;
    if (!check_string(p, v, EVENT_USER_MAX, REASON_user_length, &s))
        return;
    p->event->user_key = hash128(p->key, s.text, s.len);
    p->event->user = span_inside(v);
    p->event->flags |= s.escaped ? EVENT_ESCAPED : 0;
}

/* check_name hashes the string in a slot, which is there. */
static void check_name(struct parse *p, enum event_slot slot, uint32_t max, enum reason length,
                       uint64_t *key)
{
    struct string s;
    if (check_string(p, p->members.slots[slot], max, length, &s))
        *key = hash64(p->key, s.text, s.len);
}

/* check_thing does the same for an item or a tile, of which the event keeps the span. */
static void check_thing(struct parse *p, enum event_slot slot, enum reason length, uint64_t *key,
                        struct span *span)
{
    struct string s;
    if (!check_string(p, p->members.slots[slot], EVENT_NAME_MAX, length, &s))
        return;
    *key = hash64(p->key, s.text, s.len);
    *span = span_inside(p->members.slots[slot]);
    p->event->flags |= s.escaped ? EVENT_ESCAPED : 0;
}

static bool has(const struct parse *p, enum event_slot slot)
{
    return p->members.seen & SLOT_BIT(slot);
}

static void check_required(struct parse *p, size_t closing)
{
    static const enum reason missing[SLOTS_REQUIRED] = {REASON_id_missing, REASON_time_missing,
                                                        REASON_user_missing, REASON_type_missing};
    if (has(p, SLOT_ID))
        check_id(p);
    if (has(p, SLOT_TIME))
        check_time(p);
    if (has(p, SLOT_USER))
        check_user(p);
    if (has(p, SLOT_TYPE))
        check_name(p, SLOT_TYPE, EVENT_TYPE_MAX, REASON_type_length, &p->event->type_key);
    uint32_t absent = ~p->members.seen & (SLOT_BIT(SLOTS_REQUIRED) - 1);
    if (unlikely(absent))
        note(p, missing[__builtin_ctz(absent)], closing);
}

static void check_optional(struct parse *p)
{
    struct event *event = p->event;
    if (has(p, SLOT_ITEM))
        check_thing(p, SLOT_ITEM, REASON_item_length, &event->item_key, &event->item);
    if (has(p, SLOT_TILE))
        check_thing(p, SLOT_TILE, REASON_tile_length, &event->tile_key, &event->tile);
    if (has(p, SLOT_HUNT))
        check_name(p, SLOT_HUNT, EVENT_NAME_MAX, REASON_hunt_length, &event->hunt_key);
    if (has(p, SLOT_DATA)) {
        struct event_value v = p->members.slots[SLOT_DATA];
        event->data = (struct span){(uint16_t)v.off, (uint16_t)(v.end - v.off)};
    }
    event->flags |= (uint8_t)(p->members.seen >> SLOT_ITEM);
}

/* walk finds what the scan has given up.  Returns the closing brace, or JSON_FAULT. */
static size_t walk(struct parse *p, uint32_t len, uint32_t depth_max)
{
    struct json j;
    size_t twice;
    json_init(&j, p->bytes, len, depth_max);
    size_t closing = event_walk(&j, &p->members, &twice);
    if (closing == JSON_FAULT)
        note(p, j.reason, j.reason_offset);
    else if (twice != JSON_FAULT)
        note(p, REASON_duplicate_key, twice);
    return closing;
}

static enum reason reject(struct event *event, enum reason reason, size_t offset)
{
    event->reason = (uint8_t)reason;
    event->reason_offset = (uint16_t)offset;
    return reason;
}

enum reason event_parse(const struct event_limits *limits, const struct hash_key *key,
                        const uint8_t *bytes, uint32_t len, struct event *event)
{
    event->bytes = bytes;
    event->len = (uint16_t)(len <= EVENT_BYTES_MAX ? len : EVENT_BYTES_MAX);
    if (unlikely(len > limits->event_bytes))
        return reject(event, REASON_too_large, limits->event_bytes);

    struct parse p;
    size_t closing = len - 1;
    p.bytes = bytes;
    p.key = key;
    p.event = event;
    p.fault = (struct fault){REASON_none, 0};
    if (unlikely(!event_scan(bytes, len, limits->event_depth, &p.members))) {
        closing = walk(&p, len, limits->event_depth);
        if (unlikely(closing == JSON_FAULT))
            return reject(event, p.fault.reason, p.fault.offset);
    }

    event->type_key = event->item_key = event->tile_key = event->hunt_key = 0;
    event->item = event->tile = event->data = (struct span){0, 0};
    event->flags = 0;
    check_required(&p, closing);
    check_optional(&p);
    return reject(event, p.fault.reason, p.fault.offset);
}

struct hash128 event_dedupe_key(const struct hash_key *key, const struct event *event)
{
    static_assert(offsetof(struct event, user_key) == 0 && offsetof(struct event, id) == 16,
                  "an event begins with what is hashed");
    return hash128_of_32(key, event);
}
