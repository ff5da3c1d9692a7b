/* story_walk.c - every record of the journals, until a deadline. */
#include <stdio.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/text.h"
#include "dataplane/story.h"

#define DEADLINE_LOOK 256u

static bool too_late(const struct story_walk *walk, uint64_t count)
{
    return count % DEADLINE_LOOK == 0 && walk->deadline_ns &&
           clock_monotonic_ns() > walk->deadline_ns;
}

enum story_result story_walk(const struct story_walk *walk, char error[512])
{
    struct replay replay;
    const struct record *record = NULL;
    enum story_result result = STORY_TOLD;
    enum replay_step step = REPLAY_RECORD;
    if (replay_open(&replay, walk->store, walk->key, NULL, error))
        step = REPLAY_FAULT;
    replay.bound = walk->bound;
    replay.bound_arg = walk->bound_arg;
    for (uint64_t i = 1; step == REPLAY_RECORD || step == REPLAY_TAIL; i++) {
        step = replay_next(&replay, &record);
        if (step == REPLAY_RECORD)
            walk->take(walk->arg, record);
        if (too_late(walk, i)) {
            snprintf(error, 512, "the journal is too long to be read in the time that there is");
            result = STORY_TOO_LONG;
            break;
        }
    }
    if (step == REPLAY_FAULT)
        result = STORY_FAULT;
    replay_close(&replay);
    return result;
}

enum story_result story_none(const struct store *store, char error[512], const char *what)
{
    struct horizon horizon;
    char begins[TEXT_TIME_LEN + 1];
    int len = snprintf(error, 512, "the journal has no %s", what);
    if (horizon_load(store->dir_fd, &horizon) || horizon_is_whole(&horizon))
        return STORY_UNKNOWN;
    text_time_format((int64_t)(horizon.begins_ns / NS_PER_MS), begins);
    snprintf(error + len, 512 - (size_t)len,
             "; it begins at %s with a checkpoint, and what was before is not told", begins);
    return STORY_UNKNOWN;
}
