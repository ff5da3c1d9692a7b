/* catalog.h - the item graph as compressed adjacency (CSR), strongest edges first.
 *
 * Text form: one edge a line, from<TAB>to<TAB>weight; weight in (0, 1e9], lines starting with '#'
 * and empty lines ignored, an edge given twice adds up.  A weight is a decimal number with at most
 * nine digits behind the point.  Directed: an undirected graph lists both
 * directions.  Names get their ids in the order in which the file has them, from before to.  Each
 * edge is kept with its weight relative to the strongest edge of its node, as 16-bit fixed point in
 * (0, 1], rounded to the nearest and never to 0, so that a walk needs one 8-byte load per edge.
 *
 * Memory:  one allocation, immutable once built; published and retired with the rules that hold it.
 * Threads: any may read.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "conf/diag.h"
#include "dataplane/base/hash.h"
#include "graph/items.h"

struct catalog_edge {
    uint32_t to;       /* item id */
    uint16_t strength; /* weight / strongest weight of the node, 65535 = 1.0; at least 1 */
    uint16_t reserved;
};

struct catalog_slot {
    uint64_t key; /* hash64 of the name */
    uint32_t item;
    uint32_t used;
};

/* Read by the functions here alone: the hot path has them inline. */
struct catalog {
    uint32_t first_item; /* lowest id in the catalog */
    uint32_t span;       /* highest id - lowest id + 1 */
    uint32_t item_count;
    uint32_t edge_count;
    uint64_t index_mask;
    uint64_t hash;
    size_t bytes;
    uint32_t
        *offsets; /* [span + 1]: edges of item first_item + i are [offsets[i], offsets[i + 1]) */
    struct catalog_edge *edges;
    struct catalog_slot *index;
};

/* catalog_load reads a catalog file, adding its names to items.  Returns it, or NULL with the
 * faults in *diags (file, line). */
struct catalog *catalog_load(const char *file, struct items *items, const struct hash_key *key,
                             struct diag_list *diags);
void catalog_free(struct catalog *catalog);

/* catalog_find maps hash64(name) to an item id of this catalog, or ITEM_NONE. */
static inline uint32_t catalog_find(const struct catalog *catalog, uint64_t name_key)
{
    uint64_t at = name_key & catalog->index_mask;
    for (; catalog->index[at].used; at = (at + 1) & catalog->index_mask)
        if (catalog->index[at].key == name_key)
            return catalog->index[at].item;
    return ITEM_NONE;
}

/* catalog_edges returns the edges of an item, heaviest first (by weight as written, which tells
 * apart what strength does not; ties: lower id first), and their
 * number; 0 for an item that is not in the catalog. */
static inline uint32_t catalog_edges(const struct catalog *catalog, uint32_t item,
                                     const struct catalog_edge **edges)
{
    uint32_t i = item - catalog->first_item;
    *edges = catalog->edges;
    if (i >= catalog->span)
        return 0;
    *edges += catalog->offsets[i];
    return catalog->offsets[i + 1] - catalog->offsets[i];
}

/* catalog_edge_to returns which of an item's edges leads to another, or count: none does.  It reads
 * up to seven edges behind the last one: at the end of them all are the offsets. */
#if defined(__AVX2__)
static inline uint32_t catalog_edge_to(const struct catalog_edge *edges, uint32_t count,
                                       uint32_t item)
{
    const __m256i wanted = _mm256_set1_epi32((int)item);
    for (uint32_t at = 0; at < count; at += 8) {
        __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)(edges + at));
        __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(edges + at + 4));
        low = _mm256_cmpeq_epi32(low, wanted);
        high = _mm256_cmpeq_epi32(high, wanted);
        unsigned bits = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(low)) |
                        (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(high)) << 8;
        bits &= 0x5555; /* `to` is the first half of an edge */
        if (bits) {
            at += (uint32_t)__builtin_ctz(bits) / 2;
            return at < count ? at : count;
        }
    }
    return count;
}
#else
static inline uint32_t catalog_edge_to(const struct catalog_edge *edges, uint32_t count,
                                       uint32_t item)
{
    uint32_t at = 0;
    while (at < count && edges[at].to != item)
        at++;
    return at;
}
#endif

/* catalog_prefetch_find brings in what catalog_find will touch, catalog_prefetch_node what
 * catalog_edges will, and then catalog_prefetch the edges. */
static inline void catalog_prefetch_find(const struct catalog *catalog, uint64_t name_key)
{
    __builtin_prefetch(&catalog->index[name_key & catalog->index_mask]);
}

static inline void catalog_prefetch_node(const struct catalog *catalog, uint32_t item)
{
    uint32_t i = item - catalog->first_item;
    if (i < catalog->span)
        __builtin_prefetch(catalog->offsets + i);
}

static inline void catalog_prefetch(const struct catalog *catalog, uint32_t item)
{
    uint32_t i = item - catalog->first_item;
    if (i < catalog->span)
        __builtin_prefetch(catalog->edges + catalog->offsets[i]);
}

/* catalog_hash is of the content alone: the same edges give the same hash on every host, in
 * whatever order the file lists them. */
uint64_t catalog_hash(const struct catalog *catalog);
uint32_t catalog_item_count(const struct catalog *catalog);
uint64_t catalog_edge_count(const struct catalog *catalog);
size_t catalog_bytes(const struct catalog *catalog);
