/* tcp_cookie.c - what a SYN-ACK's sequence number says, so that nothing is kept for a SYN.
 *
 * From the top: 6 bits that carry the SYN's options, under a mask; 26 bits that are right for these
 * addresses, options, time and the peer's sequence number.
 *
 * A segment of a handshake may overtake the one that would complete it, which must not be answered
 * with a reset.  With timestamps, it shows a fresh one of ours.  Without, 4 of the 26 bits leave
 * the peer's sequence number out: where only these are right, the segment is such a one, or, in one
 * case of eight, a stray.
 *
 * The function is SipHash-2-4 (Aumasson and Bernstein, 2012), since anybody may ask for any number
 * of its values; time goes by slots, of which the current one and the one before are right (RFC
 * 6528: a keyed hash and a clock).
 */
#include "dataplane/tcp_impl.h"

enum { SLOTS_VALID = 2, MAC_BITS = 26, EARLY_BITS = 4 };
enum cookie_use { USE_MASK = 1, USE_EARLY, USE_WHOLE, USE_TIMESTAMP };

/* What is told apart: rounded down, but a segment size not under the floor. */
static const uint16_t mss_codes[4] = {536, 1220, 1400, 1460};
static const uint8_t wscale_codes[8] = {0, 2, 4, 6, 7, 8, 10, TCP_NO_WSCALE};

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
    uint8_t mss = 3, wscale = 7;
    while (mss > 0 && mss_codes[mss] > offer->mss)
        mss--;
    while (wscale_codes[wscale] > offer->wscale)
        wscale--;
    return (uint8_t)(mss << 4 | wscale << 1 | offer->sack);
}

static struct tcp_offer decode(uint8_t code)
{
    return (struct tcp_offer){
        .mss = mss_codes[code >> 4],
        .wscale = wscale_codes[code >> 1 & 7],
        .sack = code & 1,
    };
}

static uint8_t mask_of(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
    return mac(tcp, tuple, USE_MASK, 0) & 63;
}

/* bits_of returns the 26 bits, with or without those that leave irs out. */
static uint32_t bits_of(const struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t slot,
                        uint8_t code, uint32_t irs, bool early)
{
    uint64_t more = (uint64_t)(slot & 0xffffff) << 8 | code;
    uint64_t whole = mac(tcp, tuple, USE_WHOLE, (uint64_t)irs << 32 | more);
    uint32_t all = (uint32_t)(whole >> (64 - MAC_BITS));
    if (!early)
        return all;
    return all >> EARLY_BITS << EARLY_BITS |
           (uint32_t)(mac(tcp, tuple, USE_EARLY, more) >> (64 - EARLY_BITS));
}

uint32_t tcp_cookie_make(const struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t irs,
                         const struct tcp_offer *offer)
{
    uint8_t code = encode(offer);
    return (uint32_t)(code ^ mask_of(tcp, tuple)) << MAC_BITS |
           bits_of(tcp, tuple, tcp->slot, code, irs, !offer->timestamp);
}

enum tcp_cookie tcp_cookie_check(const struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t iss,
                                 uint32_t irs, struct tcp_offer *offer)
{
    enum tcp_cookie verdict = TCP_COOKIE_WRONG;
    uint8_t code = (uint8_t)(iss >> MAC_BITS) ^ mask_of(tcp, tuple);
    bool timestamp = offer->timestamp;
    for (uint32_t age = 0; age < SLOTS_VALID; age++) {
        uint32_t wrong = iss ^ bits_of(tcp, tuple, tcp->slot - age, code, irs, !timestamp);
        if (wrong << (32 - MAC_BITS) == 0) {
            *offer = decode(code);
            offer->timestamp = timestamp;
            return TCP_COOKIE_RIGHT;
        }
        if (!timestamp && wrong << (32 - EARLY_BITS) == 0)
            verdict = TCP_COOKIE_EARLY;
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
