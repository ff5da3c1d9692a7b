/* test_segment_verify.c - a journal as verify sees it: torn, damaged, given up, or whole. */
#include <errno.h>

#include "dataplane/base/segment_verify.h"
#include "tests/unit/base/segment_kit.h"

static struct segment_found verify(struct fixture *f, struct segment_id id,
                                   enum segment_stand stand)
{
    struct segment_found found;
    assert_int_equal(segment_verify(&f->reader, id, stand, &found), 0);
    return found;
}

static void a_journal_as_it_was_written_is_whole(void **state)
{
    struct fixture *f = *state;
    begin_segment(f, first);
    add_block(f, first, 3, 8);
    add_block(f, first, 900, 250);
    uint64_t end = f->place.offset;
    begin_segment(f, second);
    add_block(f, second, 1, 1);
    struct segment_found found = verify(f, first, SEGMENT_FOLLOWED);
    assert_int_equal(found.state, SEGMENT_WHOLE);
    assert_null(found.what);
    assert_int_equal(found.blocks, 2);
    assert_int_equal(found.records, 903);
    assert_int_equal(found.offset, end);
    assert_int_equal(found.bytes, end);
    assert_int_equal(found.first_ordinal, 1);
    found = verify(f, second, SEGMENT_OPEN);
    assert_int_equal(found.state, SEGMENT_WHOLE);
    assert_int_equal(found.records, 1);
    assert_int_equal(found.first_ordinal, 904);
}

/* A sanitizer makes a look at all of them long: then every seventh, which comes by each place of a
 * byte. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BIT_STEP 7
#else
#define BIT_STEP 1
#endif

/* Every bit of a segment: its header, what is left of its page, blocks, what is left of theirs, the
 * room that was kept for more. */
static void a_flipped_bit_is_found_wherever_it_is(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[5 * BLOCK_ALIGN];
    char name[SEGMENT_NAME_MAX];
    segment_name(first, name);
    begin_segment(f, first);
    add_block(f, first, 2, 100);
    add_block(f, first, 1, 5000);
    assert_int_equal(f->place.offset, 4 * BLOCK_ALIGN);
    int fd = openat(f->dir.fd, name, O_RDWR | O_CLOEXEC);
    assert_int_equal(ftruncate(fd, sizeof bytes), 0);
    assert_int_equal(pread(fd, bytes, sizeof bytes, 0), sizeof bytes);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit += BIT_STEP) {
        uint8_t wrong = bytes[bit / 8] ^ (uint8_t)(1 << bit % 8);
        assert_int_equal(pwrite(fd, &wrong, 1, (off_t)(bit / 8)), 1);
        begin_reading(f);
        struct segment_found found = verify(f, first, SEGMENT_LAST);
        assert_int_equal(found.state, SEGMENT_DAMAGED);
        assert_non_null(found.what);
        assert_true(found.offset <= bit / 8);
        assert_true(found.offset / BLOCK_ALIGN + 2 > bit / 8 / BLOCK_ALIGN);
        assert_int_equal(pwrite(fd, &bytes[bit / 8], 1, (off_t)(bit / 8)), 1);
    }
    begin_reading(f);
    assert_int_equal(verify(f, first, SEGMENT_LAST).state, SEGMENT_WHOLE);
    close(fd);
}

static void what_is_being_written_is_no_damage(void **state)
{
    struct fixture *f = *state;
    char name[SEGMENT_NAME_MAX];
    segment_name(first, name);
    begin_segment(f, first);
    add_block(f, first, 2, 100);
    uint64_t end = f->place.offset;
    add_block(f, first, 1, 9000);
    kit_patch_file(f->dir.fd, name, "x", 1, end + 5000);
    struct segment_found found = verify(f, first, SEGMENT_OPEN);
    assert_int_equal(found.state, SEGMENT_UNFINISHED);
    assert_int_equal(found.offset, end);
    assert_int_equal(found.records, 2);
    begin_reading(f);
    assert_int_equal(verify(f, first, SEGMENT_LAST).state, SEGMENT_DAMAGED);
}

static void a_segment_that_was_never_written_to_is_empty_at_the_end_alone(void **state)
{
    struct fixture *f = *state;
    static const uint8_t page[BLOCK_ALIGN];
    char name[SEGMENT_NAME_MAX];
    segment_name(first, name);
    kit_write_file(f->dir.fd, name, page, sizeof page);
    assert_int_equal(verify(f, first, SEGMENT_LAST).state, SEGMENT_EMPTY);
    assert_int_equal(verify(f, first, SEGMENT_FOLLOWED).state, SEGMENT_DAMAGED);
    struct segment_found found;
    assert_int_equal(segment_verify(&f->reader, second, SEGMENT_LAST, &found), -ENOENT);
}

static void a_segment_from_elsewhere_does_not_follow(void **state)
{
    struct fixture *f = *state;
    begin_segment(f, first);
    add_block(f, first, 2, 100);
    f->place.prev_hash ^= 1;
    begin_segment(f, second);
    add_block(f, second, 2, 100);
    assert_int_equal(verify(f, first, SEGMENT_FOLLOWED).state, SEGMENT_WHOLE);
    assert_int_equal(verify(f, second, SEGMENT_LAST).state, SEGMENT_DAMAGED);
}

/* Makes the second segment go on behind the second block of the first, which has three. */
static void give_up_behind_two_blocks(struct fixture *f)
{
    begin_segment(f, first);
    add_block(f, first, 3, 8);
    add_block(f, first, 2, 8);
    struct block_place durable = f->place;
    add_block(f, first, 4, 8);
    f->place = durable;
    f->given_up = true;
    begin_segment(f, second);
    f->given_up = false;
    add_block(f, second, 4, 8);
}

static void what_a_failed_sync_left_is_not_read_twice(void **state)
{
    struct fixture *f = *state;
    give_up_behind_two_blocks(f);
    assert_int_equal(segment_reader_open(&f->reader, first), 0);
    expect_records(f, UINT64_MAX, 1, 5);
    expect_fault(f, UINT64_MAX, BLOCK_END);
    assert_true(f->reader.given_up);
    assert_int_equal(segment_reader_open(&f->reader, second), 0);
    expect_records(f, UINT64_MAX, 6, 9);
    expect_fault(f, UINT64_MAX, BLOCK_END);
}

static void a_reader_that_waits_in_a_segment_learns_where_it_was_given_up(void **state)
{
    struct fixture *f = *state;
    begin_segment(f, first);
    add_block(f, first, 3, 8);
    struct block_place durable = f->place;
    add_block(f, first, 4, 8);
    assert_int_equal(segment_reader_open(&f->reader, first), 0);
    expect_records(f, durable.offset, 1, 3);
    expect_fault(f, durable.offset, BLOCK_END);
    f->place = durable;
    f->given_up = true;
    begin_segment(f, second);
    f->given_up = false;
    add_block(f, second, 4, 8);
    expect_fault(f, UINT64_MAX, BLOCK_END);
    assert_int_equal(segment_reader_open(&f->reader, second), 0);
    expect_records(f, UINT64_MAX, 4, 7);
}

static void garbage_behind_the_end_of_a_segment_that_failed_is_no_damage(void **state)
{
    struct fixture *f = *state;
    char name[SEGMENT_NAME_MAX];
    give_up_behind_two_blocks(f);
    segment_name(first, name);
    kit_patch_file(f->dir.fd, name, "torn", 4, SEGMENT_HEADER_BYTES + 2 * BLOCK_ALIGN + 80);
    assert_int_equal(verify(f, first, SEGMENT_FOLLOWED).state, SEGMENT_WHOLE);
    assert_int_equal(verify(f, second, SEGMENT_LAST).state, SEGMENT_WHOLE);
    kit_patch_file(f->dir.fd, name, "rot", 3, SEGMENT_HEADER_BYTES + BLOCK_ALIGN + 80);
    assert_int_equal(verify(f, first, SEGMENT_FOLLOWED).state, SEGMENT_DAMAGED);
}

static void a_segment_whose_first_group_is_not_whole_holds_nothing(void **state)
{
    struct fixture *f = *state;
    char name[SEGMENT_NAME_MAX];
    begin_segment(f, first);
    add_block_of_group(f, first, 2);
    assert_int_equal(segment_holds_nothing(f->dir.fd, first), 0);
    segment_name(first, name);
    kit_patch_file(f->dir.fd, name, "torn", 4, 8);
    assert_int_equal(segment_holds_nothing(f->dir.fd, first), 1);
    /* A group that was written when the first was durable proves that the header was there. */
    add_block_of_group(f, first, 1);
    assert_int_equal(segment_holds_nothing(f->dir.fd, first), 0);
    kit_write_file(f->dir.fd, name, "", 0);
    assert_int_equal(segment_holds_nothing(f->dir.fd, first), 1);
    assert_int_equal(segment_holds_nothing(f->dir.fd, second), -ENOENT);
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        IN_DIR(what_a_failed_sync_left_is_not_read_twice),
        IN_DIR(a_reader_that_waits_in_a_segment_learns_where_it_was_given_up),
        IN_DIR(garbage_behind_the_end_of_a_segment_that_failed_is_no_damage),
        IN_DIR(a_segment_whose_first_group_is_not_whole_holds_nothing),
        IN_DIR(a_journal_as_it_was_written_is_whole),
        IN_DIR(a_flipped_bit_is_found_wherever_it_is),
        IN_DIR(what_is_being_written_is_no_damage),
        IN_DIR(a_segment_that_was_never_written_to_is_empty_at_the_end_alone),
        IN_DIR(a_segment_from_elsewhere_does_not_follow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
