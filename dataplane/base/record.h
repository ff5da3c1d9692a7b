/* record.h - journal records: what a shard appends, what sinks, recovery and replay read.
 *
 * A record is a 32-byte header and a body, padded to 8 bytes; little-endian, as laid out here.  An
 * event's own record comes first and its outcomes follow it at once, in the same block, so a reader
 * that has the event has the whole story of it.
 *
 *   EVENT    body: the bytes exactly as received
 *   DEAD     body: the same; reason and reason_offset say why it was rejected
 *   OUTCOME  body: see outcome.h
 *   CORRECTION  body: see correction.h; its one outcome follows it, as an event's do
 *   CONFIG   body: JSON text that names the configuration version now in force; partition is
 * RECORD_NO_PARTITION
 *
 * Memory:  views point into the block.  Threads: any.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum record_kind {
    RECORD_EVENT = 1,
    RECORD_DEAD = 2,
    RECORD_OUTCOME = 3,
    RECORD_CONFIG = 4,
    RECORD_CORRECTION = 5,
};

enum record_flag {
    RECORD_LATE = 1 << 0, /* client time older than events.lateness: wins nothing live */
    RECORD_CLAMPED =
        1
        << 1, /* client time ahead by more than events.skew_tolerance: receive time used instead */
};

#define RECORD_NO_PARTITION 0xffff

struct record {
    uint32_t body_len;
    uint8_t kind;   /* enum record_kind */
    uint8_t reason; /* enum reason, of a DEAD record */
    uint16_t partition;
    uint64_t seq;        /* dense within the partition, from 1 */
    uint64_t receive_ns; /* CLOCK_REALTIME, never decreasing within a partition */
    uint16_t flags;      /* enum record_flag */
    uint16_t reason_offset;
    uint32_t reserved; /* 0 */
};

static_assert(sizeof(struct record) == 32, "on disk");

static inline uint32_t record_bytes(uint32_t body_len)
{
    return (uint32_t)sizeof(struct record) + ((body_len + 7u) & ~7u);
}

static inline const uint8_t *record_body(const struct record *r)
{
    return (const uint8_t *)(r + 1);
}

/* record_next checks the record at *at in [0, end) of a block's payload and moves *at past it.
 * Returns it, or NULL at the end or when it does not fit (then *at != end: damage that the block's
 * CRC did not explain). */
static inline const struct record *record_next(const uint8_t *payload, uint32_t end, uint32_t *at)
{
    uint32_t room = end - *at;
    if (*at >= end || room < sizeof(struct record))
        return NULL;
    const struct record *record = (const struct record *)(const void *)(payload + *at);
    /* In this order: record_bytes of a hostile length would wrap. */
    if (record->body_len > room - sizeof(struct record) || record_bytes(record->body_len) > room)
        return NULL;
    if (record->kind < RECORD_EVENT || record->kind > RECORD_CORRECTION)
        return NULL;
    *at += record_bytes(record->body_len);
    return record;
}
