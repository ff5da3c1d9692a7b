/* pump.h - a pump from inside, for the files it is made of: pump.c reads and delivers,
 * pump_save.c commits and saves, pump_gap.c goes back, pump_whole.c reads for sinks of whole
 * journals, pump_report.c tells.
 *
 * Memory:  as sink.h.  Threads: the pump's, but for what says otherwise.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "sinks/cursor.h"
#include "sinks/sink.h"
#include "sinks/tail.h"

#define PUMP_AGED_MAX 10

struct pump {
    struct pump_wiring wiring;
    struct cursor cursor;
    struct sink_cursor now;   /* delivered, perhaps not yet committed */
    struct sink_cursor done;  /* committed; not in saved yet while `unsaved` */
    struct sink_cursor saved; /* committed, and in the cursor file when it is old enough */
    struct segment_id *ids;   /* of all epochs, as found at start */
    size_t id_count;
    struct tail *tails; /* as many as the widest epoch has journals; of epoch now.epoch */
    uint32_t tail_count;
    uint32_t turn; /* the tail to start with; the same one until what was read is committed */
    uint32_t uncommitted;
    bool moved;   /* now is ahead of saved */
    bool unsaved; /* done is ahead of saved */
    bool passed;  /* and behind a record that was passed over */
    bool is_open; /* cursor and tails */
    bool sink_is_open;
    bool failed; /* begin again from saved */
    bool unsure; /* of what a save that failed has left in the cursor file */
    uint64_t saved_ns;
    unsigned aged_count; /* cursors that are to be saved when they are old enough, oldest first */
    struct {
        uint64_t begun_ns, at_ns;
        struct sink_cursor cursor;
    } aged[PUMP_AGED_MAX];
    uint64_t measured_ns;                      /* the lag in bytes */
    uint64_t counted[SINK_EPOCH_JOURNALS_MAX]; /* ordinals up to which records are counted: what is
                                                  read again is not counted again */
    struct pump_counters counters;

    uint64_t retry_after_ns;   /* as the sink's fault had it, at the last poll */
    bool sink_failed;          /* what failed is the sink, and fault says more */
    struct sink_place refused; /* by the other side, so many times */
    unsigned tries;
    struct sink_place aside; /* to be passed over */
    char aside_why[256];
    bool aside_kept;     /* it is in the dead file */
    uint64_t current_ns; /* real time: when all was delivered, or the last record read came in */

    _Atomic int mode; /* enum pump_mode */
    _Atomic bool asked;
    pthread_mutex_t lock;
    struct pump_report report; /* under the lock */
    bool skip_wanted;          /* under the lock: of report.stuck */
};

/* pump_start_tails points the tails at the journals of now's epoch, where now says. */
void pump_start_tails(struct pump *pump);

/* pump_before_epoch returns the cursor that stands in front of an epoch's journals. */
struct sink_cursor pump_before_epoch(const struct pump *pump, uint32_t epoch);

/* pump_commit has the sink confirm what was delivered, and saves the cursor when that is due.
 * pump_save makes *value the cursor; where it has to age first, pump_save_aged puts those that are
 * old enough into the file.  0 or -errno. */
int pump_commit(struct pump *pump);
int pump_save(struct pump *pump, struct sink_cursor *value);
int pump_save_aged(struct pump *pump);

/* pump_save_done makes what was committed the cursor, unless it is.  0 or -errno: then the pump
 * has failed, and goes back to what is saved. */
int pump_save_done(struct pump *pump);

/* pump_pass_removed moves the saved cursor on to where the journal begins, when what it stands in
 * front of was removed; how many records that were is counted as skipped.  0 or -errno. */
int pump_pass_removed(struct pump *pump);

/* pump_fill_gaps asks an open sink how far it has each journal, and goes back to where it has less
 * than it has confirmed.  0, -ESTALE it has more than the journals hold, or another -errno. */
int pump_fill_gaps(struct pump *pump);

/* pump_poll_whole is the poll for a sink of whole journals; *records counts those that were
 * committed.  0 or -errno.  What it shares with pump.c: pump_count_record counts a tail's last
 * record, pump_next_epoch goes on to the next epoch when this one is over and was read to its end
 * (1: it did; 0; -errno). */
int pump_poll_whole(struct pump *pump, unsigned *records);
void pump_count_record(struct pump *pump, const struct tail *tail, const struct record *record);
int pump_next_epoch(struct pump *pump);

/* pump_count_lag counts what is left; pump_say makes the outcome of a poll public, and counts how
 * often a record was refused; pump_take_skip takes up an operator's wish to pass over one. */
void pump_count_lag(struct pump *pump);
void pump_say(struct pump *pump, int rc);
void pump_take_skip(struct pump *pump);
