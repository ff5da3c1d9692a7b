/* event.c - from bytes to struct event in two steps: find the members, then check what they say.
 *
 * The first step walks the object once, checks its grammar to the end and puts each own key's value
 * into that key's slot, without a branch that depends on which key it is.  The second looks at the
 * slots in their fixed order, so the order in which a client writes its keys costs nothing.
 */
#include <errno.h>
#include <string.h>

#include "dataplane/base/event.h"
#include "dataplane/base/json.h"
#include "dataplane/base/swar.h"
#include "dataplane/base/text.h"

#define TIME_MS_MAX   INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z, 15 digits */
#define TIME_DIGITS   15
#define KEY_RAW_MAX   24 /* four characters, each a \u escape */
#define DECODED_BYTES 64

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

enum slot {
    SLOT_ID,
    SLOT_TIME,
    SLOT_USER,
    SLOT_TYPE,
    SLOT_ITEM,
    SLOT_TILE,
    SLOT_HUNT,
    SLOT_DATA,
    SLOT_OTHER,
    SLOT_COUNT
};

/* The optional slots in their order are the bits of enum event_flag. */
static_assert(EVENT_HAS_ITEM == 1 && EVENT_HAS_TILE == 1 << (SLOT_TILE - SLOT_ITEM) &&
                  EVENT_HAS_HUNT == 1 << (SLOT_HUNT - SLOT_ITEM) &&
                  EVENT_HAS_DATA == 1 << (SLOT_DATA - SLOT_ITEM) &&
                  EVENT_HAS_OTHER == 1 << (SLOT_OTHER - SLOT_ITEM),
              "flags are the seen bits");

#define SLOT_BIT(slot) (1u << (slot))
#define SLOTS_REQUIRED 4 /* the first four */

static_assert(EVENT_USER_MAX <= DECODED_BYTES, "room for a decoded user");
static_assert(EVENT_NAME_MAX <= DECODED_BYTES, "room for a decoded item, tile or hunt");
static_assert(EVENT_TYPE_MAX <= DECODED_BYTES, "room for a decoded type");
static_assert(EVENT_TIME_MAX <= DECODED_BYTES, "room for a decoded time");

/* An own key's value: bytes[off, end), quotes included. */
struct value {
    uint32_t off;
    uint32_t end;
};

struct fault {
    enum reason reason;
    size_t offset;
};

struct parse {
    struct json json;
    const struct hash_key *key;
    struct event *event;
    struct value slots[SLOT_COUNT];
    uint32_t seen; /* SLOT_BIT */
    struct fault fault;
};

/* note keeps the fault that comes first in the bytes. */
static void note(struct parse *p, enum reason reason, size_t offset)
{
    if (p->fault.reason == REASON_none || offset < p->fault.offset)
        p->fault = (struct fault){reason, offset};
}

/* Own keys by a perfect hash of their bytes: the place is the top four bits of the product. */
#define KEY_WORD(a, b, c, d) ((uint32_t)(a) | (b) << 8 | (c) << 16 | (uint32_t)(d) << 24)
#define KEY_FACTOR           0x1027c4d1u

static const struct {
    uint32_t word; /* the key's bytes, then zeros, which no key has raw */
    enum slot slot;
} own_keys[16] = {
    [0] = {KEY_WORD('h', 'u', 'n', 't'), SLOT_HUNT},
    [1] = {KEY_WORD('t', 'i', 'l', 'e'), SLOT_TILE},
    [2] = {KEY_WORD('i', 'd', 0, 0), SLOT_ID},
    [4] = {KEY_WORD('i', 't', 'e', 'm'), SLOT_ITEM},
    [10] = {KEY_WORD('t', 'y', 'p', 'e'), SLOT_TYPE},
    [12] = {KEY_WORD('d', 'a', 't', 'a'), SLOT_DATA},
    [14] = {KEY_WORD('t', 'i', 'm', 'e'), SLOT_TIME},
    [15] = {KEY_WORD('u', 's', 'e', 'r'), SLOT_USER},
};

static inline enum slot own_key(uint32_t word)
{
    uint32_t place = (uint32_t)(word * KEY_FACTOR) >> 28;
    return own_keys[place].word == word ? own_keys[place].slot : SLOT_OTHER;
}

static enum slot escaped_key(const uint8_t *raw, size_t len)
{
    uint8_t name[sizeof(uint32_t)] = {0};
    int decoded = len <= KEY_RAW_MAX ? text_decode(raw, len, name, sizeof name) : -1;
    if (decoded < 0 || memchr(name, 0, (size_t)decoded))
        return SLOT_OTHER;
    return own_key(swar_load32(name));
}

/* plain_key names the slot of a key without escapes.  Its closing quote and a byte more can be
 * read, which makes four from the shortest own key on. */
static inline enum slot plain_key(const uint8_t *raw, size_t len)
{
    if (len - 2 > 2)
        return SLOT_OTHER;
    return own_key((uint32_t)(swar_load32(raw) & ((UINT64_C(1) << 8 * len) - 1)));
}

/* The object being walked.  Its closing brace is at last, or before: no string, number or white
 * space runs past that, so what follows one can be looked at without asking where the end is. */
struct walk {
    struct json *j;
    const uint8_t *bytes;
    size_t last;
};

/* next returns the first byte that is no white space, at *at then. */
static inline uint8_t next(const struct walk *w, size_t *at)
{
    uint8_t c = w->bytes[*at];
    if (likely(c > ' '))
        return c;
    *at = json_space(w->j, *at);
    return w->bytes[*at];
}

/* read_key reads the key whose opening quote is at *at, and its colon.  Returns false on a fault.
 */
static inline bool read_key(const struct walk *w, size_t *at, enum slot *slot)
{
    const uint8_t *raw = w->bytes + *at + 1;
    size_t end = json_stop(w->j, *at + 1);
    if (likely(w->bytes[end] == '"')) {
        *slot = plain_key(raw, (size_t)(w->bytes + end - raw));
        end++;
    } else {
        end = json_string_rest(w->j, end);
        if (end == JSON_FAULT)
            return false;
        *slot = escaped_key(raw, (size_t)(w->bytes + end - 1 - raw));
    }
    if (unlikely(next(w, &end) != ':')) {
        json_fault(w->j, REASON_syntax, end);
        return false;
    }
    *at = end + 1;
    return true;
}

/* read_number reads a time in milliseconds fast, and any other number too. */
static inline size_t read_number(const struct walk *w, size_t at)
{
    const uint8_t *text = w->bytes + at;
    if (text[0] != '0' && w->last - at >= 16 && swar_is_decimal(swar_load(text))) {
        unsigned count = 8 + swar_digit_count(swar_load(text + 8));
        if (text[count] == ',')
            return at + count;
    }
    return json_number(w->j, at);
}

/* read_value reads the value at *at, which starts with c.  Returns false on a fault. */
static inline bool read_value(const struct walk *w, size_t *at, uint8_t c)
{
    size_t end;
    if (likely(c == '"')) {
        end = json_stop(w->j, *at + 1);
        if (likely(w->bytes[end] == '"')) {
            *at = end + 1;
            return true;
        }
        end = json_string_rest(w->j, end);
    } else {
        end = c >= '0' && c <= '9' ? read_number(w, *at) : json_value(w->j, *at, 1);
        if (unlikely(end > w->last && end != JSON_FAULT)) /* that brace was the value's */
            end = json_fault(w->j, REASON_syntax, w->j->len);
    }
    *at = end;
    return end != JSON_FAULT;
}

/* find_members walks the object whose opening brace is at at.  Returns its closing one, or
 * JSON_FAULT. */
static size_t find_members(struct parse *p, size_t at, size_t last)
{
    struct walk w = {&p->json, p->json.bytes, last};
    uint32_t seen = 0;
    uint8_t c = ',';
    p->json.stop_end = last;
    at++;
    if (next(&w, &at) == '}')
        return at;
    for (; c == ','; at++) {
        enum slot slot;
        if (unlikely(next(&w, &at) != '"'))
            return json_fault(w.j, REASON_syntax, at);
        size_t quote = at;
        if (unlikely(!read_key(&w, &at, &slot)))
            return JSON_FAULT;
        c = next(&w, &at);
        size_t off = at;
        if (unlikely(!read_value(&w, &at, c)))
            return JSON_FAULT;
        if (unlikely(seen & SLOT_BIT(slot)) && slot != SLOT_OTHER) {
            note(p, REASON_duplicate_key, quote);
            slot = SLOT_OTHER; /* the first value is the one that is judged */
        }
        p->slots[slot] = (struct value){(uint32_t)off, (uint32_t)at};
        seen |= SLOT_BIT(slot);
        c = next(&w, &at);
    }
    p->seen = seen;
    return c == '}' ? at - 1 : json_fault(w.j, REASON_syntax, at - 1);
}

/* A string's decoded bytes, in place where it has no escapes. */
struct string {
    const uint8_t *text;
    uint32_t len;
    bool escaped;
    uint8_t decoded[DECODED_BYTES];
};

/* get_string decodes the value v, a string.  Returns whether it has at most max bytes. */
static inline bool get_string(const struct json *j, struct value v, uint32_t max, struct string *s)
{
    s->text = j->bytes + v.off + 1;
    s->len = v.end - v.off - 2;
    s->escaped = unlikely(j->escaped) && memchr(s->text, '\\', s->len);
    if (s->escaped) {
        int len = text_decode(s->text, s->len, s->decoded, max);
        if (len < 0)
            return false;
        s->text = s->decoded;
        s->len = (uint32_t)len;
    }
    return s->len <= max;
}

static inline bool is_string(const struct json *j, struct value v)
{
    return j->bytes[v.off] == '"';
}

/* check_string notes what is wrong with a value that must be a string of 1 to max bytes. */
static inline bool check_string(struct parse *p, struct value v, uint32_t max, enum reason length,
                                struct string *s)
{
    if (unlikely(!is_string(&p->json, v))) {
        note(p, REASON_wrong_type, v.off);
        return false;
    }
    if (unlikely(!get_string(&p->json, v, max, s) || s->len == 0)) {
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
    struct value v = p->slots[SLOT_ID];
    uint64_t *id = p->event->id;
    struct string s;
    if (!is_string(&p->json, v)) {
        note(p, REASON_wrong_type, v.off);
        return;
    }
    bool fits = get_string(&p->json, v, TEXT_UUID_LEN, &s) && s.len == TEXT_UUID_LEN;
    if (unlikely(!fits || text_uuid_parse(s.text, id) >= 0))
        note(p, REASON_id_invalid, s.escaped ? v.off : v.off + 1 + uuid_wrong(s.text, s.len));
    else if (unlikely(!(id[0] | id[1])))
        note(p, REASON_id_invalid, v.off);
}

/* decimal reads 9 to 15 digits, the first eight from the front, the rest from the back.  Returns -1
 * when the text is anything else. */
static inline int64_t decimal(const uint8_t *text, uint32_t len)
{
    static const int64_t power[8] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    if (len <= 8 || len > TIME_DIGITS)
        return -1;
    uint64_t front = swar_load(text);
    uint64_t back = swar_load(text + len - 8);
    if (!swar_is_decimal(front) || !swar_is_decimal(back))
        return -1;
    back &= UINT64_MAX << 8 * (16 - len);
    return swar_decimal(front) * power[len - 8] + swar_decimal(back);
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
    *time_ms = decimal(text, len);
    if (unlikely(*time_ms < 0))
        return parse_odd_millis(text, len, time_ms);
    return *time_ms > TIME_MS_MAX ? REASON_time_range : REASON_none;
}

static enum reason parse_time(const struct json *j, struct value v, int64_t *time_ms)
{
    uint8_t first = j->bytes[v.off];
    if (first == '-' || (first >= '0' && first <= '9'))
        return parse_millis(j->bytes + v.off, v.end - v.off, time_ms);
    if (first != '"')
        return REASON_wrong_type;
    struct string s;
    if (!get_string(j, v, EVENT_TIME_MAX, &s))
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
    struct value v = p->slots[SLOT_TIME];
    enum reason reason = parse_time(&p->json, v, &p->event->time_ms);
    if (unlikely(reason != REASON_none))
        note(p, reason, v.off);
}

static struct span span_inside(struct value v)
{
    return (struct span){(uint16_t)(v.off + 1), (uint16_t)(v.end - v.off - 2)};
}

static void check_user(struct parse *p)
{
    struct value v = p->slots[SLOT_USER];
    struct string s;
    if (!check_string(p, v, EVENT_USER_MAX, REASON_user_length, &s))
        return;
    p->event->user_key = hash128(p->key, s.text, s.len);
    p->event->user = span_inside(v);
    p->event->flags |= s.escaped ? EVENT_ESCAPED : 0;
}

/* check_name hashes the string in a slot, which is there. */
static void check_name(struct parse *p, enum slot slot, uint32_t max, enum reason length,
                       uint64_t *key)
{
    struct string s;
    if (check_string(p, p->slots[slot], max, length, &s))
        *key = hash64(p->key, s.text, s.len);
}

/* check_thing does the same for an item or a tile, of which the event keeps the span. */
static void check_thing(struct parse *p, enum slot slot, enum reason length, uint64_t *key,
                        struct span *span)
{
    struct string s;
    if (!check_string(p, p->slots[slot], EVENT_NAME_MAX, length, &s))
        return;
    *key = hash64(p->key, s.text, s.len);
    *span = span_inside(p->slots[slot]);
    p->event->flags |= s.escaped ? EVENT_ESCAPED : 0;
}

static bool has(const struct parse *p, enum slot slot)
{
    return p->seen & SLOT_BIT(slot);
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
    uint32_t absent = ~p->seen & (SLOT_BIT(SLOTS_REQUIRED) - 1);
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
        struct value v = p->slots[SLOT_DATA];
        event->data = (struct span){(uint16_t)v.off, (uint16_t)(v.end - v.off)};
    }
    event->flags |= (uint8_t)(p->seen >> SLOT_ITEM);
}

/* scan_other reads what does not begin and end as an object does.  That is none, whatever it is. */
static size_t scan_other(struct json *j, size_t first)
{
    size_t end = json_value(j, first, 0);
    if (end == JSON_FAULT)
        return JSON_FAULT;
    end = json_space(j, end);
    return end < j->len ? json_fault(j, REASON_trailing, end)
                        : json_fault(j, REASON_not_object, first);
}

/* scan reads the bytes as one JSON object.  Returns its closing brace, or JSON_FAULT. */
static size_t scan(struct parse *p)
{
    struct json *j = &p->json;
    size_t first = 0;
    size_t last = j->len - 1;
    json_next(j, &first);
    if (unlikely(first == j->len))
        return json_fault(j, REASON_empty, first);
    while (json_is_space(j->bytes[last]))
        last--;
    if (unlikely(j->bytes[first] != '{' || j->bytes[last] != '}'))
        return scan_other(j, first);
    size_t closing = find_members(p, first, last);
    if (unlikely(closing < last))
        return json_fault(j, REASON_trailing, json_space(j, closing + 1));
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
    json_init(&p.json, bytes, len, limits->event_depth);
    p.key = key;
    p.event = event;
    p.seen = 0;
    p.fault = (struct fault){REASON_none, 0};
    size_t closing = scan(&p);
    if (unlikely(closing == JSON_FAULT))
        return reject(event, p.json.reason, p.json.reason_offset);

    event->type_key = event->item_key = event->tile_key = event->hunt_key = 0;
    event->item = event->tile = event->data = (struct span){0, 0};
    event->flags = 0;
    check_required(&p, closing);
    check_optional(&p);
    return reject(event, p.fault.reason, p.fault.offset);
}

struct hash128 event_dedupe_key(const struct hash_key *key, const struct event *event)
{
    struct {
        struct hash128 user_key;
        uint64_t id[2];
    } identity = {event->user_key, {event->id[0], event->id[1]}};
    static_assert(sizeof identity == 32, "no padding in what is hashed");
    return hash128(key, &identity, sizeof identity);
}
