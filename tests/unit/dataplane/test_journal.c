/* test_journal.c - groups, marks and segments, on a disk in memory and on a real one. */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/unit/dataplane/journal_disk_kit.h"

static void nothing_waiting_is_nothing_done(void **state)
{
    (void)state;
    struct fixture *f = make(0, 0);
    assert_int_equal(journal_poll(f->journal), 0);
    journal_fini(f->journal);
    assert_int_equal(f->disk.op_count, 0);
    destroy(f);
}

static void a_group_takes_one_sync_and_then_the_mark_moves(void **state)
{
    (void)state;
    struct fixture *f = make(0, 0);
    for (unsigned i = 0; i < 5; i++)
        assert_true(fill(f, 10, 100));
    assert_int_equal(f->journal->mark.ordinal, 0);
    assert_int_equal(journal_poll(f->journal), 5);
    assert_int_equal(f->disk.syncs, 1);
    assert_int_equal(f->journal->mark.ordinal, 50);
    assert_int_equal(f->journal->mark.position, SEGMENT_POSITION(1, 4096 + 5 * 4096));
    assert_int_equal(f->journal->durable.total, 50);
    assert_int_equal(f->journal->sync.total, 1);
    assert_int_equal(f->journal->counters.blocks, 5);
    assert_int_equal(f->journal->counters.syncs, 1);
    assert_int_equal(f->journal->counters.bytes, 4096 + 5 * 4096);
    assert_int_equal(block_ring_count(&f->empty), BLOCKS);
    assert_int_equal(survivors(f, true), 50);
    journal_fini(f->journal);
    assert_int_equal(f->disk.files[0].bytes, 4096 + 5 * 4096);
    destroy(f);
}

static void segments_follow_one_another_with_an_unbroken_chain(void **state)
{
    (void)state;
    struct fixture *f = make(0, 0);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 4; i++)
            assert_true(fill(f, 700, 200));
        assert_int_equal(journal_poll(f->journal), 4);
        assert_int_equal(block_ring_count(&f->empty), BLOCKS);
        assert_int_equal(survivors(f, true), (round + 1) * 2800);
    }
    assert_true(f->journal->counters.segments >= 3);
    assert_int_equal(f->journal->counters.segments, f->disk.file_count);
    for (unsigned i = 0; i + 1 < f->disk.file_count; i++) {
        assert_false(f->disk.files[i].open);
        assert_true(f->disk.files[i].bytes < SEGMENT_BYTES);
    }
    assert_string_equal(f->disk.files[1].name, "000004-001-000002.seg");
    assert_int_equal(f->journal->mark.position >> 40, f->disk.file_count);
    journal_fini(f->journal);
    assert_int_equal(survivors(f, true), 8400);
    destroy(f);
}

static void a_segment_is_filled_to_its_last_page(void **state)
{
    (void)state;
    struct fixture *f = make(0, 0);
    for (unsigned i = 0; i < SEGMENT_BYTES / BLOCK_ALIGN; i++) {
        assert_true(fill(f, 1, 10));
        assert_int_equal(journal_poll(f->journal), 1);
    }
    assert_int_equal(f->disk.file_count, 2);
    assert_int_equal(f->disk.files[0].bytes, SEGMENT_BYTES);
    journal_fini(f->journal);
    assert_int_equal(f->disk.files[1].bytes, 2 * BLOCK_ALIGN);
    destroy(f);
}

static void blocks_come_back_only_when_durable(void **state)
{
    (void)state;
    /* Three blocks of which two fill the segment: make, adopt, and its commit fails for good. */
    struct fixture *f = make(3, EIO);
    f->disk.fail_count = 1000;
    for (unsigned i = 0; i < 3; i++)
        assert_true(fill(f, 1100, 200));
    assert_int_equal(journal_poll(f->journal), -EIO);
    assert_int_equal(block_ring_count(&f->empty), BLOCKS - 3);
    journal_fini(f->journal);
    destroy(f);
    /* The second segment cannot be made: what the first one holds is durable all the same. */
    f = make(5, ENOSPC);
    f->disk.fail_count = 1000;
    for (unsigned i = 0; i < 3; i++)
        assert_true(fill(f, 1100, 200));
    assert_int_equal(journal_poll(f->journal), -ENOSPC);
    assert_int_equal(f->disk.file_count, 1);
    assert_int_equal(f->journal->mark.ordinal, 2200);
    assert_int_equal(block_ring_count(&f->empty), BLOCKS - 1);
    assert_int_equal(survivors(f, true), 2200);
    journal_fini(f->journal);
    destroy(f);
}

static uint64_t file_bytes(int dir_fd, const char *name)
{
    struct stat st;
    assert_int_equal(fstatat(dir_fd, name, &st, 0), 0);
    return (uint64_t)st.st_size;
}

static void a_real_disk_keeps_it_too(void **state)
{
    (void)state;
    struct kit_dir dir;
    kit_dir_make_in(&dir, "/tmp");
    struct fixture *f = make_on(&journal_file_posix, dir.fd, 0);
    for (unsigned i = 0; i < 4; i++)
        assert_true(fill(f, 700, 200));
    assert_int_equal(journal_poll(f->journal), 4);
    assert_int_equal(f->journal->counters.segments, 2);
    assert_int_equal(file_bytes(dir.fd, "000004-001-000002.seg"), SEGMENT_BYTES);
    journal_fini(f->journal);
    uint64_t end = f->journal->mark.position & ((1ull << 40) - 1);
    assert_int_equal(file_bytes(dir.fd, "000004-001-000002.seg"), end);

    struct segment_reader reader;
    enum block_fault fault;
    assert_int_equal(segment_reader_init(&reader, dir.fd), 0);
    for (uint32_t number = 1, ordinal = 0; number <= 2; number++) {
        const struct record *record;
        assert_int_equal(segment_reader_open(&reader, (struct segment_id){4, 1, number}), 0);
        while ((record = segment_reader_next(&reader, UINT64_MAX, &fault)))
            assert_int_equal(record->seq, ++ordinal);
        assert_int_equal(fault, BLOCK_END);
        assert_int_equal(ordinal, f->journal->place.next_ordinal - 1 - (number == 1 ? 700 : 0));
    }
    segment_reader_fini(&reader);
    kit_dir_remove(&dir);
    destroy(f);
}

static void a_segment_that_exists_is_never_written_over(void **state)
{
    (void)state;
    struct kit_dir dir;
    kit_dir_make(&dir);
    struct fixture *f = make_on(&journal_file_posix, dir.fd, 0);
    kit_write_file(dir.fd, "000004-001-000001.seg", "precious", 8);
    assert_true(fill(f, 1, 1));
    for (unsigned i = 0; i < 2 * JOURNAL_TRIES; i++) {
        f->journal->retry_ns = 0;
        assert_int_equal(journal_poll(f->journal), -EEXIST);
    }
    assert_int_equal(file_bytes(dir.fd, "000004-001-000001.seg"), 8);
    journal_fini(f->journal);
    kit_dir_remove(&dir);
    destroy(f);
}

static void a_disk_that_takes_only_a_part_is_an_error(void **state)
{
    (void)state;
    static uint8_t pages[3][BLOCK_ALIGN] __attribute__((aligned(BLOCK_ALIGN)));
    struct kit_dir dir;
    kit_dir_make(&dir);
    int handle = journal_file_posix.make(NULL, dir.fd, "x", BLOCK_ALIGN, false);
    assert_true(handle >= 0);
    struct iovec parts[3];
    for (unsigned i = 0; i < 3; i++)
        parts[i] = (struct iovec){.iov_base = pages[i], .iov_len = BLOCK_ALIGN};
    struct rlimit was, full = {.rlim_cur = 2 * BLOCK_ALIGN};
    getrlimit(RLIMIT_FSIZE, &was);
    full.rlim_max = was.rlim_max;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &full);
    assert_int_equal(journal_file_posix.commit(NULL, handle, parts, 3, 0), -EFBIG);
    setrlimit(RLIMIT_FSIZE, &was);
    signal(SIGXFSZ, handler);
    assert_int_equal(file_bytes(dir.fd, "x"), 2 * BLOCK_ALIGN);
    /* What is left begins where the disk stopped. */
    assert_int_equal(journal_file_posix.commit(NULL, handle, &parts[2], 1, 2 * BLOCK_ALIGN), 0);
    assert_int_equal(file_bytes(dir.fd, "x"), 3 * BLOCK_ALIGN);
    assert_int_equal(journal_file_posix.close(NULL, handle, BLOCK_ALIGN), 0);
    assert_int_equal(file_bytes(dir.fd, "x"), BLOCK_ALIGN);
    kit_dir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_waiting_is_nothing_done),
        cmocka_unit_test(a_group_takes_one_sync_and_then_the_mark_moves),
        cmocka_unit_test(segments_follow_one_another_with_an_unbroken_chain),
        cmocka_unit_test(a_segment_is_filled_to_its_last_page),
        cmocka_unit_test(blocks_come_back_only_when_durable),
        cmocka_unit_test(a_real_disk_keeps_it_too),
        cmocka_unit_test(a_segment_that_exists_is_never_written_over),
        cmocka_unit_test(a_disk_that_takes_only_a_part_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
