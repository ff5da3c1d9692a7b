/* test_diff.c - what an operator is told of a change before and after it is made. */
#include "tests/unit/conf/load.h"

#define LINES_MAX 16

static char lines[LINES_MAX][512];
static unsigned line_count;

static void note(void *arg, char sign, const char *path, const char *from, const char *to, bool hot)
{
    assert_ptr_equal(arg, lines);
    assert_true(line_count < LINES_MAX);
    snprintf(lines[line_count++], sizeof lines[0], "%c %s %s -> %s %s", sign, path, from, to,
             hot ? "hot" : "restart");
}

static void diff(const char *from, const char *to)
{
    struct conf *before = load_good(from), *after = load_good(to);
    line_count = 0;
    unsigned count = conf_diff(before, after, note, lines);
    assert_int_equal(count, line_count);
    conf_free(before);
    conf_free(after);
}

static void assert_one(const char *from, const char *to, const char *expected)
{
    diff(from, to);
    assert_int_equal(line_count, 1);
    assert_string_equal(lines[0], expected);
}

static void the_same_meaning_is_no_difference(void **state)
{
    (void)state;
    diff(MINIMAL, MINIMAL "pop: local\ndrain: 5000ms\njournal: { buffer: 65536KiB }\n"
                          "lcores: auto\n# a comment\n");
    assert_int_equal(line_count, 0);
    diff(MINIMAL "    buy: {}\n    cart: {}\nhunts: [{ " BASKET ", types: [buy, cart] }]\n",
         MINIMAL "    cart: {}\n    buy: {}\nhunts: [{ " BASKET ", types: [cart, buy] }]\n");
    assert_int_equal(line_count, 0);
}

static void values_change_with_their_path_and_as_one_writes_them(void **state)
{
    (void)state;
    assert_one(MINIMAL, MINIMAL "pop: fra1\n", "~ pop local -> fra1 hot");
    assert_one(MINIMAL, MINIMAL "drain: 10s\n", "~ drain 5s -> 10s restart");
    assert_one(MINIMAL, MINIMAL "journal: { segment_size: 1GiB }\n",
               "~ journal.segment_size 256MiB -> 1GiB restart");
    assert_one(MINIMAL, MINIMAL "journal: { buffer: 128MiB }\n",
               "~ journal.buffer 64MiB -> 128MiB restart");
    assert_one(MINIMAL, MINIMAL "control_core: 0\n", "~ control_core auto -> 0 restart");
    assert_one(MINIMAL, MINIMAL "memory: { huge_pages: off }\n",
               "~ memory.huge_pages auto -> off restart");
    assert_one(MINIMAL, MINIMAL "limits: { event_bytes: 1000 }\n",
               "~ limits.event_bytes 1400 -> 1000 hot");
    assert_one(MINIMAL, MINIMAL "  lateness: 1m\n", "~ events.lateness 15m -> 1m hot");
    assert_one(MINIMAL, MINIMAL "  dedupe: { window: 1h }\n",
               "~ events.dedupe.window 15m -> 1h restart");
    assert_one(MINIMAL, MINIMAL "  dedupe: { policy: shorten }\n",
               "~ events.dedupe.policy refuse -> shorten hot");
}

static void elements_are_matched_by_name(void **state)
{
    (void)state;
    assert_one(MINIMAL "hunts: [{ " BASKET " }, { " TRAIL " }]\n",
               MINIMAL "hunts: [{ " TRAIL ", min_step: 200ms }, { " BASKET " }]\n",
               "~ hunts.t.min_step 1s -> 200ms hot");
    assert_one(MINIMAL "hunts: [{ " BASKET " }]\n",
               MINIMAL "hunts: [{ " BASKET ", threshold: 0.1 }]\n",
               "~ hunts.b.threshold 2.5 -> 0.1 hot");
    assert_one(MINIMAL, MINIMAL "    buy: { require: [item] }\n",
               "+ events.types.buy  -> {require: [item]} hot");
}

static void added_and_removed_elements_are_told_whole(void **state)
{
    (void)state;
    assert_one(MINIMAL, MINIMAL "hunts: [{ " BASKET ", recent: 4 }]\n",
               "+ hunts.b  -> {kind: basket, catalog: /etc/trove/c.tsv, recent: 4} hot");
    assert_one(MINIMAL "sinks: [{ name: s, type: file, path: \"a b\", outcomes: [award, late] }]\n",
               MINIMAL,
               "- sinks.s {type: file, path: \"/var/lib/trove/a b\", "
               "outcomes: [award, late]} ->  hot");
    diff(MINIMAL "hunts: [{ " BASKET " }]\n", MINIMAL "hunts: [{ " TRAIL " }]\n");
    assert_int_equal(line_count, 2);
}

static void optional_values_come_and_go(void **state)
{
    (void)state;
    assert_one(MINIMAL "hunts: [{ " BASKET " }]\n",
               MINIMAL "hunts: [{ " BASKET ", ends: 2026-04-01T00:00:00Z }]\n",
               "+ hunts.b.ends  -> 2026-04-01T00:00:00.000Z hot");
    diff(MINIMAL "hunts: [{ " BASKET ", cooldown: 1h }]\n", MINIMAL "hunts: [{ " BASKET " }]\n");
    assert_int_equal(line_count, 2);
    assert_string_equal(lines[0], "~ hunts.b.once false -> true hot");
    assert_string_equal(lines[1], "- hunts.b.cooldown 1h ->  hot");
}

static void a_template_shows_in_the_hunts_that_use_it(void **state)
{
    (void)state;
#define FROM(keys)                                                                                 \
    MINIMAL "templates: { t: { kind: basket, catalog: c.tsv, " keys " } }\n"                       \
            "hunts: [{ name: b, template: t, recent: 4 }, { name: c, template: t }]\n"
    diff(FROM("recent: 5"), FROM("recent: 6"));
    assert_int_equal(line_count, 1);
    assert_string_equal(lines[0], "~ hunts.c.recent 5 -> 6 hot");
    assert_one(
        FROM("budget: 90"),
        MINIMAL "hunts: [{ name: b, template: t, recent: 4 }]\n"
                "templates: { t: { kind: basket, catalog: c.tsv, budget: 90 }, u: }\n",
        "- hunts.c {template: t, kind: basket, catalog: /etc/trove/c.tsv, budget: 90} ->  hot");
    assert_one(MINIMAL "hunts: [{ " BASKET ", variants: { a: 1 } }]\n",
               MINIMAL "hunts: [{ " BASKET ", variants: { a: 2, b: 1 } }]\n",
               "~ hunts.b.variants {a: 1} -> {a: 2, b: 1} hot");
    diff(MINIMAL "hunts: [{ " BASKET ", variants: { a: 1, b: 1 } }]\n",
         MINIMAL "hunts: [{ " BASKET ", variants: { a: 1, b: 1 }, rewards: { b: x y } }]\n");
    assert_int_equal(line_count, 1);
    assert_string_equal(lines[0], "+ hunts.b.rewards  -> {b: \"x y\"} hot");
}

static void what_types_declare_of_data_differs_member_by_member(void **state)
{
    (void)state;
    assert_one(MINIMAL "    buy: { data: { p: { type: number, min: 1 } } }\n",
               MINIMAL "    buy: { data: { p: { type: number, min: 1.5 } } }\n",
               "~ events.types.buy.data.p.min 1 -> 1.5 hot");
    assert_one(MINIMAL,
               MINIMAL
               "    buy: { strict_data: true, data: { p: { type: number, enum: [1, 2] } } }\n",
               "+ events.types.buy  -> {data: {p: {type: number, enum: [1, 2]}}, "
               "strict_data: true} hot");
}

static void lcores_between_auto_and_a_plan_change_as_a_whole(void **state)
{
    (void)state;
    assert_one(MINIMAL, MINIMAL "lcores: [{ core: 1, run: rx }, { core: 2, run: shard }]\n",
               "~ lcores auto -> [{core: 1, run: [rx]}, {core: 2, run: [shard]}] restart");
    assert_one(MINIMAL "lcores: [{ core: 1, run: [rx, shard] }]\n",
               MINIMAL "lcores: [{ core: 1, run: [rx, shard] }, { core: 2, run: shard }]\n",
               "+ lcores.2  -> {run: [shard]} restart");
}

static void a_long_list_differs_in_its_last_item(void **state)
{
    (void)state;
    char from[20000], to[20010];
    size_t len = (size_t)snprintf(from, sizeof from, "%s",
                                  MINIMAL "hunts:\n  - name: t\n    kind: trail\n    catalog: c\n"
                                          "    treasure: T\n    start: [");
    for (int i = 0; i < CONF_NODES_MAX - 1; i++)
        len += (size_t)snprintf(from + len, sizeof from - len,
                                "item-with-a-rather-long-name-number-%d, ", i);
    snprintf(to, sizeof to, "%slast]\n", from);
    snprintf(from + len, sizeof from - len, "final]\n");
    diff(from, to);
    assert_int_equal(line_count, 1);
    assert_non_null(strstr(lines[0], "~ hunts.t.start [item"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_meaning_is_no_difference),
        cmocka_unit_test(values_change_with_their_path_and_as_one_writes_them),
        cmocka_unit_test(elements_are_matched_by_name),
        cmocka_unit_test(added_and_removed_elements_are_told_whole),
        cmocka_unit_test(optional_values_come_and_go),
        cmocka_unit_test(a_template_shows_in_the_hunts_that_use_it),
        cmocka_unit_test(what_types_declare_of_data_differs_member_by_member),
        cmocka_unit_test(lcores_between_auto_and_a_plan_change_as_a_whole),
        cmocka_unit_test(a_long_list_differs_in_its_last_item),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
