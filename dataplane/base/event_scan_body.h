/* event_scan_body.h - the scan of event_scan.h, compiled once for each kind of processor.
 *
 * An event_scan_X.c includes this and says how the quotes among 64 bytes are found (scan_load) and
 * how their offsets are written (scan_put).
 *
 * All quotes are used up in turns: each string must begin where one is due, and everything between
 * strings is looked at byte by byte, so nothing is left unchecked.  An own key is recognised by one
 * comparison of its quotes, letters and colon.  Whether a value is a string or a number is not
 * asked in a branch, since guessing wrong takes longer than reading both: so the order of the keys
 * costs next to nothing.
 */
#pragma once

#include <string.h>

#include "dataplane/base/event_scan.h"
#include "dataplane/base/json.h"
#include "dataplane/base/swar.h"
#include "dataplane/base/text.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define SCAN_QUOTES   192 /* more are given up */
#define SCAN_PUT_ROOM 72  /* how far scan_put may write behind what it puts */

/* What is in 64 bytes; nothing of it behind the end. */
struct scan_marks {
    uint64_t quotes;
    uint64_t slashes;
    uint64_t controls; /* not zero: there is a byte below 0x20 */
    uint64_t beyond;   /* not zero: there is a byte above 0x7f */
};

static inline struct scan_marks scan_load(const uint8_t *bytes, uint32_t len, uint32_t at);

/* scan_put writes the offsets of bits, of which the lowest is that of base. */
static inline void scan_put(uint16_t *places, uint64_t bits, uint32_t base);

struct scan {
    const uint8_t *bytes;
    uint32_t last; /* offset of the last byte, the closing brace */
    uint32_t depth_max;
    uint32_t quote_count;
    uint64_t beyond;                              /* not zero: there is a byte above 0x7f */
    uint64_t slashes;                             /* not zero: there is a backslash */
    uint16_t quotes[SCAN_QUOTES + SCAN_PUT_ROOM]; /* offsets of those that are not escaped */
};

/* escaped_bytes marks what stands behind a backslash that is not escaped itself; *escape: whether
 * the first byte is, then that of the next word. */
static uint64_t escaped_bytes(uint64_t slashes, uint64_t *escape)
{
    uint64_t escaped = *escape;
    *escape = 0;
    for (slashes &= ~escaped; slashes; slashes &= slashes - 1) {
        uint64_t slash = slashes & -slashes;
        *escape = slash >> 63;
        escaped |= slash << 1;
        slashes &= ~(slash << 1);
    }
    return escaped;
}

/* find_quotes fills in s->quotes. */
static inline bool find_quotes(struct scan *s)
{
    uint32_t count = 0, len = s->last + 1;
    uint64_t slashes = 0, controls = 0, beyond = 0, escape = 0;
    for (uint32_t at = 0; at < len; at += 64) {
        struct scan_marks m = scan_load(s->bytes, len, at);
        slashes |= m.slashes;
        controls |= m.controls;
        beyond |= m.beyond;
        if (unlikely(m.slashes | escape))
            m.quotes &= ~escaped_bytes(m.slashes, &escape);
        scan_put(s->quotes + count, m.quotes, at);
        count += (uint32_t)__builtin_popcountll(m.quotes);
        if (unlikely(count > SCAN_QUOTES))
            return false;
    }
    s->quote_count = count;
    s->slashes = slashes;
    s->beyond = beyond;
    return !controls && count % 2 == 0;
}

/* Own keys by a perfect hash of the four bytes behind the first quote: the place is the top four
 * bits of the product. */
#define KEY_FACTOR 0x7ed4d57bu
#define KEY(text, unused)                                                                          \
    ((uint64_t)(text)[0] << 0 | (uint64_t)(text)[1] << 8 | (uint64_t)(text)[2] << 16 |             \
     (uint64_t)(text)[3] << 24 | (uint64_t)(text)[4] << 32 | (uint64_t)(text)[5] << 40 |           \
     (uint64_t)(text)[6] << 48)                                                                    \
        << (unused)

static const struct {
    uint64_t word;   /* quotes, letters and colon; the last of them is the highest byte */
    uint32_t unused; /* bits of eight bytes that are not the key's */
    uint32_t slot;
} scan_keys[16] = {
    [0] = {KEY("\"item\":", 8), 8, SLOT_ITEM}, [3] = {KEY("\"time\":", 8), 8, SLOT_TIME},
    [4] = {KEY("\"hunt\":", 8), 8, SLOT_HUNT}, [5] = {KEY("\"tile\":", 8), 8, SLOT_TILE},
    [6] = {KEY("\"id\":\0", 24), 24, SLOT_ID}, [8] = {KEY("\"data\":", 8), 8, SLOT_DATA},
    [9] = {KEY("\"user\":", 8), 8, SLOT_USER}, [15] = {KEY("\"type\":", 8), 8, SLOT_TYPE},
};

/* read_any reads a value of any kind, inside depth open brackets, and moves on to the first quote
 * behind it.  Returns its end, or 0, also where it does not begin at once. */
static uint32_t read_any(const struct scan *s, uint32_t at, uint32_t depth, const uint16_t **quote)
{
    struct json j;
    uint8_t c = s->bytes[at];
    if (c == ' ')
        return 0;
    json_init(&j, s->bytes, s->last + 1, s->depth_max);
    json_seek(&j, at);
    size_t end = c >= '0' && c <= '9' ? json_number(&j, at) : json_value(&j, at, depth);
    if (end > s->last)
        return 0;
    while (**quote < end)
        (*quote)++;
    return (uint32_t)end;
}

/* read_object reads an object in the object: its strings here, what else is in it by read_any.
 * Returns its end, or 0. */
static inline uint32_t read_object(const struct scan *s, uint32_t at, uint32_t gap,
                                   const uint16_t **quote)
{
    const uint8_t *bytes = s->bytes;
    const uint16_t *q = *quote;
    for (uint32_t key = at + 1, end;; key = end + 1 + gap) {
        uint32_t value = q[1] + 2u + gap;
        if (unlikely(q[0] != key) || unlikely(bytes[q[1] + 1] != ':') ||
            unlikely(gap && bytes[value - 1] != ' '))
            return read_any(s, at, 1, quote);
        if (likely(q[2] == value)) {
            end = q[3] + 1u;
            q += 4;
        } else {
            q += 2;
            end = read_any(s, value, 2, &q);
            if (!end)
                return 0;
        }
        if (bytes[end] == '}' && end < s->last) {
            *quote = q;
            return end + 1;
        }
        if (unlikely(bytes[end] != ',') || unlikely(gap && bytes[end + 1] != ' '))
            return 0;
    }
}

/* read_members reads all members; gap: 1 with a space behind each colon and comma, else 0.
 *
 * The number of quotes is even, and those that a value holds are, so the first of two that are due
 * never is the last.  The last byte is a brace, so no other character is found there. */
__attribute__((always_inline)) static inline bool read_members(struct scan *s, uint32_t gap,
                                                               struct event_members *members)
{
    const uint8_t *bytes = s->bytes;
    const uint16_t *q = s->quotes;
    uint32_t seen = 0, at = 1, end;
    for (uint32_t i = 0; i < 4; i++) /* a number that is last ends in front of the brace */
        s->quotes[s->quote_count + i] = (uint16_t)(s->last + 1 + gap);
    for (;; at = end + 1 + gap) {
        uint32_t key_end = q[1], value = key_end + 2 + gap, slot = SLOT_OTHER;
        if (unlikely(q[0] != at) || unlikely(at + 7 > s->last))
            return false;
        uint64_t text = swar_load(bytes + at);
        uint32_t number = (uint32_t)((uint32_t)(text >> 8) * KEY_FACTOR) >> 28;
        if (likely(text << scan_keys[number].unused == scan_keys[number].word))
            slot = scan_keys[number].slot;
        else if (unlikely(bytes[key_end + 1] != ':') ||
                 (unlikely(s->slashes) && memchr(bytes + at, '\\', key_end - at)))
            return false;
        if (unlikely(gap && bytes[value - 1] != ' '))
            return false;
        bool string = q[2] == value;
        end = string ? q[3] + 1u : q[2] - 1u - gap;
        q += string ? 4 : 2;
        if (unlikely(!(string | (slot == SLOT_TIME)))) {
            end = bytes[value] == '{' ? read_object(s, value, gap, &q) : read_any(s, value, 1, &q);
            if (unlikely(!end))
                return false;
        }
        if (unlikely(seen >> slot & 1) && slot != SLOT_OTHER)
            return false;
        seen |= SLOT_BIT(slot);
        members->slots[slot].off = value;
        members->slots[slot].end = end;
        if (end == s->last)
            break;
        if (unlikely(bytes[end] != ',') || unlikely(gap && bytes[end + 1] != ' '))
            return false;
    }
    members->seen = seen;
    return true;
}

/* read_time reads a time that is no string.  Returns false where it is not plainly a number, of 9
 * to 15 digits. */
static inline bool read_time(const uint8_t *bytes, struct event_members *members)
{
    struct event_value v = members->slots[SLOT_TIME];
    members->time_ms = -1;
    if (unlikely(!(members->seen & SLOT_BIT(SLOT_TIME))) || bytes[v.off] == '"')
        return true;
    members->time_ms = swar_decimal_long(bytes + v.off, v.end - v.off);
    return members->time_ms >= 0 && bytes[v.off] != '0';
}

static bool check_escapes(const struct scan *s)
{
    const uint8_t *end = s->bytes + s->last, *at = s->bytes;
    struct json j;
    json_init(&j, s->bytes, s->last + 1, s->depth_max);
    while ((at = memchr(at, '\\', (size_t)(end - at)))) {
        size_t next = json_escape(&j, (size_t)(at - s->bytes));
        if (next > s->last)
            return false;
        at = s->bytes + next;
    }
    return true;
}

bool SCAN_NAME(const uint8_t *bytes, uint32_t len, uint32_t depth_max,
               struct event_members *members)
{
    struct scan s;
    if (unlikely(len - EVENT_SCAN_MIN > EVENT_SCAN_MAX - EVENT_SCAN_MIN) || unlikely(depth_max < 2))
        return false;
    if (unlikely(bytes[0] != '{') || unlikely(bytes[len - 1] != '}'))
        return false;
    s.bytes = bytes;
    s.last = len - 1;
    s.depth_max = depth_max;
    if (unlikely(!find_quotes(&s)))
        return false;
    bool spaced = s.quote_count && s.quotes[1] + 2u < len &&
                  bytes[s.quotes[1] + 2] == ' '; /* behind the first colon */
    members->escaped = s.slashes;
    if (unlikely(!(spaced ? read_members(&s, 1, members) : read_members(&s, 0, members))))
        return false;
    return read_time(bytes, members) && (likely(!s.slashes) || check_escapes(&s)) &&
           (likely(!s.beyond) || text_utf8_valid(bytes, len) == len);
}
