/* test_check.c - every kind of fault, where it is told and what the message says.
 *
 * MINIMAL has nine lines, so what follows it stands on line 10.
 */
#include "tests/unit/conf/load.h"

static void unknown_keys_suggest_what_was_meant(void **state)
{
    (void)state;
    assert_fault(MINIMAL "pops: x\n", "unknown_key", 10, 1, "'pops'");
    assert_fault(MINIMAL "pops: x\n", "unknown_key", 10, 1, "did you mean 'pop'?");
    assert_fault(MINIMAL "hunts:\n  - { " TRAIL ", max_dpeth: 3 }\n", "unknown_key", 11, 74,
                 "unknown key 'max_dpeth' in hunt; did you mean 'max_depth'?");
    assert_fault(MINIMAL "journal: { foo: 1 }\n", "unknown_key", 10, 12,
                 "possible here: segment_size group_commit buffer");
    assert_fault(MINIMAL "something: 1\n", "unknown_key", 10, 1, "trove.yaml(5)");
    assert_fault(MINIMAL "<<: { pop: x }\n", "unknown_key", 10, 1, "'<<'");
}

static void a_comma_in_an_unquoted_device_is_explained(void **state)
{
    (void)state;
    assert_fault("version: 1\ndata_dir: /d\nevents: { types: { a: {} } }\n"
                 "ports: [{ name: p, device: net_tap0,iface=x, address: 10.0.0.1/8 }]\n",
                 "unknown_key", 4, 37, "quote that value");
}

static void keys_of_the_other_kind_of_hunt_are_refused(void **state)
{
    (void)state;
    assert_fault(MINIMAL "hunts:\n  - { " TRAIL ", recent: 3 }\n", "unknown_key", 11, 74,
                 "'recent' is a key of basket hunts, and this is a trail hunt");
    assert_fault(MINIMAL "hunts:\n  - { " BASKET ", start: [a] }\n", "unknown_key", 11, 46,
                 "'start' is a key of trail hunts, and this is a basket hunt");
    assert_fault(MINIMAL "hunts:\n  - { " BASKET ", max_depth: 5 }\n", "out_of_range", 11, 57,
                 "from 1 to 4, not '5'");
}

static void a_hunt_of_no_kind_is_one_fault(void **state)
{
    (void)state;
    assert_fault(MINIMAL "hunts:\n  - { name: a, kind: tails, catalog: c, start: [a] }\n",
                 "bad_value", 11, 22, "one of trail, basket, tiles, not 'tails'");
    assert_fault(MINIMAL "hunts:\n  - { name: a, catalog: c, start: [a] }\n", "missing_key", 11, 5,
                 "'kind' in hunt");
}

static void missing_keys_are_named_with_what_they_are(void **state)
{
    (void)state;
    assert_fault("data_dir: /d\nports: [{ name: p, device: net_tap0, address: 10.0.0.1/8 }]\n"
                 "events: { types: { a: {} } }\n",
                 "missing_key", 1, 1, "missing key 'version' in the configuration");
    assert_fault(MINIMAL "hunts:\n  - { name: b, kind: basket }\n", "missing_key", 11, 5,
                 "'catalog' in hunt");
    assert_fault("version: 1\ndata_dir: /d\n"
                 "ports: [{ name: p, device: net_tap0, address: 10.0.0.1/8 }]\n",
                 "missing_key", 1, 1, "missing key 'types' in events; add it: ");
    assert_fault("version: 1\ndata_dir: /d\nevents: { types: {} }\n"
                 "ports: [{ name: p, device: net_tap0, address: 10.0.0.1/8 }]\n",
                 "missing_key", 3, 18, "types is empty");
}

static void units_are_required_and_listed(void **state)
{
    (void)state;
    assert_fault(MINIMAL "drain: 5\n", "bad_unit", 10, 8, "(ns us ms s m h d), not '5'");
    assert_fault(MINIMAL "drain: 5sec\n", "bad_unit", 10, 8, "not '5sec'");
    assert_fault(MINIMAL "journal: { segment_size: 256M }\n", "bad_unit", 10, 26,
                 "(B KiB MiB GiB KB MB GB), not '256M'");
    assert_fault(MINIMAL "drain: soon\n", "wrong_type", 10, 8, "a time from 0s to 10m");
    assert_fault(MINIMAL "drain: 0.1ns\n", "bad_value", 10, 8, "not '0.1ns'");
}

static void values_out_of_range_name_the_range(void **state)
{
    (void)state;
    assert_fault(MINIMAL "listen: { udp: { port: 0 } }\n", "out_of_range", 10, 24,
                 "port must be a whole number from 1 to 65535, not '0'");
    assert_fault(MINIMAL "listen: { udp: { port: 65536 } }\n", "out_of_range", 10, 24, "'65536'");
    assert_fault(MINIMAL "limits: { users: 99999999999999999999999 }\n", "out_of_range", 10, 18,
                 "users");
    assert_fault(MINIMAL "partitions: 100\n", "bad_value", 10, 13, "a power of two");
    assert_fault(MINIMAL "drain: 11m\n", "out_of_range", 10, 8, "to 10m");
    assert_fault(MINIMAL "journal: { buffer: 1MiB }\n", "out_of_range", 10, 20, "from 2MiB");
    assert_fault(MINIMAL "journal: { buffer: 2100KiB }\n", "bad_value", 10, 20,
                 "a multiple of 256KiB");
    assert_fault(MINIMAL "hunts: [{ " BASKET ", threshold: 0 }]\n", "out_of_range", 10, 61,
                 "greater than 0");
    assert_fault(MINIMAL "hunts: [{ " BASKET ", decay: 1.0001 }]\n", "out_of_range", 10, 57,
                 "at most 1");
}

static void values_of_the_wrong_type_are_refused(void **state)
{
    (void)state;
    assert_fault(MINIMAL "pop: [a]\n", "wrong_type", 10, 6, "not a list");
    assert_fault(MINIMAL "pop: { a: b }\n", "wrong_type", 10, 6, "not a mapping");
    assert_fault(MINIMAL "pop:\n", "bad_value", 10, 1, "pop has no value");
    assert_fault(MINIMAL "pop: \"\"\n", "bad_value", 10, 7, "not ''");
    assert_fault(MINIMAL "listen: 7001\n", "wrong_type", 10, 9, "a mapping of keys, not '7001'");
    assert_fault(MINIMAL "hunts: { a: b }\n", "wrong_type", 10, 8, "not a mapping");
    assert_fault(MINIMAL "hunts: [x]\n", "wrong_type", 10, 9,
                 "each hunt must be a mapping, not 'x'");
    assert_fault(MINIMAL "hunts: [{ " BASKET ", once: yes }]\n", "wrong_type", 10, 56,
                 "true or false");
    assert_fault(MINIMAL "hunts: [{ " BASKET ", types: [[view]] }]\n", "wrong_type", 10, 58,
                 "not a list");
    assert_fault(MINIMAL "control_core: any\n", "wrong_type", 10, 15, "auto, or a whole number");
    assert_fault(MINIMAL "lcores: all\n", "wrong_type", 10, 9, "auto, or a list");
}

static void long_values_are_shortened_in_messages(void **state)
{
    (void)state;
    assert_fault(MINIMAL
                 "pop: aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggg\n",
                 "bad_value", 10, 6, "not 'aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeee...'");
}

static void names_must_differ(void **state)
{
    (void)state;
    assert_fault(MINIMAL "hunts:\n  - { " BASKET " }\n  - { " BASKET " }\n", "conflict", 12, 13,
                 "another hunt on line 11 has the name 'b'");
    assert_fault(MINIMAL "sinks:\n  - { name: s, type: file, path: a }\n"
                         "  - { name: s, type: file, path: b }\n",
                 "conflict", 12, 13, "another sink on line 11");
    assert_fault(MINIMAL "lcores:\n  - { core: 1, run: [rx, shard] }\n  - { core: 1, run: rx }\n",
                 "conflict", 12, 13, "another lcore on line 11 has the core '1'");
    assert_fault(MINIMAL "    view: { require: [item] }\n", "conflict", 10, 5, "first on line 9");
    assert_fault(MINIMAL "    \"a b\": {}\n", "bad_value", 10, 6, "name of each event type");
    assert_fault(MINIMAL "    a23456789012345678901234567890123: {}\n", "bad_value", 10, 5,
                 "1 to 32 characters");
}

static void sinks_have_the_keys_of_their_type(void **state)
{
    (void)state;
    assert_fault(MINIMAL "sinks:\n  - { name: a, type: file }\n", "missing_key", 11, 5,
                 "a sink of type file needs path, or directory");
    assert_fault(MINIMAL "sinks:\n  - { name: a, type: file, path: x, directory: y }\n", "conflict",
                 11, 48, "has a path and a directory");
    assert_fault(MINIMAL "sinks:\n  - { name: a, type: file, path: x, compress: zstd }\n",
                 "conflict", 11, 47, "compress belongs to a file sink with a directory");
    assert_fault(MINIMAL "sinks:\n  - { name: a, type: nats }\n", "missing_key", 11, 5,
                 "a sink of type nats needs address");
    assert_fault(MINIMAL "sinks:\n  - { name: a, type: nats, address: 'unix:/x' }\n", "bad_value",
                 11, 38, "one to eight of HOST:PORT");
    assert_fault(MINIMAL "sinks:\n  - { name: a, type: nats, address: 'a:1', stream: a.b }\n",
                 "bad_value", 11, 52, "has no dots");
    assert_fault(MINIMAL "sinks:\n  - { name: a, type: nats, address: 'a:1', subject: 'a..b' }\n",
                 "bad_value", 11, 54, "with dots between them");
    assert_fault(MINIMAL "sinks:\n  - { name: a, type: kafka, topic: t }\n", "missing_key", 11, 5,
                 "a sink of type kafka needs address");
    assert_fault(MINIMAL "sinks:\n  - { name: a, type: kafka, address: 'a:1, b' }\n", "bad_value",
                 11, 39, "one to eight of HOST:PORT");
    assert_fault(MINIMAL "sinks:\n  - { name: a, type: kafka, address: 'a:1', stream: a }\n",
                 "conflict", 11, 53, "stream belongs to sinks of type redis and nats");
    static const char *const urls[] = {"coupons.example", "ftp://a/b",  "http://", "https:///x",
                                       "http://u:p@h/x",  "http://a b", "HTTP://a"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 MINIMAL "sinks:\n  - { name: a, type: webhook, secret_file: s, url: '%s' }\n",
                 urls[i]);
        assert_fault(text, "bad_value", 11, 53, "url must be http:// or https://");
    }
    assert_fault(MINIMAL "sinks:\n  - { name: a, type: webhook, url: 'http://a/b' }\n",
                 "missing_key", 11, 5, "a sink of type webhook needs secret_file");
    assert_fault(MINIMAL "sinks:\n  - { name: a, type: redis }\n", "missing_key", 11, 5,
                 "a sink of type redis needs address");
    assert_fault(MINIMAL "sinks:\n  - { name: a, type: file, path: x, winners: w }\n", "conflict",
                 11, 46, "winners belongs to sinks of type redis");
    assert_fault(MINIMAL "sinks:\n  - { name: a, type: redis, address: 'local host:1' }\n",
                 "bad_value", 11, 39, "127.0.0.1:6379");
    assert_fault(MINIMAL "sinks:\n  - { name: a, type: redis, address: '1.2.3.4:1', user: u }\n",
                 "conflict", 11, 57, "user needs password_file");
}

#define SINK_OF(type, rest) MINIMAL "sinks:\n  - { name: a, type: " type ", " rest " }\n"
#define KAFKA(rest)         SINK_OF("kafka", "address: 'a:1', " rest)
#define NATS(rest)          SINK_OF("nats", "address: 'a:1', " rest)

static void sinks_show_who_they_are_in_one_way(void **state)
{
    (void)state;
    assert_fault(KAFKA("sasl: plain"), "conflict", 11, 51, "sasl needs user and password_file");
    assert_fault(KAFKA("sasl: plain, user: u"), "conflict", 11, 51, "needs user and password_file");
    assert_fault(KAFKA("user: u, password_file: p"), "conflict", 11, 51, "by SASL alone");
    assert_fault(KAFKA("password_file: p"), "conflict", 11, 60, "such as sasl: scram-sha-512");
    assert_fault(KAFKA("sasl: gssapi"), "bad_value", 11, 51, "scram-sha-256");
    assert_fault(KAFKA("token_file: t"), "conflict", 11, 57,
                 "token_file belongs to sinks of type nats");
    assert_fault(NATS("user: u"), "conflict", 11, 50, "user needs password_file");
    assert_fault(NATS("user: u, password_file: p, token_file: t"), "conflict", 11, 83, "keep one");
    assert_fault(NATS("token_file: t, credentials: c"), "conflict", 11, 72, "keep one");
    assert_fault(NATS("sasl: plain"), "conflict", 11, 50, "sasl belongs to sinks of type kafka");
}

static void sinks_have_tls_where_they_name_certificates(void **state)
{
    (void)state;
    assert_fault(KAFKA("ca_file: c"), "conflict", 11, 54, "set tls: true");
    assert_fault(NATS("tls: true, cert_file: c"), "conflict", 11, 66, "belong together");
    assert_fault(NATS("tls: true, key_file: k"), "conflict", 11, 65, "belong together");
    assert_fault(SINK_OF("webhook", "url: 'http://a/b', secret_file: s, ca_file: c"), "conflict",
                 11, 75, "make url https://");
    assert_fault(SINK_OF("s3", "endpoint: 'http://a', bucket: bbb, credentials: c, ca_file: c"),
                 "conflict", 11, 86, "make endpoint https://");
    assert_fault(SINK_OF("redis", "address: 'a:1', tls: true"), "conflict", 11, 50,
                 "tls belongs to sinks of type nats and kafka");
}

static void sinks_and_ports_do_not_share(void **state)
{
    (void)state;
    assert_fault(MINIMAL "sinks:\n  - { name: a, type: file, path: /var/lib/trove/x }\n"
                         "  - { name: b, type: file, path: x }\n",
                 "conflict", 12, 34, "the sink on line 11 writes to the same file");
    assert_fault("version: 1\ndata_dir: /d\nevents: { types: { a: {} } }\nports:\n"
                 "  - { name: p, device: net_tap0, address: 10.0.0.1/8 }\n"
                 "  - { name: q, device: net_tap0, address: 10.0.0.2/8 }\n",
                 "conflict", 6, 24, "the port on line 5 has the same device");
}

static void the_dedupe_window_covers_lateness(void **state)
{
    (void)state;
    assert_fault(MINIMAL "  lateness: 16m\n", "conflict", 10, 13,
                 "dedupe.window, 15m (the default), must not be shorter than lateness, 16m "
                 "(line 10)");
    assert_fault(MINIMAL "  dedupe: { window: 10m }\n", "conflict", 10, 21,
                 "dedupe.window, 10m (line 10), must not be shorter than lateness, 15m (the "
                 "default)");
    assert_fault(MINIMAL "  lateness: 20m\n  dedupe: { window: 10m }\n", "conflict", 11, 21,
                 "10m (line 11), must not be shorter than lateness, 20m (line 10)");
    assert_fault(MINIMAL "  skew_tolerance: 1h\n  skew_reject: 1m\n", "conflict", 11, 16,
                 "skew_reject, 1m (line 11)");
    conf_free(load_good(MINIMAL "  lateness: 15m\n  dedupe: { window: 15m }\n"));
    diag_list_fini(&diags);
}

static void hunts_make_sense(void **state)
{
    (void)state;
    assert_fault(MINIMAL "hunts:\n  - { " BASKET ", once: true, cooldown: 1h }\n", "conflict", 11,
                 68, "once: true on line 11");
    assert_fault(MINIMAL "hunts:\n  - { " BASKET ", once: false }\n", "missing_key", 11, 52,
                 "needs a cooldown");
    assert_fault(MINIMAL "hunts:\n  - { " BASKET ", starts: 2026-03-02T00:00:00Z, "
                         "ends: 2026-03-01T00:00:00Z }\n",
                 "conflict", 11, 82, "ends before it starts");
    assert_fault(MINIMAL "hunts:\n  - { " BASKET ", types: [view, viewed] }\n", "bad_value", 11, 60,
                 "events.types, not 'viewed'");
    assert_fault(MINIMAL "hunts:\n  - { " BASKET ", types: [view, view] }\n", "conflict", 11, 60,
                 "already ('view')");
    assert_fault(MINIMAL "hunts:\n  - { name: t, kind: trail, catalog: c, start: [a, b],\n"
                         "      treasure: [c, b] }\n",
                 "conflict", 12, 17, "'b' is both a start and a treasure");
    assert_fault(MINIMAL "    both: { require: item, forbid: item }\n", "conflict", 10, 36,
                 "both requires and forbids 'item'");
}

static void the_hunts_of_a_type_are_bounded_together(void **state)
{
    (void)state;
    assert_fault(MINIMAL "hunts:\n  - { " BASKET ", budget: 872 }\n"
                         "  - { " TRAIL ", budget: 200 }\n",
                 "conflict", 12, 82,
                 "with hunt 't' the budgets of hunts that listen to 'view' come to 897, and one "
                 "event may visit at most 896 edges (of a trail's, each 8 count as one)");
    assert_fault(MINIMAL "hunts:\n  - { " BASKET ", budget: 872 }\n  - { " TRAIL " }\n", "conflict",
                 12, 13, "come to 952");
    assert_fault(MINIMAL "hunts:\n  - { " BASKET ", budget: 897 }\n", "out_of_range", 11, 54,
                 "from 32 to 896");
    conf_free(load_good(MINIMAL "hunts:\n  - { " BASKET ", budget: 872 }\n"
                                "  - { " TRAIL ", budget: 192 }\n"));
    diag_list_fini(&diags);
    conf_free(load_good(MINIMAL "    cart: {}\nhunts:\n  - { " BASKET
                                ", types: view, budget: 896 }\n"
                                "  - { " TRAIL ", types: cart, budget: 4096 }\n"));
    diag_list_fini(&diags);
}

#define TILES "name: t, kind: tiles, tiles: 100"

static void tiles_are_claimed_by_who_can_and_while_they_are_remembered(void **state)
{
    (void)state;
    conf_free(load_good(MINIMAL "hunts:\n  - { " TILES ", live: 60, period: 1m }\n"));
    assert_fault(MINIMAL "hunts:\n  - { " TILES ", live: 61, period: 1m }\n", "conflict", 11, 47,
                 "at most 1h");
    assert_fault(MINIMAL "hunts:\n  - { " TILES ", map_ttl: 59m }\n", "out_of_range", 11, 50,
                 "from 1h to 1d");
    assert_fault(MINIMAL "hunts:\n  - { " TILES ", catalog: c }\n", "unknown_key", 11, 41,
                 "'catalog' is a key of trail hunts, and this is a tiles hunt");
    assert_fault(MINIMAL "    bare: { forbid: [tile] }\nhunts:\n  - { " TILES ", types: [bare] }\n",
                 "conflict", 12, 48, "no event type that may come with a tile");
    assert_fault(MINIMAL "    claim: { require: [tile] }\nhunts:\n  - { " BASKET
                         ", types: [claim] }\n",
                 "conflict", 12, 53, "no event type that may come without a tile");
}

static void lcores_run_both_parts_somewhere(void **state)
{
    (void)state;
    assert_fault(MINIMAL "lcores: [{ core: 1, run: [rx] }]\n", "conflict", 10, 9,
                 "no core runs shard");
    assert_fault(MINIMAL "lcores: []\n", "missing_key", 10, 9, "lcores is empty");
}

static void paths_fit_where_they_go(void **state)
{
    (void)state;
    char text[1024], name[300];
    memset(name, 'x', sizeof name);
    name[120] = 0;
    snprintf(text, sizeof text, MINIMAL "management: { socket: /%s }\n", name);
    assert_fault(text, "out_of_range", 10, 23, "Unix socket has at most 107 bytes");
    name[120] = 'x';
    name[250] = 0;
    snprintf(text, sizeof text, MINIMAL "hunts: [{ name: b, kind: basket, catalog: %s }]\n", name);
    assert_fault(text, "out_of_range", 10, 43, "at most 255 are possible");
    name[250] = 'x';
    name[256] = 0;
    snprintf(text, sizeof text, MINIMAL "sinks: [{ name: b, type: file, path: %s }]\n", name);
    assert_fault(text, "out_of_range", 10, 38, "longer than the 255 bytes");
    assert_fault(MINIMAL "sinks: [{ name: b, type: file, path: \"a\\nb\" }]\n", "bad_value", 10, 39,
                 "without control characters");
}

static void data_dir_is_absolute(void **state)
{
    (void)state;
    assert_fault("version: 1\ndata_dir: var\nevents: { types: { a: {} } }\n"
                 "ports: [{ name: p, device: net_tap0, address: 10.0.0.1/8 }]\n",
                 "bad_value", 2, 11, "an absolute path");
}

static void too_many_entries_are_counted(void **state)
{
    (void)state;
    char text[8192];
    size_t len = (size_t)snprintf(text, sizeof text, MINIMAL "sinks:\n");
    for (int i = 0; i < CONF_SINKS_MAX + 1; i++)
        len += (size_t)snprintf(text + len, sizeof text - len,
                                "  - { name: s%d, type: file, path: f%d }\n", i, i);
    assert_fault(text, "out_of_range", 11, 3, "sinks holds 17 entries; at most 16");
}

static void all_faults_come_in_one_run_in_the_order_of_the_text(void **state)
{
    (void)state;
    assert_null(conf_load_file(CORPUS "/every_fault.yaml", &diags));
    assert_true(diags.count > 40);
    for (unsigned i = 1; i < diags.count; i++)
        assert_true(diags.diags[i].line >= diags.diags[i - 1].line);
    assert_int_equal(diags.diags[0].line, 1);
    assert_int_equal(diags.diags[diags.count - 1].line, 50);
    diag_list_fini(&diags);
}

static void more_than_a_hundred_faults_still_fail(void **state)
{
    (void)state;
    char text[16384];
    size_t len = (size_t)snprintf(text, sizeof text, MINIMAL);
    for (int i = 0; i < 60; i++)
        len +=
            (size_t)snprintf(text + len, sizeof text - len, "    b%d: { x: 1, y: 1, z: 1 }\n", i);
    assert_null(load(text));
    assert_int_equal(diags.count, DIAG_MAX);
    assert_true(diags.dropped >= 50);
    assert_null(conf_load("f", "pop: x\nfoo: 1\n", 14, &diags));
    diag_list_fini(&diags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_keys_suggest_what_was_meant),
        cmocka_unit_test(a_comma_in_an_unquoted_device_is_explained),
        cmocka_unit_test(keys_of_the_other_kind_of_hunt_are_refused),
        cmocka_unit_test(a_hunt_of_no_kind_is_one_fault),
        cmocka_unit_test(missing_keys_are_named_with_what_they_are),
        cmocka_unit_test(units_are_required_and_listed),
        cmocka_unit_test(values_out_of_range_name_the_range),
        cmocka_unit_test(values_of_the_wrong_type_are_refused),
        cmocka_unit_test(long_values_are_shortened_in_messages),
        cmocka_unit_test(names_must_differ),
        cmocka_unit_test(sinks_have_the_keys_of_their_type),
        cmocka_unit_test(sinks_show_who_they_are_in_one_way),
        cmocka_unit_test(sinks_have_tls_where_they_name_certificates),
        cmocka_unit_test(sinks_and_ports_do_not_share),
        cmocka_unit_test(the_dedupe_window_covers_lateness),
        cmocka_unit_test(hunts_make_sense),
        cmocka_unit_test(the_hunts_of_a_type_are_bounded_together),
        cmocka_unit_test(tiles_are_claimed_by_who_can_and_while_they_are_remembered),
        cmocka_unit_test(lcores_run_both_parts_somewhere),
        cmocka_unit_test(paths_fit_where_they_go),
        cmocka_unit_test(data_dir_is_absolute),
        cmocka_unit_test(too_many_entries_are_counted),
        cmocka_unit_test(all_faults_come_in_one_run_in_the_order_of_the_text),
        cmocka_unit_test(more_than_a_hundred_faults_still_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
