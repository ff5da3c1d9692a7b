/* crash.h - the crash simulator from inside: crash.c chooses images and runs, crash_run.c writes
 * what they are of, crash_image.c recovers one.
 *
 * Whatever goes wrong ends the program: crash_die, or an oracle that names the image.
 *
 * Memory:  one struct crash, static; a run's and an image's states by calloc.  Threads: one, but
 * for recovery's own.
 */
#pragma once

#include <stdio.h>

#include "dataplane/base/clock.h"
#include "dataplane/checkpointer.h"
#include "dataplane/replay.h"
#include "graph/shard.h"
#include "tests/sim/disk.h"

#define PARTITIONS  4u
#define BLOCKS      4u
#define RECORDS_MAX 8192u
#define EVENT_ROOM  16000u
#define FILES_MAX   64
#define START_NS    1795209600000000000ull /* 2026-11-20T12:00:00Z */

/* What the shard recorded, in the order of its journals, and its state behind each event. */
struct history {
    uint64_t record_hash[RECORDS_MAX];
    uint64_t state_hash[RECORDS_MAX]; /* 0: within an event's records */
    unsigned count;
};

/* A file that an earlier epoch left. */
struct kept_file {
    char name[SEGMENT_NAME_MAX];
    uint8_t *data;
    size_t bytes;
};

struct crash {
    char dir[64];
    struct store store;
    struct hash_key key;
    struct items *items;
    struct conf *conf;
    struct rules *rules;
    struct history history;
    unsigned before; /* records of earlier epochs */
    struct kept_file kept[FILES_MAX];
    unsigned kept_count;
    uint64_t empty_hash; /* of the state before the first event */
    uint64_t random;
    FILE *err;

    uint64_t *seen; /* hashes of images, open addressing */
    size_t seen_room;
    uint64_t from_checkpoint; /* images of which recovery began with one */
    uint64_t images, wanted, until, points, operations_failed, torn, starts, corrections, given_up;
    uint64_t waited_ns; /* for a disk that failed to be tried again */
};

struct crash_states {
    void *memory[8];
    struct state *state[8];
    uint32_t count;
};

struct crash_run {
    struct crash *sim;
    struct crash_states states;
    struct arena arena;
    struct event_ring events;
    struct answer_ring answers;
    struct correction_ask_ring asks;
    struct correction_answer_ring corrected;
    struct correction correction; /* the last one */
    struct block_ring handed;     /* by the shard */
    struct block_ring filled, empty;
    struct block blocks[BLOCKS];
    struct disk disk;
    struct journal_stock stock;
    struct journal *journal;
    uint64_t turns;
    struct shard shard;
    struct mirror mirror;
    void *mirror_memory;
    struct file_ops files;
    struct checkpointer checkpointer;
    _Atomic uint32_t item_count;
    uint64_t now_ns, number;
    uint8_t text[EVENT_ROOM];
};

struct crash_image {
    struct crash_states states;
    unsigned records;
    uint64_t hash;
};

/* crash_die ends the program with 2: the simulator itself is at fault, or its machine. */
_Noreturn void crash_die(const char *what, const char *detail);
uint64_t crash_random(struct crash *sim);

/* crash_states_open makes empty states of count shards, in [1, 8]. */
void crash_states_open(struct crash *sim, struct crash_states *states, uint32_t count);
void crash_states_close(struct crash_states *states);
/* crash_states_hash is the same for the same partitions, whatever the number of shards. */
uint64_t crash_states_hash(const struct crash_states *states);

/* crash_run_open starts a shard on its state and a journal on a disk of which the fail_at-th
 * operation and those behind it fail, fail_count in all; 0: none does. */
void crash_run_open(struct crash_run *run, struct crash *sim, const struct crash_states *states,
                    uint32_t epoch, unsigned fail_at, unsigned fail_count);
void crash_run_close(struct crash_run *run);
/* crash_run_load gives it the reference load.  Returns false when the journal stopped on the way.
 */
bool crash_run_load(struct crash_run *run);

/* crash_image_check recovers an image that was not seen before, and leaves it recovered in the
 * directory.  Returns false when it was seen. */
bool crash_image_check(struct crash_run *run, const struct disk_crash *crash,
                       const struct disk_atom *atoms, unsigned count);
/* crash_image_recover recovers the directory and reads it; found->states are the caller's. */
void crash_image_recover(struct crash *sim, const struct disk_crash *crash, uint32_t shards,
                         struct crash_image *found);

/* crash_store_open makes a data directory and the rules, with a key that is the same each time. */
void crash_store_open(struct crash *sim);
void crash_store_close(struct crash *sim);
