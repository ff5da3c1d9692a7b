/* story_tell.c - from records to JSON. */
#include "dataplane/story_tell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/text.h"
#include "dataplane/story_correction.h"

json_t *story_text(const uint8_t *bytes, size_t len)
{
    size_t room = 6 * len + 3;
    char *quoted = malloc(room);
    int written = quoted ? text_json_encode(bytes, len, quoted, room) : -1;
    json_t *text =
        written < 0 ? NULL
                    : json_loadb(quoted, (size_t)written, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    free(quoted);
    return text ? text : json_null();
}

json_t *story_hex(const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(2 * len + 1);
    for (size_t i = 0; text && i < len; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    json_t *hex = text ? json_stringn(text, 2 * len) : json_null();
    free(text);
    return hex;
}

json_t *story_seq(uint32_t partition, uint64_t seq)
{
    return json_sprintf("%u:%llu", partition, (unsigned long long)seq);
}

json_t *story_time(uint64_t receive_ns)
{
    char ms[TEXT_TIME_LEN + 1];
    text_time_format((int64_t)(receive_ns / NS_PER_MS), ms);
    return json_sprintf("%.*s%03uZ", TEXT_TIME_LEN - 1, ms,
                        (unsigned)(receive_ns / NS_PER_US % 1000));
}

static json_t *client_time(int64_t time_ms)
{
    char text[TEXT_TIME_LEN + 1];
    text_time_format(time_ms, text);
    return json_string(text);
}

static json_t *tell_id(const uint64_t id[2])
{
    char uuid[TEXT_UUID_LEN + 1];
    text_uuid_format(id, uuid);
    return json_string(uuid);
}

static void set_span(json_t *step, const char *key, const struct event *event, struct span span)
{
    uint8_t text[EVENT_NAME_MAX];
    int len = text_decode(event->bytes + span.off, span.len, text, sizeof text);
    if (len >= 0)
        json_object_set_new(step, key, story_text(text, (size_t)len));
}

/* struct event keeps the hash of the type, and one that is not configured has no other name. */
static void set_type(json_t *step, const struct event *event, const struct conf *conf,
                     const struct rules *rules)
{
    const char *known = rule_type(conf, rules, event);
    if (known) {
        json_object_set_new(step, "type", json_string(known));
        return;
    }
    json_t *whole = json_loadb((const char *)event->bytes, event->len,
                               JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
    json_t *type = json_object_get(whole, "type");
    if (type)
        json_object_set(step, "type", type);
    json_decref(whole);
}

json_t *tell_event(const struct record *record, const struct event *event, const struct conf *conf,
                   const struct rules *rules)
{
    bool dead = record->kind == RECORD_DEAD;
    json_t *step = json_pack(
        "{s:o, s:o, s:I, s:s, s:i}", "seq", story_seq(record->partition, record->seq), "received",
        story_time(record->receive_ns), "receive_ns", (json_int_t)record->receive_ns, "result",
        dead ? "rejected" : "accepted", "config", (int)rules->version);
    json_object_set_new(step, "time", client_time(event->time_ms));
    json_object_set_new(step, "id", tell_id(event->id));
    set_span(step, "user", event, event->user);
    set_type(step, event, conf, rules);
    if (event->flags & EVENT_HAS_ITEM)
        set_span(step, "item", event, event->item);
    if (event->flags & EVENT_HAS_TILE)
        set_span(step, "tile", event, event->tile);
    json_t *flags = json_array();
    if (record->flags & RECORD_LATE)
        json_array_append_new(flags, json_string("late"));
    if (record->flags & RECORD_CLAMPED)
        json_array_append_new(flags, json_string("clamped"));
    json_object_set_new(step, "flags", flags);
    if (dead) {
        json_object_set_new(step, "reason", json_string(reason_name(record->reason)));
        json_object_set_new(step, "help", json_string(reason_help(record->reason)));
    }
    json_object_set_new(step, "outcomes", json_array());
    return step;
}

json_t *tell_duplicate(const struct record *record, const struct outcome_view *view)
{
    return json_pack("{s:o, s:o, s:I, s:s, s:o, s:o, s:o, s:[], s:[]}", "seq",
                     story_seq(record->partition, record->seq), "received",
                     story_time(record->receive_ns), "receive_ns", (json_int_t)record->receive_ns,
                     "result", "duplicate", "id", tell_id(view->id), "user",
                     story_text(view->user.text, view->user.len), "first_seq",
                     story_seq(record->partition, view->outcome.first_seq), "flags", "outcomes");
}

json_t *tell_correction(const struct record *record, const struct correction *correction)
{
    json_t *step = correction_said(correction);
    json_t *at = json_pack(
        "{s:o, s:o, s:I, s:s, s:[], s:[]}", "seq", story_seq(record->partition, record->seq),
        "received", story_time(record->receive_ns), "receive_ns", (json_int_t)record->receive_ns,
        "result", "corrected", "flags", "outcomes");
    json_object_update(step, at);
    json_decref(at);
    return step;
}

static bool wins(const struct outcome *outcome)
{
    return outcome->kind == OUTCOME_award || outcome->kind == OUTCOME_claim_granted;
}

static void set_items(json_t *outcome, const struct outcome_view *view)
{
    json_t *items = json_array();
    for (unsigned i = 0; i < view->outcome.item_count; i++)
        json_array_append_new(items, story_text(view->item[i].text, view->item[i].len));
    json_object_set_new(outcome, "items", items);
}

/* An award has its items and its variant, a granted claim its tile, which the event names; what
 * was corrected has the award's id where it is known. */
static void set_award(json_t *outcome, const struct outcome_view *view)
{
    const uint64_t *id = view->outcome.award_id;
    if (wins(&view->outcome) || id[0] || id[1])
        json_object_set_new(outcome, "award",
                            json_sprintf("aw-%016llx%016llx", (unsigned long long)id[0],
                                         (unsigned long long)id[1]));
    if (view->outcome.kind == OUTCOME_award)
        set_items(outcome, view);
    if (view->variant.len)
        json_object_set_new(outcome, "variant", story_text(view->variant.text, view->variant.len));
    if (view->reward.len)
        json_object_set_new(outcome, "reward", story_text(view->reward.text, view->reward.len));
}

json_t *tell_outcome(const struct outcome_view *view)
{
    const struct outcome *o = &view->outcome;
    static const struct {
        unsigned flag;
        const char *name;
    } flags[] = {{OUTCOME_STEP, "step"},
                 {OUTCOME_STOPPED, "stopped"},
                 {OUTCOME_ITEM_UNKNOWN, "item_unknown"},
                 {OUTCOME_DONE, "done"}};
    json_t *outcome = json_pack("{s:s}", "outcome", outcome_kind_name(o->kind));
    if (view->hunt.len)
        json_object_set_new(outcome, "hunt", story_text(view->hunt.text, view->hunt.len));
    if (o->refusal)
        json_object_set_new(outcome, "refusal", json_string(refusal_name(o->refusal)));
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++)
        if (o->flags & flags[i].flag)
            json_object_set_new(outcome, flags[i].name, json_true());
    if (o->depth)
        json_object_set_new(outcome, "depth", json_integer(o->depth));
    if (o->score)
        json_object_set_new(outcome, "score", json_real((double)o->score / 65536));
    if (o->edge_count)
        json_object_set_new(outcome, "edges", json_integer(o->edge_count));
    if (wins(o) || outcome_of_correction(o->kind))
        set_award(outcome, view);
    return outcome;
}

static void add_one(json_t *object, const char *key)
{
    json_int_t so_far = json_integer_value(json_object_get(object, key));
    json_object_set_new(object, key, json_integer(so_far + 1));
}

/* What is revoked may have been won in a journal that is no longer there. */
static void tell_corrected(json_t *hunt, unsigned kind)
{
    if (kind == OUTCOME_correction_refused)
        return;
    json_int_t awards = json_integer_value(json_object_get(hunt, "awards"));
    if (kind == OUTCOME_granted)
        add_one(hunt, "awards");
    else if (awards)
        json_object_set_new(hunt, "awards", json_integer(awards - 1));
    add_one(hunt, outcome_kind_name(kind));
}

void tell_standing(json_t *hunts, const struct outcome_view *view)
{
    char name[EVENT_NAME_MAX + 1];
    if (!view->hunt.len)
        return;
    snprintf(name, sizeof name, "%.*s", (int)view->hunt.len, (const char *)view->hunt.text);
    json_t *hunt = json_object_get(hunts, name);
    if (!hunt) {
        hunt = json_pack("{s:i, s:i, s:{}}", "events", 0, "awards", 0, "refusals");
        json_object_set_new(hunts, name, hunt);
    }
    if (outcome_of_correction(view->outcome.kind)) {
        tell_corrected(hunt, view->outcome.kind);
        return;
    }
    add_one(hunt, "events");
    if (wins(&view->outcome))
        add_one(hunt, "awards");
    if (view->outcome.refusal)
        add_one(json_object_get(hunt, "refusals"), refusal_name(view->outcome.refusal));
    if (view->outcome.depth)
        json_object_set_new(hunt, "depth", json_integer(view->outcome.depth));
}
