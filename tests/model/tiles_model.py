"""tiles_model.py - the names of tiles, as graph/tiles.h describes them, and who has which."""
from struct import pack

from xxh3 import hash64, hash128, secret_from

SYMBOLS = "abcdefghijklmnopqrstuvwxyz234567"
INDEX_BITS, CHECK_BITS, BODY_BITS = 20, 40, 60
UNIT = 64 * 10**9  # claims that end in the same one are forgotten together, after it


def low(bits):
    return (1 << bits) - 1


def base32(value, count):
    return "".join(SYMBOLS[value >> 5 * place & 31] for place in reversed(range(count)))


def number(text):
    value = 0
    for symbol in text:
        value = value << 5 | SYMBOLS.index(symbol)
    return value


class Names:
    """The names of all maps that a seed and a period in nanoseconds make."""

    def __init__(self, seed, period):
        known = secret_from(b"trove tiles".ljust(32, b"\0"))
        first = pack("<QQ", *hash128(known, seed.encode()))
        second = pack("<QQ", *hash128(known, first + pack("<QQ", period, len(seed))))
        self.secret = secret_from(first + second)

    def half(self, domain, word):
        return hash64(self.secret, pack("<QQ", domain, word))

    def name(self, period, index):
        body = period << INDEX_BITS | index
        check = self.half(1, body) & low(CHECK_BITS)
        return base32(check, 8) + base32(body ^ self.half(2, check) & low(BODY_BITS), 12)

    def tile(self, name, map_tiles):
        """The number of its period and its index, or None when no map of that size has a tile of that name."""
        if len(name) != 20 or any(symbol not in SYMBOLS for symbol in name):
            return None
        check = number(name[:8])
        body = number(name[8:]) ^ self.half(2, check) & low(BODY_BITS)
        tile = body >> INDEX_BITS, body & low(INDEX_BITS)
        return tile if self.half(1, body) & low(CHECK_BITS) == check and tile[1] < map_tiles else None


class Claims:
    """The tiles of a partition that were given away, and until when that is remembered."""

    def __init__(self):
        self.ends = {}
        self.holder = {}  # what caused it; one that was given back is not there, though its place is remembered

    def give(self, tile, end, cause):
        self.ends[tile], self.holder[tile] = end, cause

    def free(self, tile):
        del self.holder[tile]

    def living(self, now):
        return sum(now // UNIT <= end // UNIT for end in self.ends.values())

    def taken(self, tile, now):
        return tile in self.holder and now // UNIT <= self.ends[tile] // UNIT


class TilesHunt:
    """What a hunt of kind tiles adds to a hunt; times in nanoseconds."""

    def __init__(self, name, keys, duration):
        self.tiles, self.live = keys["tiles"], keys.get("live", 1)
        self.period = duration(keys.get("period", "1s"))
        self.map_ttl = duration(keys.get("map_ttl", "6h"))
        self.seed = keys.get("seed", name)
        self.names = Names(self.seed, self.period)
        self.series = name, self.seed, self.period

    def judge(self, claims, name, now):
        """Why a claim is refused, "none" when the tile is the user's; what to remember, and until when."""
        tile = self.names.tile(name, self.tiles)
        if tile is None:
            return "unknown_tile", None, 0
        begin = tile[0] * self.period
        end, key = begin + self.map_ttl, (self.series, tile)
        if begin > now:
            return "early", None, 0
        if now >= end:
            return "expired", None, 0
        if claims.taken(key, now):
            return "taken", None, 0
        return ("none", key, end) if now < begin + self.live * self.period else ("expired", None, 0)
