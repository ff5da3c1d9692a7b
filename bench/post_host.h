/* post_host.h - an rx part whose port and whose shard are memory: what trove-post and
 * trove-datagram measure, without a driver, a disk or a second core.
 *
 * Frames that wait are given to the rx part in bursts; what it transmits lies in `sent` until the
 * next turn.  The shard accepts every event.  Checksums are made and looked at by software, as on a
 * port that does not know how.
 *
 * Memory:  one instance, its arena taken by init.  Threads: one.
 */
#pragma once

#include <stdint.h>

#include "dataplane/rx_http.h"

#define POST_HOST_BUFFERS  8192
#define POST_HOST_SENT     1024 /* frames in a turn at most */
#define POST_HOST_PORT     8080
#define POST_HOST_UDP_PORT 7001

struct post_host_frame {
    const uint8_t *bytes;
    uint32_t len;
};

struct post_host {
    struct rx rx;
    struct post_host_frame sent[POST_HOST_SENT]; /* valid until the next turn */
    uint32_t sent_count;
};

/* post_host_init makes the rx part for so many connections, in [0, 65536]; for none, without HTTP.
 * Ends the program when memory is short. */
void post_host_init(uint32_t connections);

/* post_host_frame returns room for one frame of 2048 bytes, which post_host_offer hands to the
 * port.  At most POST_HOST_BUFFERS / 2 frames wait. */
uint8_t *post_host_frame(void);
void post_host_offer(uint32_t len);

/* A turn of the core is these three: begin forgets what was sent, poll is the rx part's work, shard
 * answers what it was given, durable at once. */
void post_host_begin(void);
unsigned post_host_poll(void);
void post_host_shard(void);

/* post_host_waiting returns how many frames wait for the rx part. */
uint32_t post_host_waiting(void);

extern struct post_host post_host;
extern const uint8_t post_host_mac[6], post_host_addr[4];
