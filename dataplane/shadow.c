/* shadow.c - one walk over the journals, each event decided again, each outcome compared. */
#include "dataplane/shadow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/replay_base.h"
#include "dataplane/story_tell.h"
#include "graph/shard.h"

/* An outcome as a record has it, in the block that is being read. */
struct said {
    uint32_t len; /* 0: it is not to be compared, or was */
    const uint8_t *body;
};

enum change { NOW_WON, NO_LONGER_WON, CLAIMS_MOVED, VERDICTS, OTHERWISE, CHANGE_COUNT };

static const char *const change_names[CHANGE_COUNT] = {
    [NOW_WON] = "now_won",       [NO_LONGER_WON] = "no_longer_won", [CLAIMS_MOVED] = "claims_moved",
    [VERDICTS] = "now_rejected", [OTHERWISE] = "otherwise",
};

struct shadow {
    const struct shadow_request *request;
    struct hash128 user_key;
    struct items *items;
    struct conf *newest;      /* sizes the state */
    struct rules *rules;      /* of request->conf */
    const struct rules *live; /* those that decided the event at hand */
    struct arena arena;
    struct state *state;
    struct replay_base base;
    struct replay replay;

    /* The event or correction at hand, and what was recorded of it. */
    const struct record *record;
    struct event event; /* of a correction: one that is none */
    struct correction correction;
    struct verdict verdict;
    struct outcome outcomes[STATE_OUTCOMES_MAX];
    uint32_t said_count, passed; /* outcomes behind it, and how many of them the walk has given */
    struct said said[STATE_OUTCOMES_MAX];

    uint64_t events, corrections, duplicates, in_stretch, same, different, changes[CHANGE_COUNT];
    json_t *shown;
};

/* ---- differences ---- */

static void show(struct shadow *shadow, enum change change, const struct outcome_view *was,
                 const struct outcome_view *is)
{
    shadow->changes[change]++;
    if (json_array_size(shadow->shown) >= shadow->request->limit)
        return;
    const struct event *event = &shadow->event;
    const struct record *record = shadow->record;
    json_t *one = json_pack("{s:s, s:o, s:o}", "change", change_names[change], "seq",
                            story_seq(record->partition, record->seq), "received",
                            story_time(record->receive_ns));
    if (event->reason == REASON_none) {
        json_t *told = tell_event(record, event, shadow->replay.conf, shadow->live);
        static const char *const members[] = {"id", "user", "type"};
        for (unsigned i = 0; i < sizeof members / sizeof *members; i++)
            if (json_object_get(told, members[i]))
                json_object_set(one, members[i], json_object_get(told, members[i]));
        json_decref(told);
    }
    if (record->kind == RECORD_CORRECTION) {
        const char *user = shadow->correction.user;
        json_object_set_new(one, "user", story_text((const uint8_t *)user, strlen(user)));
        json_object_set_new(one, "correction",
                            json_string(correction_kind_name(shadow->correction.kind)));
    }
    json_object_set_new(one, "recorded", was ? tell_outcome(was) : json_null());
    json_object_set_new(one, "recomputed", is ? tell_outcome(is) : json_null());
    json_array_append_new(shadow->shown, one);
}

static void show_verdict(struct shadow *shadow)
{
    const struct record *record = shadow->record;
    const struct verdict *verdict = &shadow->verdict;
    bool was = record->kind != RECORD_DEAD, is = verdict->result == RESULT_ACCEPTED;
    size_t before = json_array_size(shadow->shown);
    show(shadow, was && !is ? VERDICTS : OTHERWISE, NULL, NULL);
    json_t *one = json_array_get(shadow->shown, before);
    if (!one)
        return;
    json_object_set_new(one, "recorded",
                        json_string(was ? "accepted" : reason_name(record->reason)));
    json_object_set_new(one, "recomputed",
                        json_string(is ? "accepted"
                                    : verdict->result == RESULT_REJECTED
                                        ? reason_name(verdict->reason)
                                    : verdict->result == RESULT_DUPLICATE ? "duplicate"
                                                                          : "refused"));
}

static bool won(const struct outcome_view *view)
{
    return view && (view->outcome.kind == OUTCOME_award);
}

static bool claimed(const struct outcome_view *view)
{
    return view && view->outcome.kind == OUTCOME_claim_granted;
}

static enum change change_of(const struct outcome_view *was, const struct outcome_view *is)
{
    if (won(was) != won(is))
        return won(is) ? NOW_WON : NO_LONGER_WON;
    if (claimed(was) != claimed(is))
        return CLAIMS_MOVED;
    return OTHERWISE;
}

static bool same_name(const struct outcome_name *a, const struct outcome_name *b)
{
    return a->len == b->len && !memcmp(a->text, b->text, a->len);
}

/* Whether two outcomes of an event in a hunt mean the same to who plays. */
static bool same_meaning(const struct outcome_view *was, const struct outcome_view *is)
{
    const struct outcome *a = &was->outcome, *b = &is->outcome;
    if (a->kind != b->kind || a->refusal != b->refusal || a->item_count != b->item_count ||
        a->award_id[0] != b->award_id[0] || a->award_id[1] != b->award_id[1] ||
        !same_name(&was->variant, &is->variant) || !same_name(&was->reward, &is->reward))
        return false;
    for (unsigned i = 0; i < a->item_count; i++)
        if (!same_name(&was->item[i], &is->item[i]))
            return false;
    return true;
}

/* ---- an event's outcomes ---- */

static bool hunt_wanted(const struct shadow *shadow, const struct outcome_view *view)
{
    const char *hunt = shadow->request->hunt;
    return !hunt ||
           (strlen(hunt) == view->hunt.len && !memcmp(hunt, view->hunt.text, view->hunt.len));
}

/* take_match removes and decodes the recorded outcome of the same hunt. */
static bool take_match(struct shadow *shadow, const struct outcome_view *is,
                       struct outcome_view *was)
{
    for (uint32_t i = 0; i < shadow->said_count; i++) {
        struct said *said = &shadow->said[i];
        if (!said->len || outcome_decode(said->body, said->len, was) ||
            !same_name(&was->hunt, &is->hunt))
            continue;
        said->len = 0;
        return true;
    }
    return false;
}

/* compare_one holds an outcome against what was recorded. */
static bool compare_one(struct shadow *shadow, const struct outcome *outcome, uint32_t at)
{
    uint8_t decoded[EVENT_USER_MAX], body[OUTCOME_BODY_MAX];
    struct outcome_view is, was;
    if (shadow->record->kind == RECORD_CORRECTION)
        shard_correction_view(shadow->live, &shadow->correction, outcome, &is);
    else
        shard_view(shadow->live, &shadow->event, outcome, decoded, &is);
    uint32_t len = outcome_encode(&is, body);
    struct said *said = &shadow->said[at];
    if (at < shadow->said_count && said->len == len && !memcmp(said->body, body, len)) {
        said->len = 0;
        return true;
    }
    bool known = take_match(shadow, &is, &was);
    if (!hunt_wanted(shadow, &is))
        return true;
    /* Another configuration may take another way to the same; the same one may not. */
    if (known && shadow->rules && same_meaning(&was, &is))
        return true;
    if (!known && shadow->rules && is.outcome.kind == OUTCOME_visit)
        return true;
    show(shadow, change_of(known ? &was : NULL, &is), known ? &was : NULL, &is);
    return false;
}

static bool compare_left(struct shadow *shadow)
{
    bool same = true;
    for (uint32_t i = 0; i < shadow->said_count; i++) {
        struct said *said = &shadow->said[i];
        struct outcome_view was;
        if (!said->len)
            continue;
        if (outcome_decode(said->body, said->len, &was)) {
            show(shadow, OTHERWISE, NULL, NULL);
            same = false;
            continue;
        }
        if (!hunt_wanted(shadow, &was) || (shadow->rules && was.outcome.kind == OUTCOME_visit))
            continue;
        show(shadow, change_of(&was, NULL), &was, NULL);
        same = false;
    }
    return same;
}

static bool compare(struct shadow *shadow)
{
    const struct record *record = shadow->record;
    const struct verdict *verdict = &shadow->verdict;
    uint8_t result = record->kind == RECORD_DEAD ? RESULT_REJECTED : RESULT_ACCEPTED;
    bool same = verdict->result == result && verdict->reason == record->reason;
    if (!shadow->rules)
        same = same && verdict->flags == record->flags && verdict->seq == record->seq;
    if (!same)
        show_verdict(shadow);
    for (uint32_t i = 0; i < verdict->outcome_count; i++)
        if (!compare_one(shadow, &shadow->outcomes[i], i))
            same = false;
    return compare_left(shadow) && same;
}

/* ---- records ---- */

static bool in_stretch(const struct shadow *shadow, const struct record *record)
{
    const struct shadow_request *request = shadow->request;
    return record->receive_ns >= request->from_ns && record->receive_ns < request->to_ns;
}

static bool user_wanted(const struct shadow *shadow)
{
    const struct event *event = &shadow->event;
    if (!shadow->request->user)
        return true;
    if (shadow->record->kind == RECORD_CORRECTION)
        return !strcmp(shadow->correction.user, shadow->request->user);
    return event->user_key.lo == shadow->user_key.lo && event->user_key.hi == shadow->user_key.hi;
}

/* follows returns whether a record is the next outcome of the event at hand.  A duplicate's stands
 * alone. */
static bool follows(const struct shadow *shadow, const struct record *record)
{
    return record->kind == RECORD_OUTCOME && record->partition == shadow->record->partition &&
           record->seq == shadow->record->seq + 1 + shadow->said_count &&
           record->body_len <= OUTCOME_BODY_MAX &&
           outcome_peek(record_body(record), record->body_len) != OUTCOME_duplicate;
}

/* read_said finds what was recorded of the event at hand: it stands behind it, in the same block.
 */
static void read_said(struct shadow *shadow)
{
    const struct segment_reader *reader = &shadow->replay.reader;
    const struct record *next;
    uint32_t at = reader->at;
    shadow->said_count = shadow->passed = 0;
    while (shadow->said_count < STATE_OUTCOMES_MAX &&
           (next = segment_reader_peek(reader, &at)) != NULL && follows(shadow, next))
        shadow->said[shadow->said_count++] = (struct said){next->body_len, record_body(next)};
}

/* judge holds the event at hand against what was recorded of it, and puts the partition where the
 * journal has it. */
static void judge(struct shadow *shadow, bool inside)
{
    const struct record *record = shadow->record;
    read_said(shadow);
    shadow->in_stretch += inside;
    if (inside && user_wanted(shadow)) {
        bool same = compare(shadow);
        shadow->same += same;
        shadow->different += !same;
    }
    uint64_t seq = record->seq + shadow->said_count;
    if (state_seq(shadow->state, record->partition) != seq)
        state_pass(shadow->state, record->partition, seq, 0);
}

static int take_event(struct shadow *shadow, const struct record *record)
{
    bool inside = in_stretch(shadow, record);
    shadow->live = inside && shadow->rules ? shadow->rules : replay_rules(&shadow->replay);
    if (!shadow->live)
        return -1;
    shadow->record = record;
    replay_judge(&shadow->replay, shadow->live, record, inside, shadow->state, &shadow->event,
                 &shadow->verdict, shadow->outcomes);
    shadow->events++;
    judge(shadow, inside);
    return 0;
}

static int take_correction(struct shadow *shadow, const struct record *record)
{
    bool inside = in_stretch(shadow, record);
    const struct rules *rules = inside ? shadow->rules : NULL;
    if (replay_correct(&shadow->replay, rules, record, shadow->state, &shadow->correction,
                       &shadow->verdict, shadow->outcomes))
        return -1;
    shadow->live = rules ? rules : shadow->replay.rules;
    shadow->record = record;
    shadow->event = (struct event){.reason = REASON_not_object};
    shadow->corrections++;
    judge(shadow, inside);
    return 0;
}

static void take_outcome(struct shadow *shadow, const struct record *record)
{
    if (shadow->passed < shadow->said_count) {
        shadow->passed++; /* it was held against its event */
        return;
    }
    if (outcome_peek(record_body(record), record->body_len) != OUTCOME_duplicate)
        return;
    shadow->duplicates++;
    state_pass(shadow->state, record->partition, record->seq, record->receive_ns);
}

static int take(struct shadow *shadow, const struct record *record)
{
    switch ((enum record_kind)record->kind) {
    case RECORD_OUTCOME:
        take_outcome(shadow, record);
        return 0;
    case RECORD_CORRECTION:
        return take_correction(shadow, record);
    case RECORD_EVENT:
    case RECORD_DEAD:
        return take_event(shadow, record);
    case RECORD_CONFIG:
        break;
    }
    return 0;
}

static enum shadow_result walk(struct shadow *shadow)
{
    const struct record *record = NULL;
    for (;;) {
        enum replay_step step = replay_next(&shadow->replay, &record);
        if (step == REPLAY_END)
            return SHADOW_DONE;
        if (step == REPLAY_FAULT || (step == REPLAY_RECORD && take(shadow, record)))
            return SHADOW_FAULT;
    }
}

/* ---- the whole ---- */

static enum shadow_result prepare(struct shadow *shadow, char error[512])
{
    const struct shadow_request *request = shadow->request;
    struct diag_list diags = {0};
    shadow->newest = store_load(request->store, request->store->version, &diags);
    if (!shadow->newest)
        snprintf(error, 512, "data_dir %.180s: configuration version %u cannot be used: %.250s",
                 request->store->path, request->store->version,
                 diags.count ? diags.diags[0].text : "no memory");
    diag_list_fini(&diags);
    if (!shadow->newest)
        return SHADOW_FAULT;
    if (request->conf) {
        shadow->rules = rules_build(request->conf, request->store->version + 1, request->key,
                                    shadow->items, request->faults);
        if (!shadow->rules) {
            snprintf(error, 512, "the configuration cannot be used");
            return SHADOW_CONF;
        }
    }
    struct state_limits limits = replay_limits(shadow->newest, 1, 0);
    if (arena_open(&shadow->arena, state_footprint(&limits) + BLOCK_ALIGN, -1, false)) {
        snprintf(error, 512, "the state takes %zu MiB, more than there is",
                 state_footprint(&limits) >> 20);
        return SHADOW_FAULT;
    }
    shadow->state = state_init(&shadow->arena, &limits);
    return SHADOW_DONE;
}

/* begin opens the journals, and where their first records are gone, takes the state of what came
 * before from the checkpoint with which they begin. */
static int begin(struct shadow *shadow, char error[512])
{
    const struct store *store = shadow->request->store;
    int rc = replay_open(&shadow->replay, store, shadow->request->key, shadow->items, error);
    if (!rc && shadow->request->source) {
        replay_from(&shadow->replay, shadow->request->source);
        return 0;
    }
    if (!rc)
        rc = replay_base_open(&shadow->base, store, error);
    for (uint32_t p = 0; !rc && p < store->partition_count; p++)
        rc = replay_base_load(&shadow->base, p, shadow->state, error);
    if (!rc)
        replay_base_start(&shadow->base, &shadow->replay);
    return rc;
}

static json_t *report(const struct shadow *shadow, uint64_t elapsed_ns)
{
    uint64_t hash = 0;
    for (uint32_t p = 0; p < shadow->request->store->partition_count; p++)
        hash = hash * 31 + state_hash(shadow->state, p);
    json_t *told =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:o}", "events", (json_int_t)shadow->events,
                  "corrections", (json_int_t)shadow->corrections, "duplicates",
                  (json_int_t)shadow->duplicates, "in_range", (json_int_t)shadow->in_stretch,
                  "same", (json_int_t)shadow->same, "different", (json_int_t)shadow->different,
                  "seconds", (double)elapsed_ns / (double)NS_PER_S, "state_hash",
                  json_sprintf("%016llx", (unsigned long long)hash));
    for (unsigned i = 0; i < CHANGE_COUNT; i++)
        json_object_set_new(told, change_names[i], json_integer((json_int_t)shadow->changes[i]));
    if (shadow->base.begins_ns)
        json_object_set_new(told, "begins", story_time(shadow->base.begins_ns));
    json_object_set(told, "differences", shadow->shown);
    return told;
}

enum shadow_result shadow_run(const struct shadow_request *request, json_t **told, char error[512])
{
    struct shadow shadow = {
        .request = request, .base = {.checkpoint = {.fd = -1}}, .shown = json_array()};
    enum shadow_result result = SHADOW_FAULT;
    if (request->user)
        shadow.user_key = hash128(request->key, request->user, strlen(request->user));
    snprintf(error, 512, "no memory to read the journal");
    if ((shadow.items = story_items(request->store, error)))
        result = prepare(&shadow, error);
    if (result == SHADOW_DONE) {
        uint64_t begun_ns = clock_monotonic_ns();
        result = begin(&shadow, error) ? SHADOW_FAULT : walk(&shadow);
        if (result == SHADOW_DONE)
            *told = report(&shadow, clock_monotonic_ns() - begun_ns);
        replay_close(&shadow.replay);
        replay_base_close(&shadow.base);
    }
    if (shadow.state)
        arena_close(&shadow.arena);
    rules_free(shadow.rules);
    conf_free(shadow.newest);
    items_free(shadow.items);
    json_decref(shadow.shown);
    return result;
}
