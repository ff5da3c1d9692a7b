/* event_walk.c - see event_walk.h. */
#include <string.h>

#include "dataplane/base/event_walk.h"
#include "dataplane/base/swar.h"
#include "dataplane/base/text.h"

#define KEY_RAW_MAX 24 /* four characters, each a \u escape */

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Own keys by a perfect hash of their bytes: the place is the top four bits of the product. */
#define KEY_WORD(a, b, c, d) ((uint32_t)(a) | (b) << 8 | (c) << 16 | (uint32_t)(d) << 24)
#define KEY_FACTOR           0x1027c4d1u

static const struct {
    uint32_t word; /* the key's bytes, then zeros, which no key has raw */
    enum event_slot slot;
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

static inline enum event_slot own_key(uint32_t word)
{
    uint32_t place = (uint32_t)(word * KEY_FACTOR) >> 28;
    return own_keys[place].word == word ? own_keys[place].slot : SLOT_OTHER;
}

static enum event_slot escaped_key(const uint8_t *raw, size_t len)
{
    uint8_t name[sizeof(uint32_t)] = {0};
    int decoded = len <= KEY_RAW_MAX ? text_decode(raw, len, name, sizeof name) : -1;
    if (decoded < 0 || memchr(name, 0, (size_t)decoded))
        return SLOT_OTHER;
    return own_key(swar_load32(name));
}

/* plain_key names the slot of a key without escapes.  Its closing quote and a byte more can be
 * read, which makes four from the shortest own key on. */
static inline enum event_slot plain_key(const uint8_t *raw, size_t len)
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
static inline bool read_key(const struct walk *w, size_t *at, enum event_slot *slot)
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
static size_t find_members(struct json *j, size_t at, size_t last, struct event_members *members,
                           size_t *twice)
{
    struct walk w = {j, j->bytes, last};
    uint32_t seen = 0;
    uint8_t c = ',';
    j->stop_end = last;
    at++;
    if (next(&w, &at) == '}')
        return at;
    for (; c == ','; at++) {
        enum event_slot slot;
        if (unlikely(next(&w, &at) != '"'))
            return json_fault(j, REASON_syntax, at);
        size_t quote = at;
        if (unlikely(!read_key(&w, &at, &slot)))
            return JSON_FAULT;
        c = next(&w, &at);
        size_t off = at;
        if (unlikely(!read_value(&w, &at, c)))
            return JSON_FAULT;
        if (unlikely(seen & SLOT_BIT(slot)) && slot != SLOT_OTHER) {
            *twice = quote < *twice ? quote : *twice;
            slot = SLOT_OTHER; /* the first value is the one that is judged */
        }
        members->slots[slot] = (struct event_value){(uint32_t)off, (uint32_t)at};
        seen |= SLOT_BIT(slot);
        c = next(&w, &at);
    }
    members->seen = seen;
    return c == '}' ? at - 1 : json_fault(j, REASON_syntax, at - 1);
}

/* read_other reads what does not begin and end as an object does.  That is none, whatever it is. */
static size_t read_other(struct json *j, size_t first)
{
    size_t end = json_value(j, first, 0);
    if (end == JSON_FAULT)
        return JSON_FAULT;
    end = json_space(j, end);
    return end < j->len ? json_fault(j, REASON_trailing, end)
                        : json_fault(j, REASON_not_object, first);
}

size_t event_walk(struct json *j, struct event_members *members, size_t *twice)
{
    size_t first = 0;
    size_t last = j->len - 1;
    members->seen = 0;
    members->time_ms = -1;
    *twice = JSON_FAULT;
    json_next(j, &first);
    if (unlikely(first == j->len))
        return json_fault(j, REASON_empty, first);
    while (json_is_space(j->bytes[last]))
        last--;
    if (unlikely(j->bytes[first] != '{' || j->bytes[last] != '}'))
        return read_other(j, first);
    size_t closing = find_members(j, first, last, members, twice);
    members->escaped = j->escaped;
    if (unlikely(closing < last))
        return json_fault(j, REASON_trailing, json_space(j, closing + 1));
    return closing;
}
