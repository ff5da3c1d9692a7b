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
#define WORD_LEN     8 /* symbols that are read at once: 40 bits */
#define TAIL_BITS    ((BODY_LEN - WORD_LEN) * SYMBOL_BITS)
#define EACH(byte)   (0x0101010101010101u * (byte))
#define PAIR(byte)   (0x0001000100010001u * (byte))
#define LOW(bits)    ((1ull << (bits)) - 1)
#define CHECK_DOMAIN 1u
#define BODY_DOMAIN  2u

static_assert(TILES_MAP_MAX <= 1u << INDEX_BITS, "an index fits");
static_assert(CHECK_LEN + BODY_LEN == TILES_NAME_LEN, "a name is all symbols");
static_assert(CHECK_LEN == WORD_LEN && BODY_LEN > WORD_LEN && BODY_LEN <= 2 * WORD_LEN,
              "a name is two words and a part of one");

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

/* word_of reads eight symbols, all at once: every byte of a word is one of them.  *wrong gets a bit
 * where one is not base32's. */
static uint64_t word_of(const uint8_t *symbols, uint64_t *wrong)
{
    uint64_t x;
    memcpy(&x, symbols, sizeof x);
    x = __builtin_bswap64(x);
    uint64_t letter = x >> 6 & EACH(1), digit = letter ^ EACH(1);
    uint64_t value = (x | EACH(0x80)) - letter * 'a' - digit * '2';
    *wrong |= x | ~value;
    value &= EACH(0x7f);
    *wrong |= ~(EACH(0x80) + letter * 25 + digit * 5 - value);
    value += digit * 26;
    /* Joined to pairs, then to pairs of those, then to one. */
    value = (value & EACH(0x1f) & ~PAIR(0xff)) >> 3 | (value & PAIR(0x1f));
    value = (value & 0x03ff000003ff0000) >> 6 | (value & 0x000003ff000003ff);
    return value >> 32 << 20 | (value & LOW(20));
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
    if (len != TILES_NAME_LEN)
        return false;
    uint64_t wrong = 0, check = word_of(name, &wrong);
    uint64_t body = word_of(name + CHECK_LEN, &wrong) << TAIL_BITS;
    body |= word_of(name + TILES_NAME_LEN - WORD_LEN, &wrong) & LOW(TAIL_BITS);
    if (wrong & EACH(0x80))
        return false;
    body ^= stream_of(key, check);
    tile->period = body >> INDEX_BITS;
    tile->index = (uint32_t)(body & LOW(INDEX_BITS));
    return check_of(key, body) == check && tile->index < map_tiles;
}
