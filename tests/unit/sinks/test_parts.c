/* test_parts.c - files by the hour: every line in one of them and in its hour, whatever stops the
 * sink, and what has its last name does not change. */
#include "tests/unit/journal_kit.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>
#include <zstd.h>

#include "dataplane/base/clock.h"
#include "sinks/line.h"
#include "sinks/part_file.h"
#include "sinks/sink.h"

#define HOUR_NS   (3600 * NS_PER_S)
#define FIRST     495000u /* hour */
#define SEQ_MAX   20000
#define FILES_MAX 4096

struct fixture {
    struct kit_dir dir;
    char state[128];
    struct conf_sink conf;
    struct line_origin origin;
    void *sink;
    uint64_t resume;
    uint32_t hour_of[SEQ_MAX + 1];
    unsigned seen[SEQ_MAX + 1];
    unsigned files, open_files;
};

static struct fixture *reading; /* by visit */

static void make_sink(struct fixture *f)
{
    f->sink = sink_parts_ops.make(
        &(struct sink_setup){.conf = &f->conf, .origin = &f->origin, .state_path = f->state});
    assert_non_null(f->sink);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    kit_dir_make(&f->dir);
    snprintf(f->state, sizeof f->state, "%s/s.files", f->dir.path);
    f->conf =
        (struct conf_sink){.name = "s-1", .rotate_bytes = 1 << 20, .rotate_after_ns = 24 * HOUR_NS};
    snprintf(f->conf.directory, sizeof f->conf.directory, "%s/out", f->dir.path);
    assert_int_equal(line_origin_init(&f->origin, "p", "h", "j"), 0);
    f->resume = SINK_RESUME_NONE;
    make_sink(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    sink_parts_ops.free(f->sink);
    kit_dir_remove(&f->dir);
    free(f);
    return 0;
}

static int deliver(struct fixture *f, uint64_t seq, uint32_t hour)
{
    struct record record = kit_record(RECORD_OUTCOME, seq, 0);
    record.receive_ns = hour * HOUR_NS + seq;
    f->hour_of[seq] = hour;
    struct sink_item item = {.outcome = &record, .view = {.outcome = {.kind = OUTCOME_late}}};
    return sink_parts_ops.deliver(f->sink, &item);
}

static void open_sink(struct fixture *f)
{
    assert_int_equal(sink_parts_ops.open(f->sink, f->resume), 0);
}

static void commit(struct fixture *f)
{
    assert_int_equal(sink_parts_ops.commit(f->sink, &f->resume), 0);
}

static void take_line(const char *line, uint32_t hour)
{
    unsigned long long seq;
    assert_int_equal(sscanf(line, "{\"seq\":\"17:%llu\",", &seq), 1); /* NOLINT(cert-err34-c) */
    assert_in_range(seq, 1, SEQ_MAX);
    assert_int_equal(reading->hour_of[seq], hour);
    reading->seen[seq]++;
}

static char *read_file(const char *path, size_t *len)
{
    struct stat st;
    FILE *in = fopen(path, "re");
    assert_non_null(in);
    assert_int_equal(fstat(fileno(in), &st), 0);
    char *bytes = malloc((size_t)st.st_size + 1);
    *len = fread(bytes, 1, (size_t)st.st_size, in);
    assert_int_equal(*len, st.st_size);
    bytes[*len] = '\0';
    fclose(in);
    return bytes;
}

/* All frames of a file, one behind the other. */
static char *decompress(char *bytes, size_t len, size_t *out_len)
{
    char *out = malloc(8 << 20);
    size_t at = 0;
    *out_len = 0;
    while (at < len) {
        size_t frame = ZSTD_findFrameCompressedSize(bytes + at, len - at);
        assert_false(ZSTD_isError(frame));
        size_t n = ZSTD_decompress(out + *out_len, (8 << 20) - *out_len - 1, bytes + at, frame);
        assert_false(ZSTD_isError(n));
        *out_len += n;
        at += frame;
    }
    out[*out_len] = '\0';
    free(bytes);
    return out;
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    int year, month, day, hour, n = 0;
    size_t len;
    (void)st;
    if (type != FTW_F)
        return 0;
    const char *tail = path + ftw->base - 14;
    /* NOLINTNEXTLINE(cert-err34-c) */
    assert_int_equal(sscanf(tail, "%d/%d/%d/%d/%n", &year, &month, &day, &hour, &n), 4);
    struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour};
    reading->files++;
    reading->open_files += strstr(path, ".open") != NULL;
    char *bytes = read_file(path, &len);
    if (strstr(path, ".zst"))
        bytes = decompress(bytes, len, &len);
    assert_true(len == 0 || bytes[len - 1] == '\n');
    for (char *line = bytes, *end; (end = strchr(line, '\n')); line = end + 1)
        take_line(line, (uint32_t)(timegm(&tm) / 3600));
    free(bytes);
    return 0;
}

static void read_all(struct fixture *f)
{
    reading = f;
    memset(f->seen, 0, sizeof f->seen);
    f->files = f->open_files = 0;
    assert_int_equal(nftw(f->conf.directory, visit, 16, FTW_PHYS), 0);
}

static void expect_each_once(struct fixture *f, uint64_t last)
{
    read_all(f);
    for (uint64_t seq = 1; seq <= SEQ_MAX; seq++)
        assert_int_equal(f->seen[seq], seq <= last);
}

/* ---- tests ---- */

static void lines_go_to_their_hours(void **state)
{
    struct fixture *f = *state;
    open_sink(f);
    for (uint64_t seq = 1; seq <= 60; seq++)
        assert_int_equal(deliver(f, seq, FIRST + (uint32_t)(seq % 3)), 0);
    commit(f);
    expect_each_once(f, 60);
    assert_int_equal(f->files, 3);
    assert_int_equal(f->open_files, 3);
    char path[PART_PATH_MAX];
    part_path(f->conf.directory, "s-1", &(struct part){.hour = FIRST, .number = 1}, true, path);
    assert_non_null(strstr(path, "/out/2026/06/21/00/s-1-000001.ndjson.open"));
    assert_int_equal(access(path, F_OK), 0);
}

static void a_file_of_the_size_is_closed_and_renamed_when_the_cursor_has_followed(void **state)
{
    struct fixture *f = *state;
    f->conf.rotate_bytes = 500;
    open_sink(f);
    for (uint64_t seq = 1; seq <= 30; seq++)
        assert_int_equal(deliver(f, seq, FIRST), 0);
    read_all(f);
    assert_int_equal(f->files, f->open_files);
    commit(f);
    read_all(f);
    assert_int_equal(f->files, f->open_files);
    assert_true(sink_parts_ops.due(f->sink));
    commit(f);
    expect_each_once(f, 30);
    assert_in_range(f->files, 4, 15);
    assert_int_equal(f->open_files, 1);
    assert_false(sink_parts_ops.due(f->sink));
}

static void an_old_file_is_closed_although_nothing_comes(void **state)
{
    struct fixture *f = *state;
    f->conf.rotate_after_ns = NS_PER_MS;
    open_sink(f);
    commit(f);
    assert_int_equal(deliver(f, 1, FIRST), 0);
    usleep(2000);
    while (sink_parts_ops.due(f->sink))
        commit(f);
    expect_each_once(f, 1);
    assert_int_equal(f->open_files, 0);
    assert_int_equal(deliver(f, 2, FIRST), 0);
    commit(f);
    expect_each_once(f, 2);
    assert_int_equal(f->files, 2);
}

static void a_thousand_hours_in_a_batch_are_a_thousand_files(void **state)
{
    struct fixture *f = *state;
    open_sink(f);
    for (uint64_t seq = 1; seq <= 1000; seq++)
        assert_int_equal(deliver(f, seq, FIRST + (uint32_t)seq), 0);
    sink_parts_ops.close(f->sink); /* and nothing of it is committed */
    open_sink(f);
    commit(f);
    expect_each_once(f, 0);
    for (uint64_t seq = 1; seq <= 1000; seq++)
        assert_int_equal(deliver(f, seq, FIRST + (uint32_t)seq), 0);
    commit(f);
    commit(f);
    expect_each_once(f, 1000);
}

static void another_directory_is_gone_on_in(void **state)
{
    struct fixture *f = *state;
    open_sink(f);
    assert_int_equal(deliver(f, 1, FIRST), 0);
    commit(f);
    assert_int_equal(deliver(f, 2, FIRST), 0);
    sink_parts_ops.close(f->sink);
    char old[CONF_PATH_MAX];
    memcpy(old, f->conf.directory, sizeof old);
    snprintf(f->conf.directory, sizeof f->conf.directory, "%s/else/where", f->dir.path);
    open_sink(f);
    assert_int_equal(deliver(f, 2, FIRST), 0);
    commit(f);
    read_all(f);
    assert_int_equal(f->seen[1], 0);
    assert_int_equal(f->seen[2], 1);
    memcpy(f->conf.directory, old, sizeof old);
    expect_each_once(f, 1);
    assert_int_equal(f->open_files, 0);
}

static void a_file_taken_away_ends_with_its_last_commit(void **state)
{
    struct fixture *f = *state;
    char path[PART_PATH_MAX], away[160];
    open_sink(f);
    assert_int_equal(deliver(f, 1, FIRST), 0);
    commit(f);
    part_path(f->conf.directory, "s-1", &(struct part){.hour = FIRST, .number = 1}, true, path);
    snprintf(away, sizeof away, "%s/away", f->dir.path);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(deliver(f, 2, FIRST), 0);
    uint64_t ignored;
    assert_int_equal(sink_parts_ops.commit(f->sink, &ignored), -ESTALE);
    assert_non_null(strstr(sink_parts_ops.fault(f->sink)->text, "s-1-000001"));
    sink_parts_ops.close(f->sink);
    open_sink(f);
    assert_int_equal(deliver(f, 2, FIRST), 0);
    commit(f);
    read_all(f);
    assert_int_equal(f->seen[1], 0);
    assert_int_equal(f->seen[2], 1);
    size_t len;
    char *bytes = read_file(away, &len);
    assert_ptr_equal(strchr(bytes, '\n'), bytes + len - 1);
    free(bytes);
}

static void a_list_that_is_damaged_or_gone_is_told(void **state)
{
    struct fixture *f = *state;
    open_sink(f);
    assert_int_equal(deliver(f, 1, FIRST), 0);
    commit(f);
    sink_parts_ops.close(f->sink);
    kit_patch_file(f->dir.fd, "s.files", "x", 1, 40);
    kit_patch_file(f->dir.fd, "s.files", "x", 1, (256 << 10) + 40);
    assert_int_equal(sink_parts_ops.open(f->sink, f->resume), -EBADMSG);
    assert_non_null(strstr(sink_parts_ops.fault(f->sink)->text, "s.files"));
    unlink(f->state);
    assert_int_equal(sink_parts_ops.open(f->sink, f->resume), -ENOENT);
    f->resume = SINK_RESUME_NONE;
    open_sink(f);
    assert_int_equal(deliver(f, 2, FIRST), 0);
    commit(f);
    expect_each_once(f, 2); /* the file that nobody knows of any more is not touched */
    assert_int_equal(f->files, 2);
}

static void a_file_that_is_shorter_than_its_commit_is_told(void **state)
{
    struct fixture *f = *state;
    char path[PART_PATH_MAX];
    open_sink(f);
    assert_int_equal(deliver(f, 1, FIRST), 0);
    commit(f);
    sink_parts_ops.close(f->sink);
    part_path(f->conf.directory, "s-1", &(struct part){.hour = FIRST, .number = 1}, true, path);
    assert_int_equal(truncate(path, 10), 0);
    assert_int_equal(sink_parts_ops.open(f->sink, f->resume), -EBADMSG);
    assert_non_null(strstr(sink_parts_ops.fault(f->sink)->text, "shorter"));
}

/* The sizes of files that have their last name, by inode: none may change. */
static struct {
    ino_t ino;
    off_t size;
    struct timespec changed;
} finals[FILES_MAX];
static unsigned final_count;

static int check_final(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)ftw;
    if (type != FTW_F || strstr(path, ".open"))
        return 0;
    for (unsigned i = 0; i < final_count; i++)
        if (finals[i].ino == st->st_ino) {
            assert_int_equal(finals[i].size, st->st_size);
            return 0;
        }
    assert_in_range(final_count, 0, FILES_MAX - 1);
    finals[final_count].ino = st->st_ino;
    finals[final_count++].size = st->st_size;
    return 0;
}

/* Batches of lines in hours that come and go, stopped before or after their commit; the cursor is
 * where it was or has followed. */
static void stop_at_random(struct fixture *f, unsigned seed)
{
    uint64_t committed = 0, cursor = 0; /* the last line of each */
    uint64_t cursor_resume;
    srand(seed);
    f->conf.rotate_bytes = 400 + (unsigned)rand() % 4000;
    f->conf.compress = seed % 2 ? CONF_COMPRESS_ZSTD : CONF_COMPRESS_NONE;
    open_sink(f);
    commit(f);
    cursor_resume = f->resume;
    final_count = 0;
    assert_int_equal(mkdir(f->conf.directory, 0700), 0);
    for (unsigned round = 0; round < 60; round++) {
        unsigned count = (unsigned)rand() % 40, spread = 1 + (unsigned)rand() % 12;
        for (unsigned i = 1; i <= count; i++)
            assert_int_equal(
                deliver(f, committed + i, FIRST + round / 8 + (unsigned)rand() % spread), 0);
        bool done = rand() % 4 != 0, followed = rand() % 4 != 0;
        if (done) {
            commit(f);
            committed += count;
        }
        if (done && followed) {
            cursor = committed;
            cursor_resume = f->resume;
            assert_int_equal(nftw(f->conf.directory, check_final, 16, FTW_PHYS), 0);
            continue;
        }
        sink_parts_ops.close(f->sink);
        f->resume = cursor_resume;
        committed = cursor;
        open_sink(f);
    }
    while (sink_parts_ops.due(f->sink))
        commit(f);
    expect_each_once(f, committed);
}

static void whatever_stops_it_every_line_is_there_once(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 40; seed++) {
        void *fresh;
        set_up(&fresh);
        stop_at_random(fresh, seed);
        tear_down(&fresh);
    }
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        IN_DIR(lines_go_to_their_hours),
        IN_DIR(a_file_of_the_size_is_closed_and_renamed_when_the_cursor_has_followed),
        IN_DIR(an_old_file_is_closed_although_nothing_comes),
        IN_DIR(a_thousand_hours_in_a_batch_are_a_thousand_files),
        IN_DIR(another_directory_is_gone_on_in),
        IN_DIR(a_file_taken_away_ends_with_its_last_commit),
        IN_DIR(a_list_that_is_damaged_or_gone_is_told),
        IN_DIR(a_file_that_is_shorter_than_its_commit_is_told),
        cmocka_unit_test(whatever_stops_it_every_line_is_there_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
