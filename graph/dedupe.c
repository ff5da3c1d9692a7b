/* dedupe.c - a cuckoo table whose slots expire by themselves. */
#include "graph/dedupe.h"

#include <assert.h>

#include "graph/mix.h"

#define LIVE_BUCKETS 33u   /* a bucket older than the window holds nothing that counts */
#define BUCKET_MAX   8191u /* numbers 1 to 8191, then 1 again */
#define BUCKET_BITS  13
#define SEQ_BITS     33
#define SEQ_MAX      ((1ull << SEQ_BITS) - 1)
#define TAG_BITS     18
#define SEARCH_MAX   256u /* lines looked at for a free slot */

/* A slot dies 33 buckets after it was written and must be wiped before 8191 - 33 have passed; a
 * turn of the hand takes this many buckets. */
#define TURN 7936u
static_assert(LIVE_BUCKETS + TURN + LIVE_BUCKETS < BUCKET_MAX, "no slot may look young again");
static_assert(TAG_BITS + SEQ_BITS + BUCKET_BITS == 64, "a word");
static_assert(LIVE_BUCKETS < DEDUPE_BUCKETS, "the ring holds every live bucket");

/* The time of a lookup: the current bucket's number as it would be, without changing anything. */
struct when {
    uint64_t ahead; /* buckets since the last insert, [0, 33] */
    uint32_t bucket;
};

static uint32_t bucket_of(uint64_t number)
{
    return (uint32_t)(number % BUCKET_MAX) + 1;
}

static struct when when(const struct dedupe *d, uint64_t now_ns)
{
    uint64_t ahead = 0;
    if (now_ns >= d->end_ns) {
        ahead = (now_ns - d->end_ns) / d->width_ns + 1;
        ahead = ahead < LIVE_BUCKETS ? ahead : LIVE_BUCKETS;
    }
    return (struct when){.ahead = ahead, .bucket = bucket_of(d->number + ahead)};
}

static uint32_t slot_bucket(const struct dedupe_slot *slot)
{
    return slot->rest & ((1u << BUCKET_BITS) - 1);
}

static uint32_t slot_age(const struct dedupe_slot *slot, uint32_t bucket)
{
    uint32_t age = bucket - slot_bucket(slot);
    return age > BUCKET_MAX ? age + BUCKET_MAX : age;
}

static bool slot_live(const struct dedupe_slot *slot, uint32_t bucket)
{
    return slot_bucket(slot) && slot_age(slot, bucket) < LIVE_BUCKETS;
}

static uint64_t tag_of(struct hash128 key)
{
    return key.hi & ((1u << TAG_BITS) - 1);
}

static uint32_t first_line(const struct dedupe *d, struct hash128 key)
{
    return mix_range((uint32_t)(key.hi >> 32), d->line_count);
}

/* other_line maps each of an id's two lines to the other, from what its slot keeps. */
static uint32_t other_line(const struct dedupe *d, uint64_t key, uint32_t line)
{
    uint32_t other = mix_range((uint32_t)(key >> 32), d->line_count) - line;
    return other >= d->line_count ? other + d->line_count : other;
}

static int free_slot(const struct dedupe *d, uint32_t line, uint32_t bucket)
{
    for (int i = 0; i < DEDUPE_LINE_SLOTS; i++)
        if (!slot_live(&d->lines[line].slots[i], bucket))
            return i;
    return -1;
}

uint32_t dedupe_line_count(uint32_t limit, uint32_t least)
{
    /* 13 of 16 slots used: cuckoo tables of two choices and four slots hold 97 %. */
    uint64_t lines = ((uint64_t)limit * 16 + 51) / 52;
    assert(lines < UINT32_MAX);
    return lines > least ? (uint32_t)lines : least;
}

void dedupe_init(struct dedupe *d, struct arena *arena, uint32_t limit, uint32_t line_count,
                 uint64_t window_ns)
{
    assert(line_count && window_ns);
    *d = (struct dedupe){
        .lines = arena_alloc(arena, line_count * sizeof *d->lines, 64),
        .line_count = line_count,
        .limit = limit,
        .stride = (line_count + TURN - 1) / TURN,
        .width_ns = (window_ns + LIVE_BUCKETS - 2) / (LIVE_BUCKETS - 1),
    };
    assert(d->lines);
}

void dedupe_prefetch(const struct dedupe *d, struct hash128 key)
{
    uint32_t line = first_line(d, key);
    __builtin_prefetch(&d->lines[line]);
    __builtin_prefetch(&d->lines[other_line(d, key.lo, line)]);
}

static const struct dedupe_slot *find_in(const struct dedupe *d, struct hash128 key, uint32_t line,
                                         uint32_t bucket)
{
    const struct dedupe_slot *slots = d->lines[line].slots;
    for (int i = 0; i < DEDUPE_LINE_SLOTS; i++)
        if (slots[i].key == key.lo && slots[i].rest >> (64 - TAG_BITS) == tag_of(key) &&
            slot_live(&slots[i], bucket))
            return &slots[i];
    return NULL;
}

static uint64_t slot_seq(const struct dedupe *d, const struct dedupe_slot *slot, struct when at)
{
    uint64_t offset = slot->rest >> BUCKET_BITS & SEQ_MAX;
    uint64_t number = d->number + at.ahead - slot_age(slot, at.bucket);
    return offset == SEQ_MAX ? 0 : d->base[number % DEDUPE_BUCKETS] + offset;
}

bool dedupe_find(const struct dedupe *d, struct hash128 key, uint64_t now_ns, uint64_t *first_seq)
{
    struct when at = when(d, now_ns);
    uint32_t line = first_line(d, key);
    const struct dedupe_slot *slot = find_in(d, key, line, at.bucket);
    if (!slot)
        slot = find_in(d, key, other_line(d, key.lo, line), at.bucket);
    if (!slot)
        return false;
    *first_seq = slot_seq(d, slot, at);
    return true;
}

struct search_node {
    uint32_t line;
    uint16_t parent;
    uint8_t slot; /* of the parent: its id would move to this line */
    uint8_t depth;
};

static void trace(const struct search_node *nodes, uint32_t last, uint32_t slot, uint32_t line,
                  uint32_t free, struct dedupe_path *path)
{
    path->count = nodes[last].depth + 2u;
    path->at[path->count - 1].line = line;
    path->at[path->count - 1].slot = free;
    for (uint32_t i = path->count - 1; i-- > 0;) {
        path->at[i].line = nodes[last].line;
        path->at[i].slot = slot;
        slot = nodes[last].slot;
        last = nodes[last].parent;
    }
}

/* search looks for the shortest way to a free slot, breadth first from two full lines.  The
 * shortest never crosses itself. */
static __attribute__((noinline)) bool search(const struct dedupe *d, const uint32_t roots[2],
                                             uint32_t bucket, struct dedupe_path *path)
{
    struct search_node nodes[SEARCH_MAX];
    uint32_t count = roots[0] == roots[1] ? 1 : 2;
    for (uint32_t i = 0; i < count; i++)
        nodes[i] = (struct search_node){.line = roots[i]};
    for (uint32_t i = 0; i < count; i++) {
        const struct search_node *node = &nodes[i];
        if (node->depth + 2u > DEDUPE_PATH_MAX)
            return false;
        for (uint8_t slot = 0; slot < DEDUPE_LINE_SLOTS; slot++) {
            uint32_t next = other_line(d, d->lines[node->line].slots[slot].key, node->line);
            int free = free_slot(d, next, bucket);
            if (free >= 0) {
                trace(nodes, i, slot, next, (uint32_t)free, path);
                return true;
            }
            if (count < SEARCH_MAX && next != node->line)
                nodes[count++] = (struct search_node){.line = next,
                                                      .parent = (uint16_t)i,
                                                      .slot = slot,
                                                      .depth = (uint8_t)(node->depth + 1)};
        }
    }
    return false;
}

static uint32_t used_at(const struct dedupe *d, struct when at)
{
    uint32_t used = d->used;
    for (uint64_t i = 1; i <= at.ahead; i++)
        used -= d->count[(d->number + i - LIVE_BUCKETS) % DEDUPE_BUCKETS];
    return used;
}

bool dedupe_plan(const struct dedupe *d, struct hash128 key, uint64_t now_ns,
                 struct dedupe_path *path)
{
    struct when at = when(d, now_ns);
    if (used_at(d, at) >= d->limit)
        return false;
    uint32_t first = first_line(d, key);
    const uint32_t lines[2] = {first, other_line(d, key.lo, first)};
    for (int i = 0; i < 2; i++) {
        int slot = free_slot(d, lines[i], at.bucket);
        if (slot >= 0) {
            path->count = 1;
            path->at[0].line = lines[i];
            path->at[0].slot = (uint32_t)slot;
            return true;
        }
    }
    return search(d, lines, at.bucket, path);
}

static void wipe(struct dedupe *d, uint64_t line_count)
{
    uint32_t bucket = bucket_of(d->number);
    for (; line_count; line_count--) {
        struct dedupe_slot *slots = d->lines[d->hand].slots;
        for (int i = 0; i < DEDUPE_LINE_SLOTS; i++)
            if (!slot_live(&slots[i], bucket))
                slots[i] = (struct dedupe_slot){0};
        d->hand = d->hand + 1 < d->line_count ? d->hand + 1 : 0;
    }
}

/* move_on opens the bucket of now_ns, whose first sequence is seq. */
static __attribute__((noinline)) void move_on(struct dedupe *d, struct when at, uint64_t now_ns,
                                              uint64_t seq)
{
    __atomic_store_n(&d->used, used_at(d, at), __ATOMIC_RELAXED);
    for (uint64_t i = 1; i <= at.ahead; i++)
        d->count[(d->number + i) % DEDUPE_BUCKETS] = 0;
    d->number += at.ahead;
    d->base[d->number % DEDUPE_BUCKETS] = seq;
    d->end_ns = (now_ns / d->width_ns + 1) * d->width_ns;
    wipe(d, at.ahead * d->stride);
}

void dedupe_insert(struct dedupe *d, struct hash128 key, uint64_t now_ns, uint64_t seq,
                   const struct dedupe_path *path)
{
    for (uint32_t i = path->count - 1; i > 0; i--)
        d->lines[path->at[i].line].slots[path->at[i].slot] =
            d->lines[path->at[i - 1].line].slots[path->at[i - 1].slot];
    struct when at = when(d, now_ns);
    uint64_t bucket = at.bucket;
    if (at.ahead)
        move_on(d, at, now_ns, seq);
    uint64_t offset = seq - d->base[d->number % DEDUPE_BUCKETS];
    offset = offset < SEQ_MAX ? offset : SEQ_MAX;
    d->lines[path->at[0].line].slots[path->at[0].slot] = (struct dedupe_slot){
        .key = key.lo,
        .rest = tag_of(key) << (64 - TAG_BITS) | offset << BUCKET_BITS | bucket,
    };
    d->count[d->number % DEDUPE_BUCKETS]++;
    __atomic_store_n(&d->used, d->used + 1, __ATOMIC_RELAXED);
}

uint64_t dedupe_hash(const struct dedupe *d, uint64_t now_ns)
{
    struct when at = when(d, now_ns);
    uint64_t tick = now_ns / d->width_ns, sum = 0;
    for (uint32_t i = 0; i < d->line_count; i++) {
        for (int j = 0; j < DEDUPE_LINE_SLOTS; j++) {
            const struct dedupe_slot *slot = &d->lines[i].slots[j];
            if (!slot_live(slot, at.bucket))
                continue;
            uint64_t h = mix64(slot->key ^ slot->rest >> (64 - TAG_BITS));
            h = mix64(h ^ slot_seq(d, slot, at));
            sum += mix64(h ^ (tick - slot_age(slot, at.bucket)));
        }
    }
    return sum;
}
