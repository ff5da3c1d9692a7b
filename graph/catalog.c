/* catalog.c - building the compressed adjacency, and looking things up in it. */
#include "graph/catalog.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/arena.h"
#include "dataplane/base/event.h"
#include "graph/catalog_build.h"

#define CACHE_LINE 64

static int by_ends(const void *a, const void *b)
{
    const struct catalog_raw_edge *x = a, *y = b;
    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    return x->to == y->to ? 0 : x->to < y->to ? -1 : 1;
}

static int by_weight(const void *a, const void *b)
{
    const struct catalog_raw_edge *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    return x->to == y->to ? 0 : x->to < y->to ? -1 : 1;
}

static uint64_t merge(struct catalog_raw_edge *edges, uint64_t count)
{
    qsort(edges, count, sizeof *edges, by_ends);
    uint64_t kept = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct catalog_raw_edge *last = kept ? &edges[kept - 1] : NULL;
        if (!last || by_ends(last, &edges[i]))
            edges[kept++] = edges[i];
        else if (__builtin_add_overflow(last->weight, edges[i].weight, &last->weight))
            last->weight = UINT64_MAX;
    }
    return kept;
}

static uint64_t edge_hash(const struct items *items, const struct catalog_raw_edge *edge,
                          uint16_t strength)
{
    static const uint8_t seed[HASH_SEED_BYTES];
    static struct hash_key key; /* of no secret: hosts compare */
    if (!key.fingerprint)
        hash_key_init(&key, seed);
    uint8_t text[2 * (EVENT_NAME_MAX + 1ul) + sizeof strength];
    uint32_t at = 0, len;
    const uint32_t ends[] = {edge->from, edge->to};
    for (int i = 0; i < 2; i++) {
        const char *name = items_name(items, ends[i], &len);
        memcpy(text + at, name, len);
        at += len;
        text[at++] = '\t';
    }
    memcpy(text + at, &strength, sizeof strength);
    return hash64(&key, text, at + sizeof strength);
}

static uint16_t relative(uint64_t weight, uint64_t strongest)
{
    unsigned __int128 scaled = (unsigned __int128)weight * UINT16_MAX + strongest / 2;
    uint64_t strength = (uint64_t)(scaled / strongest);
    return (uint16_t)(strength ? strength : 1);
}

/* fill_edges writes the adjacency of merged edges, which are sorted by their ends. */
static void fill_edges(struct catalog *catalog, struct catalog_raw_edge *edges,
                       const struct items *items)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < catalog->span; i++) {
        catalog->offsets[i] = at;
        uint32_t end = at;
        while (end < catalog->edge_count && edges[end].from == catalog->first_item + i)
            end++;
        qsort(edges + at, end - at, sizeof *edges, by_weight);
        for (uint32_t first = at; at < end; at++) {
            uint16_t strength = relative(edges[at].weight, edges[first].weight);
            catalog->edges[at] = (struct catalog_edge){.to = edges[at].to, .strength = strength};
            catalog->hash += edge_hash(items, &edges[at], strength);
        }
    }
    catalog->offsets[catalog->span] = at;
}

static int index_add(struct catalog *catalog, uint32_t item, uint64_t key)
{
    uint64_t at = key & catalog->index_mask;
    for (; catalog->index[at].used; at = (at + 1) & catalog->index_mask)
        if (catalog->index[at].key == key)
            return catalog->index[at].item == item ? 0 : -EEXIST;
    catalog->index[at] = (struct catalog_slot){.key = key, .item = item, .used = 1};
    catalog->item_count++;
    return 0;
}

static int fill_index(struct catalog *catalog, const struct catalog_raw_edge *edges,
                      const struct items *items, const struct hash_key *key)
{
    for (uint32_t i = 0; i < catalog->edge_count; i++) {
        const uint32_t ends[] = {edges[i].from, edges[i].to};
        for (int j = i && edges[i - 1].from == ends[0] ? 1 : 0; j < 2; j++) {
            uint32_t len;
            const char *name = items_name(items, ends[j], &len);
            int rc = index_add(catalog, ends[j], hash64(key, name, len));
            if (rc)
                return rc;
        }
    }
    return 0;
}

/* allocate lays the catalog and its arrays out in one allocation. */
static struct catalog *allocate(const struct catalog_raw_edge *edges, uint32_t edge_count)
{
    uint32_t low = UINT32_MAX, high = 0;
    for (uint32_t i = 0; i < edge_count; i++) {
        uint32_t least = edges[i].from < edges[i].to ? edges[i].from : edges[i].to;
        uint32_t most = edges[i].from < edges[i].to ? edges[i].to : edges[i].from;
        low = least < low ? least : low;
        high = most > high ? most : high;
    }
    uint32_t span = high - low + 1;
    uint64_t most_items = 2ull * edge_count < span ? 2ull * edge_count : span;
    uint64_t index_slots = 4;
    while (index_slots < 2 * most_items)
        index_slots *= 2;

    size_t index_at = arena_round(sizeof(struct catalog), CACHE_LINE);
    size_t edges_at = index_at + arena_round(index_slots * sizeof(struct catalog_slot), CACHE_LINE);
    size_t offsets_at =
        edges_at + arena_round(edge_count * sizeof(struct catalog_edge), CACHE_LINE);
    static_assert(CACHE_LINE >= 7 * sizeof(struct catalog_edge), "what is read behind the edges");
    size_t bytes = offsets_at + arena_round(((size_t)span + 1) * sizeof(uint32_t), CACHE_LINE);
    uint8_t *memory = aligned_alloc(CACHE_LINE, bytes);
    if (!memory)
        return NULL;
    memset(memory, 0, bytes);
    struct catalog *catalog = (struct catalog *)memory;
    *catalog = (struct catalog){
        .first_item = low,
        .span = span,
        .edge_count = edge_count,
        .index_mask = index_slots - 1,
        .bytes = bytes,
        .offsets = (uint32_t *)(memory + offsets_at),
        .edges = (struct catalog_edge *)(memory + edges_at),
        .index = (struct catalog_slot *)(memory + index_at),
    };
    return catalog;
}

struct catalog *catalog_build(struct catalog_raw_edge *edges, uint64_t count,
                              const struct items *items, const struct hash_key *key)
{
    assert(count);
    count = merge(edges, count);
    if (count >= UINT32_MAX) {
        errno = E2BIG;
        return NULL;
    }
    struct catalog *catalog = allocate(edges, (uint32_t)count);
    if (!catalog)
        return NULL;
    fill_edges(catalog, edges, items);
    int rc = fill_index(catalog, edges, items, key);
    if (rc) {
        catalog_free(catalog);
        errno = -rc;
        return NULL;
    }
    return catalog;
}

void catalog_free(struct catalog *catalog)
{
    free(catalog);
}

uint64_t catalog_hash(const struct catalog *catalog)
{
    return catalog->hash;
}

uint32_t catalog_item_count(const struct catalog *catalog)
{
    return catalog->item_count;
}

uint64_t catalog_edge_count(const struct catalog *catalog)
{
    return catalog->edge_count;
}

size_t catalog_bytes(const struct catalog *catalog)
{
    return catalog->bytes;
}
