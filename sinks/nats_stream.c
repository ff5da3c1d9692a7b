/* nats_stream.c - batches of messages, each behind the one before it or not at all. */
#include "sinks/nats_stream.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/counter.h"
#include "dataplane/base/text.h"
#include "sinks/fault.h"

/* What headers may add to a body, at most: their names, an id, two numbers. */
#define HEADER_BYTES (ENDS_TEXT_MAX + BODY_ID_MAX + 160u)

/* The timeout is for an answer, and so for this many messages; so many go out together, too. */
#define ANSWER_EVERY 64u

static uint64_t stream_repeats(const void *arg)
{
    return counter_read(&((const struct nats_sink *)arg)->repeats);
}

static void *stream_make(const struct sink_setup *setup)
{
    struct nats_sink *sink = calloc(1, sizeof *sink);
    if (!sink)
        return NULL;
    sink->conf = setup->conf;
    sink->origin = setup->origin;
    return sink;
}

static void stream_close(void *arg)
{
    struct nats_sink *sink = arg;
    nats_close(sink->link);
    sink->link = NULL;
}

static void stream_free(void *arg)
{
    stream_close(arg);
    free(arg);
}

static int stream_open(void *arg, uint64_t resume)
{
    struct nats_sink *sink = arg;
    assert(!sink->link);
    sink->fault = (struct sink_fault){0};
    sink->count = 0;
    sink->used = 0;
    int rc = nats_sink_connect(sink, resume);
    if (rc)
        stream_close(sink);
    return rc;
}

/* The pump's own word counts where the stream cannot tell. */
static int stream_end(void *arg, uint32_t shard, struct sink_end *end)
{
    struct nats_sink *sink = arg;
    if (sink->is_known)
        *end = sink->end[shard];
    else
        sink->end[shard] = *end;
    return 0;
}

/* ---- batches ---- */

/* Publishes an entry behind the message `after`, together with which the stream reaches `end`. */
static int publish(struct nats_sink *sink, const struct nats_entry *entry, uint64_t tag,
                   uint64_t after, const struct sink_end *end)
{
    char at[ENDS_TEXT_MAX], last[24];
    ends_encode(sink->origin->journal, end, at);
    last[text_decimal_format(after, last)] = '\0';
    const struct nats_header headers[] = {
        {"Nats-Msg-Id", entry->id},
        {"Nats-Expected-Stream", sink->conf->stream},
        {"Nats-Expected-Last-Sequence", last},
        {"Content-Type", sink->conf->format == CONF_FORMAT_CLOUDEVENTS
                             ? "application/cloudevents+json"
                             : "application/json"},
        {"Trove-At", at},
    };
    return nats_publish(sink->link, entry->subject, tag, headers, sizeof headers / sizeof *headers,
                        sink->buffer + entry->at, entry->len);
}

/* Publishes entries from one on; every one of them tells the ends as they are with it.  Every
 * `stride`-th is to be answered, and the last; *asked of them. */
static int publish_from(struct nats_sink *sink, uint32_t from, uint32_t stride, uint32_t *asked)
{
    struct sink_end end[SINK_EPOCH_JOURNALS_MAX];
    memcpy(end, sink->end, sizeof end);
    int rc = 0;
    for (uint32_t i = from; !rc && i < sink->count; i++) {
        struct nats_entry *entry = &sink->entries[i];
        end[entry->place.shard] =
            (struct sink_end){.epoch = entry->place.epoch, .ordinal = entry->place.ordinal};
        entry->answered = i + 1 < sink->count && (i + 1 - from) % stride;
        *asked += !entry->answered;
        rc = publish(sink, entry, entry->answered ? NATS_NO_REPLY : sink->tag + i - from,
                     sink->last + i - from, end);
        if (!rc && (i + 1 - from) % ANSWER_EVERY == 0)
            nats_push(sink->link);
    }
    return rc;
}

/* Takes answers, in whatever order, until `left` have come. An answer that comes twice, or to what
 * is long done with, is nothing. */
static int collect(struct nats_sink *sink, uint32_t from, uint32_t left)
{
    while (left) {
        int rc = nats_receive(sink->link, &sink->reply);
        if (rc)
            return rc;
        uint64_t index = sink->reply.tag - sink->tag;
        if (index >= sink->count - from || sink->entries[from + index].answered)
            continue;
        struct nats_entry *entry = &sink->entries[from + index];
        if (sink->reply.no_responders)
            entry->ack =
                (struct nats_ack){.refusal = {.code = UINT32_MAX,
                                              .text = "no stream takes this subject, or it has no "
                                                      "leader"}};
        else if (nats_ack_parse(sink->reply.bytes, sink->reply.len, sink->conf->stream,
                                &entry->ack))
            return -EPROTO;
        entry->answered = true;
        left--;
    }
    return 0;
}

static int fail_entry(struct nats_sink *sink, const struct nats_entry *entry)
{
    const struct nats_refusal *refusal = &entry->ack.refusal;
    sink->fault.at = entry->place;
    sink->fault.of_record = refusal->code == NATS_TOO_LONG;
    return fault_say(&sink->fault, -EREMOTEIO, "%.80s: %.60s: %s", sink->conf->address, entry->id,
                     refusal->text);
}

static void take_end(struct nats_sink *sink, const struct nats_entry *entry)
{
    sink->end[entry->place.shard] =
        (struct sink_end){.epoch = entry->place.epoch, .ordinal = entry->place.ordinal};
}

/* Goes through the answers in order.  Returns 0 with *done entries that the stream has: all of
 * them, or those up to one that it had already, behind which none was taken. */
static int take_answers(struct nats_sink *sink, uint32_t from, uint32_t *done)
{
    for (uint32_t i = from; i < sink->count; i++) {
        const struct nats_entry *entry = &sink->entries[i];
        if (entry->ack.refusal.code)
            return fail_entry(sink, entry);
        take_end(sink, entry);
        *done = i + 1;
        if (entry->ack.duplicate) {
            counter_add(&sink->repeats, 1);
            sink->floor[entry->place.shard] = sink->end[entry->place.shard];
            return 0;
        }
        if (entry->ack.seq != sink->last + 1)
            return nats_sink_fail_link(sink, -EPROTO, "publish");
        sink->last++;
    }
    return 0;
}

/* Publishes from an entry on, and waits for the answers. */
static int exchange(struct nats_sink *sink, uint32_t from, uint32_t stride)
{
    uint32_t asked = 0;
    int rc = publish_from(sink, from, stride, &asked);
    if (!rc)
        rc = collect(sink, from, asked);
    sink->tag += sink->count - from;
    return rc ? nats_sink_fail_link(sink, rc, "publish") : 0;
}

/* Says whether the stream has an entry, as far as is known. */
static bool is_there(const struct nats_sink *sink, const struct nats_entry *entry)
{
    const struct sink_end place = {.epoch = entry->place.epoch, .ordinal = entry->place.ordinal};
    return !sink_end_is_before(&sink->end[entry->place.shard], &place);
}

/* Asks the stream what it has.  One that has less than it had is for the pump to go back in. */
static int learn_end(struct nats_sink *sink)
{
    struct sink_end before[SINK_EPOCH_JOURNALS_MAX];
    memcpy(before, sink->end, sizeof before);
    int rc = nats_sink_find_end(sink);
    for (unsigned i = 0; !rc && i < SINK_EPOCH_JOURNALS_MAX; i++)
        if (sink_end_is_before(&sink->end[i], &before[i]))
            rc = fault_say(&sink->fault, -EREMOTEIO, "%.80s: stream %s has lost its end",
                           sink->conf->address, sink->conf->stream);
    return rc;
}

/* Says whether the last entry's answer is that of a stream which has all of them: each message
 * expects the one before it. */
static bool are_all_there(const struct nats_sink *sink)
{
    const struct nats_ack *ack = &sink->entries[sink->count - 1].ack;
    return !ack->refusal.code && !ack->duplicate && ack->seq == sink->last + sink->count;
}

/* Sends the batch, with few answers, of which the last is for all of it.  If that is not the one
 * expected, only the first *done are there. */
static int send_together(struct nats_sink *sink, uint32_t *done)
{
    int rc = exchange(sink, 0, ANSWER_EVERY);
    if (rc)
        return rc;
    if (are_all_there(sink)) {
        for (uint32_t i = 0; i < sink->count; i++)
            take_end(sink, &sink->entries[i]);
        sink->last += sink->count;
        *done = sink->count;
        return 0;
    }
    rc = learn_end(sink);
    while (!rc && *done < sink->count && is_there(sink, &sink->entries[*done]))
        ++*done;
    return rc;
}

static int flush(struct nats_sink *sink)
{
    uint32_t done = 0;
    int rc = sink->count ? send_together(sink, &done) : 0;
    while (!rc && done < sink->count) {
        rc = exchange(sink, done, 1);
        if (!rc)
            rc = take_answers(sink, done, &done);
    }
    if (rc)
        return rc;
    sink->count = 0;
    sink->used = 0;
    return 0;
}

static int add(struct nats_sink *sink, const struct sink_item *item)
{
    struct nats_entry *entry = &sink->entries[sink->count];
    char hunt[EVENT_NAME_MAX + 1] = "";
    memcpy(hunt, item->view.hunt.text ? (const char *)item->view.hunt.text : "",
           item->view.hunt.len);
    *entry = (struct nats_entry){.place = {.epoch = item->epoch,
                                           .shard = item->shard,
                                           .ordinal = item->ordinal,
                                           .partition = item->outcome->partition,
                                           .seq = item->outcome->seq},
                                 .at = sink->used};
    body_id(item, sink->origin, entry->id);
    subject_expand(sink->conf->subject,
                   &(struct subject_names){.hunt = hunt,
                                           .outcome = outcome_kind_name(item->view.outcome.kind),
                                           .pop = sink->origin->pop,
                                           .host = sink->origin->host},
                   entry->subject);
    entry->len = body_encode(sink->conf->format, item, sink->origin, sink->buffer + sink->used) - 1;
    if (entry->len + HEADER_BYTES > nats_max_payload(sink->link)) {
        entry->ack.refusal = (struct nats_refusal){
            .code = NATS_TOO_LONG, .text = "it is longer than the server's max_payload"};
        int rc = flush(sink);
        return rc ? rc : fail_entry(sink, entry);
    }
    sink->used += entry->len;
    sink->count++;
    return 0;
}

static int stream_deliver(void *arg, const struct sink_item *item)
{
    struct nats_sink *sink = arg;
    const struct sink_end place = {.epoch = item->epoch, .ordinal = item->ordinal};
    bool full = sink->count == NATS_BATCH_MAX || sizeof sink->buffer - sink->used < BODY_BYTES_MAX;
    int rc = full ? flush(sink) : 0;
    if (rc)
        return rc;
    if (sink_end_is_before(&sink->end[item->shard], &place))
        return add(sink, item);
    counter_add(&sink->repeats, 1);
    return 0;
}

static int stream_commit(void *arg, uint64_t *resume)
{
    struct nats_sink *sink = arg;
    int rc = flush(sink);
    if (!rc)
        *resume = sink->last;
    return rc;
}

static const struct sink_fault *stream_fault(void *arg)
{
    return &((struct nats_sink *)arg)->fault;
}

static void stream_cancel(void *arg)
{
    atomic_store(&((struct nats_sink *)arg)->cancel, true);
}

const struct sink_ops sink_nats_ops = {
    .type = "nats",
    .make = stream_make,
    .free = stream_free,
    .open = stream_open,
    .deliver = stream_deliver,
    .commit = stream_commit,
    .close = stream_close,
    .fault = stream_fault,
    .end = stream_end,
    .cancel = stream_cancel,
    .repeats = stream_repeats,
    .remote = true,
};
