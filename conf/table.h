/* table.h - the table of keys.  See key.h for what a row means.
 *
 * Threads: constant.
 */
#pragma once

#include "conf/key.h"

/* The whole configuration, its base a struct conf. */
extern const struct key_set table_root;

/* One hunt: the kinds share some rows and have others of their own, told by KEY_TRAIL, KEY_BASKET
 * and KEY_TILES. */
extern const struct key_set table_hunt;

/* listen.http, its base a struct conf (table_http.c). */
extern const struct key_set table_http;
/* leaderboards, its base a struct conf (table_feed.c). */
extern const struct key_set table_feed;

/* One sink. */
extern const struct key_set table_sink;

/* table_applies says whether a row is one of this kind of element: kinds is one of KEY_KINDS,
 * or 0 where there are no kinds. */
static inline bool table_applies(const struct key *key, unsigned kinds)
{
    return !(key->flags & KEY_KINDS) || (key->flags & kinds);
}

/* table_kind_name returns how the kind of hunt is called that a KEY_... of KEY_KINDS is for, the
 * first one of several; table_kind_find the KEY_... of a name, or 0. */
const char *table_kind_name(unsigned kinds);
unsigned table_kind_find(const char *name);

/* table_kinds returns which kind of element this is. */
unsigned table_kinds(const struct key_set *set, const void *base);
