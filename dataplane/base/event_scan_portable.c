/* event_scan_portable.c - the scan for any processor, eight bytes at a time. */
#define SCAN_NAME event_scan_portable
#include "dataplane/base/event_scan_body.h"

static const uint64_t high = SWAR_BYTES(0x80);

/* The highest bit of each byte that is not c; bytes below 0x80 alone. */
static inline uint64_t differ(uint64_t seven, uint8_t c)
{
    return (seven ^ SWAR_BYTES(c)) + ~high;
}

/* gather puts the highest bits of the bytes into the lowest byte. */
static inline uint64_t gather(uint64_t bits)
{
    return ((bits >> 7) * UINT64_C(0x0102040810204080)) >> 56;
}

/* The last 64 bytes overlap with those before: as many bits as are there twice are shifted out.
 * A control character there was one before. */
static inline struct scan_marks scan_load(const uint8_t *bytes, uint32_t len, uint32_t at)
{
    uint32_t from = at + 64 <= len ? at : len - 64;
    struct scan_marks m = {0};
    for (uint32_t i = 0; i < 64; i += 8) {
        uint64_t w = swar_load(bytes + from + i);
        uint64_t seven = w & ~high;
        uint64_t quotes = ~(differ(seven, '"') | w) & high;
        uint64_t below = ~((seven + SWAR_BYTES(0x80 - 0x20)) | w) & high;
        uint64_t slashes = ~(differ(seven, '\\') | w) & high;
        m.quotes |= gather(quotes) << i;
        m.slashes |= gather(slashes) << i;
        m.controls |= below;
        m.beyond |= w & high;
    }
    m.quotes >>= at - from;
    m.slashes >>= at - from;
    return m;
}

static inline void scan_put(uint16_t *places, uint64_t bits, uint32_t base)
{
    for (; bits; bits &= bits - 1)
        *places++ = (uint16_t)(base + (uint32_t)__builtin_ctzll(bits));
}
