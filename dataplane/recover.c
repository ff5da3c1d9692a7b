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

/* The version in force stands in the CONFIG record; a block's header repeats it. */
static int apply_record(struct replay *replay, const struct record *record)
{
    struct event event;
    struct outcome outcomes[STATE_OUTCOMES_MAX];
    struct outcome_view view;
    if (record->kind == RECORD_CONFIG)
        return 0;
    if (use_version(replay, replay->reader.config_version))
        return -1;
    if (record->partition >= replay->store->partition_count)
        return fault(replay, "a record names partition %u of %u", record->partition,
                     replay->store->partition_count);
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

/* What a crash left unfinished at the end of a journal was never durable: it is cut, so that no
 * later reader meets it. */
static int cut(struct replay *replay, struct segment_id id, const char *name, uint64_t offset)
{
    replay->result->torn++;
    int rc = segment_cut(replay->store->journal_fd, id, offset);
    if (rc)
        return fault(replay, "segment %s ends in an unfinished block and cannot be cut: %s", name,
                     strerror(-rc));
    return 0;
}

static int replay_segment(struct replay *replay, struct segment_id id, bool last)
{
    char name[SEGMENT_NAME_MAX];
    enum block_fault why;
    const struct record *record;
    segment_name(id, name);
    int rc = segment_reader_open(&replay->reader, id);
    if (rc == -ENODATA && last)
        return 0; /* the crash came before its first group */
    if (rc == -EBADMSG && last)
        return cut(replay, id, name, 0);
    if (rc)
        return fault(replay, "segment %s cannot be read: %s", name, strerror(-rc));
    if (replay->reader.key_fingerprint != replay->key->fingerprint)
        return fault(replay, "segment %s was written under another key than this data_dir's", name);
    while ((record = segment_reader_next(&replay->reader, UINT64_MAX, &why)) != NULL)
        if (apply_record(replay, record))
            return -1;
    replay->result->segments++;
    if (why == BLOCK_TORN && last)
        return cut(replay, id, name, replay->reader.place.offset);
    if (why != BLOCK_END)
        return fault(replay,
                     "segment %s is damaged at offset %llu; restore the file from a copy, nothing "
                     "was changed",
                     name, (unsigned long long)replay->reader.place.offset);
    return 0;
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
        .error = error,
    };
    struct segment_id *ids = NULL;
    unsigned unknown;
    memset(recovery, 0, sizeof *recovery);
    int count = segment_list(store->journal_fd, &ids, &unknown);
    int rc = count < 0 ? fault(&replay, "cannot list the journal: %s", strerror(-count)) : 0;
    if (!rc && segment_reader_init(&replay.reader, store->journal_fd))
        rc = fault(&replay, "no memory to read the journal");
    for (int i = 0; !rc && i < count; i++) {
        bool last =
            i + 1 == count || ids[i + 1].epoch != ids[i].epoch || ids[i + 1].shard != ids[i].shard;
        rc = replay_segment(&replay, ids[i], last);
    }
    segment_reader_fini(&replay.reader);
    rules_free(replay.rules);
    conf_free(replay.conf);
    free(ids);
    return rc;
}
