/* trail.h - the clue graph: a user's steps from a start node to a treasure.
 *
 * Memory:  works in the user's progress entry.  Threads: the shard that owns it.
 */
#pragma once

#include "dataplane/base/outcome.h"
#include "graph/progress.h"
#include "graph/rules.h"

bool trail_is_start(const struct rules_hunt *hunt, uint32_t item);

/* trail_begin puts a user on a start node.  *out has kind, flags and depth set. */
void trail_begin(struct progress_entry *entry, uint32_t item, uint64_t now_ns, struct outcome *out);

/* trail_step judges an item of the hunt's catalog for a user who is on the trail and has not won.
 *
 * The first node reached that has an edge to it, among its max_fanout strongest, is its parent.
 * Looking for it visits edges and stops at the hunt's budget.  *out is a visit, with OUTCOME_STEP
 * when the node is reached; a refusal (too_fast, max_depth); or an award, with the path from the
 * start by parents.  Returns whether the entry has changed.
 *
 * An item that no node leads to is a visit however soon it comes; of two refusals too_fast counts.
 */
bool trail_step(const struct rules_hunt *hunt, struct progress_entry *entry, uint32_t item,
                uint64_t now_ns, struct outcome *out);
