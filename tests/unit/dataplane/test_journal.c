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

static bool disk_fails(struct disk *disk)
{
    unsigned n = ++disk->op_count;
    return disk->fail_at && n >= disk->fail_at && n < disk->fail_at + disk->fail_count;
}

static int disk_make(void *arg, int dir_fd, const char *name, uint64_t bytes)
{
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

static struct disk_file *disk_find(struct disk *disk, const char *name)
{
    for (unsigned i = 0; i < disk->file_count; i++)
        if (strcmp(disk->files[i].name, name) == 0)
            return &disk->files[i];
    return NULL;
}

static int disk_adopt(void *arg, int dir_fd, const char *from, const char *to, bool replace)
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

static int disk_commit(void *arg, int handle, struct iovec *parts, int count, uint64_t offset)
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

static int disk_remove(void *arg, int dir_fd, const char *name)
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

static struct fixture *make_on(const struct journal_file_ops *ops, int dir_fd, uint32_t reserve)
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
static struct fixture *make(unsigned fail_at, int fail_with)
{
    struct fixture *f = make_on(NULL, 55, 0);
    f->disk.fail_at = fail_at;
    f->disk.fail_count = 1;
    f->disk.fail_with = fail_with;
    return f;
}

static void destroy(struct fixture *f)
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

/* ---- a full disk ---- */

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
    int handle = journal_file_posix.make(NULL, dir.fd, "x", BLOCK_ALIGN);
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
        cmocka_unit_test(what_fails_once_is_written_again_in_a_new_segment),
        cmocka_unit_test(a_disk_that_fails_and_is_mended_goes_on_by_itself),
        cmocka_unit_test(nothing_is_cut_of_a_segment_that_failed_last),
        cmocka_unit_test(a_full_disk_is_told_while_there_is_room),
        cmocka_unit_test(the_reserve_holds_all_that_was_taken),
        cmocka_unit_test(who_stops_gets_the_blocks_that_were_kept_back),
        cmocka_unit_test(blocks_come_back_only_when_durable),
        cmocka_unit_test(a_real_disk_keeps_it_too),
        cmocka_unit_test(a_segment_that_exists_is_never_written_over),
        cmocka_unit_test(a_disk_that_takes_only_a_part_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
