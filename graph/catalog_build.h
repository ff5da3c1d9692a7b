/* catalog_build.h - from a list of weighted edges to a catalog; between catalog_load.c and
 * catalog.c.
 *
 * Memory:  the list stays the caller's; building sorts and merges it in place.
 * Threads: the control thread.
 */
#pragma once

#include "graph/catalog.h"

#define CATALOG_WEIGHT_ONE 1000000000ull /* 1.0 as fixed point */

struct catalog_raw_edge {
    uint32_t from, to;
    uint64_t weight; /* above 0; duplicates add up, to at most UINT64_MAX */
};

/* catalog_build returns a catalog of count edges, at least 1, or NULL with errno: ENOMEM; E2BIG,
 * too many edges; EEXIST, two names with the same hash. */
struct catalog *catalog_build(struct catalog_raw_edge *edges, uint64_t count,
                              const struct items *items, const struct hash_key *key);
