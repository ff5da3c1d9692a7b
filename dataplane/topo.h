/* topo.h - the topology: which parts there are, which ring joins them, which core polls them; and
 * how all of it starts and stops.
 *
 * One struct topo is the daemon. Each worker core polls its rx parts and its shard in turn; each
 * shard has a journal thread, each sink a pump thread, both on the control core; the control
 * socket's thread calls topo_apply and reads counters.
 *
 * Memory:  per core one arena, filled in topo_start and sealed; snapshots of the configuration by
 * malloc, retired after a grace period. Threads: topo_start, topo_stop and topo_fini by the main
 * thread; topo_apply by the control thread; topo_account and the fields that are read-only after
 * topo_start by any.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "conf/conf.h"
#include "dataplane/base/text.h"
#include "dataplane/checkpointer.h"
#include "dataplane/journal.h"
#include "dataplane/journal_uring.h"
#include "dataplane/plan.h"
#include "dataplane/port.h"
#include "dataplane/priority.h"
#include "dataplane/recover.h"
#include "dataplane/retention.h"
#include "dataplane/rx.h"
#include "dataplane/rx_http.h"
#include "dataplane/store.h"
#include "dataplane/topo_sink.h"
#include "graph/shard.h"
#include "sinks/board.h"
#include "sinks/feed.h"

/* A configuration version as the cores see it: published whole, never changed. */
struct snapshot {
    uint32_t version;
    struct conf *conf;
    struct rules *rules;
    char digest[17]; /* of the text */
    char applied[TEXT_TIME_LEN + 1];
    char *config_json; /* body of the CONFIG record */
    uint32_t config_json_len;
    struct snapshot *retired_next;
};

struct topo;

/* The control thread asks a shard, and waits for the answer: see topo_correct.c. */
struct correction_link {
    struct correction_ask_ring *asks;
    struct correction_answer_ring *answers;
};

struct core {
    struct topo *topo;
    const struct plan_core *plan;
    pthread_t thread;
    bool started;
    struct arena arena;
    uint64_t pages, pages_elsewhere; /* of the arena: looked at when it was filled, and of these not
                                        on the core's node */
    uint32_t rx_count;
    struct rx *rx[CONF_PORTS_MAX];
    struct shard *shard; /* NULL: none */

    /* Written by the core, read by the control thread. */
    _Atomic uint32_t version __attribute__((aligned(64))); /* of the configuration it works under */
    _Atomic int phase;                                     /* the last one it has completed */
    _Atomic uint64_t busy_ns, idle_ns;
    _Atomic uint64_t
        longest_ns; /* of one turn of its loop: what the machine or a part took from it */
    _Atomic uint64_t rx_cycles, shard_cycles; /* of polls that found work (base/cycles.h) */
    _Atomic int shared; /* why others may have half of its core (priority_set), 0: they may not */
};

struct journal_thread {
    struct topo *topo;
    pthread_t thread;
    bool started;
    bool ended; /* the thread has closed the journal */
    struct journal *journal;
    struct journal_stock stock;
    struct journal_uring *uring; /* NULL: pwritev2 and fdatasync */
};

/* Makes checkpoints, on the control core: see topo_checkpoint.c. */
struct checkpoint_thread {
    struct topo *topo;
    pthread_t thread;
    bool started;
    struct arena arena;    /* the mirror's */
    struct mirror *mirror; /* NULL: no checkpoints are made */
    struct checkpointer checkpointer;
};

/* What is kept of the journal: see topo_retain.c.  Written by the checkpoint thread, read by any.
 */
struct retained {
    _Atomic uint64_t bytes, begins_ns; /* 0: from the first record */
    _Atomic uint64_t removed_segments, removed_bytes;
    _Atomic uint64_t lost; /* times that a sink had not read what was removed */
    _Atomic int error;
    pthread_mutex_t lock;
    char held_by[CONF_NAME_MAX + 1]; /* under the lock: who needs more than was wanted */
};

/* Segments compressed since start.  Writer: the thread that does it. */
struct pack_counters {
    uint64_t segments, bytes, packed_bytes;
    _Atomic int error; /* errno of the last one that could not be, 0 when it could */
};

enum phase {
    PHASE_RUN,   /* everything */
    PHASE_QUIET, /* rx parts receive no more, but take back answers */
    PHASE_FLUSH, /* shards hand over what they have */
    PHASE_SYNC,  /* journals and pumps finish; cores have ended */
    PHASE_END,   /* pumps end, whether they have caught up or not */
};

struct topo {
    /* Read-only after topo_start. */
    struct conf *conf; /* the one it started with: keys that need a restart count from here */
    struct store store;
    struct hash_key key;
    struct hash_key tcp_key; /* random at each start */
    struct plan plan;
    bool huge;
    struct priority inherited; /* of workers and their session, by who started us */
    struct port ports[CONF_PORTS_MAX];
    struct core cores[PLAN_PARTS_MAX];
    struct rx *rx[PLAN_PARTS_MAX];
    struct shard *shards[PLAN_PARTS_MAX];
    struct correction_link corrections[PLAN_PARTS_MAX]; /* [shard] */
    struct journal_thread journals[PLAN_PARTS_MAX];
    pthread_t stock_thread; /* makes files for them */
    bool stock_started;
    pthread_t pack_thread; /* compresses cold ones */
    bool pack_started;
    struct pack_counters packed;
    struct board *board;
    struct checkpoint_thread checkpoint;
    struct retained retained;
    uint64_t start_ns; /* CLOCK_MONOTONIC */
    struct recovery recovery;

    /* Written by the control side. */
    pthread_mutex_t apply_lock;
    pthread_mutex_t read_lock; /* who reads the published snapshot and is no core; who frees one */
    struct items *items;
    _Atomic uint32_t items_saved;
    struct snapshot *published; /* by RCU */
    struct snapshot *retired;   /* until every core has left it */
    struct sinks sinks;
    struct {
        struct feed *feed;
        pthread_t thread;
        bool started;
    } feed; /* leaderboards for browsers */
    _Atomic int phase;
    _Atomic bool stop_wanted;
    _Atomic uint64_t events_per_s, requests_per_s;

    /* The control thread's own. */
    uint64_t correction_token; /* of the last question asked */
};

/* topo_start builds everything from conf (which it then owns) and starts the threads. Returns 0, or
 * -1 with one line in error, or with the faults of the configuration in *diags; topo_fini cleans up
 * in either case. */
int topo_start(struct topo *topo, struct conf *conf, struct diag_list *diags, char error[512]);

/* topo_stop waits until no datagram has come for 200 ms and every HTTP connection was closed, for
 * at most conf->drain_ns, then lets every event that was received reach the journal, and every
 * outcome its sink (for at most conf->drain_ns more), and ends the threads. */
void topo_stop(struct topo *topo);

/* topo_fini ends the threads that still run, as after a start that failed half-way, and gives back
 * all that topo_start took. */
void topo_fini(struct topo *topo);

/* topo_start_feed starts the thread that publishes leaderboards, which does nothing unless it is
 * configured; 0 or an errno.  It ends with PHASE_END, at once when it is cancelled. */
int topo_start_feed(struct topo *topo);
void topo_cancel_feed(struct topo *topo);
void topo_free_feed(struct topo *topo);

/* topo_start_thread starts a thread on a core; 0 or an errno. */
int topo_start_thread(pthread_t *thread, uint32_t core, void *(*body)(void *), void *arg);

/* topo_recover fills in the states from the data directory; 0, or -1 with one line in error.
 * topo_mirror_footprint is what checkpoints take of memory, 0 when none are made; topo_make_mirror
 * takes it, 0 or -ENOMEM; topo_start_checkpoints starts their thread, 0 or an errno. */
int topo_recover(struct topo *topo, struct state **states, char error[512]);
size_t topo_mirror_footprint(const struct topo *topo);
int topo_make_mirror(struct topo *topo);
int topo_start_checkpoints(struct topo *topo);

/* topo_retain_begin finishes what a crash cut short; 0, or -1 with one line in error.  topo_retain
 * removes what the journal need not keep.  Thread: the checkpoints'. */
int topo_retain_begin(struct topo *topo, char error[512]);
void topo_retain(struct topo *topo);

/* The threads' bodies. */
void *core_run(void *core);
void *journal_run(void *journal_thread);
void *stock_run(void *topo);
void *pack_run(void *topo);

/* topo_disk_make makes the journals and their stocks, given each shard's rings; 0, or -1 with one
 * line in error.
 * topo_disk_fini ends them. */
int topo_disk_make(struct topo *topo, struct block_ring **from_shard, struct block_ring **to_shard,
                   char error[512]);
void topo_disk_fini(struct topo *topo);

struct apply_result {
    uint32_t version;
    uint32_t version_before;
    double ms;
    unsigned changes;
    unsigned cores;
    bool pending; /* published, but some core has not taken it up within the time */
};

/* topo_apply checks a configuration, keeps it as the next version and publishes it. Returns 0;
 * -ESHUTDOWN troved is stopping; -EBUSY another apply is at it; -ESTALE if_version (0: any) is not
 * the running one; -EINVAL with the faults in *diags; another negative errno: the data directory
 * cannot keep it. Whatever fails, the running configuration stays. */
int topo_apply(struct topo *topo, const char *file, const char *text, size_t len,
               uint32_t if_version, struct apply_result *result, struct diag_list *diags);

/* topo_correct has a shard do a correction, or with dry_run say what it would do, and waits until
 * the journal has it.  Of an undo the user, the hunt and the tile are filled in from what it
 * undoes. Returns 0 with the answer, whatever it is; -ESHUTDOWN troved is stopping; -EEXIST the id
 * was used for something else; -ENOENT there is nothing of the id to be undone; -EIO a journal
 * takes nothing at present; -ETIMEDOUT not known: the same again says.  Thread: control. */
int topo_correct(struct topo *topo, struct correction *correction, bool dry_run,
                 struct correction_answer *answer);

/* topo_first makes the first snapshot, from topo->conf; 0, or -1 as topo_start. topo_retire frees
 * snapshots that every core has left. */
int topo_first(struct topo *topo, struct diag_list *diags, char error[512]);
void topo_retire(struct topo *topo);
/* topo_drop frees every snapshot and the item dictionary, once no core runs any more. */
void topo_drop(struct topo *topo);

/* topo_snapshot returns the running snapshot. Thread: one that holds the read lock, or that is
 * about to publish. topo_read_lock returns it too, good until topo_read_unlock. Thread: any but a
 * core, and not across topo_apply. */
const struct snapshot *topo_snapshot(const struct topo *topo);
const struct snapshot *topo_read_lock(struct topo *topo);
void topo_read_unlock(struct topo *topo);

/* topo_http_key makes the key of TCP's cookies and sequence numbers; 0, or -1 as topo_start.
 * topo_http_footprint returns what HTTP takes of an rx part's arena, topo_http_make makes it part
 * of the rx part of that index; nothing where there is no port for it. */
int topo_http_key(struct topo *topo, char error[512]);
size_t topo_http_footprint(const struct topo *topo);
void topo_http_make(const struct topo *topo, uint32_t index, struct rx *rx, struct arena *arena);

/* topo_http_reconfigure takes over those keys of listen.http that are hot.  Thread: the core. */
void topo_http_reconfigure(const struct topo *topo, const struct conf *conf, struct rx *rx);

/* What TCP and HTTP have counted, over all rx parts. */
struct http_totals {
    struct tcp_counters tcp;
    struct http_counters http;
    uint64_t refused; /* requests of which nothing was taken: one event each in the account */
    uint64_t frames_waiting; /* for a port */
};

void topo_http_count(const struct topo *topo, struct http_totals *totals);

/* received = accepted + duplicate + rejected + refused + lost + in_flight, in_flight being at a
 * shard right now. */
struct account {
    uint64_t received, accepted, duplicate, rejected, refused, lost;
    uint64_t in_flight;
    uint64_t lost_by[LOST_COUNT];
};

void topo_account(const struct topo *topo, struct account *account);
/* topo_account_print writes the one line that is to be balanced. */
void topo_account_print(const struct account *account, FILE *out);
