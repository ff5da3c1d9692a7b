/* correction.c - one form to write, and one that is read: what does not come out again as it went
 * in is refused. */
#include "dataplane/base/correction.h"

#include <errno.h>
#include <string.h>

#include "dataplane/base/text.h"

static_assert(6 * (EVENT_USER_MAX + 2 * EVENT_NAME_MAX + CORRECTION_REASON_MAX +
                   CORRECTION_REF_MAX + CORRECTION_BY_MAX) +
                      2 * TEXT_UUID_LEN + 200 <
                  CORRECTION_BODY_MAX,
              "the longest correction fits");

static const char *const kind_names[] = {
#define CORRECTION_NAME(name, help) #name,
    CORRECTION_LIST(CORRECTION_NAME)
#undef CORRECTION_NAME
};

const char *correction_kind_name(unsigned kind)
{
    return kind < CORRECTION_KIND_COUNT ? kind_names[kind] : "unknown";
}

unsigned correction_kind_find(const char *name)
{
    unsigned kind = 0;
    while (kind < CORRECTION_KIND_COUNT && strcmp(kind_names[kind], name) != 0)
        kind++;
    return kind;
}

/* ---- writing ---- */

struct writer {
    uint8_t *at, *end;
};

static void put(struct writer *w, const char *text)
{
    size_t len = strlen(text);
    assert(len <= (size_t)(w->end - w->at));
    memcpy(w->at, text, len);
    w->at += len;
}

static void put_text(struct writer *w, const char *head, const char *text)
{
    put(w, head);
    int written = text_json_encode((const uint8_t *)text, strlen(text), (char *)w->at,
                                   (size_t)(w->end - w->at));
    assert(written >= 0);
    w->at += written;
}

static void put_id(struct writer *w, const char *head, const uint64_t id[2])
{
    char uuid[TEXT_UUID_LEN + 1];
    text_uuid_format(id, uuid);
    put_text(w, head, uuid);
}

uint32_t correction_encode(const struct correction *c, uint8_t body[CORRECTION_BODY_MAX])
{
    struct writer w = {body, body + CORRECTION_BODY_MAX};
    put_id(&w, "{\"id\":", c->id);
    put_text(&w, ",\"correction\":", correction_kind_name(c->kind));
    put_text(&w, ",\"user\":", c->user);
    put_text(&w, ",\"hunt\":", c->hunt);
    if (c->tile[0])
        put_text(&w, ",\"tile\":", c->tile);
    if (c->kind == CORRECTION_undo)
        put_id(&w, ",\"undo\":", c->undo);
    put_text(&w, ",\"reason\":", c->reason);
    put_text(&w, ",\"ref\":", c->ref);
    put_text(&w, ",\"by\":", c->by);
    put(&w, "}");
    return (uint32_t)(w.at - body);
}

uint64_t correction_content(const struct correction *correction, const struct hash_key *key)
{
    uint8_t body[CORRECTION_BODY_MAX];
    struct correction nobody = *correction;
    nobody.by[0] = '\0';
    return hash64(key, body, correction_encode(&nobody, body));
}

/* ---- reading ---- */

struct reader {
    const uint8_t *at, *end;
    bool bad;
};

/* starts returns whether a text stands at the reader. */
static bool starts(const struct reader *r, const char *text)
{
    size_t len = strlen(text);
    return (size_t)(r->end - r->at) >= len && !memcmp(r->at, text, len);
}

static void take(struct reader *r, const char *text)
{
    if (starts(r, text))
        r->at += strlen(text);
    else
        r->bad = true;
}

static void take_text(struct reader *r, const char *head, char *out, size_t max)
{
    take(r, head);
    take(r, "\"");
    const uint8_t *from = r->at, *to = from;
    while (to < r->end && *to != '"')
        to += *to == '\\' && to + 1 < r->end ? 2 : 1;
    int len =
        r->bad || to >= r->end ? -1 : text_decode(from, (size_t)(to - from), (uint8_t *)out, max);
    if (len <= 0 || memchr(out, 0, (size_t)len)) {
        r->bad = true;
        len = 0;
    }
    out[len] = '\0';
    if (!r->bad)
        r->at = to + 1;
}

static void take_id(struct reader *r, const char *head, uint64_t id[2])
{
    char uuid[TEXT_UUID_LEN + 1];
    take_text(r, head, uuid, TEXT_UUID_LEN);
    if (strlen(uuid) != TEXT_UUID_LEN || text_uuid_parse((const uint8_t *)uuid, id) >= 0)
        r->bad = true;
}

int correction_decode(const uint8_t *body, uint32_t len, struct correction *c)
{
    uint8_t again[CORRECTION_BODY_MAX];
    struct reader r = {body, body + len, false};
    char kind[8];
    memset(c, 0, sizeof *c);
    take_id(&r, "{\"id\":", c->id);
    take_text(&r, ",\"correction\":", kind, sizeof kind - 1);
    take_text(&r, ",\"user\":", c->user, EVENT_USER_MAX);
    take_text(&r, ",\"hunt\":", c->hunt, EVENT_NAME_MAX);
    if (starts(&r, ",\"tile\":"))
        take_text(&r, ",\"tile\":", c->tile, EVENT_NAME_MAX);
    c->kind = (uint8_t)correction_kind_find(kind);
    if (c->kind == CORRECTION_undo)
        take_id(&r, ",\"undo\":", c->undo);
    take_text(&r, ",\"reason\":", c->reason, CORRECTION_REASON_MAX);
    take_text(&r, ",\"ref\":", c->ref, CORRECTION_REF_MAX);
    take_text(&r, ",\"by\":", c->by, CORRECTION_BY_MAX);
    if (r.bad || c->kind == CORRECTION_KIND_COUNT)
        return -EBADMSG;
    bool same = correction_encode(c, again) == len && !memcmp(again, body, len);
    return same ? 0 : -EBADMSG;
}
