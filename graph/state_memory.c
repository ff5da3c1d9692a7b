/* state_memory.c - what a state takes at start, what it comes to in a hash, and how full it is. */
#include <assert.h>

#include "graph/mix.h"
#include "graph/state_impl.h"

/* limit_of is a partition's share and eight standard deviations, so that uneven hashing does not
 * refuse early. */
static uint32_t limit_of(uint64_t total, uint32_t partition_count)
{
    uint64_t share = (total + partition_count - 1) / partition_count;
    uint64_t root = 1;
    while (root * root < share)
        root++;
    assert(share + 8 * root < UINT32_MAX / 2);
    return (uint32_t)(share + 8 * root);
}

static uint32_t lines_of(const struct state_limits *limits)
{
    return dedupe_line_count(limit_of(limits->dedupe_capacity, limits->partition_count),
                             (DEDUPE_LINES_MIN - 1) / limits->partition_count + 1);
}

static uint32_t owned_count(const struct state_limits *limits)
{
    return (limits->partition_count - limits->shard + limits->shard_count - 1) /
           limits->shard_count;
}

size_t state_footprint(const struct state_limits *limits)
{
    size_t partition = arena_round(sizeof(struct partition), 64) +
                       (size_t)lines_of(limits) * sizeof(struct dedupe_line) + 64 +
                       progress_footprint(limit_of(limits->users, limits->partition_count)) +
                       claims_footprint(limit_of(limits->claims, limits->partition_count));
    return arena_round(sizeof(struct state), 64) + 64 +
           arena_round(limits->partition_count * sizeof(struct partition *), 64) + 64 +
           arena_round(sizeof(struct walk), 64) + 64 + owned_count(limits) * partition +
           corrections_footprint(limits->partition_count, owned_count(limits),
                                 limit_of(limits->corrections, limits->partition_count));
}

struct state *state_init(struct arena *arena, const struct state_limits *limits)
{
    assert(limits->shard < limits->shard_count);
    struct state *state = arena_alloc(arena, sizeof *state, 64);
    assert(state);
    state->partition_count = limits->partition_count;
    state->by_id = arena_alloc(arena, limits->partition_count * sizeof(struct partition *), 64);
    state->walk = arena_alloc(arena, sizeof *state->walk, 64);
    assert(state->by_id && state->walk);
    static const uint8_t seed[HASH_SEED_BYTES];
    hash_key_init(&state->hash_key, seed);
    for (uint32_t p = limits->shard; p < limits->partition_count; p += limits->shard_count) {
        struct partition *partition = arena_alloc(arena, sizeof *partition, 64);
        assert(partition);
        dedupe_init(&partition->dedupe, arena,
                    limit_of(limits->dedupe_capacity, limits->partition_count), lines_of(limits),
                    limits->dedupe_window_ns);
        progress_init(&partition->progress, arena,
                      limit_of(limits->users, limits->partition_count));
        claims_init(&partition->claims, arena, limit_of(limits->claims, limits->partition_count));
        state->by_id[p] = partition;
    }
    uint32_t owned = owned_count(limits);
    corrections_init(&state->corrections, arena, limits->partition_count, owned,
                     limit_of(limits->corrections, limits->partition_count));
    state->dedupe_capacity = limits->dedupe_capacity * owned / limits->partition_count;
    state->users_capacity = limits->users * owned / limits->partition_count;
    state->claims_capacity = limits->claims * owned / limits->partition_count;
    state->corrections_capacity = limits->corrections * owned / limits->partition_count;
    return state;
}

size_t state_view_footprint(void)
{
    return arena_round(sizeof(struct state), 64) + arena_round(sizeof(struct walk), 64);
}

struct state *state_view(struct arena *arena, const struct state *state)
{
    struct state *view = arena_alloc(arena, sizeof *view, 64);
    assert(view);
    *view = *state;
    view->walk = arena_alloc(arena, sizeof *view->walk, 64);
    assert(view->walk);
    return view;
}

void state_clear(struct state *state)
{
    for (uint32_t p = 0; p < state->partition_count; p++) {
        struct partition *partition = state->by_id[p];
        if (!partition)
            continue;
        partition->seq = partition->last_ns = 0;
        dedupe_clear(&partition->dedupe);
        progress_clear_all(&partition->progress);
        claims_clear(&partition->claims);
    }
    corrections_clear(&state->corrections, state->partition_count);
}

uint64_t state_hash(const struct state *state, uint32_t id)
{
    const struct partition *partition = state_partition(state, id);
    return mix64(mix64(partition->seq) ^ partition->last_ns) +
           dedupe_hash(&partition->dedupe, partition->last_ns) +
           progress_hash(&partition->progress, partition->last_ns, &state->hash_key) +
           claims_hash(&partition->claims, partition->last_ns) +
           corrections_hash(&state->corrections, id, &state->hash_key);
}

uint64_t state_ids_hash(const struct state *state, uint32_t id)
{
    const struct partition *partition = state_partition(state, id);
    return dedupe_hash(&partition->dedupe, partition->last_ns);
}

void state_usage(const struct state *state, struct state_usage *usage)
{
    *usage = (struct state_usage){.dedupe_capacity = state->dedupe_capacity,
                                  .users_capacity = state->users_capacity,
                                  .claims_capacity = state->claims_capacity,
                                  .corrections_capacity = state->corrections_capacity};
    usage->corrections_used = __atomic_load_n(&state->corrections.used, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < state->partition_count; i++) {
        const struct partition *partition = state->by_id[i];
        if (!partition)
            continue;
        usage->dedupe_used += __atomic_load_n(&partition->dedupe.used, __ATOMIC_RELAXED);
        usage->users_used += __atomic_load_n(&partition->progress.used, __ATOMIC_RELAXED);
        usage->claims_used += __atomic_load_n(&partition->claims.used, __ATOMIC_RELAXED);
    }
}

uint64_t state_seq(const struct state *state, uint32_t id)
{
    return state_partition(state, id)->seq;
}

uint64_t state_last_ns(const struct state *state, uint32_t id)
{
    return state_partition(state, id)->last_ns;
}

bool state_owns(const struct state *state, uint32_t id)
{
    return id < state->partition_count && state->by_id[id];
}
