/* nats.h - one connection to a NATS server: messages with headers out, replies to an inbox of its
 * own in, all of it bounded.
 *
 * libnats does the protocol; the waiting is done here, with poll, so that every wait has a deadline
 * and ends when it is cancelled, and nothing is written by a thread that could hang. libnats' own
 * reconnecting is off: the pump decides when to try again.
 *
 * Memory:  one allocation per connection, and libnats' buffers: what was published and not yet
 *          sent, and what is unparsed, NATS_UNPARSED_MAX at most.
 * Threads: one; *cancel may be set by any. While connecting, which takes the timeout per server at
 *          most and whatever the resolver needs for names, it is not looked at.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"

#define NATS_REPLY_MAX    (64u << 10) /* longer ones are at fault */
#define NATS_UNPARSED_MAX (1u << 20)

struct nats;

struct nats_settings {
    const char *servers;         /* as the configuration has them: conf/servers.h */
    const char *user, *password; /* NULL: none */
    const char *token;           /* NULL: none */
    const char *credentials;     /* path of a .creds file, NULL: none */
    const struct conf_tls *tls;  /* NULL: none */
    uint64_t timeout_ns;         /* of connecting, and of every later wait */
    const _Atomic bool *cancel;
};

struct nats_header {
    const char *key, *value;
};

/* What came back for a tag. */
struct nats_reply {
    uint64_t tag;
    bool no_responders; /* nobody listens to the subject */
    size_t len;
    char bytes[NATS_REPLY_MAX + 1]; /* NUL-terminated */
};

/* nats_open connects to one of the servers, whichever answers.  Returns 0, or a negative errno with
 * a line in error. */
int nats_open(struct nats **nats, const struct nats_settings *settings, char error[160]);
void nats_close(struct nats *nats);

/* nats_max_payload tells how long a message may be, headers and all. */
size_t nats_max_payload(const struct nats *nats);

#define NATS_NO_REPLY UINT64_MAX

/* nats_publish buffers a message whose reply is to carry a tag, or that asks for none; 0 or a
 * negative errno. */
int nats_publish(struct nats *nats, const char *subject, uint64_t tag,
                 const struct nats_header *headers, unsigned header_count, const void *body,
                 size_t len);

/* nats_send buffers a message that asks for nothing; nats_ping one to ourselves, which comes back
 * with its tag, empty, once the server has had all that was buffered before it.  0 or a negative
 * errno. */
int nats_send(struct nats *nats, const char *subject, const void *body, size_t len);
int nats_ping(struct nats *nats, uint64_t tag);

/* nats_push sends as much of what is buffered as the socket takes, and does not wait: so that the
 * server is at work while more is being buffered. */
void nats_push(struct nats *nats);

/* nats_receive sends what is buffered and waits for the next reply, whatever its tag.  Returns 0 or
 * a negative errno, after which the connection is of no more use: -ETIMEDOUT, -ECANCELED,
 * -ECONNRESET (nats_error says more), -EPROTO a reply that is too long or is none of ours. */
int nats_receive(struct nats *nats, struct nats_reply *reply);

/* nats_error returns what went wrong last, as the library has it. */
const char *nats_error(struct nats *nats);
