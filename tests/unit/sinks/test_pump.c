/* test_pump.c - every outcome once, with its event, never ahead of what is durable; whatever fails
 * in between. */
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
    bool open;

    /* On the other side of a network. */
    uint64_t refused_seq;     /* that record, or any while `full` */
    uint64_t refused_late[2]; /* records for which their batch is refused */
    bool full;
    unsigned refusals;
    struct sink_fault fault;
};

static bool sink_fails(struct memory_sink *sink)
{
    unsigned op = ++sink->op_count;
    return sink->fail_at && op >= sink->fail_at && op < sink->fail_at + sink->fail_count;
}

static int memory_open(void *arg, uint64_t resume)
{
    struct memory_sink *sink = arg;
    assert_false(sink->open);
    if (sink_fails(sink))
        return -ECONNREFUSED;
    if (resume != SINK_RESUME_NONE) {
        assert_true(resume <= sink->committed);
        sink->committed = resume;
    }
    sink->count = sink->committed;
    sink->open = true;
    sink->opens++;
    return 0;
}

static int memory_deliver(void *arg, const struct sink_item *item)
{
    struct memory_sink *sink = arg;
    assert_true(sink->open);
    if (sink_fails(sink))
        return -ENOSPC;
    if (sink->full || (sink->refused_seq && item->outcome->seq == sink->refused_seq)) {
        sink->fault = (struct sink_fault){
            .text = "ERR no such luck",
            .at = {.epoch = item->epoch, .shard = item->shard, .ordinal = item->ordinal},
            .of_record = !sink->full,
        };
        sink->refusals++;
        return -EREMOTEIO;
    }
    assert_in_range(sink->count, 0, DELIVERED_MAX - 1);
    sink->list[sink->count++] = (struct delivered){
        .event_seq = item->event ? item->event->seq : 0,
        .seq = item->outcome->seq,
        .epoch = item->epoch,
        .shard = (uint16_t)item->shard,
        .kind = item->view.outcome.kind,
        .ordinal = item->ordinal,
    };
    if (item->event) {
        assert_memory_equal(record_body(item->event), "event", 5);
        assert_int_equal(item->event->partition, item->outcome->partition);
    }
    return 0;
}

/* As a whole, for the first record in it that is not wanted. */
static bool batch_is_refused(struct memory_sink *sink)
{
    for (uint64_t i = sink->committed; i < sink->count; i++) {
        const struct delivered *one = &sink->list[i];
        if (one->seq != sink->refused_late[0] && one->seq != sink->refused_late[1])
            continue;
        sink->fault = (struct sink_fault){
            .text = "ERR not this one",
            .at = {.epoch = one->epoch, .shard = one->shard, .ordinal = one->ordinal},
            .of_record = true,
        };
        sink->refusals++;
        return true;
    }
    return false;
}

static int memory_commit(void *arg, uint64_t *resume)
{
    struct memory_sink *sink = arg;
    assert_true(sink->open);
    if (sink_fails(sink))
        return -EIO;
    if (sink->refused_late[0] && batch_is_refused(sink))
        return -EREMOTEIO;
    *resume = sink->committed = sink->count;
    return 0;
}

static void memory_close(void *arg)
{
    struct memory_sink *sink = arg;
    assert_true(sink->open);
    sink->open = false;
}

static const struct sink_ops memory_ops = {.type = "memory",
                                           .open = memory_open,
                                           .deliver = memory_deliver,
                                           .commit = memory_commit,
                                           .close = memory_close};

/* The same, far away: what it has is asked for, and it may refuse a record. */
static int memory_end(void *arg, uint32_t shard, struct sink_end *end)
{
    const struct memory_sink *sink = arg;
    *end = (struct sink_end){0};
    for (uint64_t i = 0; i < sink->committed; i++)
        if (sink->list[i].shard == shard)
            *end =
                (struct sink_end){.epoch = sink->list[i].epoch, .ordinal = sink->list[i].ordinal};
    return 0;
}

static int far_open(void *arg, uint64_t resume)
{
    (void)resume;
    return memory_open(arg, SINK_RESUME_NONE);
}

static const struct sink_fault *memory_fault(void *arg)
{
    return &((struct memory_sink *)arg)->fault;
}

static const struct sink_ops far_ops = {
    .type = "far",
    .open = far_open,
    .deliver = memory_deliver,
    .commit = memory_commit,
    .close = memory_close,
    .end = memory_end,
    .fault = memory_fault,
    .remote = true,
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
    uint64_t target;
    uint64_t confirm_after_ns;
    uint32_t epoch;
    uint32_t shard_count;
    struct writer *writers;
    struct memory_sink sink;
    struct pump *pump;
    uint64_t want_events, want_outcomes;
};

static void start_epoch(struct world *w, uint32_t epoch, uint32_t shard_count)
{
    w->epoch = epoch;
    w->shard_count = shard_count;
    w->writers = aligned_alloc(64, shard_count * sizeof *w->writers);
    for (uint32_t i = 0; i < shard_count; i++) {
        struct writer *writer = &w->writers[i];
        struct arena arena;
        size_t bytes = block_footprint() + 2 * block_ring_footprint(RING) + BLOCK_ALIGN;
        writer->memory = malloc(bytes);
        arena_init(&arena, writer->memory, bytes);
        block_ring_init(&writer->filled, &arena, RING);
        block_ring_init(&writer->empty, &arena, RING);
        block_init(&writer->block, &arena);
        writer->ordinal = 1;
        writer->seq = 1000 * epoch + 100 * i;
        const struct journal_stock_wiring stock = {
            .ops = journal_file_posix,
            .dir_fd = w->dir.fd,
            .shard = i,
            .segment_bytes = SEGMENT_HEADER_BYTES + BLOCK_BYTES,
        };
        journal_stock_init(&writer->stock, &stock);
        const struct journal_wiring wiring = {
            .ops = journal_file_posix,
            .stock = &writer->stock,
            .epoch = epoch,
            .shard = i,
            .shard_count = shard_count,
            .partition_count = 256,
            .segment_bytes = SEGMENT_HEADER_BYTES + BLOCK_BYTES,
            .from_shard = &writer->filled,
            .to_shard = &writer->empty,
        };
        journal_init(&writer->journal, &wiring);
        block_start(&writer->block, 1, 1);
    }
}

static void end_epoch(struct world *w)
{
    for (uint32_t i = 0; i < w->shard_count; i++) {
        journal_fini(&w->writers[i].journal);
        journal_stock_fini(&w->writers[i].stock);
        free(w->writers[i].memory);
    }
    free(w->writers);
    w->writers = NULL;
}

static void append(struct writer *writer, enum record_kind kind, const void *body, uint32_t len)
{
    kit_append(&writer->block, kind, ++writer->seq, body, len);
    writer->ordinal++;
}

static void append_outcome(struct writer *writer, enum outcome_kind kind)
{
    uint8_t body[OUTCOME_BODY_MAX];
    struct outcome_view view = {.outcome = {.kind = (uint8_t)kind}};
    append(writer, RECORD_OUTCOME, body, outcome_encode(&view, body));
}

/* Seven records: an event with two outcomes, a duplicate, a dead letter, an event with one; a big
 * body makes blocks and segments follow one another. */
static void append_story(struct world *w, uint32_t shard, uint32_t body_len)
{
    static char body[60000] = "event";
    struct writer *writer = &w->writers[shard];
    append(writer, RECORD_EVENT, body, body_len);
    append_outcome(writer, OUTCOME_visit);
    append_outcome(writer, OUTCOME_award);
    append_outcome(writer, OUTCOME_duplicate);
    append(writer, RECORD_DEAD, body, body_len);
    append(writer, RECORD_EVENT, body, body_len);
    append_outcome(writer, OUTCOME_refusal);
    w->want_events += 4;
    w->want_outcomes += 5;
}

static void flush(struct world *w, uint32_t shard)
{
    struct writer *writer = &w->writers[shard];
    struct block_ref ref = {&writer->block};
    block_ring_push_burst(&writer->filled, &ref, 1);
    assert_int_equal(journal_poll(&writer->journal), 1);
    assert_int_equal(block_ring_pop_burst(&writer->empty, &ref, 1), 1);
    block_start(&writer->block, writer->ordinal, 1);
}

static void append_stories(struct world *w, uint32_t shard, unsigned count, uint32_t body_len)
{
    for (unsigned i = 0; i < count; i++) {
        append_story(w, shard, body_len);
        if (i % 3 == 2 || body_len > 10000)
            flush(w, shard);
    }
    if (w->writers[shard].block.record_count)
        flush(w, shard);
}

static int try_open(struct world *w, uint32_t outcomes)
{
    static struct line_origin origin;
    struct pump_wiring wiring = {
        .name = "memory",
        .cursor_path = w->cursor,
        .journal_dir_fd = w->dir.fd,
        .epoch = w->epoch,
        .shard_count = w->shard_count,
        .outcomes = outcomes,
        .ops = w->far ? &far_ops : &memory_ops,
        .dead_path = w->far ? w->dead : NULL,
        .origin = &origin,
        .sink = &w->sink,
    };
    if (!origin.len)
        assert_int_equal(line_origin_init(&origin, "p", "h", "j"), 0);
    for (uint32_t i = 0; i < w->shard_count; i++)
        wiring.marks[i] = &w->writers[i].journal.mark;
    wiring.target = w->target;
    wiring.confirm_after_ns = w->confirm_after_ns;
    assert_int_equal(pump_new(&w->pump, &wiring), 0);
    int rc = pump_open(w->pump);
    if (!rc)
        return 0;
    pump_free(w->pump);
    w->pump = NULL;
    return rc;
}

static void open_pump(struct world *w)
{
    assert_int_equal(try_open(w, ALL_KINDS), 0);
}

static void close_pump(struct world *w)
{
    pump_free(w->pump);
    w->pump = NULL;
}

static void drain(struct world *w, unsigned budget)
{
    int rc;
    while ((rc = pump_poll(w->pump, budget)) > 0)
        assert_true((unsigned)rc <= budget);
    assert_int_equal(rc, 0);
}

static void expect_one(const struct delivered *d, uint64_t seq, uint64_t event_seq,
                       enum outcome_kind kind)
{
    assert_int_equal(d->seq, seq);
    assert_int_equal(d->event_seq, event_seq);
    assert_int_equal(d->kind, kind);
}

/* Everything of an epoch's shard, once and in order. */
static void expect_stories(const struct world *w, uint32_t epoch, uint32_t shard, unsigned count)
{
    struct delivered got[5];
    unsigned in_story = 0, stories = 0;
    for (uint64_t i = 0; i < w->sink.committed; i++) {
        const struct delivered *d = &w->sink.list[i];
        if (d->epoch != epoch || d->shard != shard)
            continue;
        got[in_story++] = *d;
        if (in_story < 5)
            continue;
        uint64_t first = 1000 * epoch + 100 * shard + 1 + 7 * stories++;
        expect_one(&got[0], first + 1, first, OUTCOME_visit);
        expect_one(&got[1], first + 2, first, OUTCOME_award);
        expect_one(&got[2], first + 3, 0, OUTCOME_duplicate);
        expect_one(&got[3], first + 4, first + 4, OUTCOME_rejected);
        expect_one(&got[4], first + 6, first + 5, OUTCOME_refusal);
        in_story = 0;
    }
    assert_int_equal(stories, count);
    assert_int_equal(in_story, 0);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    kit_dir_make(&w->dir);
    assert_int_equal(mkdirat(w->dir.fd, "journal", 0700), 0);
    snprintf(w->cursor, sizeof w->cursor, "%s/cursor", w->dir.path);
    snprintf(w->dead, sizeof w->dead, "%s/dead", w->dir.path);
    int journal_fd = openat(w->dir.fd, "journal", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(w->dir.fd);
    w->dir.fd = journal_fd;
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    pump_free(w->pump);
    if (w->writers)
        end_epoch(w);
    kit_dir_remove(&w->dir);
    free(w);
    return 0;
}

static void delivers_each_outcome_once_with_its_event(void **state)
{
    struct world *w = *state;
    start_epoch(w, 1, 2);
    open_pump(w);
    assert_int_equal(pump_poll(w->pump, 100), 0);
    append_stories(w, 0, 10, 50);
    append_stories(w, 1, 7, 50);
    drain(w, 100);
    expect_stories(w, 1, 0, 10);
    expect_stories(w, 1, 1, 7);
    append_stories(w, 0, 4, 50);
    drain(w, 100);
    expect_stories(w, 1, 0, 14);
    const struct pump_counters *counters = pump_counters(w->pump);
    assert_int_equal(counters->events, w->want_events);
    assert_int_equal(counters->outcomes, w->want_outcomes);
    assert_int_equal(counters->delivered, w->want_outcomes);
    assert_int_equal(counters->errors, 0);
    assert_int_equal(counters->lag_records, 0);
}

static void a_budget_may_end_between_an_event_and_its_outcomes(void **state)
{
    struct world *w = *state;
    start_epoch(w, 1, 1);
    append_stories(w, 0, 6, 50);
    for (unsigned i = 0; i < 30; i++) {
        open_pump(w);
        assert_int_equal(pump_poll(w->pump, 1), 1);
        close_pump(w);
    }
    open_pump(w);
    assert_int_equal(pump_poll(w->pump, 1), 0);
    expect_stories(w, 1, 0, 6);
}

static void nothing_that_is_not_durable_is_read(void **state)
{
    struct world *w = *state;
    start_epoch(w, 1, 1);
    append_stories(w, 0, 3, 50);
    struct segment_mark *mark = &w->writers[0].journal.mark;
    uint64_t position = mark->position, ordinal = mark->ordinal;
    append_stories(w, 0, 3, 50);
    uint64_t later = mark->position;
    mark->position = position;
    mark->ordinal = ordinal;
    open_pump(w);
    drain(w, 1000);
    expect_stories(w, 1, 0, 3);
    mark->position = later;
    drain(w, 1000);
    expect_stories(w, 1, 0, 6);
}

static void reads_epoch_after_epoch_and_segment_after_segment(void **state)
{
    struct world *w = *state;
    start_epoch(w, 1, 3);
    append_stories(w, 0, 8, 50000);
    append_stories(w, 2, 3, 50);
    assert_true(w->writers[0].journal.counters.segments > 3);
    end_epoch(w);
    start_epoch(w, 2, 1);
    end_epoch(w);
    start_epoch(w, 5, 1);
    append_stories(w, 0, 4, 50000);
    end_epoch(w);
    start_epoch(w, 7, 2);
    append_stories(w, 1, 5, 50000);
    open_pump(w);
    drain(w, 7);
    append_stories(w, 0, 5, 50000);
    append_stories(w, 1, 5, 50000);
    drain(w, 7);
    expect_stories(w, 1, 0, 8);
    expect_stories(w, 1, 1, 0);
    expect_stories(w, 1, 2, 3);
    expect_stories(w, 5, 0, 4);
    expect_stories(w, 7, 0, 5);
    expect_stories(w, 7, 1, 10);
    for (uint64_t i = 1; i < w->sink.committed; i++)
        assert_true(w->sink.list[i].epoch >= w->sink.list[i - 1].epoch);
    assert_int_equal(pump_counters(w->pump)->outcomes, w->want_outcomes);
}

/* A history that has a past epoch of two journals, one of several segments, and a running one. */
static void make_history(struct world *w)
{
    start_epoch(w, 1, 2);
    append_stories(w, 0, 2, 50000);
    append_stories(w, 1, 2, 50);
    end_epoch(w);
    start_epoch(w, 2, 1);
    append_stories(w, 0, 2, 50);
}

static void expect_history(const struct world *w)
{
    expect_stories(w, 1, 0, 2);
    expect_stories(w, 1, 1, 2);
    expect_stories(w, 2, 0, 2);
    assert_int_equal(w->sink.committed, w->want_outcomes);
}

static unsigned count_sink_ops(struct world *w, unsigned budget)
{
    memset(&w->sink, 0, sizeof w->sink);
    unlink(w->cursor);
    open_pump(w);
    drain(w, budget);
    close_pump(w);
    expect_history(w);
    return w->sink.op_count;
}

static void a_sink_that_fails_anywhere_gets_everything_once(void **state)
{
    struct world *w = *state;
    make_history(w);
    unsigned op_count = count_sink_ops(w, 4);
    assert_in_range(op_count, 30, 100);
    for (unsigned n = 3; n <= op_count; n++)
        for (unsigned in_a_row = 1; in_a_row <= 3; in_a_row++) {
            memset(&w->sink, 0, sizeof w->sink);
            unlink(w->cursor);
            w->sink.fail_at = n;
            w->sink.fail_count = in_a_row;
            open_pump(w);
            unsigned errors = 0;
            for (int rc = 1; rc;) {
                rc = pump_poll(w->pump, 4);
                errors += rc < 0;
            }
            assert_int_equal(errors, in_a_row);
            assert_int_equal(pump_counters(w->pump)->errors, in_a_row);
            expect_history(w);
            /* What had to be read again is not counted again. */
            assert_int_equal(pump_counters(w->pump)->events, w->want_events);
            assert_int_equal(pump_counters(w->pump)->outcomes, w->want_outcomes);
            close_pump(w);
        }
}

/* What is saved while a journal has not been read on is not where it was read to before. */
static void a_sink_that_fails_again_soon_misses_nothing(void **state)
{
    struct world *w = *state;
    make_history(w);
    for (unsigned n = 3; n <= 30; n++)
        for (unsigned apart = 2; apart <= 16; apart++) {
            memset(&w->sink, 0, sizeof w->sink);
            unlink(w->cursor);
            w->sink.fail_at = n;
            w->sink.fail_count = 1;
            open_pump(w);
            bool again = false;
            for (int rc = 1; rc;) {
                rc = pump_poll(w->pump, 3);
                if (rc < 0 && !again)
                    w->sink.fail_at = w->sink.op_count + apart;
                again |= rc < 0;
            }
            expect_history(w);
            close_pump(w);
        }
}

static void a_crash_anywhere_repeats_nothing_and_loses_nothing(void **state)
{
    struct world *w = *state;
    make_history(w);
    unsigned op_count = count_sink_ops(w, 4);
    for (unsigned n = 3; n <= op_count; n++) {
        memset(&w->sink, 0, sizeof w->sink);
        unlink(w->cursor);
        w->sink.fail_at = n;
        w->sink.fail_count = 1;
        open_pump(w);
        while (pump_poll(w->pump, 4) > 0)
            ;
        close_pump(w);
        open_pump(w);
        drain(w, 4);
        expect_history(w);
        close_pump(w);
    }
}

static void copy_file(const char *from, const char *to)
{
    char command[300];
    snprintf(command, sizeof command, "cp %s %s", from, to);
    assert_int_equal(system(command), 0);
}

static void a_crash_between_commit_and_cursor_repeats_nothing(void **state)
{
    struct world *w = *state;
    char before[140];
    snprintf(before, sizeof before, "%s.before", w->cursor);
    make_history(w);
    for (unsigned polls = 1; polls <= 12; polls++) {
        memset(&w->sink, 0, sizeof w->sink);
        unlink(w->cursor);
        open_pump(w);
        for (unsigned i = 0; i < polls; i++) {
            copy_file(w->cursor, before);
            assert_true(pump_poll(w->pump, 3) >= 0);
        }
        close_pump(w);
        copy_file(before, w->cursor);
        open_pump(w);
        drain(w, 3);
        expect_history(w);
        close_pump(w);
    }
}

static void only_wanted_kinds_are_delivered_and_the_rest_is_passed_for_good(void **state)
{
    struct world *w = *state;
    start_epoch(w, 1, 1);
    append_stories(w, 0, 5, 50);
    assert_int_equal(try_open(w, 1u << OUTCOME_claim_granted), 0);
    drain(w, 1000);
    assert_int_equal(pump_counters(w->pump)->outcomes, 25);
    assert_int_equal(pump_counters(w->pump)->delivered, 0);
    close_pump(w);
    assert_int_equal(try_open(w, 1u << OUTCOME_award | 1u << OUTCOME_rejected), 0);
    drain(w, 1000);
    assert_int_equal(w->sink.committed, 0);
    append_stories(w, 0, 3, 50);
    drain(w, 1000);
    assert_int_equal(w->sink.committed, 6);
    assert_int_equal(w->sink.list[0].kind, OUTCOME_award);
    assert_int_equal(w->sink.list[1].kind, OUTCOME_rejected);
}

static void remove_segment(struct world *w, const char *name)
{
    assert_int_equal(unlinkat(w->dir.fd, name, 0), 0);
}

/* It died before it wrote anything: the next start has the same number. */
static void an_epoch_begun_again_with_more_shards_is_read_whole(void **state)
{
    struct world *w = *state;
    start_epoch(w, 1, 1);
    open_pump(w);
    assert_int_equal(pump_poll(w->pump, 100), 0);
    close_pump(w);
    end_epoch(w);
    start_epoch(w, 1, 3);
    append_stories(w, 2, 2, 50);
    open_pump(w);
    append_stories(w, 1, 2, 50);
    for (int rc = 1; rc;) {
        rc = pump_poll(w->pump, 100);
        assert_true(rc >= 0);
    }
    assert_int_equal(w->sink.committed, w->want_outcomes);
    close_pump(w);
    end_epoch(w);
    start_epoch(w, 2, 1);
    open_pump(w);
    assert_int_equal(pump_poll(w->pump, 100), 0);
    assert_int_equal(w->sink.committed, w->want_outcomes);
}

static void records_that_went_missing_are_an_error(void **state)
{
    struct world *w = *state;
    start_epoch(w, 1, 1);
    append_stories(w, 0, 8, 50000);
    end_epoch(w);
    start_epoch(w, 2, 1);
    open_pump(w);
    assert_int_equal(pump_poll(w->pump, 7), 7); /* the second block, in a segment of its own */
    close_pump(w);
    remove_segment(w, "000001-000-000001.seg");
    assert_int_equal(try_open(w, ALL_KINDS), 0);
    close_pump(w);
    remove_segment(w, "000001-000-000002.seg");
    assert_int_equal(try_open(w, ALL_KINDS), -ESTALE);
    assert_null(w->pump);
}

static void a_segment_read_to_its_end_may_go(void **state)
{
    struct world *w = *state;
    start_epoch(w, 1, 1);
    append_stories(w, 0, 4, 50000);
    end_epoch(w);
    start_epoch(w, 2, 1);
    open_pump(w);
    assert_int_equal(pump_poll(w->pump, 5), 5);
    close_pump(w);
    remove_segment(w, "000001-000-000001.seg");
    open_pump(w);
    drain(w, 100);
    expect_stories(w, 1, 0, 4);
}

static void a_segment_missing_in_the_middle_is_an_error(void **state)
{
    struct world *w = *state;
    start_epoch(w, 1, 1);
    append_stories(w, 0, 4, 50000);
    end_epoch(w);
    start_epoch(w, 2, 1);
    remove_segment(w, "000001-000-000003.seg");
    open_pump(w);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pump_poll(w->pump, 1000), -ESTALE);
    expect_stories(w, 1, 0, 2);
}

static void journals_that_start_anew_under_an_old_cursor_are_an_error(void **state)
{
    struct world *w = *state;
    start_epoch(w, 3, 1);
    append_stories(w, 0, 2, 50);
    open_pump(w);
    drain(w, 100);
    close_pump(w);
    end_epoch(w);
    remove_segment(w, "000003-000-000001.seg");
    start_epoch(w, 1, 1);
    assert_int_equal(try_open(w, ALL_KINDS), -ESTALE);
    end_epoch(w);
    start_epoch(w, 4, 1);
    assert_int_equal(try_open(w, ALL_KINDS), -ESTALE);
}

static void a_new_sink_starts_with_the_oldest_record_there_is(void **state)
{
    struct world *w = *state;
    start_epoch(w, 1, 1);
    append_stories(w, 0, 2, 50000);
    end_epoch(w);
    start_epoch(w, 2, 2);
    append_stories(w, 0, 4, 50000);
    append_stories(w, 1, 2, 50);
    end_epoch(w);
    remove_segment(w, "000001-000-000001.seg");
    remove_segment(w, "000001-000-000002.seg");
    remove_segment(w, "000002-000-000001.seg");
    start_epoch(w, 3, 1);
    open_pump(w);
    close_pump(w); /* before anything was delivered */
    open_pump(w);
    drain(w, 4);
    assert_int_equal(w->sink.committed, 3 * 5 + 2 * 5);
    assert_int_equal(w->sink.list[0].epoch, 2);
    expect_stories(w, 2, 1, 2);
}

static void damage_is_reported_and_not_passed_over(void **state)
{
    struct world *w = *state;
    start_epoch(w, 1, 1);
    append_stories(w, 0, 6, 50);
    end_epoch(w);
    start_epoch(w, 2, 1);
    append_stories(w, 0, 1, 50);
    uint64_t second_block = SEGMENT_HEADER_BYTES + BLOCK_ALIGN;
    kit_patch_file(w->dir.fd, "000001-000-000001.seg", "damage", 6, second_block + 300);
    open_pump(w);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pump_poll(w->pump, 1000), -EBADMSG);
        expect_stories(w, 1, 0, 3);
        expect_stories(w, 2, 0, 0);
    }
    assert_int_equal(pump_counters(w->pump)->outcomes, 15);
    assert_int_equal(pump_counters(w->pump)->errors, 3);
}

static void an_outcome_that_is_none_is_damage(void **state)
{
    struct world *w = *state;
    start_epoch(w, 1, 1);
    append_story(w, 0, 50);
    append(&w->writers[0], RECORD_OUTCOME, "junk", 4);
    flush(w, 0);
    open_pump(w);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pump_poll(w->pump, 1000), -EBADMSG);
        expect_stories(w, 1, 0, 1);
    }
}

static void an_outcome_without_its_event_is_damage(void **state)
{
    struct world *w = *state;
    start_epoch(w, 1, 1);
    struct writer *writer = &w->writers[0];
    append_story(w, 0, 50);
    flush(w, 0);
    /* Two blocks of one shape: where the first has its event, the second has another one. */
    uint8_t body[OUTCOME_BODY_MAX] = {0};
    struct outcome_view view = {0};
    append(writer, RECORD_CONFIG, body, outcome_encode(&view, body));
    append(writer, RECORD_EVENT, "event", 5);
    flush(w, 0);
    append_outcome(writer, OUTCOME_award);
    append(writer, RECORD_EVENT, "event", 5);
    flush(w, 0);
    open_pump(w);
    assert_int_equal(pump_poll(w->pump, 1000), -EBADMSG);
    expect_stories(w, 1, 0, 1);
}

static void a_correction_is_delivered_with_what_came_of_it(void **state)
{
    struct world *w = *state;
    start_epoch(w, 1, 1);
    struct writer *writer = &w->writers[0];
    append(writer, RECORD_CORRECTION, "event", 5);
    append_outcome(writer, OUTCOME_granted);
    append(writer, RECORD_EVENT, "event", 5);
    append_outcome(writer, OUTCOME_visit);
    append(writer, RECORD_CORRECTION, "event", 5);
    append_outcome(writer, OUTCOME_correction_refused);
    flush(w, 0);
    open_pump(w);
    assert_int_equal(pump_poll(w->pump, 1000), 3);
    assert_int_equal(w->sink.count, 3);
    assert_int_equal(w->sink.list[0].kind, OUTCOME_granted);
    assert_true(w->sink.list[0].event_seq + 1 == w->sink.list[0].seq);
    assert_int_equal(pump_counters(w->pump)->events, 1);
    assert_int_equal(pump_counters(w->pump)->outcomes, 3);
}

static void an_event_has_no_outcome_of_a_correction_nor_the_other_way_about(void **state)
{
    struct world *w = *state;
    start_epoch(w, 1, 2);
    append(&w->writers[0], RECORD_EVENT, "event", 5);
    append_outcome(&w->writers[0], OUTCOME_revoked);
    append(&w->writers[1], RECORD_CORRECTION, "event", 5);
    append_outcome(&w->writers[1], OUTCOME_award);
    flush(w, 0);
    flush(w, 1);
    open_pump(w);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pump_poll(w->pump, 1000), -EBADMSG);
    assert_int_equal(w->sink.count, 0);
}

static void a_last_segment_that_was_never_written_is_the_end(void **state)
{
    struct world *w = *state;
    static const uint8_t zeros[2 * BLOCK_ALIGN];
    start_epoch(w, 1, 2);
    append_stories(w, 0, 1, 50000);
    end_epoch(w);
    kit_write_file(w->dir.fd, "000001-000-000002.seg", zeros, sizeof zeros);
    kit_write_file(w->dir.fd, "000001-001-000001.seg", "", 0);
    start_epoch(w, 2, 1);
    append_stories(w, 0, 1, 50);
    open_pump(w);
    drain(w, 2);
    expect_stories(w, 1, 0, 1);
    expect_stories(w, 2, 0, 1);
    close_pump(w);
    open_pump(w);
    assert_int_equal(pump_poll(w->pump, 10), 0);
}

static void a_pump_may_leave_and_come_back_while_the_epoch_runs(void **state)
{
    struct world *w = *state;
    start_epoch(w, 1, 2);
    for (unsigned i = 1; i <= 6; i++) {
        append_stories(w, i % 2, 1, 50000);
        open_pump(w);
        drain(w, 100);
        close_pump(w);
        assert_int_equal(w->sink.committed, 5 * i);
    }
    expect_stories(w, 1, 0, 3);
    expect_stories(w, 1, 1, 3);
}

/* A sink that remembers, and the place it was opened at. */
static void what_is_found_at_another_place_is_not_cut(void **state)
{
    struct world *w = *state;
    w->target = 1;
    start_epoch(w, 1, 1);
    append_stories(w, 0, 3, 50);
    open_pump(w);
    drain(w, 100);
    close_pump(w);
    struct delivered theirs = {.seq = 77, .kind = OUTCOME_late};
    uint64_t ours = w->sink.committed;
    w->sink.list[w->sink.committed++] = theirs;
    w->target = 2;
    open_pump(w);
    assert_int_equal(w->sink.committed, ours + 1);
    close_pump(w);
    open_pump(w);
    assert_int_equal(w->sink.committed, ours + 1);
    append_stories(w, 0, 3, 50);
    drain(w, 100);
    assert_int_equal(w->sink.list[ours].seq, 77);
    assert_int_equal(w->sink.committed, ours + 1 + 15);
}

static void a_pump_that_cannot_open_tries_again_at_each_poll(void **state)
{
    struct world *w = *state;
    struct pump_report report;
    start_epoch(w, 1, 1);
    append_stories(w, 0, 3, 50);
    open_pump(w);
    struct pump_wiring wiring = {.cursor_path = "/nowhere/at/all",
                                 .journal_dir_fd = w->dir.fd,
                                 .epoch = 1,
                                 .shard_count = 1,
                                 .marks = {&w->writers[0].journal.mark},
                                 .outcomes = ALL_KINDS,
                                 .ops = &memory_ops,
                                 .sink = &w->sink};
    struct pump *pump;
    assert_int_equal(pump_new(&pump, &wiring), 0);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(pump_poll(pump, 100), -ENOENT);
        assert_int_equal(pump_counters(pump)->errors, i);
    }
    pump_report(pump, &report);
    assert_string_equal(report.error, "No such file or directory");
    pump_free(pump);
    kit_write_file(w->dir.fd, "bad", (char[8192]){1, 1, 1}, 8192);
    char path[160];
    snprintf(path, sizeof path, "%s/journal/bad", w->dir.path);
    wiring.cursor_path = path;
    assert_int_equal(pump_new(&pump, &wiring), 0);
    assert_int_equal(pump_poll(pump, 100), -EBADMSG);
    pump_report(pump, &report);
    assert_non_null(strstr(report.error, "cursor is damaged"));
    close_pump(w);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(pump_poll(pump, 100), 15);
    pump_free(pump);
}

static struct sink_cursor cursor_in_file(const struct world *w)
{
    struct cursor cursor;
    struct sink_cursor value;
    assert_int_equal(cursor_open(&cursor, w->cursor, &value), 0);
    cursor_close(&cursor);
    return value;
}

/* The file lags behind what was confirmed; the pump itself does not go back. */
static void what_was_confirmed_just_now_is_not_yet_in_the_cursor_file(void **state)
{
    struct world *w = *state;
    w->far = true;
    w->confirm_after_ns = 200 * NS_PER_MS;
    start_epoch(w, 1, 1);
    open_pump(w);
    append_stories(w, 0, 3, 50);
    drain(w, 100);
    assert_int_equal(w->sink.committed, 15);
    struct sink_cursor early = cursor_in_file(w);
    assert_int_equal(early.at[0].ordinal, 0);
    close_pump(w);
    assert_int_equal(cursor_in_file(w).at[0].ordinal, 0);
    open_pump(w);
    w->sink.fail_at = w->sink.op_count + 2; /* a first delivery after the opening */
    w->sink.fail_count = 1;
    append_stories(w, 0, 3, 50);
    while (pump_poll(w->pump, 100) < 0)
        ;
    usleep(250000);
    drain(w, 100);
    struct sink_cursor late = cursor_in_file(w);
    assert_true(late.at[0].ordinal > early.at[0].ordinal);
    assert_int_equal(late.confirmed[0].ordinal, late.at[0].ordinal);
}

/* ---- sinks on the other side of a network ---- */

static void start_far(struct world *w, uint32_t shards)
{
    w->far = true;
    start_epoch(w, 1, shards);
    open_pump(w);
}

static unsigned count_lines(const char *path)
{
    unsigned count = 0;
    FILE *in = fopen(path, "re");
    for (int c; in && (c = fgetc(in)) != EOF;)
        count += c == '\n';
    if (in)
        fclose(in);
    return count;
}

static bool has_seq(const struct world *w, uint64_t seq)
{
    for (uint64_t i = 0; i < w->sink.committed; i++)
        if (w->sink.list[i].seq == seq)
            return true;
    return false;
}

static void who_is_away_at_start_is_waited_for(void **state)
{
    struct world *w = *state;
    w->sink.fail_at = 1;
    w->sink.fail_count = 2;
    start_far(w, 1);
    append_stories(w, 0, 3, 50);
    assert_int_equal(pump_poll(w->pump, 100), -ECONNREFUSED);
    assert_int_equal(pump_counters(w->pump)->lag_records, 22);
    assert_int_equal(pump_poll(w->pump, 100), -ECONNREFUSED);
    drain(w, 100);
    expect_stories(w, 1, 0, 3);
    assert_int_equal(pump_counters(w->pump)->lag_records, 0);
}

static void a_record_refused_three_times_is_set_aside(void **state)
{
    struct world *w = *state;
    start_far(w, 1);
    append_stories(w, 0, 3, 50);
    w->sink.refused_seq = 1010; /* the second story's award */
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pump_poll(w->pump, 100), -EREMOTEIO);
    drain(w, 100);
    assert_int_equal(w->sink.refusals, 3);
    assert_int_equal(w->sink.committed, w->want_outcomes - 1);
    assert_false(has_seq(w, 1010));
    assert_int_equal(count_lines(w->dead), 1);
    assert_int_equal(pump_counters(w->pump)->set_aside, 1);
    assert_int_equal(pump_counters(w->pump)->skipped, 0);
    close_pump(w);
    open_pump(w);
    drain(w, 100);
    assert_int_equal(count_lines(w->dead), 1);
}

/* Polls until nothing is left, whatever is refused. */
static void drain_refused(struct world *w, unsigned polls)
{
    for (unsigned i = 0; i < polls && pump_poll(w->pump, 100) != 0; i++)
        continue;
    drain(w, 100);
}

static void two_records_of_a_batch_are_set_aside_each_once(void **state)
{
    struct world *w = *state;
    start_far(w, 1);
    append_stories(w, 0, 6, 50);
    w->sink.refused_late[0] = 1010;
    w->sink.refused_late[1] = 1018;
    drain_refused(w, 20);
    assert_int_equal(w->sink.refusals, 6);
    assert_int_equal(w->sink.committed, w->want_outcomes - 2);
    assert_false(has_seq(w, 1010) || has_seq(w, 1018));
    assert_int_equal(count_lines(w->dead), 2);
    assert_int_equal(pump_counters(w->pump)->set_aside, 2);
}

static void a_record_of_each_journal_is_set_aside_once(void **state)
{
    struct world *w = *state;
    start_far(w, 2);
    append_stories(w, 0, 3, 50);
    append_stories(w, 1, 3, 50);
    w->sink.refused_late[0] = 1010;
    w->sink.refused_late[1] = 1110;
    drain_refused(w, 20);
    assert_int_equal(w->sink.refusals, 6);
    assert_int_equal(w->sink.committed, w->want_outcomes - 2);
    assert_int_equal(count_lines(w->dead), 2);
    assert_int_equal(pump_counters(w->pump)->set_aside, 2);
}

static void a_full_server_is_tried_for_ever_unless_told_to_skip(void **state)
{
    struct world *w = *state;
    struct sink_place place;
    struct pump_report report;
    start_far(w, 1);
    append_stories(w, 0, 1, 50);
    drain(w, 100);
    assert_int_equal(pump_skip(w->pump, &place), -ENOENT);
    w->sink.full = true;
    append_stories(w, 0, 1, 50);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(pump_poll(w->pump, 100), -EREMOTEIO);
    pump_report(w->pump, &report);
    assert_string_equal(report.error, "ERR no such luck");
    assert_true(report.lag_bytes > 0);
    assert_int_equal(pump_counters(w->pump)->set_aside, 0);
    assert_false(pump_is_asked(w->pump));
    assert_int_equal(pump_skip(w->pump, &place), 0);
    assert_true(pump_is_asked(w->pump));
    w->sink.full = false;
    drain(w, 100);
    assert_int_equal(w->sink.committed, w->want_outcomes - 1);
    assert_int_equal(count_lines(w->dead), 1);
    assert_int_equal(pump_counters(w->pump)->skipped, 1);
    pump_report(w->pump, &report);
    assert_string_equal(report.error, "");
    assert_string_equal(report.last_error, "ERR no such luck");
}

/* The other side forgets all but its first `keep` outcomes, and the connection breaks. */
static void forget(struct world *w, uint64_t keep)
{
    w->sink.committed = keep;
    w->sink.fail_at = w->sink.op_count + 1;
    w->sink.fail_count = 1;
    append_stories(w, 0, 1, 50);
    assert_true(pump_poll(w->pump, 1000) < 0);
}

static void expect_all(const struct world *w)
{
    for (uint64_t i = 0; i < w->sink.committed; i++)
        for (uint64_t j = 0; j < i; j++)
            assert_false(w->sink.list[i].seq == w->sink.list[j].seq);
    assert_int_equal(w->sink.committed, w->want_outcomes);
}

static void what_the_other_side_lost_it_gets_again(void **state)
{
    struct world *w = *state;
    start_far(w, 1);
    append_stories(w, 0, 6, 50000); /* over several segments */
    drain(w, 7);
    expect_all(w);
    forget(w, 11);
    drain(w, 1000);
    expect_all(w);
    assert_int_equal(pump_counters(w->pump)->gaps, 1);
    forget(w, 0);
    drain(w, 1000);
    expect_all(w);
    assert_int_equal(pump_counters(w->pump)->gaps, 2);
}

static void a_gap_may_reach_back_into_earlier_epochs(void **state)
{
    struct world *w = *state;
    start_far(w, 1);
    append_stories(w, 0, 4, 50);
    drain(w, 1000);
    close_pump(w);
    end_epoch(w);
    start_epoch(w, 2, 1);
    open_pump(w);
    append_stories(w, 0, 4, 50);
    drain(w, 1000);
    expect_all(w);
    forget(w, 7);
    drain(w, 1000);
    expect_all(w);
    /* And over a restart that finds it. */
    close_pump(w);
    end_epoch(w);
    w->sink.committed = 3;
    start_epoch(w, 3, 1);
    open_pump(w);
    drain(w, 1000);
    expect_all(w);
}

static void a_side_that_has_more_than_the_journal_is_not_written_to(void **state)
{
    struct world *w = *state;
    w->sink.list[0] = (struct delivered){.epoch = 1, .ordinal = 1000};
    w->sink.committed = w->sink.count = 1;
    start_far(w, 1);
    append_stories(w, 0, 1, 50);
    assert_int_equal(pump_poll(w->pump, 100), -ESTALE);
    assert_int_equal(w->sink.committed, 1);
}

static void pause_drain_resume(void **state)
{
    struct world *w = *state;
    struct pump_report report;
    start_far(w, 1);
    pump_set_mode(w->pump, PUMP_PAUSED);
    append_stories(w, 0, 2, 50);
    drain(w, 100);
    assert_int_equal(w->sink.committed, 0);
    assert_int_equal(pump_counters(w->pump)->lag_records, 15);
    pump_set_mode(w->pump, PUMP_DRAIN);
    drain(w, 100);
    expect_all(w);
    pump_report(w->pump, &report);
    assert_int_equal(report.mode, PUMP_PAUSED);
    append_stories(w, 0, 2, 50);
    drain(w, 100);
    assert_int_equal(w->sink.committed, 10);
    pump_set_mode(w->pump, PUMP_RUN);
    drain(w, 100);
    expect_all(w);
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        IN_DIR(delivers_each_outcome_once_with_its_event),
        IN_DIR(a_budget_may_end_between_an_event_and_its_outcomes),
        IN_DIR(nothing_that_is_not_durable_is_read),
        IN_DIR(reads_epoch_after_epoch_and_segment_after_segment),
        IN_DIR(a_sink_that_fails_anywhere_gets_everything_once),
        IN_DIR(a_sink_that_fails_again_soon_misses_nothing),
        IN_DIR(a_crash_anywhere_repeats_nothing_and_loses_nothing),
        IN_DIR(a_crash_between_commit_and_cursor_repeats_nothing),
        IN_DIR(only_wanted_kinds_are_delivered_and_the_rest_is_passed_for_good),
        IN_DIR(an_epoch_begun_again_with_more_shards_is_read_whole),
        IN_DIR(records_that_went_missing_are_an_error),
        IN_DIR(a_segment_read_to_its_end_may_go),
        IN_DIR(a_segment_missing_in_the_middle_is_an_error),
        IN_DIR(journals_that_start_anew_under_an_old_cursor_are_an_error),
        IN_DIR(a_new_sink_starts_with_the_oldest_record_there_is),
        IN_DIR(damage_is_reported_and_not_passed_over),
        IN_DIR(an_outcome_that_is_none_is_damage),
        IN_DIR(an_outcome_without_its_event_is_damage),
        IN_DIR(a_correction_is_delivered_with_what_came_of_it),
        IN_DIR(an_event_has_no_outcome_of_a_correction_nor_the_other_way_about),
        IN_DIR(a_last_segment_that_was_never_written_is_the_end),
        IN_DIR(a_pump_may_leave_and_come_back_while_the_epoch_runs),
        IN_DIR(what_is_found_at_another_place_is_not_cut),
        IN_DIR(a_pump_that_cannot_open_tries_again_at_each_poll),
        IN_DIR(what_was_confirmed_just_now_is_not_yet_in_the_cursor_file),
        IN_DIR(who_is_away_at_start_is_waited_for),
        IN_DIR(a_record_refused_three_times_is_set_aside),
        IN_DIR(two_records_of_a_batch_are_set_aside_each_once),
        IN_DIR(a_record_of_each_journal_is_set_aside_once),
        IN_DIR(a_full_server_is_tried_for_ever_unless_told_to_skip),
        IN_DIR(what_the_other_side_lost_it_gets_again),
        IN_DIR(a_gap_may_reach_back_into_earlier_epochs),
        IN_DIR(a_side_that_has_more_than_the_journal_is_not_written_to),
        IN_DIR(pause_drain_resume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
