/* mix.h - scrambling one word into another, where keyed hashes are already behind us.
 *
 * Memory: none.  Threads: any.
 */
#pragma once

#include <stdint.h>

/* mix64 is a bijection in which every input bit flips about half of the output's: the finalizer of
 * SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). */
static inline uint64_t mix64(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

/* mix_range maps 32 uniform bits to [0, count). */
static inline uint32_t mix_range(uint32_t bits, uint32_t count)
{
    return (uint32_t)((uint64_t)bits * count >> 32);
}
