/* pump_kit.h - what tests of a pump share: journals of the real thing, and a sink that remembers
 * and fails as told.
 *
 * Memory:  a world by malloc, freed by kit_tear_down.  Threads: one.
 */
#pragma once

#include "tests/unit/journal_kit.h"

#include <errno.h>
#include <sys/stat.h>

#include "dataplane/base/clock.h"
#include "dataplane/journal.h"
#include "sinks/cursor.h"
#include "sinks/line.h"
#include "sinks/sink.h"

#define ALL_KINDS     ((1u << OUTCOME_KIND_COUNT) - 1)
#define SHARDS_MAX    3
#define RING          8
#define DELIVERED_MAX 20000

/* A sink that remembers, fails its n-th operation, and loses what was not committed. */
struct delivered {
    uint64_t event_seq; /* 0: none */
    uint64_t seq;
    uint32_t epoch;
    uint16_t shard;
    uint8_t kind;
    uint64_t ordinal;
};

struct memory_sink {
    struct delivered list[DELIVERED_MAX];
    uint64_t count;     /* with the batch */
    uint64_t committed; /* without */
    unsigned op_count;
    unsigned fail_at;
    unsigned fail_count; /* so many in a row */
    unsigned opens;
    unsigned syncs;
    bool open;
    bool sync_fails; /* once */

    /* On the other side of a network. */
    uint64_t refused_seq;     /* that record, or any while `full` */
    uint64_t refused_late[2]; /* records for which their batch is refused */
    bool full;
    unsigned refusals;
    struct sink_fault fault;
};

/* Journals of one epoch at a time, written by the real thing. */
struct writer {
    struct journal journal;
    struct journal_stock stock;
    struct block_ring filled, empty;
    struct block block;
    void *memory;
    uint64_t ordinal;
    uint64_t seq;
};

struct world {
    struct kit_dir dir;
    char cursor[128];
    char dead[128];
    bool far;
    bool late; /* the sink's cursor may be saved late */
    uint64_t target;
    uint64_t confirm_after_ns;
    uint32_t epoch;
    uint32_t shard_count;
    struct writer *writers;
    struct memory_sink sink;
    struct pump *pump;
    uint64_t want_events, want_outcomes;
};

extern const struct sink_ops memory_ops;

/* A test in a directory of its own. */
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, kit_set_up, kit_tear_down)

void kit_start_epoch(struct world *w, uint32_t epoch, uint32_t shard_count);
void kit_end_epoch(struct world *w);
void kit_append_record(struct writer *writer, enum record_kind kind, const void *body,
                       uint32_t len);
void kit_append_outcome(struct writer *writer, enum outcome_kind kind);
void kit_append_story(struct world *w, uint32_t shard, uint32_t body_len);
void kit_flush(struct world *w, uint32_t shard);
void kit_append_stories(struct world *w, uint32_t shard, unsigned count, uint32_t body_len);
int kit_try_open(struct world *w, uint32_t outcomes);
void kit_open_pump(struct world *w);
void kit_close_pump(struct world *w);
void kit_drain(struct world *w, unsigned budget);
void kit_expect_stories(const struct world *w, uint32_t epoch, uint32_t shard, unsigned count);
int kit_set_up(void **state);
int kit_tear_down(void **state);
