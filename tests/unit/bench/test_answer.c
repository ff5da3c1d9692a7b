/* test_answer.c - the ends and statuses of answers, however their bytes are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bench/blast_answer.h"

#define TAKEN_MAX 32

static const char stream[] =
    "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nHTTP/"
    "HTTP/1.1 100 Continue\r\n\r\n"
    "HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n"
    "HTTP/1.1 200\r\ncontent-length:\t0 \r\n\r\n"
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 3\r\n\r\n\r\n\r";

/* Reads all of it in pieces and writes the statuses; returns their number, or -1. */
static int read_all(const char *text, size_t len, size_t first, size_t piece, int *status)
{
    static struct blast_answer answer;
    int count = 0;
    memset(&answer, 0, sizeof answer);
    for (size_t at = 0, end = first; at < len; end += piece) {
        uint32_t stop = (uint32_t)(end < len ? end : len);
        while (at < stop) {
            uint32_t taken = 0;
            int rc =
                blast_answer_take(&answer, (const uint8_t *)text + at, stop - (uint32_t)at, &taken);
            if (rc < 0)
                return rc;
            assert_true(rc > 0 || at + taken == stop);
            at += taken;
            if (rc > 0)
                status[count++] = rc;
        }
    }
    return count;
}

static void assert_stream(size_t first, size_t piece)
{
    int status[TAKEN_MAX];
    assert_int_equal(read_all(stream, sizeof stream - 1, first, piece, status), 4);
    assert_int_equal(status[0], 202);
    assert_int_equal(status[1], 204);
    assert_int_equal(status[2], 200);
    assert_int_equal(status[3], 503);
}

static void answers_are_found_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t cut = 1; cut <= sizeof stream - 1; cut++) {
        assert_stream(cut, sizeof stream);
        assert_stream(cut, cut);
        assert_stream(cut, 1);
    }
}

static int status_of(const char *text)
{
    int status[TAKEN_MAX];
    int whole = read_all(text, strlen(text), strlen(text), 1, status);
    int first = whole > 0 ? status[0] : whole;
    int pieces = read_all(text, strlen(text), 1, 1, status);
    assert_int_equal(pieces > 0 ? status[0] : pieces, first);
    return first;
}

static void what_is_no_answer_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 700 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 20x OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551617\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(status_of(wrong[i]), -1);
    assert_int_equal(status_of("HTTP/1.1 200 OK\r\nContent-Length: 00\r\n\r\n"), 200);
    assert_int_equal(
        status_of("HTTP/1.1 200 OK\r\nContent-Lengthy: x\r\nContent-Length: 0\r\n\r\n"), 200);
    assert_int_equal(status_of("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r"), 0);
}

static void a_head_has_an_end(void **state)
{
    (void)state;
    int status[TAKEN_MAX];
    char text[2048];
    int len = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ");
    memset(text + len, 'x', sizeof text - (size_t)len);
    for (size_t piece = 1; piece < 2000; piece += 333)
        assert_int_equal(read_all(text, sizeof text, piece, piece, status), -1);
}

static void the_last_answer_of_a_connection_says_so(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool closes;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false},
        {"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n", true},
        {"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct blast_answer answer = {0};
        uint32_t taken = 0;
        uint32_t len = (uint32_t)strlen(cases[i].text);
        assert_int_equal(blast_answer_take(&answer, (const uint8_t *)cases[i].text, len, &taken),
                         200);
        assert_int_equal(taken, len);
        assert_int_equal(answer.closes, cases[i].closes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_found_however_they_are_cut),
        cmocka_unit_test(what_is_no_answer_is_refused),
        cmocka_unit_test(a_head_has_an_end),
        cmocka_unit_test(the_last_answer_of_a_connection_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
