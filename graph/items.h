/* items.h - the item dictionary: names to dense ids that never change and are never reused,
 * append-only.
 *
 * User state and records hold ids, so a new catalog never invalidates what users have reached.  The
 * dictionary is kept in the data directory (items.txt, one name a line, the line number being the
 * id) and grows only when a configuration is applied; what the dataplane reads is an immutable
 * index inside the rules.
 *
 * Memory:  items owns its names; allocated with malloc, by the control thread only.
 * Threads: one writer (control); readers use what a published catalog points at.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#define ITEM_NONE UINT32_MAX

struct items;

struct items *items_new(uint64_t limit);
void items_free(struct items *items);

/* items_add returns the id of a name (1 to 64 bytes without a newline), new or old, or ITEM_NONE
 * when it is no name or there is no room for it; items_find never adds. */
uint32_t items_add(struct items *items, const char *name, uint32_t len);
uint32_t items_find(const struct items *items, const char *name, uint32_t len);
uint32_t items_count(const struct items *items);
/* items_hash continues a hash, 0 at first, over the names of ids [from, to), which are there.
 * Thread: any, for names that were there before it was told so. */
uint64_t items_hash(const struct items *items, uint32_t from, uint32_t to, uint64_t hash);
/* items_name returns the name of an id in [0, items_count), and its length. */
const char *items_name(const struct items *items, uint32_t id, uint32_t *len);

/* items_load reads names, one a line, into an empty dictionary.  Returns 0, -EBADMSG (a line that
 * is no name, or a name given twice: ids would shift), -ENOSPC (more than the limit) or -EIO.  A
 * last line without its end was cut short by a crash: it is dropped, and the stream stands behind
 * the last whole line, where the file must be cut before names are appended.  items_save appends
 * those from id `from` on and flushes; 0 or a negative errno. */
int items_load(struct items *items, FILE *in);
int items_save(const struct items *items, uint32_t from, FILE *out);
