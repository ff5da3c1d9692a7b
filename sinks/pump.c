/* pump.c - reads the journals epoch by epoch, delivers outcomes, commits, saves the cursor: in that
 * order. */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/counter.h"
#include "sinks/cursor.h"
#include "sinks/dead.h"
#include "sinks/sink.h"
#include "sinks/tail.h"

/* How often the cursor is saved when the records read are of no interest to the sink. */
#define IDLE_SAVE_NS (100 * NS_PER_MS)

#define MEASURE_NS (100 * NS_PER_MS)

/* A record that the other side refuses this often is set aside. */
#define TRIES_MAX 3

struct pump {
    struct pump_wiring wiring;
    struct cursor cursor;
    struct sink_cursor now;   /* delivered, perhaps not yet committed */
    struct sink_cursor saved; /* in the cursor file */
    struct segment_id *ids;   /* of all epochs, as found at start */
    size_t id_count;
    struct tail *tails; /* as many as the widest epoch has journals; of epoch now.epoch */
    uint32_t tail_count;
    uint32_t turn; /* the tail to start with */
    uint32_t uncommitted;
    bool moved; /* now is ahead of saved */
    bool sink_is_open;
    bool failed; /* begin again from saved */
    uint64_t saved_ns;
    uint64_t measured_ns; /* the lag in bytes */
    uint64_t counted[SINK_EPOCH_JOURNALS_MAX]; /* ordinals up to which records are counted: what is
                                                  read again is not counted again */
    struct pump_counters counters;

    bool sink_failed;     /* what failed is the sink, and fault says more */
    struct sink_place refused; /* by the other side, so many times */
    unsigned tries;
    struct sink_place aside; /* to be passed over */
    char aside_why[256];
    bool aside_kept; /* it is in the dead file */
    uint64_t current_ns; /* real time: when all was delivered, or the last record read came in */

    _Atomic int mode; /* enum pump_mode */
    _Atomic bool asked;
    pthread_mutex_t lock;
    struct pump_report report; /* under the lock */
    bool skip_wanted;          /* under the lock: of report.stuck */
};

const struct pump_counters *pump_counters(const struct pump *pump)
{
    return &pump->counters;
}

static int save(struct pump *pump, struct sink_cursor *value)
{
    int rc = cursor_save(&pump->cursor, value);
    if (rc)
        return rc;
    pump->saved = *value;
    pump->saved_ns = clock_monotonic_ns();
    return 0;
}

/* Points the tails at the journals of now's epoch, where now says. */
static void start_tails(struct pump *pump)
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
static struct sink_cursor before_epoch(const struct pump *pump, uint32_t epoch)
{
    struct sink_cursor cursor = {.resume = pump->now.resume, .epoch = epoch};
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
    struct sink_cursor cursor = before_epoch(pump, epoch);
    int rc = save(pump, &cursor);
    if (rc)
        return rc;
    pump->now = cursor;
    pump->moved = false;
    start_tails(pump);
    return 0;
}

/* A new sink starts with the oldest record there is, which need not be the first there was. */
static int enter_oldest(struct pump *pump)
{
    bool past = pump->id_count && pump->ids[0].epoch < pump->wiring.epoch;
    struct sink_cursor *now = &pump->now;
    *now = before_epoch(pump, past ? pump->ids[0].epoch : pump->wiring.epoch);
    int rc = pump->wiring.ops->commit(pump->wiring.sink, &now->resume);
    if (rc)
        return rc;
    start_tails(pump);
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
    start_tails(pump);
    return save(pump, now);
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

/* ---- what the other side has lost ---- */

static bool is_before(const struct sink_end *a, const struct sink_end *b)
{
    return a->epoch < b->epoch || (a->epoch == b->epoch && a->ordinal < b->ordinal);
}

/* An end that the journals have not reached is of other journals, or of what these once were. */
static bool is_ahead(const struct pump *pump, uint32_t shard, const struct sink_end *end)
{
    if (end->epoch != pump->wiring.epoch)
        return end->epoch > pump->wiring.epoch;
    return shard >= pump->wiring.shard_count ||
           end->ordinal >
               atomic_load_explicit(&pump->wiring.marks[shard]->ordinal, memory_order_acquire);
}

/* Points the tails at epoch `from`, those of shards with a gap at where the other side ends. */
static int go_back(struct pump *pump, uint32_t from, const bool gap[SINK_EPOCH_JOURNALS_MAX])
{
    struct sink_cursor *now = &pump->now;
    bool same = now->epoch == from;
    if (!same)
        *now = before_epoch(pump, from);
    start_tails(pump);
    for (uint32_t shard = 0; shard < now->shard_count; shard++) {
        if (same && !gap[shard])
            continue;
        struct tail *tail = &pump->tails[shard];
        const struct sink_end *end = &now->confirmed[shard];
        int rc = tail_seek(tail, end->epoch == from ? end->ordinal : 0);
        if (rc)
            return rc;
        now->at[shard].number = tail->number;
        now->at[shard].offset = tail->offset;
        now->at[shard].ordinal = tail->ordinal;
    }
    start_tails(pump);
    counter_add(&pump->counters.gaps, 1);
    return 0;
}

/* Where the other side has less than it has confirmed, it gets it again, as far as the journals have
 * it still. */
static int fill_gaps(struct pump *pump)
{
    bool gap[SINK_EPOCH_JOURNALS_MAX] = {0};
    struct sink_cursor *now = &pump->now;
    bool past = pump->id_count && pump->ids[0].epoch < pump->wiring.epoch;
    uint32_t oldest = past ? pump->ids[0].epoch : pump->wiring.epoch, from = 0;
    if (!pump->wiring.ops->end)
        return 0;
    for (uint32_t shard = 0; shard < SINK_EPOCH_JOURNALS_MAX; shard++) {
        struct sink_end end;
        if (shard >= pump->wiring.shard_count && !now->confirmed[shard].epoch)
            continue;
        int rc = pump->wiring.ops->end(pump->wiring.sink, shard, &end);
        pump->sink_failed = rc != 0;
        if (!rc && is_ahead(pump, shard, &end))
            rc = -ESTALE;
        if (rc)
            return rc;
        if (!is_before(&end, &now->confirmed[shard]))
            continue;
        gap[shard] = true;
        now->confirmed[shard] = end;
        uint32_t epoch = end.epoch > oldest ? end.epoch : oldest;
        if (!from || epoch < from)
            from = epoch;
    }
    return from ? go_back(pump, from, gap) : 0;
}

static int begin_sink(struct pump *pump)
{
    bool first = !pump->saved.version;
    int rc = open_sink(pump, first ? SINK_RESUME_NONE : pump->saved.resume);
    if (!rc && first)
        rc = enter_oldest(pump);
    return rc ? rc : fill_gaps(pump);
}

/* Before anything is delivered: what the cursor says has to agree with the journals. */
static int begin(struct pump *pump)
{
    if (!pump->saved.version)
        return 0;
    /* A cursor of an epoch to come belongs to other journals. */
    if (pump->saved.epoch > pump->wiring.epoch)
        return -ESTALE;
    pump->now = pump->saved;
    start_tails(pump);
    int rc = check_tails(pump);
    if (!rc)
        rc = check_delivered(pump);
    start_tails(pump);
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

static void count_lag(struct pump *pump)
{
    /* How many records an epoch that is over still has is known when they are read. */
    uint64_t lag = pump->now.epoch != pump->wiring.epoch;
    for (uint32_t shard = 0; shard < pump->wiring.shard_count; shard++) {
        uint64_t durable =
            atomic_load_explicit(&pump->wiring.marks[shard]->ordinal, memory_order_acquire);
        bool here = pump->now.epoch == pump->wiring.epoch;
        lag += durable - (here ? pump->now.at[shard].ordinal : 0);
    }
    __atomic_store_n(&pump->counters.lag_records, lag, __ATOMIC_RELAXED);
    if (!lag)
        pump->current_ns = clock_realtime_ns();
}

int pump_new(struct pump **out, const struct pump_wiring *wiring)
{
    struct pump *pump = calloc(1, sizeof *pump);
    if (!pump)
        return -ENOMEM;
    pump->wiring = *wiring;
    pump->cursor.fd = -1;
    pump->current_ns = clock_realtime_ns();
    pthread_mutex_init(&pump->lock, NULL);
    unsigned unknown;
    int rc = segment_list(wiring->journal_dir_fd, &pump->ids, &unknown);
    if (rc < 0)
        goto fail;
    pump->id_count = (size_t)rc;
    rc = cursor_open(&pump->cursor, wiring->cursor_path, &pump->saved);
    if (!rc)
        rc = make_tails(pump);
    if (!rc)
        rc = begin(pump);
    /* Who is on the other side of a network is asked by the pump's own thread. */
    pump->failed = wiring->ops->remote;
    if (!rc && !wiring->ops->remote)
        rc = begin_sink(pump);
    if (rc)
        goto fail;
    count_lag(pump);
    *out = pump;
    return 0;
fail:
    pump_free(pump);
    return rc;
}

/* Goes back to what is saved. */
static void restore(struct pump *pump)
{
    bool same = pump->tails[0].epoch == pump->saved.epoch;
    pump->now = pump->saved;
    pump->uncommitted = 0;
    pump->moved = false;
    if (!same)
        start_tails(pump);
    for (uint32_t shard = 0; same && shard < pump->now.shard_count; shard++)
        tail_rewind(&pump->tails[shard], pump->now.at[shard].number, pump->now.at[shard].offset,
                    pump->now.at[shard].ordinal);
}

static void pass_over(struct pump *pump, const struct sink_place *place, const char *who,
                      const char *why)
{
    pump->aside = *place;
    pump->aside_kept = false;
    snprintf(pump->aside_why, sizeof pump->aside_why, "%s%.200s", who, why);
}

static void take_skip(struct pump *pump)
{
    pthread_mutex_lock(&pump->lock);
    if (pump->skip_wanted) {
        pass_over(pump, &pump->report.stuck, "skipped: ", pump->report.error);
        counter_add(&pump->counters.skipped, 1);
    }
    pump->skip_wanted = false;
    pthread_mutex_unlock(&pump->lock);
}

/* Goes back to what is saved, with the sink opened anew at what it had confirmed by then. */
static int begin_again(struct pump *pump)
{
    if (pump->sink_is_open)
        pump->wiring.ops->close(pump->wiring.sink);
    pump->sink_is_open = false;
    take_skip(pump);
    if (pump->saved.version)
        restore(pump);
    int rc = begin_sink(pump);
    pump->failed = rc != 0;
    return rc;
}

/* ---- delivering ---- */

static bool is_wanted(const struct pump *pump, const struct outcome_view *view)
{
    const struct pump_wiring *wiring = &pump->wiring;
    if (!(wiring->outcomes & 1u << view->outcome.kind))
        return false;
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
    if (!is_wanted(pump, &item->view))
        return 0;
    bool aside = pump->wiring.dead_path && is_at(&pump->aside, item);
    int rc = aside ? set_aside(pump, item) : pump->wiring.ops->deliver(pump->wiring.sink, item);
    pump->sink_failed = rc && !aside;
    if (rc)
        pump->failed = true;
    if (rc || aside)
        return rc;
    pump->uncommitted++;
    const struct sink_end end = {.epoch = item->epoch, .ordinal = item->ordinal};
    if (is_before(&pump->now.confirmed[item->shard], &end))
        pump->now.confirmed[item->shard] = end;
    return 0;
}

static uint8_t what_led_to(const struct outcome *outcome)
{
    return outcome_of_correction(outcome->kind) ? RECORD_CORRECTION : RECORD_EVENT;
}

static int take_outcome(struct pump *pump, const struct tail *tail, const struct record *record)
{
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
    return deliver(pump, &item);
}

static void count(struct pump *pump, const struct tail *tail, const struct record *record)
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

/* Reads one journal; *outcomes counts.  Returns 0 or -errno. */
static int read_tail(struct pump *pump, struct tail *tail, unsigned budget, unsigned *outcomes)
{
    int rc = 0;
    while (*outcomes < budget) {
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
        count(pump, tail, record);
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
    pump->turn++;
    return rc;
}

static int commit(struct pump *pump)
{
    if (pump->uncommitted) {
        int rc = pump->wiring.ops->commit(pump->wiring.sink, &pump->now.resume);
        pump->sink_failed = rc != 0;
        if (rc)
            return rc;
        counter_add(&pump->counters.delivered, pump->uncommitted);
        counter_add(&pump->counters.commits, 1);
        pump->uncommitted = 0;
    } else if (!pump->moved || clock_monotonic_ns() - pump->saved_ns < IDLE_SAVE_NS) {
        return 0;
    }
    int rc = save(pump, &pump->now);
    if (rc)
        return rc;
    for (uint32_t shard = 0; shard < pump->now.shard_count; shard++)
        tail_save(&pump->tails[shard]);
    pump->moved = false;
    return 0;
}

/* ---- what a pump says of itself ---- */

/* The bytes of journals behind the position; of the running one's segments, the last is as long as
 * it is durable. */
static uint64_t lag_bytes(const struct pump *pump)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < pump->id_count; i++) {
        const struct segment_id *id = &pump->ids[i];
        bool here = id->epoch == pump->now.epoch && id->shard < pump->now.shard_count;
        uint32_t at = here ? pump->now.at[id->shard].number : 0;
        uint64_t bytes;
        if (id->epoch < pump->now.epoch || id->number < at ||
            segment_bytes(pump->wiring.journal_dir_fd, *id, &bytes))
            continue;
        uint64_t offset = here && id->number == at ? pump->now.at[id->shard].offset : 0;
        sum += bytes > offset ? bytes - offset : 0;
    }
    for (uint32_t shard = 0; shard < pump->wiring.shard_count; shard++) {
        bool here = pump->now.epoch == pump->wiring.epoch;
        uint64_t mark =
            atomic_load_explicit(&pump->wiring.marks[shard]->position, memory_order_acquire);
        uint32_t last = (uint32_t)(mark >> 40);
        uint32_t number = here && pump->now.at[shard].number ? pump->now.at[shard].number : 1;
        uint64_t offset = here ? pump->now.at[shard].offset : 0, bytes = 0;
        for (; number < last; number++, offset = 0) {
            struct segment_id id = {pump->wiring.epoch, shard, number};
            if (!segment_bytes(pump->wiring.journal_dir_fd, id, &bytes) && bytes > offset)
                sum += bytes - offset;
        }
        bytes = mark & (SEGMENT_POSITION(1, 0) - 1);
        sum += bytes > offset ? bytes - offset : 0;
    }
    return sum;
}

/* A record that is refused again and again is set aside; all else is tried for ever. */
static void judge(struct pump *pump, const struct sink_fault *fault)
{
    if (!fault->of_record || !pump->wiring.dead_path)
        return;
    bool same = pump->refused.epoch == fault->at.epoch && pump->refused.shard == fault->at.shard &&
                pump->refused.ordinal == fault->at.ordinal;
    pump->tries = same ? pump->tries + 1 : 1;
    pump->refused = fault->at;
    if (pump->tries < TRIES_MAX)
        return;
    pass_over(pump, &fault->at, "", fault->text);
    counter_add(&pump->counters.set_aside, 1);
    pump->tries = 0;
}

static void say(struct pump *pump, int rc)
{
    const struct sink_fault *fault =
        rc && pump->sink_failed && pump->wiring.ops->fault
            ? pump->wiring.ops->fault(pump->wiring.sink)
            : NULL;
    uint64_t lag = counter_read(&pump->counters.lag_records), now = clock_realtime_ns();
    uint64_t tick = clock_monotonic_ns(), bytes = 0;
    bool measure = !lag || tick - pump->measured_ns > MEASURE_NS;
    if (lag && measure) {
        bytes = lag_bytes(pump);
        pump->measured_ns = tick;
    }
    pthread_mutex_lock(&pump->lock);
    struct pump_report *report = &pump->report;
    if (measure)
        report->lag_bytes = bytes;
    report->lag_seconds =
        lag && now > pump->current_ns ? (double)(now - pump->current_ns) / NS_PER_S : 0;
    if (rc)
        snprintf(report->error, sizeof report->error, "%s", fault ? fault->text : strerror(-rc));
    else
        report->error[0] = '\0';
    if (rc)
        memcpy(report->last_error, report->error, sizeof report->error);
    /* While the way to the other side is shut, where it stood is still where it stands. */
    if (!rc)
        report->stuck = (struct sink_place){0};
    else if (fault && fault->at.epoch)
        report->stuck = fault->at;
    pthread_mutex_unlock(&pump->lock);
    if (fault)
        judge(pump, fault);
}

void pump_report(struct pump *pump, struct pump_report *report)
{
    pthread_mutex_lock(&pump->lock);
    *report = pump->report;
    pthread_mutex_unlock(&pump->lock);
    report->mode = atomic_load(&pump->mode);
}

void pump_set_mode(struct pump *pump, enum pump_mode mode)
{
    atomic_store(&pump->mode, mode);
    atomic_store(&pump->asked, true);
}

bool pump_is_asked(const struct pump *pump)
{
    return atomic_load(&pump->asked);
}

int pump_skip(struct pump *pump, struct sink_place *place)
{
    pthread_mutex_lock(&pump->lock);
    *place = pump->report.stuck;
    bool stuck = place->epoch && pump->wiring.dead_path;
    pump->skip_wanted |= stuck;
    pthread_mutex_unlock(&pump->lock);
    atomic_store(&pump->asked, true);
    return stuck ? 0 : -ENOENT;
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

static int poll_epochs(struct pump *pump, unsigned budget, unsigned *outcomes)
{
    for (;;) {
        int read = read_tails(pump, budget, outcomes);
        if (pump->failed)
            return read;
        /* In front of damage, what is good is committed. */
        int rc = commit(pump);
        if (rc || read) {
            pump->failed = true;
            return rc ? rc : read;
        }
        if (*outcomes >= budget || !epoch_is_done(pump))
            return 0;
        rc = enter_epoch(pump, epoch_after(pump, pump->now.epoch));
        if (rc)
            return rc;
    }
}

int pump_poll(struct pump *pump, unsigned budget)
{
    unsigned outcomes = 0;
    atomic_store(&pump->asked, false);
    int mode = atomic_load(&pump->mode);
    pump->sink_failed = false;
    int rc = pump->failed && mode != PUMP_PAUSED ? begin_again(pump) : 0;
    if (!rc && mode != PUMP_PAUSED)
        rc = poll_epochs(pump, budget, &outcomes);
    count_lag(pump);
    say(pump, rc);
    if (mode == PUMP_DRAIN && !rc && !outcomes && !counter_read(&pump->counters.lag_records))
        (void)atomic_compare_exchange_strong(&pump->mode, &mode, PUMP_PAUSED);
    if (rc) {
        counter_add(&pump->counters.errors, 1);
        return rc;
    }
    return (int)outcomes;
}

void pump_free(struct pump *pump)
{
    if (!pump)
        return;
    if (pump->moved && !pump->failed && !pump->uncommitted)
        (void)save(pump, &pump->now);
    if (pump->sink_is_open)
        pump->wiring.ops->close(pump->wiring.sink);
    for (uint32_t i = 0; i < pump->tail_count; i++)
        tail_fini(&pump->tails[i]);
    cursor_close(&pump->cursor);
    pthread_mutex_destroy(&pump->lock);
    free(pump->tails);
    free(pump->ids);
    free(pump);
}
