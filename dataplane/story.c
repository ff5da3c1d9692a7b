/* story.c - one pass over the journals for each partition in which the events lie. */
#include "dataplane/story.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/text.h"
#include "dataplane/replay_base.h"
#include "dataplane/story_tell.h"
#include "graph/shard.h"

#define NO_PARTITION    UINT32_MAX
#define STORY_ITEMS_MAX 100000000u
#define DEADLINE_LOOK   256u /* records between two looks at the clock */

/* What the recomputed event should have behind it in the journal. */
struct expected {
    struct outcome outcome; /* with its hunt's index and item ids */
    uint32_t len;
    uint8_t body[OUTCOME_BODY_MAX];
};

struct story {
    const struct story_request *request;
    struct hash128 user_key;
    struct items *items;
    struct conf *conf; /* the newest: sizes the state */
    struct rule_book book;
    char *error;

    bool *found; /* [partition]: events of the story lie there */
    bool first;  /* the first pass: it fills found */
    uint64_t unattributed;
    uint64_t torn;
    uint64_t records;
    uint64_t begins_ns; /* of the journal; 0: with its first record */

    /* The pass. */
    struct replay replay;
    struct replay_base base;
    uint32_t partition;
    struct arena arena;
    struct state *state;

    /* The event whose outcomes are being read. */
    struct expected *expected; /* [STATE_OUTCOMES_MAX] */
    uint32_t expected_count, expected_at;
    uint64_t expected_seq;
    struct event event; /* its bytes hold until the reader moves to another block */
    int64_t time_ms;    /* what its hunts' windows were held against */
    json_t *step;       /* NULL: somebody else's */
    bool differs;

    json_t *steps, *hunts, *seen; /* seen: ids of this story by seq, for its duplicates */
    bool forgotten;               /* seen no longer has them all */
    uint64_t told, differences, elsewhere;
};

/* ---- whose event ---- */

static bool is_ours(const struct story *story, const struct event *event)
{
    const struct story_request *request = story->request;
    if (!request->user)
        return event->id[0] == request->id[0] && event->id[1] == request->id[1];
    return event->user_key.lo == story->user_key.lo && event->user_key.hi == story->user_key.hi;
}

static bool duplicate_is_ours(const struct story *story, const struct outcome_view *view)
{
    const struct story_request *request = story->request;
    if (!request->user)
        return view->id[0] == request->id[0] && view->id[1] == request->id[1];
    return view->user.len == strlen(request->user) &&
           !memcmp(view->user.text, request->user, view->user.len);
}

static bool parse(const struct story *story, const struct record *record, struct event *event)
{
    static const struct event_limits limits = {.event_bytes = EVENT_BYTES_MAX, .event_depth = 64};
    return event_parse(&limits, story->request->key, record_body(record), record->body_len,
                       event) == REASON_none;
}

static bool is_asked_hunt(const struct story *story, const uint8_t *hunt, size_t len)
{
    const char *asked = story->request->hunt;
    return !asked || (strlen(asked) == len && !memcmp(asked, hunt, len));
}

/* An event's story has no corrections; a tile's lie in the tile's partition, not in the user's. */
static bool correction_is_ours(const struct story *story, const struct correction *correction)
{
    return story->request->user && !strcmp(correction->user, story->request->user) &&
           is_asked_hunt(story, (const uint8_t *)correction->hunt, strlen(correction->hunt));
}

static bool record_is_ours(const struct story *story, const struct record *record)
{
    struct event event;
    struct outcome_view view;
    struct correction correction;
    if (record->kind == RECORD_CORRECTION)
        return correction_decode(record_body(record), record->body_len, &correction) == 0 &&
               correction_is_ours(story, &correction);
    if (record->kind == RECORD_EVENT || record->kind == RECORD_DEAD)
        return parse(story, record, &event) && is_ours(story, &event);
    return record->kind == RECORD_OUTCOME &&
           outcome_decode(record_body(record), record->body_len, &view) == 0 &&
           view.outcome.kind == OUTCOME_duplicate && duplicate_is_ours(story, &view);
}

/* A dead letter that is no event names nobody. */
static void notice(struct story *story, const struct record *record)
{
    struct event event;
    if (record->kind == RECORD_DEAD && !parse(story, record, &event))
        story->unattributed++;
    else if (!story->found[record->partition] && record_is_ours(story, record))
        story->found[record->partition] = true;
}

/* ---- telling ---- */

static void add_step(struct story *story, json_t *step)
{
    story->told++;
    json_array_append_new(story->steps, step);
    if (json_array_size(story->steps) < (size_t)2 * STORY_EVENTS_MAX)
        return;
    json_t *newest = json_array();
    for (size_t i = STORY_EVENTS_MAX; i < json_array_size(story->steps); i++)
        json_array_append(newest, json_array_get(story->steps, i));
    json_decref(story->steps);
    story->steps = newest;
    json_object_clear(story->seen);
    story->forgotten = true;
}

static void mark_different(struct story *story, json_t *step, const char *what)
{
    if (!step) {
        story->elsewhere++;
        return;
    }
    story->differences++;
    json_object_set_new(step, "differs", json_string(what));
}

/* end_event closes the event whose outcomes were being read. */
static void end_event(struct story *story)
{
    if (story->expected_at < story->expected_count)
        mark_different(story, story->step, "outcomes that belong to it are not in the journal");
    story->expected_at = story->expected_count = 0;
    story->step = NULL;
}

static bool wanted(const struct story *story, const struct outcome_view *view)
{
    return !view->hunt.len || is_asked_hunt(story, view->hunt.text, view->hunt.len);
}

/* tell_recorded adds an OUTCOME record to its event's step; expected NULL: nothing was. */
static void tell_recorded(struct story *story, const struct outcome_view *view,
                          const struct expected *expected, bool same)
{
    if (!wanted(story, view))
        return;
    json_t *told = tell_outcome(view);
    tell_standing(story->hunts, view);
    /* Who corrects decides, not a rule. */
    if (expected && same && !outcome_of_correction(view->outcome.kind))
        json_object_set_new(told, "rule",
                            rule_of_outcome(&story->book, story->replay.conf, story->replay.rules,
                                            &story->event, &expected->outcome, story->time_ms));
    if (expected && !same) {
        struct outcome_view again;
        if (outcome_decode(expected->body, expected->len, &again) == 0)
            json_object_set_new(told, "recomputed", tell_outcome(&again));
    }
    json_array_append_new(json_object_get(story->step, "outcomes"), told);
}

static void take_duplicate(struct story *story, const struct record *record,
                           const struct outcome_view *view)
{
    end_event(story);
    state_pass(story->state, record->partition, record->seq, record->receive_ns);
    if (!duplicate_is_ours(story, view))
        return;
    json_t *step = tell_duplicate(record, view);
    const char *first = json_string_value(json_object_get(step, "first_seq"));
    const char *first_id = json_string_value(json_object_get(story->seen, first));
    const char *id = json_string_value(json_object_get(step, "id"));
    if (replay_rules(&story->replay))
        json_object_set_new(step, "rule",
                            rule_at(&story->book, story->replay.conf,
                                    replay_version(&story->replay), "events/dedupe/window"));
    bool known = first_id && !strcmp(first_id, id);
    if (!known && (first_id || !story->forgotten))
        mark_different(story, step, "the event that it repeats is not there");
    add_step(story, step);
}

static void take_outcome(struct story *story, const struct record *record)
{
    struct outcome_view view;
    if (outcome_decode(record_body(record), record->body_len, &view)) {
        mark_different(story, story->step, "an outcome of it cannot be read");
        return;
    }
    if (view.outcome.kind == OUTCOME_duplicate) {
        take_duplicate(story, record, &view);
        return;
    }
    const struct expected *expected = NULL;
    if (story->expected_at < story->expected_count &&
        record->seq == story->expected_seq + story->expected_at)
        expected = &story->expected[story->expected_at++];
    bool same = expected && expected->len == record->body_len &&
                !memcmp(expected->body, record_body(record), record->body_len);
    if (!same)
        mark_different(story, story->step, "an outcome was recorded otherwise than recomputed");
    if (story->step)
        tell_recorded(story, &view, expected, same);
}

static void expect(struct story *story, const struct verdict *verdict,
                   const struct outcome *outcomes)
{
    uint8_t decoded[EVENT_USER_MAX];
    struct outcome_view view;
    story->expected_seq = verdict->seq + 1;
    story->expected_count = verdict->outcome_count;
    for (uint32_t i = 0; i < verdict->outcome_count; i++) {
        struct expected *expected = &story->expected[i];
        shard_view(story->replay.rules, &story->event, &outcomes[i], decoded, &view);
        expected->outcome = outcomes[i];
        expected->len = outcome_encode(&view, expected->body);
    }
}

static void tell_rejection(struct story *story, const struct record *record)
{
    json_t *rule = rule_of_reason(&story->book, story->replay.conf, story->replay.rules,
                                  &story->event, record->reason);
    if (rule)
        json_object_set_new(story->step, "rule", rule);
}

static void start_step(struct story *story, const struct record *record)
{
    struct event said;
    if (!parse(story, record, &said) || !is_ours(story, &said))
        return;
    said.bytes = record_body(record);
    said.len = (uint16_t)record->body_len;
    story->event = said;
    story->step = tell_event(record, &said, story->replay.conf, story->replay.rules);
    story->time_ms =
        record->flags & RECORD_CLAMPED ? (int64_t)(record->receive_ns / NS_PER_MS) : said.time_ms;
    if (!story->request->user)
        json_object_set_new(story->step, "bytes",
                            story_text(record_body(record), record->body_len));
    if (record->kind == RECORD_DEAD)
        tell_rejection(story, record);
    if (record->flags & RECORD_CLAMPED)
        json_object_set_new(story->step, "clamped_rule",
                            rule_at(&story->book, story->replay.conf,
                                    replay_version(&story->replay), "events/skew_tolerance"));
    json_object_set(story->seen, json_string_value(json_object_get(story->step, "seq")),
                    json_object_get(story->step, "id"));
    add_step(story, story->step);
}

/* A correction's outcome is compared as an event's are. */
static int take_correction(struct story *story, const struct record *record)
{
    struct correction correction;
    struct verdict verdict;
    struct outcome outcome;
    struct outcome_view view;
    end_event(story);
    if (state_seq(story->state, record->partition) + 1 != record->seq)
        state_pass(story->state, record->partition, record->seq - 1, 0);
    if (replay_correct(&story->replay, NULL, record, story->state, &correction, &verdict, &outcome))
        return -1;
    if (correction_is_ours(story, &correction)) {
        story->step = tell_correction(record, &correction);
        add_step(story, story->step);
    }
    if (verdict.result != RESULT_ACCEPTED || verdict.seq != record->seq) {
        mark_different(story, story->step, "the correction was judged otherwise than recomputed");
        return 0;
    }
    shard_correction_view(story->replay.rules, &correction, &outcome, &view);
    story->expected_seq = verdict.seq + 1;
    story->expected_count = 1;
    story->expected[0].outcome = outcome;
    story->expected[0].len = outcome_encode(&view, story->expected[0].body);
    return 0;
}

static int take_event(struct story *story, const struct record *record)
{
    struct outcome outcomes[STATE_OUTCOMES_MAX];
    struct verdict verdict;
    end_event(story);
    /* Records are dense: where the state is elsewhere, it made another number of outcomes than
     * there are, which has been told. */
    if (state_seq(story->state, record->partition) + 1 != record->seq)
        state_pass(story->state, record->partition, record->seq - 1, 0);
    if (replay_apply(&story->replay, record, true, story->state, &story->event, &verdict, outcomes))
        return -1;
    uint8_t result = record->kind == RECORD_EVENT ? RESULT_ACCEPTED : RESULT_REJECTED;
    bool same = verdict.result == result && verdict.reason == record->reason &&
                verdict.flags == record->flags && verdict.seq == record->seq;
    if (verdict.result == RESULT_ACCEPTED)
        expect(story, &verdict, outcomes);
    start_step(story, record);
    if (!same)
        mark_different(story, story->step, "the event was judged otherwise than recomputed");
    return 0;
}

/* ---- a pass ---- */

static int take_record(struct story *story, const struct record *record)
{
    if (record->kind == RECORD_CONFIG)
        return 0;
    if (story->first)
        notice(story, record);
    if (record->partition != story->partition)
        return 0;
    if (record->kind == RECORD_CORRECTION)
        return take_correction(story, record);
    if (record->kind != RECORD_OUTCOME)
        return take_event(story, record);
    take_outcome(story, record);
    return 0;
}

static enum story_result make_state(struct story *story)
{
    if (story->partition == NO_PARTITION)
        return STORY_TOLD;
    struct state_limits limits =
        replay_limits(story->conf, story->conf->partitions, story->partition);
    size_t bytes = state_footprint(&limits) + BLOCK_ALIGN;
    bool big = story->request->bytes_max && bytes > story->request->bytes_max;
    if (big || arena_open(&story->arena, bytes, -1, false)) {
        snprintf(story->error, 512,
                 "the state of partition %u takes %zu MiB, more than there is for this",
                 story->partition, bytes >> 20);
        return STORY_TOO_BIG;
    }
    story->state = state_init(&story->arena, &limits);
    return STORY_TOLD;
}

static enum story_result walk(struct story *story)
{
    const struct record *record = NULL;
    uint64_t deadline_ns = story->request->deadline_ns;
    for (;;) {
        enum replay_step step = replay_next(&story->replay, &record);
        if (step == REPLAY_END)
            return STORY_TOLD;
        if (step == REPLAY_FAULT || (step == REPLAY_RECORD && take_record(story, record)))
            return STORY_FAULT;
        story->torn += story->first && step == REPLAY_TAIL && replay_tail(&story->replay).torn;
        if (++story->records % DEADLINE_LOOK == 0 && deadline_ns &&
            clock_monotonic_ns() > deadline_ns) {
            snprintf(story->error, 512,
                     "the journal is too long to be read again in the time that there is: %llu "
                     "records were",
                     (unsigned long long)story->records);
            return STORY_TOO_LONG;
        }
    }
}

/* Where the journal's first records are gone, its beginning is a checkpoint. */
static int begin_with_base(struct story *story, uint32_t partition)
{
    if (replay_base_open(&story->base, story->request->store, story->error))
        return -1;
    story->begins_ns = story->base.begins_ns;
    replay_base_start(&story->base, &story->replay);
    if (partition == NO_PARTITION)
        return 0;
    return replay_base_load(&story->base, partition, story->state, story->error);
}

static enum story_result pass(struct story *story, uint32_t partition)
{
    const struct story_request *request = story->request;
    story->partition = partition;
    enum story_result result = make_state(story);
    if (result == STORY_TOLD &&
        (replay_open(&story->replay, request->store, request->key, story->items, story->error) ||
         begin_with_base(story, partition)))
        result = STORY_FAULT;
    story->replay.bound = request->bound;
    story->replay.bound_arg = request->bound_arg;
    if (result == STORY_TOLD)
        result = walk(story);
    end_event(story);
    replay_close(&story->replay);
    replay_base_close(&story->base);
    if (story->state)
        arena_close(&story->arena);
    story->state = NULL;
    story->first = false;
    return result;
}

/* ---- the whole ---- */

struct items *story_items(const struct store *store, char error[512])
{
    struct items *items = items_new(STORY_ITEMS_MAX);
    int fd = openat(store->dir_fd, "items.txt", O_RDONLY | O_CLOEXEC);
    FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
    int rc = items ? 0 : -ENOMEM;
    if (!rc && !in && errno != ENOENT)
        rc = -errno;
    if (!rc && in)
        rc = items_load(items, in);
    if (in)
        fclose(in);
    if (!rc)
        return items;
    snprintf(error, 512, "data_dir %s: cannot read items.txt: %s", store->path, strerror(-rc));
    items_free(items);
    return NULL;
}

static struct conf *newest(const struct store *store, char error[512])
{
    struct diag_list diags = {0};
    struct conf *conf = store_load(store, store->version, &diags);
    if (!conf)
        snprintf(error, 512, "data_dir %.180s: configuration version %u cannot be used: %.250s",
                 store->path, store->version, diags.count ? diags.diags[0].text : "no memory");
    diag_list_fini(&diags);
    return conf;
}

static int by_time(const void *a, const void *b)
{
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    json_int_t s = json_integer_value(json_object_get(x, "receive_ns"));
    json_int_t t = json_integer_value(json_object_get(y, "receive_ns"));
    return s == t ? 0 : s < t ? -1 : 1;
}

/* One partition's events are in order; those of several are put in order of receipt. */
static json_t *newest_steps(const json_t *steps)
{
    size_t count = json_array_size(steps);
    json_t **sorted = calloc(count + 1, sizeof *sorted);
    json_t *told = json_array();
    bool ordered = true;
    for (size_t i = 0; sorted && i < count; i++) {
        sorted[i] = json_array_get(steps, i);
        ordered = ordered && (!i || by_time(&sorted[i - 1], &sorted[i]) <= 0);
    }
    if (sorted && !ordered)
        qsort(sorted, count, sizeof *sorted, by_time);
    for (size_t i = count > STORY_EVENTS_MAX ? count - STORY_EVENTS_MAX : 0; sorted && i < count;
         i++)
        json_array_append(told, sorted[i]);
    free(sorted);
    return told;
}

static json_t *finish(struct story *story)
{
    const struct story_request *request = story->request;
    json_t *events = newest_steps(story->steps);
    size_t shown = json_array_size(events);
    json_t *told = json_pack("{s:o, s:O, s:I, s:I, s:I, s:I, s:I, s:b}", "events", events, "hunts",
                             story->hunts, "not_shown", (json_int_t)(story->told - shown),
                             "unattributed", (json_int_t)story->unattributed, "torn",
                             (json_int_t)story->torn, "differences", (json_int_t)story->differences,
                             "differences_elsewhere", (json_int_t)story->elsewhere, "matches",
                             (int)!(story->differences + story->elsewhere));
    if (story->begins_ns)
        json_object_set_new(told, "begins", story_time(story->begins_ns));
    if (request->user)
        json_object_set_new(told, "user", json_string(request->user));
    if (request->hunt)
        json_object_set_new(told, "hunt", json_string(request->hunt));
    return told;
}

static enum story_result run(struct story *story, json_t **told)
{
    const struct store *store = story->request->store;
    uint32_t home = NO_PARTITION;
    if (story->request->user)
        home = event_partition(story->user_key.hi, store->partition_count);
    story->first = true;
    enum story_result result = pass(story, home);
    for (uint32_t p = 0; result == STORY_TOLD && p < store->partition_count; p++)
        if (story->found[p] && p != home)
            result = pass(story, p);
    if (result == STORY_TOLD && !story->told)
        result = story_none(store, story->error,
                            story->request->user ? "event or correction of this user"
                                                 : "event with this id");
    if (result == STORY_TOLD)
        *told = finish(story);
    return result;
}

enum story_result story_tell(const struct story_request *request, json_t **told, char error[512])
{
    struct story story = {.request = request,
                          .replay = {.reader = {.fd = -1}}, /* closed as if it had been opened */
                          .base = {.checkpoint = {.fd = -1}},
                          .error = error,
                          .steps = json_array(),
                          .hunts = json_object(),
                          .seen = json_object()};
    enum story_result result = STORY_FAULT;
    if (request->user)
        story.user_key = hash128(request->key, request->user, strlen(request->user));
    story.expected = calloc(STATE_OUTCOMES_MAX, sizeof *story.expected);
    story.found = calloc(request->store->partition_count, sizeof *story.found);
    snprintf(error, 512, "no memory to read the journal");
    if (story.expected && story.found && (story.items = story_items(request->store, error)))
        story.conf = newest(request->store, error);
    if (story.conf)
        result = run(&story, told);
    items_free(story.items);
    conf_free(story.conf);
    json_decref(story.book.places);
    json_decref(story.steps);
    json_decref(story.hunts);
    json_decref(story.seen);
    free(story.expected);
    free(story.found);
    return result;
}
