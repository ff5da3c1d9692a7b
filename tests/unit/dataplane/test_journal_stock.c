/* test_journal_stock.c - files are ready before they are needed, made once, and gone at the end. */
#include "tests/unit/journal_kit.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>

#include "dataplane/base/clock.h"
#include "dataplane/journal_stock.h"

#define SEGMENT_BYTES (512u << 10)

struct fixture {
    struct kit_dir dir;
    struct journal_stock stock;
};

static const struct segment_id first = {.epoch = 3, .shard = 2, .number = 1};
static const struct segment_id second = {.epoch = 3, .shard = 2, .number = 2};

static void begin_ahead(struct fixture *f, uint32_t ahead, uint32_t reserve,
                        const struct journal_file_ops *ops)
{
    kit_dir_make(&f->dir);
    const struct journal_stock_wiring wiring = {
        .ops = *ops,
        .dir_fd = f->dir.fd,
        .shard = 2,
        .ahead = ahead,
        .reserve = reserve,
        .segment_bytes = SEGMENT_BYTES,
    };
    assert_int_equal(journal_stock_init(&f->stock, &wiring), 0);
}

static void begin(struct fixture *f, uint32_t reserve, const struct journal_file_ops *ops)
{
    begin_ahead(f, 1, reserve, ops);
}

static void end(struct fixture *f)
{
    journal_stock_fini(&f->stock);
    kit_dir_remove(&f->dir);
}

static bool is_there(struct fixture *f, const char *name, uint64_t bytes)
{
    struct stat st;
    if (fstatat(f->dir.fd, name, &st, 0))
        return false;
    assert_int_equal(st.st_size, bytes);
    return true;
}

static void take(struct fixture *f, struct segment_id id)
{
    int handle = journal_stock_take(&f->stock, id);
    assert_true(handle >= 0);
    close(handle);
}

static void as_many_are_made_as_are_wanted_and_the_rest_go_at_the_end(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 2, &journal_file_posix);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(journal_stock_poll(&f.stock), 1);
    assert_int_equal(journal_stock_poll(&f.stock), 0);
    assert_int_equal(f.stock.ready, 3);
    take(&f, first);
    assert_true(is_there(&f, "000003-002-000001.seg", SEGMENT_BYTES));
    assert_false(is_there(&f, "spare-002-000001.tmp", SEGMENT_BYTES));
    assert_true(is_there(&f, "spare-002-000002.tmp", SEGMENT_BYTES));
    assert_int_equal(journal_stock_poll(&f.stock), 1);
    journal_stock_fini(&f.stock);
    struct segment_id *ids;
    unsigned unknown;
    assert_int_equal(segment_list(f.dir.fd, &ids, &unknown), 1);
    free(ids);
    assert_false(is_there(&f, "spare-002-000002.tmp", SEGMENT_BYTES));
    end(&f);
}

static void what_is_made_is_zeros(void **state)
{
    (void)state;
    struct fixture f;
    struct stat st;
    uint8_t *bytes = malloc(SEGMENT_BYTES);
    begin(&f, 0, &journal_file_posix);
    assert_int_equal(journal_stock_poll(&f.stock), 1);
    int fd = openat(f.dir.fd, "spare-002-000001.tmp", O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, bytes, SEGMENT_BYTES), SEGMENT_BYTES);
    for (size_t i = 0; i < SEGMENT_BYTES; i++)
        assert_int_equal(bytes[i], 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_true((uint64_t)st.st_blocks * 512 >= SEGMENT_BYTES);
    close(fd);
    free(bytes);
    end(&f);
}

static void the_same_segment_again_replaces_what_was_taken_and_nothing_else(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 0, &journal_file_posix);
    kit_write_file(f.dir.fd, "000003-002-000002.seg", "precious", 8);
    for (unsigned i = 0; i < 2; i++) {
        int handle = journal_stock_take(&f.stock, first);
        assert_true(handle >= 0);
        assert_int_equal(write(handle, "x", 0), 0);
        close(handle);
    }
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(journal_stock_take(&f.stock, second), -EEXIST);
    assert_true(is_there(&f, "000003-002-000002.seg", 8));
    end(&f);
}

static void what_a_crash_left_is_cleared_and_nothing_else(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 0, &journal_file_posix);
    kit_write_file(f.dir.fd, "spare-000-000001.tmp", "x", 1);
    kit_write_file(f.dir.fd, "spare-041-000007.tmp", "x", 1);
    kit_write_file(f.dir.fd, "000003-002-000001.seg", "x", 1);
    kit_write_file(f.dir.fd, "spare", "x", 1);
    assert_int_equal(journal_stock_clear(f.dir.fd), 0);
    assert_false(is_there(&f, "spare-000-000001.tmp", 1));
    assert_false(is_there(&f, "spare-041-000007.tmp", 1));
    assert_true(is_there(&f, "000003-002-000001.seg", 1));
    assert_true(is_there(&f, "spare", 1));
    end(&f);
}

/* ---- two threads ---- */

static _Atomic int making, go_on;

static int slow_make(void *disk, int dir_fd, const char *name, uint64_t bytes, uint32_t pauses)
{
    making = making + 1;
    while (!go_on)
        ;
    return journal_file_posix.make(disk, dir_fd, name, bytes, pauses);
}

static void *keeper(void *arg)
{
    assert_int_equal(journal_stock_poll(arg), 1);
    return NULL;
}

static void *release(void *arg)
{
    (void)arg;
    usleep(20000);
    go_on = 1;
    return NULL;
}

static void who_comes_while_one_is_made_gets_that_one(void **state)
{
    (void)state;
    struct fixture f;
    struct journal_file_ops ops = journal_file_posix;
    pthread_t threads[2];
    ops.make = slow_make;
    begin(&f, 0, &ops);
    pthread_create(&threads[0], NULL, keeper, &f.stock);
    while (!making)
        ;
    pthread_create(&threads[1], NULL, release, NULL);
    take(&f, first);
    assert_int_equal(making, 1);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    end(&f);
}

/* ---- no room ---- */

static bool full;

static int full_make(void *disk, int dir_fd, const char *name, uint64_t bytes, uint32_t pauses)
{
    return full ? -ENOSPC : journal_file_posix.make(disk, dir_fd, name, bytes, pauses);
}

static uint32_t leisure[8];
static unsigned made;

static int noted_make(void *disk, int dir_fd, const char *name, uint64_t bytes, uint32_t pauses)
{
    leisure[made++] = pauses;
    return journal_file_posix.make(disk, dir_fd, name, bytes, pauses);
}

static void the_more_there_are_the_less_it_hurries(void **state)
{
    (void)state;
    struct fixture f;
    struct journal_file_ops ops = journal_file_posix;
    ops.make = noted_make;
    begin_ahead(&f, 3, 2, &ops);
    for (made = 0; made < 5;)
        assert_int_equal(journal_stock_poll(&f.stock), 1);
    assert_int_equal(journal_stock_poll(&f.stock), 0);
    static const uint32_t filling[] = {0, 0, 1, 2, 3}; /* the reserve, then the rest */
    assert_memory_equal(leisure, filling, sizeof filling);
    take(&f, first);
    assert_int_equal(journal_stock_poll(&f.stock), 1);
    assert_int_equal(leisure[5], 3);
    for (uint32_t number = 2; number < 6; number++)
        take(&f, (struct segment_id){.epoch = 3, .shard = 2, .number = number});
    assert_int_equal(journal_stock_poll(&f.stock), 1);
    assert_int_equal(leisure[6], 0);
    end(&f);
}

static void before_anything_is_written_all_that_is_wanted_ahead_is_made_without_pauses(void **state)
{
    (void)state;
    struct fixture f;
    struct journal_file_ops ops = journal_file_posix;
    ops.make = noted_make;
    begin_ahead(&f, 3, 1, &ops);
    made = 0;
    assert_int_equal(journal_stock_fill(&f.stock), 0);
    static const uint32_t none[3];
    assert_int_equal(made, 3);
    assert_memory_equal(leisure, none, sizeof none);
    assert_int_equal(f.stock.ready, 3);
    end(&f);
    ops.make = full_make;
    full = true;
    begin_ahead(&f, 3, 1, &ops);
    assert_int_equal(journal_stock_fill(&f.stock), -ENOSPC);
    assert_int_equal(f.stock.error, ENOSPC);
    end(&f);
    full = false;
}

static unsigned rests;
static uint64_t rested_ns, rested_all_ns, room_most, room_all;

int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left);

int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left)
{
    (void)left;
    rests++;
    rested_ns = (uint64_t)wanted->tv_sec * NS_PER_S + (uint64_t)wanted->tv_nsec;
    rested_all_ns += rested_ns;
    return 0;
}

int __wrap_fallocate64(int fd, int mode, off_t at, off_t bytes);
int __real_fallocate64(int fd, int mode, off_t at, off_t bytes);

int __wrap_fallocate64(int fd, int mode, off_t at, off_t bytes)
{
    room_all += (uint64_t)bytes;
    room_most = room_most > (uint64_t)bytes ? room_most : (uint64_t)bytes;
    return __real_fallocate64(fd, mode, at, bytes);
}

static uint64_t busy_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* The file is in memory. */
static void a_file_is_made_in_pieces_and_the_core_left_for_half_as_long(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t bytes = (40u << 20) + SEGMENT_BYTES;
    begin(&f, 0, &journal_file_posix);
    rests = 0;
    rested_all_ns = room_most = room_all = 0;
    uint64_t before_ns = busy_ns();
    int handle = journal_file_posix.make(NULL, f.dir.fd, "a", bytes, 0);
    uint64_t took_ns = busy_ns() - before_ns;
    assert_true(handle >= 0 && rests == 41);
    assert_in_range(rested_all_ns, took_ns / 4, took_ns / 2);
    assert_int_equal(room_all, bytes);
    assert_int_equal(room_most, 16u << 20);
    close(handle);
    end(&f);
}

static void rest(uint32_t pauses)
{
    struct fixture f;
    begin(&f, 0, &journal_file_posix);
    rests = 0;
    room_all = 0;
    int handle = journal_file_posix.make(NULL, f.dir.fd, "a", SEGMENT_BYTES, pauses);
    assert_true(handle >= 0);
    close(handle);
    end(&f);
}

static void behind_each_write_is_a_pause_and_none_is_longer_than_a_second(void **state)
{
    (void)state;
    rest(1);
    assert_true(rests > 0 && rested_ns > 0 && rested_ns < NS_PER_S - 1);
    rest(UINT32_MAX);
    assert_true(rests > 0);
    assert_int_equal(rested_ns, NS_PER_S - 1);
}

static void it_is_short_when_the_reserve_is_begun_and_no_file_can_be_made(void **state)
{
    (void)state;
    struct fixture f;
    struct journal_file_ops ops = journal_file_posix;
    ops.make = full_make;
    begin(&f, 1, &ops);
    assert_int_equal(journal_stock_poll(&f.stock), 1);
    assert_int_equal(journal_stock_poll(&f.stock), 1);
    full = true;
    take(&f, first);
    assert_false(journal_stock_is_short(&f.stock));
    assert_int_equal(journal_stock_poll(&f.stock), -ENOSPC);
    assert_int_equal(f.stock.error, ENOSPC);
    assert_false(journal_stock_is_short(&f.stock));
    take(&f, second);
    assert_true(journal_stock_is_short(&f.stock));
    full = false;
    assert_int_equal(journal_stock_poll(&f.stock), 0); /* not before its time */
    f.stock.retry_ns = 0;
    assert_int_equal(journal_stock_poll(&f.stock), 1);
    assert_false(journal_stock_is_short(&f.stock));
    assert_int_equal(f.stock.error, 0);
    end(&f);
}

static void the_reserve_holds_any_blocks_of_the_buffer(void **state)
{
    (void)state;
    uint64_t mib = 1u << 20;
    assert_int_equal(journal_stock_reserve(64 * mib, 256 * mib, 0), 1);
    assert_int_equal(journal_stock_reserve(64 * mib, 256 * mib, 3), 3);
    assert_int_equal(journal_stock_reserve(256 * mib, 256 * mib, 1), 2);
    /* Blocks of BLOCK_BYTES, as many as fit behind each header. */
    for (uint64_t blocks = 8; blocks < 100; blocks++)
        for (uint64_t bytes = mib; bytes < 4 * mib; bytes += 300 * BLOCK_ALIGN) {
            uint64_t each = (bytes - SEGMENT_HEADER_BYTES) / BLOCK_BYTES;
            assert_true(journal_stock_reserve(blocks * BLOCK_BYTES, bytes, 0) * each >= blocks);
        }
    assert_int_equal(journal_stock_reserve(UINT64_MAX / 2, mib, 0), JOURNAL_RESERVE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_are_made_as_are_wanted_and_the_rest_go_at_the_end),
        cmocka_unit_test(what_is_made_is_zeros),
        cmocka_unit_test(the_same_segment_again_replaces_what_was_taken_and_nothing_else),
        cmocka_unit_test(what_a_crash_left_is_cleared_and_nothing_else),
        cmocka_unit_test(who_comes_while_one_is_made_gets_that_one),
        cmocka_unit_test(the_more_there_are_the_less_it_hurries),
        cmocka_unit_test(
            before_anything_is_written_all_that_is_wanted_ahead_is_made_without_pauses),
        cmocka_unit_test(a_file_is_made_in_pieces_and_the_core_left_for_half_as_long),
        cmocka_unit_test(behind_each_write_is_a_pause_and_none_is_longer_than_a_second),
        cmocka_unit_test(it_is_short_when_the_reserve_is_begun_and_no_file_can_be_made),
        cmocka_unit_test(the_reserve_holds_any_blocks_of_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
