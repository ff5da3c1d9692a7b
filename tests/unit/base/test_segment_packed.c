/* test_segment_packed.c - a compressed segment is the segment, to the last bit, whatever step of
 * making it was the last. */
#include "tests/unit/journal_kit.h"

#include <errno.h>
#include <sys/stat.h>

#include "dataplane/base/segment_packed.h"
#include "dataplane/base/segment_verify.h"

#define BLOCKS 14u /* of BLOCK_BYTES: some frames */

static const struct segment_id first = {.epoch = 1, .shard = 2, .number = 1};
static const struct segment_id second = {.epoch = 1, .shard = 2, .number = 2};
static const char name[] = "000001-002-000001.seg", packed_name[] = "000001-002-000001.seg.zst",
                  temporary[] = "pack-000001-002-000001.tmp";

/* The order of what changes a directory, one of which may fail. */
static struct {
    char order[64];
    int fail_at; /* the n-th, 0: none */
    int asked;
    bool remove_before_rename; /* somebody else is at work */
    int dir_fd;
} calls;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __real_unlinkat(int dir_fd, const char *path, int flags);
int __wrap_unlinkat(int dir_fd, const char *path, int flags);

static bool fails(const char *what)
{
    strcat(calls.order, what);
    if (++calls.asked != calls.fail_at)
        return false;
    errno = EIO;
    return true;
}

int __wrap_fsync(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    return fails(S_ISDIR(st.st_mode) ? "d" : "f") ? -1 : __real_fsync(fd);
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    if (calls.remove_before_rename)
        assert_int_equal(segment_remove(calls.dir_fd, first), 0);
    return fails("r") ? -1 : __real_renameat(from_fd, from, to_fd, to);
}

int __wrap_unlinkat(int dir_fd, const char *path, int flags)
{
    return fails("u") ? -1 : __real_unlinkat(dir_fd, path, flags);
}

struct fixture {
    struct kit_dir dir;
    uint8_t *whole; /* the segment's own file */
    size_t bytes;
};

static void write_segment(struct fixture *f)
{
    static uint8_t body[1000];
    struct kit_block kit;
    uint8_t page[SEGMENT_HEADER_BYTES];
    struct segment_header header = {.file_id = 9, .first_ordinal = 1, .prev_hash = 9};
    header.epoch = first.epoch;
    header.shard = first.shard;
    header.number = first.number;
    kit_block_make(&kit);
    segment_header_encode(&header, page);
    kit_write_file(f->dir.fd, name, page, sizeof page);
    struct block_place place = {
        .file_id = 9, .offset = SEGMENT_HEADER_BYTES, .prev_hash = 9, .next_ordinal = 1};
    uint32_t random = 1;
    for (unsigned b = 0; b < BLOCKS; b++) {
        uint64_t offset = place.offset, ordinal = place.next_ordinal;
        block_start(&kit.block, ordinal, 1);
        while (block_room(&kit.block) > 2000) {
            for (unsigned i = 0; i < sizeof body; i++)
                body[i] = "abcdefgh"[(random = random * 1103515245 + 12345) >> 29];
            kit_append(&kit.block, RECORD_EVENT, ordinal++, body, sizeof body);
        }
        uint32_t bytes = block_seal(&kit.block, &place);
        kit_patch_file(f->dir.fd, name, kit.block.data, bytes, offset);
    }
    kit_block_free(&kit);
    f->bytes = place.offset;
    free(f->whole);
    f->whole = malloc(f->bytes);
    int fd = openat(f->dir.fd, name, O_RDONLY | O_CLOEXEC);
    assert_int_equal(segment_pread(fd, f->whole, f->bytes, 0), f->bytes);
    close(fd);
}

static int set_up(void **state)
{
    static struct fixture f;
    memset(&calls, 0, sizeof calls);
    f.whole = NULL;
    kit_dir_make(&f.dir);
    write_segment(&f);
    calls.dir_fd = f.dir.fd;
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    free(f->whole);
    kit_dir_remove(&f->dir);
    return 0;
}

static bool never(const void *arg)
{
    (void)arg;
    return false;
}

static int pack(struct fixture *f)
{
    uint64_t packed_bytes;
    return segment_pack(f->dir.fd, first, f->bytes, never, NULL, &packed_bytes);
}

static bool is_there(struct fixture *f, const char *file)
{
    return faccessat(f->dir.fd, file, F_OK, 0) == 0;
}

/* Whoever opens the segment reads what was written. */
static void expect_whole(struct fixture *f)
{
    struct segment_file file;
    uint64_t bytes;
    uint8_t *back = malloc(f->bytes + 1);
    assert_int_equal(segment_file_open(&file, f->dir.fd, first), 0);
    assert_int_equal(segment_file_bytes(file, &bytes), 0);
    assert_int_equal(bytes, f->bytes);
    assert_int_equal(segment_file_pread(file, back, f->bytes + 1, 0), f->bytes);
    assert_memory_equal(back, f->whole, f->bytes);
    segment_file_close(file);
    free(back);
}

static enum segment_state verify(struct fixture *f)
{
    struct segment_reader reader;
    struct segment_found found = {0};
    assert_int_equal(segment_reader_init(&reader, f->dir.fd), 0);
    assert_int_equal(segment_verify(&reader, first, SEGMENT_LAST, &found), 0);
    segment_reader_fini(&reader);
    return found.state;
}

static void it_is_the_segment(void **state)
{
    struct fixture *f = *state;
    struct segment_id *ids, id;
    unsigned unknown;
    uint64_t bytes;
    assert_false(segment_is_packed(f->dir.fd, first));
    assert_int_equal(pack(f), 0);
    assert_true(segment_is_packed(f->dir.fd, first));
    assert_false(is_there(f, name));
    assert_false(is_there(f, temporary));
    expect_whole(f);
    assert_int_equal(verify(f), SEGMENT_WHOLE);
    assert_int_equal(segment_disk_bytes(f->dir.fd, first, &bytes), 0);
    assert_true(bytes && bytes < f->bytes / 2);
    assert_int_equal(segment_list(f->dir.fd, &ids, &unknown), 1);
    assert_int_equal(unknown, 0);
    assert_int_equal(ids[0].number, 1);
    free(ids);
    assert_int_equal(segment_file_name_parse(packed_name, &id), 0);
    assert_int_equal(id.number, 1);
    assert_int_equal(segment_bytes(f->dir.fd, second, &bytes), -ENOENT);
    /* Any place in it, whichever came before. */
    struct segment_file file;
    uint8_t some[5000];
    assert_int_equal(segment_file_open(&file, f->dir.fd, first), 0);
    for (uint64_t at = f->bytes; at-- > 0; at -= at < 77777 ? at : 77777) {
        size_t want = f->bytes - at < sizeof some ? f->bytes - at : sizeof some;
        assert_int_equal(segment_file_pread(file, some, sizeof some, at), want);
        assert_memory_equal(some, f->whole + at, want);
    }
    segment_file_close(file);
}

static void other_programs_can_unpack_it(void **state)
{
    struct fixture *f = *state;
    char command[256];
    uint8_t *back = malloc(f->bytes + 1);
    if (system("command -v zstd >/dev/null"))
        skip();
    assert_int_equal(pack(f), 0);
    snprintf(command, sizeof command, "zstd -dq %s/%s -o %s/back", f->dir.path, packed_name,
             f->dir.path);
    assert_int_equal(system(command), 0);
    int fd = openat(f->dir.fd, "back", O_RDONLY | O_CLOEXEC);
    assert_int_equal(segment_pread(fd, back, f->bytes + 1, 0), f->bytes);
    assert_memory_equal(back, f->whole, f->bytes);
    close(fd);
    free(back);
}

static void it_is_synced_and_named_before_the_segments_own_file_goes(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(pack(f), 0);
    assert_string_equal(calls.order, "frdu");
}

static void whatever_step_fails_one_of_the_two_is_whole(void **state)
{
    struct fixture *f = *state;
    for (int n = 1; n <= 4; n++) {
        memset(&calls, 0, sizeof calls);
        calls.fail_at = n;
        assert_int_equal(pack(f), -EIO);
        memset(&calls, 0, sizeof calls);
        assert_true(is_there(f, name));
        assert_false(is_there(f, temporary));
        assert_false(segment_is_packed(f->dir.fd, first));
        expect_whole(f);
    }
    /* The last ones have left both: one segment, and what is to be done is done again. */
    struct segment_id *ids;
    unsigned unknown;
    assert_true(is_there(f, packed_name));
    assert_int_equal(segment_list(f->dir.fd, &ids, &unknown), 1);
    free(ids);
    assert_int_equal(pack(f), 0);
    assert_false(is_there(f, name));
    expect_whole(f);
}

static void what_a_crash_left_half_written_is_not_met(void **state)
{
    struct fixture *f = *state;
    struct segment_id *ids;
    unsigned unknown;
    kit_write_file(f->dir.fd, temporary, "half", 4);
    assert_true(segment_is_temporary(temporary));
    assert_int_equal(segment_list(f->dir.fd, &ids, &unknown), 1);
    assert_int_equal(unknown, 0);
    free(ids);
    expect_whole(f);
    assert_int_equal(pack(f), 0);
    expect_whole(f);
}

static bool at_once(const void *arg)
{
    int *left = *(int *const *)arg;
    return --*left < 0;
}

static void who_is_stopped_leaves_the_segment_as_it_was(void **state)
{
    struct fixture *f = *state;
    uint64_t packed_bytes;
    for (int frames = 0; frames < 7; frames++) {
        int left = frames, *at = &left;
        assert_int_equal(segment_pack(f->dir.fd, first, f->bytes, at_once, &at, &packed_bytes),
                         -EINTR);
        assert_true(is_there(f, name));
        assert_false(is_there(f, temporary));
        assert_false(is_there(f, packed_name));
    }
}

static void a_segment_that_is_removed_meanwhile_stays_so(void **state)
{
    struct fixture *f = *state;
    calls.remove_before_rename = true;
    assert_int_equal(pack(f), -ENOENT);
    assert_false(is_there(f, name));
    assert_false(is_there(f, packed_name));
}

static void both_files_are_removed(void **state)
{
    struct fixture *f = *state;
    calls.fail_at = 4;
    assert_int_equal(pack(f), -EIO);
    assert_true(is_there(f, name) && is_there(f, packed_name));
    assert_int_equal(segment_remove(f->dir.fd, first), 0);
    assert_false(is_there(f, name) || is_there(f, packed_name));
    assert_int_equal(segment_remove(f->dir.fd, first), -ENOENT);
    write_segment(f);
    assert_int_equal(pack(f), 0);
    assert_int_equal(segment_remove(f->dir.fd, first), 0);
    assert_false(is_there(f, packed_name));
}

static void flip(struct fixture *f, uint64_t offset, unsigned bit)
{
    uint8_t byte;
    int fd = openat(f->dir.fd, packed_name, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= (uint8_t)(1u << bit);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
    close(fd);
}

static void a_flipped_bit_is_found_wherever_it_is(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    assert_int_equal(pack(f), 0);
    assert_int_equal(fstatat(f->dir.fd, packed_name, &st, 0), 0);
    /* All of the first bytes of a frame and of the table's last, and places in between. */
    uint64_t bytes = (uint64_t)st.st_size, tail = bytes - 80;
    for (uint64_t at = 0; at < bytes;) {
        bool all = at < 20 || at >= tail;
        for (unsigned bit = 0; bit < 8; bit += all ? 1 : 3) {
            flip(f, at, bit);
            assert_int_equal(verify(f), SEGMENT_DAMAGED);
            flip(f, at, bit);
        }
        at += all ? 1 : 30011 < tail - at ? 30011 : tail - at;
    }
    assert_int_equal(verify(f), SEGMENT_WHOLE);
}

static void what_is_cut_or_no_packed_segment_is_told(void **state)
{
    struct fixture *f = *state;
    struct segment_file file;
    assert_int_equal(pack(f), 0);
    int fd = openat(f->dir.fd, packed_name, O_RDWR | O_CLOEXEC);
    off_t bytes = lseek(fd, 0, SEEK_END);
    for (off_t cut = 1; cut < bytes; cut = cut * 2 + 7) {
        assert_int_equal(ftruncate(fd, bytes - cut), 0);
        assert_int_equal(segment_file_open(&file, f->dir.fd, first), -EBADMSG);
    }
    close(fd);
    assert_int_equal(verify(f), SEGMENT_DAMAGED);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(it_is_the_segment),
        IN_DIR(other_programs_can_unpack_it),
        IN_DIR(it_is_synced_and_named_before_the_segments_own_file_goes),
        IN_DIR(whatever_step_fails_one_of_the_two_is_whole),
        IN_DIR(what_a_crash_left_half_written_is_not_met),
        IN_DIR(who_is_stopped_leaves_the_segment_as_it_was),
        IN_DIR(a_segment_that_is_removed_meanwhile_stays_so),
        IN_DIR(both_files_are_removed),
        IN_DIR(a_flipped_bit_is_found_wherever_it_is),
        IN_DIR(what_is_cut_or_no_packed_segment_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
