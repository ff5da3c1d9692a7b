/* tiles.h - the maps of a tiles hunt: a pure function of its seed, the length of its periods and a
 * period's number, so that any host at any time computes the same.
 *
 * No map is kept: a tile's name holds the period's number and the tile's index in it, encrypted
 * under a check of 40 bits that comes from both (the check is the nonce, as in RFC 5297).  So a
 * name is verified and read in two hashes, and a guess names a tile once in 2^40 times, a
 * claimable one far less often.  Names are written in RFC 4648's base32, lower case, and are valid
 * in that form only: one tile, one name.
 *
 * The hash is XXH3 under a secret that comes from the seed.  It is fast, and no cryptographic MAC:
 * the names keep guesses out, not somebody who would break a hash in public.  A seed that outsiders
 * know, such as the hunt's name, gives all maps away.
 *
 * Memory:  the caller's.  Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/hash.h"

#define TILES_MAP_MAX  1000000u
#define TILES_NAME_LEN 20

/* What makes a hunt's names; mark tells one series of maps from another. */
struct tiles_key {
    struct hash_key secret;
    uint64_t mark;
};

/* tiles_key_init derives the key from the seed's text and the length of a period. */
void tiles_key_init(struct tiles_key *key, const char *seed, uint64_t period_ns);

/* A tile: the period that its map belongs to, counted from 1970, and its index in the map. */
struct tile {
    uint64_t period; /* [0, 2^40) */
    uint32_t index;  /* [0, TILES_MAP_MAX) */
};

/* tiles_name writes a tile's name, with a NUL behind it. */
void tiles_name(const struct tiles_key *key, struct tile tile, char name[TILES_NAME_LEN + 1]);

/* tiles_parse reads a name.  Returns whether it is the name of a tile of some map under this key,
 * with an index in [0, map_tiles). */
bool tiles_parse(const struct tiles_key *key, uint32_t map_tiles, const uint8_t *name, size_t len,
                 struct tile *tile);
