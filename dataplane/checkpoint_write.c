/* checkpoint_write.c - partition after partition into blocks, then the index, then the last page.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/base/block.h"
#include "dataplane/base/clock.h"
#include "dataplane/checkpoint.h"
#include "graph/image.h"

#define ROOM (CHECKPOINT_BLOCK_BYTES - (uint32_t)sizeof(struct checkpoint_block))

static void temporary_name(const struct checkpoint_writer *w, char name[CHECKPOINT_NAME_MAX])
{
    snprintf(name, CHECKPOINT_NAME_MAX, ".%06u-%06u.ckp.new", w->head.epoch, w->head.number);
}

int checkpoint_create(struct checkpoint_writer *w, const struct file_ops *ops, int dir_fd,
                      const struct checkpoint_head *head)
{
    char name[CHECKPOINT_NAME_MAX];
    *w = (struct checkpoint_writer){
        .ops = ops,
        .dir_fd = dir_fd,
        .handle = -1,
        .head = *head,
        .block = aligned_alloc(CHECKPOINT_ALIGN, CHECKPOINT_BLOCK_BYTES),
        .index = calloc(head->partition_count, sizeof *w->index),
    };
    if (!w->block || !w->index)
        return -ENOMEM;
    w->head.format = CHECKPOINT_FORMAT;
    w->head.image_format = IMAGE_FORMAT;
    const uint64_t made[2] = {clock_realtime_ns(), clock_monotonic_ns()};
    w->file_id = XXH3_64bits_withSeed(&w->head, sizeof w->head, made[0] ^ made[1] << 20);
    temporary_name(w, name);
    int handle = ops->create(ops->disk, dir_fd, name);
    if (handle < 0)
        return handle;
    w->handle = handle;
    return 0;
}

/* put writes the block that was filled, and empties it. */
static int put(struct checkpoint_writer *w, enum checkpoint_kind kind, uint32_t partition)
{
    struct checkpoint_block header = {
        .magic = CHECKPOINT_MAGIC,
        .file_id = w->file_id,
        .offset = w->offset,
        .bytes = w->used,
        .kind = (uint16_t)kind,
        .partition = partition,
    };
    size_t len = sizeof header + w->used, bytes = arena_round(len, CHECKPOINT_ALIGN);
    memcpy(w->block, &header, sizeof header);
    memset(w->block + len, 0, bytes - len);
    header.crc = crc32c(0, w->block + offsetof(struct checkpoint_block, file_id),
                        len - offsetof(struct checkpoint_block, file_id));
    memcpy(w->block, &header, sizeof header);
    int rc = w->ops->write(w->ops->disk, w->handle, w->block, bytes, w->offset);
    w->offset += bytes;
    w->used = 0;
    return rc;
}

static uint8_t *room(const struct checkpoint_writer *w)
{
    return w->block + sizeof(struct checkpoint_block) + w->used;
}

int checkpoint_add(struct checkpoint_writer *w, const struct state *state, uint64_t ordinal,
                   uint32_t version)
{
    uint32_t partition = w->count++, bytes;
    struct checkpoint_entry *entry = &w->index[partition];
    struct image image;
    *entry = (struct checkpoint_entry){
        .offset = w->offset,
        .seq = state_seq(state, partition),
        .receive_ns = state_last_ns(state, partition),
        .ordinal = ordinal,
        .hash = state_hash(state, partition),
        .ids_hash = state_ids_hash(state, partition),
        .version = version,
    };
    image_begin(&image, state, partition);
    while ((bytes = image_next(&image, room(w)))) {
        w->used += bytes;
        if (ROOM - w->used >= IMAGE_CHUNK_MAX)
            continue;
        int rc = put(w, CHECKPOINT_STATE, partition);
        if (rc)
            return rc;
        entry->blocks++;
    }
    if (!w->used)
        return 0;
    entry->blocks++;
    return put(w, CHECKPOINT_STATE, partition);
}

static int put_index(struct checkpoint_writer *w)
{
    uint32_t most = ROOM / (uint32_t)sizeof *w->index;
    w->head.index_offset = w->offset;
    for (uint32_t at = 0; at < w->count;) {
        uint32_t count = w->count - at < most ? w->count - at : most;
        w->used = count * (uint32_t)sizeof *w->index;
        memcpy(w->block + sizeof(struct checkpoint_block), w->index + at, w->used);
        int rc = put(w, CHECKPOINT_INDEX, at);
        if (rc)
            return rc;
        at += count;
    }
    return 0;
}

static void sum_up(struct checkpoint_writer *w)
{
    w->head.state_hash = 0;
    for (uint32_t p = 0; p < w->count; p++) {
        w->head.state_hash = w->head.state_hash * 31 + w->index[p].hash;
        if (w->index[p].version > w->head.config_version)
            w->head.config_version = w->index[p].version;
    }
}

int checkpoint_finish(struct checkpoint_writer *w)
{
    char from[CHECKPOINT_NAME_MAX], to[CHECKPOINT_NAME_MAX];
    assert(w->count == w->head.partition_count);
    sum_up(w);
    int rc = put_index(w);
    if (!rc) {
        w->used = sizeof w->head;
        memcpy(w->block + sizeof(struct checkpoint_block), &w->head, sizeof w->head);
        rc = put(w, CHECKPOINT_END, 0);
    }
    if (!rc)
        rc = w->ops->sync(w->ops->disk, w->handle);
    int closed = w->ops->close(w->ops->disk, w->handle);
    w->handle = -1;
    temporary_name(w, from);
    checkpoint_name((struct checkpoint_id){w->head.epoch, w->head.number}, to);
    if (!rc)
        rc = closed;
    if (!rc)
        rc = w->ops->rename(w->ops->disk, w->dir_fd, from, to);
    if (rc)
        (void)w->ops->remove(w->ops->disk, w->dir_fd, from);
    return rc ? rc : w->ops->sync_dir(w->ops->disk, w->dir_fd);
}

void checkpoint_fini(struct checkpoint_writer *w)
{
    char name[CHECKPOINT_NAME_MAX];
    if (w->handle >= 0) {
        (void)w->ops->close(w->ops->disk, w->handle);
        temporary_name(w, name);
        (void)w->ops->remove(w->ops->disk, w->dir_fd, name);
    }
    free(w->block);
    free(w->index);
    *w = (struct checkpoint_writer){.handle = -1};
}
