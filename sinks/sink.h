/* sink.h - what a sink implements, and the pump that reads the journals for it.
 *
 * A pump belongs to one sink and runs on a blocking thread of its own.  It reads every journal of
 * the data directory up to what is durable, turns outcomes into deliveries, and keeps a durable
 * cursor of what the sink has confirmed.  A slow or dead sink costs disk, never ingest.
 *
 * Memory:  the pump owns a reader per journal and one batch.
 * Threads: one per pump; counters are read by the control thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "dataplane/base/outcome.h"
#include "dataplane/base/record.h"
#include "dataplane/base/segment.h"

/* One outcome with its event, as a sink sees it. Pointers hold until deliver returns. */
struct sink_item {
    const struct record *event;   /* EVENT, DEAD or CORRECTION record; NULL for a duplicate */
    const struct record *outcome; /* the OUTCOME record; the DEAD record itself for a rejection */
    struct outcome_view view;
    uint32_t epoch, shard;
    uint64_t ordinal; /* of the outcome's record in its journal */
};

/* Where a record stands: epochs grow, a journal's ordinals are dense. */
struct sink_place {
    uint32_t epoch; /* 0: nowhere */
    uint32_t shard;
    uint64_t ordinal;
    uint32_t partition;
    uint64_t seq;
};

/* How far the other side has a journal's outcomes: up to this one. */
struct sink_end {
    uint64_t ordinal;
    uint32_t epoch; /* 0: it has nothing of it */
    uint32_t reserved;
};

static inline bool sink_end_is_before(const struct sink_end *a, const struct sink_end *b)
{
    return a->epoch < b->epoch || (a->epoch == b->epoch && a->ordinal < b->ordinal);
}

/* Why an operation failed. */
struct sink_fault {
    char text[256];          /* for the operator */
    struct sink_place at;    /* the record at which the sink stands, where it is one */
    bool of_record;          /* trying other records would not fail: this one is the reason */
    uint64_t retry_after_ns; /* the other side asks not to be tried before; 0: it does not */
};

#define SINK_RESUME_NONE UINT64_MAX

/* What take and commit answer besides 0 and errors. */
enum sink_object {
    SINK_OBJECT_FULL = 1, /* take: not this record any more */
    SINK_OBJECT_OPEN = 1, /* commit: not yet, more may come for it */
};

/* A record of any kind, as a sink of whole journals gets it; it holds until take returns. */
struct sink_record {
    const struct record *record;
    uint32_t epoch, shard;
    uint64_t ordinal;
    uint32_t config_version;
    uint64_t created_ns; /* of the segment that it is in; real time */
};

/* What there is of a journal for a sink of whole journals. */
struct sink_waiting {
    uint32_t epoch, shard;
    uint64_t ordinal; /* of the last record that is committed */
    uint64_t durable; /* of the last one that could be read; not known once it is over */
    bool over;        /* its epoch is: no more will come */
};

/* Items between two commits. */
#define SINK_BATCH_MAX 4096

struct line_origin;
struct sink_cursor;

/* What a sink is made of. All but state_path stays as long as the sink. */
struct sink_setup {
    const struct conf_sink *conf;
    const struct line_origin *origin; /* that its lines name */
    const char *state_path;           /* of a file that is the sink's own, beside its cursor */
};

struct sink_ops {
    const char *type;
    /* make and free: the sink, without any contact to the outside. NULL without memory, or when
     * the configuration was not checked. */
    void *(*make)(const struct sink_setup *setup);
    void (*free)(void *sink);
    /* open connects or creates; resume is what the cursor says was confirmed in this sink's own
     * terms (a file's length), SINK_RESUME_NONE when there is no cursor yet: what is there already
     * is not ours to cut. */
    int (*open)(void *sink, uint64_t resume);
    /* deliver takes one item into the batch, of at most SINK_BATCH_MAX. 0 or -errno. */
    int (*deliver)(void *sink, const struct sink_item *item);
    /* commit makes the batch durable on the other side; *resume is what the cursor keeps for open.
     * 0 or -errno. */
    int (*commit)(void *sink, uint64_t *resume);
    void (*close)(void *sink);
    /* sync makes what was committed last as long as the cursor will, which follows it.  0 or
     * -errno: then it may be lost, and comes again.  NULL: commit has done it. */
    int (*sync)(void *sink);
    /* A sink that a repeat does no harm: its cursor is saved now and then, not with each commit. */
    bool late;
    /* kept tells a sink that keeps its own state how far it has been told; NULL: no need. */
    void (*kept)(void *sink, const struct sink_cursor *cursor);

    /* due says whether a commit would do something although nothing was delivered.  NULL: never. */
    bool (*due)(const void *sink);
    /* fault says more about the -errno that was just returned.  NULL: there is no more. */
    const struct sink_fault *(*fault)(void *sink);

    /* What follows is NULL for a sink on this host. */

    /* end tells how far the other side has a journal, right after open: when that is less than what
     * was confirmed, as after a failover, the pump goes back there.  *end is what was confirmed, to
     * be left when the other side cannot tell.  0 or -errno. */
    int (*end)(void *sink, uint32_t shard, struct sink_end *end);
    /* cancel ends every wait, now and from here on.  Thread: any. */
    void (*cancel)(void *sink);
    /* repeats tells how many outcomes the other side had already.  Thread: any. */
    uint64_t (*repeats)(const void *sink);
    bool remote; /* may be away when troved starts */

    /* A sink of whole journals has these instead of deliver.  It gets every record of any kind, of
     * one journal at a time from where that is committed: take adds one to the object at hand, or
     * says that it is full; commit makes the object durable on the other side, or says that it has
     * to stay open: then all of it is read again later, from the same place, once wants says that
     * it is worth while. */
    int (*take)(void *sink, const struct sink_record *record);
    bool (*wants)(void *sink, const struct sink_waiting *waiting);
};

#define SINK_EPOCH_JOURNALS_MAX 64

/* What has been delivered: epochs before `epoch` wholly, of this one each shard's journal up to
 * (segment, offset, record). */
struct sink_cursor {
    uint64_t version; /* the higher of two good slots is the newer */
    uint64_t resume;
    uint32_t epoch;
    uint32_t shard_count;
    struct {
        uint32_t number; /* 0: nothing read yet */
        uint32_t reserved;
        uint64_t offset;  /* of the block */
        uint64_t ordinal; /* of the last record delivered or passed over */
    } at[SINK_EPOCH_JOURNALS_MAX];
    struct sink_end confirmed[SINK_EPOCH_JOURNALS_MAX]; /* per shard the last outcome, of whatever
                                                           epoch, that the sink has taken */
    uint64_t target; /* what resume is of, see pump_wiring; 0: not told */
};

struct pump_counters {
    uint64_t events;   /* EVENT, DEAD and duplicate records read */
    uint64_t outcomes; /* outcomes read */
    uint64_t delivered;
    uint64_t errors;
    uint64_t lag_records; /* durable, not yet read; of epochs before the running one, and before the
                             first look, at least 1 */
    uint64_t commits;
    uint64_t set_aside; /* refused by the other side again and again, now in the dead file */
    uint64_t skipped;   /* the same, at an operator's word */
    uint64_t gaps;      /* the other side had less than it had confirmed, and got it again */
};

enum pump_mode { PUMP_RUN, PUMP_DRAIN, PUMP_PAUSED };

/* What a pump says of itself. */
struct pump_report {
    enum pump_mode mode;
    uint64_t lag_bytes; /* of journals, dead space in front of a segment's end included */
    double lag_seconds; /* since everything was delivered, or since the last record delivered */
    char error[256];    /* of the last poll, "" when it went well */
    char last_error[256];
    struct sink_place stuck; /* the record that the sink cannot get past */
};

struct pump;

struct pump_wiring {
    const char *name;
    const char *cursor_path;
    int journal_dir_fd;
    uint32_t epoch; /* the running one; its journals are limited by marks */
    uint32_t shard_count;
    const struct segment_mark *marks[SINK_EPOCH_JOURNALS_MAX];
    uint32_t outcomes;                      /* bit per enum outcome_kind */
    const char (*hunts)[CONF_NAME_MAX + 1]; /* only outcomes of these; NULL: any, and of none */
    uint32_t hunt_count;
    const char *dead_path; /* where records go that the sink refuses; NULL: they are not refused */
    const struct line_origin *origin; /* that they name */
    /* A hash of where a local sink writes: what is found at another place than the cursor speaks of
     * is not cut.  0: of no matter. */
    uint64_t target;
    /* Says in *at (epoch, shard_count, numbers) where the journal begins, once its first records
     * were removed; false: it has them.  NULL: it always has. */
    bool (*begins)(const void *arg, struct sink_cursor *at);
    const void *begins_arg;
    /* How long ago something must have been confirmed for the cursor's file to say so: until then
     * the journal is to keep it, should the other side lose it.  0: at once. */
    uint64_t confirm_after_ns;
    const struct sink_ops *ops;
    void *sink;
};

/* pump_new makes a pump, which lets all files alone.  Returns 0 or -ENOMEM. */
int pump_new(struct pump **pump, const struct pump_wiring *wiring);
/* pump_open opens the cursor and a local sink; unless that was done, the first poll does it.
 * Returns 0 or a negative errno: -ESTALE when records that the cursor has not seen are no longer
 * there, -EBADMSG when the cursor file is damaged. */
int pump_open(struct pump *pump);
/* pump_poll delivers up to budget outcomes, in [1, SINK_BATCH_MAX], and commits them.  Returns
 * outcomes read, 0 when it has caught up, or a negative errno (to be tried again after a pause):
 * the sink's own, -EBADMSG or -EILSEQ when a journal is damaged where the pump stands, -ESTALE as
 * above. */
int pump_poll(struct pump *pump, unsigned budget);
const struct pump_counters *pump_counters(const struct pump *pump);
/* pump_close saves what can be saved and closes what is open; its report stays readable.
 * pump_free does it too, unless it was done. */
void pump_close(struct pump *pump);
void pump_free(struct pump *pump);

/* pump_set_mode pauses (what was begun is finished), drains (delivers all there is, then pauses) or
 * resumes.  pump_skip has the pump pass over the record that the sink is stuck at, which *place
 * then says, and keep it in the dead file; -ENOENT when it is not stuck at a record.  Thread: any.
 */
void pump_set_mode(struct pump *pump, enum pump_mode mode);
int pump_skip(struct pump *pump, struct sink_place *place);
/* pump_is_asked says whether one of these has come since the last poll: no time to wait. */
bool pump_is_asked(const struct pump *pump);
/* pump_retry_after says how long the other side asked to be left alone, at the last poll. */
uint64_t pump_retry_after(const struct pump *pump);
/* pump_report fills in the report.  Thread: any. */
void pump_report(struct pump *pump, struct pump_report *report);

/* The sinks there are: one JSON object a line of a file (file.c), or of files by the hour
 * (file_parts.c); one stream a shard, an entry an
 * outcome (redis_stream.c); one message of a JetStream an outcome (nats_stream.c), or of a Kafka
 * topic (kafka_topic.c); POSTs of batches (webhook.c); objects of all records by the hour
 * (archive.c). */
extern const struct sink_ops sink_file_ops;
extern const struct sink_ops sink_parts_ops;
extern const struct sink_ops sink_redis_ops;
extern const struct sink_ops sink_nats_ops;
extern const struct sink_ops sink_kafka_ops;
extern const struct sink_ops sink_webhook_ops;
extern const struct sink_ops sink_archive_ops;
