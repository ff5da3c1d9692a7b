/* segment_kit.h - what the tests of segments share: a directory, one writer of segments in it, and
 * a reader.
 *
 * Memory:  a fixture in static memory.  Threads: one.
 */
#pragma once

#include "dataplane/base/segment_verify.h"
#include "tests/unit/journal_kit.h"

static const struct segment_id first = {.epoch = 1, .shard = 2, .number = 1};
static const struct segment_id second = {.epoch = 1, .shard = 2, .number = 2};

struct fixture {
    struct kit_dir dir;
    struct kit_block kit;
    struct block_place place; /* of the writer */
    bool given_up;            /* what comes before the next segment */
    struct segment_reader reader;
};

static inline int set_up(void **state)
{
    static struct fixture f;
    kit_dir_make(&f.dir);
    kit_block_make(&f.kit);
    f.place = (struct block_place){.next_ordinal = 1};
    assert_int_equal(segment_reader_init(&f.reader, f.dir.fd), 0);
    *state = &f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    segment_reader_fini(&f->reader);
    kit_block_free(&f->kit);
    kit_dir_remove(&f->dir);
    return 0;
}

static inline void begin_segment(struct fixture *f, struct segment_id id)
{
    uint8_t page[SEGMENT_HEADER_BYTES];
    char name[SEGMENT_NAME_MAX];
    struct segment_header header = {
        .file_id = 1000 + id.number,
        .key_fingerprint = 4242,
        .first_ordinal = f->place.next_ordinal,
        .epoch = id.epoch,
        .shard = id.shard,
        .number = id.number,
        .partition_count = 256,
        .prev_end = f->place.offset,
        .prev_given_up = f->given_up,
    };
    if (id.number == 1)
        f->place.prev_hash = header.file_id;
    header.prev_hash = f->place.prev_hash;
    segment_header_encode(&header, page);
    segment_name(id, name);
    kit_write_file(f->dir.fd, name, page, sizeof page);
    f->place.file_id = header.file_id;
    f->place.offset = SEGMENT_HEADER_BYTES;
}

/* Appends a block of count records of len bytes each; sequence numbers are ordinals. */
static inline void add_block_of(struct fixture *f, struct segment_id id, uint32_t count,
                                uint32_t len, uint32_t group_pages)
{
    static const uint8_t body[BLOCK_BYTES];
    char name[SEGMENT_NAME_MAX];
    uint64_t offset = f->place.offset;
    block_start(&f->kit.block, f->place.next_ordinal, 7);
    for (uint32_t i = 0; i < count; i++)
        kit_append(&f->kit.block, RECORD_EVENT, f->place.next_ordinal + i, body, len);
    f->kit.block.group_pages = group_pages;
    uint32_t bytes = block_seal(&f->kit.block, &f->place);
    segment_name(id, name);
    kit_patch_file(f->dir.fd, name, f->kit.block.data, bytes, offset);
}

static inline void add_block(struct fixture *f, struct segment_id id, uint32_t count, uint32_t len)
{
    add_block_of(f, id, count, len, 0);
}

static inline void add_block_of_group(struct fixture *f, struct segment_id id, uint32_t group_pages)
{
    add_block_of(f, id, 40, 300, group_pages);
}

static inline void expect_records(struct fixture *f, uint64_t limit, uint64_t from, uint64_t to)
{
    enum block_fault fault;
    for (uint64_t ordinal = from; ordinal <= to; ordinal++) {
        const struct record *record = segment_reader_next(&f->reader, limit, &fault);
        assert_non_null(record);
        assert_int_equal(record->seq, ordinal);
        assert_int_equal(f->reader.ordinal, ordinal);
    }
}

static inline void expect_fault(struct fixture *f, uint64_t limit, enum block_fault want)
{
    enum block_fault fault;
    assert_null(segment_reader_next(&f->reader, limit, &fault));
    assert_int_equal(fault, want);
}

static inline void begin_reading(struct fixture *f)
{
    segment_reader_fini(&f->reader);
    assert_int_equal(segment_reader_init(&f->reader, f->dir.fd), 0);
}
