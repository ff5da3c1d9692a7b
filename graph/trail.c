/* trail.c - steps along the edges of a catalog. */
#include "graph/trail.h"

/* contains halves the list without a branch: items are unpredictable. */
static bool contains(const uint32_t *sorted, uint32_t count, uint32_t item)
{
    if (!count)
        return false;
    while (count > 1) {
        uint32_t half = count / 2;
        sorted += sorted[half - 1] < item ? half : 0;
        count -= half;
    }
    return *sorted == item;
}

bool trail_is_start(const struct rules_hunt *hunt, uint32_t item)
{
    return contains(hunt->start, hunt->start_count, item);
}

static void reach(struct progress_entry *entry, uint32_t item, uint32_t parent, uint64_t now_ns)
{
    entry->trail.item[entry->count] = item;
    entry->trail.parent[entry->count] = (uint8_t)parent;
    entry->count++;
    entry->last_ns = now_ns;
}

void trail_begin(struct progress_entry *entry, uint32_t item, uint64_t now_ns, struct outcome *out)
{
    progress_clear(entry);
    reach(entry, item, 0, now_ns);
    out->flags |= OUTCOME_STEP;
    out->depth = 1;
}

static bool reached(const struct progress_entry *entry, uint32_t item)
{
    for (uint32_t i = 0; i < entry->count; i++)
        if (entry->trail.item[i] == item)
            return true;
    return false;
}

/* parent_of returns the index of the node that leads to item, or -1. */
static int parent_of(const struct rules_hunt *hunt, const struct progress_entry *entry,
                     uint32_t item, struct outcome *out)
{
    uint32_t left = hunt->budget;
    int parent = -1;
    for (uint32_t i = 0; i < entry->count; i++)
        catalog_prefetch_node(hunt->catalog, entry->trail.item[i]);
    for (uint32_t i = 0; i < entry->count; i++)
        catalog_prefetch(hunt->catalog, entry->trail.item[i]);
    for (uint32_t i = 0; i < entry->count && parent < 0; i++) {
        const struct catalog_edge *edges = NULL;
        uint32_t count = catalog_edges(hunt->catalog, entry->trail.item[i], &edges);
        count = count < hunt->max_fanout ? count : hunt->max_fanout;
        if (count > left) {
            count = left;
            out->flags |= OUTCOME_STOPPED;
        }
        uint32_t at = catalog_edge_to(edges, count, item);
        if (at < count) {
            parent = (int)i;
            at++;
        }
        left -= at;
        if (out->flags & OUTCOME_STOPPED)
            break;
    }
    if (parent >= 0)
        out->flags &= (uint8_t)~OUTCOME_STOPPED;
    out->edge_count = hunt->budget - left;
    return parent;
}

static void tell_path(const struct progress_entry *entry, struct outcome *out)
{
    uint32_t node = entry->count - 1u, len = 1;
    for (uint32_t at = node; at; at = entry->trail.parent[at])
        len++;
    out->item_count = (uint8_t)len;
    while (len-- > 0) {
        out->item[len] = entry->trail.item[node];
        node = entry->trail.parent[node];
    }
}

bool trail_step(const struct rules_hunt *hunt, struct progress_entry *entry, uint32_t item,
                uint64_t now_ns, struct outcome *out)
{
    out->depth = entry->count;
    if (reached(entry, item))
        return false;
    int parent = parent_of(hunt, entry, item, out);
    if (parent < 0)
        return false;
    if (now_ns - entry->last_ns < hunt->min_step_ns || entry->count > hunt->max_depth) {
        out->kind = OUTCOME_refusal;
        out->refusal =
            now_ns - entry->last_ns < hunt->min_step_ns ? REFUSAL_too_fast : REFUSAL_max_depth;
        return false;
    }
    reach(entry, item, (uint32_t)parent, now_ns);
    out->depth = entry->count;
    if (contains(hunt->treasure, hunt->treasure_count, item)) {
        out->kind = OUTCOME_award;
        entry->won_ns = now_ns;
        tell_path(entry, out);
    } else {
        out->flags |= OUTCOME_STEP;
    }
    return true;
}
