/* shard.h - the shard part: takes events from every rx part's ring, applies them in order, fills
 * journal blocks, answers.
 *
 * shard_poll takes an event only when a journal block has room for all it may lead to, so a journal
 * that does not keep up shows as full rings, and the rx parts refuse; nothing is half done.  A
 * burst that was taken when the blocks ran out waits in its ring, undecided.
 *
 * Corrections come from the control thread, by a ring of their own, and are applied in order with
 * the events.
 *
 * While a checkpoint is made each poll copies a slice of a partition for it (mirror.h).
 *
 * A block goes to the journal when it is full; else once all that went before is durable, so that
 * the journal is idle: at once when the rings are empty, or when its first record is
 * group_commit_ns old.
 *
 * Memory:  blocks and state from the shard's arena, on its node.
 * Threads: one core polls; counters and histograms are read by the control thread.
 */
#pragma once

#include "dataplane/base/answer.h"
#include "dataplane/base/block.h"
#include "dataplane/base/histogram.h"
#include "graph/mirror.h"
#include "graph/shard_correct.h"
#include "graph/state.h"

#define SHARD_SOURCES_MAX 64
#define SHARD_BURST       STATE_BURST_MAX

struct shard_counters {
    uint64_t accepted;
    uint64_t duplicate;
    uint64_t refused;    /* no room in the state */
    uint64_t left_early; /* ids that left before the window's end to make room */
    uint64_t rejected[REASON_COUNT];
    uint64_t late;
    uint64_t clamped;
    uint64_t outcomes[OUTCOME_KIND_COUNT];
    uint64_t refusals[REFUSAL_COUNT];
    uint64_t awards[CONF_HUNTS_MAX]; /* and granted claims, by hunt index of the current rules;
                                        moved by hunt name at reconfigure */
    /* By hunt and variant, as awards. */
    uint64_t variant_users[CONF_HUNTS_MAX][CONF_VARIANTS_MAX]; /* times a user was assigned */
    uint64_t variant_awards[CONF_HUNTS_MAX][CONF_VARIANTS_MAX];
    uint64_t stopped; /* walks that hit their budget */
    uint64_t records, record_bytes;
    uint64_t journal_waits; /* polls that found no free block */
};

struct shard {
    /* Read by the shard core only. */
    struct state *state;
    const struct rules *rules;
    uint32_t index;
    uint32_t source_count;
    struct event_ring *sources[SHARD_SOURCES_MAX];  /* [rx part]: pops */
    struct answer_ring *answers[SHARD_SOURCES_MAX]; /* [rx part]: pushes */
    struct correction_ask_ring *corrections;        /* from the control thread: pops; or NULL */
    struct correction_answer_ring *corrected;       /* to it: pushes */
    struct block_ring *to_journal;                  /* filled: pushes */
    struct block_ring *from_journal;                /* free again: pops */
    const struct segment_mark *mark;
    struct mirror *mirror; /* copies a partition for a checkpoint; or NULL */
    struct block *open;    /* being filled, NULL when none is free */
    struct block *free;    /* a stack, with what from_journal has not given yet */
    uint32_t free_count;
    uint32_t block_count; /* in all */
    uint64_t next_ordinal;
    uint64_t group_commit_ns;
    uint64_t opened_ns;  /* of the first record in the open block, CLOCK_MONOTONIC */
    uint64_t receive_ns; /* latest of any record: what a CONFIG record is dated with */
    uint32_t turn;       /* the source to start with */
    uint32_t waiting_at, waiting_count; /* [at, count) of waiting are not decided yet */
    uint32_t waiting_source;
    const struct event *waiting;            /* in the ring, until they are decided */
    struct hash128 identities[SHARD_BURST]; /* of those that wait; no configuration changes them */

    /* Written by the shard core, read by the control thread. */
    struct shard_counters counters __attribute__((aligned(64)));
    struct histogram decision;  /* wire to decision, of accepted events */
    struct histogram ring_wait; /* rx part to shard part; receive to pop */
};

struct shard_wiring {
    uint32_t index;
    uint32_t source_count;
    struct event_ring **sources;
    struct answer_ring **answers;
    struct correction_ask_ring *corrections; /* NULL: none come */
    struct correction_answer_ring *corrected;
    struct block_ring *to_journal, *from_journal;
    const struct segment_mark *mark;
    struct mirror *mirror; /* NULL: there are no checkpoints */
    uint64_t next_ordinal; /* 1 in a new epoch */
    uint64_t group_commit_ns;
};

void shard_init(struct shard *shard, struct state *state, const struct rules *rules,
                const struct shard_wiring *wiring);

/* shard_poll takes up to budget events, and a correction.  now_ns is CLOCK_MONOTONIC, read once by
 * the core loop. Returns the number of events and corrections taken and blocks moved: 0 means idle.
 */
unsigned shard_poll(struct shard *shard, uint64_t now_ns, unsigned budget);

/* shard_reconfigure takes over new rules between polls: appends a CONFIG record (config_json, len
 * bytes) in a block of its own version, dated with the latest event.  Returns 0; -EAGAIN when the
 * journal holds more than half of the blocks, which are for events first: ask again after the next
 * poll; -EMSGSIZE when the text does not fit in a block. Thread: the shard's core. */
int shard_reconfigure(struct shard *shard, const struct rules *rules, const char *config_json,
                      uint32_t len);

/* shard_flush hands over the open block whatever its age; true when no event waits in the shard and
 * all that it has recorded is durable. */
bool shard_flush(struct shard *shard);

/* shard_view puts names to an outcome's hunt, user and items: what the journal keeps, and what
 * explain compares with the record.  The user's name may be decoded into the caller's buffer. */
void shard_view(const struct rules *rules, const struct event *event, const struct outcome *outcome,
                uint8_t decoded[EVENT_USER_MAX], struct outcome_view *view);

/* shard_correction_view does the same for what came of a correction; its texts are the
 * correction's and the rules'. */
void shard_correction_view(const struct rules *rules, const struct correction *correction,
                           const struct outcome *outcome, struct outcome_view *view);
