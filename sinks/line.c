/* line.c - outcomes as lines of JSON. */
#include "sinks/line.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/correction.h"
#include "dataplane/base/event.h"
#include "dataplane/base/pointer.h"
#include "dataplane/base/text.h"

/* The longest lines are an award's (17 items and six names, every byte escaped to six) and a dead
 * letter's: both stay well under. */
static_assert((OUTCOME_ITEMS_MAX + 7) * (6 * EVENT_NAME_MAX + 16) + 2048 < LINE_BYTES_MAX, "award");
static_assert(6 * (LINE_DEAD_BYTES + POINTER_MAX) + 5 * (6 * EVENT_NAME_MAX + 16) + 2048 <
                  LINE_BYTES_MAX,
              "dead");
static_assert(CORRECTION_BODY_MAX + 10 * (6 * EVENT_NAME_MAX + 16) + 2048 < LINE_BYTES_MAX,
              "correction");

struct writer {
    char *at;
    char *end;
};

static void put(struct writer *w, const char *text, size_t len)
{
    assert(len <= (size_t)(w->end - w->at));
    memcpy(w->at, text, len);
    w->at += len;
}

#define PUT(w, literal) put(w, literal, sizeof(literal) - 1)

static void put_string(struct writer *w, const uint8_t *bytes, size_t len)
{
    int written = text_json_encode(bytes, len, w->at, (size_t)(w->end - w->at));
    assert(written >= 0);
    w->at += written;
}

static void put_name(struct writer *w, const char *name)
{
    PUT(w, "\"");
    put(w, name, strlen(name));
    PUT(w, "\"");
}

static void put_number(struct writer *w, uint64_t value, unsigned digits_min)
{
    char digits[20];
    unsigned at = sizeof digits;
    while (value || sizeof digits - at < digits_min || at == sizeof digits) {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    }
    put(w, digits + at, sizeof digits - at);
}

static void put_hex(struct writer *w, uint64_t value)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        put(w, &"0123456789abcdef"[value >> shift & 15], 1);
}

static void put_seq(struct writer *w, const struct record *record, uint64_t seq)
{
    PUT(w, "\"");
    put_number(w, record->partition, 1);
    PUT(w, ":");
    put_number(w, seq, 1);
    PUT(w, "\"");
}

/* The strings of an event, decoded from where they stand. */
static void put_span(struct writer *w, const uint8_t *raw, size_t len)
{
    uint8_t text[EVENT_NAME_MAX];
    int decoded = text_decode(raw, len, text, sizeof text);
    if (decoded < 0)
        PUT(w, "null");
    else
        put_string(w, text, (size_t)decoded);
}

static size_t string_end(const uint8_t *bytes, size_t len, size_t at)
{
    while (at < len && bytes[at] != '"')
        at += bytes[at] == '\\' ? 2 : 1;
    return at < len ? at : len;
}

static bool is_type(const uint8_t *raw, size_t len)
{
    uint8_t key[8];
    int decoded = text_decode(raw, len, key, sizeof key);
    return decoded == 4 && memcmp(key, "type", 4) == 0;
}

/* struct event keeps the type's hash and not its place.  The bytes are known to be an event's. */
static void put_type(struct writer *w, const uint8_t *bytes, size_t len)
{
    unsigned depth = 0;
    bool key_next = false, found = false;
    for (size_t at = 0; at < len; at++) {
        switch (bytes[at]) {
        case '{':
        case '[':
            key_next = ++depth == 1;
            break;
        case '}':
        case ']':
            depth--;
            break;
        case ',':
            key_next = depth == 1;
            break;
        case '"': {
            size_t end = string_end(bytes, len, at + 1);
            if (found) {
                PUT(w, ",\"type\":");
                put_span(w, bytes + at + 1, end - at - 1);
                return;
            }
            if (key_next)
                found = is_type(bytes + at + 1, end - at - 1);
            key_next = false;
            at = end;
            break;
        }
        default:
            break;
        }
    }
}

static bool parse(const struct sink_item *item, struct event *event)
{
    static const struct event_limits limits = {.event_bytes = EVENT_BYTES_MAX, .event_depth = 64};
    static const struct hash_key key;
    if (!item->event || item->event->kind == RECORD_CORRECTION)
        return false;
    const struct record *record = item->event;
    return event_parse(&limits, &key, record_body(record), record->body_len, event) == REASON_none;
}

static void put_id(struct writer *w, const uint64_t id[2])
{
    char uuid[TEXT_UUID_LEN + 1];
    text_uuid_format(id, uuid);
    PUT(w, ",\"id\":");
    put_name(w, uuid);
}

/* What the event said; without an event, what its outcome remembers. */
static void put_event(struct writer *w, const struct sink_item *item)
{
    struct event event;
    const struct outcome_view *view = &item->view;
    if (!parse(item, &event)) {
        if (view->user.len) {
            PUT(w, ",\"user\":");
            put_string(w, view->user.text, view->user.len);
        }
        if (item->outcome->kind == RECORD_OUTCOME)
            put_id(w, view->id);
        return;
    }
    const uint8_t *bytes = record_body(item->event);
    PUT(w, ",\"user\":");
    put_span(w, bytes + event.user.off, event.user.len);
    put_id(w, event.id);
    put_type(w, bytes, item->event->body_len);
    if (event.flags & EVENT_HAS_ITEM) {
        PUT(w, ",\"item\":");
        put_span(w, bytes + event.item.off, event.item.len);
    }
    if (event.flags & EVENT_HAS_TILE) {
        PUT(w, ",\"tile\":");
        put_span(w, bytes + event.tile.off, event.tile.len);
    }
}

/* A correction is JSON already, of one form alone. */
static void put_correction(struct writer *w, const struct record *record)
{
    struct correction correction;
    if (correction_decode(record_body(record), record->body_len, &correction))
        return;
    if (correction.tile[0]) {
        PUT(w, ",\"tile\":");
        put_string(w, (const uint8_t *)correction.tile, strlen(correction.tile));
    }
    PUT(w, ",\"correction\":");
    put(w, (const char *)record_body(record), record->body_len);
}

static void put_award_id(struct writer *w, const struct outcome *o)
{
    PUT(w, ",\"award\":\"aw-");
    put_hex(w, o->award_id[0]);
    put_hex(w, o->award_id[1]);
    PUT(w, "\"");
}

static void put_items(struct writer *w, const struct outcome_view *view)
{
    PUT(w, ",\"items\":[");
    for (unsigned i = 0; i < view->outcome.item_count; i++) {
        if (i)
            PUT(w, ",");
        put_string(w, view->item[i].text, view->item[i].len);
    }
    PUT(w, "]");
}

/* What the user gets, or no longer gets. */
static void put_reward(struct writer *w, const struct outcome_view *view)
{
    const struct outcome *o = &view->outcome;
    if (view->variant.len) {
        PUT(w, ",\"variant\":");
        put_string(w, view->variant.text, view->variant.len);
    }
    if (view->reward.len) {
        PUT(w, ",\"reward\":");
        put_string(w, view->reward.text, view->reward.len);
    }
    if (o->score) {
        uint64_t thousandths = ((uint64_t)o->score * 1000 + (1u << 15)) >> 16;
        PUT(w, ",\"score\":");
        put_number(w, thousandths / 1000, 1);
        PUT(w, ".");
        put_number(w, thousandths % 1000, 3);
    }
}

static void put_flags(struct writer *w, const struct outcome *o)
{
    if (o->flags & OUTCOME_STEP)
        PUT(w, ",\"step\":true");
    if (o->depth) {
        PUT(w, ",\"depth\":");
        put_number(w, o->depth, 1);
    }
    if (o->flags & OUTCOME_STOPPED)
        PUT(w, ",\"stopped\":true");
    if (o->flags & OUTCOME_ITEM_UNKNOWN)
        PUT(w, ",\"item_unknown\":true");
    if (o->flags & OUTCOME_DONE)
        PUT(w, ",\"done\":true");
}

static void put_rejected(struct writer *w, const struct record *dead)
{
    const uint8_t *bytes = record_body(dead);
    uint32_t len = dead->body_len < LINE_DEAD_BYTES ? dead->body_len : LINE_DEAD_BYTES;
    bool cut = len < dead->body_len;
    /* Not in the middle of a character. */
    for (unsigned back = 0; cut && back < 3 && (bytes[len] & 0xc0) == 0x80; back++)
        len--;
    PUT(w, ",\"reason\":");
    put_name(w, reason_name(dead->reason));
    PUT(w, ",\"offset\":");
    put_number(w, dead->reason_offset, 1);
    if (reason_of_data(dead->reason)) {
        uint8_t pointer[POINTER_MAX];
        size_t pointer_len = pointer_find(bytes, dead->body_len, dead->reason_offset, pointer);
        PUT(w, ",\"pointer\":");
        put_string(w, pointer, pointer_len);
    }
    PUT(w, ",\"bytes\":");
    put_string(w, bytes, len);
    if (cut)
        PUT(w, ",\"cut\":true");
}

static void put_verdict(struct writer *w, const struct sink_item *item)
{
    const struct outcome *o = &item->view.outcome;
    switch (o->kind) {
    case OUTCOME_rejected:
        put_rejected(w, item->outcome);
        return;
    case OUTCOME_duplicate:
        PUT(w, ",\"first_seq\":");
        put_seq(w, item->outcome, o->first_seq);
        return;
    case OUTCOME_award:
        put_award_id(w, o);
        put_items(w, &item->view);
        put_reward(w, &item->view);
        break;
    case OUTCOME_granted:
    case OUTCOME_revoked:
        if (o->award_id[0] || o->award_id[1])
            put_award_id(w, o);
        put_reward(w, &item->view);
        break;
    case OUTCOME_claim_granted:
        put_award_id(w, o);
        break;
    case OUTCOME_refusal:
    case OUTCOME_claim_refused:
    case OUTCOME_correction_refused:
        PUT(w, ",\"reason\":");
        put_name(w, refusal_name(o->refusal));
        break;
    default:
        break;
    }
    put_flags(w, o);
}

void line_journal_name(const struct hash_key *key, char name[LINE_JOURNAL_MAX + 1])
{
    snprintf(name, LINE_JOURNAL_MAX + 1, "%016llx", (unsigned long long)hash64(key, "journal", 7));
}

size_t line_user(const struct sink_item *item, uint8_t out[EVENT_NAME_MAX])
{
    const struct outcome_name *user = &item->view.user;
    struct event event;
    if (user->len)
        memcpy(out, user->text, user->len);
    if (user->len || !parse(item, &event))
        return user->len;
    int len =
        text_decode(record_body(item->event) + event.user.off, event.user.len, out, EVENT_NAME_MAX);
    return len > 0 ? (size_t)len : 0;
}

int line_origin_init(struct line_origin *origin, const char *pop, const char *host,
                     const char *journal)
{
    if (strlen(pop) > CONF_NAME_MAX || strlen(host) > CONF_NAME_MAX ||
        strlen(journal) > LINE_JOURNAL_MAX)
        return -ENAMETOOLONG;
    snprintf(origin->pop, sizeof origin->pop, "%s", pop);
    snprintf(origin->host, sizeof origin->host, "%s", host);
    snprintf(origin->journal, sizeof origin->journal, "%s", journal);
    struct writer w = {.at = origin->json, .end = origin->json + sizeof origin->json};
    PUT(&w, ",\"pop\":");
    put_string(&w, (const uint8_t *)pop, strlen(pop));
    PUT(&w, ",\"host\":");
    put_string(&w, (const uint8_t *)host, strlen(host));
    PUT(&w, "}\n");
    origin->len = (size_t)(w.at - origin->json);
    return 0;
}

size_t line_encode(const struct sink_item *item, const struct line_origin *origin,
                   char out[LINE_BYTES_MAX])
{
    struct writer writer = {.at = out, .end = out + LINE_BYTES_MAX}, *w = &writer;
    const struct record *outcome = item->outcome;
    char time[TEXT_TIME_LEN + 1];
    text_time_format((int64_t)(outcome->receive_ns / NS_PER_MS), time);
    PUT(w, "{\"seq\":");
    put_seq(w, outcome, outcome->seq);
    PUT(w, ",\"time\":");
    put_name(w, time);
    PUT(w, ",\"outcome\":");
    put_name(w, outcome_kind_name(item->view.outcome.kind));
    if (item->view.hunt.len) {
        PUT(w, ",\"hunt\":");
        put_string(w, item->view.hunt.text, item->view.hunt.len);
    }
    put_event(w, item);
    if (item->event && item->event->kind == RECORD_CORRECTION)
        put_correction(w, item->event);
    if (item->event && item->event != outcome) {
        PUT(w, ",\"event_seq\":");
        put_seq(w, item->event, item->event->seq);
    }
    put_verdict(w, item);
    if (item->event && item->event->flags & RECORD_LATE)
        PUT(w, ",\"late\":true");
    if (item->event && item->event->flags & RECORD_CLAMPED)
        PUT(w, ",\"clamped\":true");
    put(w, origin->json, origin->len);
    return (size_t)(w->at - out);
}
