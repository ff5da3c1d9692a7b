/* blast_zipf.c - the alias table: every column is filled up to the mean by one other rank. */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "bench/blast_zipf.h"

static void fill(struct blast_zipf *zipf, double *weights, uint32_t *stack)
{
    uint32_t count = zipf->count;
    uint32_t poor = 0;     /* ranks below the mean, from the stack's bottom */
    uint32_t rich = count; /* the others, from its top */
    for (uint32_t i = 0; i < count; i++) {
        if (weights[i] < 1)
            stack[poor++] = i;
        else
            stack[--rich] = i;
    }
    while (poor > 0 && rich < count) {
        uint32_t low = stack[--poor];
        uint32_t high = stack[rich];
        zipf->columns[low].keep = (uint32_t)(weights[low] * (double)UINT32_MAX);
        zipf->columns[low].alias = high;
        weights[high] -= 1 - weights[low];
        if (weights[high] < 1) {
            rich++;
            stack[poor++] = high;
        }
    }
}

int blast_zipf_init(struct blast_zipf *zipf, uint32_t count, double exponent)
{
    assert(count > 0 && count <= 1u << 24);
    int rc = -ENOMEM;
    double sum = 0;
    double *weights = calloc(count, sizeof *weights);
    uint32_t *stack = malloc(count * sizeof *stack);
    *zipf = (struct blast_zipf){.count = count, .columns = malloc(count * sizeof *zipf->columns)};
    if (!weights || !stack || !zipf->columns)
        goto out;
    for (uint32_t i = 0; i < count; i++) {
        weights[i] = pow(i + 1.0, -exponent);
        sum += weights[i];
    }
    for (uint32_t i = 0; i < count; i++) {
        weights[i] *= count / sum;
        /* What rounding leaves over at the end is a full column. */
        zipf->columns[i] = (struct blast_zipf_column){.keep = UINT32_MAX, .alias = i};
    }
    fill(zipf, weights, stack);
    rc = 0;
out:
    free(weights);
    free(stack);
    if (rc < 0)
        blast_zipf_fini(zipf);
    return rc;
}

void blast_zipf_fini(struct blast_zipf *zipf)
{
    free(zipf->columns);
    zipf->columns = NULL;
}
