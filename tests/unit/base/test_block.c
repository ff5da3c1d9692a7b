/* test_block.c - what is sealed is found again, at its place only, and nothing else is. */
#include "tests/unit/journal_kit.h"

/* The table for CPUs without the instruction, beside the one that is compiled in. */
uint32_t crc32c_by_table(uint32_t crc, const void *bytes, size_t len);
#undef __SSE4_2__
#define crc32c crc32c_by_table
#include "dataplane/base/crc32c.c"
#undef crc32c
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);

static const struct block_place start = {
    .file_id = 77, .offset = 4096, .prev_hash = 99, .next_ordinal = 5};

static void crc32c_gives_the_values_of_rfc_3720(void **state)
{
    (void)state;
    uint8_t zeros[32] = {0}, ones[32], up[32], down[32];
    for (unsigned i = 0; i < 32; i++) {
        ones[i] = 0xff;
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    uint32_t (*const each[])(uint32_t, const void *, size_t) = {crc32c, crc32c_by_table};
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(each[i](0, zeros, 32), 0x8a9136aa);
        assert_int_equal(each[i](0, ones, 32), 0x62a8ab43);
        assert_int_equal(each[i](0, up, 32), 0x46dd794e);
        assert_int_equal(each[i](0, down, 32), 0x113fdb5c);
        assert_int_equal(each[i](0, "123456789", 9), 0xe3069283);
        assert_int_equal(each[i](each[i](0, "1234", 4), "56789", 5), 0xe3069283);
        assert_int_equal(each[i](0, "", 0), 0);
    }
}

static void crc32c_is_the_same_by_table_for_every_length_and_alignment(void **state)
{
    (void)state;
    uint8_t bytes[80];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    for (unsigned from = 0; from < 8; from++)
        for (unsigned len = 0; len <= 64; len++)
            assert_int_equal(crc32c(len, bytes + from, len),
                             crc32c_by_table(len, bytes + from, len));
}

static void crc32c_is_the_same_by_table_around_the_lanes_of_long_texts(void **state)
{
    (void)state;
    static uint8_t bytes[3 * 3072 + 100];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * i / 7 + i);
    for (unsigned lanes = 0; lanes <= 3; lanes++)
        for (unsigned len = lanes ? lanes * 3072 - 20 : 0; len < lanes * 3072 + 20; len++)
            for (unsigned from = 0; from < 3; from++)
                assert_int_equal(crc32c(len, bytes + from, len),
                                 crc32c_by_table(len, bytes + from, len));
}

static void a_block_fits_into_its_footprint_aligned(void **state)
{
    (void)state;
    size_t bytes = 3 * block_footprint();
    uint8_t *memory = malloc(bytes + 8);
    struct arena arena;
    struct block blocks[3];
    arena_init(&arena, memory + 8, bytes);
    for (unsigned i = 0; i < 3; i++) {
        block_init(&blocks[i], &arena);
        assert_int_equal((uintptr_t)blocks[i].data % BLOCK_ALIGN, 0);
    }
    free(memory);
}

static void appended_records_come_back_padded_with_zeros(void **state)
{
    (void)state;
    struct kit_block kit;
    kit_block_make(&kit);
    memset(kit.block.data, 0xaa, BLOCK_BYTES);
    block_start(&kit.block, 5, 3);
    static const char text[] = "0123456789abcdef01";
    for (uint32_t len = 0; len <= 18; len++)
        kit_append(&kit.block, RECORD_EVENT, len + 1, text, len);
    assert_int_equal(kit.block.record_count, 19);

    struct block_place place = start;
    uint32_t bytes = block_seal(&kit.block, &place);
    assert_int_equal(bytes, BLOCK_ALIGN);
    const struct block_header *header;
    struct block_place reading = start;
    assert_int_equal(block_check(kit.block.data, bytes, &reading, &header), BLOCK_OK);
    assert_memory_equal(&reading, &place, sizeof place);
    assert_int_equal(header->record_count, 19);
    assert_int_equal(header->config_version, 3);

    const uint8_t *payload = kit.block.data + sizeof *header;
    uint32_t at = 0;
    for (uint32_t len = 0; len <= 18; len++) {
        const struct record *record = record_next(payload, header->bytes, &at);
        assert_non_null(record);
        assert_int_equal(record->seq, len + 1);
        assert_int_equal(record->body_len, len);
        assert_memory_equal(record_body(record), text, len);
        for (const uint8_t *pad = record_body(record) + len; pad < payload + at; pad++)
            assert_int_equal(*pad, 0);
    }
    assert_null(record_next(payload, header->bytes, &at));
    assert_int_equal(at, header->bytes);
    for (uint32_t i = (uint32_t)sizeof *header + header->bytes; i < bytes; i++)
        assert_int_equal(kit.block.data[i], 0);
    kit_block_free(&kit);
}

static void a_block_can_be_filled_to_its_last_byte(void **state)
{
    (void)state;
    struct kit_block kit;
    kit_block_make(&kit);
    block_start(&kit.block, 5, 1);
    uint32_t len = block_room(&kit.block) - (uint32_t)sizeof(struct record);
    struct record *record = block_append(&kit.block, len);
    *record = kit_record(RECORD_EVENT, 1, len);
    memset(record + 1, 'x', len);
    assert_int_equal(block_room(&kit.block), 0);
    struct block_place place = start, reading = start;
    const struct block_header *header;
    assert_int_equal(block_seal(&kit.block, &place), BLOCK_BYTES);
    assert_int_equal(block_check(kit.block.data, BLOCK_BYTES, &reading, &header), BLOCK_OK);
    kit_block_free(&kit);
}

static uint32_t seal_small(struct kit_block *kit, struct block_place *place)
{
    block_start(&kit->block, place->next_ordinal, 1);
    kit_append(&kit->block, RECORD_EVENT, 1, "hello", 5);
    kit_append(&kit->block, RECORD_EVENT, 2, "world!", 6);
    return block_seal(&kit->block, place);
}

static void every_flipped_bit_is_found(void **state)
{
    (void)state;
    struct kit_block kit;
    kit_block_make(&kit);
    struct block_place place = start;
    uint32_t bytes = seal_small(&kit, &place);
    const struct block_header *header;
    uint32_t covered = kit.block.used;
    for (uint32_t bit = 0; bit < covered * 8; bit++) {
        struct block_place reading = start;
        kit.block.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(block_check(kit.block.data, bytes, &reading, &header), BLOCK_TORN);
        assert_memory_equal(&reading, &start, sizeof start);
        kit.block.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    kit_block_free(&kit);
}

static void a_block_cut_anywhere_is_torn(void **state)
{
    (void)state;
    struct kit_block kit;
    kit_block_make(&kit);
    struct block_place place = start;
    seal_small(&kit, &place);
    const struct block_header *header;
    for (uint32_t room = 1; room < kit.block.used; room++) {
        uint8_t *cut = malloc(room);
        struct block_place reading = start;
        memcpy(cut, kit.block.data, room);
        assert_int_equal(block_check(cut, room, &reading, &header), BLOCK_TORN);
        free(cut);
    }
    struct block_place reading = start;
    assert_int_equal(block_check(kit.block.data, 0, &reading, &header), BLOCK_END);
    kit_block_free(&kit);
}

static void zeros_are_the_end(void **state)
{
    (void)state;
    static const uint8_t zeros[BLOCK_ALIGN] __attribute__((aligned(8)));
    struct block_place reading = start;
    const struct block_header *header;
    assert_int_equal(block_check(zeros, sizeof zeros, &reading, &header), BLOCK_END);
    assert_int_equal(block_check(zeros, 8, &reading, &header), BLOCK_END);
}

static void a_good_block_of_elsewhere_is_misplaced(void **state)
{
    (void)state;
    struct kit_block kit;
    kit_block_make(&kit);
    struct block_place place = start;
    uint32_t bytes = seal_small(&kit, &place);
    const struct block_header *header;
    struct block_place other_file = start, other_offset = start;
    other_file.file_id++;
    other_offset.offset += BLOCK_ALIGN;
    assert_int_equal(block_check(kit.block.data, bytes, &other_file, &header), BLOCK_MISPLACED);
    assert_int_equal(block_check(kit.block.data, bytes, &other_offset, &header), BLOCK_MISPLACED);
    kit_block_free(&kit);
}

static void a_good_block_behind_another_predecessor_is_unchained(void **state)
{
    (void)state;
    struct kit_block kit;
    kit_block_make(&kit);
    struct block_place place = start;
    uint32_t bytes = seal_small(&kit, &place);
    const struct block_header *header;
    struct block_place other_chain = start, other_ordinal = start;
    other_chain.prev_hash++;
    other_ordinal.next_ordinal++;
    assert_int_equal(block_check(kit.block.data, bytes, &other_chain, &header), BLOCK_UNCHAINED);
    assert_int_equal(block_check(kit.block.data, bytes, &other_ordinal, &header), BLOCK_UNCHAINED);
    kit_block_free(&kit);
}

static void a_header_that_claims_more_than_there_is_room_for_is_torn(void **state)
{
    (void)state;
    struct kit_block kit;
    kit_block_make(&kit);
    struct block_place place = start;
    uint32_t bytes = seal_small(&kit, &place);
    struct block_header *claim = (struct block_header *)(void *)kit.block.data;
    static const uint32_t claims[] = {BLOCK_ALIGN, BLOCK_BYTES, BLOCK_BYTES - 63,
                                      0x7fffffff,  0xffffffff,  0xffffffc0};
    for (unsigned i = 0; i < sizeof claims / sizeof *claims; i++) {
        const struct block_header *header;
        struct block_place reading = start;
        claim->bytes = claims[i];
        assert_int_equal(block_check(kit.block.data, bytes, &reading, &header), BLOCK_TORN);
    }
    kit_block_free(&kit);
}

static void record_next_refuses_what_does_not_fit(void **state)
{
    (void)state;
    struct record records[4] = {0};
    const uint8_t *payload = (const uint8_t *)records;
    static const uint32_t lens[] = {97, 98, 4096, 0x7fffffff, 0xfffffff8, 0xffffffe0, 0xffffffff};
    for (unsigned i = 0; i < sizeof lens / sizeof *lens; i++) {
        uint32_t at = 0;
        records[0] = kit_record(RECORD_EVENT, 1, lens[i]);
        assert_null(record_next(payload, sizeof records, &at));
        assert_int_equal(at, 0);
    }
    for (uint32_t end = 1; end < 32; end++) {
        uint32_t at = 0;
        records[0] = kit_record(RECORD_EVENT, 1, 0);
        assert_null(record_next(payload, end, &at));
    }
    /* The body fits, its padding does not. */
    uint32_t at = 0;
    records[0] = kit_record(RECORD_EVENT, 1, 1);
    assert_null(record_next(payload, 36, &at));
    assert_non_null(record_next(payload, 40, &at));
    at = 0;
    for (unsigned kind = 0; kind < 256; kind += kind == RECORD_CORRECTION ? 250 : 1) {
        records[0] = kit_record((enum record_kind)kind, 1, 0);
        bool good = kind >= RECORD_EVENT && kind <= RECORD_CORRECTION;
        at = 0;
        assert_int_equal(record_next(payload, 32, &at) != NULL, good);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_gives_the_values_of_rfc_3720),
        cmocka_unit_test(crc32c_is_the_same_by_table_for_every_length_and_alignment),
        cmocka_unit_test(crc32c_is_the_same_by_table_around_the_lanes_of_long_texts),
        cmocka_unit_test(a_block_fits_into_its_footprint_aligned),
        cmocka_unit_test(appended_records_come_back_padded_with_zeros),
        cmocka_unit_test(a_block_can_be_filled_to_its_last_byte),
        cmocka_unit_test(every_flipped_bit_is_found),
        cmocka_unit_test(a_block_cut_anywhere_is_torn),
        cmocka_unit_test(zeros_are_the_end),
        cmocka_unit_test(a_good_block_of_elsewhere_is_misplaced),
        cmocka_unit_test(a_good_block_behind_another_predecessor_is_unchained),
        cmocka_unit_test(a_header_that_claims_more_than_there_is_room_for_is_torn),
        cmocka_unit_test(record_next_refuses_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
