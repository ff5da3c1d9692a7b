/* test_rules.c - what a configuration compiles to, and what is wrong with one. */
#include "tests/unit/graph/fixture.h"

static void types_and_hunts_are_found_by_hash(void **state)
{
    (void)state;
    struct fixture *f = fixture_open();
    const char *catalog = fixture_catalog(f, "a\tb\t1\nb\tc\t1\n");
    fixture_trail(f, "t", catalog, "a b a", "c");
    fixture_basket(f, "b", catalog)->types = 3;
    const struct rules *rules = fixture_build(f);
    const struct rules_type *type = rules_find_type(rules, hash64(&f->key, "view", 4));
    assert_int_equal(type->hunts, 3);
    assert_int_equal(type->require, EVENT_HAS_ITEM);
    assert_int_equal(type->forbid, EVENT_HAS_TILE);
    assert_int_equal(rules_find_type(rules, hash64(&f->key, "note", 4))->hunts, 2);
    assert_true(rules_find_type(rules, hash64(&f->key, "strict", 6))->strict);
    assert_null(rules_find_type(rules, hash64(&f->key, "nosuch", 6)));
    assert_int_equal(rules_find_hunt(rules, hash64(&f->key, "b", 1)), 1);
    assert_int_equal(rules_find_hunt(rules, hash64(&f->key, "c", 1)), -1);
    assert_int_equal(rules->hunts[0].start_count, 2);
    assert_int_equal(rules->hunts[0].start[0], fixture_item(f, "a"));
    assert_int_equal(rules->hunts[0].treasure[0], fixture_item(f, "c"));
    assert_int_equal(rules->catalog_count, 1);
    assert_ptr_equal(rules->hunts[0].catalog, rules->hunts[1].catalog);
    fixture_close(f);
}

static void a_start_or_treasure_outside_the_catalog_is_told(void **state)
{
    (void)state;
    struct fixture *f = fixture_open();
    const char *catalog = fixture_catalog(f, "a\tb\t1\n");
    fixture_basket(f, "other", fixture_catalog(f, "x\ty\t1\n"));
    fixture_trail(f, "t", catalog, "a x", "b nosuch");
    assert_null(rules_build(&f->conf, 1, &f->key, f->items, &f->diags));
    assert_int_equal(f->diags.count, 2);
    assert_string_equal(f->diags.diags[0].file, "trove.yaml");
    assert_int_equal(f->diags.diags[0].line, 7);
    assert_non_null(strstr(f->diags.diags[0].text, "start 'x' is not in the hunt's catalog"));
    assert_non_null(strstr(f->diags.diags[1].text, "treasure 'nosuch' is not"));
    fixture_close(f);
}

static void a_catalog_that_did_not_load_is_told_once(void **state)
{
    (void)state;
    struct fixture *f = fixture_open();
    fixture_trail(f, "t", "/nowhere/a.tsv", "a", "b");
    fixture_basket(f, "b", "/nowhere/a.tsv");
    fixture_basket(f, "c", fixture_catalog(f, "x\n"));
    assert_null(rules_build(&f->conf, 1, &f->key, f->items, &f->diags));
    assert_int_equal(f->diags.count, 2);
    assert_string_equal(f->diags.diags[0].file, "/nowhere/a.tsv");
    assert_string_equal(f->diags.diags[1].file, f->files[0]);
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_and_hunts_are_found_by_hash),
        cmocka_unit_test(a_start_or_treasure_outside_the_catalog_is_told),
        cmocka_unit_test(a_catalog_that_did_not_load_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
