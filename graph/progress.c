/* progress.c - a pool of entries, an index of two choices, and taking back what is dead. */
#include "graph/progress.h"

#include "dataplane/base/clock.h"
#include "graph/mix.h"

static uint32_t seconds(uint64_t ns)
{
    uint64_t s = ns / NS_PER_S;
    return s < PROGRESS_FOREVER - 1 ? (uint32_t)s : PROGRESS_FOREVER - 1;
}

struct hash128 progress_mark(uint64_t hunt_key)
{
    return (struct hash128){.lo = mix64(hunt_key), .hi = mix64(~hunt_key)};
}

/* A third of the index's slots are used: of two lines of eight, one always has room. */
static uint32_t line_count_for(uint32_t limit)
{
    return limit / 3 + 8;
}

size_t progress_footprint(uint32_t limit)
{
    return arena_round(limit * sizeof(struct progress_entry), 128) + expiry_footprint(limit) +
           line_count_for(limit) * sizeof(struct progress_line) + (size_t)2 * 128;
}

void progress_init(struct progress *p, struct arena *arena, uint32_t limit)
{
    *p = (struct progress){
        .pool = arena_alloc(arena, limit * sizeof *p->pool, 128),
        .lines = arena_alloc(arena, line_count_for(limit) * sizeof *p->lines, 64),
        .line_count = line_count_for(limit),
        .limit = limit,
        .free = PROGRESS_NONE,
    };
    assert(p->pool && p->lines);
    expiry_init(&p->expiry, arena, limit);
}

void progress_clear_all(struct progress *p)
{
    memset(p->lines, 0, p->line_count * sizeof *p->lines);
    memset(p->pool, 0, p->fresh * sizeof *p->pool);
    expiry_clear(&p->expiry, p->limit);
    p->fresh = p->used = 0;
    p->free = PROGRESS_NONE;
}

/* ---- what a copy in the making is told ---- */

void progress_changed(struct progress *p, uint32_t place)
{
    if (!p->copy)
        return;
    p->copy->pool[place] = p->pool[place];
    p->copy->expiry.levels[0][place] = p->expiry.levels[0][place];
}

static void set_ref(struct progress *p, struct progress_ref *ref, struct progress_ref value)
{
    *ref = value;
    if (p->copy)
        p->copy->lines[0].refs[ref - p->lines[0].refs] = value;
}

/* ---- finding ---- */

static void lines_of(const struct progress *p, uint64_t key_lo, uint32_t lines[2])
{
    lines[0] = mix_range((uint32_t)(key_lo >> 32), p->line_count);
    lines[1] = mix_range((uint32_t)key_lo, p->line_count);
}

void progress_prefetch_index(const struct progress *p, struct hash128 key)
{
    uint32_t lines[2];
    lines_of(p, key.lo, lines);
    __builtin_prefetch(&p->lines[lines[0]]);
    __builtin_prefetch(&p->lines[lines[1]]);
}

void progress_prefetch_entry(const struct progress *p, struct hash128 key)
{
    uint32_t lines[2];
    lines_of(p, key.lo, lines);
    for (int i = 0; i < 2; i++) {
        const struct progress_ref *refs = p->lines[lines[i]].refs;
        for (int j = 0; j < PROGRESS_LINE_SLOTS; j++) {
            if (refs[j].tag != (uint32_t)key.hi || !refs[j].place)
                continue;
            uint32_t place = refs[j].place - 1;
            __builtin_prefetch(&p->expiry.levels[0][place]);
            __builtin_prefetch(&p->pool[place]);
            __builtin_prefetch((const uint8_t *)&p->pool[place] + 64);
            return;
        }
    }
}

/* find returns the place of the key's entry, dead or alive. */
static uint32_t find(const struct progress *p, struct hash128 key)
{
    uint32_t lines[2];
    lines_of(p, key.lo, lines);
    for (int i = 0; i < 2; i++) {
        const struct progress_ref *refs = p->lines[lines[i]].refs;
        for (int j = 0; j < PROGRESS_LINE_SLOTS; j++) {
            if (refs[j].tag != (uint32_t)key.hi || !refs[j].place)
                continue;
            const struct progress_entry *entry = &p->pool[refs[j].place - 1];
            if (entry->key_lo == key.lo && entry->key_hi == key.hi >> 32)
                return refs[j].place - 1;
        }
    }
    return PROGRESS_NONE;
}

static bool dead(const struct progress *p, uint32_t place, uint32_t now_s)
{
    uint32_t expires_s = expiry_get(&p->expiry, place);
    return expires_s != PROGRESS_FOREVER && expires_s <= now_s;
}

uint32_t progress_find(const struct progress *p, struct hash128 key, uint64_t now_ns)
{
    uint32_t place = find(p, key);
    return place != PROGRESS_NONE && dead(p, place, seconds(now_ns)) ? PROGRESS_NONE : place;
}

/* empty_ref returns a free reference in the emptier line of a key, NULL when both are full. */
static struct progress_ref *empty_ref(const struct progress *p, uint64_t key_lo)
{
    uint32_t lines[2], most = 0;
    struct progress_ref *best = NULL;
    lines_of(p, key_lo, lines);
    for (int i = 0; i < 2; i++) {
        uint32_t empty = 0;
        struct progress_ref *first = NULL;
        for (int j = PROGRESS_LINE_SLOTS; j-- > 0;) {
            struct progress_ref *ref = &p->lines[lines[i]].refs[j];
            if (ref->place)
                continue;
            empty++;
            first = ref;
        }
        if (empty > most) {
            most = empty;
            best = first;
        }
    }
    return best;
}

static struct progress_ref *ref_of(const struct progress *p, uint32_t place)
{
    uint32_t lines[2];
    lines_of(p, p->pool[place].key_lo, lines);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < PROGRESS_LINE_SLOTS; j++)
            if (p->lines[lines[i]].refs[j].place == place + 1)
                return &p->lines[lines[i]].refs[j];
    assert(!"an entry in use has a reference");
    return NULL;
}

static void put_back(struct progress *p, uint32_t place)
{
    p->pool[place].key_hi = p->free;
    p->free = place;
    expiry_set(&p->expiry, place, PROGRESS_FOREVER);
    __atomic_store_n(&p->used, p->used - 1, __ATOMIC_RELAXED);
}

void progress_release(struct progress *p, uint32_t place)
{
    set_ref(p, ref_of(p, place), (struct progress_ref){0});
    put_back(p, place);
}

static uint32_t take(struct progress *p, uint32_t now_s)
{
    if (p->free == PROGRESS_NONE && p->fresh == p->limit) {
        uint32_t old = expiry_find_dead(&p->expiry, now_s);
        if (old != EXPIRY_NONE)
            progress_release(p, old);
    }
    uint32_t place = p->free;
    if (place != PROGRESS_NONE)
        p->free = p->pool[place].key_hi;
    else if (p->fresh < p->limit)
        place = p->fresh++;
    else
        return PROGRESS_NONE;
    __atomic_store_n(&p->used, p->used + 1, __ATOMIC_RELAXED);
    return place;
}

bool progress_room(const struct progress *p, uint32_t count, uint64_t now_ns)
{
    uint32_t left = p->limit - p->used;
    return left >= count ||
           expiry_count_dead(&p->expiry, seconds(now_ns), count - left) == count - left;
}

uint32_t progress_reserve(struct progress *p, struct hash128 key, uint64_t now_ns)
{
    uint32_t place = find(p, key);
    if (place != PROGRESS_NONE)
        progress_release(p, place);
    place = take(p, seconds(now_ns));
    if (place == PROGRESS_NONE)
        return PROGRESS_NONE;
    struct progress_ref *ref = empty_ref(p, key.lo);
    if (!ref) {
        put_back(p, place);
        return PROGRESS_NONE;
    }
    p->pool[place].key_lo = key.lo;
    p->pool[place].key_hi = (uint32_t)(key.hi >> 32);
    progress_clear(&p->pool[place]);
    set_ref(p, ref, (struct progress_ref){.tag = (uint32_t)key.hi, .place = place + 1});
    progress_changed(p, place);
    return place;
}

void progress_touch(struct progress *p, uint32_t place, uint64_t now_ns, uint64_t ttl_ns)
{
    uint64_t until_ns;
    uint32_t expires_s = PROGRESS_FOREVER;
    if (ttl_ns != UINT64_MAX) {
        if (__builtin_add_overflow(now_ns, ttl_ns, &until_ns))
            until_ns = UINT64_MAX;
        expires_s = seconds(until_ns) + (until_ns % NS_PER_S != 0);
    }
    expiry_set(&p->expiry, place, expires_s);
    progress_changed(p, place);
}

void progress_restore(struct progress *p, uint32_t place, const struct progress_entry *held,
                      uint32_t expires_s)
{
    size_t keep = offsetof(struct progress_entry, count);
    memcpy((uint8_t *)&p->pool[place] + keep, (const uint8_t *)held + keep, sizeof *held - keep);
    expiry_set(&p->expiry, place, expires_s);
    progress_changed(p, place);
}

bool progress_load(struct progress *p, const struct progress_entry *entry, uint32_t tag,
                   uint32_t expires_s)
{
    struct progress_ref *ref = empty_ref(p, entry->key_lo);
    if (!ref || p->fresh == p->limit)
        return false;
    uint32_t place = p->fresh++;
    p->pool[place] = *entry;
    expiry_set(&p->expiry, place, expires_s);
    *ref = (struct progress_ref){.tag = tag, .place = place + 1};
    __atomic_store_n(&p->used, p->used + 1, __ATOMIC_RELAXED);
    return true;
}

bool progress_live(const struct progress *p, const struct progress_ref *ref, uint64_t now_ns)
{
    return ref->place && !dead(p, ref->place - 1, seconds(now_ns));
}

uint64_t progress_hash(const struct progress *p, uint64_t now_ns, const struct hash_key *key)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->line_count; i++) {
        for (int j = 0; j < PROGRESS_LINE_SLOTS; j++) {
            struct progress_ref ref = p->lines[i].refs[j];
            if (!progress_live(p, &ref, now_ns))
                continue;
            uint64_t h = hash64(key, &p->pool[ref.place - 1], sizeof p->pool[0]);
            sum += mix64(h ^ (uint64_t)ref.tag << 32 ^ expiry_get(&p->expiry, ref.place - 1));
        }
    }
    return sum;
}
