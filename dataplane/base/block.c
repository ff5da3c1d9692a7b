/* block.c - fills, seals and checks blocks. */
#include "dataplane/base/block.h"

#include <assert.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "structs are written as they lie in memory");
static_assert(BLOCK_BYTES % BLOCK_ALIGN == 0, "a full block needs no padding");

/* The CRC covers what follows it in the header, and the records behind. */
#define CRC_FROM offsetof(struct block_header, file_id)

static uint32_t block_crc(const uint8_t *data, uint32_t bytes)
{
    return crc32c(0, data + CRC_FROM, sizeof(struct block_header) - CRC_FROM + bytes);
}

static uint32_t block_disk_bytes(uint32_t used)
{
    return (uint32_t)arena_round(used, BLOCK_ALIGN);
}

static void place_advance(struct block_place *place, const struct block_header *header)
{
    place->offset += block_disk_bytes((uint32_t)sizeof *header + header->bytes);
    place->prev_hash = XXH3_64bits(header, sizeof *header);
    place->next_ordinal += header->record_count;
}

size_t block_footprint(void)
{
    return BLOCK_BYTES + BLOCK_EVENTS_MAX * sizeof(uint64_t) + BLOCK_ALIGN;
}

void block_init(struct block *block, struct arena *arena)
{
    *block = (struct block){
        .data = arena_alloc(arena, BLOCK_BYTES, BLOCK_ALIGN),
        .wire_ns = arena_alloc(arena, BLOCK_EVENTS_MAX * sizeof(uint64_t), sizeof(uint64_t)),
    };
    assert(block->data && block->wire_ns);
    block_start(block, 0, 0);
}

void block_start(struct block *block, uint64_t first_ordinal, uint32_t config_version)
{
    block->first_ordinal = first_ordinal;
    block->config_version = config_version;
    block->used = sizeof(struct block_header);
    block->prefetched = 0;
    block->record_count = 0;
    block->event_count = 0;
    block->group_pages = 0;
}

uint32_t block_seal(struct block *block, struct block_place *place)
{
    assert(block->first_ordinal == place->next_ordinal);
    struct block_header *header = (struct block_header *)(void *)block->data;
    *header = (struct block_header){
        .magic = BLOCK_MAGIC,
        .file_id = place->file_id,
        .offset = place->offset,
        .prev_hash = place->prev_hash,
        .first_ordinal = block->first_ordinal,
        .record_count = block->record_count,
        .bytes = block->used - (uint32_t)sizeof *header,
        .config_version = block->config_version,
        .group_pages = block->group_pages,
    };
    header->crc = block_crc(block->data, header->bytes);
    uint32_t bytes = block_disk_bytes(block->used);
    memset(block->data + block->used, 0, bytes - block->used);
    place_advance(place, header);
    return bytes;
}

static bool all_zero(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i])
            return false;
    return true;
}

enum block_fault block_check(const uint8_t *data, size_t room, struct block_place *place,
                             const struct block_header **header)
{
    if (all_zero(data, room < sizeof **header ? room : sizeof **header))
        return BLOCK_END;
    if (room < sizeof **header)
        return BLOCK_TORN;
    const struct block_header *h = (const struct block_header *)(const void *)data;
    if (h->magic != BLOCK_MAGIC || h->bytes > BLOCK_BYTES - sizeof *h ||
        h->bytes > room - sizeof *h || h->crc != block_crc(data, h->bytes))
        return BLOCK_TORN;
    if (h->file_id != place->file_id || h->offset != place->offset)
        return BLOCK_MISPLACED;
    if (h->prev_hash != place->prev_hash || h->first_ordinal != place->next_ordinal)
        return BLOCK_UNCHAINED;
    place_advance(place, h);
    *header = h;
    return BLOCK_OK;
}
