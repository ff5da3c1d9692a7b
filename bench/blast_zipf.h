/* blast_zipf.h - ranks drawn with Zipf's popularity in constant time (alias method, Vose 1991).
 *
 * Memory:  one table of 8 bytes a rank.  Threads: any may draw; the caller brings the randomness.
 */
#pragma once

#include <stdint.h>

struct blast_zipf {
    uint32_t count;
    struct blast_zipf_column {
        uint32_t keep; /* of 2^32: how often this column is its own rank */
        uint32_t alias;
    } * columns;
};

/* blast_zipf_init prepares ranks [0, count), count in [1, 2^24], rank i with weight
 * 1 / (i + 1)^exponent; 0 is uniform.  Returns 0 or -ENOMEM. */
int blast_zipf_init(struct blast_zipf *zipf, uint32_t count, double exponent);
void blast_zipf_fini(struct blast_zipf *zipf);

/* blast_zipf_draw maps 64 random bits to a rank. */
static inline uint32_t blast_zipf_draw(const struct blast_zipf *zipf, uint64_t random)
{
    uint32_t rank = (uint32_t)((random >> 32) * zipf->count >> 32);
    const struct blast_zipf_column *column = &zipf->columns[rank];
    return (uint32_t)random <= column->keep ? rank : column->alias;
}
