"""xxh3.py - XXH3 of short inputs under a secret, from the description of its format (xxhash's doc/xxhash_spec, XXH3 0.8).

Only the lengths that names of tiles need: 9 to 16 bytes for 64 bits, 1 to 128 bytes for 128 bits.
"""
from struct import pack, unpack_from

M = 2**64 - 1
P32_1, P32_2, P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64_1, P64_2, P64_3, P64_4 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63
DEFAULT = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb"
    "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")


def u32(data, at):
    return unpack_from("<I", data, at)[0]


def u64(data, at):
    return unpack_from("<Q", data, at)[0]


def swap64(x):
    return int.from_bytes(x.to_bytes(8, "little"), "big")


def fold(a, b):
    product = a * b
    return product & M ^ product >> 64


def avalanche(x):
    x = (x ^ x >> 37) * 0x165667919E3779F9 & M
    return x ^ x >> 32


def avalanche64(x):
    """XXH64's."""
    x = (x ^ x >> 33) * P64_2 & M
    x = (x ^ x >> 29) * P64_3 & M
    return x ^ x >> 32


def hash64(secret, data):
    size = len(data)
    assert 9 <= size <= 16
    low = u64(data, 0) ^ u64(secret, 24) ^ u64(secret, 32)
    high = u64(data, size - 8) ^ u64(secret, 40) ^ u64(secret, 48)
    return avalanche(size + swap64(low) + high + fold(low, high) & M)


def hash128(secret, data, seed=0):
    """The hash as (low, high)."""
    size = len(data)
    if size <= 3:
        return tiny(secret, data)
    if size <= 8:
        return small(secret, data)
    return medium(secret, data, seed) if size <= 16 else long(secret, data)


def tiny(secret, data):
    size = len(data)
    low = data[0] << 16 | data[size >> 1] << 24 | data[-1] | size << 8
    swapped = int.from_bytes(low.to_bytes(4, "little"), "big")
    high = (swapped << 13 | swapped >> 19) & 0xFFFFFFFF
    return (avalanche64(low ^ u32(secret, 0) ^ u32(secret, 4)),
            avalanche64(high ^ u32(secret, 8) ^ u32(secret, 12)))


def small(secret, data):
    size = len(data)
    keyed = (u32(data, 0) | u32(data, size - 4) << 32) ^ u64(secret, 16) ^ u64(secret, 24)
    product = keyed * (P64_1 + (size << 2))
    low, high = product & M, product >> 64
    high = high + (low << 1) & M
    low ^= high >> 3
    low = (low ^ low >> 35) * 0x9FB21C651E98DF25 & M
    return low ^ low >> 28, avalanche(high)


def medium(secret, data, seed):
    size = len(data)
    flip_low = (u64(secret, 32) ^ u64(secret, 40)) - seed & M
    flip_high = (u64(secret, 48) ^ u64(secret, 56)) + seed & M
    first, last = u64(data, 0), u64(data, size - 8)
    product = (first ^ last ^ flip_low) * P64_1
    low, high = (product & M) + (size - 1 << 54) & M, product >> 64
    last ^= flip_high
    high = high + last + (last & 0xFFFFFFFF) * (P32_2 - 1) & M
    low ^= swap64(high)
    product = low * P64_2
    return avalanche(product & M), avalanche((product >> 64) + high * P64_2 & M)


def mix16(data, at, secret, place):
    return fold(u64(data, at) ^ u64(secret, place), u64(data, at + 8) ^ u64(secret, place + 8))


def long(secret, data):
    size = len(data)
    assert size <= 128
    low, high = size * P64_1 & M, 0
    for step in range((size - 1) // 32, -1, -1):
        one, other = 16 * step, size - 16 * (step + 1)
        low = (low + mix16(data, one, secret, 32 * step) & M) ^ (u64(data, other) + u64(data, other + 8) & M)
        high = (high + mix16(data, other, secret, 32 * step + 16) & M) ^ (u64(data, one) + u64(data, one + 8) & M)
    return avalanche(low + high & M), -avalanche(low * P64_1 + high * P64_4 + size * P64_2 & M) & M


def secret_from(seed):
    """The secret of 192 bytes that XXH3_generateSecret makes of a seed of 17 to 128 bytes."""
    secret = bytearray((seed * 12)[:192])
    scrambler = hash128(DEFAULT, seed)

    def combine(at, low, high):
        secret[at:at + 16] = pack("<QQ", u64(secret, at) ^ low, u64(secret, at + 8) ^ high)

    canonical = pack(">QQ", scrambler[1], scrambler[0])
    for segment in range(12):
        combine(16 * segment, *hash128(DEFAULT, canonical, segment))
    combine(176, *scrambler)
    return bytes(secret)
