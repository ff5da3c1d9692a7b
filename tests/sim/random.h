/* random.h - the simulators' random numbers: the same seed gives the same run on every host.
 *
 * splitmix64 (Steele, Lea and Flood, 2014).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* random_below returns a number in [0, limit), limit >= 1. */
static inline uint32_t random_below(struct random *r, uint32_t limit)
{
    return (uint32_t)((random_next(r) >> 32) * limit >> 32);
}

/* random_between returns a number in [low, high]. */
static inline uint32_t random_between(struct random *r, uint32_t low, uint32_t high)
{
    return low + random_below(r, high - low + 1);
}

/* random_chance is true in so many of a thousand cases. */
static inline bool random_chance(struct random *r, uint32_t per_mille)
{
    return random_below(r, 1000) < per_mille;
}
