/* replay_impl.h - what replay.c (the walk) and replay_apply.c (records to a state) share.  Nobody
 * else includes it.
 *
 * Memory:  as replay.h.  Threads: as replay.h.
 */
#pragma once

#include "dataplane/replay.h"

/* replay_fault writes the line for the operator.  Returns REPLAY_FAULT. */
int replay_fault(struct replay *replay, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* replay_next_of_source gives the source's next record, unchecked. */
enum replay_step replay_next_of_source(struct replay *replay, const struct record **record);

/* replay_passes_over returns whether a record is none that the caller waits for. */
bool replay_passes_over(const struct replay *replay, const struct record *record);
