/* correct.c - corrections: what an operator decided later, through the same state as the events. */
#include <assert.h>
#include <string.h>

#include "dataplane/base/record.h"
#include "graph/mix.h"
#include "graph/state_impl.h"

/* What a correction is about, and what stands there. */
struct subject {
    const struct rules_hunt *hunt;
    struct hash128 user_key;
    uint32_t place; /* of the user's progress, PROGRESS_NONE */
    struct state_tile tile;
    enum refusal claim;               /* why the tile could not be claimed */
    uint32_t tag;                     /* of the tile's claim, 0: nobody has it */
    struct corrections_entry *undone; /* what an undo takes back; NULL: nothing */
};

static bool of_tiles(const struct subject *subject)
{
    return subject->hunt->kind == CONF_TILES;
}

/* standing names what stands: 0 when nobody has won. */
static uint64_t standing(const struct partition *partition, const struct subject *subject)
{
    if (of_tiles(subject))
        return subject->tag;
    if (subject->place == PROGRESS_NONE)
        return 0;
    const struct progress_entry *entry = progress_entry(&partition->progress, subject->place);
    if (!entry->won_ns)
        return 0;
    uint64_t award = mix64(entry->won.award_id[0] ^ mix64(entry->won.award_id[1]));
    return mix64(award ^ entry->won_ns) << 1 | entry->won.revoked;
}

static const struct progress_entry *award_of(const struct partition *partition,
                                             const struct subject *subject)
{
    if (subject->place == PROGRESS_NONE)
        return NULL;
    const struct progress_entry *entry = progress_entry(&partition->progress, subject->place);
    return entry->won_ns && !entry->won.revoked ? entry : NULL;
}

/* find_subject returns why the rules cannot take the correction, REASON_none when they do. */
static enum reason find_subject(const struct state *state, const struct rules *rules,
                                const struct correction *c, uint64_t now_ns,
                                struct subject *subject)
{
    const struct partition *partition = state_partition(state, c->partition);
    int hunt = rules_find_hunt(rules, hash64(&rules->key, c->hunt, strlen(c->hunt)));
    if (hunt < 0)
        return REASON_hunt_unknown;
    *subject = (struct subject){.hunt = &rules->hunts[hunt], .place = PROGRESS_NONE};
    if (of_tiles(subject) != (c->tile[0] != '\0'))
        return c->tile[0] ? REASON_tile_forbidden : REASON_tile_required;
    subject->user_key = hash128(&rules->key, c->user, strlen(c->user));
    if (c->kind == CORRECTION_undo)
        subject->undone = corrections_find(&state->corrections, c->undo, c->partition);
    if (!of_tiles(subject)) {
        struct hash128 key = state_progress_key(subject->hunt, subject->user_key);
        subject->place = progress_find(&partition->progress, key, now_ns);
        return REASON_none;
    }
    subject->claim = state_judge_tile(&partition->claims, subject->hunt, (const uint8_t *)c->tile,
                                      strlen(c->tile), now_ns, &subject->tile);
    if (subject->claim != REFUSAL_unknown_tile)
        subject->tag =
            claims_find(&partition->claims, subject->hunt->series, subject->tile.word, now_ns);
    return REASON_none;
}

/* ---- judging ---- */

static enum refusal judge_grant(const struct partition *partition, const struct rules *rules,
                                const struct correction *c, uint64_t now_ns,
                                const struct subject *subject, struct outcome *out)
{
    /* An event of the same id is another award. */
    const uint64_t words[] = {subject->user_key.lo, subject->user_key.hi, c->id[0], c->id[1],
                              subject->hunt->key,   RECORD_CORRECTION};
    struct hash128 award_id = hash128(&rules->key, words, sizeof words);
    const struct progress_entry *award = award_of(partition, subject);
    if (of_tiles(subject) && subject->claim != REFUSAL_none)
        return subject->claim;
    if (award && state_bars(subject->hunt, award, now_ns))
        return REFUSAL_already_won;
    out->award_id[0] = award_id.hi;
    out->award_id[1] = award_id.lo;
    return REFUSAL_none;
}

static enum refusal judge_revoke(const struct partition *partition, const struct subject *subject,
                                 struct outcome *out)
{
    const struct progress_entry *award = award_of(partition, subject);
    if (of_tiles(subject) && subject->claim == REFUSAL_unknown_tile)
        return REFUSAL_unknown_tile;
    if (!award && !subject->tag)
        return REFUSAL_not_won;
    if (award) {
        out->award_id[0] = award->won.award_id[0];
        out->award_id[1] = award->won.award_id[1];
        out->score = award->won.score;
    }
    return REFUSAL_none;
}

static enum refusal judge_undo(const struct partition *partition, const struct correction *c,
                               uint64_t now_ns, const struct subject *subject, struct outcome *out)
{
    const struct corrections_entry *undone = subject->undone;
    if (!undone || undone->refusal || strcmp(undone->user, c->user) != 0 ||
        strcmp(undone->hunt, c->hunt) != 0 || strcmp(undone->tile, c->tile) != 0)
        return REFUSAL_unknown_correction;
    if (undone->undone || standing(partition, subject) != undone->after)
        return REFUSAL_superseded;
    if (undone->before.tag && subject->tile.end_ns <= now_ns)
        return REFUSAL_expired;
    out->award_id[0] = undone->award_id[0];
    out->award_id[1] = undone->award_id[1];
    out->score = undone->score;
    return REFUSAL_none;
}

/* judge fills in the outcome, but for the variant of what is granted. */
static void judge(const struct partition *partition, const struct rules *rules,
                  const struct correction *c, uint64_t now_ns, const struct subject *subject,
                  struct outcome *out)
{
    enum refusal refusal = REFUSAL_none;
    bool gives = c->kind == CORRECTION_grant;
    *out = (struct outcome){.hunt = (uint16_t)(subject->hunt - rules->hunts)};
    if (c->kind == CORRECTION_grant)
        refusal = judge_grant(partition, rules, c, now_ns, subject, out);
    else if (c->kind == CORRECTION_revoke)
        refusal = judge_revoke(partition, subject, out);
    else
        refusal = judge_undo(partition, c, now_ns, subject, out);
    if (!refusal && c->kind == CORRECTION_undo)
        gives = subject->undone->kind == OUTCOME_revoked;
    out->refusal = (uint8_t)refusal;
    out->kind = refusal ? OUTCOME_correction_refused : gives ? OUTCOME_granted : OUTCOME_revoked;
}

/* ---- doing ---- */

/* needs_entry returns whether progress will be there once the correction is done. */
static bool needs_entry(const struct correction *c, const struct subject *subject)
{
    return c->kind == CORRECTION_grant ||
           (c->kind == CORRECTION_undo && subject->undone->before.there);
}

/* claim_after is the tag of the tile's claim once the correction is done. */
static uint32_t claim_after(const struct correction *c, const struct subject *subject,
                            const struct outcome *out)
{
    if (c->kind == CORRECTION_undo)
        return subject->undone->before.tag;
    return c->kind == CORRECTION_grant ? state_tag(out->award_id) : 0;
}

/* make_room reserves what the correction needs, all of it or nothing, and says what stood before.
 */
static bool make_room(struct state *state, struct partition *partition, const struct correction *c,
                      uint64_t now_ns, struct subject *subject, const struct outcome *out,
                      struct corrections_before *before)
{
    memset(before, 0, sizeof *before);
    if (!corrections_room(&state->corrections, c->partition))
        return false;
    if (out->refusal)
        return true;
    if (of_tiles(subject)) {
        before->there = subject->tag != 0;
        before->tag = subject->tag;
        return !claim_after(c, subject, out) || claims_room(&partition->claims, 1, now_ns);
    }
    struct progress *progress = &partition->progress;
    if (subject->place != PROGRESS_NONE) {
        before->there = true;
        before->expires_s = progress_expires(progress, subject->place);
        before->entry = *progress_entry(progress, subject->place);
    } else if (needs_entry(c, subject)) {
        struct hash128 key = state_progress_key(subject->hunt, subject->user_key);
        subject->place = progress_reserve(progress, key, now_ns);
        return subject->place != PROGRESS_NONE;
    }
    return true;
}

static void act_on_claim(struct partition *partition, const struct correction *c, uint64_t now_ns,
                         struct subject *subject, const struct outcome *out)
{
    uint64_t series = subject->hunt->series, word = subject->tile.word;
    uint32_t tag = claim_after(c, subject, out);
    if (tag)
        claims_insert(&partition->claims, series, word, tag, now_ns, subject->tile.end_ns);
    else if (subject->tag)
        claims_give_back(&partition->claims, series, word, now_ns);
    subject->tag = tag;
}

/* restore lets progress be what it was before another correction. */
static void restore(struct progress *progress, struct subject *subject, struct outcome *out)
{
    const struct corrections_before *before = &subject->undone->before;
    if (!before->there) {
        if (subject->place != PROGRESS_NONE)
            progress_release(progress, subject->place);
        subject->place = PROGRESS_NONE;
        return;
    }
    progress_restore(progress, subject->place, &before->entry, before->expires_s);
    if (out->kind == OUTCOME_granted)
        out->variant = (uint8_t)(rules_variant_of(subject->hunt, before->entry.variant) + 1);
}

static void act_on_progress(struct partition *partition, const struct rules *rules,
                            const struct correction *c, uint64_t now_ns, struct subject *subject,
                            struct outcome *out)
{
    struct progress *progress = &partition->progress;
    if (c->kind == CORRECTION_undo) {
        restore(progress, subject, out);
        return;
    }
    struct progress_entry *entry = progress_entry(progress, subject->place);
    if (c->kind == CORRECTION_revoke) {
        entry->won.revoked = 1;
        progress_changed(progress, subject->place);
        return;
    }
    uint16_t variant = entry->variant;
    progress_clear(entry);
    entry->won_ns = entry->last_ns = now_ns;
    state_assign(rules, subject->hunt, subject->user_key, variant, entry, out);
    progress_touch(progress, subject->place, now_ns, state_win(rules, subject->hunt, entry, out));
}

static void copy(char *to, size_t room, const char *from)
{
    size_t len = strlen(from);
    assert(len < room);
    memcpy(to, from, len + 1);
}

/* remember keeps a correction for ever, and what undoes it. */
static void remember(struct state *state, const struct correction *c,
                     const struct corrections_before *before, const struct outcome *out,
                     const struct subject *subject, uint64_t seq)
{
    struct corrections_entry *entry = corrections_insert(&state->corrections, c->id, c->partition);
    entry->content = correction_content(c, &state->hash_key);
    entry->seq = seq;
    entry->award_id[0] = out->award_id[0];
    entry->award_id[1] = out->award_id[1];
    entry->score = out->score;
    entry->kind = out->kind;
    entry->refusal = out->refusal;
    if (!out->refusal) {
        memcpy(&entry->before, before, sizeof *before);
        entry->after = standing(state_partition(state, c->partition), subject);
        copy(entry->user, sizeof entry->user, c->user);
        copy(entry->hunt, sizeof entry->hunt, c->hunt);
        copy(entry->tile, sizeof entry->tile, c->tile);
        if (subject->undone) {
            subject->undone->undone = true;
            corrections_changed(&state->corrections, subject->undone);
        }
    }
    corrections_changed(&state->corrections, entry);
}

/* ---- the whole ---- */

/* repeat answers for a correction whose id is known. */
static void repeat(const struct state *state, const struct correction *c,
                   const struct corrections_entry *entry, struct verdict *verdict,
                   struct outcome *out)
{
    *out = (struct outcome){.hunt = OUTCOME_NO_HUNT,
                            .kind = entry->kind,
                            .refusal = entry->refusal,
                            .score = entry->score,
                            .award_id = {entry->award_id[0], entry->award_id[1]},
                            .first_seq = entry->seq};
    if (entry->content != correction_content(c, &state->hash_key))
        *out = (struct outcome){.hunt = OUTCOME_NO_HUNT,
                                .kind = OUTCOME_correction_refused,
                                .refusal = REFUSAL_conflict,
                                .first_seq = entry->seq};
    verdict->result = RESULT_DUPLICATE;
}

/* look finds out what a correction is to the state, without changing anything.  Returns false when
 * that is all there is to it. */
static bool look(const struct state *state, const struct rules *rules, const struct correction *c,
                 struct verdict *verdict, struct subject *subject, struct outcome *out)
{
    const struct partition *partition = state_partition(state, c->partition);
    uint64_t now_ns = c->receive_ns > partition->last_ns ? c->receive_ns : partition->last_ns;
    *verdict = (struct verdict){.result = RESULT_REJECTED, .receive_ns = now_ns};
    const struct corrections_entry *known =
        corrections_find(&state->corrections, c->id, c->partition);
    if (known) {
        repeat(state, c, known, verdict, out);
        return false;
    }
    verdict->reason = (uint8_t)find_subject(state, rules, c, now_ns, subject);
    if (verdict->reason)
        return false;
    judge(partition, rules, c, now_ns, subject, out);
    verdict->result = RESULT_ACCEPTED;
    verdict->outcome_count = 1;
    return true;
}

struct verdict state_try_correction(const struct state *state, const struct rules *rules,
                                    const struct correction *c, struct outcome *out)
{
    struct verdict verdict;
    struct subject subject;
    bool more = look(state, rules, c, &verdict, &subject, out);
    if (more && !corrections_room(&state->corrections, c->partition))
        verdict = (struct verdict){.result = RESULT_REFUSED, .receive_ns = verdict.receive_ns};
    return verdict;
}

struct verdict state_correct(struct state *state, const struct rules *rules,
                             const struct correction *c, struct outcome *out)
{
    struct partition *partition = state_partition(state, c->partition);
    struct verdict verdict;
    struct subject subject;
    struct corrections_before before;
    if (!look(state, rules, c, &verdict, &subject, out))
        return verdict;
    uint64_t now_ns = verdict.receive_ns;
    if (!make_room(state, partition, c, now_ns, &subject, out, &before))
        return (struct verdict){.result = RESULT_REFUSED, .receive_ns = now_ns};
    state_number(partition, &verdict, 2);
    if (!out->refusal && of_tiles(&subject))
        act_on_claim(partition, c, now_ns, &subject, out);
    else if (!out->refusal)
        act_on_progress(partition, rules, c, now_ns, &subject, out);
    remember(state, c, &before, out, &subject, verdict.seq);
    return verdict;
}

bool state_find_correction(const struct state *state, const uint64_t id[2],
                           struct correction *found)
{
    const struct corrections_entry *entry =
        corrections_find(&state->corrections, id, CORRECTIONS_ANY);
    if (!entry)
        return false;
    memset(found, 0, sizeof *found);
    found->partition = (uint16_t)entry->partition;
    copy(found->user, sizeof found->user, entry->user);
    copy(found->hunt, sizeof found->hunt, entry->hunt);
    copy(found->tile, sizeof found->tile, entry->tile);
    return true;
}
