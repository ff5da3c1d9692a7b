/* event_members.h - where the members of an event are: what the scan and the walk find, and the
 * checks then look at.
 *
 * Memory:  plain values.  Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum event_slot {
    SLOT_ID,
    SLOT_TIME,
    SLOT_USER,
    SLOT_TYPE,
    SLOT_ITEM,
    SLOT_TILE,
    SLOT_HUNT,
    SLOT_DATA,
    SLOT_OTHER,
    SLOT_COUNT
};

#define SLOT_BIT(slot) (1u << (slot))

/* A member's value: bytes[off, end), quotes included. */
struct event_value {
    uint32_t off;
    uint32_t end;
};

/* The values of own keys, and of the last of the others.  Only those in seen are set. */
struct event_members {
    struct event_value slots[SLOT_COUNT];
    int64_t time_ms; /* the time's value where that has been read, else -1 */
    uint32_t seen;   /* SLOT_BIT */
    bool escaped;    /* some string holds a backslash */
};
