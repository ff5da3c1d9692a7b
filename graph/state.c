/* state.c - the state transition: what an event means to its partition. */
#include "graph/state.h"

#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/record.h"
#include "graph/basket.h"
#include "graph/state_impl.h"
#include "graph/trail.h"

/* What an event does in one hunt. */
struct step {
    const struct rules_hunt *hunt;
    uint32_t item;
    struct state_tile tile; /* of a claim */
    uint32_t place;         /* of the user's progress, PROGRESS_NONE */
    bool act;               /* progress may change; otherwise the outcome is final */
    bool begin;             /* from nothing, or anew after a cooldown */
    bool reserved;          /* the place was made for this event */
};

/* nanoseconds returns a client time in ns, UINT64_MAX when it is later than that. */
static uint64_t nanoseconds(int64_t time_ms)
{
    uint64_t ns;
    return __builtin_mul_overflow((uint64_t)time_ms, NS_PER_MS, &ns) ? UINT64_MAX : ns;
}

/* ahead_of returns whether one time is more than tolerance_ns after another. */
static bool ahead_of(uint64_t time_ns, uint64_t other_ns, uint64_t tolerance_ns)
{
    return time_ns > other_ns && time_ns - other_ns > tolerance_ns;
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
    uint64_t time_ns = nanoseconds(event->time_ms);
    if (ahead_of(time_ns, receive_ns, rules->skew_reject_ns))
        return REASON_future;
    *hunts = state_listening(rules, type, event) & (named < 0 ? UINT64_MAX : 1ull << named);
    if (ahead_of(time_ns, receive_ns, rules->skew_tolerance_ns))
        verdict->flags = RECORD_CLAMPED;
    else if (ahead_of(receive_ns, time_ns, rules->lateness_ns))
        verdict->flags = RECORD_LATE;
    return REASON_none;
}

static bool is_open(const struct rules_hunt *hunt, int64_t time_ms)
{
    return time_ms >= hunt->starts_ms && time_ms < hunt->ends_ms;
}

/* plan finds out what an event is to a hunt, without changing anything.  *out becomes its outcome,
 * final unless the step acts. */
static void plan(const struct progress *progress, const struct event *event, int64_t time_ms,
                 uint64_t now_ns, struct step *step, struct outcome *out)
{
    const struct rules_hunt *hunt = step->hunt;
    step->place = PROGRESS_NONE;
    if (!is_open(hunt, time_ms)) {
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
    step->place = progress_find(progress, state_progress_key(hunt, event->user_key), now_ns);
    step->begin = true;
    if (step->place != PROGRESS_NONE) {
        const struct progress_entry *entry = progress_entry(progress, step->place);
        step->begin = entry->won_ns;
        if (hunt->kind == CONF_TRAIL && (!step->begin || state_bars(hunt, entry, now_ns)))
            out->depth = entry->count;
        if (state_bars(hunt, entry, now_ns)) {
            out->flags |= OUTCOME_DONE;
            return;
        }
    }
    if (step->item != ITEM_NONE)
        step->act = hunt->kind == CONF_BASKET || !step->begin || trail_is_start(hunt, step->item);
}

enum refusal state_judge_tile(const struct claims *claims, const struct rules_hunt *hunt,
                              const uint8_t *name, size_t len, uint64_t now_ns,
                              struct state_tile *found)
{
    struct tile tile;
    if (!tiles_parse(&hunt->tiles_key, hunt->tiles, name, len, &tile))
        return REFUSAL_unknown_tile;
    uint64_t period = now_ns / hunt->period_ns;
    uint64_t begin_ns = tile.period * hunt->period_ns;
    found->word = state_tile_word(tile);
    found->end_ns = begin_ns + hunt->map_ttl_ns;
    if (tile.period > period)
        return REFUSAL_early;
    if (now_ns - begin_ns >= hunt->map_ttl_ns)
        return REFUSAL_expired;
    if (claims_find(claims, hunt->series, found->word, now_ns))
        return REFUSAL_taken;
    return period - tile.period < hunt->live ? REFUSAL_none : REFUSAL_expired;
}

/* judge_claim says why a claim is refused, REFUSAL_none when the tile is the user's.  Time is that
 * of receipt. */
static enum refusal judge_claim(const struct claims *claims, const struct event *event,
                                uint64_t now_ns, struct step *step)
{
    uint8_t decoded[TILES_NAME_LEN];
    size_t len;
    const uint8_t *name = state_tile_name(event, decoded, &len);
    return state_judge_tile(claims, step->hunt, name, len, now_ns, &step->tile);
}

/* plan_claim finds out what an event with a tile is to a hunt of tiles, without changing anything.
 */
static void plan_claim(const struct claims *claims, const struct event *event, int64_t time_ms,
                       uint64_t now_ns, struct step *step, struct outcome *out)
{
    out->refusal = REFUSAL_window;
    if (is_open(step->hunt, time_ms))
        out->refusal = (uint8_t)judge_claim(claims, event, now_ns, step);
    out->kind = out->refusal ? OUTCOME_claim_refused : OUTCOME_claim_granted;
    step->act = !out->refusal;
}

/* reserve makes the progress entries that the steps need: all of them, or none.  Where there is no
 * room nobody who is dead gives way either: what is refused is not journaled, and its time is
 * unknown to who reads the journal. */
static bool reserve(struct progress *progress, const struct event *event, uint64_t now_ns,
                    struct step *steps, uint32_t count)
{
    uint32_t needed = 0;
    for (uint32_t i = 0; i < count; i++)
        needed += steps[i].act && steps[i].place == PROGRESS_NONE;
    if (!needed)
        return true;
    if (!progress_room(progress, needed, now_ns))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!steps[i].act || steps[i].place != PROGRESS_NONE)
            continue;
        steps[i].place =
            progress_reserve(progress, state_progress_key(steps[i].hunt, event->user_key), now_ns);
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

void state_assign(const struct rules *rules, const struct rules_hunt *hunt, struct hash128 user_key,
                  uint16_t had, struct progress_entry *entry, struct outcome *out)
{
    entry->variant = had;
    if (!hunt->variant_count)
        return;
    int variant = had ? rules_variant_of(hunt, had) : -1;
    out->assigned = variant < 0;
    if (variant < 0)
        variant = (int)rules_assign(rules, hunt, user_key);
    entry->variant = hunt->variants[variant].tag;
    out->variant = (uint8_t)(variant + 1);
}

/* Who has won must not be forgotten while the award still bars another; what led to it is of no use
 * any more. */
uint64_t state_win(const struct rules *rules, const struct rules_hunt *hunt,
                   struct progress_entry *entry, const struct outcome *out)
{
    memset(&entry->trail, 0, sizeof entry->trail);
    entry->won = (struct progress_won){.award_id = {out->award_id[0], out->award_id[1]},
                                       .score = out->score};
    if (hunt->once)
        return UINT64_MAX;
    return hunt->cooldown_ns > rules->user_ttl_ns ? hunt->cooldown_ns : rules->user_ttl_ns;
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
    state_assign(rules, hunt, event->user_key, variant, entry, out);
    uint64_t ttl_ns = rules->user_ttl_ns;
    if (out->kind == OUTCOME_award) {
        name_award(rules, hunt, event, out);
        ttl_ns = state_win(rules, hunt, entry, out);
    }
    progress_touch(progress, step->place, now_ns, ttl_ns);
}

/* judged_ms returns the client time that counts. */
static int64_t judged_ms(const struct event *event, const struct verdict *verdict)
{
    return verdict->flags & RECORD_CLAMPED ? (int64_t)(verdict->receive_ns / NS_PER_MS)
                                           : event->time_ms;
}

/* plan_hunts plans an event for every hunt that it is for.  Returns the number of outcomes. */
static uint32_t plan_hunts(const struct partition *partition, const struct rules *rules,
                           const struct event *event, const struct verdict *verdict, uint64_t hunts,
                           struct step *steps, struct outcome *out)
{
    int64_t time_ms = judged_ms(event, verdict);
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
    /* First: its words cannot be read back from behind stores that wait for memory. */
    name_award(rules, step->hunt, event, out);
    claims_insert(&partition->claims, step->hunt->series, step->tile.word, state_tag(out->award_id),
                  now_ns, step->tile.end_ns);
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

/* claim_of says what became of an event's claim, from its outcomes. */
static uint8_t claim_of(const struct outcome *out, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (out[i].kind == OUTCOME_claim_granted)
            return ANSWER_CLAIM_GRANTED;
    return count ? out[0].refusal : ANSWER_CLAIM_NONE;
}

/* repeated_claim says what became of the claim that a duplicate repeats.  It was granted when the
 * tile is given away under the award that this event makes; why it was refused is not kept, but is
 * what it would be refused for now, unless nobody has the tile or its claims are forgotten. */
static uint8_t repeated_claim(const struct partition *partition, const struct rules *rules,
                              const struct event *event, const struct verdict *verdict,
                              uint64_t hunts)
{
    uint64_t now_ns = verdict->receive_ns;
    uint8_t claim = ANSWER_CLAIM_NONE;
    for (; hunts; hunts &= hunts - 1) {
        struct step step = {.hunt = &rules->hunts[__builtin_ctzll(hunts)]};
        enum refusal refusal = judge_claim(&partition->claims, event, now_ns, &step);
        struct outcome own;
        name_award(rules, step.hunt, event, &own);
        if (claims_find(&partition->claims, step.hunt->series, step.tile.word, now_ns) ==
            state_tag(own.award_id))
            return ANSWER_CLAIM_GRANTED;
        if (!is_open(step.hunt, judged_ms(event, verdict)))
            refusal = REFUSAL_window;
        else if (refusal == REFUSAL_expired && now_ns >= step.tile.end_ns)
            refusal = REFUSAL_none;
        if (claim == ANSWER_CLAIM_NONE)
            claim = (uint8_t)refusal;
    }
    return claim;
}

/* accept decides an event that the rules take and that was not seen before. */
static inline __attribute__((always_inline)) void
accept_event(struct state *state, struct partition *partition, const struct rules *rules,
             const struct event *event, struct hash128 key, uint64_t hunts, struct verdict *verdict,
             struct outcome *out)
{
    struct step steps[STATE_OUTCOMES_MAX];
    struct dedupe_path path;
    uint64_t now_ns = verdict->receive_ns;
    uint32_t step_count = 0;
    if (!(verdict->flags & RECORD_LATE)) {
        state_prefetch_rest(partition, rules, event, hunts);
        step_count = plan_hunts(partition, rules, event, verdict, hunts, steps, out);
    }
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
    state_number(partition, verdict, 1 + verdict->outcome_count);
    verdict->left_early = dedupe_insert(&partition->dedupe, key, now_ns, verdict->seq, &path);
    for (uint32_t i = 0; i < step_count; i++)
        if (steps[i].act && steps[i].hunt->kind == CONF_TILES)
            grant(partition, rules, event, now_ns, &steps[i], &out[i]);
        else if (steps[i].act)
            act(state, &partition->progress, rules, event, now_ns, &steps[i], &out[i]);
    if (event->flags & EVENT_HAS_TILE)
        verdict->claim =
            verdict->flags & RECORD_LATE ? ANSWER_CLAIM_LATE : claim_of(out, step_count);
}

struct verdict state_apply(struct state *state, const struct rules *rules,
                           const struct event *event, struct outcome out[STATE_OUTCOMES_MAX])
{
    struct hash128 identity = {0};
    struct verdict verdict;
    if (event->reason == REASON_none)
        identity = event_dedupe_key(&rules->key, event);
    state_apply_identified(state, rules, event, identity, &verdict, out);
    return verdict;
}

void state_apply_identified(struct state *state, const struct rules *rules,
                            const struct event *event, struct hash128 identity,
                            struct verdict *verdict, struct outcome out[STATE_OUTCOMES_MAX])
{
    struct partition *partition = state_partition(state, event->partition);
    uint64_t hunts = 0, first_seq;
    *verdict = (struct verdict){.result = RESULT_REJECTED};
    verdict->receive_ns =
        event->receive_ns > partition->last_ns ? event->receive_ns : partition->last_ns;
    verdict->reason = (uint8_t)check(rules, event, verdict, &hunts);
    if (verdict->reason != REASON_none) {
        state_number(partition, verdict, 1);
        return;
    }
    bool known = dedupe_find(&partition->dedupe, identity, verdict->receive_ns, &first_seq);
    if (known && event->flags & EVENT_RECORDED) {
        dedupe_forget(&partition->dedupe, identity, verdict->receive_ns);
    } else if (known) {
        single(out, OUTCOME_duplicate, verdict);
        out->first_seq = first_seq;
        verdict->result = RESULT_DUPLICATE;
        if (event->flags & EVENT_HAS_TILE)
            verdict->claim = repeated_claim(partition, rules, event, verdict, hunts);
        verdict->flags = 0;
        state_number(partition, verdict, 1);
        return;
    }
    accept_event(state, partition, rules, event, identity, hunts, verdict, out);
}

void state_pass(struct state *state, uint32_t id, uint64_t seq, uint64_t receive_ns)
{
    struct partition *partition = state_partition(state, id);
    partition->seq = seq;
    if (receive_ns > partition->last_ns)
        partition->last_ns = receive_ns;
}

void state_remember(struct state *state, const struct hash_key *hash_key, const struct event *event,
                    uint64_t seq)
{
    struct dedupe *dedupe = &state_partition(state, event->partition)->dedupe;
    struct hash128 key = event_dedupe_key(hash_key, event);
    struct dedupe_path path;
    uint64_t now_ns = event->receive_ns, first_seq;
    if (dedupe_find(dedupe, key, now_ns, &first_seq))
        dedupe_forget(dedupe, key, now_ns);
    if (!dedupe_plan(dedupe, key, now_ns, &path))
        dedupe_plan_shorter(dedupe, key, now_ns, &path);
    dedupe_insert(dedupe, key, now_ns, seq, &path);
}
