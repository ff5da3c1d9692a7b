/* blast_items.c - item names, numbered or out of a catalog. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/blast_items.h"
#include "bench/blast_profile.h"
#include "dataplane/base/hash.h"

/* Names seen, by hash: open addressing, at most half full. */
struct seen {
    struct hash_key key;
    uint32_t mask;
    struct seen_slot {
        uint64_t hash;
        uint32_t used;
    } * slots;
};

static int grow(struct blast_items *items, size_t bytes)
{
    if (items->text_bytes + bytes + BLAST_ITEM_CHUNK > items->text_room) {
        size_t room = 2 * (items->text_room + bytes + BLAST_ITEM_CHUNK);
        char *text = realloc(items->text, room);
        if (!text || room > UINT32_MAX) {
            items->text = text ? text : items->text;
            return -ENOMEM;
        }
        items->text = text;
        items->text_room = room;
    }
    if (items->count + 1 >= items->room) {
        uint32_t room = 2 * items->room + 1024;
        uint32_t *at = realloc(items->at, room * sizeof *at);
        if (!at)
            return -ENOMEM;
        items->at = at;
        items->room = room;
    }
    return 0;
}

/* Appends a name as the inside of a JSON string. */
static int append(struct blast_items *items, const char *name, size_t len)
{
    if (grow(items, 6 * len) < 0)
        return -ENOMEM;
    char *start = items->text + items->text_bytes;
    char *out = start;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c < ' ')
            out += sprintf(out, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            *out++ = '\\';
        if (c >= ' ')
            *out++ = (char)c;
    }
    uint32_t text_len = (uint32_t)(out - start);
    items->at[items->count] = (uint32_t)items->text_bytes;
    items->text_bytes += text_len;
    items->at[++items->count] = (uint32_t)items->text_bytes;
    if (text_len > items->len_max)
        items->len_max = text_len;
    /* grow left room for the chunk behind the last name: it must not be read uninitialized. */
    memset(out, 0, BLAST_ITEM_CHUNK);
    return 0;
}

int blast_items_number(struct blast_items *items, uint32_t count)
{
    *items = (struct blast_items){0};
    for (uint32_t i = 1; i <= count; i++) {
        char name[16];
        int len = snprintf(name, sizeof name, "i-%u", i);
        if (append(items, name, (size_t)len) < 0) {
            blast_items_fini(items);
            return -ENOMEM;
        }
    }
    return 0;
}

static int seen_grow(struct seen *seen)
{
    uint32_t mask = seen->mask ? 2 * seen->mask + 1 : 4095;
    struct seen_slot *slots = calloc(mask + 1ull, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    for (uint32_t i = 0; seen->slots && i <= seen->mask; i++) {
        uint32_t to = (uint32_t)seen->slots[i].hash & mask;
        if (!seen->slots[i].used)
            continue;
        while (slots[to].used)
            to = (to + 1) & mask;
        slots[to] = seen->slots[i];
    }
    free(seen->slots);
    seen->slots = slots;
    seen->mask = mask;
    return 0;
}

/* Adds a name unless its 64-bit hash is known. */
static int add(struct blast_items *items, struct seen *seen, const char *name, size_t len)
{
    if (len == 0 || len > BLAST_NAME_MAX)
        return -EINVAL;
    if (items->count >= BLAST_ITEMS_MAX)
        return -E2BIG;
    if (2 * items->count >= seen->mask && seen_grow(seen) < 0)
        return -ENOMEM;
    uint64_t hash = hash64(&seen->key, name, len);
    uint32_t at = (uint32_t)hash & seen->mask;
    for (; seen->slots[at].used; at = (at + 1) & seen->mask) {
        if (seen->slots[at].hash == hash)
            return 0;
    }
    seen->slots[at] = (struct seen_slot){.hash = hash, .used = 1};
    return append(items, name, len);
}

static int add_edge(struct blast_items *items, struct seen *seen, const char *edge, size_t len)
{
    if (len && edge[len - 1] == '\n')
        len--;
    if (len == 0 || edge[0] == '#')
        return 0;
    const char *first = memchr(edge, '\t', len);
    if (!first)
        return -EINVAL;
    const char *to = first + 1;
    const char *second = memchr(to, '\t', len - (size_t)(to - edge));
    if (!second)
        return -EINVAL;
    int rc = add(items, seen, edge, (size_t)(first - edge));
    return rc < 0 ? rc : add(items, seen, to, (size_t)(second - to));
}

int blast_items_load(struct blast_items *items, const char *file, uint32_t *line)
{
    static const uint8_t seed[HASH_SEED_BYTES];
    struct seen seen = {0};
    char *edge = NULL;
    size_t room = 0;
    int rc = 0;
    *items = (struct blast_items){0};
    *line = 0;
    FILE *stream = fopen(file, "re");
    if (!stream)
        return -errno;
    hash_key_init(&seen.key, seed);
    for (ssize_t len; rc == 0 && (len = getline(&edge, &room, stream)) >= 0;) {
        ++*line;
        rc = add_edge(items, &seen, edge, (size_t)len);
    }
    if (rc == 0 && ferror(stream))
        rc = -EIO;
    if (rc == 0 && !items->count)
        rc = -ENODATA;
    free(edge);
    free(seen.slots);
    fclose(stream);
    if (rc < 0)
        blast_items_fini(items);
    return rc;
}

void blast_items_fini(struct blast_items *items)
{
    free(items->at);
    free(items->text);
    *items = (struct blast_items){0};
}
