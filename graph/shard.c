/* shard.c - bursts of events through the state into journal blocks, and answers back. */
#include "graph/shard.h"

#include <errno.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/counter.h"
#include "dataplane/base/segment.h"
#include "dataplane/base/text.h"
#include "graph/shard_impl.h"

#define PREFETCH_BYTES 256 /* of an event's text: most are shorter */
#define TAKEN_BACK     8   /* blocks that came back from the journal, at once */

/* The most that one event can lead to fits in an empty block. */
static_assert(sizeof(struct block_header) + 2 * sizeof(struct record) + EVENT_BYTES_MAX + 8 +
                      STATE_OUTCOMES_MAX * (sizeof(struct record) + OUTCOME_BODY_MAX + 8) <=
                  BLOCK_BYTES,
              "an event and its outcomes fit in a block");

void shard_init(struct shard *shard, struct state *state, const struct rules *rules,
                const struct shard_wiring *wiring)
{
    assert(wiring->source_count <= SHARD_SOURCES_MAX);
    memset(shard, 0, sizeof *shard);
    shard->state = state;
    shard->rules = rules;
    shard->index = wiring->index;
    shard->source_count = wiring->source_count;
    for (uint32_t i = 0; i < wiring->source_count; i++) {
        shard->sources[i] = wiring->sources[i];
        shard->answers[i] = wiring->answers[i];
    }
    shard->corrections = wiring->corrections;
    shard->corrected = wiring->corrected;
    shard->to_journal = wiring->to_journal;
    shard->from_journal = wiring->from_journal;
    shard->block_count = block_ring_count(wiring->from_journal);
    shard->mark = wiring->mark;
    shard->mirror = wiring->mirror;
    shard->next_ordinal = wiring->next_ordinal;
    shard->group_commit_ns = wiring->group_commit_ns;
}

/* ---- blocks ---- */

static uint32_t free_blocks(const struct shard *shard)
{
    return shard->free_count + block_ring_count(shard->from_journal);
}

/* The one that came back last is still in the caches: of a large buffer only as much is touched as
 * is on its way to the disk. */
static bool take_block(struct shard *shard)
{
    struct block_ref refs[TAKEN_BACK];
    uint32_t count = block_ring_pop_burst(shard->from_journal, refs, TAKEN_BACK);
    for (uint32_t i = 0; i < count; i++) {
        refs[i].block->next = shard->free;
        shard->free = refs[i].block;
    }
    shard->free_count += count;
    struct block *block = shard->free;
    if (!block)
        return false;
    shard->free = block->next;
    shard->free_count--;
    block_start(block, shard->next_ordinal, shard->rules->version);
    shard->open = block;
    return true;
}

static bool hand_over(struct shard *shard)
{
    struct block_ref ref = {.block = shard->open};
    if (!block_ring_push_burst(shard->to_journal, &ref, 1))
        return false;
    shard->open = NULL;
    return true;
}

bool shard_next_block(struct shard *shard)
{
    return (!shard->open || hand_over(shard)) && take_block(shard);
}

static uint64_t durable_ordinal(const struct shard *shard)
{
    return atomic_load_explicit(&shard->mark->ordinal, memory_order_acquire);
}

/* ---- records ---- */

static void append_event(struct shard *shard, const struct event *event,
                         const struct verdict *verdict)
{
    bool dead = verdict->result == RESULT_REJECTED;
    struct record *record = shard_append(shard, event->len);
    *record = (struct record){
        .body_len = event->len,
        .kind = dead ? RECORD_DEAD : RECORD_EVENT,
        .reason = verdict->reason,
        .partition = event->partition,
        .seq = verdict->seq,
        .receive_ns = verdict->receive_ns,
        .flags = verdict->flags,
        .reason_offset = verdict->reason_offset,
    };
    if (event->len)
        memcpy(record + 1, event->bytes, event->len);
}

static struct outcome_name user_of(const struct event *event, uint8_t decoded[EVENT_USER_MAX])
{
    const uint8_t *raw = event->bytes + event->user.off;
    if (!(event->flags & EVENT_ESCAPED))
        return (struct outcome_name){.text = raw, .len = event->user.len};
    int len = text_decode(raw, event->user.len, decoded, EVENT_USER_MAX);
    assert(len >= 0);
    return (struct outcome_name){.text = decoded, .len = (uint32_t)len};
}

static struct outcome_name name_of(const char *text)
{
    return (struct outcome_name){.text = (const uint8_t *)text, .len = (uint32_t)strlen(text)};
}

void shard_view(const struct rules *rules, const struct event *event, const struct outcome *outcome,
                uint8_t decoded[EVENT_USER_MAX], struct outcome_view *view)
{
    view->outcome = *outcome;
    view->id[0] = event->id[0];
    view->id[1] = event->id[1];
    view->hunt = (struct outcome_name){0};
    view->user = (struct outcome_name){0};
    view->variant = view->reward = (struct outcome_name){0};
    if (outcome->hunt != OUTCOME_NO_HUNT)
        view->hunt =
            (struct outcome_name){.text = (const uint8_t *)rules->hunts[outcome->hunt].name,
                                  .len = rules->hunts[outcome->hunt].name_len};
    if (outcome->kind == OUTCOME_award && outcome->variant) {
        const struct rules_hunt *hunt = &rules->hunts[outcome->hunt];
        view->variant = name_of(hunt->variants[outcome->variant - 1].name);
        view->reward = name_of(hunt->variants[outcome->variant - 1].reward);
    }
    if (outcome->kind == OUTCOME_award || outcome->kind == OUTCOME_duplicate)
        view->user = user_of(event, decoded);
    for (uint32_t i = 0; i < outcome->item_count; i++)
        view->item[i].text =
            (const uint8_t *)items_name(rules->items, outcome->item[i], &view->item[i].len);
}

static void append_outcome(struct shard *shard, const struct event *event, uint64_t seq,
                           uint64_t receive_ns, const struct outcome *outcome)
{
    uint8_t decoded[EVENT_USER_MAX];
    struct outcome_view view;
    shard_view(shard->rules, event, outcome, decoded, &view);
    uint32_t len = outcome_len(&view);
    struct record *record = shard_append(shard, len);
    *record = (struct record){
        .body_len = len,
        .kind = RECORD_OUTCOME,
        .partition = event->partition,
        .seq = seq,
        .receive_ns = receive_ns,
    };
    outcome_encode(&view, (uint8_t *)(record + 1));
}

void shard_count_outcome(struct shard_counters *counters, const struct outcome *outcome)
{
    counter_add(&counters->outcomes[outcome->kind], 1);
    if (outcome->kind == OUTCOME_refusal || outcome->kind == OUTCOME_claim_refused)
        counter_add(&counters->refusals[outcome->refusal], 1);
    if (outcome->kind == OUTCOME_award || outcome->kind == OUTCOME_claim_granted)
        counter_add(&counters->awards[outcome->hunt], 1);
    if (outcome->variant && outcome->assigned)
        counter_add(&counters->variant_users[outcome->hunt][outcome->variant - 1], 1);
    if (outcome->variant && outcome->kind == OUTCOME_award)
        counter_add(&counters->variant_awards[outcome->hunt][outcome->variant - 1], 1);
    if (outcome->flags & OUTCOME_STOPPED)
        counter_add(&counters->stopped, 1);
}

/* ---- events ---- */

static void count_verdict(struct shard_counters *counters, const struct verdict *verdict)
{
    switch ((enum result)verdict->result) {
    case RESULT_ACCEPTED:
        counter_add(&counters->accepted, 1);
        break;
    case RESULT_DUPLICATE:
        counter_add(&counters->duplicate, 1);
        break;
    case RESULT_REFUSED:
        counter_add(&counters->refused, 1);
        break;
    case RESULT_REJECTED:
        counter_add(&counters->rejected[verdict->reason], 1);
        counter_add(&counters->outcomes[OUTCOME_rejected], 1);
        break;
    case RESULT_COUNT:
        assert(!"a result");
    }
    if (verdict->left_early)
        counter_add(&counters->left_early, verdict->left_early);
    if (verdict->flags & RECORD_LATE)
        counter_add(&counters->late, 1);
    if (verdict->flags & RECORD_CLAMPED)
        counter_add(&counters->clamped, 1);
}

/* record_story journals an event and what it led to, all in the open block. */
static void record_story(struct shard *shard, const struct event *event,
                         const struct verdict *verdict, const struct outcome *outcomes,
                         uint64_t now_ns)
{
    shard_note(shard, verdict->receive_ns, now_ns);
    shard->open->wire_ns[shard->open->event_count++] = event->wire_ns;
    uint64_t seq = verdict->seq;
    if (verdict->result != RESULT_DUPLICATE) {
        append_event(shard, event, verdict);
        seq++;
    }
    for (uint32_t i = 0; i < verdict->outcome_count; i++) {
        append_outcome(shard, event, seq + i, verdict->receive_ns, &outcomes[i]);
        shard_count_outcome(&shard->counters, &outcomes[i]);
    }
}

/* decide decides the event that waits at `at`. */
static struct answer decide(struct shard *shard, uint32_t at, uint64_t now_ns)
{
    const struct event *event = &shard->waiting[at];
    struct outcome outcomes[STATE_OUTCOMES_MAX];
    struct verdict verdict;
    state_apply_identified(shard->state, shard->rules, event, shard->identities[at], &verdict,
                           outcomes);
    struct answer answer = {
        .token = event->token,
        .seq = verdict.result == RESULT_DUPLICATE ? outcomes[0].first_seq : verdict.seq,
        .partition = event->partition,
        .result = verdict.result,
        .reason = verdict.reason,
        .reason_offset = verdict.reason_offset,
        .claim = verdict.claim,
    };
    count_verdict(&shard->counters, &verdict);
    if (verdict.result != RESULT_REFUSED) {
        record_story(shard, event, &verdict, outcomes, now_ns);
        answer.ordinal = shard->next_ordinal - 1;
    }
    return answer;
}

static uint64_t since(uint64_t now_ns, uint64_t then_ns)
{
    return now_ns > then_ns ? now_ns - then_ns : 0;
}

/* same_time returns where those end that came with the event at `at`, before `end`: what one burst
 * of a port gave has one time. */
static uint32_t same_time(const struct shard *shard, uint32_t at, uint32_t end)
{
    uint32_t next = at + 1;
    while (next < end && shard->waiting[next].wire_ns == shard->waiting[at].wire_ns)
        next++;
    return next;
}

static void tell_waits(struct shard *shard, uint64_t now_ns)
{
    for (uint32_t at = 0, next; at < shard->waiting_count; at = next) {
        next = same_time(shard, at, shard->waiting_count);
        histogram_record_times(&shard->ring_wait, since(now_ns, shard->waiting[at].wire_ns),
                               next - at);
    }
}

/* tell_decisions tells how long the accepted events in [first, end) of those that waited took. */
static void tell_decisions(struct shard *shard, const struct answer *answers, uint32_t first,
                           uint32_t end)
{
    uint64_t now_ns = clock_monotonic_ns();
    for (uint32_t at = first, next; at < end; at = next) {
        uint32_t accepted = 0;
        next = same_time(shard, at, end);
        for (uint32_t i = at; i < next; i++)
            accepted += answers[i - first].result == RESULT_ACCEPTED;
        if (accepted)
            histogram_record_times(&shard->decision, since(now_ns, shard->waiting[at].wire_ns),
                                   accepted);
    }
}

/* decide_waiting decides what waits, as long as there is room to record it.  Returns how many. */
static uint32_t decide_waiting(struct shard *shard, uint64_t now_ns)
{
    struct answer answers[SHARD_BURST];
    uint32_t first = shard->waiting_at, at = first;
    uint32_t hunts = shard->rules->hunt_count ? shard->rules->hunt_count : 1;
    uint32_t outcome_bytes = hunts * record_bytes(OUTCOME_BODY_MAX);
    for (; at < shard->waiting_count; at++) {
        if (!shard_make_room(shard, record_bytes(shard->waiting[at].len) + outcome_bytes))
            break;
        block_prefetch(shard->open);
        answers[at - first] = decide(shard, at, now_ns);
    }
    tell_decisions(shard, answers, first, at);
    /* In this order: an answer says that there is room in the ring again. */
    event_ring_release(shard->sources[shard->waiting_source], at - first);
    uint32_t pushed =
        answer_ring_push_burst(shard->answers[shard->waiting_source], answers, at - first);
    assert(pushed == at - first);
    shard->waiting_at = at;
    return pushed;
}

static void prefetch(struct shard *shard)
{
    for (uint32_t i = 0; i < shard->waiting_count; i++) {
        const struct event *event = &shard->waiting[i];
        for (uint32_t at = 0; at < event->len && at < PREFETCH_BYTES; at += 64)
            __builtin_prefetch(event->bytes + at);
    }
    state_prefetch(shard->state, shard->rules, shard->waiting, shard->waiting_count,
                   shard->identities);
}

/* take_burst looks at the next source that has events, at as many as its answers have room for.
 * Returns how many. */
static uint32_t take_burst(struct shard *shard, uint64_t now_ns, uint32_t most)
{
    for (uint32_t i = 0; i < shard->source_count; i++) {
        uint32_t source = shard->turn;
        shard->turn = source + 1 < shard->source_count ? source + 1 : 0;
        uint32_t room = answer_ring_room(shard->answers[source]);
        uint32_t taken =
            event_ring_peek(shard->sources[source], &shard->waiting, room < most ? room : most);
        if (!taken)
            continue;
        shard->waiting_source = source;
        shard->waiting_at = 0;
        shard->waiting_count = taken;
        tell_waits(shard, now_ns);
        prefetch(shard);
        return taken;
    }
    return 0;
}

static bool any_event(const struct shard *shard)
{
    for (uint32_t i = 0; i < shard->source_count; i++)
        if (event_ring_count(shard->sources[i]))
            return true;
    return false;
}

/* due returns whether the open block goes to the journal before it is full.  Only when the journal
 * has nothing else of ours: while it is busy with one group, the next one gathers, so that a slow
 * sync meets full blocks, not many that are nearly empty. */
static bool due(const struct shard *shard, uint64_t now_ns, bool rings_empty)
{
    if (!shard->open || !shard->open->record_count ||
        durable_ordinal(shard) + 1 != shard->open->first_ordinal)
        return false;
    return rings_empty || since(now_ns, shard->opened_ns) >= shard->group_commit_ns;
}

unsigned shard_poll(struct shard *shard, uint64_t now_ns, unsigned budget)
{
    unsigned copied = 0, taken = shard_take_correction(shard, now_ns);
    bool rings_empty = false, stuck = false;
    while (taken < budget && !rings_empty && !stuck) {
        uint32_t most = budget - taken < SHARD_BURST ? budget - taken : SHARD_BURST;
        if (!shard->open && !take_block(shard))
            stuck = true;
        else if (shard->waiting_at == shard->waiting_count && !take_burst(shard, now_ns, most))
            rings_empty = true;
        else
            taken += decide_waiting(shard, now_ns);
        stuck |= shard->waiting_at < shard->waiting_count;
    }
    if (stuck && any_event(shard))
        counter_add(&shard->counters.journal_waits, 1);
    if (shard->mirror)
        copied = mirror_poll(shard->mirror, shard->state, shard->next_ordinal - 1,
                             shard->rules->version);
    if (due(shard, now_ns, rings_empty) && hand_over(shard))
        return taken + 1 + copied;
    return taken + copied;
}

/* ---- configuration and end ---- */

static void set(uint64_t *counter, uint64_t value)
{
    __atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static void move_variants(struct shard_counters *to, const struct shard_counters *from, uint32_t i,
                          const struct rules_hunt *hunt, int old, const struct rules_hunt *was)
{
    for (uint32_t v = 0; v < CONF_VARIANTS_MAX; v++) {
        int old_variant = -1;
        if (hunt && was && v < hunt->variant_count)
            old_variant = rules_variant_of(was, hunt->variants[v].tag);
        bool stays = old_variant >= 0;
        set(&to->variant_users[i][v], stays ? from->variant_users[old][old_variant] : 0);
        set(&to->variant_awards[i][v], stays ? from->variant_awards[old][old_variant] : 0);
    }
}

/* move_awards keeps the counts of hunts that stay, and of variants that stay in them. */
static void move_awards(struct shard *shard, const struct rules *rules)
{
    const struct rules *before = shard->rules;
    struct shard_counters *to = &shard->counters, from = *to;
    for (uint32_t i = 0; i < CONF_HUNTS_MAX; i++) {
        const struct rules_hunt *hunt = i < rules->hunt_count ? &rules->hunts[i] : NULL;
        int old = hunt ? rules_find_hunt(before, hunt->key) : -1;
        set(&to->awards[i], old >= 0 ? from.awards[old] : 0);
        move_variants(to, &from, i, hunt, old, old >= 0 ? &before->hunts[old] : NULL);
    }
}

int shard_reconfigure(struct shard *shard, const struct rules *rules, const char *config_json,
                      uint32_t len)
{
    if (len > BLOCK_BYTES - sizeof(struct block_header) - record_bytes(0) - 8)
        return -EMSGSIZE;
    if (free_blocks(shard) < shard->block_count / 2)
        return -EAGAIN;
    if (shard->open && shard->open->record_count && !hand_over(shard))
        return -EAGAIN;
    if (!shard->open && !take_block(shard))
        return -EAGAIN;
    move_awards(shard, rules);
    shard->rules = rules;
    block_start(shard->open, shard->next_ordinal, rules->version);
    struct record *record = shard_append(shard, len);
    *record = (struct record){
        .body_len = len,
        .kind = RECORD_CONFIG,
        .partition = RECORD_NO_PARTITION,
        .receive_ns = shard->receive_ns,
    };
    memcpy(record + 1, config_json, len);
    return 0;
}

bool shard_flush(struct shard *shard)
{
    if (shard->open && shard->open->record_count && !hand_over(shard))
        return false;
    return shard->waiting_at == shard->waiting_count &&
           durable_ordinal(shard) + 1 == shard->next_ordinal;
}
