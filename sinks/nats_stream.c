/* nats_stream.c - batches of messages, each behind the one before it or not at all. */
#include "sinks/nats_stream.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/counter.h"
#include "sinks/fault.h"

/* What headers may add to a body, at most: their names, an id, two numbers. */
#define HEADER_BYTES (ENDS_TEXT_MAX + BODY_ID_MAX + 160u)

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

static int publish(struct nats_sink *sink, const struct nats_entry *entry, uint64_t tag,
                   uint64_t after, const struct sink_end *end)
{
    char at[ENDS_TEXT_MAX], last[24];
    ends_encode(sink->origin->journal, end, at);
    snprintf(last, sizeof last, "%" PRIu64, after);
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

/* Publishes entries from one on; every one of them tells the ends as they are with it. */
static int publish_from(struct nats_sink *sink, uint32_t from)
{
    struct sink_end end[SINK_EPOCH_JOURNALS_MAX];
    memcpy(end, sink->end, sizeof end);
    int rc = 0;
    for (uint32_t i = from; !rc && i < sink->count; i++) {
        struct nats_entry *entry = &sink->entries[i];
        end[entry->place.shard] =
            (struct sink_end){.epoch = entry->place.epoch, .ordinal = entry->place.ordinal};
        entry->answered = false;
        rc = publish(sink, entry, sink->tag + i - from, sink->last + i - from, end);
    }
    return rc;
}

/* Takes answers, in whatever order, until every entry has one. An answer that comes twice, or to
 * what is long done with, is nothing. */
static int collect(struct nats_sink *sink, uint32_t from)
{
    uint32_t left = sink->count - from;
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

/* Goes through the answers in order.  Returns 0 with *done entries that the stream has: all of
 * them, or those up to one that it had already, behind which none was taken. */
static int take_answers(struct nats_sink *sink, uint32_t from, uint32_t *done)
{
    for (uint32_t i = from; i < sink->count; i++) {
        const struct nats_entry *entry = &sink->entries[i];
        struct sink_end *end = &sink->end[entry->place.shard];
        if (entry->ack.refusal.code)
            return fail_entry(sink, entry);
        *end = (struct sink_end){.epoch = entry->place.epoch, .ordinal = entry->place.ordinal};
        *done = i + 1;
        if (entry->ack.duplicate) {
            counter_add(&sink->repeats, 1);
            sink->floor[entry->place.shard] = *end;
            return 0;
        }
        if (entry->ack.seq != sink->last + 1)
            return nats_sink_fail_link(sink, -EPROTO, "publish");
        sink->last++;
    }
    return 0;
}

static int flush(struct nats_sink *sink)
{
    uint32_t done = 0;
    while (done < sink->count) {
        int rc = publish_from(sink, done);
        if (!rc)
            rc = collect(sink, done);
        if (rc)
            return nats_sink_fail_link(sink, rc, "publish");
        uint32_t from = done;
        sink->tag += sink->count - from;
        rc = take_answers(sink, from, &done);
        if (rc)
            return rc;
    }
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
