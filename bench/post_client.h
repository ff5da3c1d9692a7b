/* post_client.h - clients of trove-post's host: connections that POST, and hear that all went well.
 *
 * Memory:  taken by init, for the life of the program.  Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* What is posted: by so many connections in turn, so many requests each at once, so many events in
 * each request. */
struct post_set {
    const char *name;
    const char *ack; /* Trove-Ack */
    uint32_t connections, pipeline, batch;
};

/* post_client_init opens the set's connections with the host. */
void post_client_init(const struct post_set *set);

/* post_client_offer writes the frames of as many requests as may be open, until about `frames` of
 * them wait for the host. */
void post_client_offer(uint32_t frames);

/* post_client_hear takes what the host sent; what is no answer of success ends the program. */
void post_client_hear(void);

/* post_client_answered returns how many events were answered. */
uint64_t post_client_answered(void);
