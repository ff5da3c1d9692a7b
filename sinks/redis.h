/* redis.h - one connection to a Redis server: commands out, scalar replies in, all of it bounded.
 *
 * What comes back is not trusted: a reply is a scalar of at most REDIS_REPLY_MAX bytes, or the
 * connection is at fault. Arrays are refused where they begin, before memory is taken for them.
 * Every wait has a deadline for the whole of what is waited for, so that a server that sends a byte
 * now and then is late as well, and ends at once when it is cancelled.
 *
 * Memory:  one allocation per connection, and hiredis' buffers.
 * Threads: one; *cancel may be set by any.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"

#define REDIS_REPLY_MAX 1024u

struct redis;

enum redis_kind { REDIS_TEXT, REDIS_NUMBER, REDIS_NIL, REDIS_ERROR };

struct redis_reply {
    enum redis_kind kind;
    int64_t number;
    size_t len;
    char text[REDIS_REPLY_MAX + 1]; /* NUL-terminated */
};

/* redis_open connects within timeout_ns, which is also the limit of every later wait.  Returns 0 or
 * a negative errno: what connect says, -ETIMEDOUT, -ECANCELED. */
int redis_open(struct redis **redis, const struct conf_endpoint *endpoint, uint64_t timeout_ns,
               const _Atomic bool *cancel);
void redis_close(struct redis *redis);

/* redis_append puts a command into the buffer, redis_append_bytes one, or a part of one, that is
 * encoded already; 0 or -ENOMEM.  redis_flush sends what is there. */
int redis_append(struct redis *redis, int argc, const char *const *argv, const size_t *lens);
int redis_append_bytes(struct redis *redis, const char *bytes, size_t len);
int redis_flush(struct redis *redis);

/* redis_read takes the next reply, in the order of the commands.  Returns 0, also for an error
 * reply, or a negative errno, after which the connection is of no more use: -ETIMEDOUT, -ECANCELED,
 * -ECONNRESET, -EPROTO a reply that is none, or none of ours. */
int redis_read(struct redis *redis, struct redis_reply *reply);

/* redis_call appends, flushes and reads. */
int redis_call(struct redis *redis, int argc, const char *const *argv, const size_t *lens,
               struct redis_reply *reply);
