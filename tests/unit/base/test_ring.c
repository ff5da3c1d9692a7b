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

static void two_threads_see_every_value_once_in_order(void **state)
{
    (void)state;
    struct answer_ring ring = make();
    pthread_t producer;
    assert_int_equal(pthread_create(&producer, NULL, produce, &ring), 0);
    struct answer burst[16];
    for (uint32_t next = 0; next < TOTAL;) {
        uint32_t count = answer_ring_pop_burst(&ring, burst, 16);
        for (uint32_t i = 0; i < count; i++, next++) {
            assert_int_equal(burst[i].token, next);
            assert_true(burst[i].seq == ~(uint64_t)next);
        }
        if (!count)
            sched_yield();
    }
    pthread_join(producer, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_slots_less_one_and_says_what_did_not_fit),
        cmocka_unit_test(two_threads_see_every_value_once_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
