/* inet_csum.h - the Internet checksum (RFC 1071): 32-bit words summed in 64 bits, folded once at
 * the end.
 *
 * Sums are over words in memory order, whatever the host's byte order (RFC 1071 section 2(B)), so
 * that what comes out is stored as it is, with memcpy, and pieces are chained by passing the sum
 * on. A 64-bit sum of 32-bit words cannot overflow below 16 GiB, hence no carry in the loop and one
 * that the compiler vectorises.
 *
 * Memory:  reads the caller's bytes, at any alignment.  Threads: any.
 */
#pragma once

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* inet_csum_add returns sum, 0 at first, with len bytes added; an odd last byte is padded with
 * zero, so every piece but the last must be of even length. */
static inline uint64_t inet_csum_add(uint64_t sum, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    size_t words = len / 8;
    for (size_t i = 0; i < words; i++) {
        uint64_t word;
        memcpy(&word, at + i * 8, sizeof word);
        sum += (word & UINT32_MAX) + (word >> 32);
    }
    at += words * 8;
    if (len & 4) {
        uint32_t word;
        memcpy(&word, at, sizeof word);
        sum += word;
        at += sizeof word;
    }
    if (len & 2) {
        uint16_t word;
        memcpy(&word, at, sizeof word);
        sum += word;
        at += sizeof word;
    }
    if (len & 1) {
        uint16_t word = 0;
        memcpy(&word, at, 1);
        sum += word;
    }
    return sum;
}

/* inet_csum_fold returns the checksum to store, in memory order.  It is 0 when the sum was over
 * bytes that include their own right checksum. */
static inline uint16_t inet_csum_fold(uint64_t sum)
{
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    return (uint16_t)~sum;
}

/* inet_csum_pseudo4 and inet_csum_pseudo6 return the sum of the pseudo header of an upper-layer
 * packet of len bytes (RFC 768, RFC 8200 section 8.1).  addrs is the source and the destination
 * address, one behind the other as they are in the IP header. */
static inline uint64_t inet_csum_pseudo4(const uint8_t addrs[8], uint8_t protocol, uint16_t len)
{
    return inet_csum_add((uint64_t)htobe16(protocol) + htobe16(len), addrs, 8);
}

static inline uint64_t inet_csum_pseudo6(const uint8_t addrs[32], uint8_t protocol, uint32_t len)
{
    return inet_csum_add((uint64_t)htobe32(protocol) + htobe32(len), addrs, 32);
}

/* inet_csum_udp returns what goes into a UDP header: a checksum that comes out as 0 is sent as
 * 0xffff, because 0 means that there is none (RFC 768). */
static inline uint16_t inet_csum_udp(uint64_t sum)
{
    uint16_t csum = inet_csum_fold(sum);
    return csum ? csum : UINT16_MAX;
}
