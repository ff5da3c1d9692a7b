/* dedupe.c - a cuckoo table whose slots expire by themselves. */
#include "graph/dedupe.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "graph/mix.h"

#define LIVE_BUCKETS 33u /* a bucket older than the window holds nothing that counts */
#define BUCKET_BITS  18
#define BUCKET_MAX   ((1u << BUCKET_BITS) - 1) /* numbers 1 to this, then 1 again */
#define SEQ_BITS     28
#define SEQ_MAX      ((1ull << SEQ_BITS) - 1)
#define TAG_BITS     18
#define SEARCH_MAX   256u /* lines looked at for a free slot */
#define STEPS        32u  /* runs into which a limit of ids is cut */
#define RUNS_FULL    64u  /* from there on only a new bucket begins a run */

/* What a slot held stays for as long again as it was live: it tells that the line was in use, and
 * so perhaps full, when another id came (may_overflow). */
#define TOLD_BUCKETS (2 * LIVE_BUCKETS)

/* A slot must be wiped before it looks young again; a turn of the hand takes this many buckets. */
#define TURN 262000u
static_assert(TOLD_BUCKETS + TURN + LIVE_BUCKETS < BUCKET_MAX, "no slot may look young again");
static_assert(TAG_BITS + SEQ_BITS + BUCKET_BITS == 64, "a word");
static_assert(LIVE_BUCKETS < DEDUPE_BUCKETS, "the ring holds every live bucket");
static_assert(RUNS_FULL + LIVE_BUCKETS <= DEDUPE_RUNS, "a new bucket can always begin a run");

static uint32_t bucket_of(uint64_t number)
{
    return (uint32_t)(number % BUCKET_MAX) + 1;
}

/* cut leaves in a time nothing in front of a place. */
static void cut(const struct dedupe *d, uint64_t number, uint64_t first, struct dedupe_when *at)
{
    uint64_t live = d->number + at->ahead - number + 1;
    at->live = live <= LIVE_BUCKETS ? (uint32_t)live : LIVE_BUCKETS;
    at->first = live <= LIVE_BUCKETS ? first : 0;
}

static struct dedupe_when ahead_by(const struct dedupe *d, uint64_t ahead)
{
    struct dedupe_when at = {.ahead = ahead, .bucket = bucket_of(d->number + ahead)};
    cut(d, d->cut_number, d->cut_first, &at);
    return at;
}

/* when looks at a time without changing anything. */
static struct dedupe_when when(const struct dedupe *d, uint64_t now_ns)
{
    if (now_ns < d->end_ns)
        return d->current;
    uint64_t ahead = (now_ns - d->end_ns) / d->width_ns + 1;
    return ahead_by(d, ahead < LIVE_BUCKETS ? ahead : LIVE_BUCKETS);
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

static uint64_t slot_offset(const struct dedupe_slot *slot)
{
    return slot->rest >> BUCKET_BITS & SEQ_MAX;
}

static bool slot_live(const struct dedupe_slot *slot, struct dedupe_when at)
{
    /* In a younger bucket than the oldest, being in front of at.first makes no difference. */
    uint32_t age = slot_age(slot, at.bucket) + (slot_offset(slot) < at.first);
    return slot_bucket(slot) && age < at.live;
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

static int free_slot(const struct dedupe *d, uint32_t line, struct dedupe_when at)
{
    for (int i = 0; i < DEDUPE_LINE_SLOTS; i++)
        if (!slot_live(&d->lines[line].slots[i], at))
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
    assert(line_count && window_ns && limit > 1);
    *d = (struct dedupe){
        .lines = arena_alloc(arena, line_count * sizeof *d->lines, 64),
        .line_count = line_count,
        .limit = limit,
        .step = (limit + STEPS - 1) / STEPS,
        .stride = (line_count + TURN - 1) / TURN,
        .width_ns = (window_ns + LIVE_BUCKETS - 2) / (LIVE_BUCKETS - 1),
    };
    assert(d->lines);
}

void dedupe_clear(struct dedupe *d)
{
    struct dedupe empty = {
        .lines = d->lines,
        .line_count = d->line_count,
        .limit = d->limit,
        .step = d->step,
        .stride = d->stride,
        .width_ns = d->width_ns,
    };
    memset(d->lines, 0, d->line_count * sizeof *d->lines);
    *d = empty;
}

/* told returns whether a slot holds an id, or did when one that is live now may have come. */
static bool told(const struct dedupe_slot *slot, uint32_t bucket)
{
    return slot_bucket(slot) && slot_age(slot, bucket) < TOLD_BUCKETS;
}

/* may_overflow returns whether an id whose first line this is may be in its other line.  It went
 * there when all slots of this one were live, at most 32 buckets ago: what they held then came at
 * most 64 buckets ago, and what was written over it later.  So one slot that is empty or older
 * tells that it did not, in most lines of a table that is not nearly full. */
static bool may_overflow(const struct dedupe *d, uint32_t line)
{
    const struct dedupe_slot *slots = d->lines[line].slots;
    if (d->number < d->tells_from)
        return true;
    for (int i = DEDUPE_LINE_SLOTS; i-- > 0;) /* the last one is used least */
        if (!told(&slots[i], d->current.bucket))
            return false;
    return true;
}

void dedupe_prefetch(const struct dedupe *d, struct hash128 key)
{
    __builtin_prefetch(&d->lines[first_line(d, key)]);
}

void dedupe_prefetch_other(const struct dedupe *d, struct hash128 key)
{
    uint32_t line = first_line(d, key);
    if (may_overflow(d, line))
        __builtin_prefetch(&d->lines[other_line(d, key.lo, line)]);
}

static struct dedupe_slot *find_in(const struct dedupe *d, struct hash128 key, uint32_t line,
                                   struct dedupe_when at)
{
    struct dedupe_slot *slots = d->lines[line].slots;
    for (int i = 0; i < DEDUPE_LINE_SLOTS; i++)
        if (slots[i].key == key.lo && slots[i].rest >> (64 - TAG_BITS) == tag_of(key) &&
            slot_live(&slots[i], at))
            return &slots[i];
    return NULL;
}

static struct dedupe_slot *find(const struct dedupe *d, struct hash128 key, struct dedupe_when at)
{
    uint32_t line = first_line(d, key);
    struct dedupe_slot *slot = find_in(d, key, line, at);
    return slot ? slot : find_in(d, key, other_line(d, key.lo, line), at);
}

static uint64_t slot_seq(const struct dedupe *d, const struct dedupe_slot *slot,
                         struct dedupe_when at)
{
    uint64_t offset = slot_offset(slot);
    uint64_t number = d->number + at.ahead - slot_age(slot, at.bucket);
    return offset == SEQ_MAX ? 0 : d->base[number % DEDUPE_BUCKETS] + offset;
}

/* like returns whether a line may hold a key, whatever the rest of its slots says. */
static bool like(const struct dedupe *d, struct hash128 key, uint32_t line)
{
    const struct dedupe_slot *slots = d->lines[line].slots;
    for (int i = 0; i < DEDUPE_LINE_SLOTS; i++)
        if (slots[i].key == key.lo)
            return true;
    return false;
}

/* Out of line: hardly a key that is looked for is there. */
static __attribute__((noinline)) bool find_seq(const struct dedupe *d, struct hash128 key,
                                               uint64_t now_ns, uint64_t *first_seq)
{
    struct dedupe_when at = when(d, now_ns);
    const struct dedupe_slot *slot = find(d, key, at);
    if (!slot)
        return false;
    *first_seq = slot_seq(d, slot, at);
    return true;
}

bool dedupe_find(const struct dedupe *d, struct hash128 key, uint64_t now_ns, uint64_t *first_seq)
{
    uint32_t line = first_line(d, key);
    if (!like(d, key, line) &&
        (!may_overflow(d, line) || !like(d, key, other_line(d, key.lo, line))))
        return false;
    return find_seq(d, key, now_ns, first_seq);
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
                                             struct dedupe_when at, struct dedupe_path *path)
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
            int free = free_slot(d, next, at);
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

/* place looks for a free slot and the way to it; plans that no id leaves for it. */
static bool place(const struct dedupe *d, struct hash128 key, const struct dedupe_when *at,
                  struct dedupe_path *path)
{
    uint32_t first = first_line(d, key);
    const uint32_t lines[2] = {first, other_line(d, key.lo, first)};
    path->replace = false;
    for (int i = 0; i < 2; i++) {
        int slot = free_slot(d, lines[i], *at);
        if (slot >= 0) {
            path->count = 1;
            path->at[0].line = lines[i];
            path->at[0].slot = (uint32_t)slot;
            return true;
        }
    }
    return search(d, lines, *at, path);
}

static const struct dedupe_run *run_at(const struct dedupe *d, uint32_t i)
{
    return &d->runs[(d->run_begin + i) % DEDUPE_RUNS];
}

/* expired returns how many of the oldest runs are out of the window, and how many ids are not. */
static uint32_t expired(const struct dedupe *d, struct dedupe_when at, uint32_t *used)
{
    uint32_t count = 0;
    *used = d->used;
    while (count < d->run_count && run_at(d, count)->number + LIVE_BUCKETS <= d->number + at.ahead)
        *used -= run_at(d, count++)->count;
    return count;
}

bool dedupe_plan(const struct dedupe *d, struct hash128 key, uint64_t now_ns,
                 struct dedupe_path *path)
{
    path->runs = 0;
    if (now_ns < d->end_ns)
        return d->used < d->limit && place(d, key, &d->current, path);
    struct dedupe_when at = when(d, now_ns);
    uint32_t used;
    expired(d, at, &used);
    return used < d->limit && place(d, key, &at, path);
}

static void set_slot(struct dedupe *d, uint32_t line, uint32_t i, struct dedupe_slot slot)
{
    d->lines[line].slots[i] = slot;
    if (d->copy)
        d->copy[line].slots[i] = slot;
}

/* replace plans that the oldest id of a key's two lines leaves. */
static void replace(const struct dedupe *d, struct hash128 key, struct dedupe_when at,
                    struct dedupe_path *path)
{
    uint32_t first = first_line(d, key);
    const uint32_t lines[2] = {first, other_line(d, key.lo, first)};
    const struct dedupe_slot *oldest = NULL;
    for (uint32_t i = 0; i < 2 * DEDUPE_LINE_SLOTS; i++) {
        uint32_t line = lines[i / DEDUPE_LINE_SLOTS], n = i % DEDUPE_LINE_SLOTS;
        const struct dedupe_slot *slot = &d->lines[line].slots[n];
        uint32_t age = slot_age(slot, at.bucket);
        uint32_t age_oldest = oldest ? slot_age(oldest, at.bucket) : 0;
        if (oldest &&
            (age < age_oldest || (age == age_oldest && slot_offset(slot) >= slot_offset(oldest))))
            continue;
        oldest = slot;
        path->at[0].line = line;
        path->at[0].slot = n;
    }
    path->count = 1;
    path->replace = true;
}

/* The newest run never leaves: it is as large as the limit only with others in front of it. */
void dedupe_plan_shorter(const struct dedupe *d, struct hash128 key, uint64_t now_ns,
                         struct dedupe_path *path)
{
    struct dedupe_when at = when(d, now_ns);
    uint32_t used, first = expired(d, at, &used);
    path->runs = 0;
    for (; used >= d->limit; path->runs++) {
        assert(first + path->runs + 1 < d->run_count);
        used -= run_at(d, first + path->runs)->count;
    }
    if (path->runs) {
        const struct dedupe_run *stays = run_at(d, first + path->runs);
        cut(d, stays->number, stays->first, &at);
    }
    if (!place(d, key, &at, path))
        replace(d, key, at, path);
}

static void wipe(struct dedupe *d, uint64_t line_count)
{
    struct dedupe_when at = d->current;
    for (; line_count; line_count--) {
        struct dedupe_slot *slots = d->lines[d->hand].slots;
        for (int i = 0; i < DEDUPE_LINE_SLOTS; i++)
            if (!told(&slots[i], at.bucket))
                slots[i] = (struct dedupe_slot){0};
        d->hand = d->hand + 1 < d->line_count ? d->hand + 1 : 0;
    }
}

static void set_used(struct dedupe *d, uint32_t used)
{
    __atomic_store_n(&d->used, used, __ATOMIC_RELAXED);
}

static void drop_runs(struct dedupe *d, uint32_t count)
{
    d->run_begin = (d->run_begin + count) % DEDUPE_RUNS;
    d->run_count -= count;
}

/* move_on opens the bucket of now_ns, whose first sequence is seq. */
static __attribute__((noinline)) void move_on(struct dedupe *d, uint64_t now_ns, uint64_t seq)
{
    struct dedupe_when at = when(d, now_ns);
    uint32_t used;
    drop_runs(d, expired(d, at, &used));
    set_used(d, used);
    d->number += at.ahead;
    d->base[d->number % DEDUPE_BUCKETS] = seq;
    d->end_ns = (now_ns / d->width_ns + 1) * d->width_ns;
    d->current = ahead_by(d, 0);
    wipe(d, at.ahead * d->stride);
}

/* leave cuts off the oldest runs. */
static __attribute__((noinline)) uint32_t leave(struct dedupe *d, uint32_t runs)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < runs; i++)
        count += run_at(d, i)->count;
    drop_runs(d, runs);
    d->cut_number = run_at(d, 0)->number;
    d->cut_first = run_at(d, 0)->first;
    d->current = ahead_by(d, 0);
    set_used(d, d->used - count);
    return count;
}

/* take_out empties a live slot, which then looks like one that has just died.  A run that holds no
 * id any more ends, so that each run that leaves makes room. */
static __attribute__((noinline)) void take_out(struct dedupe *d, struct dedupe_slot *slot,
                                               uint64_t now_ns)
{
    struct dedupe_when at = when(d, now_ns);
    uint64_t number = d->number + at.ahead - slot_age(slot, at.bucket), offset = slot_offset(slot);
    uint32_t i = d->run_count - 1;
    while (run_at(d, i)->number > number ||
           (run_at(d, i)->number == number && run_at(d, i)->first > offset))
        i--;
    if (!--d->runs[(d->run_begin + i) % DEDUPE_RUNS].count && i + 1 < d->run_count) {
        for (; i + 1 < d->run_count; i++)
            d->runs[(d->run_begin + i) % DEDUPE_RUNS] = *run_at(d, i + 1);
        d->run_count--;
    }
    set_used(d, d->used - 1);
    size_t index = (size_t)(slot - d->lines[0].slots);
    const struct dedupe_slot died = {
        .rest = bucket_of(d->number + at.ahead + BUCKET_MAX - LIVE_BUCKETS)};
    set_slot(d, (uint32_t)(index / DEDUPE_LINE_SLOTS), index % DEDUPE_LINE_SLOTS, died);
}

/* count_id adds an id to the newest run, or begins another. */
static void count_id(struct dedupe *d, uint64_t offset)
{
    struct dedupe_run *run = &d->runs[(d->run_begin + d->run_count - 1) % DEDUPE_RUNS];
    bool full = run->count >= d->step && d->run_count < RUNS_FULL && offset < SEQ_MAX;
    if (!d->run_count || run->number != d->number || full) {
        assert(d->run_count < DEDUPE_RUNS);
        run = &d->runs[(d->run_begin + d->run_count++) % DEDUPE_RUNS];
        *run = (struct dedupe_run){.number = d->number, .first = offset};
    }
    run->count++;
    set_used(d, d->used + 1);
}

uint32_t dedupe_insert(struct dedupe *d, struct hash128 key, uint64_t now_ns, uint64_t seq,
                       const struct dedupe_path *path)
{
    for (uint32_t i = path->count - 1; i > 0; i--)
        set_slot(d, path->at[i].line, path->at[i].slot,
                 d->lines[path->at[i - 1].line].slots[path->at[i - 1].slot]);
    struct dedupe_slot *slot = &d->lines[path->at[0].line].slots[path->at[0].slot];
    uint32_t left = path->replace;
    if (path->replace)
        take_out(d, slot, now_ns);
    if (now_ns >= d->end_ns)
        move_on(d, now_ns, seq);
    if (path->runs)
        left += leave(d, path->runs);
    uint64_t offset = seq - d->base[d->number % DEDUPE_BUCKETS];
    offset = offset < SEQ_MAX ? offset : SEQ_MAX;
    const struct dedupe_slot id = {
        .key = key.lo,
        .rest = tag_of(key) << (64 - TAG_BITS) | offset << BUCKET_BITS | d->current.bucket,
    };
    set_slot(d, path->at[0].line, path->at[0].slot, id);
    count_id(d, offset);
    return left;
}

void dedupe_forget(struct dedupe *d, struct hash128 key, uint64_t now_ns)
{
    struct dedupe_slot *slot = find(d, key, when(d, now_ns));
    assert(slot);
    take_out(d, slot, now_ns);
}

uint64_t dedupe_hash(const struct dedupe *d, uint64_t now_ns)
{
    struct dedupe_when at = when(d, now_ns);
    uint64_t tick = now_ns / d->width_ns, sum = 0;
    for (uint32_t i = 0; i < d->line_count; i++) {
        for (int j = 0; j < DEDUPE_LINE_SLOTS; j++) {
            const struct dedupe_slot *slot = &d->lines[i].slots[j];
            if (!slot_live(slot, at))
                continue;
            uint64_t h = mix64(slot->key ^ slot->rest >> (64 - TAG_BITS));
            h = mix64(h ^ slot_seq(d, slot, at));
            sum += mix64(h ^ (tick - slot_age(slot, at.bucket)));
        }
    }
    return sum;
}

unsigned dedupe_live(const struct dedupe *d, uint32_t line, uint64_t now_ns)
{
    struct dedupe_when at = when(d, now_ns);
    unsigned live = 0;
    for (unsigned i = 0; i < DEDUPE_LINE_SLOTS; i++)
        live |= (unsigned)slot_live(&d->lines[line].slots[i], at) << i;
    return live;
}

void dedupe_save(const struct dedupe *d, struct dedupe_saved *saved)
{
    *saved = (struct dedupe_saved){
        .width_ns = d->width_ns,
        .number = d->number,
        .end_ns = d->end_ns,
        .cut_number = d->cut_number,
        .cut_first = d->cut_first,
        .line_count = d->line_count,
        .limit = d->limit,
        .used = d->used,
        .run_count = d->run_count,
    };
    memcpy(saved->base, d->base, sizeof saved->base);
    for (uint32_t i = 0; i < d->run_count; i++)
        saved->runs[i] = *run_at(d, i);
}

/* Runs follow each other, hold what is counted, and leave room for another. */
static bool runs_are_sound(const struct dedupe_saved *saved)
{
    uint64_t used = 0;
    if (saved->run_count > RUNS_FULL + LIVE_BUCKETS)
        return false;
    for (uint32_t i = 0; i < saved->run_count; i++) {
        const struct dedupe_run *run = &saved->runs[i], *before = i ? run - 1 : run;
        used += run->count;
        if (run->number > saved->number || run->number < before->number ||
            (i && run->number == before->number && run->first <= before->first))
            return false;
    }
    return used == saved->used && saved->cut_number <= saved->number;
}

int dedupe_restore(struct dedupe *d, const struct dedupe_saved *saved)
{
    if (saved->line_count != d->line_count || saved->limit != d->limit ||
        saved->width_ns != d->width_ns)
        return -ESTALE;
    if (!runs_are_sound(saved))
        return -EBADMSG;
    d->number = saved->number;
    d->end_ns = saved->end_ns;
    d->cut_number = saved->cut_number;
    d->cut_first = saved->cut_first;
    memcpy(d->base, saved->base, sizeof d->base);
    d->run_begin = 0;
    d->run_count = saved->run_count;
    memcpy(d->runs, saved->runs, sizeof d->runs);
    set_used(d, saved->used);
    d->current = ahead_by(d, 0);
    d->tells_from = d->number + LIVE_BUCKETS;
    return 0;
}
