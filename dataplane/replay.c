/* replay.c - segment after segment, record after record, version after version. */
#include "dataplane/replay_impl.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t build_lock = PTHREAD_MUTEX_INITIALIZER;

int replay_fault(struct replay *replay, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(replay->error, 512, format, args);
    va_end(args);
    return REPLAY_FAULT;
}

/* first_number is that of the segment with which a journal begins here. */
static uint32_t first_number(const struct replay *replay, const struct segment_id *id)
{
    if (id->epoch != replay->start.epoch || id->shard >= REPLAY_SHARDS_MAX)
        return 1;
    uint32_t number = replay->start.number[id->shard];
    return number ? number : 1;
}

void replay_start_at(struct replay *replay, const struct replay_start *start)
{
    int kept = 0;
    replay->start = *start;
    replay->started = true;
    for (int i = 0; i < replay->count; i++) {
        const struct segment_id *id = &replay->ids[i];
        if (id->epoch >= start->epoch && id->number >= first_number(replay, id))
            replay->ids[kept++] = *id;
    }
    replay->count = kept;
}

/* After the list was made: what is removed meanwhile is not in it, or counts no more. */
static int begin_at_horizon(struct replay *replay)
{
    struct horizon horizon;
    struct replay_start start = {0};
    int rc = horizon_load(replay->store->dir_fd, &horizon);
    if (rc)
        return replay_fault(replay, "data_dir %s: cannot read where its journal begins: %s",
                            replay->store->path, strerror(-rc));
    if (horizon_is_whole(&horizon))
        return 0;
    start.epoch = horizon.epoch;
    for (uint32_t s = 0; s < horizon.shard_count; s++)
        start.number[s] = horizon.number[s];
    replay_start_at(replay, &start);
    return 0;
}

int replay_open(struct replay *replay, const struct store *store, const struct hash_key *key,
                struct items *items, char error[512])
{
    *replay = (struct replay){
        .store = store,
        .key = key,
        .items = items,
        .error = error,
        .start = {.epoch = 1},
        .parts = 1,
        .reader = {.fd = -1},
    };
    replay->count = segment_list(store->journal_fd, &replay->ids, &replay->unknown);
    if (replay->count < 0)
        return replay_fault(replay, "cannot list the journal: %s", strerror(-replay->count));
    if (begin_at_horizon(replay))
        return REPLAY_FAULT;
    replay->seq = calloc(store->partition_count, sizeof *replay->seq);
    if (!replay->seq || segment_reader_init(&replay->reader, store->journal_fd))
        return replay_fault(replay, "no memory to read the journal");
    return 0;
}

void replay_close(struct replay *replay)
{
    segment_reader_fini(&replay->reader);
    rules_free(replay->rules);
    conf_free(replay->conf);
    free(replay->seq);
    free(replay->ids);
    *replay = (struct replay){.reader = {.fd = -1}};
}

void replay_from(struct replay *replay, const struct replay_source *source)
{
    replay->source = source;
    replay->feed = (struct replay_feed){.last = 1};
    replay->start = (struct replay_start){.epoch = 1};
    replay->started = false;
    replay->count = 0;
}

uint64_t replay_bytes(const struct replay *replay)
{
    uint64_t sum = 0, bytes;
    for (int i = 0; i < replay->count; i++)
        if (segment_bytes(replay->store->journal_fd, replay->ids[i], &bytes) == 0)
            sum += bytes;
    return sum;
}

/* ---- versions ---- */

static int use_failed(struct replay *replay, const struct diag_list *diags)
{
    return replay_fault(replay,
                        "data_dir %s: configuration version %u, under which events were decided, "
                        "cannot be used again: %s",
                        replay->store->path, replay->reader.config_version,
                        diags->count ? diags->diags[0].text : "out of memory");
}

static int use_conf(struct replay *replay)
{
    struct diag_list diags = {0};
    uint32_t version = replay->reader.config_version;
    if (replay->conf && replay->conf_version == version)
        return 0;
    rules_free(replay->rules);
    conf_free(replay->conf);
    replay->rules = NULL;
    replay->conf = store_load(replay->store, version, &diags);
    replay->conf_version = version;
    int rc = replay->conf ? 0 : use_failed(replay, &diags);
    diag_list_fini(&diags);
    return rc;
}

uint32_t replay_version(const struct replay *replay)
{
    return replay->reader.config_version;
}

const struct rules *replay_rules(struct replay *replay)
{
    struct diag_list diags = {0};
    if (use_conf(replay))
        return NULL;
    if (!replay->rules) {
        pthread_mutex_lock(&build_lock);
        replay->rules =
            rules_build(replay->conf, replay->conf_version, replay->key, replay->items, &diags);
        pthread_mutex_unlock(&build_lock);
    }
    if (!replay->rules)
        use_failed(replay, &diags);
    diag_list_fini(&diags);
    return replay->rules;
}

/* What is stored as a version must be what ran as that version. */
static int check_config(struct replay *replay, const struct record *record)
{
    char digest[17];
    json_t *body = json_loadb((const char *)record_body(record), record->body_len,
                              JSON_REJECT_DUPLICATES, NULL);
    const char *recorded = json_string_value(json_object_get(body, "digest"));
    int rc =
        recorded ? use_conf(replay) : replay_fault(replay, "a configuration record cannot be read");
    if (!rc && recorded) {
        snprintf(
            digest, sizeof digest, "%016llx",
            (unsigned long long)hash64(replay->key, replay->conf->text, replay->conf->text_len));
        if (strcmp(digest, recorded) != 0)
            rc = replay_fault(
                replay,
                "data_dir %s: configuration version %u is not the text that ran as such; "
                "restore config/%06u.yaml from a copy",
                replay->store->path, replay->reader.config_version, replay->reader.config_version);
    }
    json_decref(body);
    return rc;
}

/* ---- records ---- */

/* A checksum says that a record is as it was written; who wrote it may have been anybody. */
static int check_kind(struct replay *replay, const struct record *record)
{
    bool event = record->kind == RECORD_EVENT || record->kind == RECORD_DEAD;
    if (record->kind < RECORD_EVENT || record->kind > RECORD_CORRECTION)
        return replay_fault(
            replay,
            "a record is of kind %u, which this version does not know; use the one that "
            "wrote it, or restore the segment from a copy",
            record->kind);
    if (event && record->body_len > EVENT_BYTES_MAX)
        return replay_fault(
            replay,
            "a record has an event of %u bytes, and none is longer than %u; restore the "
            "segment from a copy",
            record->body_len, EVENT_BYTES_MAX);
    return 0;
}

/* known_seq is up to where a partition is known before any record of it was met. */
static uint64_t known_seq(const struct replay *replay, uint32_t partition)
{
    if (!replay->started)
        return 0;
    return replay->start.seq ? replay->start.seq[partition] : UINT64_MAX - 1;
}

/* A journal that has lost its end looks like one that a crash cut off, until what came later is
 * read: the segment named is the one that goes on. */
static int missing_before(struct replay *replay, const struct record *record, uint64_t before)
{
    char name[SEGMENT_NAME_MAX] = "of the archive";
    if (!replay->source)
        segment_name(replay->ids[replay->at], name);
    return replay_fault(replay,
                        "records are missing: segment %s goes on with %llu after %llu in partition "
                        "%u; one written before it is gone or has lost its end, restore it from a "
                        "copy, nothing was changed",
                        name, (unsigned long long)record->seq, (unsigned long long)before,
                        record->partition);
}

static int check_record(struct replay *replay, const struct record *record)
{
    if (check_kind(replay, record))
        return REPLAY_FAULT;
    if (record->kind == RECORD_CONFIG)
        return check_config(replay, record);
    if (record->partition >= replay->store->partition_count)
        return replay_fault(replay, "a record names partition %u of %u", record->partition,
                            replay->store->partition_count);
    uint64_t *seq = &replay->seq[record->partition];
    uint64_t before = *seq ? *seq : known_seq(replay, record->partition);
    bool follows = *seq || !replay->started ? record->seq == before + 1
                                            : record->seq && record->seq - 1 <= before;
    if (!follows)
        return missing_before(replay, record, before);
    *seq = record->seq;
    return 0;
}

bool replay_passes_over(const struct replay *replay, const struct record *record)
{
    if (record->kind == RECORD_CONFIG)
        return false;
    if (replay->parts > 1 && record->partition % replay->parts != replay->part)
        return true;
    return replay->start.seq && !replay->start.all &&
           record->seq <= replay->start.seq[record->partition];
}

/* ---- segments ---- */

enum replay_step replay_damaged(struct replay *replay, struct segment_id id, uint64_t offset)
{
    char name[SEGMENT_NAME_MAX];
    segment_name(id, name);
    return replay_fault(
        replay,
        "segment %s is damaged at offset %llu; restore the file from a copy, nothing was "
        "changed",
        name, (unsigned long long)offset);
}

/* The last segment of its journal may end in what a crash left unfinished. */
static bool is_last(const struct replay *replay)
{
    const struct segment_id *id = &replay->ids[replay->at];
    return replay->at + 1 == replay->count || id[1].epoch != id->epoch || id[1].shard != id->shard;
}

/* So may the one before a segment that was made after a failed write and holds nothing yet. */
static bool ends_journal(const struct replay *replay)
{
    const struct segment_id *id = &replay->ids[replay->at];
    if (is_last(replay))
        return true;
    bool one_more =
        replay->at + 2 == replay->count || id[2].epoch != id->epoch || id[2].shard != id->shard;
    return one_more && segment_holds_nothing(replay->store->journal_fd, id[1]) == 1;
}

/* Epochs, and the segments of a journal, are numbered without a gap. */
static int check_present(struct replay *replay)
{
    const struct segment_id *id = &replay->ids[replay->at];
    const struct segment_id *before = replay->at ? id - 1 : NULL;
    bool same = before && before->epoch == id->epoch && before->shard == id->shard;
    uint32_t number = same ? before->number + 1 : first_number(replay, id);
    uint32_t epoch = before ? before->epoch + 1 : replay->start.epoch;
    struct segment_id missing = {.epoch = id->epoch, .shard = id->shard, .number = number};
    char name[SEGMENT_NAME_MAX];
    if (id->number == number && id->epoch <= epoch)
        return 0;
    if (id->epoch > epoch)
        missing = (struct segment_id){.epoch = epoch, .number = 1};
    segment_name(missing, name);
    return replay_fault(
        replay, "data_dir %s: segment %s is missing; restore it from a copy, nothing was changed",
        replay->store->path, name);
}

static bool was_removed(const struct replay *replay, struct segment_id id)
{
    struct horizon horizon;
    return horizon_load(replay->store->dir_fd, &horizon) == 0 && !horizon_has(&horizon, id);
}

/* open_failed says why a segment cannot be opened, or that its journal ends before it. */
static enum replay_step open_failed(struct replay *replay, int rc)
{
    struct segment_id id = replay->ids[replay->at];
    char name[SEGMENT_NAME_MAX];
    if ((rc == -ENODATA || rc == -EBADMSG) && !is_last(replay))
        return replay_damaged(replay, id, 0);
    if (rc == -ENODATA || rc == -EBADMSG) {
        replay->tail = (struct replay_tail){.id = id, .torn = rc == -EBADMSG};
        replay->at++;
        return REPLAY_TAIL;
    }
    segment_name(id, name);
    if (rc == -ENOENT && was_removed(replay, id))
        return replay_fault(replay,
                            "the journal's beginning was removed (journal.retain) while it was "
                            "read; ask again");
    return replay_fault(replay, "segment %s %s%s", name,
                        rc == -EILSEQ ? "does not follow the one before; restore both from a copy"
                                      : "cannot be read: ",
                        rc == -EILSEQ ? "" : strerror(-rc));
}

/* open_segment returns REPLAY_RECORD when the walk can go on. */
static enum replay_step open_segment(struct replay *replay)
{
    struct segment_id id = replay->ids[replay->at];
    char name[SEGMENT_NAME_MAX];
    if (check_present(replay))
        return REPLAY_FAULT;
    replay->limit = replay->bound ? replay->bound(replay->bound_arg, id) : UINT64_MAX;
    if (!replay->limit) {
        replay->at++;
        return REPLAY_RECORD;
    }
    int rc = segment_reader_open(&replay->reader, id);
    if (rc)
        return open_failed(replay, rc);
    segment_name(id, name);
    if (replay->reader.key_fingerprint != replay->key->fingerprint)
        return replay_fault(replay, "segment %s was written under another key than this data_dir's",
                            name);
    replay->reading = true;
    return REPLAY_RECORD;
}

/* What other threads see of the progress: block by block. */
static void say_passed(struct replay *replay, uint64_t offset)
{
    if (replay->before_bytes + offset != replay->said_bytes)
        atomic_store_explicit(&replay->passed, replay->before_bytes + offset, memory_order_relaxed);
    replay->said_bytes = replay->before_bytes + offset;
}

static enum replay_step end_segment(struct replay *replay, enum block_fault why)
{
    const struct block_place *place = &replay->reader.place;
    struct segment_id id = replay->ids[replay->at];
    bool last = ends_journal(replay);
    if (why != BLOCK_END && !(why == BLOCK_TORN && last))
        return replay_damaged(replay, id, place->offset);
    replay->reading = false;
    replay->segments++;
    replay->at++;
    if (id.epoch == replay->start.epoch && id.shard < REPLAY_SHARDS_MAX)
        replay->reached[id.shard] = replay->reader.ordinal;
    replay->before_bytes += place->offset;
    say_passed(replay, 0);
    replay->tail = (struct replay_tail){
        .id = id, .file_id = place->file_id, .offset = place->offset, .torn = why == BLOCK_TORN};
    return last ? REPLAY_TAIL : REPLAY_RECORD;
}

/* check_reached says that a journal ends before what is known to have been durable of it. */
static enum replay_step check_reached(struct replay *replay)
{
    for (uint32_t s = 0; s < REPLAY_SHARDS_MAX; s++)
        if (!replay->bound && replay->reached[s] < replay->start.ordinal[s])
            return replay_fault(
                replay,
                "data_dir %s: the journal of epoch %u, shard %u ends at record %llu, and a "
                "checkpoint has seen %llu durable; restore its segments from a copy, "
                "nothing was changed",
                replay->store->path, replay->start.epoch, s, (unsigned long long)replay->reached[s],
                (unsigned long long)replay->start.ordinal[s]);
    return REPLAY_END;
}

static enum replay_step next_of_source(struct replay *replay, const struct record **record)
{
    for (;;) {
        enum replay_step step = replay_next_of_source(replay, record);
        if (step != REPLAY_RECORD)
            return step;
        if (check_record(replay, *record))
            return REPLAY_FAULT;
        if (!replay_passes_over(replay, *record))
            return REPLAY_RECORD;
    }
}

enum replay_step replay_next(struct replay *replay, const struct record **record)
{
    enum replay_step step = REPLAY_RECORD;
    if (replay->source)
        return next_of_source(replay, record);
    while (step == REPLAY_RECORD) {
        enum block_fault why;
        if (!replay->reading && replay->at == replay->count)
            return check_reached(replay);
        if (!replay->reading) {
            step = open_segment(replay);
            continue;
        }
        *record = segment_reader_next(&replay->reader, replay->limit, &why);
        if (*record && check_record(replay, *record))
            return REPLAY_FAULT;
        say_passed(replay, replay->reader.place.offset);
        if (*record && replay_passes_over(replay, *record))
            continue;
        if (*record)
            return REPLAY_RECORD;
        step = end_segment(replay, why);
    }
    return step;
}

struct replay_tail replay_tail(const struct replay *replay)
{
    return replay->tail;
}
