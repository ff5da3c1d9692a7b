/* test_journal.c - the mark never passes what the disk has, whichever of its operations fails. */
#include "tests/unit/journal_kit.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "dataplane/base/clock.h"
#include "dataplane/journal.h"

#define BLOCKS        16
#define RING          32
#define SEGMENT_BYTES (512u << 10)
#define FILES_MAX     8

/* A disk in memory that fails its n-th operation, and that can lose power. */
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
    int fail_with;
    unsigned syncs;
};

static bool disk_fails(struct disk *disk)
{
    return ++disk->op_count == disk->fail_at;
}

static int disk_open(void *arg, int dir_fd, const char *name, uint64_t bytes)
{
    struct disk *disk = arg;
    assert_int_equal(dir_fd, 55);
    if (disk_fails(disk))
        return -disk->fail_with;
    assert_in_range(disk->file_count, 0, FILES_MAX - 1);
    struct disk_file *file = &disk->files[disk->file_count];
    strcpy(file->name, name);
    file->data = calloc(1, bytes);
    file->stable = calloc(1, bytes);
    file->bytes = bytes;
    file->open = true;
    return (int)disk->file_count++;
}

static int disk_write(void *arg, int handle, struct iovec *parts, int count, uint64_t offset)
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
        bool torn = fails && i + 1 == count;
        memcpy(file->data + offset, parts[i].iov_base, torn ? bytes / 2 : bytes);
        offset += bytes;
    }
    return fails ? -disk->fail_with : 0;
}

static int disk_sync(void *arg, int handle)
{
    struct disk *disk = arg;
    struct disk_file *file = &disk->files[handle];
    assert_true(file->open);
    if (disk_fails(disk))
        return -disk->fail_with;
    disk->syncs++;
    memcpy(file->stable, file->data, file->bytes);
    return 0;
}

static int disk_close(void *arg, int handle, uint64_t bytes)
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

struct fixture {
    struct disk disk;
    struct arena arena;
    struct block_ring filled, empty;
    struct block blocks[BLOCKS];
    uint64_t next_ordinal;
    struct journal *journal;
};

static struct fixture *make(unsigned fail_at, int fail_with)
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
    f->disk.fail_at = fail_at;
    f->disk.fail_with = fail_with;
    f->next_ordinal = 1;
    const struct journal_wiring wiring = {
        .ops = {disk_open, disk_write, disk_sync, disk_close, &f->disk},
        .dir_fd = 55,
        .epoch = 4,
        .shard = 1,
        .shard_count = 2,
        .partition_count = 256,
        .key_fingerprint = 4242,
        .segment_bytes = SEGMENT_BYTES,
        .from_shard = &f->filled,
        .to_shard = &f->empty,
    };
    journal_init(f->journal, &wiring);
    return f;
}

static void destroy(struct fixture *f)
{
    for (unsigned i = 0; i < f->disk.file_count; i++) {
        free(f->disk.files[i].data);
        free(f->disk.files[i].stable);
    }
    free(f->arena.base);
    free(f->journal);
    free(f);
}

/* Plays the shard: a block of count records of len bytes, if one is free. */
static bool fill(struct fixture *f, uint32_t count, uint32_t len)
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
static uint64_t survivors(struct fixture *f, bool stable)
{
    struct kit_dir dir;
    struct segment_reader reader;
    enum block_fault fault;
    kit_dir_make(&dir);
    assert_int_equal(segment_reader_init(&reader, dir.fd), 0);
    uint64_t ordinal = 0;
    for (unsigned i = 0; i < f->disk.file_count; i++) {
        const struct disk_file *file = &f->disk.files[i];
        struct segment_id id = {.epoch = 4, .shard = 1, .number = i + 1};
        kit_write_file(dir.fd, file->name, stable ? file->stable : file->data, file->bytes);
        int rc = segment_reader_open(&reader, id);
        if (rc == -ENODATA && i + 1 == f->disk.file_count)
            break;
        assert_int_equal(rc, 0);
        const struct record *record;
        while ((record = segment_reader_next(&reader, UINT64_MAX, &fault)))
            assert_int_equal(record->seq, ++ordinal);
        assert_true(fault == BLOCK_END || !stable);
    }
    segment_reader_fini(&reader);
    kit_dir_remove(&dir);
    return ordinal;
}

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

/* Runs until done or stopped; returns the first error of a poll. */
static int run(struct fixture *f)
{
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 4; i++)
            fill(f, 700, 200);
        int rc = journal_poll(f->journal);
        if (rc < 0)
            return rc;
        assert_int_equal(f->journal->mark.ordinal, f->next_ordinal - 1);
    }
    return 0;
}

static void any_failing_operation_stops_the_journal_for_good(void **state)
{
    (void)state;
    struct fixture *good = make(0, 0);
    assert_int_equal(run(good), 0);
    unsigned op_count = good->disk.op_count;
    journal_fini(good->journal);
    destroy(good);
    assert_in_range(op_count, 14, 100);

    static const int errors[] = {EIO, ENOSPC};
    for (unsigned n = 1; n <= op_count; n++)
        for (unsigned e = 0; e < 2; e++) {
            struct fixture *f = make(n, errors[e]);
            assert_int_equal(run(f), -errors[e]);
            assert_int_equal(f->journal->error, errors[e]);
            assert_int_equal(f->journal->counters.error_count, 1);
            /* Nothing is tried again, nothing moves. */
            uint64_t ordinal = f->journal->mark.ordinal;
            fill(f, 1, 1);
            assert_int_equal(journal_poll(f->journal), -errors[e]);
            assert_int_equal(f->disk.op_count, n);
            assert_int_equal(f->journal->mark.ordinal, ordinal);
            /* All that the mark promised is there after a loss of power, and the blocks that are
             * not durable have not come back. */
            assert_true(survivors(f, true) >= ordinal);
            assert_true(survivors(f, false) >= ordinal);
            assert_int_equal(f->journal->durable.total, ordinal);
            journal_fini(f->journal);
            assert_int_equal(f->journal->handle, -1);
            assert_true(survivors(f, false) >= ordinal);
            destroy(f);
        }
}

static void blocks_come_back_only_when_durable(void **state)
{
    (void)state;
    /* Three blocks of which two fill the segment: open, write, and its sync fails. */
    struct fixture *f = make(3, EIO);
    for (unsigned i = 0; i < 3; i++)
        assert_true(fill(f, 1100, 200));
    assert_int_equal(journal_poll(f->journal), -EIO);
    assert_int_equal(block_ring_count(&f->empty), BLOCKS - 3);
    destroy(f);
    /* The second segment cannot be opened: what the first one holds is durable all the same. */
    f = make(5, ENOSPC);
    for (unsigned i = 0; i < 3; i++)
        assert_true(fill(f, 1100, 200));
    assert_int_equal(journal_poll(f->journal), -ENOSPC);
    assert_int_equal(f->disk.file_count, 1);
    assert_int_equal(f->journal->mark.ordinal, 2200);
    assert_int_equal(block_ring_count(&f->empty), BLOCKS - 1);
    assert_int_equal(survivors(f, true), 2200);
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
    struct fixture *f = make(0, 0);
    kit_dir_make_in(&dir, "/tmp");
    f->journal->ops = journal_file_posix;
    f->journal->dir_fd = dir.fd;
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
    struct fixture *f = make(0, 0);
    kit_dir_make(&dir);
    kit_write_file(dir.fd, "000004-001-000001.seg", "precious", 8);
    f->journal->ops = journal_file_posix;
    f->journal->dir_fd = dir.fd;
    assert_true(fill(f, 1, 1));
    assert_int_equal(journal_poll(f->journal), -EEXIST);
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
    int handle = journal_file_posix.open(NULL, dir.fd, "x", BLOCK_ALIGN);
    assert_true(handle >= 0);
    struct iovec parts[3];
    for (unsigned i = 0; i < 3; i++)
        parts[i] = (struct iovec){.iov_base = pages[i], .iov_len = BLOCK_ALIGN};
    struct rlimit was, full = {.rlim_cur = 2 * BLOCK_ALIGN};
    getrlimit(RLIMIT_FSIZE, &was);
    full.rlim_max = was.rlim_max;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &full);
    assert_int_equal(journal_file_posix.write(NULL, handle, parts, 3, 0), -EFBIG);
    setrlimit(RLIMIT_FSIZE, &was);
    signal(SIGXFSZ, handler);
    assert_int_equal(file_bytes(dir.fd, "x"), 2 * BLOCK_ALIGN);
    /* What is left begins where the disk stopped. */
    assert_int_equal(journal_file_posix.write(NULL, handle, &parts[2], 1, 2 * BLOCK_ALIGN), 0);
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
        cmocka_unit_test(any_failing_operation_stops_the_journal_for_good),
        cmocka_unit_test(blocks_come_back_only_when_durable),
        cmocka_unit_test(a_real_disk_keeps_it_too),
        cmocka_unit_test(a_segment_that_exists_is_never_written_over),
        cmocka_unit_test(a_disk_that_takes_only_a_part_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
