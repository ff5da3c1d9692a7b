/* admin_story.c - the journal's stories over the control socket. */
#include "dataplane/admin_story.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/text.h"
#include "dataplane/story_correction.h"
#include "dataplane/story_reject.h"
#include "dataplane/topo.h"

/* What was written in this epoch is read as far as it is durable, older journals to their end. */
static uint64_t durable(const void *arg, struct segment_id id)
{
    const struct topo *topo = arg;
    if (id.epoch != topo->store.epoch)
        return UINT64_MAX;
    if (id.shard >= topo->plan.shard_count)
        return 0;
    uint64_t position = atomic_load(&topo->journals[id.shard].journal->mark.position);
    uint64_t number = position >> 40;
    if (id.number != number)
        return id.number < number ? UINT64_MAX : 0;
    return position & (SEGMENT_POSITION(1, 0) - 1);
}

static void fail(struct control_response *response, const struct topo *topo,
                 enum story_result result, const char *error)
{
    switch (result) {
    case STORY_UNKNOWN:
        control_problem(response, 404, "not_found", "trovectl status", "%s", error);
        break;
    case STORY_TOO_LONG:
    case STORY_TOO_BIG:
        control_problem(response, 503, "journal_too_long",
                        "the same command with --data-dir, which takes its time beside troved",
                        "%s (data_dir %s)", error, topo->store.path);
        break;
    default:
        control_problem(response, 500, "journal_unreadable", "trovectl status", "%s", error);
    }
}

static void tell(struct topo *topo, struct story_request *story, struct control_response *response)
{
    char error[512];
    story->store = &topo->store;
    story->key = &topo->key;
    story->bound = durable;
    story->bound_arg = topo;
    story->deadline_ns = clock_monotonic_ns() + STORY_WAIT_NS;
    story->bytes_max = STORY_STATE_MAX;
    enum story_result result = story_tell(story, &response->body, error);
    if (result != STORY_TOLD)
        fail(response, topo, result, error);
}

void admin_explain(void *context, const struct control_request *request,
                   struct control_response *response)
{
    static const char tail[] = "/explain";
    char user[EVENT_USER_MAX + 1] = "";
    size_t len = strlen(request->path), tail_len = sizeof tail - 1;
    bool ends = len > tail_len && !strcmp(request->path + len - tail_len, tail);
    if (ends && len - tail_len <= EVENT_USER_MAX)
        memcpy(user, request->path, len - tail_len);
    if (!*user) {
        control_problem(response, 404, "not_found", "trovectl explain USER",
                        "a user is 1 to 64 bytes: GET /v1/users/{user}/explain");
        return;
    }
    struct story_request story = {.user = user, .hunt = control_query(request, "hunt")};
    tell(context, &story, response);
}

void admin_event(void *context, const struct control_request *request,
                 struct control_response *response)
{
    uint64_t id[2];
    if (strlen(request->path) != TEXT_UUID_LEN ||
        text_uuid_parse((const uint8_t *)request->path, id) >= 0) {
        control_problem(response, 400, "bad_id", "trovectl event ID",
                        "an event's id is a UUID in its canonical 36 characters");
        return;
    }
    struct story_request story = {.id = id};
    tell(context, &story, response);
}

static bool read_limit(const char *text, uint32_t *limit)
{
    char *end;
    unsigned long value = text ? strtoul(text, &end, 10) : *limit;
    if (text && (*text < '0' || *text > '9' || *end))
        return false;
    *limit = (uint32_t)value;
    return value >= 1 && value <= REJECT_SHOWN_MAX;
}

void admin_rejects(void *context, const struct control_request *request,
                   struct control_response *response)
{
    struct topo *topo = context;
    char error[512];
    const char *seq = control_query(request, "seq"), *whole = control_query(request, "whole");
    struct reject_request reject = {
        .store = &topo->store,
        .key = &topo->key,
        .reason = control_query(request, "reason"),
        .one = seq,
        .whole = seq || (whole && !strcmp(whole, "1")),
        .limit = 20,
        .bound = durable,
        .bound_arg = topo,
        .deadline_ns = clock_monotonic_ns() + STORY_WAIT_NS,
    };
    if (!read_limit(control_query(request, "limit"), &reject.limit) ||
        (seq && !reject_seq_parse(seq, &reject.partition, &reject.seq))) {
        control_problem(response, 400, "bad_query", "trovectl rejects list",
                        "limit is 1 to %u, seq is partition:number", REJECT_SHOWN_MAX);
        return;
    }
    enum story_result result = reject_tell(&reject, &response->body, error);
    if (result != STORY_TOLD)
        fail(response, topo, result, error);
}

static void tell_corrections(struct topo *topo, struct corrections_request *wanted,
                             struct control_response *response)
{
    char error[512];
    wanted->store = &topo->store;
    wanted->key = &topo->key;
    wanted->bound = durable;
    wanted->bound_arg = topo;
    wanted->deadline_ns = clock_monotonic_ns() + STORY_WAIT_NS;
    enum story_result result = corrections_tell(wanted, &response->body, error);
    if (result != STORY_TOLD)
        fail(response, topo, result, error);
}

void admin_corrections(void *context, const struct control_request *request,
                       struct control_response *response)
{
    struct corrections_request wanted = {.user = control_query(request, "user"), .limit = 20};
    if (read_limit(control_query(request, "limit"), &wanted.limit))
        tell_corrections(context, &wanted, response);
    else
        control_problem(response, 400, "bad_query", "trovectl patch list", "limit is 1 to %u",
                        REJECT_SHOWN_MAX);
}

void admin_correction(void *context, const struct control_request *request,
                      struct control_response *response)
{
    uint64_t id[2];
    struct corrections_request wanted = {.id = id, .limit = 1};
    if (strlen(request->path) == TEXT_UUID_LEN &&
        text_uuid_parse((const uint8_t *)request->path, id) < 0)
        tell_corrections(context, &wanted, response);
    else
        control_problem(response, 400, "bad_id", "trovectl patch list",
                        "a correction's id is a UUID in its canonical 36 characters");
}
