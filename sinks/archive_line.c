/* archive_line.c - records to lines and back.
 *
 * What is read back is encoded again and compared, so nothing passes that was not written so.
 */
#include "sinks/archive_line.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/json.h"
#include "dataplane/base/outcome.h"
#include "dataplane/base/reason.h"
#include "dataplane/base/text.h"

#define TIME_LEN  30u /* with nanoseconds */
#define WORD_MAX  32u
#define COUNT(of) (sizeof(of) / sizeof *(of))

static const char *const kinds[] = {
    [RECORD_EVENT] = "event",   [RECORD_DEAD] = "rejected",         [RECORD_OUTCOME] = "outcome",
    [RECORD_CONFIG] = "config", [RECORD_CORRECTION] = "correction",
};

/* ---- writing ---- */

/* The date-time with all nine digits. */
static void format_time(uint64_t ns, char out[TIME_LEN + 1])
{
    text_time_format((int64_t)(ns / NS_PER_S) * 1000, out);
    snprintf(out + 20, 11, "%09uZ", (unsigned)(ns % NS_PER_S));
}

static bool is_one_line(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] < ' ')
            return false;
    return true;
}

/* JSON of one line stands in the line as it is. */
static bool is_json(const struct record *record)
{
    struct json json;
    const uint8_t *body = record_body(record);
    bool whole = record->kind == RECORD_EVENT || record->kind == RECORD_CORRECTION ||
                 record->kind == RECORD_CONFIG;
    if (!whole || !record->body_len || body[0] != '{' || !is_one_line(body, record->body_len))
        return false;
    json_init(&json, body, record->body_len, JSON_DEPTH_MAX);
    return json_value(&json, 0, 0) == record->body_len;
}

static size_t put_text(const char *text, char *out)
{
    size_t len = strlen(text);
    memcpy(out, text, len + 1);
    return len;
}

static size_t put_hex(const uint8_t *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    size_t at = put_text("\"hex\":\"", out);
    for (size_t i = 0; i < len; i++) {
        out[at++] = digits[bytes[i] >> 4];
        out[at++] = digits[bytes[i] & 15];
    }
    out[at++] = '"';
    return at;
}

static size_t put_body(const struct record *record, char *out)
{
    const uint8_t *body = record_body(record);
    size_t len = record->body_len;
    if (is_json(record)) {
        size_t at = put_text("\"body\":", out);
        memcpy(out + at, body, len);
        return at + len;
    }
    if (record->kind == RECORD_OUTCOME || text_utf8_valid(body, len) != len)
        return put_hex(body, len, out);
    size_t at = put_text("\"text\":", out);
    int text = text_json_encode(body, len, out + at, 6 * len + 2);
    assert(text > 0);
    return at + (size_t)text;
}

/* For who reads the archive without Trove; all of it is in the body as well. */
static size_t put_outcome(const struct record *record, char *out, size_t room)
{
    struct outcome_view view;
    if (outcome_decode(record_body(record), record->body_len, &view))
        return 0;
    int len = snprintf(out, room, "\"outcome\":\"%s\",", outcome_kind_name(view.outcome.kind));
    size_t at = (size_t)len;
    if (!view.hunt.len)
        return at;
    at += (size_t)snprintf(out + at, room - at, "\"hunt\":");
    int hunt = text_json_encode(view.hunt.text, view.hunt.len, out + at, room - at - 1);
    assert(hunt > 0);
    at += (size_t)hunt;
    out[at++] = ',';
    return at;
}

size_t archive_line_encode(const struct archive_record *from, char out[ARCHIVE_LINE_MAX])
{
    const struct record *record = from->record;
    char time[TIME_LEN + 1];
    size_t room = 900;
    assert(record->kind && record->kind < COUNT(kinds) && record->body_len < BLOCK_BYTES);
    format_time(record->receive_ns, time);
    size_t at = (size_t)snprintf(out, room,
                                 "{\"ordinal\":%" PRIu64
                                 ",\"kind\":\"%s\",\"partition\":%u,\"seq\":%" PRIu64
                                 ",\"received\":\"%s\",\"config\":%u,",
                                 from->ordinal, kinds[record->kind], record->partition, record->seq,
                                 time, from->config_version);
    if (record->flags)
        at += (size_t)snprintf(out + at, room - at, "\"flags\":%u,", record->flags);
    if (record->kind == RECORD_DEAD)
        at += (size_t)snprintf(out + at, room - at, "\"reason\":\"%s\",\"offset\":%u,",
                               reason_name(record->reason), record->reason_offset);
    if (record->kind == RECORD_OUTCOME)
        at += put_outcome(record, out + at, room - at);
    at += put_body(record, out + at);
    out[at++] = '}';
    out[at++] = '\n';
    return at;
}

/* ---- reading ---- */

/* What is left of a line; NULL once something was not as it must be. */
struct rest {
    const char *at, *end;
};

static bool take(struct rest *rest, const char *text)
{
    size_t len = strlen(text);
    if (!rest->at || (size_t)(rest->end - rest->at) < len || memcmp(rest->at, text, len) != 0)
        return false;
    rest->at += len;
    return true;
}

static void expect(struct rest *rest, const char *text)
{
    if (!take(rest, text))
        rest->at = NULL;
}

static uint64_t take_number(struct rest *rest, uint64_t max)
{
    uint64_t value = 0;
    const char *begin = rest->at;
    while (rest->at && rest->at < rest->end && *rest->at >= '0' && *rest->at <= '9') {
        unsigned digit = (unsigned)(*rest->at++ - '0');
        if (value > (max - digit) / 10 || rest->at - begin > 20)
            rest->at = NULL;
        else
            value = value * 10 + digit;
    }
    if (rest->at == begin)
        rest->at = NULL;
    return value;
}

static void take_word(struct rest *rest, char word[WORD_MAX])
{
    size_t len = 0;
    word[0] = '\0';
    while (rest->at && rest->at + len < rest->end && rest->at[len] != '"')
        len++;
    if (!rest->at || len >= WORD_MAX) {
        rest->at = NULL;
        return;
    }
    memcpy(word, rest->at, len);
    word[len] = '\0';
    rest->at += len;
    expect(rest, "\"");
}

static uint8_t take_kind(struct rest *rest)
{
    char word[WORD_MAX];
    take_word(rest, word);
    for (unsigned kind = RECORD_EVENT; kind < COUNT(kinds); kind++)
        if (strcmp(kinds[kind], word) == 0)
            return (uint8_t)kind;
    rest->at = NULL;
    return 0;
}

static uint8_t take_reason(struct rest *rest)
{
    char word[WORD_MAX];
    take_word(rest, word);
    for (unsigned reason = 0; reason < REASON_COUNT; reason++)
        if (strcmp(reason_name(reason), word) == 0)
            return (uint8_t)reason;
    rest->at = NULL;
    return 0;
}

static uint64_t take_time(struct rest *rest)
{
    struct rest digits = {rest->at ? rest->at + 20 : NULL, rest->at ? rest->at + 29 : NULL};
    int64_t ms = 0;
    if (!rest->at || rest->end - rest->at < (ptrdiff_t)TIME_LEN ||
        text_time_parse((const uint8_t *)rest->at, TIME_LEN, &ms) ||
        (uint64_t)ms / 1000 > UINT64_MAX / NS_PER_S - 1) {
        rest->at = NULL;
        return 0;
    }
    uint64_t part = take_number(&digits, NS_PER_S - 1);
    rest->at = digits.at == digits.end ? rest->at + TIME_LEN : NULL;
    return (uint64_t)ms / 1000 * NS_PER_S + part;
}

/* The raw inside of a JSON string; its quotes are passed. */
static struct rest take_string(struct rest *rest)
{
    struct rest raw = {0};
    struct json json;
    expect(rest, "\"");
    if (!rest->at)
        return raw;
    json_init(&json, (const uint8_t *)rest->at, (size_t)(rest->end - rest->at), 1);
    size_t end = json_string(&json, 0);
    if (end == JSON_FAULT) {
        rest->at = NULL;
        return raw;
    }
    raw = (struct rest){rest->at, rest->at + end - 1};
    rest->at += end;
    return raw;
}

static void take_members(struct rest *rest, struct record *head, struct archive_record *to)
{
    char word[WORD_MAX];
    expect(rest, "{\"ordinal\":");
    to->ordinal = take_number(rest, UINT64_MAX);
    expect(rest, ",\"kind\":\"");
    head->kind = take_kind(rest);
    expect(rest, ",\"partition\":");
    head->partition = (uint16_t)take_number(rest, UINT16_MAX);
    expect(rest, ",\"seq\":");
    head->seq = take_number(rest, UINT64_MAX);
    expect(rest, ",\"received\":\"");
    head->receive_ns = take_time(rest);
    expect(rest, "\",\"config\":");
    to->config_version = (uint32_t)take_number(rest, UINT32_MAX);
    expect(rest, ",");
    if (take(rest, "\"flags\":")) {
        head->flags = (uint16_t)take_number(rest, UINT16_MAX);
        expect(rest, ",");
    }
    if (take(rest, "\"reason\":\"")) {
        head->reason = take_reason(rest);
        expect(rest, ",\"offset\":");
        head->reason_offset = (uint16_t)take_number(rest, UINT16_MAX);
        expect(rest, ",");
    }
    if (take(rest, "\"outcome\":\"")) {
        take_word(rest, word);
        expect(rest, ",");
    }
    if (take(rest, "\"hunt\":")) {
        take_string(rest);
        expect(rest, ",");
    }
}

/* Each returns the length of the body, at most room, or -1. */
static int64_t take_json(struct rest *rest, uint8_t *body, size_t room)
{
    size_t len = (size_t)(rest->end - rest->at) - 1; /* but for the closing brace */
    if (len > room)
        return -1;
    memcpy(body, rest->at, len);
    rest->at += len;
    return (int64_t)len;
}

static int64_t take_text(struct rest *rest, uint8_t *body, size_t room)
{
    struct rest raw = take_string(rest);
    if (!raw.at)
        return -1;
    return text_decode((const uint8_t *)raw.at, (size_t)(raw.end - raw.at), body, room);
}

static int64_t take_hex(struct rest *rest, uint8_t *body, size_t room)
{
    struct rest raw = take_string(rest);
    size_t len = raw.at ? (size_t)(raw.end - raw.at) : 1;
    if (len % 2 || len / 2 > room)
        return -1;
    for (size_t i = 0; i < len / 2; i++) {
        int high = text_hex_digit((uint8_t)raw.at[2 * i]);
        int low = text_hex_digit((uint8_t)raw.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return -1;
        body[i] = (uint8_t)(high << 4 | low);
    }
    return (int64_t)len / 2;
}

static int64_t take_body(struct rest *rest, uint8_t *body, size_t room)
{
    if (!rest->at || rest->end == rest->at)
        return -1;
    if (take(rest, "\"body\":") && rest->at < rest->end)
        return take_json(rest, body, room);
    if (take(rest, "\"text\":"))
        return take_text(rest, body, room);
    return take(rest, "\"hex\":") ? take_hex(rest, body, room) : -1;
}

int archive_line_decode(const char *line, size_t len, struct archive_room *room,
                        struct archive_record *to)
{
    struct rest rest = {line, line + len};
    struct record *head = &room->head;
    *to = (struct archive_record){.record = head};
    *head = (struct record){0};
    take_members(&rest, head, to);
    int64_t body_len = take_body(&rest, room->body, sizeof room->body);
    if (body_len < 0)
        return -EBADMSG;
    head->body_len = (uint32_t)body_len;
    expect(&rest, "}");
    bool same = rest.at == rest.end && archive_line_encode(to, room->again) == len + 1 &&
                memcmp(room->again, line, len) == 0;
    return same ? 0 : -EBADMSG;
}
