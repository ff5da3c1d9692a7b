/* replay.c - segment after segment, record after record, version after version. */
#include "dataplane/replay.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fault(struct replay *replay, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int fault(struct replay *replay, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(replay->error, 512, format, args);
    va_end(args);
    return REPLAY_FAULT;
}

int replay_open(struct replay *replay, const struct store *store, const struct hash_key *key,
                struct items *items, char error[512])
{
    unsigned unknown;
    *replay = (struct replay){
        .store = store, .key = key, .items = items, .error = error, .reader = {.fd = -1}};
    replay->count = segment_list(store->journal_fd, &replay->ids, &unknown);
    if (replay->count < 0)
        return fault(replay, "cannot list the journal: %s", strerror(-replay->count));
    if (segment_reader_init(&replay->reader, store->journal_fd))
        return fault(replay, "no memory to read the journal");
    return 0;
}

void replay_close(struct replay *replay)
{
    segment_reader_fini(&replay->reader);
    rules_free(replay->rules);
    conf_free(replay->conf);
    free(replay->ids);
    *replay = (struct replay){.reader = {.fd = -1}};
}

uint32_t replay_version(const struct replay *replay)
{
    return replay->reader.config_version;
}

const struct rules *replay_rules(struct replay *replay)
{
    struct diag_list diags = {0};
    uint32_t version = replay->reader.config_version;
    if (replay->rules && replay->rules->version == version)
        return replay->rules;
    rules_free(replay->rules);
    conf_free(replay->conf);
    replay->rules = NULL;
    replay->conf = store_load(replay->store, version, &diags);
    if (replay->conf)
        replay->rules = rules_build(replay->conf, version, replay->key, replay->items, &diags);
    if (!replay->rules)
        fault(replay,
              "data_dir %s: configuration version %u, under which events were decided, "
              "cannot be used again: %s",
              replay->store->path, version, diags.count ? diags.diags[0].text : "out of memory");
    diag_list_fini(&diags);
    return replay->rules;
}

/* The last segment of its journal may end in what a crash left unfinished. */
static bool is_last(const struct replay *replay)
{
    const struct segment_id *id = &replay->ids[replay->at];
    return replay->at + 1 == replay->count || id[1].epoch != id->epoch || id[1].shard != id->shard;
}

static enum replay_step open_segment(struct replay *replay)
{
    struct segment_id id = replay->ids[replay->at];
    char name[SEGMENT_NAME_MAX];
    replay->limit = replay->bound ? replay->bound(replay->bound_arg, id) : UINT64_MAX;
    if (!replay->limit) {
        replay->at++;
        return REPLAY_RECORD;
    }
    segment_name(id, name);
    int rc = segment_reader_open(&replay->reader, id);
    if (rc == -ENODATA && is_last(replay)) {
        replay->at++; /* the crash came before its first group */
        return REPLAY_RECORD;
    }
    if (rc == -EBADMSG && is_last(replay)) {
        replay->reader.place.offset = 0;
        replay->at++;
        return REPLAY_TORN;
    }
    if (rc)
        return fault(replay, "segment %s cannot be read: %s", name, strerror(-rc));
    if (replay->reader.key_fingerprint != replay->key->fingerprint)
        return fault(replay, "segment %s was written under another key than this data_dir's", name);
    replay->reading = true;
    return REPLAY_RECORD;
}

static enum replay_step end_segment(struct replay *replay, enum block_fault why)
{
    char name[SEGMENT_NAME_MAX];
    bool torn = why == BLOCK_TORN && is_last(replay);
    segment_name(replay->ids[replay->at], name);
    if (why != BLOCK_END && !torn)
        return fault(replay,
                     "segment %s is damaged at offset %llu; restore the file from a copy, nothing "
                     "was changed",
                     name, (unsigned long long)replay->reader.place.offset);
    replay->reading = false;
    replay->segments++;
    replay->at++;
    return torn ? REPLAY_TORN : REPLAY_RECORD;
}

enum replay_step replay_next(struct replay *replay, const struct record **record)
{
    enum replay_step step = REPLAY_RECORD;
    while (step == REPLAY_RECORD) {
        enum block_fault why;
        if (replay->at == replay->count)
            return REPLAY_END;
        if (!replay->reading) {
            step = open_segment(replay);
            continue;
        }
        *record = segment_reader_next(&replay->reader, replay->limit, &why);
        if (!*record) {
            step = end_segment(replay, why);
            continue;
        }
        if ((*record)->kind != RECORD_CONFIG &&
            (*record)->partition >= replay->store->partition_count)
            return fault(replay, "a record names partition %u of %u", (*record)->partition,
                         replay->store->partition_count);
        return REPLAY_RECORD;
    }
    return step;
}

uint64_t replay_torn(const struct replay *replay, struct segment_id *id)
{
    *id = replay->ids[replay->at - 1];
    return replay->reader.place.offset;
}

/* judge_again parses a dead letter once more.  The limits may have changed between the rx part's
 * parse and the record's version, so what broke one of them is believed. */
static void judge_again(const struct rules *rules, const struct record *record, struct event *event)
{
    event_parse(&rules->limits, &rules->key, record_body(record), record->body_len, event);
    bool limit = record->reason == REASON_too_large || record->reason == REASON_depth;
    if (limit && event->reason == REASON_none)
        event->reason = record->reason;
}

int replay_apply(struct replay *replay, const struct record *record, bool judge,
                 struct state *state, struct event *event, struct verdict *verdict,
                 struct outcome out[STATE_OUTCOMES_MAX])
{
    /* What is an event was one under the limits of its time, and is read under the widest. */
    static const struct event_limits limits = {.event_bytes = EVENT_BYTES_MAX, .event_depth = 64};
    const struct rules *rules = replay_rules(replay);
    if (!rules)
        return -1;
    *event = (struct event){0};
    if (record->kind == RECORD_EVENT)
        event_parse(&limits, replay->key, record_body(record), record->body_len, event);
    else if (judge)
        judge_again(rules, record, event);
    else
        event->reason = record->reason;
    event->receive_ns = record->receive_ns;
    event->partition = record->partition;
    event->bytes = record_body(record);
    event->len = (uint16_t)record->body_len;
    *verdict = state_apply(state, rules, event, out);
    return 0;
}

struct state_limits replay_limits(const struct conf *conf, uint32_t shard_count, uint32_t shard)
{
    return (struct state_limits){
        .partition_count = conf->partitions,
        .shard_count = shard_count,
        .shard = shard,
        .dedupe_capacity = conf->events.dedupe_capacity,
        .users = conf->limits.users,
        .dedupe_window_ns = conf->events.dedupe_window_ns,
    };
}
