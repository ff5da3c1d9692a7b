/* topo_sink.h - the daemon's sinks: each a pump on a thread of its own, and the list of them, which
 * changes with the configuration while events flow.
 *
 * A sink that is removed or changed is told to end and stays on a second list until it has; nobody
 * waits for it but whom it would disturb: a sink of the same name, which goes on at the same
 * cursor, or one that writes to the same place. So an apply is answered whatever hangs.
 *
 * Memory:  a struct sink_thread each by malloc, freed when its thread has been joined.
 * Threads: each function says its own; the list is read under the lock by any.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "conf/conf.h"
#include "sinks/line.h"
#include "sinks/sink.h"

/* Removed sinks whose threads have not ended, as on a file system that hangs. */
#define SINKS_LEAVING_MAX 16

struct topo;

/* What a sink has counted since the daemon began, whatever reloads made of it. */
struct sink_totals {
    struct pump_counters counters; /* lag_records is not a sum */
    uint64_t repeats;
};

struct sink_thread {
    struct topo *topo;
    pthread_t thread;
    bool started;
    uint64_t born; /* who of the same name came first */
    struct pump *pump;
    const struct sink_ops *ops;
    void *sink;
    struct conf_sink conf; /* its own copy; without a name: the leaderboards */
    struct line_origin origin;
    uint64_t target; /* a hash of the place it writes to */
    char cursor_path[CONF_PATH_MAX + 96];
    char dead_path[CONF_PATH_MAX + 96];
    char state_path[CONF_PATH_MAX + 96];
    char mode_path[CONF_PATH_MAX + 96];
    enum pump_mode kept;       /* what the file at mode_path says; under the lock */
    uint64_t told_ns;          /* CLOCK_MONOTONIC; under the lock */
    bool cancelled;            /* under the lock */
    struct sink_totals before; /* of freed ones of the same name; under the lock */

    _Atomic int error;  /* errno of the last poll that failed, 0 when it went well */
    _Atomic bool ready; /* it is in the configuration that runs */
    _Atomic bool told;  /* to end */
    _Atomic bool ended;
};

struct sinks {
    pthread_mutex_t lock;
    uint32_t count;
    struct sink_thread *at[CONF_SINKS_MAX]; /* in the order of the configuration */
    uint32_t leaving_count;
    struct sink_thread *leaving[SINKS_LEAVING_MAX];
    struct sink_thread *board; /* the leaderboards' */
    uint64_t born;
};

/* The list as it is going to be: sinks that stay, and new ones, whose threads wait. */
struct sinks_plan {
    uint32_t count;
    struct sink_thread *at[CONF_SINKS_MAX];
    bool fresh[CONF_SINKS_MAX];
};

/* sink_make makes a sink with its pump; nothing outside is touched but the file of its mode.
 * sink_free frees one whose thread is not running.  sink_run is its thread's body. */
struct sink_thread *sink_make(struct topo *topo, const struct conf_sink *conf, const char *pop);
struct sink_thread *sink_make_board(struct topo *topo, bool anew);
void sink_free(struct sink_thread *sink);
int sink_start(struct sink_thread *sink);
void *sink_run(void *sink);

/* sink_set_mode keeps a mode for the next start, and sets it.  Returns 0 or a negative errno, and
 * then nothing has changed: -EPERM the configuration has the sink paused. Thread: with the lock. */
int sink_set_mode(struct sink_thread *sink, enum pump_mode mode);

/* sinks_open makes the sinks of topo->conf and the leaderboards, and opens what is on this host: a
 * fault is for the operator to mend before anything starts.  Returns 0, or -1 with one line in
 * error.  sinks_start starts their threads; 0 or an errno. */
int sinks_open(struct topo *topo, char error[512]);
int sinks_start(struct topo *topo);

/* sinks_plan makes what a configuration asks for; sinks_enter makes it the list, tells who is not
 * on it to end, and waits a moment for them; sinks_abandon ends what was planned.  Returns 0;
 * -EBUSY too many removed sinks have not ended; -ENOMEM; -EAGAIN no thread to be had.  Thread: that
 * of an apply. */
int sinks_plan(struct topo *topo, const struct conf *conf, struct sinks_plan *plan);
void sinks_enter(struct topo *topo, struct sinks_plan *plan, const struct conf *conf);
void sinks_abandon(struct sinks_plan *plan);

/* sinks_totals fills in what a sink of the list has counted, together with those of its name that
 * it goes on for.  Thread: with the lock. */
void sinks_totals(const struct sinks *sinks, const struct sink_thread *sink,
                  struct sink_totals *totals);

/* sinks_tend frees the removed sinks that have ended, stops the waits of those that do not, and
 * notes that a sink is drained.  Thread: any but a sink's. */
void sinks_tend(struct topo *topo);

/* The end of all of them: see topo_stop.  Thread: the main thread, and no apply at work. */
bool sinks_ended(const struct topo *topo);
void sinks_cancel(struct topo *topo);
void sinks_join(struct topo *topo);
void sinks_free(struct topo *topo);
