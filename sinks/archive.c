/* archive.c - the archive in S3: every record of the journals, in objects by the hour that are made
 * once and never changed.
 *
 * What an object holds follows from the journal: it begins behind the one before, and ends with the
 * size, the span of time or the epoch. Its name says where it begins, so what is made again after a
 * crash finds itself there. Where the object that is there ends elsewhere, since it was cut under
 * other settings, or an event came later than its time, it is made again with that end and must
 * then be the same: the bucket decides, not this host.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "sinks/archive_hours.h"
#include "sinks/archive_object.h"
#include "sinks/fault.h"
#include "sinks/s3.h"

#define HOUR_NS (3600 * NS_PER_S)
#define GRACE_NS                                                                                   \
    (2 * NS_PER_S) /* after its time is over, an object waits for what is on its way               \
                    */

/* What is known of a journal. */
struct archived {
    uint32_t epoch;
    bool over;                        /* nothing more comes */
    bool idle;                        /* nothing waits */
    uint64_t worth;                   /* with so many records an object may be full */
    uint64_t until_ns;                /* real time at which it is one nevertheless */
    uint64_t limit_first, limit_last; /* the object that begins with one ends with the other */
};

struct sink_archive {
    const struct conf_sink *conf;
    const struct line_origin *origin;
    const char *state_path;
    char spool_path[CONF_PATH_MAX + 128];
    _Atomic bool cancel;
    struct s3 *s3;
    char *part; /* conf->part_bytes */
    struct archive_object object;
    bool full; /* the object */
    struct archive_hours hours;
    uint32_t epoch; /* the newest seen: manifests of those before are due */
    struct archived shards[SINK_EPOCH_JOURNALS_MAX];
    _Atomic uint64_t repeats;
    struct sink_fault fault;
};

static int fail_s3(struct sink_archive *sink, int rc)
{
    fault_say(&sink->fault, rc, "%s", s3_error(sink->s3));
    sink->fault.retry_after_ns = s3_retry_after(sink->s3);
    return rc;
}

static void archive_free(void *arg);

static void *archive_make(const struct sink_setup *setup)
{
    struct sink_archive *sink = calloc(1, sizeof *sink);
    if (!sink)
        return NULL;
    sink->conf = setup->conf;
    sink->origin = setup->origin;
    sink->state_path = setup->state_path;
    sink->hours.fd = -1;
    snprintf(sink->spool_path, sizeof sink->spool_path, "%s.spool", setup->state_path);
    sink->part = malloc(setup->conf->part_bytes);
    if (archive_object_init(&sink->object) == 0 && sink->part)
        return sink;
    archive_free(sink);
    return NULL;
}

static void archive_close(void *arg)
{
    struct sink_archive *sink = arg;
    archive_object_close(&sink->object, sink->spool_path);
    archive_hours_close(&sink->hours);
    s3_free(sink->s3);
    sink->s3 = NULL;
}

static void archive_free(void *arg)
{
    struct sink_archive *sink = arg;
    archive_close(sink);
    archive_object_fini(&sink->object);
    free(sink->part);
    free(sink);
}

/* ---- opening ---- */

/* One small object says whose archive this is. The second attempt to make it has to be refused: a
 * server that lets it pass would let a second host overwrite what is there. */
static int mark_bucket(struct sink_archive *sink)
{
    char key[S3_KEY_MAX], body[64];
    const char *journal = sink->origin->journal;
    snprintf(key, sizeof key, "%s%s.archive.json", sink->conf->prefix, journal);
    int len = snprintf(body, sizeof body, "{\"archive\":1,\"journal\":\"%s\"}\n", journal);
    int rc = s3_put(sink->s3, key, NULL, body, (size_t)len);
    if (!rc)
        rc = s3_put(sink->s3, key, NULL, body, (size_t)len);
    if (!rc)
        return fault_say(
            &sink->fault, -ENOTSUP,
            "%.120s overwrites objects although If-None-Match: * asks it not to: two hosts "
            "could destroy each other's archive; use a server that honours it",
            sink->conf->endpoint);
    return rc == -EEXIST ? 0 : fail_s3(sink, rc);
}

static int archive_open(void *arg, uint64_t resume)
{
    struct sink_archive *sink = arg;
    const struct conf_sink *conf = sink->conf;
    (void)resume;
    sink->fault = (struct sink_fault){0};
    sink->s3 = s3_new(&(struct s3_target){.endpoint = conf->endpoint,
                                          .bucket = conf->bucket,
                                          .region = conf->region,
                                          .credentials = conf->credentials,
                                          .tls = &conf->tls,
                                          .timeout_ns = conf->timeout_ns,
                                          .cancel = &sink->cancel});
    if (!sink->s3)
        return fault_say(&sink->fault, -ENOMEM, "no memory for a connection");
    int rc = archive_object_open(&sink->object, sink->spool_path);
    if (rc)
        fault_say(&sink->fault, rc, "%.200s: %s", sink->spool_path, strerror(-rc));
    if (!rc && (rc = archive_hours_open(&sink->hours, sink->state_path)))
        fault_say(&sink->fault, rc, "%.200s: %s", sink->state_path, strerror(-rc));
    if (!rc)
        rc = mark_bucket(sink);
    if (rc)
        archive_close(sink);
    return rc;
}

/* ---- what goes into an object ---- */

/* The spans of time begin anew with each hour. */
static uint64_t span_of(const struct sink_archive *sink, uint64_t ns)
{
    return ns / sink->conf->rotate_after_ns;
}

static struct archived *shard_of(struct sink_archive *sink, uint32_t epoch, uint32_t shard)
{
    struct archived *archived = &sink->shards[shard];
    if (archived->epoch != epoch)
        *archived = (struct archived){.epoch = epoch};
    return archived;
}

/* 0: nothing that is there says where it ends. */
static uint64_t limit_of(const struct sink_archive *sink)
{
    const struct archived *archived = &sink->shards[sink->object.shard];
    return archived->limit_first == sink->object.first ? archived->limit_last : 0;
}

/* A start's first record of its configuration has no time but its segment's. */
static uint64_t time_of(const struct sink_record *record)
{
    return record->record->receive_ns ? record->record->receive_ns : record->created_ns;
}

/* Says whether a record of the same journal goes into the object that was begun. An event that was
 * received before those in front of it stays with them. */
static bool fits(const struct sink_archive *sink, const struct sink_record *record)
{
    const struct archive_object *object = &sink->object;
    uint64_t limit = limit_of(sink);
    if (limit)
        return record->ordinal <= limit;
    return span_of(sink, time_of(record)) <= span_of(sink, object->from_ns) &&
           object->content_bytes < sink->conf->rotate_bytes;
}

static int archive_take(void *arg, const struct sink_record *record)
{
    struct sink_archive *sink = arg;
    struct archive_object *object = &sink->object;
    int rc = 0;
    if (object->records && !fits(sink, record)) {
        sink->full = true;
        return SINK_OBJECT_FULL;
    }
    if (!object->records) {
        sink->full = false;
        rc = archive_object_begin(object, sink->origin->journal, record->epoch, record->shard,
                                  record->ordinal, time_of(record));
    }
    if (!rc)
        rc = archive_object_add(object, &(struct archive_record){record->record, record->ordinal,
                                                                 record->config_version});
    return rc ? fault_say(&sink->fault, rc, "%.200s: %s", sink->spool_path, strerror(-rc)) : 0;
}

/* How many records may fill what so many have not: judged by their length, but at most twice as
 * many, since what comes may be longer, and not just one more. */
static uint64_t worth_of(const struct sink_archive *sink)
{
    const struct archive_object *object = &sink->object;
    uint64_t mean = object->content_bytes / object->records + 1;
    uint64_t full = sink->conf->rotate_bytes / mean;
    uint64_t least = object->records + object->records / 16 + 1, most = 2 * object->records;
    return full < least ? least : full > most ? most : full;
}

/* What did not fill an object is read again when its time is over, or when there is much more. */
static bool archive_wants(void *arg, const struct sink_waiting *waiting)
{
    struct sink_archive *sink = arg;
    struct archived *archived = shard_of(sink, waiting->epoch, waiting->shard);
    uint64_t count = waiting->durable - waiting->ordinal;
    sink->epoch = waiting->epoch;
    archived->over = waiting->over;
    archived->idle = !waiting->over && !count;
    return waiting->over ||
           (count && (clock_realtime_ns() >= archived->until_ns || count >= archived->worth));
}

/* ---- making it ---- */

static void key_of(const struct sink_archive *sink, struct archive_name *name, char key[S3_KEY_MAX])
{
    char text[ARCHIVE_NAME_MAX];
    snprintf(name->journal, sizeof name->journal, "%s", sink->origin->journal);
    archive_name_format(name, text);
    snprintf(key, S3_KEY_MAX, "%s%s", sink->conf->prefix, text);
}

/* An object of the name is there: this one, made before, or one that ends elsewhere. */
static int compare(struct sink_archive *sink, const char *key, const struct s3_meta *meta,
                   struct archived *archived, uint64_t first)
{
    struct s3_meta there;
    int rc = s3_head(sink->s3, key, &there);
    if (rc)
        return fail_s3(sink, rc);
    if (strcmp(there.sha256, meta->sha256) == 0) {
        atomic_fetch_add(&sink->repeats, 1);
        return 0;
    }
    if (archived && there.last >= first && there.last != meta->last &&
        archived->limit_first != first) {
        archived->limit_first = first;
        archived->limit_last = there.last;
        return fault_say(&sink->fault, -EAGAIN,
                         "%.150s is there and ends with record %llu: it is made again so", key,
                         (unsigned long long)there.last);
    }
    return fault_say(
        &sink->fault, -EEXIST,
        "%.150s is there with another content: a second data directory with the same key "
        "writes to this bucket; stop one, or give it its own prefix",
        key);
}

/* Once the manifest is there, the group is forgotten. */
static int end_group(struct sink_archive *sink, struct archive_group *group)
{
    char key[S3_KEY_MAX], *text = NULL;
    struct archive_name name = {.hour = group->hour,
                                .epoch = group->epoch,
                                .shard = group->shard,
                                .first = group->entries[0].first,
                                .last = group->entries[group->count - 1].last};
    struct s3_meta meta = {.last = name.last};
    struct sha256 *sha = sha256_new();
    size_t len = archive_manifest_encode(group, sink->origin->journal, &text);
    int rc = sha && len ? 0 : -ENOMEM;
    if (!rc) {
        sha256_update(sha, text, len);
        rc = sha256_final(sha, meta.sha256);
    }
    key_of(sink, &name, key);
    if (rc)
        fault_say(&sink->fault, rc, "no memory for a manifest");
    else if ((rc = s3_put(sink->s3, key, &meta, text, len)))
        rc = rc == -EEXIST ? compare(sink, key, &meta, NULL, 0) : fail_s3(sink, rc);
    if (!rc && (rc = archive_hours_drop(&sink->hours, group, sink->state_path)))
        fault_say(&sink->fault, rc, "%.200s: %s", sink->state_path, strerror(-rc));
    sha256_free(sha);
    free(text);
    return rc;
}

static bool is_due(const struct sink_archive *sink, const struct archive_group *group)
{
    const struct archived *archived = &sink->shards[group->shard];
    uint64_t end_ns = (group->hour + 1) * HOUR_NS + GRACE_NS;
    if (group->epoch < sink->epoch)
        return true;
    return archived->epoch == group->epoch && archived->idle && clock_realtime_ns() >= end_ns;
}

static bool archive_due(const void *arg)
{
    const struct sink_archive *sink = arg;
    for (uint32_t i = 0; i < sink->hours.count; i++)
        if (is_due(sink, &sink->hours.groups[i]))
            return true;
    return false;
}

static int end_groups(struct sink_archive *sink)
{
    int rc = 0;
    for (uint32_t i = sink->hours.count; i-- > 0 && !rc;)
        if (is_due(sink, &sink->hours.groups[i]))
            rc = end_group(sink, &sink->hours.groups[i]);
    return rc;
}

/* Before an object of another hour, or one too many. */
static int make_room(struct sink_archive *sink, uint32_t hour)
{
    struct archive_group *group =
        archive_hours_find(&sink->hours, sink->object.epoch, sink->object.shard);
    bool over = group && (group->hour != hour || group->count == ARCHIVE_GROUP_MAX);
    return over ? end_group(sink, group) : 0;
}

static int note_object(struct sink_archive *sink, uint32_t hour)
{
    const struct archive_object *object = &sink->object;
    struct archive_entry entry = {.hour = hour,
                                  .epoch = object->epoch,
                                  .shard = object->shard,
                                  .first = object->first,
                                  .last = object->last,
                                  .records = object->records,
                                  .content_bytes = object->content_bytes,
                                  .bytes = object->bytes};
    memcpy(entry.sha256, object->sha256, sizeof entry.sha256);
    int rc = archive_hours_add(&sink->hours, &entry);
    return rc ? fault_say(&sink->fault, rc, "%.200s: %s", sink->state_path, strerror(-rc)) : 0;
}

static int make_object(struct sink_archive *sink, struct archived *archived)
{
    struct archive_object *object = &sink->object;
    char key[S3_KEY_MAX];
    struct s3_meta meta = {.last = object->last};
    struct archive_name name = {.hour = (uint32_t)(object->from_ns / HOUR_NS),
                                .epoch = object->epoch,
                                .shard = object->shard,
                                .first = object->first};
    int rc = archive_object_finish(object);
    if (rc)
        return fault_say(&sink->fault, rc, "%.200s: %s", sink->spool_path, strerror(-rc));
    memcpy(meta.sha256, object->sha256, sizeof meta.sha256);
    key_of(sink, &name, key);
    rc = make_room(sink, name.hour);
    if (rc)
        return rc;
    rc = s3_put_file(sink->s3, key, &meta, object->fd, object->bytes, sink->part,
                     sink->conf->part_bytes);
    if (rc)
        rc = rc == -EEXIST ? compare(sink, key, &meta, archived, name.first) : fail_s3(sink, rc);
    return rc ? rc : note_object(sink, name.hour);
}

/* What the bucket has was once durable here. */
static int check_limit(struct sink_archive *sink)
{
    uint64_t limit = limit_of(sink);
    if (!limit || sink->object.last == limit)
        return 0;
    return fault_say(
        &sink->fault, -EEXIST,
        "the archive has an object of epoch %u, shard %u, that goes from record %llu to "
        "%llu, and the journal ends before: a second data directory with the same key "
        "writes to this bucket",
        sink->object.epoch, sink->object.shard, (unsigned long long)sink->object.first,
        (unsigned long long)limit);
}

static int archive_commit(void *arg, uint64_t *resume)
{
    struct sink_archive *sink = arg;
    struct archive_object *object = &sink->object;
    *resume = 0;
    if (!object->records)
        return end_groups(sink);
    struct archived *archived = shard_of(sink, object->epoch, object->shard);
    uint64_t end_ns = (span_of(sink, object->from_ns) + 1) * sink->conf->rotate_after_ns;
    /* Nothing can come any more that belongs into it. */
    bool whole =
        limit_of(sink) || sink->full || archived->over || clock_realtime_ns() >= end_ns + GRACE_NS;
    int rc = whole ? check_limit(sink) : SINK_OBJECT_OPEN;
    if (!rc)
        rc = make_object(sink, archived);
    archived->worth = whole ? 0 : worth_of(sink);
    archived->until_ns = whole ? 0 : end_ns + GRACE_NS;
    object->records = 0;
    return rc;
}

static const struct sink_fault *archive_fault(void *arg)
{
    return &((struct sink_archive *)arg)->fault;
}

static void archive_cancel(void *arg)
{
    atomic_store(&((struct sink_archive *)arg)->cancel, true);
}

static uint64_t archive_repeats(const void *arg)
{
    return atomic_load(&((const struct sink_archive *)arg)->repeats);
}

const struct sink_ops sink_archive_ops = {
    .type = "s3",
    .make = archive_make,
    .free = archive_free,
    .open = archive_open,
    .take = archive_take,
    .wants = archive_wants,
    .commit = archive_commit,
    .close = archive_close,
    .due = archive_due,
    .fault = archive_fault,
    .cancel = archive_cancel,
    .repeats = archive_repeats,
    .remote = true,
};
