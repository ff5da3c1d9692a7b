/* recover.c - genesis replay: segment after segment, epoch after epoch. */
#include "dataplane/recover.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/segment.h"

struct replay {
    const struct store *store;
    const struct hash_key *key;
    struct items *items;
    struct state **states;
    uint32_t shard_count;
    struct rules *rules; /* of the version in force */
    struct conf *conf;
    struct recovery *result;
    struct segment_reader reader;
    uint64_t *seq; /* of each partition's last record: they are dense */
    char *error;
};

static int fault(struct replay *replay, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int fault(struct replay *replay, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(replay->error, 512, format, args);
    va_end(args);
    return -1;
}

static int use_version(struct replay *replay, uint32_t version)
{
    struct diag_list diags = {0};
    if (replay->rules && replay->rules->version == version)
        return 0;
    rules_free(replay->rules);
    conf_free(replay->conf);
    replay->rules = NULL;
    replay->conf = store_load(replay->store, version, &diags);
    if (replay->conf)
        replay->rules = rules_build(replay->conf, version, replay->key, replay->items, &diags);
    int rc = 0;
    if (!replay->rules)
        rc = fault(replay,
                   "data_dir %s: configuration version %u, under which events were decided, "
                   "cannot be used again: %s",
                   replay->store->path, version,
                   diags.count ? diags.diags[0].text : "out of memory");
    diag_list_fini(&diags);
    return rc;
}

/* What is stored as a version must be what ran as that version. */
static int check_config(struct replay *replay, const struct record *record)
{
    char digest[17];
    json_t *body = json_loadb((const char *)record_body(record), record->body_len,
                              JSON_REJECT_DUPLICATES, NULL);
    const char *recorded = json_string_value(json_object_get(body, "digest"));
    int rc = recorded ? use_version(replay, replay->reader.config_version)
                      : fault(replay, "a configuration record cannot be read");
    if (!rc) {
        snprintf(
            digest, sizeof digest, "%016llx",
            (unsigned long long)hash64(replay->key, replay->conf->text, replay->conf->text_len));
        if (strcmp(digest, recorded) != 0)
            rc = fault(replay,
                       "data_dir %s: configuration version %u is not the text that ran as such; "
                       "restore config/%06u.yaml from a copy",
                       replay->store->path, replay->reader.config_version,
                       replay->reader.config_version);
    }
    json_decref(body);
    return rc;
}

/* The version in force stands in the CONFIG record; a block's header repeats it. */
static int apply_record(struct replay *replay, const struct record *record)
{
    struct event event;
    struct outcome outcomes[STATE_OUTCOMES_MAX];
    struct outcome_view view;
    if (record->kind == RECORD_CONFIG)
        return check_config(replay, record);
    if (use_version(replay, replay->reader.config_version))
        return -1;
    if (record->partition >= replay->store->partition_count)
        return fault(replay, "a record names partition %u of %u", record->partition,
                     replay->store->partition_count);
    if (record->seq != ++replay->seq[record->partition])
        return fault(replay,
                     "records are missing: %llu follows %llu in partition %u; a segment is gone, "
                     "restore it from a copy, nothing was changed",
                     (unsigned long long)record->seq,
                     (unsigned long long)replay->seq[record->partition] - 1, record->partition);
    struct state *state = replay->states[record->partition % replay->shard_count];
    if (record->kind == RECORD_OUTCOME) {
        bool duplicate = outcome_decode(record_body(record), record->body_len, &view) == 0 &&
                         view.outcome.kind == OUTCOME_duplicate;
        if (duplicate)
            state_pass(state, record->partition, record->seq, record->receive_ns);
        else if (record->seq > state_seq(state, record->partition))
            replay->result->differences++;
        return 0;
    }
    if (record->kind == RECORD_EVENT)
        event_parse(&replay->rules->limits, replay->key, record_body(record), record->body_len,
                    &event);
    else
        event = (struct event){.reason = record->reason, .reason_offset = record->reason_offset};
    event.receive_ns = record->receive_ns;
    event.partition = record->partition;
    event.bytes = record_body(record);
    event.len = (uint16_t)record->body_len;
    struct verdict verdict = state_apply(state, replay->rules, &event, outcomes);
    replay->result->events++;
    bool accepted = verdict.result == RESULT_ACCEPTED;
    if (verdict.seq != record->seq || accepted != (record->kind == RECORD_EVENT))
        replay->result->differences++;
    return 0;
}

static int damaged(struct replay *replay, const char *name, uint64_t offset)
{
    return fault(replay,
                 "segment %s is damaged at offset %llu; restore the file from a copy, nothing was "
                 "changed",
                 name, (unsigned long long)offset);
}

/* The end of a journal, at which its file may go on. What a crash left unfinished was never
 * durable: it is cut, so that no later reader meets it, and with it the room that was kept for
 * more. That is so in the last epoch alone, earlier ones have been cut, and only where nothing
 * behind it was written later. */
static int end_journal(struct replay *replay, struct segment_id id, const char *name,
                       uint64_t file_id, uint64_t offset, bool torn)
{
    uint64_t bytes;
    int dir = replay->store->journal_fd;
    int rc = segment_bytes(dir, id, &bytes);
    if (!rc && bytes <= offset)
        return 0;
    if (!rc)
        rc = segment_written_behind(dir, id, file_id, offset);
    if (rc > 0 || (torn && id.epoch + 1 < replay->store->epoch))
        return damaged(replay, name, offset);
    if (!rc)
        rc = segment_cut(dir, id, offset);
    if (rc)
        return fault(replay, "segment %s cannot be cut at its end: %s", name, strerror(-rc));
    if (torn) {
        replay->result->torn++;
        fprintf(stderr, "segment %s: cut at offset %llu, behind which a write was not finished\n",
                name, (unsigned long long)offset);
    }
    return 0;
}

static int replay_segment(struct replay *replay, struct segment_id id, bool last)
{
    char name[SEGMENT_NAME_MAX];
    enum block_fault why;
    const struct record *record;
    segment_name(id, name);
    int rc = segment_reader_open(&replay->reader, id);
    if ((rc == -ENODATA || rc == -EBADMSG) && last)
        return end_journal(replay, id, name, 0, 0, rc == -EBADMSG);
    if (rc == -ENODATA || rc == -EBADMSG)
        return damaged(replay, name, 0);
    if (rc)
        return fault(replay, "segment %s %s%s", name,
                     rc == -EILSEQ ? "does not follow the one before; restore both from a copy"
                                   : "cannot be read: ",
                     rc == -EILSEQ ? "" : strerror(-rc));
    if (replay->reader.key_fingerprint != replay->key->fingerprint)
        return fault(replay, "segment %s was written under another key than this data_dir's", name);
    while ((record = segment_reader_next(&replay->reader, UINT64_MAX, &why)) != NULL)
        if (apply_record(replay, record))
            return -1;
    replay->result->segments++;
    const struct block_place *place = &replay->reader.place;
    if (last && (why == BLOCK_TORN || why == BLOCK_END))
        return end_journal(replay, id, name, place->file_id, place->offset, why == BLOCK_TORN);
    return why == BLOCK_END ? 0 : damaged(replay, name, place->offset);
}

/* Epochs, and the segments of a journal, are numbered without a gap. */
static int check_present(struct replay *replay, const struct segment_id *before,
                         const struct segment_id *id)
{
    bool same = before && before->epoch == id->epoch && before->shard == id->shard;
    uint32_t number = same ? before->number + 1 : 1;
    uint32_t epoch = before ? before->epoch + 1 : 1;
    struct segment_id missing = {.epoch = id->epoch, .shard = id->shard, .number = number};
    char name[SEGMENT_NAME_MAX];
    if (id->number == number && id->epoch <= epoch)
        return 0;
    if (id->epoch > epoch)
        missing = (struct segment_id){.epoch = epoch, .number = 1};
    segment_name(missing, name);
    return fault(replay,
                 "data_dir %s: segment %s is missing; restore it from a copy, nothing was changed",
                 replay->store->path, name);
}

int recover(const struct store *store, const struct hash_key *key, struct items *items,
            struct state **states, uint32_t shard_count, struct recovery *recovery, char error[512])
{
    struct replay replay = {
        .store = store,
        .key = key,
        .items = items,
        .states = states,
        .shard_count = shard_count,
        .result = recovery,
        .reader = {.fd = -1},
        .error = error,
    };
    struct segment_id *ids = NULL;
    unsigned unknown;
    memset(recovery, 0, sizeof *recovery);
    int count = segment_list(store->journal_fd, &ids, &unknown);
    int rc = count < 0 ? fault(&replay, "cannot list the journal: %s", strerror(-count)) : 0;
    replay.seq = calloc(store->partition_count, sizeof *replay.seq);
    if (!rc && (!replay.seq || segment_reader_init(&replay.reader, store->journal_fd)))
        rc = fault(&replay, "no memory to read the journal");
    for (int i = 0; !rc && i < count; i++) {
        bool last =
            i + 1 == count || ids[i + 1].epoch != ids[i].epoch || ids[i + 1].shard != ids[i].shard;
        rc = check_present(&replay, i ? &ids[i - 1] : NULL, &ids[i]);
        if (!rc)
            rc = replay_segment(&replay, ids[i], last);
    }
    if (!rc && unknown)
        fprintf(stderr, "data_dir %s: %u files in journal/ are not segments; they are left alone\n",
                store->path, unknown);
    segment_reader_fini(&replay.reader);
    free(replay.seq);
    rules_free(replay.rules);
    conf_free(replay.conf);
    free(ids);
    return rc;
}
