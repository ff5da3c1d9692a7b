/* test_busy.c - who is measured meets a core that is taken, and finds it free behind. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/busy.h"

static uint32_t last_core(void)
{
    cpu_set_t set;
    uint32_t core = 0;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    for (uint32_t c = 0; c < CPU_SETSIZE; c++)
        if (CPU_ISSET(c, &set))
            core = c;
    return core;
}

static void assert_turns(struct busy *busy)
{
    uint64_t before = atomic_load(&busy->turns);
    while (atomic_load(&busy->turns) < before + 1000)
        sched_yield();
}

static void a_core_is_taken_until_it_is_stopped(void **state)
{
    (void)state;
    struct busy busy = {0};
    cpu_set_t set;
    assert_int_equal(busy_start(&busy, last_core()), 0);
    assert_int_equal(busy.count, 1);
    assert_turns(&busy);
    assert_int_equal(pthread_getaffinity_np(busy.threads[0], sizeof set, &set), 0);
    assert_int_equal(CPU_COUNT(&set), 1);
    assert_true(CPU_ISSET(last_core(), &set));
    busy_stop(&busy);
    uint64_t turns = atomic_load(&busy.turns);
    for (int i = 0; i < 1000; i++)
        sched_yield();
    assert_int_equal(busy.count, 0);
    assert_int_equal(atomic_load(&busy.turns), turns);
}

/* Who measures at the priority of journals must not hand it on: a core would be shut. */
static void it_has_a_workers_priority_whoever_starts_it(void **state)
{
    (void)state;
    struct busy busy = {0};
    struct sched_param param = {.sched_priority = 2};
    int policy = -1, rc = pthread_setschedparam(pthread_self(), SCHED_FIFO, &param);
    assert_true(rc == 0 || rc == EPERM); /* without the right to, nothing is handed on */
    rc = busy_start(&busy, last_core());
    param.sched_priority = 0;
    assert_int_equal(pthread_setschedparam(pthread_self(), SCHED_OTHER, &param), 0);
    assert_int_equal(rc, 0);
    assert_int_equal(pthread_getschedparam(busy.threads[0], &policy, &param), 0);
    assert_int_equal(policy, SCHED_OTHER);
    busy_stop(&busy);
}

static void a_core_that_is_not_there_is_told(void **state)
{
    (void)state;
    struct busy busy = {0};
    assert_int_equal(busy_start(&busy, CPU_SETSIZE - 1), -EINVAL);
    assert_int_equal(busy.count, 0);
    busy_stop(&busy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_core_is_taken_until_it_is_stopped),
        cmocka_unit_test(it_has_a_workers_priority_whoever_starts_it),
        cmocka_unit_test(a_core_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
