/* rx_impl.h - what rx.c lends to rx_http.c: staging events in the shards' rings.  Nobody else
 * includes it.
 *
 * Memory:  as rx.h.  Threads: the rx core.
 */
#pragma once

#include "dataplane/rx.h"

#define RX_STAGE_EVENTS 64 /* as many are handed over at the latest */

struct rx_staging {
    struct packet *released[2 * RX_BURST];
    uint32_t released_count;
    struct packet *replies[RX_BURST];
    uint32_t reply_count;
    uint32_t staged[]; /* [shard]: events in its ring that it does not see yet */
};

/* When an event came: real time, and the monotonic time that latencies count from. */
struct rx_arrival {
    uint64_t receive_ns;
    uint64_t wire_ns;
};

/* rx_parse makes an event of bytes, good or rejected, and returns the shard that it is for. The
 * token is the caller's to set. */
uint32_t rx_parse(const struct rx *rx, const struct rx_arrival *arrival, const uint8_t *bytes,
                  uint32_t len, struct event *event);

/* rx_stage counts the event as received and puts it in line for its shard.  A datagram's that finds
 * no room is lost; HTTP's has asked rx_shard_room before. */
void rx_stage(struct rx *rx, uint32_t shard, const struct event *event);

/* rx_push_stages hands over all that is staged. */
void rx_push_stages(struct rx *rx);

/* rx_shard_room returns how many more events can be staged for a shard and find a place in its
 * ring. */
static inline uint32_t rx_shard_room(const struct rx *rx, uint32_t shard)
{
    uint32_t taken = rx->open[shard] + rx->staging->staged[shard];
    return taken < rx->open_max ? rx->open_max - taken : 0;
}
