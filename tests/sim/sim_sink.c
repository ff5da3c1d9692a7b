/* sim_sink.c - pumps, and what comes out of them. */
#include "tests/sim/sim_sink.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "sinks/line.h"
#include "sinks/sink.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_fault.h"
#include "tests/sim/sim_node.h"

#define FILE_PATH SIM_DISK_ROOT "/out/lines.json"
#define FAR       0u
#define LOCAL     1u

struct taken {
    uint32_t epoch, shard, partition;
    uint64_t ordinal, seq, hash;
};

/* The far sink: a stream a shard, ids that grow. */
struct far {
    struct taken *list;
    uint32_t count, room;
    uint32_t committed; /* the rest is this connection's, and lost with it */
    uint32_t confirmed; /* it has said so */
    bool open;
};

static struct {
    struct far far;
    struct pump *pumps[SIM_SINKS];
    void *file;
    struct line_origin origin;
    uint64_t not_before_ns[SIM_SINKS];
    /* While it is held against the journal. */
    uint32_t next[SIM_PARTITIONS_MAX]; /* of the far sink's list, per partition */
    uint64_t records;
    uint64_t *lines; /* partition << 48 | seq, of the file */
    uint32_t line_count, line_at[SIM_PARTITIONS_MAX];
} sinks;

void sim_sink_free(void)
{
    free(sinks.far.list);
    memset(&sinks, 0, sizeof sinks);
}

void sim_sink_reset(void)
{
    sim_sink_free();
}

/* ---- the far sink ---- */

static int strange_error(void)
{
    static const int errors[] = {EPROTO, EILSEQ, EBADMSG, EINVAL, ENOSPC, EAGAIN, ENOENT, ERANGE};
    return -errors[random_below(&sim_faults.random, 8)];
}

static int far_open(void *arg, uint64_t resume)
{
    struct far *far = arg;
    (void)resume;
    sim_check(!far->open, "a sink is opened twice");
    if (sim_fault(FAULT_sink_dead))
        return -ECONNREFUSED;
    far->count = far->committed;
    if (far->count && sim_fault(FAULT_sink_behind)) {
        uint32_t less = random_below(&sim_faults.random, far->count + 1);
        far->count = far->committed = less > 40 ? far->count - 40 : far->count - less;
    }
    far->open = true;
    sim_trace("sink: opened with %u", far->committed);
    return 0;
}

static const struct taken *last_of(const struct far *far, uint32_t shard, uint32_t count)
{
    for (uint32_t i = count; i > 0; i--)
        if (far->list[i - 1].shard == shard)
            return &far->list[i - 1];
    return NULL;
}

static int far_end(void *arg, uint32_t shard, struct sink_end *end)
{
    const struct far *far = arg;
    const struct taken *last = last_of(far, shard, far->committed);
    *end = (struct sink_end){0};
    if (last)
        *end = (struct sink_end){.epoch = last->epoch, .ordinal = last->ordinal};
    return sim_fault(FAULT_sink_error) ? -ECONNRESET : 0;
}

static int far_deliver(void *arg, const struct sink_item *item)
{
    struct far *far = arg;
    sim_check(far->open, "a sink that is closed is given a record");
    if (sim_fault(FAULT_sink_error))
        return -ECONNRESET;
    if (sim_fault(FAULT_sink_garbage))
        return strange_error();
    const struct taken *last = last_of(far, item->shard, far->count);
    bool repeat = last && (item->epoch < last->epoch ||
                           (item->epoch == last->epoch && item->ordinal <= last->ordinal));
    sim_trace("sink: %u-%u-%llu is %u:%llu%s", item->epoch, item->shard,
              (unsigned long long)item->ordinal, item->outcome->partition,
              (unsigned long long)item->outcome->seq, repeat ? ", a repeat" : "");
    if (repeat)
        return 0;
    if (far->count == far->room) {
        far->room = far->room ? 2 * far->room : 256;
        far->list = realloc(far->list, far->room * sizeof *far->list);
        assert(far->list);
    }
    const struct record *record = item->outcome;
    far->list[far->count++] = (struct taken){
        .epoch = item->epoch,
        .shard = item->shard,
        .partition = record->partition,
        .ordinal = item->ordinal,
        .seq = record->seq,
        .hash = XXH3_64bits(record, sizeof *record + record->body_len),
    };
    return 0;
}

static int far_commit(void *arg, uint64_t *resume)
{
    struct far *far = arg;
    if (sim_fault(FAULT_sink_error))
        return -ETIMEDOUT;
    if (sim_fault(FAULT_sink_garbage))
        return strange_error();
    far->committed = far->count;
    if (sim_fault(FAULT_sink_ack_lost))
        return -ETIMEDOUT;
    *resume = far->committed;
    sim_trace("sink: has %u", far->committed);
    return 0;
}

static void far_close(void *arg)
{
    ((struct far *)arg)->open = false;
}

static const struct sink_ops far_ops = {.type = "far",
                                        .open = far_open,
                                        .deliver = far_deliver,
                                        .commit = far_commit,
                                        .close = far_close,
                                        .end = far_end,
                                        .remote = true};

/* ---- pumps ---- */

static int make_pump(unsigned which, const struct sink_ops *ops, void *sink, const char *cursor)
{
    struct pump_wiring wiring = {
        .name = which == FAR ? "far" : "file",
        .cursor_path = cursor,
        .journal_dir_fd = sim_node.store.journal_fd,
        .epoch = sim_node.store.epoch,
        .shard_count = sim_node.shard_count,
        .outcomes = (1u << OUTCOME_KIND_COUNT) - 1,
        .origin = &sinks.origin,
        .target = which + 1,
        .ops = ops,
        .sink = sink,
    };
    for (uint32_t s = 0; s < sim_node.shard_count; s++)
        wiring.marks[s] = &sim_node.shards[s]->journal->mark;
    return pump_new(&sinks.pumps[which], &wiring);
}

void sim_sink_open(void)
{
    struct conf_sink conf = {.name = "file", .path = FILE_PATH, .format = CONF_FORMAT_CLOUDEVENTS};
    const struct sink_setup setup = {.conf = &conf, .origin = &sinks.origin, .state_path = ""};
    int rc = line_origin_init(&sinks.origin, "sim", "h1", "sim");
    sinks.file = sink_file_ops.make(&setup);
    assert(!rc && sinks.file);
    sinks.far.open = false;
    rc = make_pump(FAR, &far_ops, &sinks.far, SIM_DISK_ROOT "/data/sinks/far.cursor");
    rc |= make_pump(LOCAL, &sink_file_ops, sinks.file, SIM_DISK_ROOT "/data/sinks/file.cursor");
    assert(!rc);
    memset(sinks.not_before_ns, 0, sizeof sinks.not_before_ns);
}

void sim_sink_close(void)
{
    for (unsigned i = 0; i < SIM_SINKS; i++) {
        pump_free(sinks.pumps[i]);
        sinks.pumps[i] = NULL;
    }
    if (sinks.file)
        sink_file_ops.free(sinks.file);
    sinks.file = NULL;
    sinks.far.open = false;
}

bool sim_sink_poll(unsigned which)
{
    struct pump *pump = sinks.pumps[which];
    if (sim_clock.mono_ns < sinks.not_before_ns[which])
        return false;
    if (sim_fault(FAULT_sink_slow)) {
        sinks.not_before_ns[which] =
            sim_clock.mono_ns + 1000000ull * random_below(&sim_faults.random, 3000);
        return false;
    }
    int rc = pump_poll(pump, 1 + random_below(&sim_random, 40));
    if (sim_disk_is_dead())
        return false;
    if (which == LOCAL && rc)
        sim_trace("file sink: %d, delivered %llu", rc,
                  (unsigned long long)pump_counters(pump)->delivered);
    if (rc < 0) {
        struct pump_report report;
        pump_report(pump, &report);
        sim_trace("sink %u: %s", which, report.error);
    }
    bool own = which == LOCAL || !sim_faults.active;
    sim_check(!own || (rc != -ESTALE && rc != -EBADMSG && rc != -EILSEQ),
              "the pump of a sink stands still: %s", strerror(-rc));
    return rc == 0 && !pump_counters(pump)->lag_records;
}

static void remove_file(const char *path)
{
    (void)sim_disk_unlink(AT_FDCWD, path);
}

void sim_sink_start_over(void)
{
    bool active = sim_faults.active;
    sim_faults.active = false;
    sinks.far.count = sinks.far.committed = 0;
    remove_file(SIM_DISK_ROOT "/data/sinks/far.cursor");
    remove_file(SIM_DISK_ROOT "/data/sinks/file.cursor");
    remove_file(FILE_PATH);
    static const char *const dirs[] = {SIM_DISK_ROOT "/data/sinks", SIM_DISK_ROOT "/out"};
    for (unsigned i = 0; i < 2; i++) {
        int fd = sim_disk_open(AT_FDCWD, dirs[i], O_RDONLY);
        if (fd >= 0) {
            sim_disk_sync(fd);
            sim_disk_close(fd);
        }
    }
    sim_faults.active = active;
}

/* ---- held against the journal ---- */

static void read_lines(void)
{
    struct stat st = {0};
    int fd = sim_disk_open(AT_FDCWD, FILE_PATH, O_RDONLY);
    sinks.line_count = 0;
    if (fd < 0 || sim_disk_stat(fd, &st))
        return;
    char *text = malloc((size_t)st.st_size + 1);
    assert(text && sim_disk_pread(fd, text, (size_t)st.st_size, 0) == st.st_size);
    text[st.st_size] = '\0';
    sim_disk_close(fd);
    uint32_t room = 0;
    for (char *at = text, *end; *at; at = end + 1) {
        unsigned partition;
        unsigned long long seq;
        end = strchr(at, '\n');
        sim_check(end, "the file of the file sink ends in half a line");
        *end = '\0';
        const char *id = strstr(at, "\"id\":\"sim-");
        sim_check(id && sscanf(id + 10, "%u-%llu\"", &partition, &seq) == 2, "a line is %s", at);
        if (sinks.line_count == room) {
            room = room ? 2 * room : 256;
            sinks.lines = realloc(sinks.lines, room * sizeof *sinks.lines);
            assert(sinks.lines);
        }
        sinks.lines[sinks.line_count++] = (uint64_t)partition << 48 | seq;
    }
    free(text);
}

void sim_sink_check_begin(void)
{
    memset(sinks.next, 0, sizeof sinks.next);
    memset(sinks.line_at, 0, sizeof sinks.line_at);
    sinks.records = 0;
    read_lines();
}

static const struct taken *next_taken(uint32_t partition)
{
    uint32_t *at = &sinks.next[partition];
    while (*at < sinks.far.committed && sinks.far.list[*at].partition != partition)
        ++*at;
    return *at < sinks.far.committed ? &sinks.far.list[(*at)++] : NULL;
}

static uint64_t next_line(uint32_t partition)
{
    uint32_t *at = &sinks.line_at[partition];
    while (*at < sinks.line_count && sinks.lines[*at] >> 48 != partition)
        ++*at;
    return *at < sinks.line_count ? sinks.lines[(*at)++] & 0xffffffffffff : 0;
}

void sim_sink_check_record(const struct record *record)
{
    if (record->kind != RECORD_OUTCOME && record->kind != RECORD_DEAD)
        return;
    unsigned long long seq = record->seq;
    const struct taken *taken = next_taken(record->partition);
    sim_check(taken && taken->seq == record->seq,
              "the far sink has %llu where %llu of partition %u comes",
              taken ? (unsigned long long)taken->seq : 0, seq, record->partition);
    sim_check(taken->hash == XXH3_64bits(record, sizeof *record + record->body_len),
              "the far sink has another record as %u:%llu", record->partition, seq);
    uint64_t line = next_line(record->partition);
    sim_check(line == record->seq, "the file has a line of %llu where %llu of partition %u comes",
              (unsigned long long)line, seq, record->partition);
    sinks.records++;
}

void sim_sink_check_end(void)
{
    sim_check(sinks.far.committed == sinks.records, "the far sink has %u records of %llu",
              sinks.far.committed, (unsigned long long)sinks.records);
    sim_check(sinks.line_count == sinks.records, "the file has %u lines of %llu", sinks.line_count,
              (unsigned long long)sinks.records);
    free(sinks.lines);
    sinks.lines = NULL;
}
