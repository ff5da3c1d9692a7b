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

static void put_number(struct writer *w, uint64_t value)
{
    assert(w->end - w->at >= TEXT_DECIMAL_MAX);
    w->at += text_decimal_format(value, w->at);
}

static void put_thousandths(struct writer *w, uint64_t value)
{
    const char text[] = {'.', (char)('0' + value / 100), (char)('0' + value / 10 % 10),
                         (char)('0' + value % 10)};
    put(w, text, sizeof text);
}

static void put_hex(struct writer *w, uint64_t value)
{
    char digits[16];
    for (unsigned i = sizeof digits; i--; value >>= 4)
        digits[i] = "0123456789abcdef"[value & 15];
    put(w, digits, sizeof digits);
}

static void put_seq(struct writer *w, const struct record *record, uint64_t seq)
{
    PUT(w, "\"");
    put_number(w, record->partition);
    PUT(w, ":");
    put_number(w, seq);
    PUT(w, "\"");
}

/* What an event's bytes hold between quotes is JSON as it is, but for escapes that nobody has to
 * write. */
static void put_word(struct writer *w, const struct words *words, const struct word *word)
{
    uint8_t text[EVENT_NAME_MAX];
    if (words->escaped) {
        put_string(w, text, words_decode(words, word, text));
        return;
    }
    PUT(w, "\"");
    put(w, (const char *)word->raw, word->len);
    PUT(w, "\"");
}

/* What its outcome remembers of an event that is not there, or is a correction. */
static void put_outcome(struct writer *w, const struct sink_item *item)
{
    const struct outcome_view *view = &item->view;
    if (view->user.len) {
        PUT(w, ",\"user\":");
        put_string(w, view->user.text, view->user.len);
    }
    if (item->outcome->kind == RECORD_OUTCOME) {
        char uuid[TEXT_UUID_LEN + 1];
        text_uuid_format(view->id, uuid);
        PUT(w, ",\"id\":");
        put_name(w, uuid);
    }
}

/* What the event said. */
static void put_event(struct writer *w, const struct words *words)
{
    PUT(w, ",\"user\":");
    put_word(w, words, &words->user);
    PUT(w, ",\"id\":\"");
    put(w, words->id, sizeof words->id);
    PUT(w, "\",\"type\":");
    put_word(w, words, &words->type);
    if (words->item.raw) {
        PUT(w, ",\"item\":");
        put_word(w, words, &words->item);
    }
    if (words->tile.raw) {
        PUT(w, ",\"tile\":");
        put_word(w, words, &words->tile);
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
        put_number(w, thousandths / 1000);
        put_thousandths(w, thousandths % 1000);
    }
}

static void put_flags(struct writer *w, const struct outcome *o)
{
    if (o->flags & OUTCOME_STEP)
        PUT(w, ",\"step\":true");
    if (o->depth) {
        PUT(w, ",\"depth\":");
        put_number(w, o->depth);
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
    put_number(w, dead->reason_offset);
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

size_t line_user(const struct sink_item *item, const struct words *words,
                 uint8_t out[EVENT_NAME_MAX])
{
    const struct outcome_name *user = &item->view.user;
    if (!user->len)
        return words->known ? words_decode(words, &words->user, out) : 0;
    memcpy(out, user->text, user->len);
    return user->len;
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

size_t line_write(const struct sink_item *item, const struct words *words,
                  const struct line_origin *origin, char out[LINE_BYTES_MAX])
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
    if (words->known)
        put_event(w, words);
    else
        put_outcome(w, item);
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

size_t line_encode(const struct sink_item *item, const struct line_origin *origin,
                   char out[LINE_BYTES_MAX])
{
    struct words words;
    words_read(item->event, &words);
    return line_write(item, &words, origin, out);
}
