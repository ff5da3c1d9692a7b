/* fuzz_segment.c - any bytes as a segment: the reader ends, and what it gives is numbered and lies
 * within the block.
 *
 * The first byte chooses.  2: the rest is a packed segment's file.  Else, even: the rest is the
 * file.  Odd: the rest is what a liar with a right checksum would write: chunks of a two-byte
 * length, a byte to add to the count of records, and a block's payload; each is sealed at its
 * place.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/segment_packed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct segment_id id = {.epoch = 1, .shard = 2, .number = 3};
static char path[64];
static int dir_fd = -1;
static int file_fd;
static struct block block;
static volatile uint32_t body_sum; /* bodies are read to their last byte */

static void clean_up(void)
{
    char name[SEGMENT_NAME_MAX];
    segment_name(id, name);
    unlinkat(dir_fd, name, 0);
    rmdir(path);
}

static void set_up(void)
{
    static uint8_t memory[BLOCK_BYTES * 2] __attribute__((aligned(BLOCK_ALIGN)));
    static struct arena arena;
    char name[SEGMENT_NAME_MAX];
    snprintf(path, sizeof path, "%s/trove-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(path))
        abort();
    dir_fd = open(path, O_RDONLY | O_DIRECTORY);
    segment_name(id, name);
    file_fd = openat(dir_fd, name, O_RDWR | O_CREAT, 0600);
    assert(dir_fd >= 0 && file_fd >= 0);
    atexit(clean_up);
    arena_init(&arena, memory, sizeof memory);
    block_init(&block, &arena);
}

static void write_at(const void *data, size_t len, uint64_t offset)
{
    ssize_t written = pwrite(file_fd, data, len, (off_t)offset);
    assert(written == (ssize_t)len);
}

/* Takes a chunk; returns the bytes taken, 0 when there is none. */
static size_t write_chunk(const uint8_t *data, size_t size, struct block_place *place)
{
    if (size < 3)
        return 0;
    size_t len = (size_t)data[0] << 8 | data[1];
    if (len > size - 3)
        len = size - 3;
    uint32_t at = 0;
    block_start(&block, place->next_ordinal, 1);
    memcpy(block.data + sizeof(struct block_header), data + 3, len);
    block.used += (uint32_t)len;
    while (record_next(block.data + sizeof(struct block_header), (uint32_t)len, &at))
        block.record_count++;
    block.record_count += data[2];
    uint64_t offset = place->offset;
    uint32_t bytes = block_seal(&block, place);
    write_at(block.data, bytes, offset);
    return 3 + len;
}

static void write_sealed(const uint8_t *data, size_t size)
{
    uint8_t page[SEGMENT_HEADER_BYTES];
    struct segment_header header = {.file_id = 9, .first_ordinal = 7, .prev_hash = 8};
    header.epoch = id.epoch;
    header.shard = id.shard;
    header.number = id.number;
    segment_header_encode(&header, page);
    write_at(page, sizeof page, 0);
    struct block_place place = {
        .file_id = 9, .offset = SEGMENT_HEADER_BYTES, .prev_hash = 8, .next_ordinal = 7};
    size_t taken;
    while ((taken = write_chunk(data, size, &place))) {
        data += taken;
        size -= taken;
    }
}

static void read_all(void)
{
    struct segment_reader reader;
    enum block_fault fault;
    const struct record *record;
    if (segment_reader_init(&reader, dir_fd))
        abort();
    if (segment_reader_open(&reader, id) == 0) {
        uint64_t ordinal = reader.ordinal;
        uint32_t sum = 0;
        while ((record = segment_reader_next(&reader, UINT64_MAX, &fault))) {
            assert(reader.ordinal == ++ordinal);
            assert(record_body(record) + record->body_len <= reader.buffer + BLOCK_BYTES);
            sum = crc32c(sum, record_body(record), record->body_len);
        }
        body_sum = sum;
        assert(fault != BLOCK_OK);
    }
    segment_reader_fini(&reader);
}

static void read_packed(void)
{
    static uint8_t page[BLOCK_ALIGN];
    struct segment_packed *packed;
    if (segment_packed_open(file_fd, &packed))
        return;
    uint64_t bytes = segment_packed_bytes(packed);
    ssize_t got = 1;
    for (uint64_t at = 0; at < bytes && got > 0; at += sizeof page * 100) {
        got = segment_packed_pread(packed, page, sizeof page, at);
        assert(got <= (ssize_t)sizeof page && (got < 0 || at + (uint64_t)got <= bytes));
    }
    segment_packed_close(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > (1u << 20))
        return 0;
    if (dir_fd < 0)
        set_up();
    if (ftruncate(file_fd, 0))
        abort();
    if (data[0] & 1)
        write_sealed(data + 1, size - 1);
    else
        write_at(data + 1, size - 1, 0);
    if (data[0] == 2)
        read_packed();
    read_all();
    return 0;
}
