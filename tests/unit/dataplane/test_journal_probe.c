/* test_journal_probe.c - both ways are tried in turn, and nothing is left of it. */
#include "tests/unit/journal_kit.h"

#include <errno.h>
#include <time.h>

#include "dataplane/base/clock.h"
#include "dataplane/journal_probe.h"

static struct kit_dir dir;

/* A way to the disk that takes as long as it is told to, and writes nothing. */
struct way {
    uint64_t takes_ns;
    unsigned slow_every; /* only one in so many takes that long; 0: each */
    unsigned count, fails_at;
    unsigned before[JOURNAL_PROBE_GROUPS]; /* groups of the other way when each came */
    struct way *other;
};

static int commit(void *disk, int handle, struct iovec *parts, int count, uint64_t offset)
{
    struct way *way = disk;
    assert_true(handle >= 0);
    assert_int_equal(count, 1);
    assert_int_equal(offset, way->count * parts->iov_len);
    if (!way->slow_every || way->count % way->slow_every == 0)
        nanosleep(&(struct timespec){.tv_nsec = (long)way->takes_ns}, NULL);
    way->before[way->count++] = way->other->count;
    return way->count == way->fails_at ? -EIO : 0;
}

static int probe(struct way *first, struct way *second, uint64_t most_ns, uint64_t took_ns[2])
{
    struct journal_file_ops ways[2] = {journal_file_posix, journal_file_posix};
    ways[0].commit = ways[1].commit = commit;
    ways[0].disk = first;
    ways[1].disk = second;
    first->other = second;
    second->other = first;
    return journal_probe(ways, dir.fd, most_ns, took_ns);
}

static void assert_nothing_is_left(void)
{
    struct segment_id *ids = NULL;
    unsigned unknown = 0;
    char command[128];
    assert_int_equal(segment_list(dir.fd, &ids, &unknown), 0);
    free(ids);
    snprintf(command, sizeof command, "test -z \"$(ls -A %s)\"", dir.path);
    assert_int_equal(system(command), 0);
}

static void both_are_tried_in_turn_and_the_slower_one_is_told(void **state)
{
    (void)state;
    uint64_t took_ns[2];
    struct way first = {.takes_ns = NS_PER_MS}, second = {0};
    assert_int_equal(probe(&first, &second, 60 * NS_PER_S, took_ns), 0);
    assert_int_equal(first.count, JOURNAL_PROBE_GROUPS);
    assert_int_equal(second.count, JOURNAL_PROBE_GROUPS);
    for (unsigned i = 0; i < JOURNAL_PROBE_GROUPS; i++) {
        assert_int_equal(first.before[i], i);
        assert_int_equal(second.before[i], i + 1);
    }
    assert_true(took_ns[0] >= NS_PER_MS);
    assert_nothing_is_left();
}

static void one_slow_group_in_eight_is_seen(void **state)
{
    (void)state;
    uint64_t took_ns[2];
    struct way first = {.takes_ns = 20 * NS_PER_MS, .slow_every = 8}, second = {0};
    assert_int_equal(probe(&first, &second, 60 * NS_PER_S, took_ns), 0);
    assert_true(took_ns[0] >= 20 * NS_PER_MS);
    assert_true(took_ns[1] < took_ns[0]);
    assert_nothing_is_left();
}

static void a_slow_disk_is_not_tried_for_longer_than_it_may_take(void **state)
{
    (void)state;
    uint64_t took_ns[2];
    struct way first = {.takes_ns = 2 * NS_PER_MS}, second = {.takes_ns = 2 * NS_PER_MS};
    assert_int_equal(probe(&first, &second, NS_PER_MS, took_ns), 0);
    assert_int_equal(first.count, 1);
    assert_int_equal(second.count, 1);
    assert_true(took_ns[0] >= 2 * NS_PER_MS && took_ns[1] >= 2 * NS_PER_MS);
    assert_nothing_is_left();
}

static void one_that_fails_is_told_and_nothing_is_left(void **state)
{
    (void)state;
    uint64_t took_ns[2];
    struct way first = {0}, second = {.fails_at = 3};
    assert_int_equal(probe(&first, &second, 60 * NS_PER_S, took_ns), -EIO);
    assert_int_equal(second.count, 3);
    assert_nothing_is_left();
}

static void on_a_real_disk_both_take_some_time(void **state)
{
    (void)state;
    const struct journal_file_ops ways[2] = {journal_file_posix, journal_file_posix};
    uint64_t took_ns[2] = {0};
    assert_int_equal(journal_probe(ways, dir.fd, NS_PER_S, took_ns), 0);
    assert_true(took_ns[0] > 0 && took_ns[1] > 0);
    assert_nothing_is_left();
    assert_int_equal(journal_probe(ways, -1, NS_PER_S, took_ns), -EBADF);
}

static int setup(void **state)
{
    (void)state;
    kit_dir_make(&dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kit_dir_remove(&dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_are_tried_in_turn_and_the_slower_one_is_told),
        cmocka_unit_test(one_slow_group_in_eight_is_seen),
        cmocka_unit_test(a_slow_disk_is_not_tried_for_longer_than_it_may_take),
        cmocka_unit_test(one_that_fails_is_told_and_nothing_is_left),
        cmocka_unit_test(on_a_real_disk_both_take_some_time),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
