/* test_cursor.c - the newest cursor that was saved whole is the one that is found. */
#include "tests/unit/journal_kit.h"

#include <errno.h>
#include <sys/stat.h>

#include "sinks/cursor.h"

struct fixture {
    struct kit_dir dir;
    char path[128];
    struct cursor cursor;
    struct sink_cursor value;
};

static int set_up(void **state)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    kit_dir_make(&f.dir);
    snprintf(f.path, sizeof f.path, "%s/cursor", f.dir.path);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    kit_dir_remove(&f->dir);
    return 0;
}

/* Saves versions 1 to count; each one's resume is 100 times its version. */
static void save_versions(struct fixture *f, uint64_t count)
{
    assert_int_equal(cursor_open(&f->cursor, f->path, &f->value), 0);
    for (uint64_t i = 1; i <= count; i++) {
        f->value.resume = 100 * i;
        f->value.epoch = 3;
        f->value.shard_count = 2;
        f->value.at[1].ordinal = i;
        assert_int_equal(cursor_save(&f->cursor, &f->value), 0);
        assert_int_equal(f->value.version, i);
    }
    cursor_close(&f->cursor);
}

static void expect_version(struct fixture *f, uint64_t version)
{
    assert_int_equal(cursor_open(&f->cursor, f->path, &f->value), 0);
    assert_int_equal(f->value.version, version);
    assert_int_equal(f->value.resume, 100 * version);
    assert_int_equal(f->value.at[1].ordinal, version);
    cursor_close(&f->cursor);
}

/* A cursor of format 1 ends where `confirmed` begins, and its CRC with it. */
/* A slot as an older version wrote it, which knew the value up to len. */
static void write_format(struct fixture *f, uint32_t format, size_t len)
{
    uint8_t page[CURSOR_SLOT_BYTES];
    f->value.target = 0;
    save_versions(f, 1);
    int fd = open(f->path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, page, sizeof page, CURSOR_SLOT_BYTES), sizeof page);
    memcpy(page + 12, &format, sizeof format);
    uint32_t crc = crc32c(0, page + 12, 4 + len);
    memcpy(page + 8, &crc, sizeof crc);
    assert_int_equal(pwrite(fd, page, sizeof page, CURSOR_SLOT_BYTES), sizeof page);
    close(fd);
    expect_version(f, 1);
}

static void a_cursor_of_the_first_format_is_read(void **state)
{
    struct fixture *f = *state;
    write_format(f, 1, offsetof(struct sink_cursor, confirmed));
    assert_int_equal(f->value.confirmed[0].epoch, 0);
}

static void a_cursor_of_the_second_format_is_read(void **state)
{
    struct fixture *f = *state;
    write_format(f, 2, offsetof(struct sink_cursor, target));
    assert_int_equal(f->value.target, 0);
}

static void nothing_saved_is_all_zero(void **state)
{
    struct fixture *f = *state;
    static const struct sink_cursor zero;
    for (unsigned i = 0; i < 2; i++) {
        memset(&f->value, 0xee, sizeof f->value);
        assert_int_equal(cursor_open(&f->cursor, f->path, &f->value), 0);
        assert_memory_equal(&f->value, &zero, sizeof zero);
        cursor_close(&f->cursor);
    }
}

static void the_newest_save_is_found(void **state)
{
    struct fixture *f = *state;
    save_versions(f, 1);
    expect_version(f, 1);
    save_versions(f, 0);
    unlink(f->path);
    save_versions(f, 6);
    expect_version(f, 6);
    unlink(f->path);
    save_versions(f, 7);
    expect_version(f, 7);
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_size, 2 * CURSOR_SLOT_BYTES);
}

static void a_torn_save_leaves_the_one_before(void **state)
{
    struct fixture *f = *state;
    for (uint64_t version = 2; version <= 3; version++)
        for (unsigned at = 0; at < 16 + sizeof(struct sink_cursor); at += 7) {
            uint8_t byte;
            uint64_t offset = (version & 1) * CURSOR_SLOT_BYTES + at;
            unlink(f->path);
            save_versions(f, version);
            int fd = open(f->path, O_RDWR);
            assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
            byte ^= 0x40;
            assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
            close(fd);
            expect_version(f, version - 1);
            /* And saving goes on in the torn slot. */
            assert_int_equal(cursor_open(&f->cursor, f->path, &f->value), 0);
            f->value.resume += 100;
            f->value.at[1].ordinal++;
            assert_int_equal(cursor_save(&f->cursor, &f->value), 0);
            cursor_close(&f->cursor);
            expect_version(f, version);
        }
}

static void two_bad_slots_are_an_error_and_not_a_fresh_start(void **state)
{
    struct fixture *f = *state;
    save_versions(f, 2);
    kit_patch_file(f->dir.fd, "cursor", "damage", 6, 8);
    expect_version(f, 1);
    kit_patch_file(f->dir.fd, "cursor", "damage", 6, CURSOR_SLOT_BYTES + 8);
    assert_int_equal(cursor_open(&f->cursor, f->path, &f->value), -EBADMSG);
    kit_write_file(f->dir.fd, "cursor", "not a cursor", 12);
    assert_int_equal(cursor_open(&f->cursor, f->path, &f->value), -EBADMSG);
    assert_int_equal(f->cursor.fd, -1);
}

static void a_first_save_that_was_torn_is_a_fresh_start(void **state)
{
    struct fixture *f = *state;
    save_versions(f, 1);
    kit_patch_file(f->dir.fd, "cursor", "damage", 6, CURSOR_SLOT_BYTES + 100);
    assert_int_equal(cursor_open(&f->cursor, f->path, &f->value), 0);
    assert_int_equal(f->value.version, 0);
    cursor_close(&f->cursor);
}

static void a_failed_save_is_reported_and_the_next_one_works(void **state)
{
    struct fixture *f = *state;
    save_versions(f, 4);
    assert_int_equal(cursor_open(&f->cursor, f->path, &f->value), 0);
    int good = f->cursor.fd;
    f->cursor.fd = open(f->path, O_RDONLY);
    assert_int_equal(cursor_save(&f->cursor, &f->value), -EBADF);
    assert_int_equal(f->cursor.version, 4);
    close(f->cursor.fd);
    f->cursor.fd = good;
    f->value.resume = 500;
    f->value.at[1].ordinal = 5;
    assert_int_equal(cursor_save(&f->cursor, &f->value), 0);
    cursor_close(&f->cursor);
    expect_version(f, 5);
}

static void no_directory_is_an_error(void **state)
{
    struct fixture *f = *state;
    strcat(f->path, "/none/cursor");
    assert_int_equal(cursor_open(&f->cursor, f->path, &f->value), -ENOENT);
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        IN_DIR(nothing_saved_is_all_zero),
        IN_DIR(a_cursor_of_the_first_format_is_read),
        IN_DIR(a_cursor_of_the_second_format_is_read),
        IN_DIR(the_newest_save_is_found),
        IN_DIR(a_torn_save_leaves_the_one_before),
        IN_DIR(two_bad_slots_are_an_error_and_not_a_fresh_start),
        IN_DIR(a_first_save_that_was_torn_is_a_fresh_start),
        IN_DIR(a_failed_save_is_reported_and_the_next_one_works),
        IN_DIR(no_directory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
