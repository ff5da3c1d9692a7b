/* replay_apply.c - records to the state, with what lies ahead parsed and brought in beforehand. */
#include <assert.h>

#include "dataplane/replay_impl.h"

/* judge_again parses a dead letter once more.  The limits may have changed between the rx part's
 * parse and the record's version, so what broke one of them is believed. */
static void judge_again(const struct rules *rules, const struct record *record, struct event *event)
{
    event_parse(&rules->limits, &rules->key, record_body(record), record->body_len, event);
    bool limit = record->reason == REASON_too_large || record->reason == REASON_depth;
    if (limit && event->reason == REASON_none)
        event->reason = record->reason;
}

static void place(const struct record *record, struct event *event)
{
    event->receive_ns = record->receive_ns;
    event->partition = record->partition;
    event->bytes = record_body(record);
    event->len = (uint16_t)record->body_len;
}

/* What is an event was one under the limits of its time, and is read under the widest. */
static void parse(const struct hash_key *key, const struct record *record, struct event *event)
{
    static const struct event_limits limits = {.event_bytes = EVENT_BYTES_MAX, .event_depth = 64};
    *event = (struct event){0};
    event_parse(&limits, key, record_body(record), record->body_len, event);
    event->flags |= EVENT_RECORDED;
    place(record, event);
}

/* wanted returns whether a record that was not given yet will be applied, as far as can be told:
 * what it says of itself was not checked. */
static bool wanted(const struct replay *replay, const struct state *state,
                   const struct record *record)
{
    return record->kind == RECORD_EVENT && record->body_len <= EVENT_BYTES_MAX &&
           record->partition < replay->store->partition_count &&
           state_owns(state, record->partition) && !replay_passes_over(replay, record);
}

/* look_ahead parses the event of a record and those that follow it in its block, a burst of them as
 * a shard takes them, and brings in what they will touch. */
static void look_ahead(struct replay *replay, const struct rules *rules, const struct state *state,
                       const struct record *record)
{
    struct replay_ahead *ahead = &replay->ahead;
    uint32_t at = replay->reader.at;
    ahead->block = replay->reader.block_count;
    ahead->at = ahead->count = 0;
    while (record && ahead->count < STATE_BURST_MAX) {
        if (wanted(replay, state, record))
            parse(&rules->key, record, &ahead->events[ahead->count++]);
        record = segment_reader_peek(&replay->reader, &at);
    }
    state_prefetch(state, rules, ahead->events, ahead->count, ahead->identities);
}

static struct hash128 event_of(struct replay *replay, const struct rules *rules,
                               const struct state *state, const struct record *record,
                               struct event *event)
{
    struct replay_ahead *ahead = &replay->ahead;
    if (ahead->block != replay->reader.block_count)
        ahead->at = ahead->count;
    while (ahead->at < ahead->count && ahead->events[ahead->at].bytes < record_body(record))
        ahead->at++; /* the caller had no use for it */
    if (ahead->at == ahead->count)
        look_ahead(replay, rules, state, record);
    *event = ahead->events[ahead->at];
    assert(event->bytes == record_body(record));
    return ahead->identities[ahead->at++];
}

void replay_judge(struct replay *replay, const struct rules *rules, const struct record *record,
                  bool judge, struct state *state, struct event *event, struct verdict *verdict,
                  struct outcome out[STATE_OUTCOMES_MAX])
{
    if (record->kind == RECORD_EVENT) {
        struct hash128 identity = event_of(replay, rules, state, record, event);
        state_apply_identified(state, rules, event, identity, verdict, out);
        return;
    }
    *event = (struct event){.reason = record->reason};
    if (judge)
        judge_again(rules, record, event);
    place(record, event);
    *verdict = state_apply(state, rules, event, out);
}

int replay_apply(struct replay *replay, const struct record *record, bool judge,
                 struct state *state, struct event *event, struct verdict *verdict,
                 struct outcome out[STATE_OUTCOMES_MAX])
{
    const struct rules *rules = replay_rules(replay);
    if (!rules)
        return -1;
    replay_judge(replay, rules, record, judge, state, event, verdict, out);
    return 0;
}

int replay_correct(struct replay *replay, const struct rules *rules, const struct record *record,
                   struct state *state, struct correction *correction, struct verdict *verdict,
                   struct outcome *out)
{
    if (!rules)
        rules = replay_rules(replay);
    if (!rules)
        return -1;
    if (correction_decode(record_body(record), record->body_len, correction))
        return replay_fault(replay, "correction %u:%llu cannot be read", record->partition,
                            (unsigned long long)record->seq);
    correction->partition = record->partition;
    correction->receive_ns = record->receive_ns;
    *verdict = state_correct(state, rules, correction, out);
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
        .claims = conf->limits.claims,
        .corrections = conf->limits.corrections,
        .dedupe_window_ns = conf->events.dedupe_window_ns,
    };
}
