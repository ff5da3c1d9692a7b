/* test_s3_xml.c - what S3 answers is found, and nothing is read behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sinks/s3_credentials.h"
#include "sinks/s3_xml.h"

static int find(const char *text, const char *name, char *out, size_t room)
{
    return s3_xml_find(text, strlen(text), name, out, room);
}

static void the_first_of_a_name_is_found(void **state)
{
    static const char error[] = "<?xml version=\"1.0\"?>\n<Error><Code>SlowDown</Code>"
                                "<Message>a &lt;b&gt; &amp;&#34;</Message><Code>2</Code></Error>";
    char out[32];
    (void)state;
    assert_int_equal(find(error, "Code", out, sizeof out), 8);
    assert_string_equal(out, "SlowDown");
    assert_int_equal(find(error, "Message", out, sizeof out), 8);
    assert_string_equal(out, "a <b> &\"");
    assert_int_equal(find(error, "Cod", out, sizeof out), -1);
    assert_int_equal(find(error, "Code", out, 8), -1);
    assert_int_equal(find("<a xmlns=\"x\">t</a>", "a", out, sizeof out), 1);
    assert_int_equal(find("<a/>", "a", out, sizeof out), 0);
    assert_int_equal(find("<a>&x;</a>", "a", out, sizeof out), -1);
    assert_int_equal(find("<a>\x01</a>", "a", out, sizeof out), -1);
    assert_int_equal(find("", "a", out, sizeof out), -1);
}

/* Cut anywhere, in memory of exactly that length. */
static void what_is_cut_short_is_read_no_further(void **state)
{
    static const char text[] = "<?x?><L><K>a&amp;b</K><K>c</K></L>";
    (void)state;
    for (size_t len = 0; len < sizeof text; len++) {
        char *copy = malloc(len + 1), out[8];
        struct s3_xml xml = {copy, copy + len};
        struct s3_tag tag;
        assert_non_null(copy);
        memcpy(copy, text, len);
        unsigned count = 0;
        while (s3_xml_next(&xml, &tag)) {
            (void)s3_xml_text(&tag, out, sizeof out);
            count++;
        }
        assert_true(count <= 6);
        free(copy);
    }
}

static int read_credentials(const char *text, struct s3_credentials *credentials)
{
    char path[] = "/tmp/test_s3_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    int rc = s3_credentials_read(path, credentials);
    unlink(path);
    return rc;
}

static void credentials_are_two_lines_or_three(void **state)
{
    struct s3_credentials c;
    (void)state;
    assert_int_equal(read_credentials("AKID\nse/c+ret:=\n", &c), 0);
    assert_string_equal(c.text, "AKID:se/c+ret:=");
    assert_string_equal(c.token, "");
    assert_int_equal(read_credentials("AKID\r\nsecret\r\ntoken==", &c), 0);
    assert_string_equal(c.text, "AKID:secret");
    assert_string_equal(c.token, "token==");
    assert_true(read_credentials("", &c) < 0);
    assert_true(read_credentials("AKID\n", &c) < 0);
    assert_true(read_credentials("A:K\nsecret\n", &c) < 0);
    assert_true(read_credentials("AKID\nsec ret\n", &c) < 0);
    assert_true(read_credentials("AKID\nsecret\nto\tken\n", &c) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_of_a_name_is_found),
        cmocka_unit_test(what_is_cut_short_is_read_no_further),
        cmocka_unit_test(credentials_are_two_lines_or_three),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
