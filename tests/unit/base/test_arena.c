/* test_arena.c - memory of an arena lies where it was asked for, and what does not is counted. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/base/arena.h"

#define MIB (1u << 20)

static void pages_of_another_node_are_counted(void **state)
{
    (void)state;
    struct arena arena;
    uint64_t pages, elsewhere;
    assert_int_equal(arena_open(&arena, 7 * MIB, 0, false), 0);
    int rc = arena_elsewhere(&arena, 0, &pages, &elsewhere);
    if (rc == 0) { /* a kernel that knows of nodes */
        assert_int_equal(pages, 4);
        uint64_t here = pages - elsewhere;
        assert_int_equal(arena_elsewhere(&arena, 63, &pages, &elsewhere), 0);
        assert_int_equal(pages, 4);
        assert_int_equal(elsewhere, 4);
        assert_in_range(here, 1, 4);
    } else {
        assert_int_equal(rc, -ENOSYS);
        assert_int_equal(pages, 0);
    }
    arena_close(&arena);
}

static void without_a_node_nothing_is_looked_at(void **state)
{
    (void)state;
    struct arena arena;
    uint64_t pages = 9, elsewhere = 9;
    assert_int_equal(arena_open(&arena, MIB, -1, false), 0);
    assert_int_equal(arena_elsewhere(&arena, -1, &pages, &elsewhere), -EINVAL);
    assert_int_equal(pages + elsewhere, 0);
    arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_of_another_node_are_counted),
        cmocka_unit_test(without_a_node_nothing_is_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
