/* arena.h - memory taken at start and never given back: one mapping, allocations from its front,
 * then sealed.
 *
 * Memory:  arena_open maps anonymous memory, on 2 MiB pages where the host has them reserved, else
 * with a request for transparent ones, touched page by page so that nothing faults later;
 * arena_init uses the caller's. Threads: one, before the parts start.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena {
    uint8_t *base;
    size_t bytes;
    size_t used;
    bool mapped;
    bool sealed; /* allocating from a sealed arena is a bug */
};

/* arena_open maps bytes, bound to NUMA node (or -1 for any).  huge asks for reserved huge pages
 * first. Returns 0, or -ENOMEM. */
int arena_open(struct arena *arena, size_t bytes, int node, bool huge);
void arena_close(struct arena *arena);

void arena_init(struct arena *arena, void *memory, size_t bytes);

/* arena_alloc returns zeroed memory aligned to align (a power of two), or NULL when the arena is
 * used up: footprints are computed before, so callers assert on it. */
void *arena_alloc(struct arena *arena, size_t bytes, size_t align);

/* arena_round returns bytes rounded up to align: footprints are sums of these. */
static inline size_t arena_round(size_t bytes, size_t align)
{
    return (bytes + align - 1) & ~(align - 1);
}

void arena_seal(struct arena *arena);

/* arena_elsewhere looks at a page of each 2 MiB: how many it has looked at, and how many of these
 * are not on NUMA node.  Returns 0; -EINVAL without a node; another negative errno where the kernel
 * does not say. */
int arena_elsewhere(const struct arena *arena, int node, uint64_t *pages, uint64_t *elsewhere);
