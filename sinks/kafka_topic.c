/* kafka_topic.c - the Kafka sink: a batch is a transaction, and the position in it says how far the
 * topic has each journal.
 *
 * Positions read "RUN JOURNAL ENDS": RUN is a number of this sink's own, so that one that was shut
 * out can tell a successor on a copy of its data directory, which has written since, from what it
 * has written itself.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/counter.h"
#include "sinks/body.h"
#include "sinks/ends.h"
#include "sinks/fault.h"
#include "sinks/kafka.h"
#include "sinks/secret.h"

#define RUN_LEN 16u /* hex digits */

static_assert(RUN_LEN + 1 + ENDS_TEXT_MAX <= KAFKA_POSITION_MAX, "a position fits");

struct kafka_sink {
    const struct conf_sink *conf;
    const struct line_origin *origin;
    char id[160];
    char run[RUN_LEN + 1];
    char found[RUN_LEN + 1]; /* whose position was there when this sink first came; "": nobody's */
    bool has_entered;
    _Atomic bool cancel;
    struct kafka *link;
    bool is_known;                                    /* end is what the topic has */
    struct sink_end end[SINK_EPOCH_JOURNALS_MAX];     /* as it was committed */
    struct sink_end pending[SINK_EPOCH_JOURNALS_MAX]; /* the same with what is under way */
    uint64_t number;                                  /* of messages committed */
    uint32_t alone; /* so many are sent one by one: one of them was refused for what it is */
    uint64_t repeats;
    struct sink_fault fault;
    struct kafka_position position;

    uint32_t count;
    struct sink_place places[SINK_BATCH_MAX];
    char body[BODY_BYTES_MAX];
};

/* ---- made, opened ---- */

static void *topic_make(const struct sink_setup *setup)
{
    uint64_t run;
    struct kafka_sink *sink = calloc(1, sizeof *sink);
    if (!sink || getrandom(&run, sizeof run, 0) != (ssize_t)sizeof run) {
        free(sink);
        return NULL;
    }
    sink->conf = setup->conf;
    sink->origin = setup->origin;
    snprintf(sink->run, sizeof sink->run, "%016" PRIx64, run);
    snprintf(sink->id, sizeof sink->id, "trove-%s-%s", setup->origin->journal, setup->conf->name);
    return sink;
}

static void topic_close(void *arg)
{
    struct kafka_sink *sink = arg;
    kafka_close(sink->link);
    sink->link = NULL;
}

static void topic_free(void *arg)
{
    topic_close(arg);
    free(arg);
}

static int fail_link(struct kafka_sink *sink, int rc)
{
    const char *hint = rc == -EBUSY ? "; another troved has taken over, on a copy of this data "
                                      "directory?"
                                    : "";
    return fault_say(&sink->fault, rc, "%.60s: %.130s%s", sink->conf->address,
                     kafka_error(sink->link), hint);
}

static int open_link(struct kafka_sink *sink, const char *password)
{
    char error[200];
    const struct conf_sink *conf = sink->conf;
    const struct kafka_settings settings = {.servers = conf->address,
                                            .topic = conf->topic,
                                            .id = sink->id,
                                            .tls = &conf->tls,
                                            .sasl = conf->sasl,
                                            .user = conf->user,
                                            .password = password,
                                            .timeout_ns = conf->timeout_ns,
                                            .cancel = &sink->cancel};
    int rc = kafka_open(&sink->link, &settings, error);
    if (rc == -ENOENT)
        return fault_say(&sink->fault, rc,
                         "%.60s: there is no topic %s: make it, with as many partitions as "
                         "are to be read at once",
                         conf->address, conf->topic);
    return rc ? fault_say(&sink->fault, rc, "%.50s: %.199s", conf->address, error) : 0;
}

static int connect_link(struct kafka_sink *sink)
{
    char password[SECRET_MAX + 2] = "";
    const char *path = sink->conf->password_file;
    int rc = path[0] ? secret_read(path, password) : 0;
    rc = rc < 0 ? fault_say(&sink->fault, rc, "password_file %.150s: %s", path,
                            rc == -EFBIG ? "longer than 512 bytes" : strerror(-rc))
                : open_link(sink, password);
    secret_wipe(password);
    return rc;
}

/* One that was shut out comes back when it was the last that wrote, as after a transaction that
 * took too long; not into somebody else's work. */
static int check_run(struct kafka_sink *sink)
{
    int rc = kafka_read_position(sink->link, &sink->position);
    if (rc)
        return fail_link(sink, rc);
    const char *text = sink->position.text;
    if (!sink->has_entered)
        snprintf(sink->found, sizeof sink->found, "%.*s", (int)RUN_LEN, text);
    else if (strncmp(text, sink->run, RUN_LEN) != 0 && strncmp(text, sink->found, RUN_LEN) != 0 &&
             *text)
        return fault_say(
            &sink->fault, -EBUSY,
            "%.60s: another troved has written as %s since: only one may run on a data "
            "directory or a copy of it; restart the one that is to go on",
            sink->conf->address, sink->id);
    return 0;
}

static void take_ends(struct kafka_sink *sink, const struct sink_end *end)
{
    memcpy(sink->end, end, sizeof sink->end);
    sink->is_known = true;
}

static int take_position(struct kafka_sink *sink)
{
    struct sink_end end[SINK_EPOCH_JOURNALS_MAX];
    char journal[ENDS_JOURNAL_MAX];
    const char *text = sink->position.text;
    if (strlen(text) <= RUN_LEN || text[RUN_LEN] != ' ' ||
        !ends_parse(text + RUN_LEN + 1, journal, end) ||
        strcmp(journal, sink->origin->journal) != 0)
        return fault_say(&sink->fault, -EPROTO,
                         "%.60s: what the group %s has committed for topic %s is not a sink's",
                         sink->conf->address, sink->id, sink->conf->topic);
    take_ends(sink, end);
    sink->number = sink->position.number;
    return 0;
}

/* A topic that never had a message has been made anew, whatever is remembered of one before it. A
 * position that the brokers have forgotten, as they do after a week without a commit, leaves the
 * cursor's word. */
static int find_end(struct kafka_sink *sink)
{
    static const struct sink_end none[SINK_EPOCH_JOURNALS_MAX];
    bool empty;
    sink->is_known = false;
    int rc = kafka_read_position(sink->link, &sink->position);
    if (!rc)
        rc = kafka_find_empty(sink->link, &empty);
    if (rc)
        return fail_link(sink, rc);
    if (empty)
        take_ends(sink, none);
    else if (sink->position.text[0])
        rc = take_position(sink);
    return rc;
}

static int enter(struct kafka_sink *sink)
{
    int rc = check_run(sink);
    if (rc)
        return rc;
    rc = kafka_enter(sink->link);
    if (rc)
        return fail_link(sink, rc);
    rc = find_end(sink);
    sink->has_entered |= !rc;
    kafka_end_reading(sink->link);
    return rc;
}

static int topic_open(void *arg, uint64_t resume)
{
    struct kafka_sink *sink = arg;
    assert(!sink->link);
    sink->fault = (struct sink_fault){0};
    sink->count = 0;
    sink->number = resume == SINK_RESUME_NONE ? 0 : resume;
    int rc = connect_link(sink);
    if (!rc)
        rc = enter(sink);
    if (rc)
        topic_close(sink);
    memcpy(sink->pending, sink->end, sizeof sink->pending);
    return rc;
}

/* The pump's own word counts where the topic cannot tell. */
static int topic_end(void *arg, uint32_t shard, struct sink_end *end)
{
    struct kafka_sink *sink = arg;
    if (sink->is_known)
        *end = sink->end[shard];
    else
        sink->pending[shard] = sink->end[shard] = *end;
    return 0;
}

/* ---- batches ---- */

/* What was refused with others is found by sending each alone; what was refused alone is it. */
static int fail_batch(struct kafka_sink *sink, int rc)
{
    uint32_t index = kafka_refused(sink->link);
    bool refused = rc == -EINVAL && index < sink->count;
    if (refused) {
        sink->fault.of_record = sink->count == 1;
        sink->fault.at = sink->places[index];
        if (sink->count > sink->alone)
            sink->alone = sink->count;
    }
    return fail_link(sink, rc);
}

static int flush(struct kafka_sink *sink)
{
    if (!sink->count)
        return 0;
    struct kafka_position *position = &sink->position;
    position->number = sink->number + sink->count;
    memcpy(position->text, sink->run, RUN_LEN);
    position->text[RUN_LEN] = ' ';
    ends_encode(sink->origin->journal, sink->pending, position->text + RUN_LEN + 1);
    int rc = kafka_commit(sink->link, position);
    if (rc)
        return fail_batch(sink, rc);
    memcpy(sink->end, sink->pending, sizeof sink->end);
    sink->number += sink->count;
    sink->alone -= sink->alone < sink->count ? sink->alone : sink->count;
    sink->count = 0;
    return 0;
}

static int add(struct kafka_sink *sink, const struct sink_item *item)
{
    bool event = sink->conf->format == CONF_FORMAT_CLOUDEVENTS;
    char id[BODY_ID_MAX], key[BODY_ID_MAX];
    body_id(item, sink->origin, id);
    snprintf(key, sizeof key, "%s-%u", sink->origin->journal, item->outcome->partition);
    sink->places[sink->count] = (struct sink_place){.epoch = item->epoch,
                                                    .shard = item->shard,
                                                    .ordinal = item->ordinal,
                                                    .partition = item->outcome->partition,
                                                    .seq = item->outcome->seq};
    const struct kafka_message message = {
        .index = sink->count++,
        .key = key,
        .id = id,
        .content_type = event ? "application/cloudevents+json; charset=UTF-8" : "application/json",
        .time_ms = (int64_t)(item->outcome->receive_ns / NS_PER_MS),
        .body = sink->body,
        .len = body_encode(sink->conf->format, item, sink->origin, sink->body) - 1,
    };
    sink->pending[item->shard] = (struct sink_end){.epoch = item->epoch, .ordinal = item->ordinal};
    int rc = kafka_produce(sink->link, &message);
    return rc ? fail_batch(sink, rc) : 0;
}

static int topic_deliver(void *arg, const struct sink_item *item)
{
    struct kafka_sink *sink = arg;
    const struct sink_end place = {.epoch = item->epoch, .ordinal = item->ordinal};
    if (!sink_end_is_before(&sink->pending[item->shard], &place)) {
        counter_add(&sink->repeats, 1);
        return 0;
    }
    int rc = sink->count == SINK_BATCH_MAX ? flush(sink) : 0;
    if (!rc)
        rc = add(sink, item);
    return rc || !sink->alone ? rc : flush(sink);
}

static int topic_commit(void *arg, uint64_t *resume)
{
    struct kafka_sink *sink = arg;
    int rc = flush(sink);
    if (!rc)
        *resume = sink->number;
    return rc;
}

static const struct sink_fault *topic_fault(void *arg)
{
    return &((struct kafka_sink *)arg)->fault;
}

static void topic_cancel(void *arg)
{
    atomic_store(&((struct kafka_sink *)arg)->cancel, true);
}

static uint64_t topic_repeats(const void *arg)
{
    return counter_read(&((const struct kafka_sink *)arg)->repeats);
}

const struct sink_ops sink_kafka_ops = {
    .type = "kafka",
    .make = topic_make,
    .free = topic_free,
    .open = topic_open,
    .deliver = topic_deliver,
    .commit = topic_commit,
    .close = topic_close,
    .fault = topic_fault,
    .end = topic_end,
    .cancel = topic_cancel,
    .repeats = topic_repeats,
    .remote = true,
};
