/* test_journal_full.c - a disk that becomes full: told while there is room, and all that was taken
 * is kept. */
#include <errno.h>

#include "tests/unit/dataplane/journal_disk_kit.h"

static void stock_up(struct fixture *f)
{
    while (journal_stock_poll(&f->stock) > 0)
        ;
}

static void a_full_disk_is_told_while_there_is_room(void **state)
{
    (void)state;
    struct fixture *f = make_on(NULL, 55, 2);
    stock_up(f);
    assert_int_equal(f->stock.ready, 3);
    f->disk.full = true;
    assert_true(fill(f, 10, 100));
    assert_int_equal(journal_poll(f->journal), 1); /* takes one of three */
    assert_int_equal(f->journal->state, JOURNAL_OK);
    assert_int_equal(journal_stock_poll(&f->stock), -ENOSPC);
    assert_int_equal(journal_poll(f->journal), 0);
    assert_int_equal(f->journal->state, JOURNAL_DISK_FULL);
    assert_int_equal(f->journal->error, ENOSPC);
    assert_false(journal_is_refusing(f->journal));
    assert_int_equal(block_ring_count(&f->empty), BLOCKS);
    journal_fini(f->journal);
    destroy(f);
}

/* Fills all blocks there are, round after round, until none comes back. */
static unsigned fill_up(struct fixture *f)
{
    unsigned rounds = 0;
    for (bool any = true; any; rounds++) {
        any = false;
        while (fill(f, 1100, 200))
            any = true;
        if (any)
            assert_true(journal_poll(f->journal) > 0);
        (void)journal_stock_poll(&f->stock);
    }
    return rounds;
}

static void the_reserve_holds_all_that_was_taken(void **state)
{
    (void)state;
    uint32_t reserve = journal_stock_reserve(BLOCKS * BLOCK_BYTES, SEGMENT_BYTES, 1);
    struct fixture *f = make_on(NULL, 55, reserve);
    assert_in_range(reserve, 8, FILES_MAX / 2);
    stock_up(f);
    f->disk.full = true;
    assert_true(fill_up(f) >= 2);
    /* Everything is durable, nothing has failed, and no block is to be had. */
    assert_int_equal(f->journal->state, JOURNAL_DISK_FULL);
    assert_true(journal_is_refusing(f->journal));
    assert_int_equal(f->journal->mark.ordinal, f->next_ordinal - 1);
    assert_int_equal(f->journal->counters.error_count, 0);
    assert_int_equal(block_ring_count(&f->empty), 0);
    assert_int_equal(survivors(f, true), f->next_ordinal - 1);
    /* Room for less than the reserve does not do; room for it does. */
    f->disk.room = 100;
    f->stock.retry_ns = 0;
    assert_int_equal(journal_stock_poll(&f->stock), 1);
    stock_up(f);
    assert_int_equal(journal_poll(f->journal), 0);
    assert_int_equal(f->journal->state, JOURNAL_OK);
    assert_int_equal(block_ring_count(&f->empty), BLOCKS);
    assert_true(fill(f, 1, 1));
    assert_int_equal(journal_poll(f->journal), 1);
    assert_int_equal(survivors(f, true), f->next_ordinal - 1);
    journal_fini(f->journal);
    destroy(f);
}

static void who_stops_gets_the_blocks_that_were_kept_back(void **state)
{
    (void)state;
    struct fixture *f =
        make_on(NULL, 55, journal_stock_reserve(BLOCKS * BLOCK_BYTES, SEGMENT_BYTES, 1));
    stock_up(f);
    f->disk.full = true;
    fill_up(f);
    assert_int_equal(block_ring_count(&f->empty), 0);
    journal_end_soon(f->journal);
    assert_int_equal(journal_poll(f->journal), 0);
    assert_int_equal(block_ring_count(&f->empty), BLOCKS);
    journal_fini(f->journal);
    destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_is_told_while_there_is_room),
        cmocka_unit_test(the_reserve_holds_all_that_was_taken),
        cmocka_unit_test(who_stops_gets_the_blocks_that_were_kept_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
