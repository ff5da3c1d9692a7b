/* words.c - the members of an event by the parser's own two readers, without its checks. */
#include "sinks/words.h"

#include <string.h>

#include "dataplane/base/event.h"
#include "dataplane/base/event_scan.h"
#include "dataplane/base/event_walk.h"

#define REQUIRED (SLOT_BIT(SLOT_ID) | SLOT_BIT(SLOT_USER) | SLOT_BIT(SLOT_TYPE))

/* A dead letter says something when only the configuration had nothing for it. */
static bool is_event(const struct record *record)
{
    static const struct event_limits limits = {.event_bytes = EVENT_BYTES_MAX,
                                               .event_depth = JSON_DEPTH_MAX};
    static const struct hash_key key;
    struct event event;
    if (!record || record->body_len > EVENT_BYTES_MAX)
        return false;
    if (record->kind == RECORD_DEAD)
        return event_parse(&limits, &key, record_body(record), record->body_len, &event) ==
               REASON_none;
    return record->kind == RECORD_EVENT;
}

static bool find(const uint8_t *bytes, uint32_t len, struct event_members *members)
{
    struct json j;
    size_t twice;
    if (event_scan(bytes, len, JSON_DEPTH_MAX, members))
        return true;
    json_init(&j, bytes, len, JSON_DEPTH_MAX);
    return event_walk(&j, members, &twice) != JSON_FAULT && twice == JSON_FAULT;
}

/* Points a word at a slot's string; returns false for what cannot be a name of an event. */
static bool take(const uint8_t *bytes, const struct event_members *members, enum event_slot slot,
                 struct word *word)
{
    struct event_value v = members->slots[slot];
    if (!(members->seen & SLOT_BIT(slot)))
        return true;
    if (bytes[v.off] != '"')
        return false;
    *word = (struct word){.raw = bytes + v.off + 1, .len = v.end - v.off - 2};
    /* An escape takes six bytes for one, or two of them for four. */
    return word->len > 0 && word->len <= (members->escaped ? 6 : 1) * EVENT_NAME_MAX;
}

size_t words_decode(const struct words *words, const struct word *word, uint8_t *out)
{
    if (!words->escaped) {
        if (word->len)
            memcpy(out, word->raw, word->len);
        return word->len;
    }
    int len = text_decode(word->raw, word->len, out, EVENT_NAME_MAX);
    return len > 0 ? (size_t)len : 0;
}

/* Digits and the dash have the bit already by which lower case differs. */
static bool take_id(struct words *words, const struct word *word)
{
    uint8_t id[EVENT_NAME_MAX];
    uint64_t number[2];
    if (words_decode(words, word, id) != TEXT_UUID_LEN || text_uuid_parse(id, number) >= 0)
        return false;
    for (unsigned i = 0; i < TEXT_UUID_LEN; i++)
        words->id[i] = (char)(id[i] | 0x20);
    return true;
}

void words_read(const struct record *event, struct words *words)
{
    struct event_members members;
    struct word id = {0};
    *words = (struct words){0};
    if (!is_event(event))
        return;
    const uint8_t *bytes = record_body(event);
    if (!find(bytes, event->body_len, &members) || (members.seen & REQUIRED) != REQUIRED)
        return;
    words->escaped = members.escaped;
    words->known = take(bytes, &members, SLOT_ID, &id) && take_id(words, &id) &&
                   take(bytes, &members, SLOT_USER, &words->user) &&
                   take(bytes, &members, SLOT_TYPE, &words->type) &&
                   take(bytes, &members, SLOT_ITEM, &words->item) &&
                   take(bytes, &members, SLOT_TILE, &words->tile);
}
