/* replay_base.c - the horizon's checkpoint, partition by partition. */
#include "dataplane/replay_base.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(char error[512], const struct checkpoint *c, int rc)
{
    char name[CHECKPOINT_NAME_MAX];
    checkpoint_name(c->id, name);
    snprintf(error, 512,
             "the journal begins with checkpoint %s, which cannot be read: %s; restore it from a "
             "copy",
             name,
             rc == -EBADMSG  ? "it does not verify"
             : rc == -ENOSPC ? "there is less room than it needs: limits.users, limits.claims and "
                               "limits.corrections were larger"
                             : strerror(-rc));
    return -1;
}

int replay_base_open(struct replay_base *base, const struct store *store, char error[512])
{
    struct horizon horizon;
    *base = (struct replay_base){.checkpoint = {.fd = -1}};
    int rc = horizon_load(store->dir_fd, &horizon);
    if (rc) {
        snprintf(error, 512, "data_dir %s: cannot read where its journal begins: %s", store->path,
                 strerror(-rc));
        return -1;
    }
    if (horizon_is_whole(&horizon))
        return 0;
    base->begins_ns = horizon.begins_ns;
    rc = checkpoint_open(&base->checkpoint, store->checkpoint_fd, horizon.base);
    if (rc)
        return fail(error, &base->checkpoint, rc);
    uint32_t count = base->checkpoint.head.partition_count;
    base->seq = calloc(count, sizeof *base->seq);
    base->block = aligned_alloc(CHECKPOINT_ALIGN, CHECKPOINT_BLOCK_BYTES);
    if (!base->seq || !base->block)
        return fail(error, &base->checkpoint, -ENOMEM);
    for (uint32_t p = 0; p < count; p++)
        base->seq[p] = base->checkpoint.index[p].seq;
    return 0;
}

void replay_base_close(struct replay_base *base)
{
    checkpoint_close(&base->checkpoint);
    free(base->seq);
    free(base->block);
    *base = (struct replay_base){.checkpoint = {.fd = -1}};
}

int replay_base_load(const struct replay_base *base, uint32_t partition, struct state *state,
                     char error[512])
{
    if (!base->begins_ns)
        return 0;
    int rc = checkpoint_load(&base->checkpoint, partition, false, state, base->block);
    return rc ? fail(error, &base->checkpoint, rc) : 0;
}

void replay_base_start(const struct replay_base *base, struct replay *replay)
{
    const struct checkpoint_head *head = &base->checkpoint.head;
    if (!base->begins_ns)
        return;
    struct replay_start start = {.epoch = head->epoch, .seq = base->seq};
    for (uint32_t s = 0; s < head->shard_count; s++)
        start.number[s] = head->shard[s].number;
    replay_start_at(replay, &start);
}
