/* rx.h - the rx part: frames of one port queue in, events to the shards' rings out, answers back.
 *
 * A frame's buffer stays the rx part's: shards read the event's bytes in it and hand it back by
 * answering. The rx part never has more than a ring's worth of events open at a shard, so the
 * answer ring cannot overflow and the number of buffers is known at start.
 *
 * Where there is an HTTP port, rx_http.h joins TCP and HTTP to the same queue and the same rings:
 * an event's token then says whose it is.
 *
 * Memory:  staging from an arena on the core's node; frames belong to the port.
 * Threads: one core polls; counters are read by the control thread.
 */
#pragma once

#include "dataplane/base/answer.h"
#include "dataplane/base/arena.h"
#include "dataplane/net.h"

#define RX_BURST      32
#define RX_SHARDS_MAX 64

/* The longest frame that is sent: Ethernet's 1500 bytes, with two VLAN tags. */
#define RX_FRAME_BYTES (14 + 8 + 1500)

/* Bit 0 of an event's token: set, it is HTTP's; clear, the token is a packet. */
#define RX_TOKEN_HTTP 1

/* A frame in a buffer of the port. `pending` counts its events that are at a shard. */
struct packet {
    uint8_t *frame;
    uint32_t len;
    uint16_t pending;
    uint8_t offload;   /* enum net_offload */
    uint8_t segmented; /* the frame does not lie in one piece: dropped */
    uint8_t unsummed;  /* to be sent: bytes of the link header in front of IP, when the port makes
                          the TCP checksum; 0: it is made */
};

/* What an rx part needs of a port's queue, so that tests and the simulator can be one. */
struct rx_port {
    /* receive returns up to count frames; they are the caller's until released or transmitted. */
    uint32_t (*receive)(void *port, struct packet **packets, uint32_t count);
    /* transmit takes the frames that it returns, from the first on; the caller keeps the rest. */
    uint32_t (*transmit)(void *port, struct packet **packets, uint32_t count);
    void (*release)(void *port, struct packet **packets, uint32_t count);
    /* alloc returns an empty buffer for one frame of RX_FRAME_BYTES to transmit, or NULL when there
     * is none now. */
    struct packet *(*alloc)(void *port);
    void *port;
};

/* Why an event was lost: nobody could be told. */
#define LOST_LIST(LOST)                                                                            \
    LOST(ring_full, "a shard's ring was full: the shard or its journal did not keep up")           \
    LOST(journal, "a shard's journal takes nothing: its disk is full, or fails every write")       \
    LOST(state_full, "no room for its id, user or tile: see usage against its capacity")           \
    LOST(nic, "the port had no room for a packet; counted as one event each")

enum lost {
#define LOST_ENUM(name, help) LOST_##name,
    LOST_LIST(LOST_ENUM)
#undef LOST_ENUM
        LOST_COUNT
};

const char *lost_name(unsigned lost);

struct rx_counters {
    uint64_t packets, bytes;
    uint64_t delivered; /* packets whose UDP payload held events */
    uint64_t replied;
    uint64_t dropped[NET_REASON_COUNT];
    uint64_t reply_failed; /* the port's transmit queue was full */
    uint64_t received;     /* events */
    uint64_t answered;     /* events whose answer came back */
    uint64_t refused;      /* of HTTP's events: no room in the state, and the client is told */
    uint64_t lost[LOST_COUNT];
    uint64_t bad_stamps;     /* trailers that are no time of the last 10 s */
    uint64_t receive_cycles; /* in the port's receive, of bursts that had frames */
};

struct rx_settings {
    struct event_limits limits;
    bool trailer; /* frames carry a timestamp trailer */
};

struct rx_staging;
struct rx_http;

struct rx {
    struct rx_port port;
    struct net net;
    struct rx_settings settings;
    const struct hash_key *key;
    uint32_t partition_count;
    uint32_t shard_count;
    uint32_t open_max;                           /* events at a shard at any time */
    int32_t local_shard;                         /* polled by the same core, -1: none */
    struct event_ring *to_shard[RX_SHARDS_MAX];  /* pushes */
    struct answer_ring *answers[RX_SHARDS_MAX];  /* pops */
    uint32_t open[RX_SHARDS_MAX];                /* events at each shard now */
    const _Atomic bool *refusing[RX_SHARDS_MAX]; /* each journal takes nothing; or NULL */
    struct rx_staging *staging;
    struct rx_http *http; /* NULL: no HTTP port */

    /* Written by the rx core, read by the control thread. */
    struct rx_counters counters __attribute__((aligned(64)));
};

struct rx_wiring {
    struct rx_port port;
    struct net net;
    struct rx_settings settings;
    const struct hash_key *key; /* outlives the part */
    uint32_t partition_count, shard_count;
    uint32_t ring_slots;
    int32_t local_shard;
    struct event_ring **to_shard;
    struct answer_ring **answers;
    const _Atomic bool **refusing; /* [shard]: says why its ring is full; NULL: nobody does */
};

size_t rx_footprint(uint32_t shard_count);
void rx_init(struct rx *rx, struct arena *arena, const struct rx_wiring *wiring);

/* rx_poll takes back what was answered, then up to one burst of frames when receive is true.
 * Returns answers and frames handled; 0 means idle. */
unsigned rx_poll(struct rx *rx, bool receive);

/* rx_reconfigure takes over the scalars of a new configuration. Thread: the rx core. */
void rx_reconfigure(struct rx *rx, const struct rx_settings *settings);
