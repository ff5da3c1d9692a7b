/* test_replay.c - a stream's lines are sent as they are, dated with the time they are planned for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/blast_replay.h"

#define START_NS 1795209600123000000ull

static char path[] = "/tmp/test_replay.XXXXXX";
static char fault[512];
static struct blast_replay replay;
static uint8_t out[BLAST_DATAGRAM_MAX + BLAST_SLACK];

static int open_text(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    int rc = blast_replay_open(&replay, path, 1400, fault, sizeof fault);
    replay.source.start_real_ns = START_NS;
    return rc;
}

static const char *next(uint64_t *due_ns)
{
    struct blast_source *source = &replay.source;
    if (!source->due(source, due_ns))
        return NULL;
    out[source->build(source, *due_ns, out)] = '\0';
    return (char *)out;
}

static void lines_go_out_in_order_with_the_time_put_in(void **state)
{
    (void)state;
    uint64_t due_ns;
    assert_int_equal(open_text("0\t{\"time\":@@@@@@@@@@@@@}\n"
                               "7\t{\"time\":@@@@+00090000,\"b\":1}\n"
                               "7\t{\"time\":@@@@-01200000}\n"
                               "2000\tnot an event\n"
                               "2001\t@@@@@@@@@@@@ x@y@@@@@@@@@@@@@@"),
                     0);
    assert_string_equal(next(&due_ns), "{\"time\":1795209600123}");
    assert_int_equal(due_ns, 0);
    assert_string_equal(next(&due_ns), "{\"time\":1795209690130,\"b\":1}");
    assert_int_equal(due_ns, 7000000);
    assert_string_equal(next(&due_ns), "{\"time\":1795208400130}");
    assert_string_equal(next(&due_ns), "not an event");
    assert_int_equal(due_ns, 2000000000);
    assert_string_equal(next(&due_ns), "@@@@@@@@@@@@ x@y1795209602124@");
    assert_null(next(&due_ns));
    replay.source.settle(&replay.source, 4);
    assert_int_equal(replay.source.tally.sent, 4);
    assert_int_equal(replay.source.tally.unsent, 1);
    assert_int_equal(replay.source.tally.bytes, 22 + 28 + 22 + 12);
    blast_replay_close(&replay);
}

static void a_pace_stretches_the_stream_and_the_times_with_it(void **state)
{
    (void)state;
    uint64_t due_ns;
    assert_int_equal(open_text("0\t@@@@@@@@@@@@@\n1000\t@@@@@@@@@@@@@\n"), 0);
    replay.pace = 0.1;
    next(&due_ns);
    assert_string_equal(next(&due_ns), "1795209600223");
    assert_int_equal(due_ns, 100000000);
    blast_replay_close(&replay);
}

static void a_rate_ignores_the_offsets(void **state)
{
    (void)state;
    uint64_t due_ns;
    struct blast_pacer pacer;
    assert_int_equal(open_text("0\ta\n5000\t@@@@@@@@@@@@@\n6000\tc\n"), 0);
    blast_pacer_parse(&pacer, "1k");
    blast_pacer_limit(&pacer, replay.count, 0);
    replay.pacer = &pacer;
    next(&due_ns);
    assert_string_equal(next(&due_ns), "1795209600124");
    assert_int_equal(due_ns, 1000000);
    assert_string_equal(next(&due_ns), "c");
    assert_null(next(&due_ns));
    blast_replay_close(&replay);
}

static void limits_cut_the_stream(void **state)
{
    (void)state;
    uint64_t due_ns;
    assert_int_equal(open_text("0\ta\n10\tb\n20\tc\n30\td\n"), 0);
    blast_replay_limit(&replay, 3, 20000000);
    assert_string_equal(next(&due_ns), "a");
    replay.source.settle(&replay.source, 1);
    replay.source.abandon(&replay.source, 15000000);
    assert_int_equal(replay.source.tally.unsent, 1);
    assert_null(next(&due_ns));
    blast_replay_close(&replay);
}

static void what_is_no_stream_is_refused_with_its_line(void **state)
{
    (void)state;
    char longest[1500] = "0\t";
    memset(longest + 2, 'x', 1401);
    const char *const wrong[] = {"0\ta\nb\n",   "0\ta\n\tb\n",  "0\ta\n5 b\n",
                                 "0\ta\n5\t\n", "9\ta\n8\tb\n", "0\ta\n\n",
                                 "0\ta\n-1\tb", "0\ta\n5",      "0\ta\n99999999999999999999\tb"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_true(open_text(wrong[i]) < 0);
        assert_non_null(strstr(fault, ":2: "));
    }
    assert_true(open_text(longest) < 0);
    assert_non_null(strstr(fault, "--max-datagram"));
    longest[1402] = '\0';
    assert_int_equal(open_text(longest), 0);
    blast_replay_close(&replay);
    assert_true(open_text("") < 0);
    assert_true(blast_replay_open(&replay, "/nonexistent/stream", 1400, fault, sizeof fault) < 0);
    assert_true(blast_replay_open(&replay, "/tmp", 1400, fault, sizeof fault) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_go_out_in_order_with_the_time_put_in),
        cmocka_unit_test(a_pace_stretches_the_stream_and_the_times_with_it),
        cmocka_unit_test(a_rate_ignores_the_offsets),
        cmocka_unit_test(limits_cut_the_stream),
        cmocka_unit_test(what_is_no_stream_is_refused_with_its_line),
    };
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
