/* test_shard.c - one answer for each event, each event's story whole in one block, and blocks
 * handed over when they must be. */
#include "tests/unit/graph/fixture.h"

#include <errno.h>
#include <stdatomic.h>

#include "dataplane/base/segment.h"
#include "graph/shard.h"

#define SOURCES    2
#define SLOTS      256
#define BLOCKS     3
#define COMMIT_NS  (200 * NS_PER_US)
#define ARENA      (4u << 20)
#define RECORD_MAX 20000

struct noted {
    uint8_t kind, reason;
    uint16_t partition, flags;
    uint64_t seq, ordinal, receive_ns;
    uint32_t version, block;
    struct outcome_view view;
    char hunt[65], user[65], items[256];
    uint32_t body_len;
};

/* A shard, its rings, and a journal that tests run by hand. */
static struct bed {
    struct fixture *f;
    struct host host;
    struct arena arena;
    struct event_ring events[SOURCES];
    struct answer_ring answers[SOURCES];
    struct correction_ask_ring asks;
    struct correction_answer_ring corrected;
    struct block_ring to_journal, from_journal;
    struct block blocks[BLOCKS];
    struct segment_mark mark;
    struct shard shard;
    uint64_t now_ns, next_token;
    struct noted noted[RECORD_MAX];
    uint32_t noted_count, block_count;
    uint32_t block_events[64];
} bed;

static const char graph[] = "p\tq\t1\nq\tp\t1\n";

static void wire_up(struct bed *b)
{
    struct event_ring *sources[SOURCES];
    struct answer_ring *answers[SOURCES];
    arena_init(&b->arena, calloc(1, ARENA), ARENA);
    for (int i = 0; i < SOURCES; i++) {
        event_ring_init(sources[i] = &b->events[i], &b->arena, SLOTS);
        answer_ring_init(answers[i] = &b->answers[i], &b->arena, SLOTS);
    }
    correction_ask_ring_init(&b->asks, &b->arena, CORRECTION_RING_SLOTS);
    correction_answer_ring_init(&b->corrected, &b->arena, CORRECTION_RING_SLOTS);
    block_ring_init(&b->to_journal, &b->arena, 8);
    block_ring_init(&b->from_journal, &b->arena, 8);
    for (int i = 0; i < BLOCKS; i++) {
        block_init(&b->blocks[i], &b->arena);
        struct block_ref ref = {.block = &b->blocks[i]};
        assert_int_equal(block_ring_push_burst(&b->from_journal, &ref, 1), 1);
    }
    struct shard_wiring wiring = {
        .source_count = SOURCES,
        .sources = sources,
        .answers = answers,
        .corrections = &b->asks,
        .corrected = &b->corrected,
        .to_journal = &b->to_journal,
        .from_journal = &b->from_journal,
        .mark = &b->mark,
        .next_ordinal = 1,
        .group_commit_ns = COMMIT_NS,
    };
    shard_init(&b->shard, b->host.state, b->f->rules, &wiring);
}

static int open(void **state)
{
    (void)state;
    memset(&bed, 0, sizeof bed);
    bed.f = fixture_open();
    const char *catalog = fixture_catalog(bed.f, graph);
    fixture_trail(bed.f, "trail", catalog, "p", "q")->min_step_ns = 0;
    fixture_basket(bed.f, "basket", catalog);
    fixture_build(bed.f);
    struct state_limits limits = small_limits;
    limits.dedupe_capacity = 160000;
    bed.host = host_open(limits);
    bed.now_ns = clock_monotonic_ns();
    wire_up(&bed);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    free(bed.arena.base);
    host_close(&bed.host);
    fixture_close(bed.f);
    return 0;
}

static void note(const struct block *block, const struct record *r, uint64_t ordinal)
{
    assert_true(bed.noted_count < RECORD_MAX);
    struct noted *n = &bed.noted[bed.noted_count++];
    *n = (struct noted){.kind = r->kind, .reason = r->reason, .partition = r->partition};
    n->flags = r->flags;
    n->seq = r->seq;
    n->ordinal = ordinal;
    n->receive_ns = r->receive_ns;
    n->version = block->config_version;
    n->block = bed.block_count;
    n->body_len = r->body_len;
    if (r->kind != RECORD_OUTCOME)
        return;
    assert_int_equal(outcome_decode(record_body(r), r->body_len, &n->view), 0);
    memcpy(n->hunt, n->view.hunt.text, n->view.hunt.len);
    memcpy(n->user, n->view.user.text, n->view.user.len);
    char *at = n->items;
    for (uint32_t i = 0; i < n->view.outcome.item_count; i++)
        at += sprintf(at, "%s%.*s", i ? " " : "", (int)n->view.item[i].len,
                      (const char *)n->view.item[i].text);
}

/* journal takes the blocks that wait, notes their records, and gives them back when asked to. */
static unsigned journal(bool give_back)
{
    static struct block_ref held[BLOCKS];
    static unsigned held_count;
    struct block_ref ref;
    unsigned count = 0;
    if (!bed.block_count)
        held_count = 0;
    for (; block_ring_pop_burst(&bed.to_journal, &ref, 1); count++) {
        const struct block *block = ref.block;
        uint32_t at = 0, end = block->used - (uint32_t)sizeof(struct block_header);
        uint64_t ordinal = block->first_ordinal;
        const struct record *r;
        while ((r = record_next(block->data + sizeof(struct block_header), end, &at)))
            note(block, r, ordinal++);
        assert_int_equal(at, end);
        assert_int_equal(ordinal, block->first_ordinal + block->record_count);
        bed.block_events[bed.block_count++] = block->event_count;
        held[held_count++] = ref;
    }
    if (!give_back)
        return count;
    if (bed.noted_count)
        atomic_store(&bed.mark.ordinal, bed.noted[bed.noted_count - 1].ordinal);
    assert_int_equal(block_ring_push_burst(&bed.from_journal, held, held_count), held_count);
    held_count = 0;
    return count;
}

static void push(uint32_t source, struct event event)
{
    static const uint8_t text[EVENT_BYTES_MAX];
    event.token = ++bed.next_token;
    event.wire_ns = bed.now_ns;
    if (!event.bytes)
        event.bytes = text;
    if (!event.len)
        event.len = 170;
    event.partition = event_partition(event.user_key.hi, bed.host.limits.partition_count);
    assert_int_equal(event_ring_push_burst(&bed.events[source], &event, 1), 1);
}

static struct answer answered(uint32_t source)
{
    struct answer answer;
    assert_int_equal(answer_ring_pop_burst(&bed.answers[source], &answer, 1), 1);
    return answer;
}

static struct event named(uint64_t id, const char *user, const char *item)
{
    struct event e = view(bed.f, id, user, item, T0 + id * NS_PER_S);
    e.bytes = (const uint8_t *)user;
    e.len = (uint16_t)strlen(user);
    e.user = (struct span){.off = 0, .len = e.len};
    return e;
}

static void an_event_and_its_outcomes_are_journaled_with_their_names(void **state)
{
    (void)state;
    push(0, named(1, "u-1", "p"));
    push(0, named(2, "u-1", "q"));
    push(0, named(1, "u-1", "p"));
    assert_int_equal(shard_poll(&bed.shard, bed.now_ns, 64), 4); /* three events and a block */
    assert_int_equal(journal(true), 1);
    const uint8_t kinds[] = {RECORD_EVENT,   RECORD_OUTCOME, RECORD_OUTCOME, RECORD_EVENT,
                             RECORD_OUTCOME, RECORD_OUTCOME, RECORD_OUTCOME};
    assert_int_equal(bed.noted_count, 7);
    for (uint64_t i = 0; i < 7; i++) {
        assert_int_equal(bed.noted[i].kind, kinds[i]);
        assert_int_equal(bed.noted[i].seq, i + 1);
        assert_int_equal(bed.noted[i].ordinal, i + 1);
    }
    assert_string_equal(bed.noted[1].hunt, "trail");
    assert_string_equal(bed.noted[1].user, "");
    assert_int_equal(bed.noted[1].view.id[0], 1);
    assert_int_equal(bed.noted[1].view.outcome.flags, OUTCOME_STEP);
    assert_int_equal(bed.noted[4].view.outcome.kind, OUTCOME_award);
    assert_string_equal(bed.noted[4].hunt, "trail");
    assert_string_equal(bed.noted[4].user, "u-1");
    assert_string_equal(bed.noted[4].items, "p q");
    assert_string_equal(bed.noted[5].hunt, "basket");
    assert_int_equal(bed.noted[6].view.outcome.kind, OUTCOME_duplicate);
    assert_string_equal(bed.noted[6].user, "u-1");
    assert_int_equal(bed.noted[6].view.outcome.first_seq, 1);
    assert_int_equal(bed.noted[3].receive_ns, T0 + 2 * NS_PER_S);
    assert_int_equal(bed.noted[5].receive_ns, T0 + 2 * NS_PER_S);
    assert_int_equal(bed.shard.counters.accepted, 2);
    assert_int_equal(bed.shard.counters.duplicate, 1);
    assert_int_equal(bed.shard.counters.awards[0], 1);
    assert_int_equal(bed.shard.counters.records, 7);
    assert_int_equal(bed.shard.decision.total, 2);
    assert_int_equal(bed.shard.ring_wait.total, 3);
}

static void a_user_with_escapes_is_decoded(void **state)
{
    (void)state;
    struct event e = named(1, "u\\u002d\\\"x", "p");
    e.flags |= EVENT_ESCAPED;
    push(0, e);
    push(0, e);
    shard_poll(&bed.shard, bed.now_ns, 64);
    journal(true);
    assert_string_equal(bed.noted[3].user, "u-\"x");
}

/* ---- corrections ---- */

static struct correction_ask asking(enum correction_wish wish, enum correction_kind kind)
{
    struct correction_ask ask = {.token = ++bed.next_token, .wish = (uint8_t)wish};
    struct correction *c = &ask.correction;
    *c = (struct correction){.id = {bed.next_token, 9},
                             .kind = (uint8_t)kind,
                             .user = "u-1",
                             .hunt = "trail",
                             .reason = "r",
                             .ref = "f",
                             .by = "b",
                             .receive_ns = T0 + 5 * NS_PER_S};
    c->partition = event_partition(hash128(&bed.f->key, "u-1", 3).hi, 16);
    return ask;
}

static struct correction_answer ask(struct correction_ask ask)
{
    struct correction_answer answer;
    assert_int_equal(correction_ask_ring_push_burst(&bed.asks, &ask, 1), 1);
    assert_true(shard_poll(&bed.shard, bed.now_ns, 64) >= 1);
    assert_int_equal(correction_answer_ring_pop_burst(&bed.corrected, &answer, 1), 1);
    assert_true(answer.token == ask.token);
    return answer;
}

static void a_correction_is_journaled_with_its_outcome_and_answered(void **state)
{
    (void)state;
    struct correction_ask grant = asking(CORRECTION_DO, CORRECTION_grant);
    struct correction_answer answer = ask(grant);
    assert_int_equal(answer.verdict.result, RESULT_ACCEPTED);
    assert_int_equal(answer.outcome.kind, OUTCOME_granted);
    assert_int_equal(answer.ordinal, 2);
    assert_int_equal(journal(true), 1);
    assert_int_equal(bed.noted_count, 2);
    assert_int_equal(bed.noted[0].kind, RECORD_CORRECTION);
    assert_int_equal(bed.noted[1].kind, RECORD_OUTCOME);
    assert_true(bed.noted[0].seq == 1 && bed.noted[1].seq == 2);
    assert_true(bed.noted[1].receive_ns == T0 + 5 * NS_PER_S);
    assert_string_equal(bed.noted[1].user, "u-1");
    assert_string_equal(bed.noted[1].hunt, "trail");
    assert_int_equal(bed.noted[1].view.outcome.kind, OUTCOME_granted);
    assert_true(bed.noted[1].view.id[0] == grant.correction.id[0]);
    assert_int_equal(bed.shard.counters.outcomes[OUTCOME_granted], 1);
    assert_int_equal(bed.shard.counters.accepted, 0);
    /* The event after it meets what it left. */
    push(0, named(1, "u-1", "p"));
    shard_poll(&bed.shard, bed.now_ns, 64);
    journal(true);
    assert_int_equal(bed.noted[3].view.outcome.flags, OUTCOME_DONE);
}

static void only_what_is_done_is_journaled(void **state)
{
    (void)state;
    struct correction_answer answer = ask(asking(CORRECTION_TRY, CORRECTION_grant));
    assert_int_equal(answer.outcome.kind, OUTCOME_granted);
    struct correction_ask grant = asking(CORRECTION_FIND, CORRECTION_grant), undo;
    assert_false(ask(grant).found);
    grant.wish = CORRECTION_DO;
    ask(grant);
    assert_int_equal(ask(grant).verdict.result, RESULT_DUPLICATE);
    grant.wish = CORRECTION_FIND;
    answer = ask(grant);
    assert_true(answer.found && answer.used_in == grant.correction.partition);
    undo = asking(CORRECTION_FIND, CORRECTION_undo);
    memcpy(undo.correction.undo, grant.correction.id, sizeof undo.correction.undo);
    answer = ask(undo);
    assert_true(!answer.found && answer.undo_found);
    assert_string_equal(answer.undone.user, "u-1");
    undo = asking(CORRECTION_DO, CORRECTION_grant);
    strcpy(undo.correction.hunt, "nosuch");
    assert_int_equal(ask(undo).verdict.result, RESULT_REJECTED);
    journal(true);
    assert_int_equal(bed.noted_count, 2);
}

static void a_correction_waits_for_a_block_as_events_do(void **state)
{
    (void)state;
    struct block_ref refs[BLOCKS];
    struct correction_answer answer;
    struct correction_ask grant = asking(CORRECTION_DO, CORRECTION_grant);
    assert_int_equal(block_ring_pop_burst(&bed.from_journal, refs, BLOCKS), BLOCKS);
    assert_int_equal(correction_ask_ring_push_burst(&bed.asks, &grant, 1), 1);
    assert_int_equal(shard_poll(&bed.shard, bed.now_ns, 64), 0);
    assert_int_equal(correction_answer_ring_pop_burst(&bed.corrected, &answer, 1), 0);
    assert_int_equal(block_ring_push_burst(&bed.from_journal, refs, BLOCKS), BLOCKS);
    assert_int_equal(shard_poll(&bed.shard, bed.now_ns, 64), 2);
    assert_int_equal(correction_answer_ring_pop_burst(&bed.corrected, &answer, 1), 1);
}

static void a_rejected_event_is_kept_with_its_reason(void **state)
{
    (void)state;
    struct event e = view(bed.f, 1, "u", "p", T0);
    e.reason = REASON_utf8;
    e.reason_offset = 31;
    push(1, e);
    e = view(bed.f, 2, "u", "p", T0);
    e.flags = 0;
    push(1, e);
    shard_poll(&bed.shard, bed.now_ns, 64);
    journal(true);
    assert_int_equal(bed.noted_count, 2);
    assert_int_equal(bed.noted[0].kind, RECORD_DEAD);
    assert_int_equal(bed.noted[0].reason, REASON_utf8);
    assert_int_equal(bed.noted[0].body_len, 170);
    assert_int_equal(bed.noted[1].reason, REASON_item_required);
    struct answer a = answered(1);
    assert_int_equal(a.result, RESULT_REJECTED);
    assert_int_equal(a.reason, REASON_utf8);
    assert_int_equal(a.reason_offset, 31);
    assert_int_equal(bed.shard.counters.rejected[REASON_utf8], 1);
    assert_int_equal(bed.shard.counters.outcomes[OUTCOME_rejected], 2);
}

static void every_event_is_answered_once_and_in_order(void **state)
{
    (void)state;
    for (uint64_t id = 1; id <= 200; id++)
        push(id % SOURCES, view(bed.f, id % 150, "u", id % 3 ? "p" : "q", T0));
    unsigned taken = 0;
    while (taken < 200)
        taken += shard_poll(&bed.shard, bed.now_ns, 16) ? 16 : 0;
    shard_flush(&bed.shard);
    journal(true);
    uint64_t tokens[SOURCES] = {0};
    for (uint32_t s = 0; s < SOURCES; s++) {
        for (int i = 0; i < 100; i++) {
            struct answer a = answered(s);
            assert_int_equal(a.token % SOURCES, s);
            assert_true(a.token > tokens[s]);
            tokens[s] = a.token;
            /* The answer is durable when the last of the event's records is. */
            const struct noted *last = &bed.noted[a.ordinal - 1];
            assert_int_equal(last->ordinal, a.ordinal);
            assert_int_equal(last->kind, RECORD_OUTCOME);
            assert_true(a.ordinal == bed.noted_count || last[1].kind == RECORD_EVENT ||
                        last[1].view.outcome.kind == OUTCOME_duplicate);
            if (a.result == RESULT_ACCEPTED)
                assert_int_equal(last[-2].seq, a.seq);
            else
                assert_int_equal(last->view.outcome.first_seq, a.seq);
        }
        assert_int_equal(answer_ring_count(&bed.answers[s]), 0);
    }
    assert_int_equal(bed.shard.counters.accepted, 150);
    assert_int_equal(bed.shard.counters.duplicate, 50);
}

static void without_a_free_block_nothing_is_taken_and_nothing_is_lost(void **state)
{
    (void)state;
    for (uint64_t id = 1; id <= 60; id++) {
        struct event e = view(bed.f, id, "u", "p", T0);
        e.len = 60000;
        push(0, e);
    }
    while (shard_poll(&bed.shard, bed.now_ns, 64))
        ;
    /* Blocks of four events each. */
    assert_int_equal(answer_ring_count(&bed.answers[0]), 4 * BLOCKS);
    assert_true(bed.shard.counters.journal_waits > 0);
    assert_false(shard_flush(&bed.shard));
    uint64_t waits = bed.shard.counters.journal_waits;
    shard_poll(&bed.shard, bed.now_ns, 64);
    assert_int_equal(bed.shard.counters.journal_waits, waits + 1);
    for (int i = 0; i < 100; i++) {
        journal(true);
        shard_poll(&bed.shard, bed.now_ns, 64);
        shard_flush(&bed.shard);
    }
    assert_int_equal(answer_ring_count(&bed.answers[0]), 60);
    assert_int_equal(bed.shard.counters.accepted, 60);
    assert_true(shard_flush(&bed.shard));
    for (uint32_t i = 1; i < bed.noted_count; i++) /* outcomes lie with their event */
        if (bed.noted[i].kind == RECORD_OUTCOME)
            assert_int_equal(bed.noted[i].block, bed.noted[i - 1].block);
}

static void a_block_holds_at_most_its_number_of_events(void **state)
{
    (void)state;
    struct event e = view(bed.f, 1, "u", "p", T0);
    e.reason = REASON_syntax;
    e.len = 1;
    for (uint32_t i = 0; i < 2 * BLOCK_EVENTS_MAX + 7; i++) {
        push(0, e);
        if (i % 64 == 0) {
            shard_poll(&bed.shard, bed.now_ns, 64);
            while (answer_ring_count(&bed.answers[0]))
                answered(0);
        }
        if (!bed.block_count)
            journal(false); /* kept busy: blocks go when they are full */
    }
    journal(true);
    shard_poll(&bed.shard, bed.now_ns, 64);
    shard_flush(&bed.shard);
    journal(true);
    uint32_t sum = 0, full = 0;
    for (uint32_t i = 0; i < bed.block_count; i++) {
        assert_true(bed.block_events[i] <= BLOCK_EVENTS_MAX);
        sum += bed.block_events[i];
        full += bed.block_events[i] == BLOCK_EVENTS_MAX;
    }
    assert_int_equal(sum, 2 * BLOCK_EVENTS_MAX + 7);
    assert_int_equal(full, 2);
    assert_int_equal(bed.noted_count, sum);
}

static void an_answer_ring_without_room_leaves_events_where_they_are(void **state)
{
    (void)state;
    for (uint64_t id = 0; id < SLOTS - 1; id++)
        push(0, view(bed.f, id, "u", "p", T0));
    for (int i = 0; i < 20; i++)
        shard_poll(&bed.shard, bed.now_ns, 64);
    assert_int_equal(answer_ring_room(&bed.answers[0]), 0);
    for (uint64_t id = 0; id < 10; id++)
        push(0, view(bed.f, 1000 + id, "u", "p", T0));
    push(1, view(bed.f, 2000, "u", "p", T0));
    journal(true);
    for (int i = 0; i < 20; i++)
        shard_poll(&bed.shard, bed.now_ns, 64);
    assert_int_equal(event_ring_count(&bed.events[0]), 10);
    assert_int_equal(event_ring_count(&bed.events[1]), 0);
    for (int i = 0; i < 4; i++)
        answered(0);
    shard_poll(&bed.shard, bed.now_ns, 64);
    assert_int_equal(event_ring_count(&bed.events[0]), 6);
}

static void an_idle_journal_gets_a_block_at_once_and_a_busy_one_when_it_is_done(void **state)
{
    (void)state;
    push(0, view(bed.f, 1, "u", "p", T0));
    shard_poll(&bed.shard, bed.now_ns, 64);
    assert_int_equal(journal(false), 1);
    push(0, view(bed.f, 2, "u", "p", T0));
    shard_poll(&bed.shard, bed.now_ns, 64);
    assert_int_equal(journal(false), 0);   /* the first block is not durable yet */
    for (uint64_t id = 3; id < 13; id++) { /* however long that takes: what comes gathers */
        push(0, view(bed.f, id, "u", "p", T0));
        assert_int_equal(shard_poll(&bed.shard, bed.now_ns + id * COMMIT_NS, 64), 1);
    }
    assert_int_equal(journal(true), 0);
    assert_int_equal(shard_poll(&bed.shard, bed.now_ns + 20 * COMMIT_NS, 64), 1);
    assert_int_equal(journal(true), 1);
    assert_int_equal(bed.block_events[1], 11);
    push(0, view(bed.f, 20, "u", "p", T0));
    shard_poll(&bed.shard, bed.now_ns, 64);
    assert_int_equal(journal(true), 1);
    assert_int_equal(shard_poll(&bed.shard, bed.now_ns + NS_PER_S, 64), 0); /* no empty blocks */
}

static void a_block_is_not_handed_over_while_events_wait(void **state)
{
    (void)state;
    for (uint64_t id = 1; id <= 40; id++)
        push(0, view(bed.f, id, "u", "p", T0));
    assert_int_equal(shard_poll(&bed.shard, bed.now_ns, 32), 32);
    assert_int_equal(journal(false), 0);
    assert_int_equal(shard_poll(&bed.shard, bed.now_ns, 32), 8 + 1);
    assert_int_equal(journal(true), 1);
    assert_int_equal(bed.block_events[0], 40);
}

static void new_rules_begin_a_block_of_their_own_version(void **state)
{
    (void)state;
    static const char text[] = "{\"version\":2}";
    push(0, named(1, "u", "p"));
    push(0, named(2, "u", "q"));
    shard_poll(&bed.shard, bed.now_ns, 64);
    journal(false);
    push(0, named(3, "u", "q"));
    shard_poll(&bed.shard, bed.now_ns, 64); /* stays in the open block */
    bed.f->conf.hunts[0] = bed.f->conf.hunts[1];
    bed.f->conf.hunts[1] = (struct conf_hunt){.kind = CONF_BASKET};
    bed.f->conf.hunt_count = 1;
    struct rules *next = rules_build(&bed.f->conf, 2, &bed.f->key, bed.f->items, &bed.f->diags);
    assert_int_equal(bed.shard.counters.awards[0], 1);
    assert_int_equal(bed.shard.counters.awards[1], 1);
    assert_int_equal(shard_reconfigure(&bed.shard, next, text, sizeof text - 1), 0);
    push(0, named(4, "u", "p"));
    shard_poll(&bed.shard, bed.now_ns, 64);
    shard_flush(&bed.shard);
    journal(true);
    assert_true(shard_flush(&bed.shard));
    uint32_t config = 0;
    for (uint32_t i = 0; i < bed.noted_count; i++) {
        if (bed.noted[i].kind == RECORD_CONFIG)
            config = i;
        assert_int_equal(bed.noted[i].version, config ? 2 : 1);
        assert_int_equal(bed.noted[i].ordinal, i + 1);
    }
    assert_int_equal(config, 9);
    assert_int_equal(bed.noted[config].partition, RECORD_NO_PARTITION);
    assert_int_equal(bed.noted[config].body_len, sizeof text - 1);
    assert_int_equal(bed.noted[config].receive_ns, T0 + 3 * NS_PER_S);
    assert_int_equal(bed.noted_count, config + 3);     /* one hunt is left */
    assert_int_equal(bed.shard.counters.awards[0], 1); /* of the basket, moved */
    assert_int_equal(bed.shard.counters.awards[1], 0);
    rules_free(next);
}

static struct rules *with_variants(uint32_t version, const char *first, const char *second)
{
    struct conf_hunt *basket = &bed.f->conf.hunts[1];
    basket->variant_count = 2;
    memset(basket->variants, 0, sizeof basket->variants);
    snprintf(basket->variants[0].name, CONF_NAME_MAX, "%s", first);
    snprintf(basket->variants[1].name, CONF_NAME_MAX, "%s", second);
    for (unsigned i = 0; i < 2; i++) {
        struct conf_variant *variant = &basket->variants[i];
        variant->weight = strcmp(variant->name, "double") == 0;
        snprintf(variant->reward, CONF_NAME_MAX, "for %.40s", variant->name);
    }
    return rules_build(&bed.f->conf, version, &bed.f->key, bed.f->items, &bed.f->diags);
}

static void counts_of_variants_follow_their_names(void **state)
{
    (void)state;
    const struct shard_counters *counters = &bed.shard.counters;
    struct rules *two = with_variants(2, "plain", "double");
    assert_int_equal(shard_reconfigure(&bed.shard, two, "{}", 2), 0);
    push(0, named(1, "u", "p"));
    push(0, named(2, "u", "q"));
    push(0, named(3, "v", "q"));
    shard_poll(&bed.shard, bed.now_ns, 64);
    shard_flush(&bed.shard);
    journal(true);
    assert_int_equal(counters->variant_users[1][0], 0);
    assert_int_equal(counters->variant_users[1][1], 2);
    assert_int_equal(counters->variant_awards[1][1], 1);
    unsigned awards = 0;
    for (uint32_t i = 0; i < bed.noted_count; i++) {
        const struct noted *n = &bed.noted[i];
        bool won = n->kind == RECORD_OUTCOME && n->view.outcome.kind == OUTCOME_award &&
                   strcmp(n->hunt, "basket") == 0;
        awards += won;
        assert_int_equal(n->view.variant.len, won ? 6 : 0);
        assert_int_equal(n->view.reward.len, won ? 10 : 0);
    }
    assert_int_equal(awards, 1);
    struct rules *three = with_variants(3, "double", "other");
    assert_int_equal(shard_reconfigure(&bed.shard, three, "{}", 2), 0);
    assert_int_equal(counters->variant_users[1][0], 2);
    assert_int_equal(counters->variant_awards[1][0], 1);
    assert_int_equal(counters->variant_users[1][1], 0);
    assert_int_equal(counters->variant_awards[1][1], 0);
    rules_free(two);
    rules_free(three);
}

/* Configurations applied one after the other while a sync is slow took the blocks that events
 * needed. */
static void new_rules_leave_half_of_the_blocks_to_events(void **state)
{
    (void)state;
    int applied = 0;
    while (applied <= BLOCKS && shard_reconfigure(&bed.shard, bed.f->rules, "{}", 2) == 0)
        applied++;
    assert_in_range(applied, 1, BLOCKS);
    push(0, named(1, "u", "p"));
    assert_int_equal(shard_poll(&bed.shard, bed.now_ns, 64), 1); /* there is still a block for it */
}

static void new_rules_wait_for_a_free_block(void **state)
{
    (void)state;
    for (int i = 0; i < BLOCKS; i++) {
        push(0, named((uint64_t)i + 1, "u", "p"));
        shard_poll(&bed.shard, bed.now_ns + (uint64_t)i * NS_PER_S, 64);
        shard_flush(&bed.shard);
    }
    assert_int_equal(shard_reconfigure(&bed.shard, bed.f->rules, "{}", 2), -EAGAIN);
    journal(true);
    assert_int_equal(shard_reconfigure(&bed.shard, bed.f->rules, "{}", 2), 0);
    assert_int_equal(shard_reconfigure(&bed.shard, bed.f->rules, "{}", BLOCK_BYTES), -EMSGSIZE);
}

static void a_refused_event_is_answered_and_not_journaled(void **state)
{
    (void)state;
    for (uint64_t id = 0; id < 12000; id++) {
        push(0, view(bed.f, id, "u", "p", T0));
        shard_poll(&bed.shard, bed.now_ns, 64);
        journal(true);
        bed.noted_count = bed.noted_count > 100 ? 0 : bed.noted_count;
        bed.block_count = bed.block_count > 50 ? 1 : bed.block_count;
        struct answer a = answered(0);
        if (a.result != RESULT_REFUSED)
            continue;
        assert_int_equal(a.seq, 0);
        assert_int_equal(a.ordinal, 0);
        assert_int_equal(a.reason, REASON_none);
        assert_int_equal(bed.shard.counters.refused, 1);
        assert_int_equal(bed.shard.counters.accepted, id);
        assert_int_equal(bed.shard.next_ordinal, 3 * id + 1);
        return;
    }
    fail();
}

static struct event claim(uint64_t id, const char *user)
{
    static char name[TILES_NAME_LEN + 1];
    const struct rules_hunt *hunt = &bed.f->rules->hunts[2];
    struct event e = view(bed.f, id, user, NULL, T0);
    tiles_name(&hunt->tiles_key, (struct tile){T0 / hunt->period_ns, 1}, name);
    e.type_key = hash64(&bed.f->key, "note", 4);
    e.flags = EVENT_HAS_TILE;
    e.bytes = (const uint8_t *)name;
    e.len = TILES_NAME_LEN;
    e.tile = (struct span){.len = TILES_NAME_LEN};
    return e;
}

static void a_claim_is_answered_with_its_outcome_and_a_repeat_with_the_same(void **state)
{
    (void)state;
    struct conf_hunt *hunt = &bed.f->conf.hunts[bed.f->conf.hunt_count++];
    *hunt = (struct conf_hunt){.name = "tiles",
                               .kind = CONF_TILES,
                               .types = 2,
                               .ends_ms = INT64_MAX,
                               .tiles = 10,
                               .live = 2,
                               .period_ns = NS_PER_S,
                               .map_ttl_ns = 3600 * NS_PER_S};
    fixture_build(bed.f);
    free(bed.arena.base);
    wire_up(&bed);
    static const struct {
        uint64_t id;
        const char *user, *claim;
        enum result result;
    } told[] = {{1, "a", "granted", RESULT_ACCEPTED},
                {2, "b", "taken", RESULT_ACCEPTED},
                {1, "a", "granted", RESULT_DUPLICATE},
                {2, "b", "taken", RESULT_DUPLICATE}};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        struct event e = claim(told[i].id, told[i].user);
        e.partition = 3; /* of the tile, not of the user */
        e.token = i + 1;
        assert_int_equal(event_ring_push_burst(&bed.events[0], &e, 1), 1);
        shard_poll(&bed.shard, bed.now_ns, 64);
        journal(true);
        struct answer a = answered(0);
        assert_int_equal(a.result, told[i].result);
        assert_string_equal(answer_claim_name(a.claim), told[i].claim);
        assert_int_equal(a.seq, i % 2 ? 3 : 1);
    }
    push(0, named(9, "c", "p"));
    shard_poll(&bed.shard, bed.now_ns, 64);
    assert_int_equal(answered(0).claim, ANSWER_CLAIM_NONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_event_and_its_outcomes_are_journaled_with_their_names),
        TEST(a_user_with_escapes_is_decoded),
        TEST(a_correction_is_journaled_with_its_outcome_and_answered),
        TEST(only_what_is_done_is_journaled),
        TEST(a_correction_waits_for_a_block_as_events_do),
        TEST(a_rejected_event_is_kept_with_its_reason),
        TEST(every_event_is_answered_once_and_in_order),
        TEST(without_a_free_block_nothing_is_taken_and_nothing_is_lost),
        TEST(a_block_holds_at_most_its_number_of_events),
        TEST(an_answer_ring_without_room_leaves_events_where_they_are),
        TEST(an_idle_journal_gets_a_block_at_once_and_a_busy_one_when_it_is_done),
        TEST(a_block_is_not_handed_over_while_events_wait),
        TEST(new_rules_begin_a_block_of_their_own_version),
        TEST(counts_of_variants_follow_their_names),
        TEST(new_rules_leave_half_of_the_blocks_to_events),
        TEST(new_rules_wait_for_a_free_block),
        TEST(a_refused_event_is_answered_and_not_journaled),
        TEST(a_claim_is_answered_with_its_outcome_and_a_repeat_with_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
