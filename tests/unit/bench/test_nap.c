/* test_nap.c - a sender that always has something to do stands back now and then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/blast_nap.h"

static void work_without_a_pause_stands_back_after_100_ms_and_not_before(void **state)
{
    (void)state;
    uint64_t began_ns = clock_monotonic_ns();
    struct blast_nap nap = {.ns = 1000, .last_ns = 5};
    blast_nap_busy(&nap, 5);
    blast_nap_busy(&nap, 5 + 100 * NS_PER_MS);
    assert_int_equal(nap.last_ns, 5);
    blast_nap_busy(&nap, 5 + 100 * NS_PER_MS + 1);
    assert_true(nap.last_ns >= began_ns + BLAST_NAP_STAND_BACK);

    uint64_t last_ns = nap.last_ns; /* and the time counts anew from there */
    blast_nap_busy(&nap, last_ns + 100 * NS_PER_MS);
    assert_int_equal(nap.last_ns, last_ns);
    blast_nap_busy(&nap, last_ns + 100 * NS_PER_MS + 1);
    assert_true(nap.last_ns >= last_ns + BLAST_NAP_STAND_BACK);
}

static void a_sender_without_naps_never_stands_back(void **state)
{
    (void)state;
    struct blast_nap nap = {.ns = 0, .last_ns = 5};
    blast_nap_busy(&nap, UINT64_MAX);
    blast_nap_idle(&nap);
    assert_int_equal(nap.last_ns, 5);
}

static void a_nap_counts_as_standing_back(void **state)
{
    (void)state;
    uint64_t began_ns = clock_monotonic_ns();
    struct blast_nap nap = {.ns = 2000};
    blast_nap_idle(&nap);
    assert_true(nap.last_ns >= began_ns + nap.ns);
    uint64_t last_ns = nap.last_ns;
    blast_nap_busy(&nap, last_ns + 100 * NS_PER_MS);
    assert_int_equal(nap.last_ns, last_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_without_a_pause_stands_back_after_100_ms_and_not_before),
        cmocka_unit_test(a_sender_without_naps_never_stands_back),
        cmocka_unit_test(a_nap_counts_as_standing_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
