/* shard_kit.h - what the tests of a shard share: one with its rings and two hunts, and a journal
 * that is run by hand and notes every record.
 *
 * Memory:  a bed in static memory, its arena by malloc.  Threads: one.
 */
#pragma once

#include <stdatomic.h>

#include "dataplane/base/segment.h"
#include "graph/shard.h"
#include "tests/unit/graph/fixture.h"

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

static inline void wire_up(struct bed *b)
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

static inline int open(void **state)
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

static inline int close_all(void **state)
{
    (void)state;
    free(bed.arena.base);
    host_close(&bed.host);
    fixture_close(bed.f);
    return 0;
}

static inline void note(const struct block *block, const struct record *r, uint64_t ordinal)
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
static inline unsigned journal(bool give_back)
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

static inline void push(uint32_t source, struct event event)
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

static inline struct answer answered(uint32_t source)
{
    struct answer answer;
    assert_int_equal(answer_ring_pop_burst(&bed.answers[source], &answer, 1), 1);
    return answer;
}

static inline struct event named(uint64_t id, const char *user, const char *item)
{
    struct event e = view(bed.f, id, user, item, T0 + id * NS_PER_S);
    e.bytes = (const uint8_t *)user;
    e.len = (uint16_t)strlen(user);
    e.user = (struct span){.off = 0, .len = e.len};
    return e;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open, close_all)
