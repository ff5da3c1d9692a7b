/* nats_stream.h - the NATS JetStream sink from inside: nats_stream.c sends batches, nats_setup.c
 * connects and finds out what the stream has.
 *
 * Outcomes are messages of one stream that belongs to the data directory. Each says that it expects
 * the stream to end with the message before it (Nats-Expected-Last-Sequence), so the server takes a
 * batch up to the first message that it refuses and none behind it: what the stream has is always a
 * beginning of what was sent. And each says, in the header Trove-At, up to which outcome of each
 * journal the stream reaches with it; so after a reconnect the last message alone tells what is to
 * be sent next, whatever was acknowledged and however long ago. Nats-Msg-Id, the outcome's own id,
 * is for consumers, and a second guard within the stream's duplicate window.
 *
 * Memory:  one allocation.  Threads: the pump's, but for cancel.
 */
#pragma once

#include "conf/subject.h"
#include "sinks/body.h"
#include "sinks/nats.h"
#include "sinks/nats_reply.h"

#define NATS_BATCH_MAX   1024u
#define NATS_BATCH_BYTES (1u << 20)

struct nats_entry {
    struct sink_place place;
    size_t at, len; /* of the body, in the buffer */
    char id[BODY_ID_MAX];
    char subject[SUBJECT_MAX];
    bool answered;
    struct nats_ack ack;
};

struct nats_sink {
    const struct conf_sink *conf;
    const struct line_origin *origin;
    _Atomic bool cancel;
    struct nats *link;
    uint64_t tag;  /* of the next message */
    uint64_t last; /* sequence of the stream's last message */
    bool is_known; /* end is what the stream has */
    struct sink_end end[SINK_EPOCH_JOURNALS_MAX];
    /* Ends that the server has acknowledged as duplicates: it has them, whatever its last message
     * says. */
    struct sink_end floor[SINK_EPOCH_JOURNALS_MAX];
    struct sink_fault fault;
    uint64_t repeats;
    struct nats_reply reply;

    uint32_t count;
    size_t used;
    struct nats_entry entries[NATS_BATCH_MAX];
    char buffer[NATS_BATCH_BYTES];
};

/* nats_sink_fail_link notes a fault of the connection and returns rc. */
int nats_sink_fail_link(struct nats_sink *sink, int rc, const char *what);

/* nats_sink_find_end asks the stream where it ends, while connected. */
int nats_sink_find_end(struct nats_sink *sink);

/* nats_sink_connect connects, makes or checks the stream, and learns its end. */
int nats_sink_connect(struct nats_sink *sink, uint64_t resume);
