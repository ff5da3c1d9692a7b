/* nats_reply.h - what a JetStream server says, read as far as the sink needs it. Nothing of it is
 * trusted: a reply that lacks what it should have is no reply.
 *
 * Memory:  the caller's; jansson's while parsing.  Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sinks/ends.h"

/* Error codes of the JetStream API that mean something to the sink. */
enum {
    NATS_NO_ERROR = 0,
    NATS_NO_MESSAGE = 10037,
    NATS_TOO_LONG = 10054,
    NATS_NO_STREAM = 10059,
    NATS_WRONG_SEQUENCE = 10071,
};

struct nats_refusal {
    unsigned code; /* NATS_NO_ERROR: none */
    char text[160];
};

/* The answer to a published message. */
struct nats_ack {
    struct nats_refusal refusal;
    uint64_t seq; /* of the message in the stream, from 1 */
    bool duplicate;
};

/* What is known of a stream. */
struct nats_info {
    struct nats_refusal refusal;
    uint64_t messages, last_seq;
    uint64_t window_ns; /* in which a message's id is remembered */
    bool no_ack, sealed, mirror;
};

/* What a message of the stream says of all the messages before it, and of itself: per shard the
 * last outcome that the stream has. */
struct nats_stored {
    struct nats_refusal refusal;
    bool ours; /* it has such a header */
    char journal[ENDS_JOURNAL_MAX];
    struct sink_end end[SINK_EPOCH_JOURNALS_MAX];
};

/* Each returns 0, also for a refusal, or -EPROTO. */
int nats_ack_parse(const char *bytes, size_t len, const char *stream, struct nats_ack *ack);
int nats_info_parse(const char *bytes, size_t len, const char *stream, struct nats_info *info);
int nats_stored_parse(const char *bytes, size_t len, struct nats_stored *stored);
