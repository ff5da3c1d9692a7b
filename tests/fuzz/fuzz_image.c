/* fuzz_image.c - any bytes as chunks of a checkpoint's partition: each is refused or taken, and
 * what was taken can be said and taken again. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "graph/image.h"

#define ITEMS 8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct state_limits limits = {
    .partition_count = 4096, /* so that a partition is small */
    .shard_count = 4096,
    .shard = 0,
    .dedupe_capacity = 4096,
    .users = 1 << 16,
    .claims = 1 << 16,
    .corrections = 4096,
    .dedupe_window_ns = 900000000000ull,
};

static struct state *make_state(void)
{
    size_t bytes = arena_round(state_footprint(&limits), 4096);
    struct arena arena;
    void *memory = aligned_alloc(4096, bytes);
    assert(memory);
    arena_init(&arena, memory, bytes);
    return state_init(&arena, &limits);
}

/* Returns whether all of it was taken. */
static bool take(struct state *state, const uint8_t *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        int rc = image_load(state, 0, ITEMS, true, bytes + at, (uint32_t)(len - at));
        if (rc < 0)
            return false;
        at += (size_t)rc;
    }
    return true;
}

static void say_again(const struct state *from, struct state *to)
{
    static uint8_t chunk[IMAGE_CHUNK_MAX] __attribute__((aligned(8)));
    struct image image;
    image_begin(&image, from, 0);
    for (uint32_t bytes; (bytes = image_next(&image, chunk));) {
        assert(bytes <= sizeof chunk);
        int rc = image_load(to, 0, ITEMS, true, chunk, bytes);
        assert(rc == (int)bytes || rc == -ENOSPC); /* keys that are made up may crowd a line */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct state *state, *again;
    if (!state) {
        state = make_state();
        again = make_state();
    }
    if (size > 1 << 16)
        return 0;
    uint8_t *bytes = aligned_alloc(8, arena_round(size + 1, 8));
    assert(bytes);
    memcpy(bytes, data, size);
    state_clear(state);
    state_clear(again);
    if (take(state, bytes, size))
        say_again(state, again);
    free(bytes);
    return 0;
}
