/* test_ring.c - order, capacity, and two threads that disagree about nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

#include "dataplane/base/answer.h"

#define SLOTS 64

static uint8_t memory[1 << 16] __attribute__((aligned(64)));

static struct answer_ring make(void)
{
    struct arena arena;
    struct answer_ring ring;
    arena_init(&arena, memory, sizeof memory);
    answer_ring_init(&ring, &arena, SLOTS);
    assert_true(arena.used <= answer_ring_footprint(SLOTS));
    return ring;
}

static void holds_slots_less_one_and_says_what_did_not_fit(void **state)
{
    (void)state;
    struct answer_ring ring = make();
    struct answer in[SLOTS + 8] = {0}, out[SLOTS + 8];
    for (uint32_t i = 0; i < SLOTS + 8; i++)
        in[i].token = i;
    assert_int_equal(answer_ring_room(&ring), SLOTS - 1);
    assert_int_equal(answer_ring_push_burst(&ring, in, SLOTS + 8), SLOTS - 1);
    assert_int_equal(answer_ring_push_burst(&ring, in, 1), 0);
    assert_int_equal(answer_ring_room(&ring), 0);
    assert_int_equal(answer_ring_pop_burst(&ring, out, SLOTS + 8), SLOTS - 1);
    for (uint32_t i = 0; i < SLOTS - 1; i++)
        assert_int_equal(out[i].token, i);
    assert_int_equal(answer_ring_pop_burst(&ring, out, 1), 0);
}

static void slots_are_filled_in_place_and_seen_once_published(void **state)
{
    (void)state;
    struct answer_ring ring = make();
    const struct answer *seen;
    struct answer out[SLOTS];
    for (uint32_t i = 0; i < SLOTS - 1; i++)
        *answer_ring_slot(&ring, i) = (struct answer){.token = i};
    assert_null(answer_ring_slot(&ring, SLOTS - 1));
    assert_int_equal(answer_ring_peek(&ring, &seen, SLOTS), 0);
    answer_ring_publish(&ring, SLOTS - 1);
    assert_null(answer_ring_slot(&ring, 0));
    assert_int_equal(answer_ring_pop_burst(&ring, out, SLOTS), SLOTS - 1);
    for (uint32_t i = 0; i < SLOTS - 1; i++)
        assert_int_equal(out[i].token, i);
    assert_non_null(answer_ring_slot(&ring, SLOTS - 2));
    assert_null(answer_ring_slot(&ring, SLOTS - 1));
}

static void a_peek_takes_nothing_and_ends_where_the_slots_do(void **state)
{
    (void)state;
    struct answer_ring ring = make();
    const struct answer *seen;
    struct answer in[SLOTS] = {0};
    for (uint32_t i = 0; i < SLOTS; i++)
        in[i].token = i;
    assert_int_equal(answer_ring_push_burst(&ring, in, SLOTS - 4), SLOTS - 4);
    assert_int_equal(answer_ring_peek(&ring, &seen, SLOTS), SLOTS - 4);
    answer_ring_release(&ring, SLOTS - 6);
    assert_int_equal(answer_ring_push_burst(&ring, in, 9), 9); /* five of them in front */
    assert_int_equal(answer_ring_peek(&ring, &seen, 1), 1);
    assert_int_equal(answer_ring_peek(&ring, &seen, SLOTS), 6);
    assert_int_equal(seen[0].token, SLOTS - 6);
    assert_int_equal(seen[2].token, 0);
    assert_int_equal(answer_ring_count(&ring), 11);
    answer_ring_release(&ring, 6);
    assert_int_equal(answer_ring_peek(&ring, &seen, SLOTS), 5);
    assert_int_equal(seen[0].token, 4);
    assert_int_equal(answer_ring_room(&ring), SLOTS - 1 - 5);
    answer_ring_release(&ring, 5);
    assert_int_equal(answer_ring_peek(&ring, &seen, SLOTS), 0);
}

#define TOTAL 200000u

static void *produce(void *arg)
{
    struct answer_ring *ring = arg;
    struct answer burst[8] = {0};
    for (uint32_t next = 0; next < TOTAL;) {
        uint32_t count = TOTAL - next < 8 ? TOTAL - next : 8;
        for (uint32_t i = 0; i < count; i++)
            burst[i] = (struct answer){.token = next + i, .seq = ~(uint64_t)(next + i)};
        uint32_t pushed = answer_ring_push_burst(ring, burst, count);
        next += pushed;
        if (!pushed)
            sched_yield();
    }
    return NULL;
}

/* produce_in_place does the same in the ring's own slots. */
static void *produce_in_place(void *arg)
{
    struct answer_ring *ring = arg;
    for (uint32_t next = 0; next < TOTAL;) {
        struct answer *slot;
        uint32_t count = 0;
        while (count < 8 && next < TOTAL && (slot = answer_ring_slot(ring, count))) {
            *slot = (struct answer){.token = next, .seq = ~(uint64_t)next};
            count++;
            next++;
        }
        if (count)
            answer_ring_publish(ring, count);
        else
            sched_yield();
    }
    return NULL;
}

static uint32_t pop(struct answer_ring *ring, struct answer *burst, uint32_t count)
{
    return answer_ring_pop_burst(ring, burst, count);
}

static uint32_t peek_and_release(struct answer_ring *ring, struct answer *burst, uint32_t count)
{
    const struct answer *seen;
    count = answer_ring_peek(ring, &seen, count);
    memcpy(burst, seen, count * sizeof *seen);
    answer_ring_release(ring, count);
    return count;
}

static void meet(void *(*producing)(void *arg),
                 uint32_t (*take)(struct answer_ring *ring, struct answer *burst, uint32_t count))
{
    struct answer_ring ring = make();
    pthread_t producer;
    assert_int_equal(pthread_create(&producer, NULL, producing, &ring), 0);
    struct answer burst[16];
    for (uint32_t next = 0; next < TOTAL;) {
        uint32_t count = take(&ring, burst, 16);
        for (uint32_t i = 0; i < count; i++, next++) {
            assert_int_equal(burst[i].token, next);
            assert_true(burst[i].seq == ~(uint64_t)next);
        }
        if (!count)
            sched_yield();
    }
    pthread_join(producer, NULL);
}

static void two_threads_see_every_value_once_in_order(void **state)
{
    (void)state;
    meet(produce, pop);
    meet(produce_in_place, peek_and_release);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_slots_less_one_and_says_what_did_not_fit),
        cmocka_unit_test(slots_are_filled_in_place_and_seen_once_published),
        cmocka_unit_test(a_peek_takes_nothing_and_ends_where_the_slots_do),
        cmocka_unit_test(two_threads_see_every_value_once_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
