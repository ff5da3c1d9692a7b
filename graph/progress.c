/* progress.c - a pool of entries, an index of two choices, and taking back what is dead. */
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "graph/progress.h"

#include "dataplane/base/clock.h"
#include "graph/mix.h"

#define SLOTS  PROGRESS_LINE_SLOTS
#define NO_REF UINT32_MAX

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

static void set_ref(struct progress *p, uint32_t at, struct progress_ref ref)
{
    struct progress_line *line = &p->lines[at / SLOTS];
    line->tags[at % SLOTS] = ref.tag;
    line->places[at % SLOTS] = ref.place;
    if (p->copy)
        p->copy->lines[at / SLOTS] = *line;
}

/* ---- finding ---- */

/* same returns which of SLOTS words, as bits, have a value. */
#if defined(__AVX2__)
static unsigned same(const uint32_t words[SLOTS], uint32_t value)
{
    static_assert(SLOTS * sizeof *words == sizeof(__m256i), "all words at once");
    __m256i all = _mm256_load_si256((const __m256i *)(const void *)words);
    __m256i equal = _mm256_cmpeq_epi32(all, _mm256_set1_epi32((int)value));
    return (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(equal));
}
#else
static unsigned same(const uint32_t words[SLOTS], uint32_t value)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < SLOTS; i++)
        bits |= (unsigned)(words[i] == value) << i;
    return bits;
}
#endif

static void lines_of(const struct progress *p, uint64_t key_lo, uint32_t lines[2])
{
    lines[0] = mix_range((uint32_t)(key_lo >> 32), p->line_count);
    lines[1] = mix_range((uint32_t)key_lo, p->line_count);
}

/* alike returns where in a key's lines its tag is, as bits: those of the second line above those of
 * the first.  No branch depends on which line it is. */
static unsigned alike(const struct progress *p, struct hash128 key, const uint32_t lines[2])
{
    return same(p->lines[lines[0]].tags, (uint32_t)key.hi) |
           same(p->lines[lines[1]].tags, (uint32_t)key.hi) << SLOTS;
}

/* position returns which one of the index a bit of two lines stands for. */
static uint32_t position(const uint32_t lines[2], unsigned bits)
{
    uint32_t bit = (uint32_t)__builtin_ctz(bits);
    return lines[bit / SLOTS] * SLOTS + bit % SLOTS;
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
    unsigned bits = alike(p, key, lines);
    if (!bits)
        return;
    uint32_t place = progress_ref(p, position(lines, bits)).place - 1;
    __builtin_prefetch(&p->expiry.levels[0][place]);
    __builtin_prefetch(&p->pool[place]);
    __builtin_prefetch((const uint8_t *)&p->pool[place] + 64);
}

/* find returns the place of the key's entry, dead or alive. */
static inline uint32_t find(const struct progress *p, struct hash128 key)
{
    uint32_t lines[2];
    lines_of(p, key.lo, lines);
    for (unsigned bits = alike(p, key, lines); bits; bits &= bits - 1) {
        uint32_t place = progress_ref(p, position(lines, bits)).place;
        if (!place) /* an empty one, which has the tag of a few keys */
            continue;
        const struct progress_entry *entry = &p->pool[place - 1];
        if (entry->key_lo == key.lo && entry->key_hi == key.hi >> 32)
            return place - 1;
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

/* empty_ref returns a free position in the emptier line of a key, NO_REF when both are full. */
static uint32_t empty_ref(const struct progress *p, uint64_t key_lo)
{
    uint32_t lines[2];
    lines_of(p, key_lo, lines);
    unsigned first = same(p->lines[lines[0]].places, 0);
    unsigned second = same(p->lines[lines[1]].places, 0);
    if (__builtin_popcount(second) > __builtin_popcount(first))
        return position(lines, second << SLOTS);
    return first ? position(lines, first) : NO_REF;
}

static uint32_t ref_of(const struct progress *p, uint32_t place)
{
    uint32_t lines[2];
    lines_of(p, p->pool[place].key_lo, lines);
    unsigned bits = same(p->lines[lines[0]].places, place + 1) |
                    same(p->lines[lines[1]].places, place + 1) << SLOTS;
    assert(bits); /* an entry in use has a reference */
    return position(lines, bits);
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
    uint32_t ref = empty_ref(p, key.lo);
    if (ref == NO_REF) {
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
    uint32_t ref = empty_ref(p, entry->key_lo);
    if (ref == NO_REF || p->fresh == p->limit)
        return false;
    uint32_t place = p->fresh++;
    p->pool[place] = *entry;
    expiry_set(&p->expiry, place, expires_s);
    set_ref(p, ref, (struct progress_ref){.tag = tag, .place = place + 1});
    __atomic_store_n(&p->used, p->used + 1, __ATOMIC_RELAXED);
    return true;
}

bool progress_live(const struct progress *p, struct progress_ref ref, uint64_t now_ns)
{
    return ref.place && !dead(p, ref.place - 1, seconds(now_ns));
}

uint64_t progress_hash(const struct progress *p, uint64_t now_ns, const struct hash_key *key)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->line_count * SLOTS; i++) {
        struct progress_ref ref = progress_ref(p, i);
        if (!progress_live(p, ref, now_ns))
            continue;
        uint64_t h = hash64(key, &p->pool[ref.place - 1], sizeof p->pool[0]);
        sum += mix64(h ^ (uint64_t)ref.tag << 32 ^ expiry_get(&p->expiry, ref.place - 1));
    }
    return sum;
}
