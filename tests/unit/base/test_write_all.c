/* test_write_all.c - all bytes, in order, in pieces; and what is said where there is no room. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

#include "dataplane/base/write_all.h"

#define BYTES (3 * WRITE_PIECE + 1234)

static uint8_t sent[BYTES], file[BYTES];
static size_t file_bytes, room;
static unsigned calls;

ssize_t __wrap_write(int fd, const void *bytes, size_t len);

/* A file with so much room whose every fourth call is interrupted and every third one cut short. */
ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
    calls++;
    if (fd < 0 || calls % 4 == 0 || file_bytes == room) {
        errno = fd < 0 ? EBADF : calls % 4 == 0 ? EINTR : ENOSPC;
        return -1;
    }
    assert_true(len > 0 && len <= WRITE_PIECE);
    if (calls % 3 == 0)
        len = (len + 1) / 2;
    if (len > room - file_bytes)
        len = room - file_bytes;
    memcpy(file + file_bytes, bytes, len);
    file_bytes += len;
    return (ssize_t)len;
}

static void begin(size_t has)
{
    for (size_t i = 0; i < BYTES; i++)
        sent[i] = (uint8_t)(i * 2654435761u >> 24);
    memset(file, 0, sizeof file);
    file_bytes = calls = 0;
    room = has;
}

static void all_bytes_go_in_pieces(void **state)
{
    (void)state;
    static const size_t lens[] = {0, 1, WRITE_PIECE, WRITE_PIECE + 1, BYTES};
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        uint64_t written = 7;
        begin(BYTES);
        assert_int_equal(write_all(3, sent, lens[i], &written), 0);
        assert_int_equal(written, 7 + lens[i]);
        assert_int_equal(file_bytes, lens[i]);
        assert_memory_equal(file, sent, lens[i]);
        assert_true(calls * WRITE_PIECE >= lens[i]);
    }
}

static void what_was_written_is_told_where_the_rest_has_no_room(void **state)
{
    (void)state;
    uint64_t written = 0;
    begin(WRITE_PIECE + 100);
    assert_int_equal(write_all(3, sent, BYTES, &written), -ENOSPC);
    assert_int_equal(written, WRITE_PIECE + 100);
    assert_memory_equal(file, sent, WRITE_PIECE + 100);
    assert_int_equal(write_all(-1, sent, 1, NULL), -EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_bytes_go_in_pieces),
        cmocka_unit_test(what_was_written_is_told_where_the_rest_has_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
