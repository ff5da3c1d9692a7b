/* test_zipf.c - the alias table gives each rank exactly its share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "bench/blast_zipf.h"

/* The share of the 2^64 random words that falls to each rank, summed over the columns. */
static void shares(const struct blast_zipf *zipf, double *share)
{
    for (uint32_t i = 0; i < zipf->count; i++) {
        double keep = (zipf->columns[i].keep + 1.0) / 0x1p32;
        share[i] += keep / zipf->count;
        share[zipf->columns[i].alias] += (1 - keep) / zipf->count;
    }
}

static void each_rank_gets_its_share(void **state)
{
    (void)state;
    static const uint32_t counts[] = {1, 2, 3, 10, 1000, 65537};
    static const double exponents[] = {0, 0.5, 1, 1.5, 4};
    for (size_t c = 0; c < 6; c++) {
        for (size_t e = 0; e < 5; e++) {
            struct blast_zipf zipf;
            assert_int_equal(blast_zipf_init(&zipf, counts[c], exponents[e]), 0);
            double *share = calloc(counts[c], sizeof *share);
            double sum = 0;
            for (uint32_t i = 0; i < counts[c]; i++)
                sum += pow(i + 1.0, -exponents[e]);
            shares(&zipf, share);
            for (uint32_t i = 0; i < counts[c]; i++)
                assert_true(fabs(share[i] - pow(i + 1.0, -exponents[e]) / sum) < 1e-8);
            free(share);
            blast_zipf_fini(&zipf);
        }
    }
}

static void a_draw_is_its_column_or_its_alias(void **state)
{
    (void)state;
    struct blast_zipf zipf;
    assert_int_equal(blast_zipf_init(&zipf, 100, 1), 0);
    for (uint64_t i = 0; i < 100; i++) {
        uint64_t column = (i << 32) / 100 + 1;
        assert_int_equal(blast_zipf_draw(&zipf, column << 32), i);
        uint32_t rank = blast_zipf_draw(&zipf, column << 32 | UINT32_MAX);
        assert_int_equal(rank, zipf.columns[i].keep == UINT32_MAX ? i : zipf.columns[i].alias);
    }
    assert_true(blast_zipf_draw(&zipf, UINT64_MAX) < 100);
    blast_zipf_fini(&zipf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rank_gets_its_share),
        cmocka_unit_test(a_draw_is_its_column_or_its_alias),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
