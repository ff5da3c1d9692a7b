/* checkpoint_verify.c - the state of a checkpoint, twice: as it is kept, as the journal makes it.
 */
#include "dataplane/checkpoint_verify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/replay.h"

/* The configuration of its time: how large the tables were is a part of their hash. */
static struct state *make_state(const struct store *store, const struct checkpoint *c,
                                struct arena *arena, char error[512])
{
    struct diag_list diags = {0};
    struct conf *conf = store_load(store, c->head.config_version, &diags);
    struct state *state = NULL;
    if (!conf)
        snprintf(error, 512, "configuration version %u cannot be used: %.400s",
                 c->head.config_version, diags.count ? diags.diags[0].text : "out of memory");
    diag_list_fini(&diags);
    if (!conf)
        return NULL;
    struct state_limits limits = replay_limits(conf, 1, 0);
    size_t bytes = state_footprint(&limits);
    conf_free(conf);
    if (arena_open(arena, bytes + CHECKPOINT_ALIGN, -1, false) == 0)
        state = state_init(arena, &limits);
    else
        snprintf(error, 512, "the state takes %zu MiB, more than there is", bytes >> 20);
    return state;
}

/* Every block of the file, and the state that they make. */
static int load(const struct checkpoint *c, struct state *state)
{
    uint8_t *block = aligned_alloc(CHECKPOINT_ALIGN, CHECKPOINT_BLOCK_BYTES);
    int rc = block ? 0 : -ENOMEM;
    for (uint32_t p = 0; !rc && p < c->head.partition_count; p++)
        rc = checkpoint_load(c, p, true, state, block);
    free(block);
    state_clear(state);
    return rc;
}

static int work_out(const struct store *store, const struct hash_key *key, struct items *items,
                    const struct checkpoint *c, const struct checkpoint_id *from,
                    struct state *state, struct checkpoint_proof *proof, char error[512])
{
    struct recovery recovery = {0};
    uint32_t count = c->head.partition_count;
    uint64_t *until = calloc(count, sizeof *until);
    const struct recover_request request = {
        .store = store,
        .key = key,
        .items = items,
        .states = &state,
        .shard_count = 1,
        .look = true,
        .from_first = !from,
        .with = from,
        .until = until,
        .alone = true,
    };
    for (uint32_t p = 0; until && p < count; p++)
        until[p] = c->index[p].seq;
    int rc = until ? recover(&request, &recovery, error) : -1;
    for (uint32_t p = count; !rc && p-- > 0;) {
        if (state_hash(state, p) == c->index[p].hash)
            continue;
        proof->different++;
        proof->first = p;
    }
    proof->events = recovery.events;
    proof->from = recovery.checkpoint;
    free(until);
    return rc;
}

int checkpoint_verify(const struct store *store, const struct hash_key *key, struct items *items,
                      struct checkpoint_id id, const struct checkpoint_id *from,
                      struct checkpoint_proof *proof, char error[512])
{
    struct checkpoint c;
    struct arena arena = {0};
    struct state *state = NULL;
    memset(proof, 0, sizeof *proof);
    int rc = checkpoint_open(&c, store->checkpoint_fd, id);
    snprintf(error, 512, "it cannot be read: %s", strerror(-rc));
    proof->head = c.head;
    if (!rc)
        state = make_state(store, &c, &arena, error);
    if (state)
        rc = load(&c, state);
    if (state && !rc)
        rc = work_out(store, key, items, &c, from, state, proof, error);
    else if (!rc)
        rc = -1;
    if (rc && rc != -EBADMSG)
        rc = -1;
    arena_close(&arena);
    checkpoint_close(&c);
    return rc;
}
