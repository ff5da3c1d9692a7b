/* story_correction.c - one walk over the journals, keeping the newest corrections. */
#include "dataplane/story_correction.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/text.h"

struct walk {
    const struct corrections_request *request;
    json_t *shown; /* oldest first */
    json_t *by_id; /* the same ones */
    uint64_t total;

    /* The one whose outcome comes next. */
    bool open;
    struct correction correction;
    uint64_t seq;
};

static json_t *tell_id(const uint64_t id[2])
{
    char uuid[TEXT_UUID_LEN + 1];
    text_uuid_format(id, uuid);
    return json_string(uuid);
}

static json_t *tell_text(const char *text)
{
    return story_text((const uint8_t *)text, strlen(text));
}

json_t *correction_said(const struct correction *c)
{
    json_t *said = json_pack("{s:o, s:s, s:o, s:o}", "id", tell_id(c->id), "correction",
                             correction_kind_name(c->kind), "user", tell_text(c->user), "hunt",
                             tell_text(c->hunt));
    if (c->tile[0])
        json_object_set_new(said, "tile", tell_text(c->tile));
    if (c->kind == CORRECTION_undo)
        json_object_set_new(said, "undo", tell_id(c->undo));
    json_object_set_new(said, "reason", tell_text(c->reason));
    json_object_set_new(said, "ref", tell_text(c->ref));
    json_object_set_new(said, "by", tell_text(c->by));
    return said;
}

json_t *correction_tell(const struct correction *c, const struct outcome *outcome, uint64_t seq)
{
    json_t *told = correction_said(c);
    const char *result = outcome->refusal ? "refused" : outcome_kind_name(outcome->kind);
    json_object_set_new(told, "result", json_string(result));
    if (outcome->refusal)
        json_object_set_new(told, "refusal", json_string(refusal_name(outcome->refusal)));
    if (outcome->award_id[0] || outcome->award_id[1])
        json_object_set_new(told, "award",
                            json_sprintf("aw-%016llx%016llx",
                                         (unsigned long long)outcome->award_id[0],
                                         (unsigned long long)outcome->award_id[1]));
    if (seq)
        json_object_set_new(told, "seq", story_seq(c->partition, seq));
    return told;
}

/* trim forgets the older half once there are twice as many as are shown. */
static void trim(struct walk *walk)
{
    size_t count = json_array_size(walk->shown), limit = walk->request->limit;
    if (count < 2 * limit)
        return;
    json_t *newest = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *one = json_array_get(walk->shown, i);
        if (i < count - limit)
            json_object_del(walk->by_id, json_string_value(json_object_get(one, "id")));
        else
            json_array_append(newest, one);
    }
    json_decref(walk->shown);
    walk->shown = newest;
}

static void keep(struct walk *walk, const struct record *record, const struct outcome *outcome)
{
    const struct correction *c = &walk->correction;
    json_t *told = correction_tell(c, outcome, walk->seq);
    json_object_set_new(told, "time", story_time(record->receive_ns));
    json_object_set_new(told, "receive_ns", json_integer((json_int_t)record->receive_ns));
    json_object_set(walk->by_id, json_string_value(json_object_get(told, "id")), told);
    json_array_append_new(walk->shown, told);
    walk->total++;
    trim(walk);
}

static bool wanted(const struct walk *walk)
{
    const struct corrections_request *request = walk->request;
    const struct correction *c = &walk->correction;
    if (request->id)
        return request->id[0] == c->id[0] && request->id[1] == c->id[1];
    return !request->user || !strcmp(request->user, c->user);
}

/* mark_undone says of what an undo has undone by which it was. */
static void mark_undone(struct walk *walk)
{
    json_t *undone = tell_id(walk->correction.undo);
    json_t *told = json_object_get(walk->by_id, json_string_value(undone));
    if (told)
        json_object_set_new(told, "undone_by", tell_id(walk->correction.id));
    json_decref(undone);
}

static void take(void *arg, const struct record *record)
{
    struct walk *walk = arg;
    struct outcome_view view;
    if (record->kind == RECORD_CORRECTION) {
        walk->open =
            correction_decode(record_body(record), record->body_len, &walk->correction) == 0;
        walk->correction.partition = record->partition;
        walk->seq = record->seq;
        return;
    }
    if (walk->open && record->kind == RECORD_OUTCOME &&
        record->partition == walk->correction.partition && record->seq == walk->seq + 1 &&
        outcome_decode(record_body(record), record->body_len, &view) == 0) {
        if (walk->correction.kind == CORRECTION_undo && !view.outcome.refusal)
            mark_undone(walk);
        if (wanted(walk))
            keep(walk, record, &view.outcome);
    }
    walk->open = false;
}

static int newest_first(const void *a, const void *b)
{
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    json_int_t s = json_integer_value(json_object_get(x, "receive_ns"));
    json_int_t t = json_integer_value(json_object_get(y, "receive_ns"));
    return s == t ? 0 : s < t ? 1 : -1;
}

static json_t *finish(const struct walk *walk)
{
    size_t count = json_array_size(walk->shown), limit = walk->request->limit;
    json_t **sorted = calloc(count + 1, sizeof *sorted);
    json_t *list = json_array();
    /* Within a microsecond, and where a clock went back, the later in the journal is the newer. */
    for (size_t i = 0; sorted && i < count; i++)
        sorted[i] = json_array_get(walk->shown, count - 1 - i);
    if (sorted)
        qsort(sorted, count, sizeof *sorted, newest_first);
    for (size_t i = 0; sorted && i < count && i < limit; i++)
        json_array_append(list, sorted[i]);
    free(sorted);
    return json_pack("{s:I, s:o}", "matched", (json_int_t)walk->total, "corrections", list);
}

enum story_result corrections_tell(const struct corrections_request *request, json_t **told,
                                   char error[512])
{
    struct walk walk = {.request = request, .shown = json_array(), .by_id = json_object()};
    struct story_walk over = {.store = request->store,
                              .key = request->key,
                              .bound = request->bound,
                              .bound_arg = request->bound_arg,
                              .deadline_ns = request->deadline_ns,
                              .take = take,
                              .arg = &walk};
    enum story_result result = story_walk(&over, error);
    if (result == STORY_TOLD && request->id && !walk.total)
        result = story_none(request->store, error, "correction of this id");
    if (result == STORY_TOLD && request->id)
        *told = json_incref(json_array_get(walk.shown, 0));
    else if (result == STORY_TOLD)
        *told = finish(&walk);
    json_decref(walk.shown);
    json_decref(walk.by_id);
    return result;
}
