/* reference_event.c - an event by recursive descent. */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/base/event.h"
#include "tests/unit/base/reference_event.h"

enum kind { OBJECT, ARRAY, STRING, NUMBER, WORD };

struct node {
    enum kind kind;
    uint32_t off; /* of the whole text, quotes included */
    uint32_t end;
    uint8_t *decoded; /* a string's */
    uint32_t decoded_len;
    bool escaped;
};

struct member {
    struct node name;
    struct node value;
};

struct parser {
    const uint8_t *bytes;
    uint32_t len;
    uint32_t at;
    uint32_t depth_max;
    uint32_t member_count;
    struct member *members; /* of the outermost object */
    uint8_t *heap;          /* what strings decode to, one behind the other */
    uint32_t heap_used;
    struct reference_event *event;
    jmp_buf broken;
};

static void parse_value(struct parser *p, uint32_t depth, struct node *node);

static _Noreturn void broken(struct parser *p, enum reason reason, uint32_t offset)
{
    p->event->reason = reason;
    p->event->offset = offset;
    longjmp(p->broken, 1);
}

/* peek returns -1 at the end. */
static int peek(const struct parser *p)
{
    return p->at < p->len ? p->bytes[p->at] : -1;
}

static void expect(struct parser *p, int c)
{
    if (peek(p) != c)
        broken(p, REASON_syntax, p->at);
    p->at++;
}

static void skip_space(struct parser *p)
{
    while (peek(p) == ' ' || peek(p) == '\t' || peek(p) == '\n' || peek(p) == '\r')
        p->at++;
}

static void put_utf8(struct parser *p, uint32_t code)
{
    uint8_t *out = p->heap + p->heap_used;
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        p->heap_used += 1;
    } else if (code < 0x800) {
        out[0] = (uint8_t)(0xc0 + code / 64);
        out[1] = (uint8_t)(0x80 + code % 64);
        p->heap_used += 2;
    } else if (code < 0x10000) {
        out[0] = (uint8_t)(0xe0 + code / 4096);
        out[1] = (uint8_t)(0x80 + code / 64 % 64);
        out[2] = (uint8_t)(0x80 + code % 64);
        p->heap_used += 3;
    } else {
        out[0] = (uint8_t)(0xf0 + code / 262144);
        out[1] = (uint8_t)(0x80 + code / 4096 % 64);
        out[2] = (uint8_t)(0x80 + code / 64 % 64);
        out[3] = (uint8_t)(0x80 + code % 64);
        p->heap_used += 4;
    }
}

static void parse_utf8(struct parser *p)
{
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t lead = p->bytes[p->at];
    uint32_t count = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc0 || lead > 0xf7 || p->len - p->at < count)
        broken(p, REASON_utf8, p->at);
    uint32_t code = lead & (0xffu >> (count + 1));
    for (uint32_t i = 1; i < count; i++) {
        uint32_t c = p->bytes[p->at + i];
        if (c < 0x80 || c > 0xbf)
            broken(p, REASON_utf8, p->at);
        code = code * 64 + (c - 0x80);
    }
    if (code < smallest[count] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        broken(p, REASON_utf8, p->at);
    put_utf8(p, code);
    p->at += count;
}

static int hex_value(int c)
{
    const char *digits = "0123456789abcdef0123456789ABCDEF";
    const char *found = c > 0 ? strchr(digits, c) : NULL;
    return found ? (int)(found - digits) % 16 : -1;
}

static uint32_t parse_hex4(struct parser *p)
{
    uint32_t code = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(peek(p));
        if (digit < 0)
            broken(p, REASON_syntax, p->at);
        code = code * 16 + (uint32_t)digit;
        p->at++;
    }
    return code;
}

/* low_surrogate reads a complete escape of a low surrogate, or returns 0 and stays. */
static uint32_t low_surrogate(struct parser *p)
{
    uint32_t code = 0;
    if (p->len - p->at < 6 || p->bytes[p->at] != '\\' || p->bytes[p->at + 1] != 'u')
        return 0;
    for (uint32_t i = 2; i < 6; i++) {
        int digit = hex_value(p->bytes[p->at + i]);
        if (digit < 0)
            return 0;
        code = code * 16 + (uint32_t)digit;
    }
    if (code < 0xdc00 || code > 0xdfff)
        return 0;
    p->at += 6;
    return code;
}

static void parse_escape(struct parser *p)
{
    const char *letters = "\"\\/bfnrt";
    const char *meanings = "\"\\/\b\f\n\r\t";
    uint32_t backslash = p->at++;
    int c = peek(p);
    const char *letter = c > 0 ? strchr(letters, c) : NULL;
    if (letter) {
        put_utf8(p, (uint8_t)meanings[letter - letters]);
        p->at++;
        return;
    }
    expect(p, 'u');
    uint32_t code = parse_hex4(p);
    if (code >= 0xd800 && code <= 0xdfff) {
        uint32_t low = code <= 0xdbff ? low_surrogate(p) : 0;
        if (!low)
            broken(p, REASON_surrogate, backslash);
        code = 0x10000 + (code - 0xd800) * 0x400 + (low - 0xdc00);
    }
    put_utf8(p, code);
}

static void parse_string(struct parser *p, struct node *node)
{
    node->kind = STRING;
    node->off = p->at;
    node->escaped = false;
    uint32_t start = p->heap_used;
    expect(p, '"');
    while (peek(p) != '"') {
        int c = peek(p);
        if (c < 0x20) /* a control character, or the end */
            broken(p, REASON_syntax, p->at);
        if (c == '\\') {
            node->escaped = true;
            parse_escape(p);
        } else if (c >= 0x80) {
            parse_utf8(p);
        } else {
            put_utf8(p, (uint32_t)c);
            p->at++;
        }
    }
    p->at++;
    node->end = p->at;
    node->decoded = p->heap + start;
    node->decoded_len = p->heap_used - start;
}

static void parse_digits(struct parser *p)
{
    if (peek(p) < '0' || peek(p) > '9')
        broken(p, REASON_syntax, p->at);
    while (peek(p) >= '0' && peek(p) <= '9')
        p->at++;
}

static void parse_number(struct parser *p)
{
    if (peek(p) == '-')
        p->at++;
    if (peek(p) == '0')
        p->at++;
    else
        parse_digits(p);
    if (peek(p) == '.') {
        p->at++;
        parse_digits(p);
    }
    if (peek(p) == 'e' || peek(p) == 'E') {
        p->at++;
        if (peek(p) == '+' || peek(p) == '-')
            p->at++;
        parse_digits(p);
    }
}

static void parse_word(struct parser *p, const char *word)
{
    while (*word)
        expect(p, *word++);
}

static void parse_object(struct parser *p, uint32_t depth)
{
    expect(p, '{');
    skip_space(p);
    while (peek(p) != '}') {
        struct member m;
        parse_string(p, &m.name);
        skip_space(p);
        expect(p, ':');
        parse_value(p, depth + 1, &m.value);
        if (depth == 1)
            p->members[p->member_count++] = m;
        skip_space(p);
        if (peek(p) == '}')
            break;
        expect(p, ',');
        skip_space(p);
        if (peek(p) == '}')
            broken(p, REASON_syntax, p->at);
    }
    p->at++;
}

static void parse_array(struct parser *p, uint32_t depth)
{
    expect(p, '[');
    skip_space(p);
    while (peek(p) != ']') {
        struct node value;
        parse_value(p, depth + 1, &value);
        skip_space(p);
        if (peek(p) == ']')
            break;
        expect(p, ',');
        skip_space(p);
        if (peek(p) == ']')
            broken(p, REASON_syntax, p->at);
    }
    p->at++;
}

/* depth is what the value has if it is an object or an array. */
static void parse_value(struct parser *p, uint32_t depth, struct node *node)
{
    skip_space(p);
    node->off = p->at;
    int c = peek(p);
    if ((c == '{' || c == '[') && depth > p->depth_max)
        broken(p, REASON_depth, p->at);
    if (c == '{') {
        node->kind = OBJECT;
        parse_object(p, depth);
    } else if (c == '[') {
        node->kind = ARRAY;
        parse_array(p, depth);
    } else if (c == '"') {
        parse_string(p, node);
    } else if (c == 't' || c == 'f' || c == 'n') {
        node->kind = WORD;
        parse_word(p, c == 't' ? "true" : c == 'f' ? "false" : "null");
    } else {
        node->kind = NUMBER;
        parse_number(p);
    }
    node->end = p->at;
}

struct verdict {
    enum reason reason;
    uint32_t offset;
};

static struct verdict verdict(enum reason reason, uint32_t offset)
{
    return (struct verdict){reason, offset};
}

static struct verdict judge_id(const struct node *v, struct reference_event *event)
{
    uint64_t id[2] = {0, 0};
    unsigned digits = 0;
    if (v->kind != STRING)
        return verdict(REASON_wrong_type, v->off);
    for (uint32_t i = 0; i < 36 || i < v->decoded_len; i++) {
        int c = i < v->decoded_len ? v->decoded[i] : -1;
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (i >= 36 || (dash ? c != '-' : hex_value(c) < 0))
            return verdict(REASON_id_invalid, v->escaped ? v->off : v->off + 1 + i);
        if (!dash) {
            id[digits / 16] = id[digits / 16] * 16 + (uint64_t)hex_value(c);
            digits++;
        }
    }
    if (id[0] == 0 && id[1] == 0)
        return verdict(REASON_id_invalid, v->off);
    memcpy(event->id, id, sizeof id);
    return verdict(REASON_none, 0);
}

/* match says whether text follows a pattern in which 9 stands for any digit. */
static bool match(const uint8_t *text, uint32_t len, const char *pattern)
{
    if (len != strlen(pattern))
        return false;
    for (uint32_t i = 0; i < len; i++)
        if (pattern[i] == '9' ? text[i] < '0' || text[i] > '9' : text[i] != (uint8_t)pattern[i])
            return false;
    return true;
}

static int decimal(const uint8_t *text, int count)
{
    int n = 0;
    for (int i = 0; i < count; i++)
        n = n * 10 + (text[i] - '0');
    return n;
}

/* A zone is "Z", "+hh:mm" or "-hh:mm"; the result is its seconds, or INT64_MAX. */
static int64_t judge_zone(const uint8_t *text, uint32_t len)
{
    if (match(text, len, "Z") || match(text, len, "z"))
        return 0;
    if (!match(text, len, "+99:99") && !match(text, len, "-99:99"))
        return INT64_MAX;
    if (decimal(text + 1, 2) > 23 || decimal(text + 4, 2) > 59)
        return INT64_MAX;
    int64_t seconds = decimal(text + 1, 2) * 3600 + decimal(text + 4, 2) * 60;
    return text[0] == '-' ? -seconds : seconds;
}

/* The C library knows the calendar: a date that it has to normalise is none. */
static enum reason judge_date_time(const uint8_t *text, uint32_t len, int64_t *time_ms)
{
    if (len > EVENT_TIME_MAX || len < 20)
        return REASON_time_invalid;
    if (!match(text, 19, "9999-99-99T99:99:99") && !match(text, 19, "9999-99-99t99:99:99"))
        return REASON_time_invalid;
    uint32_t zone = 19;
    int64_t ms = 0;
    if (text[zone] == '.') {
        uint32_t first = ++zone;
        for (; zone < len && text[zone] >= '0' && text[zone] <= '9'; zone++)
            ms += zone - first == 0   ? 100 * (text[zone] - '0')
                  : zone - first == 1 ? 10 * (text[zone] - '0')
                  : zone - first == 2 ? text[zone] - '0'
                                      : 0;
        if (zone == first)
            return REASON_time_invalid;
    }
    int64_t shift = judge_zone(text + zone, len - zone);
    bool leap = decimal(text + 17, 2) == 60;
    struct tm given = {.tm_year = decimal(text, 4) - 1900,
                       .tm_mon = decimal(text + 5, 2) - 1,
                       .tm_mday = decimal(text + 8, 2),
                       .tm_hour = decimal(text + 11, 2),
                       .tm_min = decimal(text + 14, 2),
                       .tm_sec = leap ? 59 : decimal(text + 17, 2)};
    struct tm normal = given;
    time_t t = timegm(&normal);
    if (shift == INT64_MAX || normal.tm_year != given.tm_year || normal.tm_mon != given.tm_mon ||
        normal.tm_mday != given.tm_mday || normal.tm_hour != given.tm_hour ||
        normal.tm_min != given.tm_min || normal.tm_sec != given.tm_sec)
        return REASON_time_invalid;
    t = t - shift + leap;
    if (leap && t >= 0) {
        struct tm next;
        gmtime_r(&t, &next);
        if (next.tm_mday != 1 || next.tm_hour || next.tm_min || next.tm_sec)
            return REASON_time_invalid;
    }
    *time_ms = t * 1000 + ms;
    return *time_ms < 0 || *time_ms > 253402300799999 ? REASON_time_range : REASON_none;
}

static enum reason judge_number(const uint8_t *text, uint32_t len, int64_t *time_ms)
{
    uint32_t first = text[0] == '-';
    uint64_t n = 0;
    bool beyond = first;
    for (uint32_t i = first; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return REASON_time_invalid;
        n = n * 10 + (uint64_t)(text[i] - '0');
        if (n > 253402300799999) {
            beyond = true;
            n = 253402300799999;
        }
    }
    *time_ms = (int64_t)n;
    return beyond ? REASON_time_range : REASON_none;
}

static struct verdict judge_time(const struct parser *p, const struct node *v)
{
    int64_t *time_ms = &p->event->time_ms;
    if (v->kind == NUMBER)
        return verdict(judge_number(p->bytes + v->off, v->end - v->off, time_ms), v->off);
    if (v->kind == STRING)
        return verdict(judge_date_time(v->decoded, v->decoded_len, time_ms), v->off);
    return verdict(REASON_wrong_type, v->off);
}

static struct verdict judge_name(const struct node *v, uint32_t max, enum reason length,
                                 struct reference_string *out)
{
    if (v->kind != STRING)
        return verdict(REASON_wrong_type, v->off);
    if (v->decoded_len < 1 || v->decoded_len > max)
        return verdict(length, v->off);
    out->off = v->off + 1;
    out->raw_len = v->end - v->off - 2;
    out->len = v->decoded_len;
    memcpy(out->bytes, v->decoded, v->decoded_len);
    return verdict(REASON_none, 0);
}

enum own { ID, TIME, USER, TYPE, ITEM, TILE, HUNT, DATA, OTHER };

static enum own own_key(const struct node *name)
{
    static const char *const names[] = {"id",   "time", "user", "type",
                                        "item", "tile", "hunt", "data"};
    for (enum own k = ID; k < OTHER; k++)
        if (name->decoded_len == strlen(names[k]) &&
            !memcmp(name->decoded, names[k], name->decoded_len))
            return k;
    return OTHER;
}

static struct verdict judge_member(struct parser *p, enum own key, const struct node *v)
{
    struct reference_event *event = p->event;
    switch (key) {
    case ID:
        return judge_id(v, event);
    case TIME:
        return judge_time(p, v);
    case USER:
        return judge_name(v, 64, REASON_user_length, &event->user);
    case TYPE:
        return judge_name(v, 32, REASON_type_length, &event->type);
    case ITEM:
        return judge_name(v, 64, REASON_item_length, &event->item);
    case TILE:
        return judge_name(v, 64, REASON_tile_length, &event->tile);
    case HUNT:
        return judge_name(v, 64, REASON_hunt_length, &event->hunt);
    case DATA:
        event->data_off = v->off;
        event->data_len = v->end - v->off;
        break;
    case OTHER:
        break;
    }
    return verdict(REASON_none, 0);
}

/* judge looks at the members in the order of their bytes, then for those that are missing. */
static struct verdict judge(struct parser *p, uint32_t closing)
{
    bool seen[OTHER + 1] = {false};
    for (uint32_t i = 0; i < p->member_count; i++) {
        enum own key = own_key(&p->members[i].name);
        if (key != OTHER && seen[key])
            return verdict(REASON_duplicate_key, p->members[i].name.off);
        seen[key] = true;
        struct verdict v = judge_member(p, key, &p->members[i].value);
        if (v.reason != REASON_none)
            return v;
    }
    p->event->item.present = seen[ITEM];
    p->event->tile.present = seen[TILE];
    p->event->hunt.present = seen[HUNT];
    p->event->has_data = seen[DATA];
    p->event->has_other = seen[OTHER];
    if (!seen[ID])
        return verdict(REASON_id_missing, closing);
    if (!seen[TIME])
        return verdict(REASON_time_missing, closing);
    if (!seen[USER])
        return verdict(REASON_user_missing, closing);
    if (!seen[TYPE])
        return verdict(REASON_type_missing, closing);
    return verdict(REASON_none, 0);
}

static void parse_text(struct parser *p)
{
    skip_space(p);
    if (p->at == p->len)
        broken(p, REASON_empty, p->at);
    struct node top;
    parse_value(p, 1, &top);
    skip_space(p);
    if (p->at < p->len)
        broken(p, REASON_trailing, p->at);
    if (top.kind != OBJECT)
        broken(p, REASON_not_object, top.off);
    struct verdict v = judge(p, top.end - 1);
    p->event->reason = v.reason;
    p->event->offset = v.offset;
}

void reference_event_parse(const struct event_limits *limits, const uint8_t *bytes, uint32_t len,
                           struct reference_event *event)
{
    memset(event, 0, sizeof *event);
    if (len > limits->event_bytes) {
        event->reason = REASON_too_large;
        event->offset = limits->event_bytes;
        return;
    }
    struct parser p = {
        .bytes = bytes, .len = len, .depth_max = limits->event_depth, .event = event};
    p.members = malloc((len + 1) * sizeof *p.members);
    p.heap = malloc(len + 4);
    if (!p.members || !p.heap)
        abort();
    if (!setjmp(p.broken))
        parse_text(&p);
    free(p.members);
    free(p.heap);
}
