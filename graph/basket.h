/* basket.h - recent items, and the basket that a walk from them finds.
 *
 * Memory:  works in the user's progress entry; the walk in the shard's scratch.
 * Threads: the shard that owns both.
 */
#pragma once

#include "dataplane/base/outcome.h"
#include "graph/progress.h"
#include "graph/rules.h"
#include "graph/walk.h"

/* basket_touch adds an item of the hunt's catalog to the user's recent items and judges them.
 *
 * The item goes to the front; what is older than the hunt's ttl (which counts in whole seconds,
 * rounded up, and in units of 2, 4, ... seconds from 18 hours on) or too many falls off.  The
 * walk's best basket_items items, or as many as have a score, are the basket when they reach the
 * threshold together and the user has touched at least two distinct items that are still recent.
 * *out is an award or a visit. */
void basket_touch(const struct rules_hunt *hunt, struct walk *walk, struct progress_entry *entry,
                  uint32_t item, uint64_t now_ns, struct outcome *out);
