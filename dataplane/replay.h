/* replay.h - walks a data directory's journals, epoch after epoch, and gives each record with the
 * rules that were in force; recovery and explain read through it.
 *
 * It only reads: an unfinished block at the end of a journal is told, not cut.
 *
 * Memory:  one reader, the list of segments, and the configuration and rules of one version at a
 * time. Threads: one; it may walk journals that are being written, up to the bound it is given.
 */
#pragma once

#include <stdatomic.h>

#include "dataplane/base/segment.h"
#include "dataplane/store.h"
#include "graph/state.h"

/* Returns how far a segment may be read: 0 not at all, UINT64_MAX to its end, else an offset. */
typedef uint64_t (*replay_bound)(const void *arg, struct segment_id id);

/* Where a journal ends. */
struct replay_tail {
    struct segment_id id;
    uint64_t file_id; /* 0: not even its header is good */
    uint64_t offset;
    bool torn; /* by a block that is not whole */
};

/* Records from elsewhere than the data directory's journals, in the order in which a walk over them
 * would give them.  next returns 1 with a record, which holds until the next call, and the version
 * in force; 0 at the end; -1 with one line in error. */
struct replay_source {
    int (*next)(void *arg, const struct record **record, uint32_t *config_version, char error[512]);
    void *arg;
};

/* Where to begin: everything that was in front of it is known from elsewhere. */
#define REPLAY_SHARDS_MAX 64
struct replay_start {
    uint32_t epoch;                     /* the first to read; its journals begin with: */
    uint32_t number[REPLAY_SHARDS_MAX]; /* [shard]: this segment; 0 is as good as 1 */
    uint64_t
        ordinal[REPLAY_SHARDS_MAX]; /* [shard]: they must reach this far; 0: anything will do */
    const uint64_t *seq; /* [partition]: records up to this one are passed over, and the next one
                            must not be missing; NULL: any may be the first */
    bool all;            /* those are given all the same */
};

/* Events of the block being read that were parsed before their turn, so that what they will touch
 * can be brought in for many at once. */
struct replay_ahead {
    uint64_t block; /* reader.block_count when they were */
    uint32_t at, count;
    struct event events[STATE_BURST_MAX];
    struct hash128 identities[STATE_BURST_MAX]; /* of them: state_prefetch */
};

/* What a source has given and what was not yet asked for, in the reader's block. */
struct replay_feed {
    const struct record *record; /* the source's next one, not yet in the block */
    uint32_t version;            /* that it was decided under */
    int last;                    /* what the source said last: 1 while there is more */
    uint32_t filled;             /* bytes of the block, of which reader.end are given */
    uint32_t story;              /* where the last event in it begins */
};

struct replay {
    const struct store *store;
    const struct hash_key *key;
    struct items *items;
    const struct replay_source *source; /* NULL: the store's journals */
    struct replay_feed feed;            /* of the source */
    replay_bound bound;                 /* NULL: everything to its end */
    const void *bound_arg;
    char *error;
    struct replay_start start;
    bool started;            /* by replay_start_at: not from the first record there ever was */
    uint32_t part, parts;    /* of partitions only those p with p % parts == part are given */
    _Atomic uint64_t passed; /* bytes read; for other threads */
    uint64_t before_bytes, said_bytes; /* of segments that were read; of passed */

    struct segment_id *ids;
    int count;
    int at; /* the segment being read, once `reading` */
    bool reading;
    uint64_t limit;
    struct segment_reader reader;
    struct replay_ahead ahead;
    uint64_t *seq; /* of each partition's last record: they are dense; 0: none was met */
    uint64_t reached[REPLAY_SHARDS_MAX]; /* ordinals of the first epoch */
    struct replay_tail tail;
    uint64_t segments; /* read to their end */
    unsigned unknown;  /* files that are no segments */

    struct conf *conf;     /* of the version that was needed last */
    uint32_t conf_version; /* its number */
    struct rules *rules;   /* of conf, once asked for */
};

enum replay_step {
    REPLAY_FAULT = -1, /* damage, what is missing, another key, a version that cannot be used: see
                          error */
    REPLAY_END,        /* everything was read */
    REPLAY_RECORD,
    REPLAY_TAIL, /* the end of a journal, see replay_tail; the walk goes on */
};

/* replay_open lists the journals, from where they begin (horizon.h).  items is grown by the names
 * of old catalogs that it lacks; the rest is borrowed.  Returns 0, or -1 with one line in error;
 * replay_close in either case. */
int replay_open(struct replay *replay, const struct store *store, const struct hash_key *key,
                struct items *items, char error[512]);
void replay_close(struct replay *replay);

/* replay_start_at begins elsewhere than at the first record there ever was; right after
 * replay_open.  start->seq is the caller's, until replay_close. */
void replay_start_at(struct replay *replay, const struct replay_start *start);

/* replay_from has a walk, right after replay_open, read from a source that begins with the first
 * record there ever was. */
void replay_from(struct replay *replay, const struct replay_source *source);

/* replay_bytes returns how much there is to read. */
uint64_t replay_bytes(const struct replay *replay);

/* replay_next gives the next record; it holds until the next call.  Segments, epochs and sequence
 * numbers are without a gap, partitions in range, and a CONFIG record is of the text that is stored
 * as its version. */
enum replay_step replay_next(struct replay *replay, const struct record **record);

/* replay_tail returns where the journal ends that REPLAY_TAIL spoke of. */
struct replay_tail replay_tail(const struct replay *replay);

/* replay_damaged says in error that a segment is damaged at offset; returns REPLAY_FAULT. */
enum replay_step replay_damaged(struct replay *replay, struct segment_id id, uint64_t offset);

/* replay_version is the configuration's under which the last record was decided; replay_rules its
 * rules, with replay->conf, or NULL with one line in error.  They are built one at a time, whatever
 * the threads: they grow the dictionary. */
uint32_t replay_version(const struct replay *replay);
const struct rules *replay_rules(struct replay *replay);

/* replay_apply brings an EVENT or DEAD record to a state that owns its partition, as the shard did;
 * the record is the one that replay_next gave last.
 * *event is filled in and points at the record.  A dead letter is taken at its word, or judged
 * again from its bytes.  Returns 0, or -1 with one line in error. */
int replay_apply(struct replay *replay, const struct record *record, bool judge,
                 struct state *state, struct event *event, struct verdict *verdict,
                 struct outcome out[STATE_OUTCOMES_MAX]);

/* replay_judge does so under rules of the caller's. */
void replay_judge(struct replay *replay, const struct rules *rules, const struct record *record,
                  bool judge, struct state *state, struct event *event, struct verdict *verdict,
                  struct outcome out[STATE_OUTCOMES_MAX]);

/* replay_correct brings a CORRECTION record to a state that owns its partition, as the shard did
 * or, with rules, under those.  *correction is filled in.  Returns 0, or -1 with one line in error.
 */
int replay_correct(struct replay *replay, const struct rules *rules, const struct record *record,
                   struct state *state, struct correction *correction, struct verdict *verdict,
                   struct outcome *out);

/* replay_limits sizes the state of one shard as conf says. */
struct state_limits replay_limits(const struct conf *conf, uint32_t shard_count, uint32_t shard);
