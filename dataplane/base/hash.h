/* hash.h - keyed hashing: every identity in Trove (user, event id, item, tile, type, hunt) goes
 * through here.
 *
 * XXH3 with a 192-byte secret derived from a random seed that is made at the data directory's first
 * start and kept with the data, so that nobody outside can construct collisions and replay hashes
 * as the live run did.
 *
 * Memory:  struct hash_key is the caller's and read-only after hash_key_init.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HASH_SEED_BYTES   32
#define HASH_SECRET_BYTES 192

struct hash128 {
    uint64_t lo;
    uint64_t hi;
};

struct hash_key {
    uint8_t secret[HASH_SECRET_BYTES];
    uint64_t fingerprint; /* names the key without giving it away; stored in segment headers */
};

/* hash_key_init derives the secret from a seed.  The same seed gives the same key on every host. */
void hash_key_init(struct hash_key *key, const uint8_t seed[HASH_SEED_BYTES]);

/* hash64 and hash128 return the keyed hash of len bytes; len may be 0. */
uint64_t hash64(const struct hash_key *key, const void *bytes, size_t len);
struct hash128 hash128(const struct hash_key *key, const void *bytes, size_t len);

/* hash128_of_32 is hash128 of 32 bytes, in half the instructions. */
struct hash128 hash128_of_32(const struct hash_key *key, const void *bytes);
