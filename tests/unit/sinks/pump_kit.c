/* pump_kit.c - a sink in memory, journals an epoch at a time, and what is expected of both. */
#include "tests/unit/sinks/pump_kit.h"

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

const struct sink_ops memory_ops = {.type = "memory",
                                    .open = memory_open,
                                    .deliver = memory_deliver,
                                    .commit = memory_commit,
                                    .close = memory_close};

static int memory_sync(void *arg)
{
    struct memory_sink *sink = arg;
    bool fails = sink->sync_fails;
    assert_true(sink->open);
    sink->syncs++;
    sink->sync_fails = false;
    return fails ? -EIO : 0;
}

static const struct sink_ops late_ops = {.type = "late",
                                         .open = memory_open,
                                         .deliver = memory_deliver,
                                         .commit = memory_commit,
                                         .sync = memory_sync,
                                         .late = true,
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

void kit_start_epoch(struct world *w, uint32_t epoch, uint32_t shard_count)
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
            .ahead = 1,
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

void kit_end_epoch(struct world *w)
{
    for (uint32_t i = 0; i < w->shard_count; i++) {
        journal_fini(&w->writers[i].journal);
        journal_stock_fini(&w->writers[i].stock);
        free(w->writers[i].memory);
    }
    free(w->writers);
    w->writers = NULL;
}

void kit_append_record(struct writer *writer, enum record_kind kind, const void *body, uint32_t len)
{
    kit_append(&writer->block, kind, ++writer->seq, body, len);
    writer->ordinal++;
}

void kit_append_outcome(struct writer *writer, enum outcome_kind kind)
{
    uint8_t body[OUTCOME_BODY_MAX];
    struct outcome_view view = {.outcome = {.kind = (uint8_t)kind}};
    kit_append_record(writer, RECORD_OUTCOME, body, outcome_encode(&view, body));
}

/* Seven records: an event with two outcomes, a duplicate, a dead letter, an event with one; a big
 * body makes blocks and segments follow one another. */
void kit_append_story(struct world *w, uint32_t shard, uint32_t body_len)
{
    static char body[60000] = "event";
    struct writer *writer = &w->writers[shard];
    kit_append_record(writer, RECORD_EVENT, body, body_len);
    kit_append_outcome(writer, OUTCOME_visit);
    kit_append_outcome(writer, OUTCOME_award);
    kit_append_outcome(writer, OUTCOME_duplicate);
    kit_append_record(writer, RECORD_DEAD, body, body_len);
    kit_append_record(writer, RECORD_EVENT, body, body_len);
    kit_append_outcome(writer, OUTCOME_refusal);
    w->want_events += 4;
    w->want_outcomes += 5;
}

void kit_flush(struct world *w, uint32_t shard)
{
    struct writer *writer = &w->writers[shard];
    struct block_ref ref = {&writer->block};
    block_ring_push_burst(&writer->filled, &ref, 1);
    assert_int_equal(journal_poll(&writer->journal), 1);
    assert_int_equal(block_ring_pop_burst(&writer->empty, &ref, 1), 1);
    block_start(&writer->block, writer->ordinal, 1);
}

void kit_append_stories(struct world *w, uint32_t shard, unsigned count, uint32_t body_len)
{
    for (unsigned i = 0; i < count; i++) {
        kit_append_story(w, shard, body_len);
        if (i % 3 == 2 || body_len > 10000)
            kit_flush(w, shard);
    }
    if (w->writers[shard].block.record_count)
        kit_flush(w, shard);
}

int kit_try_open(struct world *w, uint32_t outcomes)
{
    static struct line_origin origin;
    struct pump_wiring wiring = {
        .name = "memory",
        .cursor_path = w->cursor,
        .journal_dir_fd = w->dir.fd,
        .epoch = w->epoch,
        .shard_count = w->shard_count,
        .outcomes = outcomes,
        .ops = w->far    ? &far_ops
               : w->late ? &late_ops
                         : &memory_ops,
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

void kit_open_pump(struct world *w)
{
    assert_int_equal(kit_try_open(w, ALL_KINDS), 0);
}

void kit_close_pump(struct world *w)
{
    pump_free(w->pump);
    w->pump = NULL;
}

void kit_drain(struct world *w, unsigned budget)
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
void kit_expect_stories(const struct world *w, uint32_t epoch, uint32_t shard, unsigned count)
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

int kit_set_up(void **state)
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

int kit_tear_down(void **state)
{
    struct world *w = *state;
    pump_free(w->pump);
    if (w->writers)
        kit_end_epoch(w);
    kit_dir_remove(&w->dir);
    free(w);
    return 0;
}
