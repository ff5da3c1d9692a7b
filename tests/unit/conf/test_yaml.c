/* test_yaml.c - the tree, its places, and what is refused whatever the keys are. */
#include <errno.h>

#include "tests/unit/conf/load.h"

#include "conf/yaml.h"

static struct yaml yaml;

static int parse(const char *text, size_t len)
{
    yaml_fini(&yaml);
    diag_list_fini(&diags);
    return yaml_parse(&yaml, "f.yaml", text, len, &diags);
}

static int fini(void **state)
{
    (void)state;
    yaml_fini(&yaml);
    diag_list_fini(&diags);
    return 0;
}

static void assert_refused(const char *text, int rc, unsigned line, unsigned column,
                           const char *words)
{
    assert_int_equal(parse(text, strlen(text)), rc);
    assert_true(diags.count >= 1);
    if (!strstr(diags.diags[0].text, words))
        diag_print(&diags, stderr);
    assert_non_null(strstr(diags.diags[0].text, words));
    assert_int_equal(diags.diags[0].line, line);
    assert_int_equal(diags.diags[0].column, column);
}

static void a_tree_knows_where_its_values_stand(void **state)
{
    (void)state;
    const char *text = "a: 1\n\xc3\xa9:\n  - {x: \"y z\", \xc3\xa9\xc3\xa9: w}\n\tq:\n";
    text = "a: 1\n\xc3\xa9:\n  - {x: \"y z\", \xc3\xa9\xc3\xa9: w}\nq:\n";
    assert_int_equal(parse(text, strlen(text)), 0);
    const struct yaml_node *list = yaml_find(yaml.root, "\xc3\xa9");
    assert_int_equal(list->kind, YAML_LIST);
    assert_int_equal(list->count, 1);
    const struct yaml_node *x = yaml_find(list->first, "x");
    assert_string_equal(x->text, "y z");
    assert_true(x->quoted);
    const struct yaml_node *w = yaml_find(list->first, "\xc3\xa9\xc3\xa9");
    assert_int_equal(w->line, 3);
    assert_int_equal(w->column, 20);
    assert_int_equal(w->key->length, 2);
    assert_true(yaml_empty(yaml_find(yaml.root, "q")));
    assert_false(yaml_empty(x));
    assert_null(yaml_find(yaml.root, "none"));
    struct diag place;
    yaml_place(&yaml, w, &place);
    assert_string_equal(place.source, "  - {x: \"y z\", \xc3\xa9\xc3\xa9: w}");
}

static void a_byte_order_mark_and_cr_lf_change_no_place(void **state)
{
    (void)state;
    const char *text = "\xef\xbb\xbf"
                       "a: 1\r\nb: 2\r\n";
    assert_int_equal(parse(text, strlen(text)), 0);
    const struct yaml_node *a = yaml_find(yaml.root, "a");
    assert_int_equal(a->column, 4);
    struct diag place;
    yaml_place(&yaml, a, &place);
    assert_string_equal(place.source, "a: 1");
    assert_int_equal(yaml_find(yaml.root, "b")->line, 2);
    assert_string_equal(yaml_find(yaml.root, "b")->text, "2");
}

/* libfyaml dropped the x. */
static void doubled_single_quotes_in_a_row_lose_nothing(void **state)
{
    (void)state;
    const char *text = "a: '''''x'\nb: 'it''s'\nc: ''\n'''d': '\xc3\xa9 \\n'\n";
    assert_int_equal(parse(text, strlen(text)), 0);
    assert_string_equal(yaml_find(yaml.root, "a")->text, "''x");
    assert_string_equal(yaml_find(yaml.root, "b")->text, "it's");
    assert_string_equal(yaml_find(yaml.root, "c")->text, "");
    assert_true(yaml_find(yaml.root, "c")->quoted);
    assert_string_equal(yaml_find(yaml.root, "'d")->text, "\xc3\xa9 \\n");
    assert_refused("a: 'b\n  c'\n", 0, 1, 5, "on the line it begins on");
}

static void tags_anchors_and_aliases_are_refused_each(void **state)
{
    (void)state;
    assert_refused("a: !!str b\n", 0, 1, 10, "tags");
    assert_refused("a: &b c\n", 0, 1, 7, "anchors");
    assert_refused("a: *b\n", 0, 1, 5, "aliases");
    const char *text = "a: !!str b\nb: &c d\ne: *c\n";
    assert_int_equal(parse(text, strlen(text)), 0);
    assert_int_equal(diags.count, 3);
    assert_true(yaml_find(yaml.root, "e")->broken);
}

static void one_document_of_single_word_keys_is_all_there_can_be(void **state)
{
    (void)state;
    assert_refused("a: b\n---\nc: d\n", -EBADMSG, 2, 1, "second document");
    assert_refused("? [a]\n: b\n", -EBADMSG, 1, 3, "single word");
    assert_refused("a: b\nc: d\na: e\n", 0, 3, 1, "'a' is given twice, first on line 1");
}

static void syntax_faults_come_with_their_place_and_print_nothing(void **state)
{
    (void)state;
    assert_refused("a: {b: c\nd: [\n", -EBADMSG, 2, 2, "missing comma");
    assert_string_equal(diags.diags[0].source, "d: [");
    assert_string_equal(diags.diags[0].code, "syntax");
    assert_refused("a: b: c\n", -EBADMSG, 1, 5, "");
    assert_refused("a: \"x\n", -EBADMSG, 1, 5, "");
}

/* libfyaml itself ends such values in silence, which would leave half a configuration. */
static void bytes_that_no_text_holds_are_refused(void **state)
{
    (void)state;
    assert_refused("a: b\nc: x\xffy\n", -EBADMSG, 2, 5, "UTF-8");
    assert_refused("a: \x1b[31m\n", -EBADMSG, 1, 4, "control character");
    assert_refused("a: \"\\u0000\"\n", 0, 1, 5, "NUL");
    assert_int_equal(parse("a: b\0\nc: d\n", 11), -EBADMSG);
    assert_non_null(strstr(diags.diags[0].text, "control character"));
    assert_int_equal(parse("\xff\xfe"
                           "a\0:\0 \0b\0",
                           10),
                     -EBADMSG);
}

static void depth_width_and_number_of_values_are_bounded(void **state)
{
    (void)state;
    char text[4 * YAML_LIST_MAX] = "";
    memset(text, '[', YAML_DEPTH_MAX + 1);
    assert_refused(text, -EBADMSG, 1, YAML_DEPTH_MAX + 1, "too deep");
    memset(text, 0, sizeof text);
    for (size_t i = 0; i < YAML_LIST_MAX + 1; i++)
        memcpy(text + 2 * i, "[x,x" + 2 * (i > 0), 2);
    assert_refused(text, -EBADMSG, 1, 2 * YAML_LIST_MAX + 2, "too many");
    size_t len = 0;
    for (int i = 0; i <= YAML_KEYS_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "k%d: v\n", i);
    assert_refused(text, -EBADMSG, YAML_KEYS_MAX + 1, 7, "too many");
}

/* Lists of 100 in lists of 100, by hand: neither too deep nor too wide. */
static void a_million_values_stop_at_the_limit(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    for (int i = 0; i < 100; i++) {
        fputs("- - - a\n", out);
        for (int j = 0; j < 9999; j++)
            fputs(j % 100 ? "    - a\n" : "  - - a\n", out);
    }
    fclose(out);
    assert_int_equal(parse(text, len), -EBADMSG);
    assert_true(yaml.node_count <= YAML_NODES_MAX + 1);
    assert_non_null(strstr(diags.diags[0].text, "more than 50000 values"));
    free(text);
}

static void a_wall_of_brackets_never_reaches_the_parser(void **state)
{
    (void)state;
    size_t len = CONF_TEXT_MAX;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, '[', len);
    assert_int_equal(parse(text, len), -EBADMSG);
    assert_int_equal(yaml.node_count, 0);
    assert_non_null(strstr(diags.diags[0].text, "more than 50000 brackets"));
    assert_int_equal(diags.diags[0].column, YAML_NODES_MAX + 1);
    free(text);
}

static void no_content_is_no_root(void **state)
{
    (void)state;
    assert_int_equal(parse("", 0), 0);
    assert_null(yaml.root);
    assert_int_equal(parse("# nothing\n", 10), 0);
    assert_null(yaml.root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_tree_knows_where_its_values_stand, fini),
        cmocka_unit_test_teardown(a_byte_order_mark_and_cr_lf_change_no_place, fini),
        cmocka_unit_test_teardown(doubled_single_quotes_in_a_row_lose_nothing, fini),
        cmocka_unit_test_teardown(tags_anchors_and_aliases_are_refused_each, fini),
        cmocka_unit_test_teardown(one_document_of_single_word_keys_is_all_there_can_be, fini),
        cmocka_unit_test_teardown(syntax_faults_come_with_their_place_and_print_nothing, fini),
        cmocka_unit_test_teardown(bytes_that_no_text_holds_are_refused, fini),
        cmocka_unit_test_teardown(depth_width_and_number_of_values_are_bounded, fini),
        cmocka_unit_test_teardown(a_million_values_stop_at_the_limit, fini),
        cmocka_unit_test_teardown(a_wall_of_brackets_never_reaches_the_parser, fini),
        cmocka_unit_test_teardown(no_content_is_no_root, fini),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
