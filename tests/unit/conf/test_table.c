/* test_table.c - the table of keys agrees with itself, and the manual and the schema with it. */
#include "tests/unit/conf/load.h"

#include "conf/table.h"
#include "dataplane/base/reason.h"

static unsigned key_total;

static void each_key(const struct key_set *set,
                     void (*visit)(const struct key_set *set, const struct key *key))
{
    for (const struct key *key = set->keys; key->name; key++) {
        visit(set, key);
        key_total++;
        if (key_is_set(key))
            each_key(key->set, visit);
    }
}

static union {
    struct conf conf;
    struct conf_hunt hunt;
    char bytes[sizeof(struct conf)];
} base;

static struct yaml_node scalar(const char *text)
{
    return (struct yaml_node){
        .kind = YAML_SCALAR, .text = text, .len = (uint32_t)strlen(text), .line = 1, .column = 1};
}

static void check_default(const struct key_set *set, const struct key *key)
{
    (void)set;
    if (key_is_set(key) || !key->fallback)
        return;
    struct yaml_node node = scalar(key->fallback);
    struct key_fault fault = key_read(key, &base.conf, &node, &base);
    if (fault.code)
        print_error("%s: %s\n", key->name, key->fallback);
    assert_null(fault.code);
}

static void every_default_is_a_value_of_its_key(void **state)
{
    (void)state;
    each_key(&table_root, check_default);
    assert_true(key_total > 60);
}

static void check_row(const struct key_set *set, const struct key *key)
{
    bool valued = key->fallback || key->absent;
    if (!key_is_set(key) && valued == ((key->flags & KEY_REQUIRED) != 0))
        print_error("%s\n", key->name);
    if (!key_is_set(key))
        assert_true(valued != ((key->flags & KEY_REQUIRED) != 0));
    assert_true(key->help && *key->help && key->help[strlen(key->help) - 1] != '.');
    assert_true(key->min <= key->max);
    for (const struct key *other = set->keys; other != key; other++)
        assert_true(strcmp(other->name, key->name) != 0 ||
                    !(other->flags & key->flags & KEY_KINDS));
    if (key->type == KEY_NUMBER || key->type == KEY_SIZE || key->type == KEY_TIME ||
        key->type == KEY_FIXED) {
        assert_true(key->width <= 8 && key->max > 0);
        uint64_t most = key->scale ? key->max / key->scale : key->max;
        assert_true(key->width == 0 || key->width == 8 || most < 1ull << 8 * key->width);
    }
}

static void every_row_is_whole(void **state)
{
    (void)state;
    each_key(&table_root, check_row);
}

/* What an operator prints and writes back means the same. */
static void check_print(const struct key_set *set, const struct key *key)
{
    (void)set;
    if (key_is_set(key) || !key->fallback || !key->width)
        return;
    char text[256] = "", again[256] = "";
    key_set_default(key, &base.conf, &base);
    FILE *out = fmemopen(text, sizeof text - 1, "w");
    key_print(key, &base.conf, &base, out);
    fclose(out);
    struct yaml_node node = scalar(text);
    assert_null(key_read(key, &base.conf, &node, &base).code);
    out = fmemopen(again, sizeof again - 1, "w");
    key_print(key, &base.conf, &base, out);
    fclose(out);
    assert_string_equal(text, again);
}

static void every_default_prints_as_what_reads_back(void **state)
{
    (void)state;
    each_key(&table_root, check_print);
}

static char *searched;
static size_t searched_len;

static void search_in(void (*print)(FILE *out))
{
    FILE *out = open_memstream(&searched, &searched_len);
    print(out);
    fclose(out);
}

static void check_schema(const struct key_set *set, const struct key *key)
{
    (void)set;
    char name[80];
    snprintf(name, sizeof name, "\"%s\": ", key->name);
    assert_non_null(strstr(searched, name));
}

static void the_schema_has_every_key_and_closes_every_brace(void **state)
{
    (void)state;
    search_in(conf_print_schema);
    each_key(&table_root, check_schema);
    int depth = 0;
    bool string = false;
    for (const char *c = searched; *c; c++) {
        if (*c == '"' && c[-1] != '\\')
            string = !string;
        if (!string)
            depth += (*c == '{' || *c == '[') - (*c == '}' || *c == ']');
        assert_true(depth >= 0 && (depth > 0 || *c == '}' || *c == '\n'));
    }
    assert_int_equal(depth, 0);
    free(searched);
}

static void check_manual(const struct key_set *set, const struct key *key)
{
    (void)set;
    char name[80];
    if (key_is_set(key))
        return;
    snprintf(name, sizeof name, "\n.B %s\n", key->name);
    if (!strstr(searched, name))
        print_error("%s\n", key->name);
    assert_non_null(strstr(searched, name));
}

static void the_manual_has_every_key_and_every_reason(void **state)
{
    (void)state;
    search_in(conf_print_manual);
    each_key(&table_root, check_manual);
    for (unsigned i = 1; i < REASON_COUNT; i++) {
        char name[80];
        snprintf(name, sizeof name, "\n.B %s\n", reason_name(i));
        assert_non_null(strstr(searched, name));
    }
    assert_non_null(strstr(searched, "\n.B too_fast\n"));
    assert_non_null(strstr(searched, ".TH TROVE.YAML 5"));
    free(searched);
}

static void the_manual_s_example_is_a_configuration(void **state)
{
    (void)state;
    search_in(conf_print_manual);
    char *from = strstr(searched, "\n.EX\n"), *to = strstr(searched, ".EE\n");
    assert_true(from && to && from < to);
    from += 5;
    char *out = from;
    *to = 0;
    for (const char *in = from; *in; in++)
        if (*in != '\\')
            *out++ = *in;
    *out = 0;
    struct conf *conf = load_good(from);
    assert_int_equal(conf->hunt_count, 2);
    assert_int_equal(conf->sink_count, 1);
    conf_free(conf);
    diag_list_fini(&diags);
    free(searched);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_is_a_value_of_its_key),
        cmocka_unit_test(every_row_is_whole),
        cmocka_unit_test(every_default_prints_as_what_reads_back),
        cmocka_unit_test(the_schema_has_every_key_and_closes_every_brace),
        cmocka_unit_test(the_manual_has_every_key_and_every_reason),
        cmocka_unit_test(the_manual_s_example_is_a_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
