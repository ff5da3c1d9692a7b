/* state.c - the state transition: what an event means to its partition. */
#include "graph/state.h"

#include <assert.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/record.h"
#include "dataplane/base/text.h"
#include "graph/basket.h"
#include "graph/claims.h"
#include "graph/dedupe.h"
#include "graph/mix.h"
#include "graph/trail.h"

#define PREFETCH_HUNTS 4 /* of an event: more would push the first ones out again */

struct partition {
    uint64_t seq;     /* last one given out */
    uint64_t last_ns; /* receive time of the last event */
    struct dedupe dedupe;
    struct progress progress;
    struct claims claims;
} __attribute__((aligned(64)));

struct state {
    struct partition **by_id; /* [partition]: NULL when another shard owns it */
    uint32_t partition_count;
    uint64_t dedupe_capacity, users_capacity, claims_capacity; /* this shard's share */
    struct walk *walk;
    struct hash_key hash_key; /* of no secret: hosts compare */
};

/* What an event does in one hunt. */
struct step {
    const struct rules_hunt *hunt;
    uint32_t item;
    uint64_t tile; /* of a claim: period and index; and until when it is remembered */
    uint64_t end_ns;
    uint32_t place; /* of the user's progress, PROGRESS_NONE */
    bool act;       /* progress may change; otherwise the outcome is final */
    bool begin;     /* from nothing, or anew after a cooldown */
    bool reserved;  /* the place was made for this event */
};

/* limit_of is a partition's share and eight standard deviations, so that uneven hashing does not
 * refuse early. */
static uint32_t limit_of(uint64_t total, uint32_t partition_count)
{
    uint64_t share = (total + partition_count - 1) / partition_count;
    uint64_t root = 1;
    while (root * root < share)
        root++;
    assert(share + 8 * root < UINT32_MAX / 2);
    return (uint32_t)(share + 8 * root);
}

static uint32_t lines_of(const struct state_limits *limits)
{
    return dedupe_line_count(limit_of(limits->dedupe_capacity, limits->partition_count),
                             (DEDUPE_LINES_MIN - 1) / limits->partition_count + 1);
}

static uint32_t owned_count(const struct state_limits *limits)
{
    return (limits->partition_count - limits->shard + limits->shard_count - 1) /
           limits->shard_count;
}

size_t state_footprint(const struct state_limits *limits)
{
    size_t partition = arena_round(sizeof(struct partition), 64) +
                       (size_t)lines_of(limits) * sizeof(struct dedupe_line) + 64 +
                       progress_footprint(limit_of(limits->users, limits->partition_count)) +
                       claims_footprint(limit_of(limits->claims, limits->partition_count));
    return arena_round(sizeof(struct state), 64) + 64 +
           arena_round(limits->partition_count * sizeof(struct partition *), 64) + 64 +
           arena_round(sizeof(struct walk), 64) + 64 + owned_count(limits) * partition;
}

struct state *state_init(struct arena *arena, const struct state_limits *limits)
{
    assert(limits->shard < limits->shard_count);
    struct state *state = arena_alloc(arena, sizeof *state, 64);
    assert(state);
    state->partition_count = limits->partition_count;
    state->by_id = arena_alloc(arena, limits->partition_count * sizeof(struct partition *), 64);
    state->walk = arena_alloc(arena, sizeof *state->walk, 64);
    assert(state->by_id && state->walk);
    static const uint8_t seed[HASH_SEED_BYTES];
    hash_key_init(&state->hash_key, seed);
    for (uint32_t p = limits->shard; p < limits->partition_count; p += limits->shard_count) {
        struct partition *partition = arena_alloc(arena, sizeof *partition, 64);
        assert(partition);
        dedupe_init(&partition->dedupe, arena,
                    limit_of(limits->dedupe_capacity, limits->partition_count), lines_of(limits),
                    limits->dedupe_window_ns);
        progress_init(&partition->progress, arena,
                      limit_of(limits->users, limits->partition_count));
        claims_init(&partition->claims, arena, limit_of(limits->claims, limits->partition_count));
        state->by_id[p] = partition;
    }
    uint32_t owned = owned_count(limits);
    state->dedupe_capacity = limits->dedupe_capacity * owned / limits->partition_count;
    state->users_capacity = limits->users * owned / limits->partition_count;
    state->claims_capacity = limits->claims * owned / limits->partition_count;
    return state;
}

static struct partition *partition_of(const struct state *state, uint32_t id)
{
    assert(id < state->partition_count && state->by_id[id]);
    return state->by_id[id];
}

/* listening returns the hunts that an event of a known type is for: those of tiles when it has a
 * tile, else the others.  An event with a tile is where its tile is, not its user. */
static uint64_t listening(const struct rules *rules, const struct rules_type *type,
                          const struct event *event)
{
    bool claim = event->flags & EVENT_HAS_TILE;
    return type->hunts & (claim ? rules->tile_hunts : ~rules->tile_hunts);
}

static struct hash128 key_in(const struct rules_hunt *hunt, const struct event *event)
{
    /* Another kind of hunt under the same name has no use for the old one's progress. */
    return progress_key(event->user_key, hunt->key + (uint64_t)hunt->kind);
}

/* tile_of reads the tile that an event names. */
static bool tile_of(const struct rules_hunt *hunt, const struct event *event, struct tile *tile)
{
    uint8_t decoded[TILES_NAME_LEN];
    const uint8_t *name = event->bytes + event->tile.off;
    int len = event->tile.len;
    if (event->flags & EVENT_ESCAPED) {
        len = text_decode(name, event->tile.len, decoded, sizeof decoded);
        name = decoded;
    }
    return len > 0 && tiles_parse(&hunt->tiles_key, hunt->tiles, name, (size_t)len, tile);
}

static uint64_t tile_word(struct tile tile)
{
    return tile.period * TILES_MAP_MAX + tile.index;
}

void state_prefetch_table(const struct state *state, const struct rules *rules,
                          const struct event *event)
{
    if (event->reason != REASON_none)
        return;
    const struct partition *partition = partition_of(state, event->partition);
    dedupe_prefetch(&partition->dedupe, event_dedupe_key(&rules->key, event));
    const struct rules_type *type = rules_find_type(rules, event->type_key);
    uint64_t hunts = type ? listening(rules, type, event) & ~rules->tile_hunts : 0;
    for (int i = 0; hunts && i < PREFETCH_HUNTS; i++, hunts &= hunts - 1) {
        const struct rules_hunt *hunt = &rules->hunts[__builtin_ctzll(hunts)];
        progress_prefetch_index(&partition->progress, key_in(hunt, event));
        catalog_prefetch_find(hunt->catalog, event->item_key);
    }
}

void state_prefetch_line(const struct state *state, const struct rules *rules,
                         const struct event *event)
{
    if (event->reason != REASON_none)
        return;
    const struct partition *partition = partition_of(state, event->partition);
    const struct rules_type *type = rules_find_type(rules, event->type_key);
    uint64_t hunts = type ? listening(rules, type, event) : 0;
    for (int i = 0; hunts && i < PREFETCH_HUNTS; i++, hunts &= hunts - 1) {
        const struct rules_hunt *hunt = &rules->hunts[__builtin_ctzll(hunts)];
        struct tile tile;
        if (hunt->kind == CONF_TILES) {
            if (tile_of(hunt, event, &tile))
                claims_prefetch(&partition->claims, hunt->series, tile_word(tile));
            continue;
        }
        progress_prefetch_entry(&partition->progress, key_in(hunt, event));
        uint32_t item = catalog_find(hunt->catalog, event->item_key);
        if (item != ITEM_NONE)
            catalog_prefetch(hunt->catalog, item);
    }
}

/* ahead_of returns whether a client time is more than tolerance_ns after a receive time. */
static bool ahead_of(int64_t time_ms, uint64_t receive_ns, uint64_t tolerance_ns)
{
    uint64_t limit_ns;
    if (__builtin_add_overflow(receive_ns, tolerance_ns, &limit_ns))
        return false;
    return (uint64_t)time_ms > limit_ns / NS_PER_MS;
}

static bool behind(int64_t time_ms, uint64_t receive_ns, uint64_t tolerance_ns)
{
    if (receive_ns <= tolerance_ns)
        return false;
    return (uint64_t)time_ms < (receive_ns - tolerance_ns + NS_PER_MS - 1) / NS_PER_MS;
}

static enum reason check_schema(const struct rules_type *type, const struct event *event,
                                uint16_t *reason_offset)
{
    uint8_t missing = (uint8_t)(type->require & ~event->flags);
    uint8_t extra = type->forbid & event->flags;
    if (missing & EVENT_HAS_ITEM)
        return REASON_item_required;
    if (extra & EVENT_HAS_ITEM)
        return REASON_item_forbidden;
    if (missing & EVENT_HAS_TILE)
        return REASON_tile_required;
    if (extra & EVENT_HAS_TILE)
        return REASON_tile_forbidden;
    if (type->strict && event->flags & EVENT_HAS_OTHER)
        return REASON_key_unknown;
    if (type->schema)
        return schema_check(type->schema, event, reason_offset);
    return REASON_none;
}

/* check says whether the rules take an event, for which hunts it is, and in the verdict's flags
 * what its clock is worth.
 */
static enum reason check(const struct rules *rules, const struct event *event,
                         struct verdict *verdict, uint64_t *hunts)
{
    uint64_t receive_ns = verdict->receive_ns;
    if (event->reason != REASON_none) {
        verdict->reason_offset = event->reason_offset;
        return (enum reason)event->reason;
    }
    const struct rules_type *type = rules_find_type(rules, event->type_key);
    if (!type)
        return REASON_type_unknown;
    int named = -1;
    if (event->flags & EVENT_HAS_HUNT) {
        named = rules_find_hunt(rules, event->hunt_key);
        if (named < 0)
            return REASON_hunt_unknown;
    }
    enum reason reason = check_schema(type, event, &verdict->reason_offset);
    if (reason != REASON_none)
        return reason;
    if (ahead_of(event->time_ms, receive_ns, rules->skew_reject_ns))
        return REASON_future;
    *hunts = listening(rules, type, event) & (named < 0 ? UINT64_MAX : 1ull << named);
    if (ahead_of(event->time_ms, receive_ns, rules->skew_tolerance_ns))
        verdict->flags = RECORD_CLAMPED;
    else if (behind(event->time_ms, receive_ns, rules->lateness_ns))
        verdict->flags = RECORD_LATE;
    return REASON_none;
}

static bool done(const struct rules_hunt *hunt, const struct progress_entry *entry, uint64_t now_ns)
{
    return entry->won_ns && (hunt->once || now_ns - entry->won_ns < hunt->cooldown_ns);
}

/* plan finds out what an event is to a hunt, without changing anything.  *out becomes its outcome,
 * final unless the step acts. */
static void plan(const struct progress *progress, const struct event *event, int64_t time_ms,
                 uint64_t now_ns, struct step *step, struct outcome *out)
{
    const struct rules_hunt *hunt = step->hunt;
    step->place = PROGRESS_NONE;
    if (time_ms < hunt->starts_ms || time_ms >= hunt->ends_ms) {
        out->kind = OUTCOME_refusal;
        out->refusal = REFUSAL_window;
        return;
    }
    step->item = ITEM_NONE;
    if (event->flags & EVENT_HAS_ITEM) {
        step->item = catalog_find(hunt->catalog, event->item_key);
        if (step->item == ITEM_NONE)
            out->flags |= OUTCOME_ITEM_UNKNOWN;
    }
    step->place = progress_find(progress, key_in(hunt, event), now_ns);
    step->begin = true;
    if (step->place != PROGRESS_NONE) {
        const struct progress_entry *entry = progress_entry(progress, step->place);
        step->begin = entry->won_ns;
        if (hunt->kind == CONF_TRAIL && (!step->begin || done(hunt, entry, now_ns)))
            out->depth = entry->count;
        if (done(hunt, entry, now_ns)) {
            out->flags |= OUTCOME_DONE;
            return;
        }
    }
    if (step->item != ITEM_NONE)
        step->act = hunt->kind == CONF_BASKET || !step->begin || trail_is_start(hunt, step->item);
}

/* judge_claim says why a claim is refused, REFUSAL_none when the tile is the user's.  Time is that
 * of receipt. */
static enum refusal judge_claim(const struct claims *claims, const struct event *event,
                                uint64_t now_ns, struct step *step)
{
    const struct rules_hunt *hunt = step->hunt;
    struct tile tile;
    if (!tile_of(hunt, event, &tile))
        return REFUSAL_unknown_tile;
    uint64_t period = now_ns / hunt->period_ns;
    if (tile.period > period)
        return REFUSAL_early;
    uint64_t begin_ns = tile.period * hunt->period_ns;
    if (now_ns - begin_ns >= hunt->map_ttl_ns)
        return REFUSAL_expired;
    step->tile = tile_word(tile);
    step->end_ns = begin_ns + hunt->map_ttl_ns;
    if (claims_find(claims, hunt->series, step->tile, now_ns))
        return REFUSAL_taken;
    return period - tile.period < hunt->live ? REFUSAL_none : REFUSAL_expired;
}

/* plan_claim finds out what an event with a tile is to a hunt of tiles, without changing anything.
 */
static void plan_claim(const struct claims *claims, const struct event *event, int64_t time_ms,
                       uint64_t now_ns, struct step *step, struct outcome *out)
{
    out->refusal = REFUSAL_window;
    if (time_ms >= step->hunt->starts_ms && time_ms < step->hunt->ends_ms)
        out->refusal = (uint8_t)judge_claim(claims, event, now_ns, step);
    out->kind = out->refusal ? OUTCOME_claim_refused : OUTCOME_claim_granted;
    step->act = !out->refusal;
}

/* reserve makes the progress entries that the steps need: all of them, or none. */
static bool reserve(struct progress *progress, const struct event *event, uint64_t now_ns,
                    struct step *steps, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!steps[i].act || steps[i].place != PROGRESS_NONE)
            continue;
        steps[i].place = progress_reserve(progress, key_in(steps[i].hunt, event), now_ns);
        steps[i].reserved = steps[i].place != PROGRESS_NONE;
        if (steps[i].reserved)
            continue;
        while (i-- > 0)
            if (steps[i].reserved)
                progress_release(progress, steps[i].place);
        return false;
    }
    return true;
}

static void name_award(const struct rules *rules, const struct rules_hunt *hunt,
                       const struct event *event, struct outcome *out)
{
    const uint64_t words[] = {event->user_key.lo, event->user_key.hi, event->id[0], event->id[1],
                              hunt->key};
    struct hash128 id = hash128(&rules->key, words, sizeof words);
    out->award_id[0] = id.hi;
    out->award_id[1] = id.lo;
}

/* assign says which variant of its hunt an entry is in: the one that it had, when there still is
 * one of that name, else the one that the weights give. */
static void assign(const struct rules *rules, const struct rules_hunt *hunt,
                   const struct event *event, uint16_t had, struct progress_entry *entry,
                   struct outcome *out)
{
    if (!hunt->variant_count)
        return;
    int variant = had ? rules_variant_of(hunt, had) : -1;
    out->assigned = variant < 0;
    if (variant < 0)
        variant = (int)rules_assign(rules, hunt, event->user_key);
    entry->variant = hunt->variants[variant].tag;
    out->variant = (uint8_t)(variant + 1);
}

/* act takes a step: progress changes, and *out becomes final. */
static void act(struct state *state, struct progress *progress, const struct rules *rules,
                const struct event *event, uint64_t now_ns, const struct step *step,
                struct outcome *out)
{
    const struct rules_hunt *hunt = step->hunt;
    struct progress_entry *entry = progress_entry(progress, step->place);
    uint16_t variant = entry->variant;
    if (hunt->kind == CONF_BASKET) {
        if (step->begin)
            progress_clear(entry);
        basket_touch(hunt, state->walk, entry, step->item, now_ns, out);
    } else if (step->begin) {
        trail_begin(entry, step->item, now_ns, out);
    } else if (!trail_step(hunt, entry, step->item, now_ns, out)) {
        return;
    }
    assign(rules, hunt, event, variant, entry, out);
    uint64_t ttl_ns = rules->user_ttl_ns;
    if (out->kind == OUTCOME_award) {
        name_award(rules, hunt, event, out);
        /* Who has won must not be forgotten while the award still bars another. */
        ttl_ns = hunt->once ? UINT64_MAX : hunt->cooldown_ns > ttl_ns ? hunt->cooldown_ns : ttl_ns;
    }
    progress_touch(progress, step->place, now_ns, ttl_ns);
}

/* plan_hunts plans an event for every hunt that it is for.  Returns the number of outcomes. */
static uint32_t plan_hunts(const struct partition *partition, const struct rules *rules,
                           const struct event *event, const struct verdict *verdict, uint64_t hunts,
                           struct step *steps, struct outcome *out)
{
    int64_t time_ms = event->time_ms;
    if (verdict->flags & RECORD_CLAMPED)
        time_ms = (int64_t)(verdict->receive_ns / NS_PER_MS);
    uint32_t count = 0;
    for (; hunts; hunts &= hunts - 1, count++) {
        uint16_t index = (uint16_t)__builtin_ctzll(hunts);
        steps[count] = (struct step){.hunt = &rules->hunts[index]};
        out[count] = (struct outcome){.kind = OUTCOME_visit, .hunt = index};
        if (steps[count].hunt->kind == CONF_TILES)
            plan_claim(&partition->claims, event, time_ms, verdict->receive_ns, &steps[count],
                       &out[count]);
        else
            plan(&partition->progress, event, time_ms, verdict->receive_ns, &steps[count],
                 &out[count]);
    }
    return count;
}

/* number gives the event and its outcomes their sequence, and its time to the partition. */
static void number(struct partition *partition, struct verdict *verdict, uint32_t record_count)
{
    verdict->seq = partition->seq + 1;
    partition->seq += record_count;
    partition->last_ns = verdict->receive_ns;
}

static void single(struct outcome *out, enum outcome_kind kind, struct verdict *verdict)
{
    *out = (struct outcome){.kind = (uint8_t)kind, .hunt = OUTCOME_NO_HUNT};
    verdict->outcome_count = 1;
}

static bool make_room(struct partition *partition, const struct event *event, uint64_t now_ns,
                      struct step *steps, uint32_t count)
{
    uint32_t grants = 0;
    if (!(event->flags & EVENT_HAS_TILE))
        return reserve(&partition->progress, event, now_ns, steps, count);
    for (uint32_t i = 0; i < count; i++)
        grants += steps[i].act;
    return !grants || claims_room(&partition->claims, grants, now_ns);
}

static void grant(struct partition *partition, const struct rules *rules, const struct event *event,
                  uint64_t now_ns, const struct step *step, struct outcome *out)
{
    claims_insert(&partition->claims, step->hunt->series, step->tile, now_ns, step->end_ns);
    name_award(rules, step->hunt, event, out);
}

/* plan_id finds a place for an event's id, making room where the rules say so. */
static bool plan_id(const struct partition *partition, const struct rules *rules,
                    const struct event *event, struct hash128 key, uint64_t now_ns,
                    struct dedupe_path *path)
{
    if (dedupe_plan(&partition->dedupe, key, now_ns, path))
        return true;
    if (!rules->dedupe_shorten && !(event->flags & EVENT_RECORDED))
        return false;
    dedupe_plan_shorter(&partition->dedupe, key, now_ns, path);
    return true;
}

/* accept decides an event that the rules take and that was not seen before. */
static void accept_event(struct state *state, struct partition *partition,
                         const struct rules *rules, const struct event *event, struct hash128 key,
                         uint64_t hunts, struct verdict *verdict, struct outcome *out)
{
    struct step steps[STATE_OUTCOMES_MAX];
    struct dedupe_path path;
    uint64_t now_ns = verdict->receive_ns;
    uint32_t step_count = 0;
    if (!(verdict->flags & RECORD_LATE))
        step_count = plan_hunts(partition, rules, event, verdict, hunts, steps, out);
    if (!plan_id(partition, rules, event, key, now_ns, &path) ||
        !make_room(partition, event, now_ns, steps, step_count)) {
        *verdict = (struct verdict){.result = RESULT_REFUSED, .receive_ns = now_ns};
        return;
    }
    verdict->result = RESULT_ACCEPTED;
    if (verdict->flags & RECORD_LATE)
        single(out, OUTCOME_late, verdict);
    else if (!step_count)
        single(out, OUTCOME_visit, verdict);
    else
        verdict->outcome_count = step_count;
    number(partition, verdict, 1 + verdict->outcome_count);
    verdict->left_early = dedupe_insert(&partition->dedupe, key, now_ns, verdict->seq, &path);
    for (uint32_t i = 0; i < step_count; i++)
        if (steps[i].act && steps[i].hunt->kind == CONF_TILES)
            grant(partition, rules, event, now_ns, &steps[i], &out[i]);
        else if (steps[i].act)
            act(state, &partition->progress, rules, event, now_ns, &steps[i], &out[i]);
}

struct verdict state_apply(struct state *state, const struct rules *rules,
                           const struct event *event, struct outcome out[STATE_OUTCOMES_MAX])
{
    struct partition *partition = partition_of(state, event->partition);
    struct verdict verdict = {.result = RESULT_REJECTED};
    uint64_t hunts = 0, first_seq;
    verdict.receive_ns =
        event->receive_ns > partition->last_ns ? event->receive_ns : partition->last_ns;
    verdict.reason = (uint8_t)check(rules, event, &verdict, &hunts);
    if (verdict.reason != REASON_none) {
        number(partition, &verdict, 1);
        return verdict;
    }
    struct hash128 key = event_dedupe_key(&rules->key, event);
    bool known = dedupe_find(&partition->dedupe, key, verdict.receive_ns, &first_seq);
    if (known && event->flags & EVENT_RECORDED) {
        dedupe_forget(&partition->dedupe, key, verdict.receive_ns);
    } else if (known) {
        single(out, OUTCOME_duplicate, &verdict);
        out->first_seq = first_seq;
        verdict.result = RESULT_DUPLICATE;
        verdict.flags = 0;
        number(partition, &verdict, 1);
        return verdict;
    }
    accept_event(state, partition, rules, event, key, hunts, &verdict, out);
    return verdict;
}

void state_pass(struct state *state, uint32_t id, uint64_t seq, uint64_t receive_ns)
{
    struct partition *partition = partition_of(state, id);
    partition->seq = seq;
    if (receive_ns > partition->last_ns)
        partition->last_ns = receive_ns;
}

uint64_t state_hash(const struct state *state, uint32_t id)
{
    const struct partition *partition = partition_of(state, id);
    return mix64(mix64(partition->seq) ^ partition->last_ns) +
           dedupe_hash(&partition->dedupe, partition->last_ns) +
           progress_hash(&partition->progress, partition->last_ns, &state->hash_key) +
           claims_hash(&partition->claims, partition->last_ns);
}

void state_usage(const struct state *state, struct state_usage *usage)
{
    *usage = (struct state_usage){.dedupe_capacity = state->dedupe_capacity,
                                  .users_capacity = state->users_capacity,
                                  .claims_capacity = state->claims_capacity};
    for (uint32_t i = 0; i < state->partition_count; i++) {
        const struct partition *partition = state->by_id[i];
        if (!partition)
            continue;
        usage->dedupe_used += __atomic_load_n(&partition->dedupe.used, __ATOMIC_RELAXED);
        usage->users_used += __atomic_load_n(&partition->progress.used, __ATOMIC_RELAXED);
        usage->claims_used += __atomic_load_n(&partition->claims.used, __ATOMIC_RELAXED);
    }
}

uint64_t state_seq(const struct state *state, uint32_t id)
{
    return partition_of(state, id)->seq;
}
