/* reference_event.h - the rules for an event once more, slow and obvious, to compare event_parse
 * with.
 *
 * Written from RFC 8259, RFC 3629, RFC 3339, RFC 9562 and the contract in event.h, without a look
 * at how event.c goes about it: recursive descent into a list of decoded members, then the members
 * in the order of their bytes.
 *
 * Memory:  allocates while it parses, frees all of it.  Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/base/event.h"

struct reference_string {
    bool present;
    uint32_t off; /* of the raw bytes between the quotes */
    uint32_t raw_len;
    uint32_t len;
    uint8_t bytes[EVENT_NAME_MAX];
};

struct reference_event {
    enum reason reason;
    uint32_t offset;
    uint64_t id[2];
    int64_t time_ms;
    struct reference_string user, type, item, tile, hunt;
    bool has_data;
    bool has_other;
    uint32_t data_off;
    uint32_t data_len;
};

void reference_event_parse(const struct event_limits *limits, const uint8_t *bytes, uint32_t len,
                           struct reference_event *event);

/* reference_event_differs parses the bytes both ways, event_parse with the walk alone and with
 * every scan that runs here, from a copy that ends where nothing may be read behind it.  Returns
 * NULL when they agree in everything that event.h promises, else what they differ in. */
const char *reference_event_differs(const struct event_limits *limits, const struct hash_key *key,
                                    const uint8_t *bytes, uint32_t len);
