/* tiles.c - tile names: 40 bits of check, then 40 of period and 20 of index under its stream. */
#include "graph/tiles.h"

#include <assert.h>
#include <string.h>

#define CHECK_BITS   40
#define PERIOD_BITS  40
#define INDEX_BITS   20
#define SYMBOL_BITS  5
#define CHECK_LEN    (CHECK_BITS / SYMBOL_BITS)
#define BODY_LEN     ((PERIOD_BITS + INDEX_BITS) / SYMBOL_BITS)
#define LOW(bits)    ((1ull << (bits)) - 1)
#define CHECK_DOMAIN 1u
#define BODY_DOMAIN  2u

static_assert(TILES_MAP_MAX <= 1u << INDEX_BITS, "an index fits");
static_assert(CHECK_LEN + BODY_LEN == TILES_NAME_LEN, "a name is all symbols");

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

/* A key of no secret, the same everywhere, makes the hunt's from its seed. */
void tiles_key_init(struct tiles_key *key, const char *seed, uint64_t period_ns)
{
    static const uint8_t nothing[HASH_SEED_BYTES] = "trove tiles";
    struct hash_key known;
    struct hash128 parts[3];
    hash_key_init(&known, nothing);
    parts[0] = hash128(&known, seed, strlen(seed));
    parts[1] = (struct hash128){.lo = period_ns, .hi = strlen(seed)};
    parts[2] = hash128(&known, parts, sizeof *parts * 2);
    uint8_t derived[HASH_SEED_BYTES];
    static_assert(sizeof derived == sizeof *parts * 2, "two hashes make a seed");
    memcpy(derived, parts, sizeof *parts);
    memcpy(derived + sizeof *parts, &parts[2], sizeof *parts);
    hash_key_init(&key->secret, derived);
    key->mark = hash64(&key->secret, "mark", 4);
}

static uint64_t check_of(const struct tiles_key *key, uint64_t body)
{
    const uint64_t words[] = {CHECK_DOMAIN, body};
    return hash64(&key->secret, words, sizeof words) & LOW(CHECK_BITS);
}

static uint64_t stream_of(const struct tiles_key *key, uint64_t check)
{
    const uint64_t words[] = {BODY_DOMAIN, check};
    return hash64(&key->secret, words, sizeof words) & LOW(PERIOD_BITS + INDEX_BITS);
}

static void put(char *at, uint64_t value, unsigned symbols)
{
    while (symbols-- > 0) {
        at[symbols] = alphabet[value & LOW(SYMBOL_BITS)];
        value >>= SYMBOL_BITS;
    }
}

/* get returns whether all of the symbols are base32. */
static bool get(const uint8_t *at, unsigned symbols, uint64_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < symbols; i++) {
        unsigned digit;
        if (at[i] >= 'a' && at[i] <= 'z')
            digit = at[i] - 'a';
        else if (at[i] >= '2' && at[i] <= '7')
            digit = at[i] - '2' + 26u;
        else
            return false;
        *value = *value << SYMBOL_BITS | digit;
    }
    return true;
}

void tiles_name(const struct tiles_key *key, struct tile tile, char name[TILES_NAME_LEN + 1])
{
    assert(tile.period <= LOW(PERIOD_BITS) && tile.index < TILES_MAP_MAX);
    uint64_t body = tile.period << INDEX_BITS | tile.index;
    uint64_t check = check_of(key, body);
    put(name, check, CHECK_LEN);
    put(name + CHECK_LEN, body ^ stream_of(key, check), BODY_LEN);
    name[TILES_NAME_LEN] = '\0';
}

bool tiles_parse(const struct tiles_key *key, uint32_t map_tiles, const uint8_t *name, size_t len,
                 struct tile *tile)
{
    uint64_t check, body;
    if (len != TILES_NAME_LEN || !get(name, CHECK_LEN, &check) ||
        !get(name + CHECK_LEN, BODY_LEN, &body))
        return false;
    body ^= stream_of(key, check);
    tile->period = body >> INDEX_BITS;
    tile->index = (uint32_t)(body & LOW(INDEX_BITS));
    return check_of(key, body) == check && tile->index < map_tiles;
}
