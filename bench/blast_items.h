/* blast_items.h - the item names events are about, ready to be copied into JSON.
 *
 * Numbered (i-1 is the most popular), or those of a catalog file in the order in which they first
 * appear there.
 *
 * Memory:  two blocks, read-only once loaded; every name may be read BLAST_ITEM_CHUNK bytes from
 *          its start.
 * Threads: any may read.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define BLAST_ITEM_CHUNK 64

struct blast_items {
    uint32_t count;
    uint32_t len_max; /* of a name as JSON */
    uint32_t *at;     /* name i is text[at[i], at[i + 1]) */
    char *text;
    size_t text_bytes;
    size_t text_room;
    uint32_t room;
};

/* blast_items_number makes count names.  Returns 0 or -ENOMEM. */
int blast_items_number(struct blast_items *items, uint32_t count);

/* blast_items_load takes both ends of every edge of a catalog (from<TAB>to<TAB>weight).  Returns 0;
 * or a negative errno, with the line it happened in, in [1, ...), or 0 when the file could not be
 * read: -EINVAL when a line is no edge, -ENODATA when there is none at all. */
int blast_items_load(struct blast_items *items, const char *file, uint32_t *line);

void blast_items_fini(struct blast_items *items);
