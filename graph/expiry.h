/* expiry.h - when each entry of a pool dies, and which one is dead: a tree of minima.
 *
 * The lowest level holds a second for each place, every level above the least of each 16 below.  So
 * a dead entry is found in as many steps as there are levels, however large the pool; setting a
 * time touches more than its own cache line only when the least of 16 changes.
 *
 * Memory:  from the arena at init.  Threads: the shard that owns the pool.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/arena.h"

#define EXPIRY_NEVER      UINT32_MAX
#define EXPIRY_NONE       UINT32_MAX
#define EXPIRY_LEVELS_MAX 9

struct expiry {
    uint32_t *levels[EXPIRY_LEVELS_MAX]; /* [0]: of each place; the last one holds one number */
    uint32_t level_count;
};

/* For limit places, at least 1; at first none of them dies. */
size_t expiry_footprint(uint32_t limit);
void expiry_init(struct expiry *expiry, struct arena *arena, uint32_t limit);

/* expiry_clear lets none of limit places die, as after expiry_init. */
void expiry_clear(struct expiry *expiry, uint32_t limit);

void expiry_set(struct expiry *expiry, uint32_t place, uint32_t second);

/* expiry_find_dead returns a place whose second is now_s or earlier, or EXPIRY_NONE. */
uint32_t expiry_find_dead(const struct expiry *expiry, uint32_t now_s);

/* expiry_count_dead returns how many places have such a second, at most `most`; it takes as many
 * times the steps of one. */
uint32_t expiry_count_dead(const struct expiry *expiry, uint32_t now_s, uint32_t most);

static inline uint32_t expiry_get(const struct expiry *expiry, uint32_t place)
{
    return expiry->levels[0][place];
}
