/* story_tell.h - an event, an outcome, a hunt's standing as JSON: the words of a story.
 *
 * Memory:  new references, the caller's.  Threads: one.
 */
#pragma once

#include "dataplane/story.h"
#include "dataplane/story_rule.h"

/* tell_event says what a record's event is: seq, times, id, user, type, item, flags, result. */
json_t *tell_event(const struct record *record, const struct event *event, const struct conf *conf,
                   const struct rules *rules);

/* tell_duplicate says what an OUTCOME record of a duplicate says. */
json_t *tell_duplicate(const struct record *record, const struct outcome_view *view);

/* tell_correction says what a CORRECTION record says; what came of it becomes its one outcome. */
json_t *tell_correction(const struct record *record, const struct correction *correction);

/* tell_outcome says what an outcome is, without its rule. */
json_t *tell_outcome(const struct outcome_view *view);

/* tell_standing adds a recorded outcome to its hunt's line of the summary.  A grant is an award
 * more, a revocation one less; neither is an event. */
void tell_standing(json_t *hunts, const struct outcome_view *view);
