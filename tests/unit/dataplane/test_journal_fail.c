/* test_journal_fail.c - the mark never passes what the disk has, whichever of its operations fails.
 */
#include <errno.h>

#include "tests/unit/dataplane/journal_disk_kit.h"

/* Four rounds over several segments; the mark never passes what was filled. */
static void run(struct fixture *f)
{
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 4; i++)
            fill(f, 700, 200);
        journal_stock_poll(&f->stock);
        uint64_t durable = f->journal->mark.ordinal;
        int rc = journal_poll(f->journal);
        assert_true(rc < 0 || f->journal->mark.ordinal == f->next_ordinal - 1);
        assert_true(f->journal->mark.ordinal >= durable);
        assert_true(rc >= 0 || survivors(f, true) >= f->journal->mark.ordinal);
    }
    assert_true(survivors(f, false) >= f->journal->mark.ordinal);
}

static unsigned operations(void)
{
    struct fixture *f = make(0, 0);
    run(f);
    unsigned count = f->disk.op_count;
    journal_fini(f->journal);
    destroy(f);
    assert_in_range(count, 14, 100);
    return count;
}

/* Any operation that fails once, whether what it did is there or not. */
static void what_fails_once_is_written_again_in_a_new_segment(void **state)
{
    (void)state;
    unsigned op_count = operations(), given_up = 0;
    for (unsigned n = 1; n <= op_count; n++)
        for (unsigned lies = 0; lies < 2; lies++) {
            struct fixture *f = make(n, EIO);
            f->disk.lies = lies;
            run(f);
            assert_int_equal(f->journal->mark.ordinal, f->next_ordinal - 1);
            assert_int_equal(f->journal->durable.total, f->next_ordinal - 1);
            assert_int_equal(block_ring_count(&f->empty), BLOCKS);
            assert_false(journal_is_refusing(f->journal));
            given_up += (unsigned)f->journal->counters.given_up;
            assert_int_equal(survivors(f, true), f->next_ordinal - 1);
            journal_fini(f->journal);
            assert_int_equal(survivors(f, false), f->next_ordinal - 1);
            destroy(f);
        }
    assert_in_range(given_up, 2, 2 * op_count);
}

/* A disk that fails for good stops everything; one that is mended has nothing lost. */
static void a_disk_that_fails_and_is_mended_goes_on_by_itself(void **state)
{
    (void)state;
    static const int errors[] = {EIO, ENOSPC};
    unsigned op_count = operations(), failed = 0;
    for (unsigned n = 1; n <= op_count; n++)
        for (unsigned e = 0; e < 2; e++) {
            struct fixture *f = make(n, errors[e]);
            f->disk.fail_count = 1000;
            run(f);
            uint64_t ordinal = f->journal->mark.ordinal;
            if (ordinal == f->next_ordinal - 1) { /* it met the close of the last segment alone */
                journal_fini(f->journal);
                destroy(f);
                continue;
            }
            failed++;
            for (unsigned i = 0; i < JOURNAL_TRIES; i++) {
                f->journal->retry_ns = 0;
                f->stock.retry_ns = 0;
                assert_int_equal(journal_poll(f->journal), -errors[e]);
            }
            assert_true(journal_has_failed(f->journal));
            assert_true(journal_is_refusing(f->journal));
            assert_int_equal(f->journal->error, errors[e]);
            /* Not before its time. */
            unsigned asked = f->disk.op_count;
            assert_int_equal(journal_poll(f->journal), -errors[e]);
            assert_int_equal(f->disk.op_count, asked);
            assert_int_equal(f->journal->mark.ordinal, ordinal);
            assert_int_equal(f->journal->durable.total, ordinal);

            f->disk.fail_at = 0;
            f->journal->retry_ns = 0;
            while (f->journal->mark.ordinal < f->next_ordinal - 1)
                assert_true(journal_poll(f->journal) > 0);
            f->stock.retry_ns = 0;
            journal_stock_poll(&f->stock);
            assert_int_equal(journal_poll(f->journal), 0);
            assert_int_equal(f->journal->state, JOURNAL_OK);
            assert_false(journal_is_refusing(f->journal));
            assert_int_equal(block_ring_count(&f->empty), BLOCKS);
            assert_int_equal(survivors(f, true), f->next_ordinal - 1);
            journal_fini(f->journal);
            destroy(f);
        }
    assert_true(failed > op_count);
}

/* What happens when troved is stopped while its disk fails: everything stays for recovery. */
static void nothing_is_cut_of_a_segment_that_failed_last(void **state)
{
    (void)state;
    struct fixture *f = make(0, EIO);
    assert_true(fill(f, 10, 100));
    assert_int_equal(journal_poll(f->journal), 1);
    f->disk.fail_at = f->disk.op_count + 1;
    f->disk.fail_count = 1000;
    f->disk.lies = true;
    assert_true(fill(f, 5, 100));
    assert_int_equal(journal_poll(f->journal), -EIO);
    f->disk.fail_at = 0;
    journal_fini(f->journal);
    assert_int_equal(f->disk.files[0].bytes, SEGMENT_BYTES);
    assert_int_equal(survivors(f, false), 15);
    destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fails_once_is_written_again_in_a_new_segment),
        cmocka_unit_test(a_disk_that_fails_and_is_mended_goes_on_by_itself),
        cmocka_unit_test(nothing_is_cut_of_a_segment_that_failed_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
