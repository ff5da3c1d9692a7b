/* hash.c - XXH3 under a secret of our own; the variant is compiled in from xxhash's header for this
 * CPU. */
#include <assert.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/base/hash.h"

static_assert(HASH_SECRET_BYTES >= XXH3_SECRET_SIZE_MIN, "secret too short for XXH3");

void hash_key_init(struct hash_key *key, const uint8_t seed[HASH_SEED_BYTES])
{
    XXH3_generateSecret(key->secret, sizeof key->secret, seed, HASH_SEED_BYTES);
    key->fingerprint = hash64(key, "fingerprint", 11);
}

uint64_t hash64(const struct hash_key *key, const void *bytes, size_t len)
{
    return XXH3_64bits_withSecret(bytes, len, key->secret, sizeof key->secret);
}

struct hash128 hash128(const struct hash_key *key, const void *bytes, size_t len)
{
    XXH128_hash_t h = XXH3_128bits_withSecret(bytes, len, key->secret, sizeof key->secret);
    return (struct hash128){.lo = h.low64, .hi = h.high64};
}

/* XXH3_128bits_withSecret is what this calls, but the compiler leaves that one out of line, and
 * then the length is not known there: for one length, a tenth of its code is left. */
struct hash128 hash128_of_32(const struct hash_key *key, const void *bytes)
{
    XXH128_hash_t h = XXH3_128bits_internal(bytes, 32, 0, key->secret, sizeof key->secret,
                                            XXH3_hashLong_128b_withSecret);
    return (struct hash128){.lo = h.low64, .hi = h.high64};
}
