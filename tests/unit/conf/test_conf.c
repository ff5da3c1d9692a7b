/* test_conf.c - what a document means, key by key. */
#include <unistd.h>

#include "tests/unit/conf/load.h"

#include "dataplane/base/outcome.h"

static int fini(void **state)
{
    (void)state;
    diag_list_fini(&diags);
    return 0;
}

static void what_is_not_said_has_its_default(void **state)
{
    (void)state;
    struct conf *conf = load_good(MINIMAL "hunts: [{ " TRAIL " }, { " BASKET " }]\n");
    assert_string_equal(conf->pop, "local");
    assert_true(conf->host[0] != 0);
    assert_int_equal(conf->ports[0].rx_queues, 0);
    assert_int_equal(conf->ports[0].timestamp, CONF_TIMESTAMP_NONE);
    assert_int_equal(conf->udp.port, 7001);
    assert_int_equal(conf->udp.max_datagram, 1400);
    assert_string_equal(conf->management.socket, "/run/trove/ctl.sock");
    assert_int_equal(conf->events.dedupe_window_ns, 900000000000);
    assert_int_equal(conf->events.dedupe_capacity, 4000000);
    assert_int_equal(conf->events.dedupe_policy, CONF_REFUSE);
    assert_int_equal(conf->events.skew_tolerance_ns, 5000000000);
    assert_int_equal(conf->events.skew_reject_ns, 86400000000000);
    assert_int_equal(conf->events.lateness_ns, 900000000000);
    assert_int_equal(conf->limits.event_bytes, 1400);
    assert_int_equal(conf->limits.event_depth, 32);
    assert_int_equal(conf->limits.users, 1000000);
    assert_int_equal(conf->limits.user_ttl_ns, 21600000000000);
    assert_int_equal(conf->limits.items, 1000000);
    assert_int_equal(conf->journal.segment_bytes, 256u << 20);
    assert_int_equal(conf->journal.group_commit_ns, 200000);
    assert_int_equal(conf->journal.buffer_blocks, 256);
    assert_int_equal(conf->memory.huge_pages, CONF_AUTO);
    assert_int_equal(conf->memory.mbufs, 0);
    assert_true(conf->lcores_auto);
    assert_int_equal(conf->lcore_count, 0);
    assert_int_equal(conf->control_core, -1);
    assert_int_equal(conf->partitions, 256);
    assert_int_equal(conf->ring_slots, 8192);
    assert_int_equal(conf->drain_ns, 5000000000);
    assert_int_equal(conf->sink_count, 0);
    conf_free(conf);
}

static void the_two_kinds_of_hunt_have_defaults_of_their_own(void **state)
{
    (void)state;
    struct conf *conf = load_good(MINIMAL "hunts: [{ " TRAIL " }, { " BASKET " }]\n");
    const struct conf_hunt *trail = &conf->hunts[0], *basket = &conf->hunts[1];
    assert_int_equal(trail->kind, CONF_TRAIL);
    assert_int_equal(trail->types, 1);
    assert_int_equal(trail->starts_ms, 0);
    assert_true(trail->ends_ms == INT64_MAX);
    assert_true(trail->once);
    assert_int_equal(trail->cooldown_ns, 0);
    assert_int_equal(trail->max_depth, 8);
    assert_int_equal(trail->min_step_ns, 1000000000);
    assert_int_equal(trail->max_fanout, 32);
    assert_int_equal(trail->budget, 640);
    assert_int_equal(basket->kind, CONF_BASKET);
    assert_int_equal(basket->recent, 8);
    assert_int_equal(basket->ttl_ns, 1800000000000);
    assert_int_equal(basket->basket_items, 3);
    assert_int_equal(basket->threshold, 5u << 15);
    assert_int_equal(basket->decay, 1u << 15);
    assert_int_equal(basket->max_depth, 2);
    assert_int_equal(basket->max_fanout, 8);
    assert_int_equal(basket->budget, 256);
    conf_free(conf);
}

static void check_full_host(const struct conf *conf)
{
    const struct conf_port *port = &conf->ports[0];
    assert_string_equal(conf->host, "e07");
    assert_string_equal(port->device, "net_tap0,iface=trove0");
    assert_int_equal(port->rx_queues, 4);
    assert_int_equal(port->rx_descriptors, 1024);
    assert_int_equal(port->timestamp, CONF_TIMESTAMP_TRAILER);
    assert_int_equal(port->mac[5], 1);
    assert_int_equal(port->addr_count, 1);
    assert_int_equal(port->addrs[0].prefix_len, 24);
    assert_int_equal(port->place.line, 6);
    assert_int_equal(conf->events.type_count, 2);
    assert_true(conf->events.types[0].require_item && conf->events.types[0].forbid_tile);
    assert_false(conf->events.types[0].require_tile || conf->events.types[0].forbid_item);
    assert_true(conf->events.types[0].strict);
    assert_string_equal(conf->events.types[1].name, "click");
    assert_int_equal(conf->memory.huge_pages, CONF_OFF);
    assert_int_equal(conf->lcore_count, 2);
    assert_false(conf->lcores_auto);
    assert_true(conf->lcores[0].rx && conf->lcores[0].shard);
    assert_true(!conf->lcores[1].rx && conf->lcores[1].shard);
    assert_int_equal(conf->lcores[1].core, 3);
    assert_int_equal(conf->control_core, 0);
}

static void check_full_hunts(const struct conf *conf)
{
    const struct conf_hunt *trail = &conf->hunts[0], *basket = &conf->hunts[1];
    assert_string_equal(trail->catalog, "/c.tsv");
    assert_int_equal(trail->start_count, 2);
    assert_string_equal(trail->start[1], "\xc3\xa9");
    assert_int_equal(trail->treasure_count, 1);
    assert_string_equal(trail->treasure[0], "B1");
    assert_int_equal(trail->types, 3);
    assert_int_equal(trail->min_step_ns, 500000000);
    assert_int_equal(basket->types, 1);
    assert_false(basket->once);
    assert_int_equal(basket->cooldown_ns, 86400000000000);
    assert_int_equal(basket->threshold, 3u << 14);
    assert_int_equal(conf->sinks[0].outcomes, 1 << OUTCOME_award);
}

static void what_is_said_counts(void **state)
{
    (void)state;
    struct conf *conf = conf_load_file(CORPUS "/full.yaml", &diags);
    diag_print(&diags, stderr);
    assert_non_null(conf);
    check_full_host(conf);
    check_full_hunts(conf);
    assert_string_equal(conf->management.socket, "/var/lib/trove/ctl.sock");
    assert_string_equal(conf->sinks[0].path, "/var/lib/trove/out/x.ndjson");
    assert_string_equal(conf->hunts[1].catalog, CORPUS "/c.tsv");
    assert_int_equal(conf->text_len, strlen(conf->text));
    conf_free(conf);
}

static void types_mean_the_same_wherever_they_stand_in_the_document(void **state)
{
    (void)state;
    struct conf *conf = load_good("hunts: [{ " BASKET ", types: [buy] }]\n" MINIMAL
                                  "    buy: { require: [item] }\n");
    assert_int_equal(conf->hunts[0].types, 2);
    conf_free(conf);
}

static void a_catalog_is_anchored_to_the_file_wherever_it_was_named_from(void **state)
{
    (void)state;
    const char *text = MINIMAL "hunts: [{ " BASKET " }]\n";
    struct conf *conf = conf_load("/trove.yaml", text, strlen(text), &diags);
    assert_string_equal(conf->hunts[0].catalog, "/c.tsv");
    conf_free(conf);
    char cwd[200], expected[CONF_PATH_MAX];
    assert_non_null(getcwd(cwd, sizeof cwd));
    snprintf(expected, sizeof expected, "%s/conf.d/c.tsv", cwd);
    conf = conf_load("conf.d/trove.yaml", text, strlen(text), &diags);
    assert_string_equal(conf->hunts[0].catalog, expected);
    conf_free(conf);
}

static void the_embedded_configuration_loads(void **state)
{
    (void)state;
    struct conf *conf = load_good(conf_default_text());
    assert_string_equal(conf->data_dir, "/tmp/trove-dev");
    assert_string_equal(conf->management.socket, "/tmp/trove-dev/ctl.sock");
    assert_string_equal(conf->sinks[0].path, "/tmp/trove-dev/out/outcomes.ndjson");
    assert_string_equal(conf->ports[0].device, "net_tap0,iface=trove0");
    assert_int_equal(conf->ports[0].addr_count, 2);
    assert_int_equal(conf->memory.huge_pages, CONF_OFF);
    assert_int_equal(conf->events.type_count, 5);
    assert_int_equal(conf->sinks[0].outcomes, (1 << OUTCOME_KIND_COUNT) - 1);
    assert_int_equal(conf->hunt_count, 0);
    conf_free(conf);
}

/* The daemon's --data-dir replaces one line of the text. */
static void the_embedded_configuration_names_its_data_dir_once(void **state)
{
    (void)state;
    const char *line = strstr(conf_default_text(), "\ndata_dir: /tmp/trove-dev\n");
    assert_non_null(line);
    assert_null(strstr(line + 20, "/tmp/trove-dev"));
}

static void a_section_whose_keys_are_all_commented_out_is_empty(void **state)
{
    (void)state;
    struct conf *conf = load_good(MINIMAL "journal:\n#  buffer: 1GiB\nhunts:\nsinks:\n");
    assert_int_equal(conf->journal.buffer_blocks, 256);
    assert_int_equal(conf->hunt_count, 0);
    conf_free(conf);
}

static void files_that_cannot_be_read_say_why(void **state)
{
    (void)state;
    assert_null(conf_load_file("/nonexistent/trove.yaml", &diags));
    assert_string_equal(diags.diags[0].code, "unreadable");
    assert_non_null(strstr(diags.diags[0].text, "No such file"));
    assert_null(conf_load_file("/", &diags));
    assert_non_null(strstr(diags.diags[1].text, "directory"));
    size_t len = CONF_TEXT_MAX + 1;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, '#', len);
    assert_null(conf_load("f", text, len, &diags));
    assert_non_null(strstr(diags.diags[2].text, "4 MiB"));
    assert_null(conf_load("f", text, len - 1, &diags));
    assert_non_null(strstr(diags.diags[3].text, "empty"));
    free(text);
}

static void an_empty_document_says_what_is_needed(void **state)
{
    (void)state;
    assert_fault("", "missing_key", 1, 1, "empty");
    assert_fault("# nothing\n---\n", "missing_key", 1, 1, "empty");
    assert_fault("just words\n", "wrong_type", 1, 1, "mapping of keys");
    assert_fault("[a, b]\n", "wrong_type", 1, 1, "mapping of keys");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_is_not_said_has_its_default, fini),
        cmocka_unit_test_teardown(the_two_kinds_of_hunt_have_defaults_of_their_own, fini),
        cmocka_unit_test_teardown(what_is_said_counts, fini),
        cmocka_unit_test_teardown(types_mean_the_same_wherever_they_stand_in_the_document, fini),
        cmocka_unit_test_teardown(a_catalog_is_anchored_to_the_file_wherever_it_was_named_from,
                                  fini),
        cmocka_unit_test_teardown(the_embedded_configuration_loads, fini),
        cmocka_unit_test_teardown(the_embedded_configuration_names_its_data_dir_once, fini),
        cmocka_unit_test_teardown(a_section_whose_keys_are_all_commented_out_is_empty, fini),
        cmocka_unit_test_teardown(files_that_cannot_be_read_say_why, fini),
        cmocka_unit_test_teardown(an_empty_document_says_what_is_needed, fini),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
