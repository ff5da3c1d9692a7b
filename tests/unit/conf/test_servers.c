/* test_servers.c - lists of servers, as operators write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/servers.h"

static void servers_stand_between_commas_and_spaces(void **state)
{
    static const char *const lists[] = {"a:1,[::1]:2,c:3", " a:1 , [::1]:2,,c:3, ",
                                        "a:1 [::1]:2  c:3"};
    char servers[SERVERS_MAX][SERVER_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        assert_int_equal(servers_split(lists[i], servers), 3);
        assert_string_equal(servers[0], "a:1");
        assert_string_equal(servers[1], "[::1]:2");
        assert_string_equal(servers[2], "c:3");
    }
}

static void a_list_may_be_empty(void **state)
{
    char servers[SERVERS_MAX][SERVER_MAX];
    (void)state;
    assert_int_equal(servers_split("", servers), 0);
    assert_int_equal(servers_split(" ,, ", servers), 0);
}

static void more_than_there_is_room_for_are_counted(void **state)
{
    char list[64] = "", servers[SERVERS_MAX + 1][SERVER_MAX];
    (void)state;
    memset(servers[SERVERS_MAX], '!', SERVER_MAX);
    for (unsigned i = 0; i < SERVERS_MAX + 2; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "h:%u,", i + 1);
    assert_int_equal(servers_split(list, servers), SERVERS_MAX + 2);
    assert_string_equal(servers[SERVERS_MAX - 1], "h:8");
    for (unsigned i = 0; i < SERVER_MAX; i++)
        assert_int_equal(servers[SERVERS_MAX][i], '!');
}

/* The longest that is right is whole; what was cut must not become another server. */
static void one_that_is_too_long_is_never_right(void **state)
{
    struct conf_endpoint endpoint;
    char list[CONF_PATH_MAX], servers[SERVERS_MAX][SERVER_MAX];
    unsigned longest = 0;
    (void)state;
    for (unsigned len = 1; len < sizeof list - 7; len++) {
        memset(list, 'a', len);
        for (unsigned dot = 60; dot < len; dot += 61)
            list[dot] = '.';
        snprintf(list + len, sizeof list - len, ":65535");
        assert_int_equal(servers_split(list, servers), 1);
        int rc = conf_server_parse(list, &endpoint);
        assert_int_equal(conf_server_parse(servers[0], &endpoint), rc);
        if (!rc) {
            assert_string_equal(servers[0], list);
            longest = len;
        }
    }
    assert_int_equal(longest, sizeof endpoint.host - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_stand_between_commas_and_spaces),
        cmocka_unit_test(a_list_may_be_empty),
        cmocka_unit_test(more_than_there_is_room_for_are_counted),
        cmocka_unit_test(one_that_is_too_long_is_never_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
