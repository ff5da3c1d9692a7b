/* test_file.c - the file is what was committed, after whatever happened to it. */
#include "tests/unit/journal_kit.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "sinks/line.h"
#include "sinks/sink.h"

struct fixture {
    struct kit_dir dir;
    char path[160];
    void *sink;
};

static void *make(const char *path)
{
    static struct conf_sink conf;
    static struct line_origin origin;
    snprintf(conf.path, sizeof conf.path, "%s", path);
    assert_int_equal(line_origin_init(&origin, "fra1", "e07", "j"), 0);
    void *sink = sink_file_ops.make(&(struct sink_setup){.conf = &conf, .origin = &origin});
    assert_non_null(sink);
    return sink;
}

static int set_up(void **state)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    kit_dir_make(&f.dir);
    snprintf(f.path, sizeof f.path, "%s/a/b/outcomes.jsonl", f.dir.path);
    f.sink = make(f.path);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    sink_file_ops.free(f->sink);
    kit_dir_remove(&f->dir);
    return 0;
}

static int deliver(struct fixture *f, uint64_t seq)
{
    struct record record = kit_record(RECORD_OUTCOME, seq, 0);
    struct sink_item item = {.outcome = &record, .view = {.outcome = {.kind = OUTCOME_late}}};
    return sink_file_ops.deliver(f->sink, &item);
}

/* Counts lines and checks that they are those of sequence 1, 2, 3 ... */
static unsigned lines(struct fixture *f)
{
    char line[1024], want[64];
    unsigned count = 0;
    FILE *in = fopen(f->path, "r");
    assert_non_null(in);
    while (fgets(line, sizeof line, in)) {
        snprintf(want, sizeof want, "{\"seq\":\"17:%u\",", ++count);
        assert_memory_equal(line, want, strlen(want));
        assert_non_null(strchr(line, '\n'));
    }
    fclose(in);
    return count;
}

static uint64_t file_bytes(struct fixture *f)
{
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    return (uint64_t)st.st_size;
}

static void makes_its_directories_and_commits_lines(void **state)
{
    struct fixture *f = *state;
    uint64_t resume = 0;
    assert_int_equal(sink_file_ops.open(f->sink, SINK_RESUME_NONE), 0);
    for (uint64_t seq = 1; seq <= 5000; seq++)
        assert_int_equal(deliver(f, seq), 0);
    assert_int_equal(sink_file_ops.commit(f->sink, &resume), 0);
    assert_int_equal(lines(f), 5000);
    assert_int_equal(resume, file_bytes(f));
}

static void what_was_not_committed_is_cut(void **state)
{
    struct fixture *f = *state;
    uint64_t resume = 0, later = 0;
    assert_int_equal(sink_file_ops.open(f->sink, SINK_RESUME_NONE), 0);
    assert_int_equal(deliver(f, 1), 0);
    assert_int_equal(sink_file_ops.commit(f->sink, &resume), 0);
    for (uint64_t seq = 2; seq < 5000; seq++)
        assert_int_equal(deliver(f, seq), 0);
    assert_int_equal(sink_file_ops.commit(f->sink, &later), 0);
    assert_true(later > resume);
    sink_file_ops.close(f->sink);
    assert_int_equal(sink_file_ops.open(f->sink, resume), 0);
    assert_int_equal(lines(f), 1);
    assert_int_equal(deliver(f, 2), 0);
    assert_int_equal(sink_file_ops.commit(f->sink, &resume), 0);
    assert_int_equal(lines(f), 2);
}

static void a_batch_never_committed_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t resume = 0;
    assert_int_equal(sink_file_ops.open(f->sink, SINK_RESUME_NONE), 0);
    assert_int_equal(deliver(f, 9), 0);
    sink_file_ops.close(f->sink);
    assert_int_equal(sink_file_ops.open(f->sink, 0), 0);
    assert_int_equal(deliver(f, 1), 0);
    assert_int_equal(sink_file_ops.commit(f->sink, &resume), 0);
    assert_int_equal(lines(f), 1);
}

static void what_was_there_before_the_first_cursor_stays(void **state)
{
    struct fixture *f = *state;
    uint64_t resume = 0;
    snprintf(f->path, sizeof f->path, "%s/plain", f->dir.path);
    sink_file_ops.free(f->sink);
    f->sink = make(f->path);
    kit_write_file(f->dir.fd, "plain", "{\"seq\":\"17:1\",}\n", 16);
    assert_int_equal(sink_file_ops.open(f->sink, SINK_RESUME_NONE), 0);
    assert_int_equal(sink_file_ops.commit(f->sink, &resume), 0);
    assert_int_equal(resume, 16);
    assert_int_equal(deliver(f, 2), 0);
    assert_int_equal(sink_file_ops.commit(f->sink, &resume), 0);
    assert_int_equal(lines(f), 2);
}

static void a_file_that_was_moved_away_is_begun_again(void **state)
{
    struct fixture *f = *state;
    uint64_t resume = 0;
    assert_int_equal(sink_file_ops.open(f->sink, 123456), 0);
    assert_int_equal(deliver(f, 1), 0);
    assert_int_equal(sink_file_ops.commit(f->sink, &resume), 0);
    assert_int_equal(resume, file_bytes(f));
    assert_int_equal(lines(f), 1);
}

static void a_full_disk_is_an_error_and_then_goes_on_from_the_last_commit(void **state)
{
    struct fixture *f = *state;
    uint64_t resume = 0;
    assert_int_equal(sink_file_ops.open(f->sink, SINK_RESUME_NONE), 0);
    for (uint64_t seq = 1; seq <= 100; seq++)
        assert_int_equal(deliver(f, seq), 0);
    assert_int_equal(sink_file_ops.commit(f->sink, &resume), 0);

    /* A limit on file sizes stands in for the end of the disk; it cuts a line in two. */
    struct rlimit was, full = {.rlim_cur = resume + 1000};
    getrlimit(RLIMIT_FSIZE, &was);
    full.rlim_max = was.rlim_max;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &full);
    int rc = 0;
    for (uint64_t seq = 101; seq <= 10000 && !rc; seq++)
        rc = deliver(f, seq);
    assert_int_equal(rc, -EFBIG);
    assert_int_equal(file_bytes(f), resume + 1000);
    setrlimit(RLIMIT_FSIZE, &was);
    signal(SIGXFSZ, handler);

    sink_file_ops.close(f->sink);
    assert_int_equal(sink_file_ops.open(f->sink, resume), 0);
    for (uint64_t seq = 101; seq <= 10000; seq++)
        assert_int_equal(deliver(f, seq), 0);
    assert_int_equal(sink_file_ops.commit(f->sink, &resume), 0);
    assert_int_equal(lines(f), 10000);
}

static void only_a_regular_file_will_do(void **state)
{
    struct fixture *f = *state;
    snprintf(f->path, sizeof f->path, "%s/pipe", f->dir.path);
    assert_int_equal(mkfifo(f->path, 0600), 0);
    void *sink = make(f->path);
    assert_int_equal(sink_file_ops.open(sink, 0), -ENXIO);
    sink_file_ops.free(sink);
    sink = make("/dev/null");
    assert_int_equal(sink_file_ops.open(sink, 0), -EINVAL);
    sink_file_ops.free(sink);
    sink = make(f->dir.path);
    assert_int_equal(sink_file_ops.open(sink, 0), -EISDIR);
    sink_file_ops.free(sink);
    snprintf(f->path, sizeof f->path, "%s/pipe/x", f->dir.path);
    sink = make(f->path);
    assert_int_equal(sink_file_ops.open(sink, 0), -ENOTDIR);
    sink_file_ops.free(sink);
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        IN_DIR(makes_its_directories_and_commits_lines),
        IN_DIR(what_was_not_committed_is_cut),
        IN_DIR(a_batch_never_committed_leaves_nothing),
        IN_DIR(what_was_there_before_the_first_cursor_stays),
        IN_DIR(a_file_that_was_moved_away_is_begun_again),
        IN_DIR(a_full_disk_is_an_error_and_then_goes_on_from_the_last_commit),
        IN_DIR(only_a_regular_file_will_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
