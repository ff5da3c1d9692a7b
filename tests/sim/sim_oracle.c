/* sim_oracle.c - what was handed over, what was told, and what is found again. */
#include "tests/sim/sim_oracle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "dataplane/replay.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_sink.h"
#include "tests/sim/sim_story.h"

struct past {
    uint64_t hash;
    uint64_t receive_ns;
    const struct sim_line *line; /* of an EVENT or DEAD */
    uint8_t kind;
};

struct history {
    struct past *past; /* [seq - 1] */
    uint32_t count, room;
    uint32_t durable; /* of them some client was told of */
    uint32_t floor;   /* of them before the last group */
    uint64_t *states; /* [seq - 1]: hash of the state behind a record, 0: not known */
    uint32_t state_room;
};

/* An event at a shard, or an answer of which the client has not heard. */
struct pending {
    struct sim_line *line;
    struct answer answer;
};

struct queue {
    struct pending *list;
    uint32_t first, count, room;
};

static struct {
    uint32_t partitions;
    bool epoch_has_group;
    struct history histories[SIM_PARTITIONS_MAX];
    struct queue at_shard[SIM_SHARDS_MAX][SIM_SHARDS_MAX]; /* [shard][source] */
    struct queue answered[SIM_SHARDS_MAX];
    uint64_t next_ordinal[SIM_SHARDS_MAX]; /* 0: not known */
} oracle;

void sim_oracle_free(void)
{
    for (uint32_t p = 0; p < SIM_PARTITIONS_MAX; p++)
        free(oracle.histories[p].past), free(oracle.histories[p].states);
    for (uint32_t s = 0; s < SIM_SHARDS_MAX; s++) {
        free(oracle.answered[s].list);
        for (uint32_t r = 0; r < SIM_SHARDS_MAX; r++)
            free(oracle.at_shard[s][r].list);
    }
    memset(&oracle, 0, sizeof oracle);
}

void sim_oracle_reset(uint32_t partitions)
{
    sim_oracle_free();
    oracle.partitions = partitions;
}

static void push(struct queue *queue, struct pending pending)
{
    if (queue->first + queue->count == queue->room) {
        memmove(queue->list, queue->list + queue->first, queue->count * sizeof *queue->list);
        queue->first = 0;
        if (queue->count == queue->room) {
            queue->room = queue->room ? 2 * queue->room : 64;
            queue->list = realloc(queue->list, queue->room * sizeof *queue->list);
            assert(queue->list);
        }
    }
    queue->list[queue->first + queue->count++] = pending;
}

static struct pending pop(struct queue *queue)
{
    queue->count--;
    return queue->list[queue->first++];
}

/* ---- what is written ---- */

static struct past *add_past(uint32_t partition)
{
    struct history *history = &oracle.histories[partition];
    if (history->count == history->room) {
        history->room = history->room ? 2 * history->room : 32;
        history->past = realloc(history->past, history->room * sizeof *history->past);
        assert(history->past);
    }
    struct past *past = &history->past[history->count++];
    *past = (struct past){0};
    return past;
}

static struct past past_of(const struct record *record)
{
    struct past past = {.hash = XXH3_64bits(record, sizeof *record + record->body_len),
                        .receive_ns = record->receive_ns,
                        .kind = record->kind};
    if (record->kind != RECORD_EVENT && record->kind != RECORD_DEAD)
        return past;
    past.line = sim_client_find(record_body(record), record->body_len);
    sim_check(past.line || !record->body_len,
              "a record has an event that nobody has sent: partition %u, sequence %llu",
              record->partition, (unsigned long long)record->seq);
    return past;
}

static void note(const struct record *record)
{
    if (record->kind == RECORD_CONFIG)
        return;
    sim_check(record->partition < oracle.partitions, "a record names partition %u",
              record->partition);
    const struct history *history = &oracle.histories[record->partition];
    sim_check(record->seq == history->count + 1, "partition %u goes on with %llu after %u",
              record->partition, (unsigned long long)record->seq, history->count);
    sim_check(!history->count || record->receive_ns >= history->past[history->count - 1].receive_ns,
              "time goes back in partition %u", record->partition);
    *add_past(record->partition) = past_of(record);
}

void sim_oracle_handed(uint32_t shard, const struct block *block)
{
    uint32_t at = 0, end = block->used - (uint32_t)sizeof(struct block_header), count = 0;
    const struct record *record;
    while ((record = record_next(block->data + sizeof(struct block_header), end, &at))) {
        note(record);
        count++;
    }
    sim_check(at == end && count == block->record_count, "a block does not hold its records");
    uint64_t *next = &oracle.next_ordinal[shard];
    sim_check(block->first_ordinal == (*next ? *next : 1), "ordinals are not dense");
    *next = block->first_ordinal + count;
}

void sim_oracle_state(const struct state *state, uint32_t partition)
{
    struct history *history = &oracle.histories[partition];
    uint32_t seq = (uint32_t)state_seq(state, partition), room = history->state_room;
    if (seq > room) {
        history->state_room = seq + 64;
        history->states = realloc(history->states, history->state_room * sizeof *history->states);
        assert(history->states);
        memset(history->states + room, 0, (history->state_room - room) * sizeof *history->states);
    }
    if (seq)
        history->states[seq - 1] = state_hash(state, partition);
}

uint64_t sim_oracle_records(void)
{
    uint64_t count = 0;
    for (uint32_t p = 0; p < oracle.partitions; p++)
        count += oracle.histories[p].count;
    return count;
}

/* ---- what is told ---- */

void sim_oracle_taken(uint32_t shard, uint32_t source, const struct event *event)
{
    struct sim_line *line = sim_client_find(event->bytes, event->len);
    sim_check(line || !event->len, "an event comes to a shard that nobody has sent");
    push(&oracle.at_shard[shard][source],
         (struct pending){.line = line, .answer = {.token = event->token}});
}

void sim_oracle_answered(uint32_t shard, uint32_t source, const struct answer *answer)
{
    struct queue *queue = &oracle.at_shard[shard][source];
    sim_check(queue->count, "an answer to nothing");
    struct pending pending = pop(queue);
    sim_check(pending.answer.token == answer->token, "an answer to another event");
    pending.answer = *answer;
    if (pending.line && answer->result != RESULT_REFUSED)
        push(&oracle.answered[shard], pending);
}

void sim_oracle_group(uint32_t shard, uint32_t shards)
{
    for (uint32_t p = 0; p < oracle.partitions; p++)
        if (!oracle.epoch_has_group || p % shards == shard)
            oracle.histories[p].floor = oracle.histories[p].durable;
    oracle.epoch_has_group = true;
}

void sim_oracle_corrected(uint32_t shard, uint64_t ordinal, uint32_t partition, uint64_t seq)
{
    push(&oracle.answered[shard],
         (struct pending){
             .answer = {.ordinal = ordinal, .partition = (uint16_t)partition, .seq = seq}});
}

static void told_of_correction(const struct pending *told)
{
    struct history *history = &oracle.histories[told->answer.partition];
    sim_check(told->answer.seq && told->answer.seq <= history->count &&
                  history->past[told->answer.seq - 1].kind == RECORD_CORRECTION,
              "an operator is told of what is no correction");
    if (history->durable < told->answer.seq)
        history->durable = (uint32_t)told->answer.seq;
}

void sim_oracle_durable(uint32_t shard, uint64_t ordinal)
{
    struct queue *queue = &oracle.answered[shard];
    while (queue->count && queue->list[queue->first].answer.ordinal <= ordinal) {
        struct pending told = pop(queue);
        if (!told.line) {
            told_of_correction(&told);
            continue;
        }
        struct history *history = &oracle.histories[told.answer.partition];
        sim_check(told.answer.seq && told.answer.seq <= history->count,
                  "a client is told of what no journal was given");
        const struct past *past = &history->past[told.answer.seq - 1];
        bool dead = told.answer.result == RESULT_REJECTED;
        sim_check(past->kind == (dead ? RECORD_DEAD : RECORD_EVENT),
                  "a client is told of a record of kind %u", past->kind);
        bool same = past->line && past->line->user == told.line->user &&
                    past->line->number == told.line->number;
        sim_check(told.answer.result == RESULT_DUPLICATE ? same : past->line == told.line,
                  "a client is told of another event's record");
        told.line->durable = true;
        sim_trace("told: %u:%llu, ordinal %llu of shard %u", told.answer.partition,
                  (unsigned long long)told.answer.seq, (unsigned long long)told.answer.ordinal,
                  shard);
        if (history->durable < told.answer.seq)
            history->durable = (uint32_t)told.answer.seq;
    }
}

void sim_oracle_gone(void)
{
    oracle.epoch_has_group = false;
    for (uint32_t s = 0; s < SIM_SHARDS_MAX; s++) {
        oracle.next_ordinal[s] = 0;
        oracle.answered[s].count = 0;
        for (uint32_t r = 0; r < SIM_SHARDS_MAX; r++)
            oracle.at_shard[s][r].count = 0;
    }
}

/* ---- what is found again ---- */

static void find_record(uint32_t *found, const struct record *record)
{
    if (record->kind == RECORD_CONFIG)
        return;
    const struct history *history = &oracle.histories[record->partition];
    uint64_t hash = XXH3_64bits(record, sizeof *record + record->body_len);
    sim_check(record->seq == found[record->partition] + 1, "sequence numbers are not dense");
    sim_check(record->seq <= history->count && history->past[record->seq - 1].hash == hash,
              "a record is there that was never written so: partition %u, sequence %llu",
              record->partition, (unsigned long long)record->seq);
    found[record->partition]++;
}

static void check_partition(uint32_t partition, uint32_t found, struct state **states,
                            uint32_t shards, bool damaged)
{
    struct history *history = &oracle.histories[partition];
    if (damaged && history->floor < history->durable && found >= history->floor &&
        found < history->durable)
        history->durable = found;
    const struct state *state = states[partition % shards];
    sim_check(found >= history->durable,
              "what a client was told is durable is gone: partition %u has %u records, told %u",
              partition, found, history->durable);
    sim_check(state_seq(state, partition) == found, "partition %u recovered to %llu of %u",
              partition, (unsigned long long)state_seq(state, partition), found);
    uint64_t live = found && found <= history->state_room ? history->states[found - 1] : 0;
    sim_check(!live || live == state_hash(state, partition),
              "the recovered state of partition %u is not the one that was", partition);
    history->count = found;
    for (uint32_t i = found; i < history->state_room; i++)
        history->states[i] = 0;
}

void sim_oracle_recovered(const struct store *store, const struct hash_key *key,
                          struct items *items, struct state **states, uint32_t shards, bool damaged)
{
    static uint32_t found[SIM_PARTITIONS_MAX];
    char error[512];
    struct replay replay;
    const struct record *record;
    enum replay_step step;
    memset(found, 0, sizeof found);
    sim_oracle_gone();
    sim_check(replay_open(&replay, store, key, items, error) == 0, "reading says: %s", error);
    while ((step = replay_next(&replay, &record)) != REPLAY_END) {
        sim_check(step != REPLAY_FAULT, "reading says: %s", error);
        sim_check(step != REPLAY_TAIL || !replay_tail(&replay).torn,
                  "what was torn is still there");
        if (step == REPLAY_RECORD)
            find_record(found, record);
    }
    replay_close(&replay);
    for (uint32_t p = 0; p < oracle.partitions; p++)
        check_partition(p, found[p], states, shards, damaged);
}

void sim_oracle_walk(const struct store *store, const struct hash_key *key, struct items *items)
{
    char error[512];
    struct replay replay;
    const struct record *record;
    enum replay_step step;
    sim_check(replay_open(&replay, store, key, items, error) == 0, "reading says: %s", error);
    sim_story_begin();
    sim_sink_check_begin();
    while ((step = replay_next(&replay, &record)) != REPLAY_END) {
        sim_check(step != REPLAY_FAULT, "reading says: %s", error);
        if (step == REPLAY_RECORD) {
            sim_story_record(record);
            sim_sink_check_record(record);
        }
    }
    sim_sink_check_end();
    sim_story_end();
    replay_close(&replay);
}
