/* blast_request.h - POST requests around events of a source.
 *
 * The head is the same for all but its Content-Length, so it is made once and copied in front of
 * the body when that is known.
 *
 * Memory:  one buffer for the longest request, taken by init.
 * Threads: one.
 */
#pragma once

#include <stdint.h>

#include "bench/blast_source.h"

#define BLAST_BATCH_MAX        10000
#define BLAST_REQUEST_BODY_MAX (16u << 20)
#define BLAST_REQUEST_HEAD_MAX 512

struct blast_request {
    struct blast_source *source;
    uint32_t batch;
    uint32_t head_len;
    char head[BLAST_REQUEST_HEAD_MAX]; /* up to and with "Content-Length: " */
    uint8_t *buffer;
};

struct blast_request_bytes {
    const uint8_t *bytes; /* the request's, until the next one is built */
    uint32_t len;
    uint32_t events; /* [1, batch], fewer than batch only at the end of the plan */
};

/* blast_request_init prepares POSTs to path of host (HOST:PORT), each of batch events, in [1,
 * BLAST_BATCH_MAX], of at most event_bytes each: one JSON object, or more as NDJSON.  ack is the
 * value of Trove-Ack, or NULL.  Returns 0, -ENAMETOOLONG when path is too long, or -ENOMEM. */
int blast_request_init(struct blast_request *request, struct blast_source *source, const char *host,
                       const char *path, const char *ack, uint32_t batch, uint32_t event_bytes);
void blast_request_fini(struct blast_request *request);

/* blast_request_max returns the length that no request exceeds. */
uint32_t blast_request_max(uint32_t batch, uint32_t event_bytes);

/* blast_request_build takes the next events from the source, dated due_ns since the start, and
 * settles them as sent.  The plan must not be over. */
struct blast_request_bytes blast_request_build(struct blast_request *request, uint64_t due_ns);
