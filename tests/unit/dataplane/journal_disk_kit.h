/* journal_disk_kit.h - what the tests of the journal share: a journal on a disk in memory, which
 * fails as told, and what a loss of power leaves of it.
 *
 * Memory:  a fixture by malloc, freed by destroy.  Threads: one.
 */
#pragma once

#include <errno.h>

#include "dataplane/base/clock.h"
#include "dataplane/journal.h"
#include "tests/unit/journal_kit.h"

#define BLOCKS        16
#define RING          32
#define SEGMENT_BYTES (512u << 10)
#define FILES_MAX     40

/* A disk in memory that fails its n-th operation, or all from there on, and that can lose power. */
struct disk_file {
    char name[SEGMENT_NAME_MAX];
    uint8_t *data;   /* as written */
    uint8_t *stable; /* as of the last sync */
    uint64_t bytes;
    bool open;
};

struct disk {
    struct disk_file files[FILES_MAX];
    unsigned file_count;
    unsigned op_count;
    unsigned fail_at; /* 0: never */
    unsigned fail_count;
    int fail_with;
    bool lies;     /* what failed was done all the same */
    unsigned room; /* files that can still be made, once `full` */
    bool full;
    unsigned syncs;
};

static inline bool disk_fails(struct disk *disk)
{
    unsigned n = ++disk->op_count;
    return disk->fail_at && n >= disk->fail_at && n < disk->fail_at + disk->fail_count;
}

static inline int disk_make(void *arg, int dir_fd, const char *name, uint64_t bytes,
                            uint32_t pauses)
{
    (void)pauses;
    struct disk *disk = arg;
    assert_int_equal(dir_fd, 55);
    if (disk_fails(disk))
        return -disk->fail_with;
    if (disk->full && !disk->room)
        return -ENOSPC;
    disk->room -= disk->full;
    assert_in_range(disk->file_count, 0, FILES_MAX - 1);
    struct disk_file *file = &disk->files[disk->file_count];
    strcpy(file->name, name);
    file->data = calloc(1, bytes);
    file->stable = calloc(1, bytes);
    file->bytes = bytes;
    file->open = true;
    return (int)disk->file_count++;
}

static inline struct disk_file *disk_find(struct disk *disk, const char *name)
{
    for (unsigned i = 0; i < disk->file_count; i++)
        if (strcmp(disk->files[i].name, name) == 0)
            return &disk->files[i];
    return NULL;
}

static inline int disk_adopt(void *arg, int dir_fd, const char *from, const char *to, bool replace)
{
    struct disk *disk = arg;
    struct disk_file *there = disk_find(disk, to);
    assert_int_equal(dir_fd, 55);
    assert_true(segment_is_temporary(from));
    bool fails = disk_fails(disk);
    if (!fails || disk->lies) {
        assert_true(!there || replace);
        if (there)
            there->name[0] = '\0';
        strcpy(disk_find(disk, from)->name, to);
    }
    return fails ? -disk->fail_with : 0;
}

static inline int disk_commit(void *arg, int handle, struct iovec *parts, int count,
                              uint64_t offset)
{
    struct disk *disk = arg;
    struct disk_file *file = &disk->files[handle];
    bool fails = disk_fails(disk);
    assert_true(file->open);
    assert_int_equal(offset % BLOCK_ALIGN, 0);
    for (int i = 0; i < count; i++) {
        size_t bytes = parts[i].iov_len;
        assert_int_equal((uintptr_t)parts[i].iov_base % BLOCK_ALIGN, 0);
        assert_int_equal(bytes % BLOCK_ALIGN, 0);
        assert_true(offset + bytes <= file->bytes);
        /* Torn in the last part. */
        bool torn = fails && !disk->lies && i + 1 == count;
        memcpy(file->data + offset, parts[i].iov_base, torn ? bytes / 2 : bytes);
        offset += bytes;
    }
    if (!fails || disk->lies)
        memcpy(file->stable, file->data, file->bytes);
    disk->syncs += !fails;
    return fails ? -disk->fail_with : 0;
}

static inline int disk_close(void *arg, int handle, uint64_t bytes)
{
    struct disk *disk = arg;
    struct disk_file *file = &disk->files[handle];
    assert_true(file->open);
    file->open = false;
    if (disk_fails(disk))
        return -disk->fail_with;
    if (bytes < file->bytes)
        file->bytes = bytes;
    return 0;
}

static inline int disk_remove(void *arg, int dir_fd, const char *name)
{
    struct disk *disk = arg;
    struct disk_file *file = disk_find(disk, name);
    assert_int_equal(dir_fd, 55);
    if (file)
        file->name[0] = '\0';
    return file ? 0 : -ENOENT;
}

struct fixture {
    struct disk disk;
    struct arena arena;
    struct block_ring filled, empty;
    struct block blocks[BLOCKS];
    uint64_t next_ordinal;
    struct journal_stock stock;
    struct journal *journal;
};

static inline struct fixture *make_on(const struct journal_file_ops *ops, int dir_fd,
                                      uint32_t reserve)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->journal = aligned_alloc(64, arena_round(sizeof *f->journal, 64));
    size_t bytes = BLOCKS * block_footprint() + 2 * block_ring_footprint(RING) + BLOCK_ALIGN;
    arena_init(&f->arena, malloc(bytes), bytes);
    block_ring_init(&f->filled, &f->arena, RING);
    block_ring_init(&f->empty, &f->arena, RING);
    for (unsigned i = 0; i < BLOCKS; i++) {
        block_init(&f->blocks[i], &f->arena);
        block_ring_push_burst(&f->empty, &(struct block_ref){&f->blocks[i]}, 1);
    }
    f->next_ordinal = 1;
    const struct journal_stock_wiring stock = {
        .ops = ops ? *ops
                   : (struct journal_file_ops){disk_make, disk_adopt, disk_commit, disk_close,
                                               disk_remove, &f->disk},
        .dir_fd = dir_fd,
        .shard = 1,
        .ahead = 1,
        .reserve = reserve,
        .segment_bytes = SEGMENT_BYTES,
    };
    assert_int_equal(journal_stock_init(&f->stock, &stock), 0);
    const struct journal_wiring wiring = {
        .ops = stock.ops,
        .stock = &f->stock,
        .epoch = 4,
        .shard = 1,
        .shard_count = 2,
        .partition_count = 256,
        .key_fingerprint = 4242,
        .segment_bytes = SEGMENT_BYTES,
        .from_shard = &f->filled,
        .to_shard = &f->empty,
    };
    assert_int_equal(journal_init(f->journal, &wiring), 0);
    return f;
}

/* The n-th operation fails, 0: none does. */
static inline struct fixture *make(unsigned fail_at, int fail_with)
{
    struct fixture *f = make_on(NULL, 55, 0);
    f->disk.fail_at = fail_at;
    f->disk.fail_count = 1;
    f->disk.fail_with = fail_with;
    return f;
}

static inline void destroy(struct fixture *f)
{
    f->disk.fail_at = 0;
    journal_stock_fini(&f->stock);
    for (unsigned i = 0; i < f->disk.file_count; i++) {
        free(f->disk.files[i].data);
        free(f->disk.files[i].stable);
    }
    free(f->arena.base);
    free(f->journal);
    free(f);
}

/* Plays the shard: a block of count records of len bytes, if one is free. */
static inline bool fill(struct fixture *f, uint32_t count, uint32_t len)
{
    static const uint8_t body[BLOCK_BYTES];
    struct block_ref ref;
    if (!block_ring_pop_burst(&f->empty, &ref, 1))
        return false;
    block_start(ref.block, f->next_ordinal, 1);
    for (uint32_t i = 0; i < count; i++) {
        kit_append(ref.block, RECORD_EVENT, f->next_ordinal++, body, len);
        ref.block->wire_ns[ref.block->event_count++] = clock_monotonic_ns();
    }
    assert_int_equal(block_ring_push_burst(&f->filled, &ref, 1), 1);
    return true;
}

/* Writes what survives a loss of power to a directory and reads it: returns the last ordinal. */
static inline uint64_t survivors(struct fixture *f, bool stable)
{
    struct kit_dir dir;
    struct segment_reader reader;
    struct segment_id *ids;
    unsigned unknown;
    enum block_fault fault;
    kit_dir_make(&dir);
    assert_int_equal(segment_reader_init(&reader, dir.fd), 0);
    for (unsigned i = 0; i < f->disk.file_count; i++) {
        const struct disk_file *file = &f->disk.files[i];
        if (file->name[0])
            kit_write_file(dir.fd, file->name, stable ? file->stable : file->data, file->bytes);
    }
    uint64_t ordinal = 0;
    int count = segment_list(dir.fd, &ids, &unknown);
    assert_int_equal(unknown, 0);
    for (int i = 0; i < count; i++) {
        assert_int_equal(ids[i].number, i + 1);
        /* Only the last one may hold nothing. */
        int rc = segment_reader_open(&reader, ids[i]);
        if ((rc == -ENODATA || rc == -EBADMSG) && i + 1 == count)
            break;
        assert_int_equal(rc, 0);
        const struct record *record;
        while ((record = segment_reader_next(&reader, UINT64_MAX, &fault)))
            assert_int_equal(record->seq, ++ordinal);
        bool last = i + 1 == count || segment_holds_nothing(dir.fd, ids[i + 1]) == 1;
        assert_true(fault == BLOCK_END || (last && !stable));
    }
    free(ids);
    segment_reader_fini(&reader);
    kit_dir_remove(&dir);
    return ordinal;
}
