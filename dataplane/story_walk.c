/* story_walk.c - every record of the journals, until a deadline. */
#include <stdio.h>

#include "dataplane/base/clock.h"
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
