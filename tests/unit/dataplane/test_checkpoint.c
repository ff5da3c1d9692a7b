/* test_checkpoint.c - the files of checkpoints and of the journal's beginning: what is written is
 * read, a bit that is wrong is found, an operation that fails leaves what was there, and of the
 * journal goes what was wanted and nobody needs. */
#include "tests/unit/graph/fixture.h"
#include "tests/unit/journal_kit.h"

#include <errno.h>
#include <sys/stat.h>

#include "dataplane/checkpoint.h"
#include "dataplane/retention.h"

#define PARTS   16u
#define SEGMENT 4096u /* bytes, as the disk counts them */

/* ---- a disk whose n-th operation fails ---- */

static struct {
    unsigned at, fail_at;
} disk;

static bool fails(void)
{
    return ++disk.at == disk.fail_at;
}

static int fail_create(void *arg, int dir_fd, const char *name)
{
    return fails() ? -ENOSPC : file_posix.create(arg, dir_fd, name);
}

static int fail_write(void *arg, int handle, const void *data, size_t bytes, uint64_t offset)
{
    return fails() ? -ENOSPC : file_posix.write(arg, handle, data, bytes, offset);
}

static int fail_sync(void *arg, int handle)
{
    return fails() ? -EIO : file_posix.sync(arg, handle);
}

static int fail_rename(void *arg, int dir_fd, const char *from, const char *to)
{
    return fails() ? -EIO : file_posix.rename(arg, dir_fd, from, to);
}

static int fail_remove(void *arg, int dir_fd, const char *name)
{
    return fails() ? -EIO : file_posix.remove(arg, dir_fd, name);
}

static int fail_sync_dir(void *arg, int dir_fd)
{
    return fails() ? -EIO : file_posix.sync_dir(arg, dir_fd);
}

static int no_close(void *arg, int handle)
{
    return file_posix.close(arg, handle);
}

static const struct file_ops failing = {
    .create = fail_create,
    .write = fail_write,
    .sync = fail_sync,
    .close = no_close,
    .rename = fail_rename,
    .remove = fail_remove,
    .sync_dir = fail_sync_dir,
};

/* ---- a state worth keeping ---- */

static struct fixture *f;
static struct host host;
static struct kit_dir dir;
static uint8_t *block;

static int open_all(void **state)
{
    (void)state;
    struct outcome out[STATE_OUTCOMES_MAX];
    f = fixture_open();
    fixture_trail(f, "trail", fixture_catalog(f, "p\tq\t1\nq\tz\t1\n"), "p", "z")->min_step_ns = 0;
    fixture_build(f);
    host = host_open(small_limits);
    for (uint64_t i = 1; i < 600; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%u", (unsigned)(i % 200));
        const char *const items[] = {"p", "q", "z"};
        apply(&host, f, view(f, i, user, items[i / 200], T0 + i * NS_PER_S), out);
    }
    kit_dir_make(&dir);
    block = aligned_alloc(CHECKPOINT_ALIGN, CHECKPOINT_BLOCK_BYTES);
    disk.at = disk.fail_at = 0;
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    free(block);
    kit_dir_remove(&dir);
    host_close(&host);
    fixture_close(f);
    return 0;
}

static struct checkpoint_head head_of(uint32_t epoch, uint32_t number)
{
    return (struct checkpoint_head){
        .epoch = epoch,
        .number = number,
        .partition_count = PARTS,
        .shard_count = 1,
        .item_count = items_count(f->items),
        .key_fingerprint = f->key.fingerprint,
        .created_ns = T0 + number * NS_PER_S,
    };
}

static int make(const struct file_ops *ops, int dir_fd, const struct checkpoint_head *head)
{
    struct checkpoint_writer w;
    int rc = checkpoint_create(&w, ops, dir_fd, head);
    for (uint32_t p = 0; p < PARTS && !rc; p++)
        rc = checkpoint_add(&w, host.state, 100 + p, 1 + p % 3);
    if (!rc)
        rc = checkpoint_finish(&w);
    checkpoint_fini(&w);
    return rc;
}

static int load_all(int dir_fd, uint32_t epoch, uint32_t number, struct state *state)
{
    struct checkpoint c;
    int rc = checkpoint_open(&c, dir_fd, (struct checkpoint_id){epoch, number});
    for (uint32_t p = 0; p < PARTS && !rc; p++)
        rc = checkpoint_load(&c, p, true, state, block);
    checkpoint_close(&c);
    return rc;
}

static unsigned count_files(int dir_fd, struct checkpoint_id *newest)
{
    struct checkpoint_id *ids;
    unsigned unknown;
    int count = checkpoint_list(dir_fd, &ids, &unknown);
    assert_true(count >= 0 && !unknown);
    if (count && newest)
        *newest = ids[0];
    free(ids);
    return (unsigned)count;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct checkpoint_head head = head_of(3, 7);
    struct checkpoint c;
    head.shard[0].number = 5;
    head.shard[0].ordinal = 115;
    assert_int_equal(make(&file_posix, dir.fd, &head), 0);
    assert_int_equal(checkpoint_open(&c, dir.fd, (struct checkpoint_id){3, 7}), 0);
    assert_int_equal(c.head.shard[0].number, 5);
    assert_int_equal(c.head.shard[0].ordinal, 115);
    assert_int_equal(c.head.config_version, 3);
    for (uint32_t p = 0; p < PARTS; p++) {
        assert_true(c.index[p].seq == state_seq(host.state, p));
        assert_true(c.index[p].hash == state_hash(host.state, p));
        assert_int_equal(c.index[p].ordinal, 100 + p);
    }
    checkpoint_close(&c);
    struct host other = host_open(small_limits);
    assert_int_equal(load_all(dir.fd, 3, 7, other.state), 0);
    assert_true(host_hash(&other) == host_hash(&host));
    host_close(&other);
    assert_int_equal(load_all(dir.fd, 3, 8, host.state), -ENOENT);
}

/* Of each page some byte, and each length: nothing that differs is taken for it. */
static void every_wrong_byte_is_found(void **state)
{
    (void)state;
    struct checkpoint_head head = head_of(1, 1);
    struct stat st;
    struct host other = host_open(small_limits);
    uint64_t random = 99;
    assert_int_equal(make(&file_posix, dir.fd, &head), 0);
    assert_int_equal(fstatat(dir.fd, "000001-000001.ckp", &st, 0), 0);
    int fd = openat(dir.fd, "000001-000001.ckp", O_RDWR);
    for (off_t page = 0; page < st.st_size; page += 4096) {
        struct checkpoint_block header;
        uint8_t was, is;
        assert_int_equal(pread(fd, &header, sizeof header, page), sizeof header);
        if (header.magic != CHECKPOINT_MAGIC) /* inside a longer block */
            header.bytes = 4096 - sizeof header;
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        off_t span = header.bytes + (off_t)sizeof header;
        off_t at = page + (off_t)(random >> 33) % (span < 4096 ? span : 4096);
        assert_int_equal(pread(fd, &was, 1, at), 1);
        is = was ^ (uint8_t)(1u << (random >> 20 & 7));
        assert_int_equal(pwrite(fd, &is, 1, at), 1);
        state_clear(other.state);
        bool refused = load_all(dir.fd, 1, 1, other.state) != 0;
        /* Padding behind the last bytes of a block is nobody's. */
        assert_true(refused || header.magic != CHECKPOINT_MAGIC);
        assert_true(refused || host_hash(&other) == host_hash(&host));
        assert_int_equal(pwrite(fd, &was, 1, at), 1);
    }
    for (off_t len = 0; len < st.st_size; len += 4096 * 3) {
        assert_int_equal(ftruncate(fd, st.st_size), 0);
        assert_int_equal(ftruncate(fd, len), 0);
        state_clear(other.state);
        assert_int_equal(load_all(dir.fd, 1, 1, other.state), -EBADMSG);
        assert_int_equal(ftruncate(fd, 0), 0);
        close(fd);
        assert_int_equal(make(&file_posix, dir.fd, &head), 0);
        fd = openat(dir.fd, "000001-000001.ckp", O_RDWR);
    }
    close(fd);
    host_close(&other);
}

static void a_block_of_another_checkpoint_is_not_taken(void **state)
{
    (void)state;
    struct checkpoint_head head = head_of(1, 1), next = head_of(1, 2);
    struct outcome out[STATE_OUTCOMES_MAX];
    uint8_t page[4096];
    struct host other = host_open(small_limits);
    assert_int_equal(make(&file_posix, dir.fd, &head), 0);
    apply(&host, f, view(f, 7777, "u1", "p", T0 + 700 * NS_PER_S), out);
    assert_int_equal(make(&file_posix, dir.fd, &next), 0);
    int from = openat(dir.fd, "000001-000001.ckp", O_RDONLY);
    int to = openat(dir.fd, "000001-000002.ckp", O_RDWR);
    assert_int_equal(pread(from, page, sizeof page, 0), sizeof page);
    assert_int_equal(pwrite(to, page, sizeof page, 0), sizeof page);
    assert_int_equal(load_all(dir.fd, 1, 2, other.state), -EBADMSG);
    close(from);
    close(to);
    host_close(&other);
}

static void an_operation_that_fails_leaves_the_one_before(void **state)
{
    (void)state;
    struct checkpoint_head head = head_of(1, 1), next = head_of(1, 2);
    struct checkpoint_id newest = {0};
    struct host other = host_open(small_limits);
    assert_int_equal(make(&file_posix, dir.fd, &head), 0);
    unsigned failed = 0;
    for (unsigned fail_at = 1;; fail_at++) {
        disk.at = 0;
        disk.fail_at = fail_at;
        int rc = make(&failing, dir.fd, &next);
        if (!rc)
            break;
        failed++;
        unsigned count = count_files(dir.fd, &newest);
        /* After the rename it is there, though nobody promises it. */
        assert_true(count == 1 || (rc == -EIO && count == 2));
        state_clear(other.state);
        assert_int_equal(load_all(dir.fd, 1, newest.number, other.state), 0);
        assert_true(host_hash(&other) == host_hash(&host));
        (void)unlinkat(dir.fd, "000001-000002.ckp", 0);
        assert_int_equal(checkpoint_sweep(&file_posix, dir.fd), 0);
    }
    assert_true(failed >= PARTS + 5);
    host_close(&other);
}

static void what_was_not_finished_is_swept_and_the_newest_stay(void **state)
{
    (void)state;
    char name[CHECKPOINT_NAME_MAX];
    struct checkpoint_id newest = {0};
    for (uint32_t i = 1; i <= 5; i++) {
        struct checkpoint_head head = head_of(1 + i / 4, i);
        assert_int_equal(make(&file_posix, dir.fd, &head), 0);
    }
    kit_write_file(dir.fd, ".000002-000006.ckp.new", "x", 1);
    assert_int_equal(checkpoint_prune(&file_posix, dir.fd, 2), 0);
    assert_int_equal(checkpoint_sweep(&file_posix, dir.fd), 0);
    assert_int_equal(count_files(dir.fd, &newest), 2);
    assert_int_equal(newest.epoch, 2);
    assert_int_equal(newest.number, 5);
    assert_int_equal(faccessat(dir.fd, ".000002-000006.ckp.new", F_OK, 0), -1);
    assert_int_equal(checkpoint_set_aside(&file_posix, dir.fd, newest, name), 0);
    assert_string_equal(name, "000002-000005.ckp.bad");
    assert_int_equal(count_files(dir.fd, &newest), 1);
    assert_int_equal(faccessat(dir.fd, name, F_OK, 0), 0);
}

/* ---- retention ---- */

static struct kit_dir journal, checkpoints;

/* Segments 1 to `last` of a page, and a checkpoint that begins with each; those from `burst` on are
 * made a second after each other, those before a thousand. */
static void begin_journal_with_burst(uint32_t last, uint32_t burst)
{
    char name[SEGMENT_NAME_MAX];
    static const uint8_t bytes[SEGMENT];
    kit_dir_make(&journal);
    kit_dir_make(&checkpoints);
    for (uint32_t n = 1; n <= last; n++) {
        segment_name((struct segment_id){.epoch = 1, .number = n}, name);
        kit_write_file(journal.fd, name, bytes, sizeof bytes);
        struct checkpoint_head head = head_of(1, n);
        head.shard[0].number = n;
        head.created_ns += (n < burst ? n : burst) * 999 * NS_PER_S;
        assert_int_equal(make(&file_posix, checkpoints.fd, &head), 0);
    }
}

static void begin_journal(uint32_t last)
{
    begin_journal_with_burst(last, 0);
}

static void end_journal(void)
{
    kit_dir_remove(&journal);
    kit_dir_remove(&checkpoints);
}

static struct retention_request request_at(const struct file_ops *ops, uint64_t second,
                                           struct retention_wish wish)
{
    return (struct retention_request){
        .ops = ops,
        .dir_fd = dir.fd,
        .journal_fd = journal.fd,
        .checkpoint_fd = checkpoints.fd,
        .wish = wish,
        .now_ns = T0 + second * NS_PER_S,
    };
}

static int retain(const struct file_ops *ops, struct retention_wish wish, uint32_t need,
                  bool may_lose, struct retention_done *done)
{
    struct retention_need needs[] = {
        {.who = "slow", .epoch = 1, .shard_count = 1, .number = {need}}};
    struct retention_request request = request_at(ops, 100, wish);
    request.needs = needs;
    request.need_count = need ? 1 : 0;
    request.may_lose = may_lose;
    return retention_run(&request, done);
}

static uint32_t first_segment(uint32_t *count)
{
    struct segment_id *ids;
    unsigned unknown;
    *count = (uint32_t)segment_list(journal.fd, &ids, &unknown);
    uint32_t first = ids[0].number;
    free(ids);
    return first;
}

static void what_is_wanted_goes_and_no_more(void **state)
{
    (void)state;
    struct retention_done done;
    struct horizon horizon;
    uint32_t count;
    begin_journal(10);
    assert_int_equal(retain(&file_posix, (struct retention_wish){0}, 0, false, &done), 0);
    assert_int_equal(done.segments, 0);
    assert_int_equal(done.kept_bytes, 10 * SEGMENT);
    /* Checkpoint n was made at second n: those of 97 s ago and before have all that is older. */
    struct retention_wish old = {.age_ns = 97 * NS_PER_S};
    assert_int_equal(retain(&file_posix, old, 0, false, &done), 0);
    assert_int_equal(done.segments, 2);
    assert_int_equal(first_segment(&count), 3);
    assert_int_equal(horizon_load(dir.fd, &horizon), 0);
    assert_int_equal(horizon.base.number, 3);
    assert_false(horizon_has(&horizon, (struct segment_id){1, 0, 2}));
    assert_true(horizon_has(&horizon, (struct segment_id){1, 0, 3}));
    assert_true(horizon_has(&horizon, (struct segment_id){2, 0, 1}));
    assert_int_equal(
        retain(&file_posix, (struct retention_wish){.bytes = 11 * SEGMENT / 2}, 0, false, &done),
        0);
    assert_int_equal(first_segment(&count), 6);
    /* The newest two checkpoints, and what they need, stay whatever is wanted. */
    assert_int_equal(retain(&file_posix, (struct retention_wish){.bytes = 1}, 0, false, &done), 0);
    assert_int_equal(first_segment(&count), 9);
    assert_int_equal(done.kept_bytes, 2 * SEGMENT);
    end_journal();
}

static void what_is_needed_stays_unless_it_may_be_lost(void **state)
{
    (void)state;
    struct retention_done done;
    uint32_t count;
    struct retention_wish all = {.bytes = 1};
    begin_journal(10);
    assert_int_equal(retain(&file_posix, all, 4, false, &done), 0);
    assert_string_equal(done.held_by, "slow");
    assert_int_equal(first_segment(&count), 4);
    assert_int_equal(retain(&file_posix, all, 4, true, &done), 0);
    assert_null(done.held_by);
    assert_string_equal(done.lost_by, "slow");
    assert_int_equal(first_segment(&count), 9);
    end_journal();
}

/* Wherever it stops: the horizon says where the journal begins, and behind it nothing is missing.
 */
static void a_run_that_is_cut_short_leaves_a_whole_journal(void **state)
{
    (void)state;
    struct retention_done done;
    struct horizon horizon;
    for (unsigned fail_at = 1;; fail_at++) {
        begin_journal(8);
        (void)unlinkat(dir.fd, HORIZON_NAME, 0);
        disk.at = 0;
        disk.fail_at = fail_at;
        int rc =
            retain(&failing, (struct retention_wish){.bytes = 7 * SEGMENT / 2}, 0, false, &done);
        uint32_t count, first = first_segment(&count);
        assert_int_equal(horizon_load(dir.fd, &horizon), 0);
        assert_int_equal(count, 8 - first + 1);
        uint32_t begins = horizon_is_whole(&horizon) ? 1 : horizon.number[0];
        assert_true(first <= begins && (begins == 1 || begins == 6));
        assert_int_equal(retention_finish(&file_posix, dir.fd, journal.fd, &done), 0);
        assert_int_equal(first_segment(&count), begins);
        end_journal();
        if (!rc)
            break;
        assert_true(fail_at < 100);
    }
    assert_true(disk.at > 8);
}

static void places_to_begin_are_thinned_and_the_base_stays(void **state)
{
    (void)state;
    struct retention_done done;
    struct horizon horizon;
    struct checkpoint c;
    const struct retention_wish sizes = {.bytes = 41 * SEGMENT / 2};
    struct retention_request large = request_at(&file_posix, 100, sizes);
    begin_journal(24);
    assert_int_equal(retention_run(&large, &done), 0);
    assert_int_equal(retention_thin(&large), 0);
    assert_int_equal(count_files(checkpoints.fd, NULL), RETENTION_BASES + CHECKPOINT_KEPT);
    assert_int_equal(horizon_load(dir.fd, &horizon), 0);
    assert_int_equal(horizon.base.number, 5);
    assert_int_equal(checkpoint_open(&c, checkpoints.fd, horizon.base), 0);
    checkpoint_close(&c);
    assert_int_equal(checkpoint_open(&c, checkpoints.fd, (struct checkpoint_id){1, 24}), 0);
    checkpoint_close(&c);
    assert_int_equal(checkpoint_open(&c, checkpoints.fd, (struct checkpoint_id){1, 23}), 0);
    checkpoint_close(&c);
    end_journal();
}

/* A base an hour would leave next to nothing of a journal that one hour has filled. */
static void a_burst_has_places_to_begin_too(void **state)
{
    (void)state;
    struct retention_done done;
    const struct retention_wish sizes = {.bytes = 21 * SEGMENT / 2};
    const struct retention_wish ages = {.age_ns = 6500 * NS_PER_S};
    struct retention_request large = request_at(&file_posix, 14100, sizes);
    struct retention_request old = request_at(&file_posix, 14100, ages);
    uint32_t count;
    begin_journal_with_burst(28, 14);
    assert_int_equal(retention_thin(&large), 0);
    assert_int_equal(count_files(checkpoints.fd, NULL), RETENTION_BASES + CHECKPOINT_KEPT);
    assert_int_equal(retention_run(&large, &done), 0);
    assert_in_range(done.kept_bytes, 7 * SEGMENT, 10 * SEGMENT);
    end_journal();
    (void)unlinkat(dir.fd, HORIZON_NAME, 0);
    /* By age, the quiet time has them: segment 7 is the first that may go. */
    begin_journal_with_burst(28, 14);
    assert_int_equal(retention_thin(&old), 0);
    assert_int_equal(retention_run(&old, &done), 0);
    assert_in_range(first_segment(&count), 5, 7);
    end_journal();
}

static void a_horizon_that_is_damaged_is_told(void **state)
{
    (void)state;
    struct horizon horizon = {.base = {1, 2}, .epoch = 1, .shard_count = 1, .number = {9}}, read;
    assert_int_equal(horizon_save(&file_posix, dir.fd, &horizon), 0);
    assert_int_equal(horizon_load(dir.fd, &read), 0);
    assert_memory_equal(&horizon, &read, sizeof read);
    uint8_t byte = 8;
    kit_patch_file(dir.fd, HORIZON_NAME, &byte, 1, 32);
    assert_int_equal(horizon_load(dir.fd, &read), -EBADMSG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read),
        TEST(every_wrong_byte_is_found),
        TEST(a_block_of_another_checkpoint_is_not_taken),
        TEST(an_operation_that_fails_leaves_the_one_before),
        TEST(what_was_not_finished_is_swept_and_the_newest_stay),
        TEST(what_is_wanted_goes_and_no_more),
        TEST(what_is_needed_stays_unless_it_may_be_lost),
        TEST(a_run_that_is_cut_short_leaves_a_whole_journal),
        TEST(places_to_begin_are_thinned_and_the_base_stays),
        TEST(a_burst_has_places_to_begin_too),
        TEST(a_horizon_that_is_damaged_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
