/* redis.c - hiredis without its blocking half: poll does the waiting, so that it has a deadline. */
#include "sinks/redis.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dataplane/base/clock.h"

#define SLICE_MS 50 /* between two looks at *cancel */

/* hiredis reads this much at a time; what waits unparsed is at most that and one reply. */
#define UNPARSED_MAX (16u << 10)

struct redis {
    redisContext *context;
    redisReplyObjectFunctions functions;
    uint64_t timeout_ns;
    uint64_t deadline_ns;
    const _Atomic bool *cancel;
};

/* hiredis would take memory for as many elements as the server says there are. */
static void *refuse_array(const redisReadTask *task, int elements)
{
    (void)task, (void)elements;
    return NULL;
}

/* hiredis writes without MSG_NOSIGNAL. */
static void block_sigpipe(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void begin_wait(struct redis *redis)
{
    redis->deadline_ns = clock_monotonic_ns() + redis->timeout_ns;
}

static int wait_for(struct redis *redis, short events)
{
    struct pollfd fd = {.fd = redis->context->fd, .events = events};
    for (;;) {
        if (atomic_load_explicit(redis->cancel, memory_order_relaxed))
            return -ECANCELED;
        int rc = poll(&fd, 1, SLICE_MS);
        if (rc < 0 && errno != EINTR)
            return -errno;
        if (clock_monotonic_ns() >= redis->deadline_ns)
            return -ETIMEDOUT;
        if (rc > 0)
            return 0;
    }
}

static int fault(const redisContext *context)
{
    if (context->err == REDIS_ERR_IO)
        return errno ? -errno : -EIO;
    if (context->err == REDIS_ERR_EOF)
        return -ECONNRESET;
    return context->err == REDIS_ERR_OOM ? -ENOMEM : -EPROTO;
}

static int finish_connect(struct redis *redis)
{
    int error = 0;
    socklen_t len = sizeof error;
    int rc = wait_for(redis, POLLOUT);
    if (rc)
        return rc;
    if (getsockopt(redis->context->fd, SOL_SOCKET, SO_ERROR, &error, &len))
        return -errno;
    return -error;
}

int redis_open(struct redis **out, const struct conf_endpoint *endpoint, uint64_t timeout_ns,
               const _Atomic bool *cancel)
{
    struct redis *redis = calloc(1, sizeof *redis);
    if (!redis)
        return -ENOMEM;
    redis->timeout_ns = timeout_ns;
    redis->cancel = cancel;
    block_sigpipe();
    errno = 0;
    redis->context = endpoint->port ? redisConnectNonBlock(endpoint->host, endpoint->port)
                                    : redisConnectUnixNonBlock(endpoint->host);
    int rc = !redis->context ? -ENOMEM : redis->context->err ? fault(redis->context) : 0;
    if (!rc) {
        redis->functions = *redis->context->reader->fn;
        redis->functions.createArray = refuse_array;
        redis->context->reader->fn = &redis->functions;
        begin_wait(redis);
        rc = finish_connect(redis);
    }
    if (rc) {
        redis_close(redis);
        return rc;
    }
    *out = redis;
    return 0;
}

void redis_close(struct redis *redis)
{
    if (redis && redis->context)
        redisFree(redis->context);
    free(redis);
}

int redis_append(struct redis *redis, int argc, const char *const *argv, const size_t *lens)
{
    /* hiredis means const, and does not say so. */
    const char **args = (const char **)(uintptr_t)argv;
    return redisAppendCommandArgv(redis->context, argc, args, lens) == REDIS_OK ? 0 : -ENOMEM;
}

int redis_append_bytes(struct redis *redis, const char *bytes, size_t len)
{
    return redisAppendFormattedCommand(redis->context, bytes, len) == REDIS_OK ? 0 : -ENOMEM;
}

int redis_flush(struct redis *redis)
{
    begin_wait(redis);
    for (;;) {
        int done = 0;
        errno = 0;
        if (redisBufferWrite(redis->context, &done) != REDIS_OK)
            return fault(redis->context);
        if (done)
            return 0;
        int rc = wait_for(redis, POLLOUT);
        if (rc)
            return rc;
    }
}

static int receive(struct redis *redis)
{
    int rc = wait_for(redis, POLLIN);
    if (rc)
        return rc;
    errno = 0;
    if (redisBufferRead(redis->context) != REDIS_OK)
        return fault(redis->context);
    const redisReader *reader = redis->context->reader;
    return reader->len - reader->pos > UNPARSED_MAX + REDIS_REPLY_MAX ? -EPROTO : 0;
}

static int take(struct redis_reply *reply, const redisReply *got)
{
    static const enum redis_kind kinds[] = {
        [REDIS_REPLY_STRING] = REDIS_TEXT,    [REDIS_REPLY_STATUS] = REDIS_TEXT,
        [REDIS_REPLY_INTEGER] = REDIS_NUMBER, [REDIS_REPLY_NIL] = REDIS_NIL,
        [REDIS_REPLY_ERROR] = REDIS_ERROR,
    };
    reply->kind = kinds[got->type];
    reply->number = got->integer;
    reply->len = got->str ? got->len : 0;
    if (reply->len > REDIS_REPLY_MAX)
        return -EPROTO;
    if (reply->len)
        memcpy(reply->text, got->str, reply->len);
    reply->text[reply->len] = '\0';
    return 0;
}

int redis_read(struct redis *redis, struct redis_reply *reply)
{
    void *got = NULL;
    begin_wait(redis);
    for (;;) {
        if (redisGetReplyFromReader(redis->context, &got) != REDIS_OK)
            return -EPROTO;
        if (got)
            break;
        int rc = receive(redis);
        if (rc)
            return rc;
    }
    int rc = take(reply, got);
    freeReplyObject(got);
    return rc;
}

int redis_call(struct redis *redis, int argc, const char *const *argv, const size_t *lens,
               struct redis_reply *reply)
{
    int rc = redis_append(redis, argc, argv, lens);
    if (!rc)
        rc = redis_flush(redis);
    return rc ? rc : redis_read(redis, reply);
}
