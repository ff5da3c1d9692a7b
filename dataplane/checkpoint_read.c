/* checkpoint_read.c - the last page, the index, then partition after partition. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/base/block.h"
#include "dataplane/base/segment.h"
#include "dataplane/checkpoint.h"
#include "graph/image.h"

/* read_block reads the block at offset, and checks that it is whole and belongs there.  Returns its
 * bytes on disk, or a negative errno. */
static int read_block(const struct checkpoint *c, uint64_t offset, enum checkpoint_kind kind,
                      uint8_t *block, size_t most)
{
    struct checkpoint_block header;
    size_t from = offsetof(struct checkpoint_block, file_id);
    ssize_t got = segment_pread(c->fd, block, most, offset);
    if (got < 0)
        return (int)got;
    if ((size_t)got < sizeof header)
        return -EBADMSG;
    memcpy(&header, block, sizeof header);
    if (header.magic != CHECKPOINT_MAGIC || header.offset != offset || header.kind != kind ||
        header.bytes > (size_t)got - sizeof header ||
        header.crc != crc32c(0, block + from, sizeof header - from + header.bytes))
        return -EBADMSG;
    if (c->file_id && header.file_id != c->file_id)
        return -EBADMSG;
    return (int)arena_round(sizeof header + header.bytes, CHECKPOINT_ALIGN);
}

static const struct checkpoint_block *header_of(const uint8_t *block)
{
    return (const struct checkpoint_block *)block;
}

static bool head_is_sound(const struct checkpoint *c)
{
    const struct checkpoint_head *head = &c->head;
    return head->epoch == c->id.epoch && head->number == c->id.number && head->shard_count &&
           head->shard_count <= CHECKPOINT_SHARDS_MAX && head->partition_count &&
           head->partition_count <= 65536 && head->index_offset < c->bytes &&
           head->index_offset % CHECKPOINT_ALIGN == 0;
}

static int read_head(struct checkpoint *c, uint8_t *block)
{
    struct stat st;
    if (fstat(c->fd, &st))
        return -errno;
    c->bytes = (uint64_t)st.st_size;
    if (c->bytes < 2ull * CHECKPOINT_ALIGN || c->bytes % CHECKPOINT_ALIGN)
        return -EBADMSG;
    int rc = read_block(c, c->bytes - CHECKPOINT_ALIGN, CHECKPOINT_END, block, CHECKPOINT_ALIGN);
    if (rc < 0)
        return rc;
    c->file_id = header_of(block)->file_id;
    memcpy(&c->head, block + sizeof(struct checkpoint_block), sizeof c->head);
    if (c->head.format > CHECKPOINT_FORMAT || c->head.image_format > IMAGE_FORMAT)
        return -EPROTONOSUPPORT;
    return header_of(block)->bytes == sizeof c->head && head_is_sound(c) ? 0 : -EBADMSG;
}

static int read_index(struct checkpoint *c, uint8_t *block)
{
    uint64_t offset = c->head.index_offset, hash = 0;
    uint32_t count = c->head.partition_count, at = 0;
    c->index = calloc(count, sizeof *c->index);
    if (!c->index)
        return -ENOMEM;
    while (at < count) {
        int bytes = read_block(c, offset, CHECKPOINT_INDEX, block, CHECKPOINT_BLOCK_BYTES);
        if (bytes < 0)
            return bytes;
        uint32_t here = header_of(block)->bytes / (uint32_t)sizeof *c->index;
        if (header_of(block)->partition != at || !here || here > count - at)
            return -EBADMSG;
        memcpy(c->index + at, block + sizeof(struct checkpoint_block), here * sizeof *c->index);
        at += here;
        offset += (uint64_t)bytes;
    }
    for (uint32_t p = 0; p < count; p++)
        hash = hash * 31 + c->index[p].hash;
    return hash == c->head.state_hash ? 0 : -EBADMSG;
}

int checkpoint_open(struct checkpoint *c, int dir_fd, struct checkpoint_id id)
{
    char name[CHECKPOINT_NAME_MAX];
    checkpoint_name(id, name);
    *c = (struct checkpoint){.id = id,
                             .fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (c->fd < 0)
        return -errno;
    uint8_t *block = aligned_alloc(CHECKPOINT_ALIGN, CHECKPOINT_BLOCK_BYTES);
    int rc = block ? read_head(c, block) : -ENOMEM;
    if (!rc)
        rc = read_index(c, block);
    free(block);
    return rc;
}

void checkpoint_close(struct checkpoint *c)
{
    if (c->fd >= 0)
        close(c->fd);
    free(c->index);
    *c = (struct checkpoint){.fd = -1};
}

static int load_chunk(const struct checkpoint *c, uint32_t partition, bool ids, struct state *state,
                      const uint8_t *at, uint32_t left)
{
    const struct image_chunk *chunk = (const struct image_chunk *)at;
    if (!c->corrections || left < sizeof *chunk || chunk->kind != IMAGE_CORRECTIONS)
        return image_load(state, partition, c->head.item_count, ids, at, left);
    pthread_mutex_lock(c->corrections);
    int rc = image_load(state, partition, c->head.item_count, ids, at, left);
    pthread_mutex_unlock(c->corrections);
    return rc;
}

static int load_block(const struct checkpoint *c, uint32_t partition, bool ids, struct state *state,
                      const uint8_t *block)
{
    const struct checkpoint_block *header = header_of(block);
    const uint8_t *at = block + sizeof *header;
    uint32_t left = header->bytes;
    if (header->partition != partition)
        return -EBADMSG;
    while (left) {
        int rc = load_chunk(c, partition, ids, state, at, left);
        if (rc < 0)
            return rc;
        at += rc;
        left -= (uint32_t)rc;
    }
    return 0;
}

int checkpoint_load(const struct checkpoint *c, uint32_t partition, bool ids, struct state *state,
                    uint8_t *block)
{
    const struct checkpoint_entry *entry = &c->index[partition];
    uint64_t offset = entry->offset;
    for (uint32_t i = 0; i < entry->blocks; i++) {
        int bytes = read_block(c, offset, CHECKPOINT_STATE, block, CHECKPOINT_BLOCK_BYTES);
        int rc = bytes < 0 ? bytes : load_block(c, partition, ids, state, block);
        if (rc)
            return rc;
        offset += (uint64_t)bytes;
    }
    uint64_t hash = ids ? entry->hash : entry->hash - entry->ids_hash;
    bool same = state_seq(state, partition) == entry->seq && state_hash(state, partition) == hash;
    return same ? 0 : -EBADMSG;
}
