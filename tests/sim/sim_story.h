/* sim_story.h - what the rules promise, held against a journal from its first record, by a judge
 * that knows the rules on its own: what was seen within the window is a duplicate and nothing else
 * is, nobody wins twice, no tile is given twice.
 *
 * Memory:  a few words for each event.  Threads: one.
 */
#pragma once

#include "dataplane/base/record.h"
#include "tests/sim/sim_conf.h"

void sim_story_begin(void);
void sim_story_record(const struct record *record);
void sim_story_end(void);
