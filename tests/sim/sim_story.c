/* sim_story.c - the judge. */
#include "tests/sim/sim_story.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/correction.h"
#include "dataplane/base/outcome.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_client.h"

#define AWARDS_MAX 4096u

struct told {
    uint64_t seq, receive_ns;
    const struct sim_line *line;
    uint16_t partition;
};

struct award {
    uint32_t user;
    uint64_t receive_ns;
};

static struct {
    struct told *events;
    uint32_t count, room;
    const struct sim_line *line; /* of the last EVENT */
    struct award awards[AWARDS_MAX];
    uint32_t award_count;
    const struct sim_line *granted[AWARDS_MAX];
    uint32_t granted_count;
    uint64_t corrections[AWARDS_MAX][2];
    uint32_t correction_count;
} story;

void sim_story_begin(void)
{
    memset(&story, 0, sizeof story);
}

void sim_story_end(void)
{
    free(story.events);
    story.events = NULL;
}

static bool same_event(const struct sim_line *a, const struct sim_line *b)
{
    return a->user == b->user && a->number == b->number;
}

static void take_event(const struct record *record)
{
    const struct sim_line *line = sim_client_find(record_body(record), record->body_len);
    uint64_t window_ns = sim_conf_window_ns();
    story.line = line;
    for (uint32_t i = story.count; i > 0 && !sim_conf_shortens(); i--) {
        const struct told *told = &story.events[i - 1];
        if (told->partition == record->partition && same_event(told->line, line))
            sim_check(record->receive_ns - told->receive_ns >= window_ns,
                      "an event is accepted again after %.3f s: %u:%llu and %llu",
                      (double)(record->receive_ns - told->receive_ns) / 1e9, record->partition,
                      (unsigned long long)told->seq, (unsigned long long)record->seq);
    }
    if (story.count == story.room) {
        story.room = story.room ? 2 * story.room : 256;
        story.events = realloc(story.events, story.room * sizeof *story.events);
        assert(story.events);
    }
    story.events[story.count++] = (struct told){.seq = record->seq,
                                                .receive_ns = record->receive_ns,
                                                .line = line,
                                                .partition = record->partition};
}

static const struct told *find(uint32_t partition, uint64_t seq)
{
    for (uint32_t i = 0; i < story.count; i++)
        if (story.events[i].partition == partition && story.events[i].seq == seq)
            return &story.events[i];
    return NULL;
}

static void take_duplicate(const struct record *record, const struct outcome_view *view)
{
    char user[16];
    const struct told *first = find(record->partition, view->outcome.first_seq);
    sim_check(first, "a duplicate of nothing: %u:%llu", record->partition,
              (unsigned long long)record->seq);
    int len = snprintf(user, sizeof user, "u-%u", first->line->user);
    uint64_t number = view->id[1] & 0xffffffffffff;
    sim_check(number == first->line->number && (uint32_t)len == view->user.len &&
                  memcmp(user, view->user.text, view->user.len) == 0,
              "a duplicate of another event: %u:%llu of %llu", record->partition,
              (unsigned long long)record->seq, (unsigned long long)view->outcome.first_seq);
    uint64_t window_ns = sim_conf_window_ns();
    sim_check(record->receive_ns - first->receive_ns <= window_ns + window_ns / 32 + NS_PER_MS,
              "a duplicate after the window: %.3f s, %u:%llu",
              (double)(record->receive_ns - first->receive_ns) / 1e9, record->partition,
              (unsigned long long)record->seq);
}

static void take_award(const struct record *record)
{
    uint32_t user = story.line->user;
    uint64_t between_ns = sim_conf_cooldown_ns();
    for (uint32_t i = 0; i < story.award_count; i++)
        if (story.awards[i].user == user)
            sim_check(record->receive_ns - story.awards[i].receive_ns >= between_ns,
                      "u-%u wins twice, the second time at %u:%llu", user, record->partition,
                      (unsigned long long)record->seq);
    if (story.award_count < AWARDS_MAX)
        story.awards[story.award_count++] =
            (struct award){.user = user, .receive_ns = record->receive_ns};
}

static void take_claim(const struct record *record)
{
    for (uint32_t i = 0; i < story.granted_count; i++)
        sim_check(strcmp(story.granted[i]->tile, story.line->tile) != 0,
                  "tile %s is given twice, the second time at %u:%llu", story.line->tile,
                  record->partition, (unsigned long long)record->seq);
    if (story.granted_count < AWARDS_MAX)
        story.granted[story.granted_count++] = story.line;
}

static void take_correction(const struct record *record)
{
    struct correction c;
    sim_check(correction_decode(record_body(record), record->body_len, &c) == 0,
              "a correction cannot be read: %u:%llu", record->partition,
              (unsigned long long)record->seq);
    for (uint32_t i = 0; i < story.correction_count; i++)
        sim_check(memcmp(story.corrections[i], c.id, sizeof c.id) != 0,
                  "a correction is done twice, the second time at %u:%llu", record->partition,
                  (unsigned long long)record->seq);
    if (story.correction_count < AWARDS_MAX)
        memcpy(story.corrections[story.correction_count++], c.id, sizeof c.id);
}

void sim_story_record(const struct record *record)
{
    struct outcome_view view;
    if (record->kind == RECORD_CORRECTION)
        take_correction(record);
    if (record->kind == RECORD_EVENT)
        take_event(record);
    if (record->kind != RECORD_OUTCOME)
        return;
    sim_check(outcome_decode(record_body(record), record->body_len, &view) == 0,
              "an outcome cannot be read: %u:%llu", record->partition,
              (unsigned long long)record->seq);
    if (view.outcome.kind == OUTCOME_duplicate)
        take_duplicate(record, &view);
    else if (view.outcome.kind == OUTCOME_award)
        take_award(record);
    else if (view.outcome.kind == OUTCOME_claim_granted)
        take_claim(record);
}
