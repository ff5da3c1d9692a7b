/* test_catalog.c - edges in order of strength, and faults with their lines. */
#include "tests/unit/graph/fixture.h"

static struct catalog *load(struct fixture *f, const char *text)
{
    return catalog_load(fixture_catalog(f, text), f->items, &f->key, &f->diags);
}

static void assert_fault(const char *text, unsigned line, unsigned column, const char *code,
                         const char *words)
{
    struct fixture *f = fixture_open();
    assert_null(load(f, text));
    assert_int_equal(f->diags.count, 1);
    assert_string_equal(f->diags.diags[0].file, f->files[0]);
    assert_int_equal(f->diags.diags[0].line, line);
    assert_int_equal(f->diags.diags[0].column, column);
    assert_string_equal(f->diags.diags[0].code, code);
    assert_non_null(strstr(f->diags.diags[0].text, words));
    fixture_close(f);
}

static void edges_come_strongest_first_and_ties_by_id(void **state)
{
    (void)state;
    struct fixture *f = fixture_open();
    struct catalog *c = load(f, "# a comment\n\na\tb\t1\na\tc\t4\r\na\td\t2\na\te\t2\nb\ta\t0.5\n");
    assert_non_null(c);
    const struct catalog_edge *edges = NULL;
    const char *want[] = {"c", "d", "e", "b"};
    const uint16_t strength[] = {65535, 32768, 32768, 16384};
    assert_int_equal(catalog_edges(c, fixture_item(f, "a"), &edges), 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(edges[i].to, fixture_item(f, want[i]));
        assert_int_equal(edges[i].strength, strength[i]);
    }
    assert_int_equal(catalog_edges(c, fixture_item(f, "b"), &edges), 1);
    assert_int_equal(edges[0].strength, 65535);
    assert_int_equal(catalog_edges(c, fixture_item(f, "e"), &edges), 0);
    assert_int_equal(catalog_edges(c, 99, &edges), 0);
    assert_int_equal(catalog_edges(c, ITEM_NONE, &edges), 0);
    assert_int_equal(catalog_edge_count(c), 5);
    assert_int_equal(catalog_item_count(c), 5);
    catalog_free(c);
    fixture_close(f);
}

/* Nodes of 1 to 25 edges, whose neighbours have the edges that they do not have; the last one ends
 * where the edges end. */
static void an_edge_is_found_where_it_is_and_not_behind_the_last_one(void **state)
{
    (void)state;
    struct fixture *f = fixture_open();
    char text[16384];
    size_t len = 0;
    for (unsigned n = 1; n <= 25; n++)
        for (unsigned i = 0; i < n; i++)
            len += (size_t)snprintf(text + len, sizeof text - len, "n%u\tt%u\t%u\n", n,
                                    (n * 7 + i) % 60, 100 - i);
    struct catalog *c = load(f, text);
    assert_non_null(c);
    for (unsigned n = 1; n <= 25; n++) {
        char name[8];
        const struct catalog_edge *edges = NULL;
        snprintf(name, sizeof name, "n%u", n);
        uint32_t count = catalog_edges(c, fixture_item(f, name), &edges);
        assert_int_equal(count, n);
        for (uint32_t item = 0; item < catalog_item_count(c); item++)
            for (uint32_t few = 0; few <= count; few++) {
                uint32_t at = 0;
                while (at < few && edges[at].to != item)
                    at++;
                assert_int_equal(catalog_edge_to(edges, few, item), at);
            }
    }
    catalog_free(c);
    fixture_close(f);
}

static void an_edge_given_twice_adds_up(void **state)
{
    (void)state;
    struct fixture *f = fixture_open();
    struct catalog *c = load(f, "a\tb\t1\na\tc\t3\na\tb\t2\na\td\t0.000000001\n");
    const struct catalog_edge *edges = NULL;
    assert_int_equal(catalog_edges(c, fixture_item(f, "a"), &edges), 3);
    assert_int_equal(edges[0].to, fixture_item(f, "b"));
    assert_int_equal(edges[0].strength, 65535);
    assert_int_equal(edges[1].strength, 65535);
    assert_int_equal(edges[2].strength, 1);
    catalog_free(c);
    fixture_close(f);
}

static void items_are_found_by_the_hash_of_their_name(void **state)
{
    (void)state;
    struct fixture *f = fixture_open();
    items_add(f->items, "elsewhere", 9);
    struct catalog *c = load(f, "a\tb\t1\n");
    assert_int_equal(catalog_find(c, hash64(&f->key, "a", 1)), fixture_item(f, "a"));
    assert_int_equal(catalog_find(c, hash64(&f->key, "b", 1)), fixture_item(f, "b"));
    assert_int_equal(catalog_find(c, hash64(&f->key, "elsewhere", 9)), ITEM_NONE);
    assert_int_equal(catalog_find(c, 0), ITEM_NONE);
    catalog_free(c);
    fixture_close(f);
}

static void the_hash_is_of_the_content_alone(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(), *g = fixture_open();
    struct catalog *one = load(f, "a\tb\t1\nb\tc\t2\nb\td\t1\n");
    items_add(g->items, "other", 5);
    struct catalog *two = load(g, "b\td\t10\n# same\nb\tc\t20\na\tb\t7.5\n");
    struct catalog *three = load(g, "a\tb\t1\nb\tc\t2\nb\td\t1.5\n");
    assert_true(catalog_hash(one) == catalog_hash(two));
    assert_true(catalog_hash(one) != catalog_hash(three));
    catalog_free(one);
    catalog_free(two);
    catalog_free(three);
    fixture_close(f);
    fixture_close(g);
}

static void a_bad_weight_is_told_with_its_place(void **state)
{
    (void)state;
    const char *bad[] = {"0",  "-1", "1e3",        "x",   "1.",           "0.0000000001",
                         ".5", "+1", "1000000001", "nan", "1000000000.1", "12 "};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "a\tb\t1\na\tcc\t%s\n", bad[i]);
        assert_fault(text, 2, 6, "bad_value", "weight must be");
    }
    assert_fault("a\tb\t\n", 1, 5, "bad_value", "weight must be");
}

static void a_line_without_three_fields_is_told(void **state)
{
    (void)state;
    assert_fault("# head\na b 1\n", 2, 1, "syntax", "not 1");
    assert_fault("a\tb\n", 1, 1, "syntax", "not 2");
    assert_fault("a\tb\t1\t2", 1, 1, "syntax", "not 4");
    char text[400];
    memset(text, 'x', sizeof text);
    text[399] = 0;
    assert_fault(text, 1, 1, "syntax", "longer than 255");
}

static void a_bad_name_is_told(void **state)
{
    (void)state;
    assert_fault("\tb\t1\n", 1, 1, "bad_value", "empty");
    assert_fault("a\t\t1\n", 1, 3, "bad_value", "empty");
    assert_fault("a\t01234567890123456789012345678901234567890123456789012345678901234\t1\n", 1, 3,
                 "out_of_range", "65 bytes");
    assert_fault("a\tb\t1\na\tb\xff\t1\n", 2, 4, "bad_value", "UTF-8");
}

static void a_file_that_is_missing_or_empty_is_told(void **state)
{
    (void)state;
    assert_fault("# nothing\n", 0, 1, "bad_value", "no edge");
    struct fixture *f = fixture_open();
    assert_null(catalog_load("/nowhere/x.tsv", f->items, &f->key, &f->diags));
    assert_int_equal(f->diags.count, 1);
    assert_string_equal(f->diags.diags[0].code, "unreadable");
    assert_non_null(strstr(f->diags.diags[0].text, "No such file"));
    assert_null(catalog_load("/tmp", f->items, &f->key, &f->diags));
    assert_non_null(strstr(f->diags.diags[1].text, "directory"));
    fixture_close(f);
}

static void all_faults_are_told_in_one_run(void **state)
{
    (void)state;
    struct fixture *f = fixture_open();
    assert_null(load(f, "a\n\tb\t0\na\tb\t1\nc\td\tz\n"));
    assert_int_equal(f->diags.count, 4);
    assert_int_equal(f->diags.diags[0].line, 1);
    assert_int_equal(f->diags.diags[1].line, 2);
    assert_int_equal(f->diags.diags[2].line, 2);
    assert_int_equal(f->diags.diags[3].line, 4);
    fixture_close(f);
}

static void more_items_than_the_limit_is_told(void **state)
{
    (void)state;
    struct fixture *f = fixture_open();
    struct items *few = items_new(2);
    assert_null(catalog_load(fixture_catalog(f, "a\tb\t1\na\tc\t1\n"), few, &f->key, &f->diags));
    assert_int_equal(f->diags.diags[0].line, 2);
    assert_non_null(strstr(f->diags.diags[0].text, "limits.items"));
    items_free(few);
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_come_strongest_first_and_ties_by_id),
        cmocka_unit_test(an_edge_is_found_where_it_is_and_not_behind_the_last_one),
        cmocka_unit_test(an_edge_given_twice_adds_up),
        cmocka_unit_test(items_are_found_by_the_hash_of_their_name),
        cmocka_unit_test(the_hash_is_of_the_content_alone),
        cmocka_unit_test(a_bad_weight_is_told_with_its_place),
        cmocka_unit_test(a_line_without_three_fields_is_told),
        cmocka_unit_test(a_bad_name_is_told),
        cmocka_unit_test(a_file_that_is_missing_or_empty_is_told),
        cmocka_unit_test(all_faults_are_told_in_one_run),
        cmocka_unit_test(more_items_than_the_limit_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
