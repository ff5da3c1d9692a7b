/* basket.c - keeping recent items, and awarding what they point at. */
#include "graph/basket.h"

#include <assert.h>
#include <string.h>

#include "dataplane/base/clock.h"

#define RECENT_TO_WIN 2

static_assert(PROGRESS_RECENT_MAX <= WALK_SOURCES_MAX, "all recent items are sources");
static_assert(WALK_BEST_MAX <= OUTCOME_ITEMS_MAX, "a basket fits in an outcome");

static uint64_t ttl_seconds(const struct rules_hunt *hunt)
{
    return hunt->ttl_ns / NS_PER_S + (hunt->ttl_ns % NS_PER_S != 0);
}

/* shift_for returns the smallest unit in which every age up to the ttl fits 16 bits. */
static uint8_t shift_for(uint64_t ttl_s)
{
    uint8_t shift = 0;
    while (ttl_s >> shift > UINT16_MAX)
        shift++;
    return shift;
}

/* refresh rebuilds the recent items with item in front, in the hunt's present unit. */
static void refresh(const struct rules_hunt *hunt, struct progress_entry *entry, uint32_t item,
                    uint64_t now_ns)
{
    uint64_t ttl_s = ttl_seconds(hunt), last_s = entry->last_ns / NS_PER_S;
    uint8_t shift = shift_for(ttl_s);
    uint64_t now = now_ns / NS_PER_S >> shift;
    struct progress_basket fresh = {.item = {item}};
    uint32_t count = 1;
    for (uint32_t i = 0; i < entry->count && count < hunt->recent; i++) {
        uint64_t time_s = ((last_s >> entry->shift) - entry->basket.age[i]) << entry->shift;
        uint64_t age = now - (time_s >> shift);
        if (entry->basket.item[i] == item || age > ttl_s >> shift)
            continue;
        fresh.item[count] = entry->basket.item[i];
        fresh.age[count++] = (uint16_t)age;
    }
    entry->basket = fresh;
    entry->count = (uint8_t)count;
    entry->shift = shift;
    entry->last_ns = now_ns;
}

void basket_touch(const struct rules_hunt *hunt, struct walk *walk, struct progress_entry *entry,
                  uint32_t item, uint64_t now_ns, struct outcome *out)
{
    struct walk_result found;
    refresh(hunt, entry, item, now_ns);
    walk_run(walk, hunt, entry->basket.item, entry->count, &found);
    out->depth = entry->count;
    out->edge_count = found.edge_count;
    out->score = found.sum;
    if (found.stopped)
        out->flags |= OUTCOME_STOPPED;
    if (entry->count < RECENT_TO_WIN || !found.best_count || found.sum < hunt->threshold)
        return;
    out->kind = OUTCOME_award;
    out->item_count = (uint8_t)found.best_count;
    memcpy(out->item, found.best, found.best_count * sizeof out->item[0]);
    entry->won_ns = now_ns;
}
