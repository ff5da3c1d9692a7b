/* replay.h - walks a data directory's journals, epoch after epoch, and gives each record with the
 * rules that were in force; recovery and explain read through it.
 *
 * It only reads: an unfinished block at the end of a journal is told, not cut.
 *
 * Memory:  one reader, the list of segments, and the configuration and rules of one version at a
 * time. Threads: one; it may walk journals that are being written, up to the bound it is given.
 */
#pragma once

#include "dataplane/base/segment.h"
#include "dataplane/store.h"
#include "graph/state.h"

/* Returns how far a segment may be read: 0 not at all, UINT64_MAX to its end, else an offset. */
typedef uint64_t (*replay_bound)(const void *arg, struct segment_id id);

struct replay {
    const struct store *store;
    const struct hash_key *key;
    struct items *items;
    replay_bound bound; /* NULL: everything to its end */
    const void *bound_arg;
    char *error;

    struct segment_id *ids;
    int count;
    int at; /* the segment being read, once `reading` */
    bool reading;
    uint64_t limit;
    struct segment_reader reader;
    uint64_t segments; /* read to their end */

    struct conf *conf; /* of the version that replay_rules was asked for last */
    struct rules *rules;
};

enum replay_step {
    REPLAY_FAULT = -1, /* damage, another key, a version that cannot be used: see error */
    REPLAY_END,        /* everything was read */
    REPLAY_RECORD,
    REPLAY_TORN, /* this journal ends in an unfinished block, at replay_torn; the walk goes on */
};

/* replay_open lists the journals.  items is grown by the names of old catalogs that it lacks; the
 * rest is borrowed.  Returns 0, or -1 with one line in error; replay_close in either case. */
int replay_open(struct replay *replay, const struct store *store, const struct hash_key *key,
                struct items *items, char error[512]);
void replay_close(struct replay *replay);

/* replay_next gives the next record; it holds until the next call.  Its partition is in range, or
 * it is a CONFIG record. */
enum replay_step replay_next(struct replay *replay, const struct record **record);

/* replay_torn returns where the block is that REPLAY_TORN spoke of: 0 in a segment without a good
 * header. */
uint64_t replay_torn(const struct replay *replay, struct segment_id *id);

/* replay_version is the configuration's under which the last record was decided; replay_rules its
 * rules, with replay->conf, or NULL with one line in error. */
uint32_t replay_version(const struct replay *replay);
const struct rules *replay_rules(struct replay *replay);

/* replay_apply brings an EVENT or DEAD record to a state that owns its partition, as the shard did.
 * *event is filled in and points at the record.  A dead letter is taken at its word, or judged
 * again from its bytes.  Returns 0, or -1 with one line in error. */
int replay_apply(struct replay *replay, const struct record *record, bool judge,
                 struct state *state, struct event *event, struct verdict *verdict,
                 struct outcome out[STATE_OUTCOMES_MAX]);

/* replay_limits sizes the state of one shard as conf says. */
struct state_limits replay_limits(const struct conf *conf, uint32_t shard_count, uint32_t shard);
