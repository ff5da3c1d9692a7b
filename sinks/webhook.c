/* webhook.c - batches of outcomes by POST, each batch under a key that is the same whenever it is
 * sent again.
 *
 * A batch is of one journal, and its Idempotency-Key names the first and the last outcome in it.
 * What a batch goes from and to is written down before it is sent, so it is put together in the
 * same way after a crash. A batch that is refused for what is in it is sent again one by one.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/http_client.h"
#include "dataplane/base/clock.h"
#include "sinks/body.h"
#include "sinks/fault.h"
#include "sinks/secret.h"
#include "sinks/signature.h"

#define BODY_ROOM   (1u << 20)
#define RANGES_MAX  SINK_BATCH_MAX
#define ANSWER_MAX  (64u << 10)
#define KEY_MAX     128u
#define RETRY_MAX_S 300u

/* What one batch holds: outcomes of a journal from first to last. */
struct range {
    uint32_t epoch, shard;
    uint64_t first, last;
};

struct sink_webhook {
    const struct conf_sink *conf;
    const struct line_origin *origin;
    const char *state_path;
    int state_fd; /* -1: closed */
    bool fresh;   /* a commit went well: what was written down is over */
    _Atomic bool cancel;
    struct http_client *client;
    uint32_t range_count;
    struct range ranges[RANGES_MAX];
    struct range single; /* of this, one by one; epoch 0: of none */
    struct sink_fault fault;

    uint32_t count;
    struct range batch;
    uint64_t limit; /* ordinal at which it is full; 0: not known */
    unsigned cut_count;
    struct sink_place first;
    size_t used;
    char body[BODY_ROOM];
};

static void *webhook_make(const struct sink_setup *setup)
{
    struct sink_webhook *sink = calloc(1, sizeof *sink);
    if (!sink)
        return NULL;
    sink->conf = setup->conf;
    sink->origin = setup->origin;
    sink->state_path = setup->state_path;
    sink->state_fd = -1;
    return sink;
}

static void webhook_close(void *arg)
{
    struct sink_webhook *sink = arg;
    http_client_free(sink->client);
    sink->client = NULL;
    if (sink->state_fd >= 0)
        close(sink->state_fd);
    sink->state_fd = -1;
}

static void webhook_free(void *arg)
{
    webhook_close(arg);
    free(arg);
}

/* ---- what batches hold ---- */

/* A line that a crash cut short was of a batch that was not sent. */
static int load_ranges(struct sink_webhook *sink)
{
    char line[96];
    int copy = dup(sink->state_fd);
    FILE *in = copy < 0 ? NULL : fdopen(copy, "r");
    sink->range_count = 0;
    if (!in)
        return -errno;
    rewind(in);
    while (sink->range_count < RANGES_MAX && fgets(line, sizeof line, in)) {
        struct range *range = &sink->ranges[sink->range_count];
        int end = 0;
        /* NOLINTNEXTLINE(cert-err34-c): a number that is none ends the line's match */
        if (sscanf(line, "%" SCNu32 " %" SCNu32 " %" SCNu64 " %" SCNu64 " .%n", &range->epoch,
                   &range->shard, &range->first, &range->last, &end) == 4 &&
            end && line[end] == '\n')
            sink->range_count++;
    }
    fclose(in);
    return 0;
}

static int keep_range(struct sink_webhook *sink)
{
    char line[96];
    if (sink->fresh) {
        sink->range_count = 0;
        if (ftruncate(sink->state_fd, 0))
            return fault_say(&sink->fault, -errno, "%.180s: %s", sink->state_path, strerror(errno));
        sink->fresh = false;
    }
    for (uint32_t i = 0; i < sink->range_count; i++)
        if (memcmp(&sink->ranges[i], &sink->batch, sizeof sink->batch) == 0)
            return 0;
    int len = snprintf(line, sizeof line, "%u %u %" PRIu64 " %" PRIu64 " .\n", sink->batch.epoch,
                       sink->batch.shard, sink->batch.first, sink->batch.last);
    if (write(sink->state_fd, line, (size_t)len) != len || fdatasync(sink->state_fd))
        return fault_say(&sink->fault, -EIO, "%.180s: %s", sink->state_path, strerror(errno));
    if (sink->range_count < RANGES_MAX)
        sink->ranges[sink->range_count++] = sink->batch;
    return 0;
}

/* Where a batch that begins here ended when it was sent before; 0: it was not. */
static uint64_t find_limit(const struct sink_webhook *sink, const struct sink_item *item)
{
    uint64_t limit = 0;
    for (uint32_t i = 0; !sink->fresh && i < sink->range_count; i++) {
        const struct range *range = &sink->ranges[i];
        if (range->epoch == item->epoch && range->shard == item->shard &&
            range->first == item->ordinal)
            limit = range->last;
    }
    return limit;
}

static bool is_single(const struct sink_webhook *sink, const struct sink_item *item)
{
    const struct range *range = &sink->single;
    return range->epoch == item->epoch && range->shard == item->shard &&
           range->first <= item->ordinal && item->ordinal <= range->last;
}

static int webhook_open(void *arg, uint64_t resume)
{
    struct sink_webhook *sink = arg;
    (void)resume;
    assert(!sink->client);
    sink->fault = (struct sink_fault){0};
    sink->count = 0;
    sink->fresh = false;
    sink->client = http_client_new();
    sink->state_fd =
        open(sink->state_path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    int rc = sink->state_fd < 0 ? -errno : load_ranges(sink);
    if (!rc && !sink->client)
        rc = -ENOMEM;
    if (rc) {
        webhook_close(sink);
        return fault_say(&sink->fault, rc, "%.180s: %s", sink->state_path, strerror(-rc));
    }
    return 0;
}

/* ---- a batch ---- */

/* What is wrong with the server waits, what is wrong with the batch does not get better. */
static int judge(struct sink_webhook *sink, const struct http_answer *answer)
{
    int status = answer->status;
    bool of_batch = status == 400 || status == 413 || status == 422;
    if (status >= 200 && status < 300)
        return 0;
    uint64_t wait = answer->retry_after_s < RETRY_MAX_S ? answer->retry_after_s : RETRY_MAX_S;
    sink->fault.retry_after_ns = wait * NS_PER_S;
    sink->fault.at = sink->first;
    sink->fault.of_record = of_batch && sink->count == 1;
    if (of_batch && sink->count > 1)
        sink->single = sink->batch;
    return fault_say(&sink->fault, -EREMOTEIO, "%.120s: status %d%s%.*s", sink->conf->url, status,
                     answer->len ? ": " : "", (int)(answer->len < 80 ? answer->len : 80),
                     answer->len ? answer->text : "");
}

static int sign(struct sink_webhook *sink, char line[SIGNATURE_MAX + 24])
{
    char secret[SECRET_MAX + 2], signature[SIGNATURE_MAX];
    int len = secret_read(sink->conf->secret_file, secret);
    if (len <= 0)
        return fault_say(&sink->fault, len ? len : -EINVAL, "secret_file %.150s: %s",
                         sink->conf->secret_file, len ? strerror(-len) : "its first line is empty");
    int rc = signature_make(secret, (size_t)len, clock_realtime_ns() / NS_PER_S, sink->body,
                            sink->used, signature);
    secret_wipe(secret);
    if (rc)
        return fault_say(&sink->fault, rc, "the body cannot be signed: %s", strerror(-rc));
    snprintf(line, SIGNATURE_MAX + 24, "Trove-Signature: %s", signature);
    return 0;
}

static int post(struct sink_webhook *sink)
{
    char key[KEY_MAX], signature[SIGNATURE_MAX + 24];
    struct http_answer answer;
    bool events = sink->conf->format == CONF_FORMAT_CLOUDEVENTS;
    const struct range *batch = &sink->batch;
    snprintf(key, sizeof key, "Idempotency-Key: \"%s-%u-%u-%" PRIu64 "-%" PRIu64 "\"",
             sink->origin->journal, batch->epoch, batch->shard, batch->first, batch->last);
    int rc = sign(sink, signature);
    if (rc)
        return rc;
    const char *const headers[] = {events ? "Content-Type: application/cloudevents-batch+json"
                                          : "Content-Type: application/json",
                                   key, signature, "Expect:", NULL};
    const struct http_request request = {
        .method = "POST",
        .url = sink->conf->url,
        .headers = headers,
        .body = sink->body,
        .body_len = sink->used,
        .answer_max = ANSWER_MAX,
        .timeout_ns = sink->conf->timeout_ns,
        .cancel = &sink->cancel,
        .ca_file = sink->conf->tls.ca_file,
        .cert_file = sink->conf->tls.cert_file,
        .key_file = sink->conf->tls.key_file,
    };
    rc = http_client_call(sink->client, &request, &answer);
    if (rc)
        return fault_say(&sink->fault, rc, "%.120s: %.120s", sink->conf->url,
                         http_client_error(sink->client));
    return judge(sink, &answer);
}

static int flush(struct sink_webhook *sink)
{
    if (!sink->count)
        return 0;
    sink->fault = (struct sink_fault){0};
    sink->body[sink->used++] = ']';
    int rc = keep_range(sink);
    if (!rc)
        rc = post(sink);
    if (rc)
        return rc;
    sink->count = 0;
    return 0;
}

static void begin(struct sink_webhook *sink, const struct sink_item *item)
{
    sink->batch =
        (struct range){.epoch = item->epoch, .shard = item->shard, .first = item->ordinal};
    sink->limit = is_single(sink, item) ? item->ordinal : find_limit(sink, item);
    sink->first = (struct sink_place){.epoch = item->epoch,
                                      .shard = item->shard,
                                      .ordinal = item->ordinal,
                                      .partition = item->outcome->partition,
                                      .seq = item->outcome->seq};
    sink->used = 0;
}

/* Says whether an item can follow those of the batch. */
static bool fits(const struct sink_webhook *sink, const struct sink_item *item)
{
    bool same = sink->batch.epoch == item->epoch && sink->batch.shard == item->shard;
    bool open = sink->limit ? item->ordinal <= sink->limit : sink->count < sink->conf->batch;
    bool single = !sink->limit && is_single(sink, item);
    return same && open && !single && sizeof sink->body - sink->used > BODY_BYTES_MAX + 2;
}

static int webhook_deliver(void *arg, const struct sink_item *item)
{
    struct sink_webhook *sink = arg;
    int rc = sink->count && !fits(sink, item) ? flush(sink) : 0;
    if (rc)
        return rc;
    if (!sink->count)
        begin(sink, item);
    sink->body[sink->used++] = sink->count ? ',' : '[';
    sink->used += body_encode(sink->conf->format, item, sink->origin, sink->body + sink->used) - 1;
    sink->batch.last = item->ordinal;
    sink->count++;
    return 0;
}

/* A batch that was sent before and is not whole: what was read first was another journal, and next
 * time is not. Unless what it ended with is no longer asked for. */
static bool is_cut_short(struct sink_webhook *sink)
{
    bool cut = sink->count && sink->limit && sink->batch.last < sink->limit;
    sink->cut_count = cut ? sink->cut_count + 1 : 0;
    return cut && sink->cut_count <= SINK_EPOCH_JOURNALS_MAX;
}

static int webhook_commit(void *arg, uint64_t *resume)
{
    struct sink_webhook *sink = arg;
    if (is_cut_short(sink))
        return fault_say(&sink->fault, -EAGAIN, "a batch that was begun is read again");
    int rc = flush(sink);
    if (rc)
        return rc;
    sink->fresh = true;
    *resume = 0;
    return 0;
}

static const struct sink_fault *webhook_fault(void *arg)
{
    return &((struct sink_webhook *)arg)->fault;
}

static void webhook_cancel(void *arg)
{
    atomic_store(&((struct sink_webhook *)arg)->cancel, true);
}

const struct sink_ops sink_webhook_ops = {
    .type = "webhook",
    .make = webhook_make,
    .free = webhook_free,
    .open = webhook_open,
    .deliver = webhook_deliver,
    .commit = webhook_commit,
    .close = webhook_close,
    .fault = webhook_fault,
    .cancel = webhook_cancel,
    .remote = true,
};
