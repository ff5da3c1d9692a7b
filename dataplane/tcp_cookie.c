/* tcp_cookie.c - what a SYN-ACK's sequence number says, so that nothing is kept for a SYN.
 *
 * From the top: 8 bits that carry the SYN's options, under a mask; 12 bits that are right for these
 * addresses, options and time; 12 bits that are right for the peer's sequence number, too.  All 24
 * must be right to open a connection.  The first 12 alone tell that a segment belongs to a
 * handshake that goes on, of which something before it was lost: it is not answered with a reset.
 *
 * The function is SipHash-2-4 (Aumasson and Bernstein, 2012), since anybody may ask for any number
 * of its values; time goes by slots, of which the current one and the one before are right (RFC
 * 6528: a keyed hash and a clock).
 */
#include "dataplane/tcp_impl.h"

enum { SLOTS_VALID = 2, NO_WSCALE_CODE = 15 };
enum cookie_use { USE_MASK = 1, USE_HALF, USE_WHOLE, USE_TIMESTAMP };

/* What is told apart of the peer's MSS; it is rounded down, but not under the floor. */
static const uint16_t mss_codes[8] = {536, 1160, 1220, 1300, 1360, 1400, 1440, 1460};

static uint64_t rotate(uint64_t v, unsigned bits)
{
    return v << bits | v >> (64 - bits);
}

static void sip_rounds(uint64_t v[4], int rounds)
{
    while (rounds--) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32) + v[3];
        v[2] += v[1];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

/* mac is SipHash-2-4 of the tuple and two words. */
static uint64_t mac(const struct tcp *tcp, const struct tcp_tuple *tuple, enum cookie_use use,
                    uint64_t more)
{
    enum { WORDS = sizeof tuple->bytes / 8 };
    uint64_t words[WORDS + 3];
    memcpy(words, tuple->bytes, sizeof tuple->bytes);
    words[WORDS] = use;
    words[WORDS + 1] = more;
    words[WORDS + 2] = (uint64_t)(WORDS + 2) * 8 << 56;
    uint64_t v[4] = {
        tcp->sip[0] ^ 0x736f6d6570736575,
        tcp->sip[1] ^ 0x646f72616e646f6d,
        tcp->sip[0] ^ 0x6c7967656e657261,
        tcp->sip[1] ^ 0x7465646279746573,
    };
    for (unsigned i = 0; i < WORDS + 3; i++) {
        v[3] ^= htole64(words[i]);
        sip_rounds(v, 2);
        v[0] ^= htole64(words[i]);
    }
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void tcp_cookie_key(struct tcp *tcp, const struct hash_key *key, uint64_t seed)
{
    struct hash128 secret = hash128(key, &seed, sizeof seed);
    tcp->sip[0] = secret.lo;
    tcp->sip[1] = secret.hi;
}

static uint8_t encode(const struct tcp_offer *offer)
{
    uint8_t mss = 7;
    while (mss > 0 && mss_codes[mss] > offer->mss)
        mss--;
    uint8_t wscale = offer->wscale == TCP_NO_WSCALE ? NO_WSCALE_CODE : offer->wscale;
    return (uint8_t)(mss << 5 | wscale << 1 | offer->sack);
}

static struct tcp_offer decode(uint8_t code)
{
    uint8_t wscale = code >> 1 & 15;
    return (struct tcp_offer){
        .mss = mss_codes[code >> 5],
        .wscale = wscale == NO_WSCALE_CODE ? TCP_NO_WSCALE : wscale,
        .sack = code & 1,
    };
}

static uint32_t half_of(const struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t slot,
                        uint8_t code)
{
    return mac(tcp, tuple, USE_HALF, (uint64_t)slot << 8 | code) & 0xfff;
}

static uint32_t rest_of(const struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t slot,
                        uint8_t code, uint32_t irs)
{
    /* The slot's lowest bits are enough: which slots are right is decided by the half. */
    uint64_t more = (uint64_t)irs << 32 | (slot & 0xffffff) << 8 | code;
    return mac(tcp, tuple, USE_WHOLE, more) & 0xfff;
}

uint32_t tcp_cookie_make(const struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t irs,
                         const struct tcp_offer *offer)
{
    uint8_t code = encode(offer);
    uint8_t masked = code ^ (uint8_t)mac(tcp, tuple, USE_MASK, 0);
    return (uint32_t)masked << 24 | half_of(tcp, tuple, tcp->slot, code) << 12 |
           rest_of(tcp, tuple, tcp->slot, code, irs);
}

enum tcp_cookie tcp_cookie_check(const struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t iss,
                                 uint32_t irs, struct tcp_offer *offer)
{
    enum tcp_cookie verdict = TCP_COOKIE_WRONG;
    uint8_t code = (uint8_t)(iss >> 24) ^ (uint8_t)mac(tcp, tuple, USE_MASK, 0);
    for (uint32_t age = 0; age < SLOTS_VALID; age++) {
        uint32_t slot = tcp->slot - age;
        if ((iss >> 12 & 0xfff) != half_of(tcp, tuple, slot, code))
            continue;
        verdict = TCP_COOKIE_EARLY;
        if ((iss & 0xfff) != rest_of(tcp, tuple, slot, code, irs))
            continue;
        *offer = decode(code);
        return TCP_COOKIE_RIGHT;
    }
    return verdict;
}

uint32_t tcp_cookie_ts_offset(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
    return (uint32_t)mac(tcp, tuple, USE_TIMESTAMP, 0);
}

bool tcp_cookie_fresh_echo(const struct tcp *tcp, uint32_t offset, uint32_t echo)
{
    return tcp_ts_now(tcp, offset) - echo <= SLOTS_VALID * TCP_COOKIE_SLOT_MS;
}
