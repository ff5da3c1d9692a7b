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
};

#define SINK_RESUME_NONE UINT64_MAX

struct sink_ops {
    const char *type;
    /* open connects or creates; resume is what the cursor says was confirmed in this sink's own
     * terms (a file's length), SINK_RESUME_NONE when there is no cursor yet: what is there already
     * is not ours to cut. */
    int (*open)(void *sink, uint64_t resume);
    /* deliver takes one item into the batch. 0 or -errno. */
    int (*deliver)(void *sink, const struct sink_item *item);
    /* commit makes the batch durable on the other side; *resume is what the cursor keeps for open.
     * 0 or -errno. */
    int (*commit)(void *sink, uint64_t *resume);
    void (*close)(void *sink);
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
};

struct pump_counters {
    uint64_t events;   /* EVENT, DEAD and duplicate records read */
    uint64_t outcomes; /* outcomes read */
    uint64_t delivered;
    uint64_t errors;
    uint64_t lag_records; /* durable, not yet read */
    uint64_t commits;
};

struct pump;

struct pump_wiring {
    const char *name;
    const char *cursor_path;
    int journal_dir_fd;
    uint32_t epoch; /* the running one; its journals are limited by marks */
    uint32_t shard_count;
    const struct segment_mark *marks[SINK_EPOCH_JOURNALS_MAX];
    uint32_t outcomes; /* bit per enum outcome_kind */
    const struct sink_ops *ops;
    void *sink;
};

/* pump_new opens cursor and sink.  Returns 0 or a negative errno: -ESTALE when records that the
 * cursor has not seen are no longer there, -EBADMSG when the cursor file is damaged. */
int pump_new(struct pump **pump, const struct pump_wiring *wiring);
/* pump_poll delivers up to budget outcomes and commits them.  Returns outcomes read, 0 when it has
 * caught up, or a negative errno (to be tried again after a pause): the sink's own, -EBADMSG or
 * -EILSEQ when a journal is damaged where the pump stands, -ESTALE as above. */
int pump_poll(struct pump *pump, unsigned budget);
const struct pump_counters *pump_counters(const struct pump *pump);
void pump_free(struct pump *pump);

/* The file sink: one JSON object a line. */
struct sink_file;
extern const struct sink_ops sink_file_ops;
struct sink_file *sink_file_new(const char *path, const char *pop, const char *host);
void sink_file_free(struct sink_file *sink);
