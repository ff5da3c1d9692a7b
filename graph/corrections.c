/* corrections.c - a pool that only grows, an index by id, a list for each partition. */
#include "graph/corrections.h"

#include <assert.h>
#include <string.h>

#include "graph/mix.h"

static uint32_t slot_count_for(uint32_t count)
{
    uint32_t slots = 16;
    while (slots < 2 * count)
        slots *= 2;
    return slots;
}

size_t corrections_footprint(uint32_t partition_count, uint32_t owned_count, uint32_t limit)
{
    uint32_t count = owned_count * limit;
    return arena_round(count * sizeof(struct corrections_entry), 64) +
           arena_round(slot_count_for(count) * sizeof(uint32_t), 64) +
           2 * arena_round(partition_count * sizeof(uint32_t), 64) + (size_t)4 * 64;
}

void corrections_init(struct corrections *c, struct arena *arena, uint32_t partition_count,
                      uint32_t owned_count, uint32_t limit)
{
    uint32_t count = owned_count * limit;
    *c = (struct corrections){
        .pool = arena_alloc(arena, count * sizeof *c->pool, 64),
        .slots = arena_alloc(arena, slot_count_for(count) * sizeof *c->slots, 64),
        .slot_count = slot_count_for(count),
        .limit = limit,
        .first = arena_alloc(arena, partition_count * sizeof *c->first, 64),
        .count = arena_alloc(arena, partition_count * sizeof *c->count, 64),
    };
    assert(c->pool && c->slots && c->first && c->count);
}

static uint32_t slot_of(const struct corrections *c, const uint64_t id[2])
{
    return (uint32_t)mix64(mix64(id[0]) ^ id[1]) & (c->slot_count - 1);
}

struct corrections_entry *corrections_find(const struct corrections *c, const uint64_t id[2],
                                           uint32_t partition)
{
    for (uint32_t at = slot_of(c, id); c->slots[at]; at = (at + 1) & (c->slot_count - 1)) {
        struct corrections_entry *entry = &c->pool[c->slots[at] - 1];
        if (entry->id[0] == id[0] && entry->id[1] == id[1] &&
            (partition == CORRECTIONS_ANY || partition == entry->partition))
            return entry;
    }
    return NULL;
}

bool corrections_room(const struct corrections *c, uint32_t partition)
{
    return c->count[partition] < c->limit;
}

struct corrections_entry *corrections_insert(struct corrections *c, const uint64_t id[2],
                                             uint32_t partition)
{
    assert(corrections_room(c, partition));
    uint32_t at = slot_of(c, id), place = c->used;
    while (c->slots[at])
        at = (at + 1) & (c->slot_count - 1);
    c->slots[at] = place + 1;
    struct corrections_entry *entry = &c->pool[place];
    memset(entry, 0, sizeof *entry);
    entry->next = c->first[partition];
    entry->partition = partition;
    entry->id[0] = id[0];
    entry->id[1] = id[1];
    c->first[partition] = place + 1;
    c->count[partition]++;
    __atomic_store_n(&c->used, place + 1, __ATOMIC_RELAXED);
    return entry;
}

uint64_t corrections_hash(const struct corrections *c, uint32_t partition,
                          const struct hash_key *key)
{
    size_t from = offsetof(struct corrections_entry, id);
    uint64_t sum = 0;
    for (uint32_t place = c->first[partition]; place; place = c->pool[place - 1].next) {
        const struct corrections_entry *entry = &c->pool[place - 1];
        sum += mix64(hash64(key, (const uint8_t *)entry + from, sizeof *entry - from));
    }
    return sum;
}

void corrections_clear(struct corrections *c, uint32_t partition_count)
{
    memset(c->slots, 0, c->slot_count * sizeof *c->slots);
    memset(c->first, 0, partition_count * sizeof *c->first);
    memset(c->count, 0, partition_count * sizeof *c->count);
    c->used = 0;
}

bool corrections_load(struct corrections *c, const struct corrections_entry *entry)
{
    size_t from = offsetof(struct corrections_entry, id);
    struct corrections_entry *own = corrections_find(c, entry->id, entry->partition);
    if (!own && !corrections_room(c, entry->partition))
        return false;
    if (!own)
        own = corrections_insert(c, entry->id, entry->partition);
    memcpy((uint8_t *)own + from, (const uint8_t *)entry + from, sizeof *entry - from);
    return true;
}

void corrections_changed(struct corrections *c, const struct corrections_entry *entry)
{
    if (!c->copy || entry->partition != c->copied_partition)
        return;
    bool loaded = corrections_load(c->copy, entry);
    assert(loaded);
}
