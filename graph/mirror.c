/* mirror.c - array after array of a partition, slice after slice. */
#include "graph/mirror.h"

#include <string.h>

#include "graph/state_impl.h"

#define CORRECTIONS_SLICE (MIRROR_SLICE_BYTES / (uint32_t)sizeof(struct corrections_entry))

enum part { IDS, INDEX, ENTRIES, EXPIRIES, CLAIMS, CORRECTIONS };

static struct state_limits limits_of(const struct state_limits *limits)
{
    struct state_limits one = *limits;
    one.shard_count = one.partition_count;
    one.shard = 0;
    return one;
}

size_t mirror_footprint(const struct state_limits *limits)
{
    struct state_limits one = limits_of(limits);
    return state_footprint(&one);
}

void mirror_init(struct mirror *mirror, struct arena *arena, const struct state_limits *limits)
{
    struct state_limits one = limits_of(limits);
    *mirror = (struct mirror){.state = state_init(arena, &one)};
    mirror->partition = mirror->state->by_id[0];
}

/* What the arrays held of another partition is copied over, or behind what is in use. */
void mirror_ask(struct mirror *mirror, uint32_t partition)
{
    struct state *state = mirror->state;
    assert(mirror_done(mirror) && partition < state->partition_count);
    state->by_id[mirror->id] = NULL;
    state->by_id[partition] = mirror->partition;
    corrections_clear(&state->corrections, state->partition_count);
    mirror->id = partition;
    mirror->begun = false;
    atomic_store_explicit(&mirror->asked, partition + 1, memory_order_release);
}

bool mirror_done(const struct mirror *mirror)
{
    return !atomic_load_explicit(&mirror->asked, memory_order_acquire);
}

static void begin(struct mirror *mirror, struct state *state, struct partition *from)
{
    struct partition *to = mirror->partition;
    mirror->begun = true;
    mirror->part = IDS;
    mirror->at = 0;
    mirror->correction = state->corrections.first[mirror->id];
    from->dedupe.copy = to->dedupe.lines;
    from->progress.copy = &to->progress;
    from->claims.copy = to->claims.pool;
    state->corrections.copy = &mirror->state->corrections;
    state->corrections.copied_partition = mirror->id;
}

/* What is left is small: all that is no array. */
static void finish(struct mirror *mirror, struct state *state, struct partition *from,
                   uint64_t ordinal, uint32_t version)
{
    struct partition *to = mirror->partition;
    struct dedupe_line *lines = to->dedupe.lines;
    from->dedupe.copy = NULL;
    from->progress.copy = NULL;
    from->claims.copy = NULL;
    state->corrections.copy = NULL;
    to->seq = from->seq;
    to->last_ns = from->last_ns;
    to->dedupe = from->dedupe;
    to->dedupe.lines = lines;
    to->progress.fresh = from->progress.fresh;
    to->progress.used = from->progress.used;
    to->claims.fresh = from->claims.fresh;
    to->claims.used = from->claims.used;
    mirror->ordinal = ordinal;
    mirror->version = version;
    atomic_store_explicit(&mirror->asked, 0, memory_order_release);
}

static bool copy_corrections(struct mirror *mirror, const struct corrections *from)
{
    for (uint32_t i = 0; i < CORRECTIONS_SLICE && mirror->correction; i++) {
        const struct corrections_entry *entry = &from->pool[mirror->correction - 1];
        bool loaded = corrections_load(&mirror->state->corrections, entry);
        assert(loaded);
        mirror->correction = entry->next;
    }
    return mirror->correction == 0;
}

/* copy_slice copies from the array where the mirror stands.  True once all of it is copied: what
 * was added to it meanwhile was added to the copy. */
static bool copy_slice(struct mirror *mirror, const struct partition *from)
{
    const struct partition *to = mirror->partition;
    const struct {
        const void *from;
        void *to;
        size_t bytes;
    } arrays[] = {
        [IDS] = {from->dedupe.lines, to->dedupe.lines,
                 from->dedupe.line_count * sizeof *from->dedupe.lines},
        [INDEX] = {from->progress.lines, to->progress.lines,
                   from->progress.line_count * sizeof *from->progress.lines},
        [ENTRIES] = {from->progress.pool, to->progress.pool,
                     from->progress.fresh * sizeof *from->progress.pool},
        [EXPIRIES] = {from->progress.expiry.levels[0], to->progress.expiry.levels[0],
                      from->progress.fresh * sizeof *from->progress.expiry.levels[0]},
        [CLAIMS] = {from->claims.pool, to->claims.pool,
                    from->claims.fresh * sizeof *from->claims.pool},
    };
    size_t left = arrays[mirror->part].bytes - mirror->at;
    size_t bytes = left < MIRROR_SLICE_BYTES ? left : MIRROR_SLICE_BYTES;
    memcpy((uint8_t *)arrays[mirror->part].to + mirror->at,
           (const uint8_t *)arrays[mirror->part].from + mirror->at, bytes);
    mirror->at += bytes;
    return bytes == left;
}

unsigned mirror_poll(struct mirror *mirror, struct state *state, uint64_t ordinal, uint32_t version)
{
    uint32_t asked = atomic_load_explicit(&mirror->asked, memory_order_acquire);
    struct partition *from = asked ? state->by_id[asked - 1] : NULL;
    if (!from)
        return 0;
    if (!mirror->begun) {
        begin(mirror, state, from);
    } else if (mirror->part == CORRECTIONS) {
        if (copy_corrections(mirror, &state->corrections))
            finish(mirror, state, from, ordinal, version);
    } else if (copy_slice(mirror, from)) {
        mirror->part++;
        mirror->at = 0;
    }
    return 1;
}
