/* items.c - the item dictionary: names in blocks that never move, found through a hash table. */
#include "graph/items.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/event.h"
#include "dataplane/base/hash.h"
#include "graph/mix.h"

#define CHUNK_BITS  12 /* names a chunk */
#define CHUNK_NAMES (1u << CHUNK_BITS)
#define TEXT_BYTES  (64u << 10)

struct name {
    const char *text;
    uint32_t len;
};

struct text_block {
    struct text_block *next;
    uint32_t used;
    char text[TEXT_BYTES];
};

/* Readers hold names while the writer adds: chunks and texts stay where they are, and only the
 * writer looks at the table, which moves when it grows. */
struct items {
    uint32_t limit;
    uint32_t count;
    uint32_t slot_count; /* a power of two */
    uint32_t *slots;     /* id + 1, 0 when empty */
    struct text_block *texts;
    struct hash_key key;
    struct name *chunks[];
};

struct items *items_new(uint64_t limit)
{
    if (limit >= ITEM_NONE)
        limit = ITEM_NONE - 1;
    size_t chunk_count = (size_t)(limit >> CHUNK_BITS) + 1;
    struct items *items = calloc(1, sizeof *items + chunk_count * sizeof(struct name *));
    if (!items)
        return NULL;
    items->limit = (uint32_t)limit;
    items->slot_count = 1024;
    items->slots = calloc(items->slot_count, sizeof *items->slots);
    if (!items->slots) {
        free(items);
        return NULL;
    }
    static const uint8_t seed[HASH_SEED_BYTES];
    hash_key_init(&items->key, seed);
    return items;
}

void items_free(struct items *items)
{
    if (!items)
        return;
    for (uint32_t i = 0; i <= items->limit >> CHUNK_BITS; i++)
        free(items->chunks[i]);
    for (struct text_block *block = items->texts, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free(items->slots);
    free(items);
}

static const struct name *name_of(const struct items *items, uint32_t id)
{
    return &items->chunks[id >> CHUNK_BITS][id & (CHUNK_NAMES - 1)];
}

/* slot_of returns the slot that holds the name, or the empty one where it belongs. */
static uint32_t *slot_of(const struct items *items, const char *text, uint32_t len)
{
    uint32_t mask = items->slot_count - 1;
    uint32_t at = (uint32_t)hash64(&items->key, text, len) & mask;
    for (;; at = (at + 1) & mask) {
        uint32_t *slot = &items->slots[at];
        if (!*slot)
            return slot;
        const struct name *name = name_of(items, *slot - 1);
        if (name->len == len && !memcmp(name->text, text, len))
            return slot;
    }
}

static bool grow(struct items *items)
{
    uint32_t *old = items->slots;
    uint32_t old_count = items->slot_count;
    uint32_t *slots = calloc((size_t)old_count * 2, sizeof *slots);
    if (!slots)
        return false;
    items->slots = slots;
    items->slot_count = old_count * 2;
    for (uint32_t id = 0; id < items->count; id++) {
        const struct name *name = name_of(items, id);
        *slot_of(items, name->text, name->len) = id + 1;
    }
    free(old);
    return true;
}

static const char *keep_text(struct items *items, const char *text, uint32_t len)
{
    struct text_block *block = items->texts;
    if (!block || block->used + len > TEXT_BYTES) {
        block = malloc(sizeof *block);
        if (!block)
            return NULL;
        block->next = items->texts;
        block->used = 0;
        items->texts = block;
    }
    char *at = block->text + block->used;
    memcpy(at, text, len);
    block->used += len;
    return at;
}

uint32_t items_add(struct items *items, const char *text, uint32_t len)
{
    if (!len || len > EVENT_NAME_MAX || memchr(text, '\n', len))
        return ITEM_NONE;
    uint32_t *slot = slot_of(items, text, len);
    if (*slot)
        return *slot - 1;
    if (items->count == items->limit)
        return ITEM_NONE;
    if (items->count >= items->slot_count / 2) {
        if (!grow(items))
            return ITEM_NONE;
        slot = slot_of(items, text, len);
    }
    struct name **chunk = &items->chunks[items->count >> CHUNK_BITS];
    if (!*chunk && !(*chunk = calloc(CHUNK_NAMES, sizeof **chunk)))
        return ITEM_NONE;
    const char *kept = keep_text(items, text, len);
    if (!kept)
        return ITEM_NONE;
    uint32_t id = items->count++;
    (*chunk)[id & (CHUNK_NAMES - 1)] = (struct name){.text = kept, .len = len};
    *slot = id + 1;
    return id;
}

uint32_t items_find(const struct items *items, const char *text, uint32_t len)
{
    return *slot_of(items, text, len) - 1; /* an empty slot: 0 - 1 is ITEM_NONE */
}

uint32_t items_count(const struct items *items)
{
    return items->count;
}

const char *items_name(const struct items *items, uint32_t id, uint32_t *len)
{
    const struct name *name = name_of(items, id);
    *len = name->len;
    return name->text;
}

uint64_t items_hash(const struct items *items, uint32_t from, uint32_t to, uint64_t hash)
{
    for (uint32_t id = from; id < to; id++) {
        const struct name *name = name_of(items, id);
        hash = mix64(hash ^ hash64(&items->key, name->text, name->len));
    }
    return hash;
}

static int add_line(struct items *items, const char *line, size_t len)
{
    if (items->count == items->limit)
        return -ENOSPC;
    uint32_t id = items->count;
    if (len > EVENT_NAME_MAX || items_add(items, line, (uint32_t)len) != id)
        return -EBADMSG;
    return 0;
}

int items_load(struct items *items, FILE *in)
{
    char *line = NULL;
    size_t room = 0;
    off_t whole = 0; /* behind the last whole line */
    int rc = 0;
    ssize_t len;
    while (!rc && (len = getline(&line, &room, in)) > 0) {
        if (line[len - 1] != '\n') {
            /* A crash cut the last append short. */
            rc = fseeko(in, whole, SEEK_SET) ? -errno : 0;
            break;
        }
        rc = add_line(items, line, (size_t)len - 1);
        whole += len;
    }
    if (!rc && ferror(in))
        rc = -EIO;
    free(line);
    return rc;
}

int items_save(const struct items *items, uint32_t from, FILE *out)
{
    for (uint32_t id = from; id < items->count; id++) {
        const struct name *name = name_of(items, id);
        if (fwrite(name->text, 1, name->len, out) != name->len || putc('\n', out) == EOF)
            return -EIO;
    }
    return fflush(out) ? -errno : 0;
}
