/* crash_states.c - the states of all shards, live or recovered, and one hash of them. */
#include <stdlib.h>

#include "tests/sim/crash.h"

void crash_states_open(struct crash *sim, struct crash_states *states, uint32_t count)
{
    states->count = count;
    for (uint32_t s = 0; s < count; s++) {
        struct state_limits limits = replay_limits(sim->conf, count, s);
        size_t bytes = arena_round(state_footprint(&limits), BLOCK_ALIGN);
        struct arena arena;
        states->memory[s] = calloc(1, bytes + BLOCK_ALIGN);
        if (!states->memory[s])
            crash_die("no memory", "state");
        arena = (struct arena){.base = (void *)arena_round((size_t)states->memory[s], BLOCK_ALIGN),
                               .bytes = bytes,
                               .mapped = true};
        states->state[s] = state_init(&arena, &limits);
    }
}

void crash_states_close(struct crash_states *states)
{
    for (uint32_t s = 0; s < states->count; s++)
        free(states->memory[s]);
}

uint64_t crash_states_hash(const struct crash_states *states)
{
    uint64_t hash = 1;
    for (uint32_t p = 0; p < PARTITIONS; p++)
        hash = hash * 31 + state_hash(states->state[p % states->count], p);
    return hash;
}
