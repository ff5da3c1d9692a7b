/* history_node.h - one shard and its journal on a data directory, without ports: what troved joins
 * them to, as far as the disk is concerned.
 *
 * The caller's thread is the worker core: it parses, and polls the shard.  The journal and its
 * stock of files have a thread each, as in the daemon.
 *
 * Memory:  the state and the journal's blocks, as the configuration says.  Threads: one.
 */
#pragma once

#include <pthread.h>

#include "dataplane/checkpointer.h"
#include "dataplane/journal.h"
#include "dataplane/journal_uring.h"
#include "dataplane/store.h"
#include "graph/shard.h"

struct history_node {
    struct conf *conf;
    struct store store;
    struct hash_key key;
    struct items *items;
    _Atomic uint32_t item_count;
    struct rules *rules;
    struct state *state;
    struct arena arena, mirror_arena;
    struct event_ring *events;
    struct answer_ring *answers;
    struct shard shard;
    struct journal_uring *uring;
    struct journal_stock stock;
    struct journal journal;
    struct mirror mirror;
    struct checkpointer checkpointer;
    pthread_t journal_thread, stock_thread;
    _Atomic bool ending; /* the shard hands over nothing more */
    uint64_t submitted, answered;
    uint64_t refused; /* for which there was no room */
};

/* history_node_open begins an epoch in the data directory that the configuration file names, and
 * starts the threads; they keep off the core.  Returns 0, or -1 with a line in error. */
int history_node_open(struct history_node *node, const char *file, int core, char error[512]);

/* history_node_submit parses bytes as an rx part does and gives the event to the shard, polling it
 * where its ring is full.  The bytes must stay until history_node_settle. */
void history_node_submit(struct history_node *node, const uint8_t *bytes, uint32_t len,
                         uint64_t receive_ns);
/* history_node_poll lets the shard take what waits, and takes its answers. */
void history_node_poll(struct history_node *node);
/* history_node_settle waits until all that was submitted is durable. */
void history_node_settle(struct history_node *node);

/* history_node_checkpoint makes a checkpoint.  Returns 0 or a negative errno. */
int history_node_checkpoint(struct history_node *node);

/* history_node_close ends as a stop of the daemon does. */
void history_node_close(struct history_node *node);
