/* test_shard_block.c - blocks are handed over when they must be, and where there is no room nothing
 * is lost. */
#include <errno.h>

#include "tests/unit/graph/shard_kit.h"

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
    assert_int_equal(event_ring_count(&bed.events[0]), 60 - 4 * BLOCKS);
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

/* Which of its blocks the shard has filled with one event; it is given back. */
static struct block *one_more(uint64_t id)
{
    struct block_ref ref = {0};
    push(0, named(id, "u", "p"));
    shard_poll(&bed.shard, bed.now_ns + id * NS_PER_S, 64);
    shard_flush(&bed.shard);
    assert_int_equal(block_ring_pop_burst(&bed.to_journal, &ref, 1), 1);
    assert_int_equal(block_ring_push_burst(&bed.from_journal, &ref, 1), 1);
    return ref.block;
}

static void the_block_that_came_back_last_is_filled_next(void **state)
{
    (void)state;
    struct block *first = one_more(1);
    for (uint64_t id = 2; id < 20; id++)
        assert_ptr_equal(one_more(id), first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_free_block_nothing_is_taken_and_nothing_is_lost),
        TEST(a_block_holds_at_most_its_number_of_events),
        TEST(an_answer_ring_without_room_leaves_events_where_they_are),
        TEST(an_idle_journal_gets_a_block_at_once_and_a_busy_one_when_it_is_done),
        TEST(a_block_is_not_handed_over_while_events_wait),
        TEST(new_rules_begin_a_block_of_their_own_version),
        TEST(new_rules_leave_half_of_the_blocks_to_events),
        TEST(new_rules_wait_for_a_free_block),
        TEST(the_block_that_came_back_last_is_filled_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
