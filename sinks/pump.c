/* pump.c - reads the journals epoch by epoch, delivers outcomes, commits, saves the cursor: in that
 * order. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/counter.h"
#include "sinks/dead.h"
#include "sinks/pump.h"

const struct pump_counters *pump_counters(const struct pump *pump)
{
    return &pump->counters;
}

/* Points the tails at the journals of now's epoch, where now says. */
void pump_start_tails(struct pump *pump)
{
    struct sink_cursor *now = &pump->now;
    bool running = now->epoch == pump->wiring.epoch;
    for (uint32_t shard = 0; shard < now->shard_count; shard++) {
        struct tail *tail = &pump->tails[shard];
        tail->epoch = now->epoch;
        tail->shard = shard;
        tail->mark = running ? pump->wiring.marks[shard] : NULL;
        tail->oldest = tail->newest = 0;
        for (size_t i = 0; i < pump->id_count; i++) {
            if (pump->ids[i].epoch != now->epoch || pump->ids[i].shard != shard)
                continue;
            tail->newest = pump->ids[i].number;
            if (!tail->oldest)
                tail->oldest = tail->newest;
        }
        tail_start(tail, now->at[shard].number, now->at[shard].offset, now->at[shard].ordinal);
        pump->counted[shard] = now->at[shard].ordinal;
    }
}

/* The cursor that stands in front of an epoch's journals. */
struct sink_cursor pump_before_epoch(const struct pump *pump, uint32_t epoch)
{
    struct sink_cursor cursor = {
        .resume = pump->now.resume, .epoch = epoch, .target = pump->wiring.target};
    memcpy(cursor.confirmed, pump->now.confirmed, sizeof cursor.confirmed);
    if (epoch == pump->wiring.epoch) {
        cursor.shard_count = pump->wiring.shard_count;
        return cursor;
    }
    for (size_t i = 0; i < pump->id_count; i++)
        if (pump->ids[i].epoch == epoch && pump->ids[i].shard >= cursor.shard_count)
            cursor.shard_count = pump->ids[i].shard + 1;
    return cursor;
}

static uint32_t epoch_after(const struct pump *pump, uint32_t epoch)
{
    for (size_t i = 0; i < pump->id_count; i++)
        if (pump->ids[i].epoch > epoch && pump->ids[i].epoch < pump->wiring.epoch)
            return pump->ids[i].epoch;
    return pump->wiring.epoch;
}

static int enter_epoch(struct pump *pump, uint32_t epoch)
{
    struct sink_cursor cursor = pump_before_epoch(pump, epoch);
    int rc = pump_save_done(pump);
    if (!rc)
        rc = pump_save(pump, &cursor);
    if (rc)
        return rc;
    pump->now = cursor;
    pump->moved = false;
    pump_start_tails(pump);
    return 0;
}

/* A new sink starts with the oldest record there is, which need not be the first there was. */
static int enter_oldest(struct pump *pump)
{
    bool past = pump->id_count && pump->ids[0].epoch < pump->wiring.epoch;
    struct sink_cursor *now = &pump->now;
    *now = pump_before_epoch(pump, past ? pump->ids[0].epoch : pump->wiring.epoch);
    int rc = pump->wiring.ops->commit(pump->wiring.sink, &now->resume);
    if (rc)
        return rc;
    pump_start_tails(pump);
    for (uint32_t shard = 0; shard < now->shard_count; shard++) {
        struct tail *tail = &pump->tails[shard];
        if (tail->oldest <= 1)
            continue;
        tail->ordinal = UINT64_MAX;
        rc = tail_open(tail);
        if (rc < 0)
            return rc;
        now->at[shard].number = tail->oldest;
        now->at[shard].ordinal = rc ? tail->reader.ordinal : 0;
    }
    pump_start_tails(pump);
    return pump_save(pump, now);
}

static int open_sink(struct pump *pump, uint64_t resume)
{
    int rc = pump->wiring.ops->open(pump->wiring.sink, resume);
    pump->sink_is_open = rc == 0;
    pump->sink_failed = rc != 0;
    return rc;
}

static int check_tails(struct pump *pump)
{
    for (uint32_t shard = 0; shard < pump->now.shard_count; shard++) {
        int rc = tail_open(&pump->tails[shard]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* What was delivered of journals that are closed must be in them still: if not, their numbers would
 * be given out again. */
static int check_delivered(struct pump *pump)
{
    const struct record *record;
    int rc = 0;
    for (uint32_t shard = 0; rc >= 0 && shard < pump->now.shard_count; shard++)
        if (!pump->tails[shard].mark && pump->tails[shard].ordinal)
            rc = tail_next(&pump->tails[shard], &record);
    return rc == -ESTALE ? rc : 0;
}

/* The sink has been told to write to another place, where nothing is ours, or may have found
 * another file there than the one it left: how far it is now is saved before it goes on. */
static int enter_target(struct pump *pump)
{
    pump->now.target = pump->wiring.target;
    int rc = pump->wiring.ops->commit(pump->wiring.sink, &pump->now.resume);
    return rc ? rc : pump_save(pump, &pump->now);
}

static int begin_sink(struct pump *pump)
{
    const struct sink_cursor *saved = &pump->saved;
    bool first = !saved->version;
    bool elsewhere = saved->target && saved->target != pump->wiring.target;
    int rc = open_sink(pump, first || elsewhere ? SINK_RESUME_NONE : saved->resume);
    if (!rc && first)
        rc = enter_oldest(pump);
    else if (!rc && (elsewhere || pump->wiring.ops->sync))
        rc = enter_target(pump);
    pump->now.target = pump->wiring.target;
    return rc ? rc : pump_fill_gaps(pump);
}

/* Before anything is delivered: what the cursor says has to agree with the journals. */
static int begin(struct pump *pump)
{
    if (!pump->saved.version)
        return 0;
    /* A cursor of an epoch to come belongs to other journals. */
    if (pump->saved.epoch > pump->wiring.epoch)
        return -ESTALE;
    /* A start that died before it wrote anything leaves its epoch's number to the next one, which
     * may have more shards. */
    uint32_t shards = pump_before_epoch(pump, pump->saved.epoch).shard_count;
    if (pump->saved.shard_count < shards)
        pump->saved.shard_count = shards;
    pump->now = pump->saved;
    pump_start_tails(pump);
    int rc = check_tails(pump);
    if (!rc)
        rc = check_delivered(pump);
    pump_start_tails(pump);
    return rc;
}

static int make_tails(struct pump *pump)
{
    uint32_t count = pump->wiring.shard_count;
    for (size_t i = 0; i < pump->id_count; i++)
        if (pump->ids[i].shard >= count)
            count = pump->ids[i].shard + 1;
    if (pump->saved.shard_count > count)
        count = pump->saved.shard_count;
    if (count > SINK_EPOCH_JOURNALS_MAX)
        return -E2BIG;
    pump->tails = calloc(count, sizeof *pump->tails);
    if (!pump->tails)
        return -ENOMEM;
    for (; pump->tail_count < count; pump->tail_count++) {
        int rc = tail_init(&pump->tails[pump->tail_count], pump->wiring.journal_dir_fd);
        if (rc)
            return rc;
    }
    return 0;
}

int pump_new(struct pump **out, const struct pump_wiring *wiring)
{
    struct pump *pump = calloc(1, sizeof *pump);
    if (!pump)
        return -ENOMEM;
    pump->wiring = *wiring;
    pump->cursor.fd = -1;
    pump->current_ns = clock_realtime_ns();
    pump->counters.lag_records = 1; /* who has not looked does not say that nothing is left */
    pthread_mutex_init(&pump->lock, NULL);
    *out = pump;
    return 0;
}

static void shut(struct pump *pump)
{
    if (pump->sink_is_open)
        pump->wiring.ops->close(pump->wiring.sink);
    for (uint32_t i = 0; i < pump->tail_count; i++)
        tail_fini(&pump->tails[i]);
    cursor_close(&pump->cursor);
    free(pump->tails);
    free(pump->ids);
    pump->tails = NULL;
    pump->ids = NULL;
    pump->tail_count = 0;
    pump->id_count = 0;
    pump->sink_is_open = pump->is_open = false;
}

int pump_open(struct pump *pump)
{
    const struct pump_wiring *wiring = &pump->wiring;
    unsigned unknown;
    int rc = segment_list(wiring->journal_dir_fd, &pump->ids, &unknown);
    if (rc >= 0) {
        pump->id_count = (size_t)rc;
        rc = cursor_open(&pump->cursor, wiring->cursor_path, &pump->saved);
    }
    if (!rc)
        rc = make_tails(pump);
    if (!rc)
        rc = pump_pass_removed(pump);
    if (!rc)
        rc = begin(pump);
    /* Who is on the other side of a network is asked by the pump's own thread. */
    pump->failed = wiring->ops->remote;
    if (!rc && !wiring->ops->remote)
        rc = begin_sink(pump);
    pump->is_open = rc == 0;
    if (rc)
        shut(pump);
    else
        pump_count_lag(pump);
    return rc;
}

/* Goes back to what is saved. */
static void restore(struct pump *pump)
{
    bool same = pump->tails[0].epoch == pump->saved.epoch;
    pump->now = pump->saved;
    pump->uncommitted = 0;
    pump->moved = pump->passed = false;
    if (!same)
        pump_start_tails(pump);
    for (uint32_t shard = 0; same && shard < pump->now.shard_count; shard++)
        tail_rewind(&pump->tails[shard], pump->now.at[shard].number, pump->now.at[shard].offset,
                    pump->now.at[shard].ordinal);
}

/* A cursor whose save failed may be the one that the next start finds, and the sink is about to be
 * cut to the one before: that has to be the newest again first. */
static int be_sure(struct pump *pump)
{
    if (!pump->unsure || !pump->saved.version)
        return 0;
    int rc = cursor_save(&pump->cursor, &pump->saved);
    pump->unsure = rc != 0;
    return rc;
}

/* Goes back to what is saved, with the sink opened anew at what it had confirmed by then. */
static int begin_again(struct pump *pump)
{
    if (pump->sink_is_open)
        pump->wiring.ops->close(pump->wiring.sink);
    pump->sink_is_open = pump->unsaved = false;
    pump_take_skip(pump);
    int rc = be_sure(pump);
    if (!rc)
        rc = pump_pass_removed(pump);
    if (pump->saved.version)
        restore(pump);
    if (!rc)
        rc = begin_sink(pump);
    pump->failed = rc != 0;
    return rc;
}

/* ---- delivering ---- */

static bool kind_is_wanted(const struct pump *pump, unsigned kind)
{
    return kind >= OUTCOME_KIND_COUNT || pump->wiring.outcomes & 1u << kind;
}

static bool hunt_is_wanted(const struct pump *pump, const struct outcome_view *view)
{
    const struct pump_wiring *wiring = &pump->wiring;
    for (uint32_t i = 0; i < wiring->hunt_count; i++)
        if (strlen(wiring->hunts[i]) == view->hunt.len &&
            memcmp(wiring->hunts[i], view->hunt.text, view->hunt.len) == 0)
            return true;
    return wiring->hunt_count == 0;
}

static bool is_at(const struct sink_place *place, const struct sink_item *item)
{
    return place->epoch == item->epoch && place->shard == item->shard &&
           place->ordinal == item->ordinal;
}

static int set_aside(struct pump *pump, const struct sink_item *item)
{
    if (pump->aside_kept)
        return 0;
    int rc = dead_append(pump->wiring.dead_path, item, pump->wiring.origin, pump->aside_why);
    pump->aside_kept = rc == 0;
    return rc;
}

static int deliver(struct pump *pump, const struct sink_item *item)
{
    if (!hunt_is_wanted(pump, &item->view))
        return 0;
    bool aside = pump->wiring.dead_path && is_at(&pump->aside, item);
    int rc = aside ? set_aside(pump, item) : pump->wiring.ops->deliver(pump->wiring.sink, item);
    pump->sink_failed = rc && !aside;
    if (rc)
        pump->failed = true;
    pump->passed |= aside && !rc;
    if (rc || aside)
        return rc;
    pump->uncommitted++;
    const struct sink_end end = {.epoch = item->epoch, .ordinal = item->ordinal};
    if (sink_end_is_before(&pump->now.confirmed[item->shard], &end))
        pump->now.confirmed[item->shard] = end;
    return 0;
}

static uint8_t what_led_to(const struct outcome *outcome)
{
    return outcome_of_correction(outcome->kind) ? RECORD_CORRECTION : RECORD_EVENT;
}

/* The first byte of an outcome is its kind: of those that the sink does not want no more is read.
 */
static int take_outcome(struct pump *pump, const struct tail *tail, const struct record *record)
{
    if (record->body_len && !kind_is_wanted(pump, record_body(record)[0]))
        return 0;
    struct sink_item item = {.outcome = record,
                             .epoch = tail->epoch,
                             .shard = tail->shard,
                             .ordinal = tail->reader.ordinal};
    int rc = outcome_decode(record_body(record), record->body_len, &item.view);
    if (rc)
        return rc;
    if (item.view.outcome.kind != OUTCOME_duplicate) {
        item.event = tail->event;
        if (!item.event || item.event->kind != what_led_to(&item.view.outcome) ||
            item.event->partition != record->partition)
            return -EBADMSG;
    }
    return deliver(pump, &item);
}

static int take_dead(struct pump *pump, const struct tail *tail, const struct record *record)
{
    const struct sink_item item = {
        .event = record,
        .outcome = record,
        .view = {.outcome = {.kind = OUTCOME_rejected, .hunt = OUTCOME_NO_HUNT}},
        .epoch = tail->epoch,
        .shard = tail->shard,
        .ordinal = tail->reader.ordinal,
    };
    return kind_is_wanted(pump, OUTCOME_rejected) ? deliver(pump, &item) : 0;
}

void pump_count_record(struct pump *pump, const struct tail *tail, const struct record *record)
{
    uint64_t ordinal = tail->reader.ordinal;
    if (ordinal <= pump->counted[tail->shard])
        return;
    pump->counted[tail->shard] = ordinal;
    bool outcome = record->kind == RECORD_OUTCOME;
    bool dead = record->kind == RECORD_DEAD;
    /* The first byte of an outcome is its kind. */
    bool duplicate = outcome && record_body(record)[0] == OUTCOME_duplicate;
    counter_add(&pump->counters.outcomes, outcome || dead);
    counter_add(&pump->counters.events, record->kind == RECORD_EVENT || dead || duplicate);
}

/* Reads one journal; *outcomes counts.  Behind a record that was passed over it stops: with another
 * one in the same batch, neither would ever be left behind.  Returns 0 or -errno. */
static int read_tail(struct pump *pump, struct tail *tail, unsigned budget, unsigned *outcomes)
{
    int rc = 0;
    while (*outcomes < budget && !pump->passed) {
        const struct record *record;
        rc = tail_next(tail, &record);
        if (rc <= 0)
            break;
        rc = 0;
        if (record->kind == RECORD_OUTCOME)
            rc = take_outcome(pump, tail, record);
        else if (record->kind == RECORD_DEAD)
            rc = take_dead(pump, tail, record);
        if (rc)
            break;
        *outcomes += record->kind == RECORD_OUTCOME || record->kind == RECORD_DEAD;
        pump_count_record(pump, tail, record);
        pump->current_ns = record->receive_ns;
        tail_accept(tail);
        pump->moved = true;
    }
    uint32_t shard = tail->shard;
    pump->now.at[shard].number = tail->number;
    pump->now.at[shard].offset = tail->offset;
    pump->now.at[shard].ordinal = tail->ordinal;
    return rc;
}

static int read_tails(struct pump *pump, unsigned budget, unsigned *outcomes)
{
    uint32_t count = pump->now.shard_count;
    int rc = 0;
    for (uint32_t i = 0; i < count && !rc; i++)
        rc = read_tail(pump, &pump->tails[(pump->turn + i) % count], budget, outcomes);
    return rc;
}

/* True when the epoch is over and was read to its end. */
static bool epoch_is_done(const struct pump *pump)
{
    if (pump->now.epoch == pump->wiring.epoch)
        return false;
    for (uint32_t shard = 0; shard < pump->now.shard_count; shard++)
        if (!pump->tails[shard].done)
            return false;
    return true;
}

int pump_next_epoch(struct pump *pump)
{
    if (!epoch_is_done(pump))
        return 0;
    int rc = enter_epoch(pump, epoch_after(pump, pump->now.epoch));
    return rc ? rc : 1;
}

static int poll_epochs(struct pump *pump, unsigned budget, unsigned *outcomes)
{
    for (;;) {
        int read = read_tails(pump, budget, outcomes);
        if (pump->failed)
            return read;
        /* In front of damage, what is good is committed. */
        int rc = pump_commit(pump);
        if (rc || read) {
            pump->failed = true;
            return rc ? rc : read;
        }
        pump->turn++;
        rc = *outcomes < budget ? pump_next_epoch(pump) : 0;
        if (rc <= 0)
            return rc;
    }
}

/* Before the pump stands still, or the sink is opened anew, what was committed is saved.  Returns
 * rc, or what came of that. */
static int save_at_rest(struct pump *pump, int rc)
{
    int saved = pump_save_done(pump);
    return rc ? rc : saved;
}

int pump_poll(struct pump *pump, unsigned budget)
{
    unsigned outcomes = 0;
    atomic_store(&pump->asked, false);
    int mode = atomic_load(&pump->mode);
    pump->sink_failed = false;
    int rc = pump->is_open ? 0 : pump_open(pump);
    if (!rc && pump->failed && mode != PUMP_PAUSED)
        rc = begin_again(pump);
    mode = atomic_load(&pump->mode); /* that may have taken its time */
    pump_count_lag(pump);            /* a commit may hang: what waits then is told meanwhile */
    bool whole = pump->wiring.ops->take != NULL;
    if (!rc && mode != PUMP_PAUSED)
        rc = whole ? pump_poll_whole(pump, &outcomes) : poll_epochs(pump, budget, &outcomes);
    pump_count_lag(pump);
    bool drained =
        mode == PUMP_DRAIN && !rc && !outcomes && !counter_read(&pump->counters.lag_records);
    if (rc || mode == PUMP_PAUSED || drained)
        rc = save_at_rest(pump, rc);
    if (pump->is_open)
        if (!rc && mode != PUMP_PAUSED && pump->wiring.ops->kept)
            pump->wiring.ops->kept(pump->wiring.sink, &pump->saved);
    pump_say(pump, rc);
    if (drained && !rc)
        (void)atomic_compare_exchange_strong(&pump->mode, &mode, PUMP_PAUSED);
    if (rc) {
        counter_add(&pump->counters.errors, 1);
        return rc;
    }
    return (int)outcomes;
}

void pump_close(struct pump *pump)
{
    if (pump->is_open) {
        (void)pump_save_done(pump);
        (void)pump_save_aged(pump);
    }
    shut(pump);
}

void pump_free(struct pump *pump)
{
    if (!pump)
        return;
    pump_close(pump);
    pthread_mutex_destroy(&pump->lock);
    free(pump);
}
