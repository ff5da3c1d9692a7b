/* wire.h - a network between two ends that loses, duplicates, delays, reorders, corrupts, splits
 * and merges TCP segments, all by one seed and on a virtual clock.
 *
 * What travels is a TCP segment with its pseudo header's addresses known to both ends; a corrupted
 * one differs in one byte, which its checksum always shows.
 *
 * Memory:  frames under way are allocated one by one; wire_free frees those that never arrived.
 */
#pragma once

#include <stdint.h>

#include "tests/sim/random.h"

#define WIRE_BYTES_MAX 9000

struct wire_faults { /* chances per thousand */
    uint32_t lose, duplicate, corrupt, split, merge;
    uint32_t delay_ms_min, delay_ms_max; /* each frame's own, so that they overtake each other */
    uint32_t bytes_max;                  /* of a merged segment; 0: WIRE_BYTES_MAX */
};

struct wire_frame {
    struct wire_frame *next;
    uint64_t at_ms;
    uint64_t order; /* frames of one time arrive in the order in which they were sent */
    unsigned to;    /* 0: the server; else the client of that number */
    uint32_t len;
    uint8_t bytes[WIRE_BYTES_MAX];
};

struct wire {
    struct random random;
    struct wire_faults faults;
    struct wire_frame *frames; /* by time */
    uint64_t now_ms, sent;
    uint64_t lost, duplicated, corrupted, split, merged, delivered;
};

/* wire_send puts a segment on its way; pseudo is the sum of its pseudo header without the length,
 * for those that are made anew. */
void wire_send(struct wire *wire, unsigned to, const uint8_t *bytes, uint32_t len, uint32_t pseudo);

/* wire_take returns a frame that has arrived, to be freed, or NULL: none now. */
struct wire_frame *wire_take(struct wire *wire);

/* wire_next_ms returns when the next frame arrives, or UINT64_MAX. */
uint64_t wire_next_ms(const struct wire *wire);

void wire_free(struct wire *wire);

/* wire_checksum returns the TCP checksum of a segment, computed the plain way; 0 when it holds its
 * own right one. */
uint16_t wire_checksum(const uint8_t *bytes, uint32_t len, uint32_t pseudo);
