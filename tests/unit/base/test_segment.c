/* test_segment.c - segment names, headers and lists; a reader that stops at its limit and at
 * damage, and nowhere else. */
#include <errno.h>

#include "dataplane/base/segment_verify.h"
#include "tests/unit/base/segment_kit.h"

static void names_come_back_and_only_one_name_is_a_segments(void **state)
{
    (void)state;
    static const struct segment_id ids[] = {
        {1, 0, 1}, {999999, 999, 999999}, {1000000, 12, 1000000}, {999999999, 1, 0xffffff}};
    for (unsigned i = 0; i < sizeof ids / sizeof *ids; i++) {
        char name[SEGMENT_NAME_MAX];
        struct segment_id id;
        segment_name(ids[i], name);
        assert_int_equal(segment_name_parse(name, &id), 0);
        assert_memory_equal(&id, &ids[i], sizeof id);
    }
    static const char *const wrong[] = {
        "",
        "1-2-3.seg",
        "000001-002-000003",
        "000001-002-000003.seg.zst",
        "0000001-002-000003.seg",
        "000001-0002-000003.seg",
        "000001-1000-000003.seg",
        "000001-002-16777216.seg",
        "1000000000-002-000003.seg",
        "99999999999999999999-002-000003.seg",
        "000001_002_000003.seg",
        "+00001-002-000003.seg",
        " 000001-002-000003.seg",
        "000001-002--00003.seg",
        "cursor",
    };
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct segment_id id;
        assert_int_equal(segment_name_parse(wrong[i], &id), -EINVAL);
    }
}

static void spare_files_have_names_of_their_own(void **state)
{
    struct fixture *f = *state;
    char name[SEGMENT_NAME_MAX];
    struct segment_id id, *ids;
    unsigned unknown;
    segment_spare_name(7, 12, name);
    assert_string_equal(name, "spare-007-000012.tmp");
    assert_true(segment_is_temporary(name));
    assert_int_equal(segment_name_parse(name, &id), -EINVAL);
    kit_write_file(f->dir.fd, name, "", 0);
    assert_int_equal(segment_list(f->dir.fd, &ids, &unknown), 0);
    assert_int_equal(unknown, 0);
    free(ids);
    static const char *const others[] = {"spare-007-12", "spare-.tmp", "spare-007-000012.tmp2",
                                         "000001-000-000001.seg"};
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(segment_is_temporary(others[i]));
}

static void a_header_comes_back_and_a_damaged_one_does_not(void **state)
{
    (void)state;
    uint8_t page[SEGMENT_HEADER_BYTES];
    struct segment_header out, in = {.file_id = 1, .epoch = 3, .number = 9, .created_ns = 55};
    segment_header_encode(&in, page);
    assert_int_equal(segment_header_decode(page, &out), 0);
    assert_int_equal(out.number, 9);
    assert_int_equal(out.created_ns, 55);
    for (unsigned i = 0; i < sizeof in; i++) {
        page[i] ^= 0x10;
        assert_int_equal(segment_header_decode(page, &out), -EBADMSG);
        page[i] ^= 0x10;
    }
    /* A later format with a right checksum. */
    uint32_t format = SEGMENT_FORMAT + 1, crc;
    memcpy(page + offsetof(struct segment_header, format), &format, 4);
    crc = crc32c(0, page + 12, sizeof in - 12);
    memcpy(page + offsetof(struct segment_header, crc), &crc, 4);
    assert_int_equal(segment_header_decode(page, &out), -EPROTONOSUPPORT);
}

static void the_list_is_in_order_and_counts_strangers(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {
        "000002-000-000001.seg", "000001-001-000002.seg",  "000001-000-000010.seg", "notes.txt",
        "000001-001-000001.seg", "1000000-000-000001.seg", "000001-000-000009.seg", "x.seg"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        kit_write_file(f->dir.fd, names[i], "", 0);
    struct segment_id *ids;
    unsigned unknown;
    assert_int_equal(segment_list(f->dir.fd, &ids, &unknown), 6);
    assert_int_equal(unknown, 2);
    static const struct segment_id want[] = {{1, 0, 9}, {1, 0, 10}, {1, 1, 1},
                                             {1, 1, 2}, {2, 0, 1},  {1000000, 0, 1}};
    assert_memory_equal(ids, want, sizeof want);
    free(ids);
    assert_int_equal(segment_list(-1, &ids, &unknown), -EBADF);
    assert_null(ids);
}

static void an_empty_directory_lists_nothing(void **state)
{
    struct fixture *f = *state;
    struct segment_id *ids;
    unsigned unknown;
    assert_int_equal(segment_list(f->dir.fd, &ids, &unknown), 0);
    free(ids);
}

static void reads_all_records_over_blocks_of_every_size(void **state)
{
    struct fixture *f = *state;
    begin_segment(f, first);
    add_block(f, first, 1, 0);
    add_block(f, first, 100, 8);    /* just under a page */
    add_block(f, first, 1000, 200); /* nearly full */
    add_block(f, first, 0, 0);      /* empty: is passed over */
    add_block(f, first, 1, 3968);   /* header and records fill the page */
    add_block(f, first, 1, 3976);   /* one word more */
    assert_int_equal(segment_reader_open(&f->reader, first), 0);
    assert_int_equal(f->reader.partition_count, 256);
    assert_int_equal(f->reader.key_fingerprint, 4242);
    expect_records(f, UINT64_MAX, 1, 1103);
    assert_int_equal(f->reader.config_version, 7);
    expect_fault(f, UINT64_MAX, BLOCK_END);
    assert_memory_equal(&f->reader.place, &f->place, sizeof f->place);
}

/* Several are read at once, and the last of them is cut off wherever that ends. */
static void reads_a_row_of_blocks_past_the_cache_or_not(void **state)
{
    struct fixture *f = *state;
    uint64_t count = 0;
    begin_segment(f, first);
    for (uint32_t i = 0; i < 200; i++) {
        add_block(f, first, 1 + i * 7 % 90, i * 31 % 300);
        count += 1 + i * 7 % 90;
    }
    assert_true(f->place.offset > 5 * BLOCK_BYTES);
    for (unsigned direct = 0; direct < 2; direct++) {
        f->reader.is_direct = direct;
        assert_int_equal(segment_reader_open(&f->reader, first), 0);
        expect_records(f, UINT64_MAX, 1, count);
        expect_fault(f, UINT64_MAX, BLOCK_END);
        assert_int_equal(f->reader.block_count, 200 * (direct + 1));
        segment_reader_close(&f->reader);
    }
}

static void what_is_written_later_is_seen_where_nothing_was(void **state)
{
    struct fixture *f = *state;
    char name[SEGMENT_NAME_MAX];
    begin_segment(f, first);
    add_block(f, first, 3, 8);
    add_block(f, first, 3, 8);
    segment_name(first, name);
    int fd = openat(f->dir.fd, name, O_WRONLY);
    assert_int_equal(ftruncate(fd, 4 * BLOCK_BYTES), 0);
    close(fd);
    for (unsigned direct = 0; direct < 2; direct++) {
        f->reader.is_direct = direct;
        segment_reader_close(&f->reader);
        assert_int_equal(segment_reader_open(&f->reader, first), 0);
        expect_records(f, UINT64_MAX, 1, 6 + 2 * direct);
        expect_fault(f, UINT64_MAX, BLOCK_END);
        add_block(f, first, 2, 8);
        expect_records(f, UINT64_MAX, 7 + 2 * direct, 8 + 2 * direct);
        expect_fault(f, UINT64_MAX, BLOCK_END);
    }
}

static void stops_at_its_limit_and_goes_on_when_that_moves(void **state)
{
    struct fixture *f = *state;
    begin_segment(f, first);
    add_block(f, first, 3, 8);
    uint64_t limit = f->place.offset;
    add_block(f, first, 4, 8);
    assert_int_equal(segment_reader_open(&f->reader, first), 0);
    expect_fault(f, SEGMENT_HEADER_BYTES, BLOCK_END);
    expect_records(f, limit, 1, 3);
    expect_fault(f, limit, BLOCK_END);
    expect_fault(f, limit, BLOCK_END);
    expect_records(f, f->place.offset, 4, 7);
    expect_fault(f, f->place.offset, BLOCK_END);
    add_block(f, first, 2, 8);
    expect_fault(f, f->place.offset - BLOCK_ALIGN, BLOCK_END);
    expect_records(f, f->place.offset, 8, 9);
}

static void preallocated_zeros_are_the_end(void **state)
{
    struct fixture *f = *state;
    char name[SEGMENT_NAME_MAX];
    begin_segment(f, first);
    add_block(f, first, 3, 8);
    segment_name(first, name);
    int fd = openat(f->dir.fd, name, O_WRONLY);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    close(fd);
    assert_int_equal(segment_reader_open(&f->reader, first), 0);
    expect_records(f, UINT64_MAX, 1, 3);
    expect_fault(f, UINT64_MAX, BLOCK_END);
}

static void damage_stops_the_reader_in_front_of_it(void **state)
{
    struct fixture *f = *state;
    char name[SEGMENT_NAME_MAX];
    segment_name(first, name);
    begin_segment(f, first);
    add_block(f, first, 3, 8);
    uint64_t damaged = f->place.offset;
    add_block(f, first, 1000, 100);
    add_block(f, first, 3, 8);
    kit_patch_file(f->dir.fd, name, "!", 1, damaged + 70000);
    assert_int_equal(segment_reader_open(&f->reader, first), 0);
    expect_records(f, UINT64_MAX, 1, 3);
    expect_fault(f, UINT64_MAX, BLOCK_TORN);
    expect_fault(f, UINT64_MAX, BLOCK_TORN);
    assert_int_equal(f->reader.place.offset, damaged);
}

static void a_file_cut_in_a_block_is_torn_there(void **state)
{
    struct fixture *f = *state;
    char name[SEGMENT_NAME_MAX];
    segment_name(first, name);
    begin_segment(f, first);
    add_block(f, first, 3, 8);
    uint64_t from = f->place.offset;
    add_block(f, first, 100, 100);
    static const uint64_t cuts[] = {1, 63, 64, 65, 4095, 4096, 4097, 13000};
    for (unsigned i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        int fd = openat(f->dir.fd, name, O_WRONLY);
        assert_int_equal(ftruncate(fd, (off_t)(from + cuts[sizeof cuts / sizeof *cuts - 1 - i])),
                         0);
        close(fd);
        struct segment_reader reader;
        enum block_fault fault;
        assert_int_equal(segment_reader_init(&reader, f->dir.fd), 0);
        assert_int_equal(segment_reader_open(&reader, first), 0);
        for (unsigned n = 0; n < 3; n++)
            assert_non_null(segment_reader_next(&reader, UINT64_MAX, &fault));
        assert_null(segment_reader_next(&reader, UINT64_MAX, &fault));
        assert_int_equal(fault, BLOCK_TORN);
        assert_int_equal(reader.place.offset, from);
        segment_reader_fini(&reader);
    }
}

static void a_block_whose_count_is_not_that_of_its_records_is_torn(void **state)
{
    struct fixture *f = *state;
    char name[SEGMENT_NAME_MAX];
    segment_name(first, name);
    begin_segment(f, first);
    for (int more = -1; more <= 1; more += 2) {
        struct block_place place = f->place;
        block_start(&f->kit.block, place.next_ordinal, 1);
        kit_append(&f->kit.block, RECORD_EVENT, 1, "abc", 3);
        kit_append(&f->kit.block, RECORD_EVENT, 2, "abc", 3);
        f->kit.block.record_count += (uint32_t)more;
        uint32_t bytes = block_seal(&f->kit.block, &place);
        kit_patch_file(f->dir.fd, name, f->kit.block.data, bytes, f->place.offset);
        assert_int_equal(segment_reader_open(&f->reader, first), 0);
        expect_fault(f, UINT64_MAX, BLOCK_TORN);
        assert_int_equal(f->reader.place.offset, f->place.offset);
    }
}

static void a_block_with_a_record_too_long_for_it_is_torn(void **state)
{
    struct fixture *f = *state;
    char name[SEGMENT_NAME_MAX];
    segment_name(first, name);
    begin_segment(f, first);
    struct block_place place = f->place;
    block_start(&f->kit.block, 1, 1);
    kit_append(&f->kit.block, RECORD_EVENT, 1, "abc", 3);
    uint32_t huge = 0xfffffff0;
    memcpy(f->kit.block.data + sizeof(struct block_header), &huge, 4);
    uint32_t bytes = block_seal(&f->kit.block, &place);
    kit_patch_file(f->dir.fd, name, f->kit.block.data, bytes, f->place.offset);
    assert_int_equal(segment_reader_open(&f->reader, first), 0);
    expect_fault(f, UINT64_MAX, BLOCK_TORN);
}

static void the_next_segment_must_carry_the_chain_on(void **state)
{
    struct fixture *f = *state;
    begin_segment(f, first);
    add_block(f, first, 3, 8);
    begin_segment(f, second);
    add_block(f, second, 2, 8);
    assert_int_equal(segment_reader_open(&f->reader, first), 0);
    expect_records(f, UINT64_MAX, 1, 3);
    expect_fault(f, UINT64_MAX, BLOCK_END);
    assert_int_equal(segment_reader_open(&f->reader, second), 0);
    expect_records(f, UINT64_MAX, 4, 5);

    /* The first one lost its last block: the second no longer follows it. */
    char name[SEGMENT_NAME_MAX];
    segment_name(first, name);
    int fd = openat(f->dir.fd, name, O_WRONLY);
    assert_int_equal(ftruncate(fd, SEGMENT_HEADER_BYTES), 0);
    close(fd);
    assert_int_equal(segment_reader_open(&f->reader, first), 0);
    expect_fault(f, UINT64_MAX, BLOCK_TORN);
    assert_int_equal(segment_reader_open(&f->reader, second), -EILSEQ);
    assert_int_equal(f->reader.id.number, 1);
}

static void goes_back_to_a_block_it_has_read(void **state)
{
    struct fixture *f = *state;
    begin_segment(f, first);
    add_block(f, first, 3, 8);
    add_block(f, first, 3, 8);
    begin_segment(f, second);
    add_block(f, second, 2, 8);
    assert_int_equal(segment_reader_open(&f->reader, first), 0);
    expect_records(f, UINT64_MAX, 1, 3);
    struct block_place place = f->reader.place;
    expect_records(f, UINT64_MAX, 4, 5);
    assert_int_equal(segment_reader_return(&f->reader, first, &place), 0);
    expect_records(f, UINT64_MAX, 4, 6);
    assert_int_equal(segment_reader_open(&f->reader, second), 0);
    expect_records(f, UINT64_MAX, 7, 7);
    assert_int_equal(segment_reader_return(&f->reader, first, &place), 0);
    expect_records(f, UINT64_MAX, 4, 6);
    place.file_id++;
    assert_int_equal(segment_reader_return(&f->reader, first, &place), -EBADMSG);
}

static void what_is_not_this_segment_is_not_opened(void **state)
{
    struct fixture *f = *state;
    char name[SEGMENT_NAME_MAX], other[SEGMENT_NAME_MAX];
    uint8_t page[SEGMENT_HEADER_BYTES] = {0};
    segment_name(first, name);
    segment_name(second, other);
    assert_int_equal(segment_reader_open(&f->reader, first), -ENOENT);
    kit_write_file(f->dir.fd, name, "", 0);
    assert_int_equal(segment_reader_open(&f->reader, first), -ENODATA);
    kit_write_file(f->dir.fd, name, page, sizeof page);
    assert_int_equal(segment_reader_open(&f->reader, first), -ENODATA);
    page[4095] = 1;
    kit_write_file(f->dir.fd, name, page, sizeof page);
    assert_int_equal(segment_reader_open(&f->reader, first), -EBADMSG);
    begin_segment(f, first);
    assert_int_equal(renameat(f->dir.fd, name, f->dir.fd, other), 0);
    assert_int_equal(segment_reader_open(&f->reader, second), -EBADMSG);
    expect_fault(f, UINT64_MAX, BLOCK_END);
}

static void a_torn_tail_that_was_cut_is_a_clean_end(void **state)
{
    struct fixture *f = *state;
    char name[SEGMENT_NAME_MAX];
    segment_name(first, name);
    begin_segment(f, first);
    add_block(f, first, 3, 8);
    add_block(f, first, 3, 8);
    kit_patch_file(f->dir.fd, name, "!", 1, f->place.offset - BLOCK_ALIGN + 100);
    assert_int_equal(segment_reader_open(&f->reader, first), 0);
    expect_records(f, UINT64_MAX, 1, 3);
    expect_fault(f, UINT64_MAX, BLOCK_TORN);
    assert_int_equal(segment_cut(f->dir.fd, first, f->reader.place.offset), 0);
    expect_fault(f, UINT64_MAX, BLOCK_END);
    assert_int_equal(segment_cut(f->dir.fd, first, 0), 0);
    assert_int_equal(segment_reader_open(&f->reader, first), -ENODATA);
    assert_int_equal(segment_cut(f->dir.fd, second, 0), -ENOENT);
}

/* Only what was written after a later sync shows that a fault is damage, no write cut short. */
static void a_later_group_behind_a_fault_tells_damage_from_a_torn_write(void **state)
{
    struct fixture *f = *state;
    const struct segment_id id = {.epoch = 1, .shard = 0, .number = 1};
    char name[SEGMENT_NAME_MAX];
    begin_segment(f, id);
    uint64_t file_id = f->place.file_id, torn = f->place.offset;
    add_block_of_group(f, id, 1);
    uint64_t behind = f->place.offset;
    add_block_of_group(f, id, 1 + (uint32_t)((behind - torn) / BLOCK_ALIGN));
    assert_int_equal(segment_written_behind(f->dir.fd, id, file_id, torn), 0);
    assert_int_equal(segment_written_behind(f->dir.fd, id, file_id, 0), 1);
    add_block_of_group(f, id, 0); /* of an older writer, which did not say */
    assert_int_equal(segment_written_behind(f->dir.fd, id, file_id, torn), 0);
    uint64_t last = f->place.offset;
    add_block_of_group(f, id, 1);
    assert_int_equal(segment_written_behind(f->dir.fd, id, file_id, torn), 1);
    assert_int_equal(segment_written_behind(f->dir.fd, id, file_id + 1, torn), 0);
    assert_int_equal(segment_written_behind(f->dir.fd, id, 0, torn), 1);
    segment_name(id, name);
    kit_patch_file(f->dir.fd, name, "x", 1, last + 70);
    assert_int_equal(segment_written_behind(f->dir.fd, id, file_id, torn), 0);
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_come_back_and_only_one_name_is_a_segments),
        IN_DIR(spare_files_have_names_of_their_own),
        cmocka_unit_test(a_header_comes_back_and_a_damaged_one_does_not),
        IN_DIR(the_list_is_in_order_and_counts_strangers),
        IN_DIR(an_empty_directory_lists_nothing),
        IN_DIR(reads_all_records_over_blocks_of_every_size),
        IN_DIR(reads_a_row_of_blocks_past_the_cache_or_not),
        IN_DIR(what_is_written_later_is_seen_where_nothing_was),
        IN_DIR(stops_at_its_limit_and_goes_on_when_that_moves),
        IN_DIR(preallocated_zeros_are_the_end),
        IN_DIR(damage_stops_the_reader_in_front_of_it),
        IN_DIR(a_file_cut_in_a_block_is_torn_there),
        IN_DIR(a_block_whose_count_is_not_that_of_its_records_is_torn),
        IN_DIR(a_block_with_a_record_too_long_for_it_is_torn),
        IN_DIR(the_next_segment_must_carry_the_chain_on),
        IN_DIR(goes_back_to_a_block_it_has_read),
        IN_DIR(a_torn_tail_that_was_cut_is_a_clean_end),
        IN_DIR(what_is_not_this_segment_is_not_opened),
        IN_DIR(a_later_group_behind_a_fault_tells_damage_from_a_torn_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
