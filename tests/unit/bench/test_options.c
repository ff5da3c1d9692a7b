/* test_options.c - the command line is read as the help says, and refused with the fix. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/blast_options.h"

static struct blast_options options;
static char fault[512];

static int parse(const char *line)
{
    static char words[512];
    char *argv[32] = {(char *)"trove-blast"};
    int argc = 1;
    snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    fault[0] = '\0';
    return blast_options_parse(&options, argc, argv, fault, sizeof fault);
}

static void a_full_line_is_read(void **state)
{
    (void)state;
    assert_int_equal(parse("--events 1M --duration 30s --rate 2k..240k/30s --users 5k --size 200 "
                           "--duplicates 1% --malformed 0.5% --skew 1%:90s --late 1%:20m --seed 7 "
                           "--hunt spring-26 udp://192.0.2.7:7001 --core 1 --types view,buy"),
                     0);
    assert_int_equal(options.events, 1000000);
    assert_int_equal(options.duration_ns, 30000000000);
    assert_int_equal(options.pacer.stage_count, 1);
    assert_int_equal(options.profile.users, 5000);
    assert_int_equal(options.profile.event_bytes, 200);
    assert_int_equal(options.profile.seed, 7);
    assert_int_equal(options.profile.hunt_count, 1);
    assert_int_equal(options.profile.type_count, 2);
    assert_int_equal(options.core, 1);
    assert_int_equal(options.target.port, 7001);
}

static void defaults_are_those_of_the_help(void **state)
{
    (void)state;
    assert_int_equal(parse("null:"), 0);
    assert_int_equal(options.profile.users, 100000);
    assert_int_equal(options.profile.items, 10000);
    assert_int_equal(options.profile.event_bytes, 170);
    assert_int_equal(options.profile.per_datagram, 1);
    assert_int_equal(options.patience_ns, 1000000);
    assert_int_equal(options.source_port, 40000);
    assert_true(options.core == BLAST_CORE_ANY);
}

static void dpdk_needs_a_device_and_an_address(void **state)
{
    (void)state;
    const char *vdev = "--vdev net_virtio_user0,path=/x.sock";
    char line[256];
    assert_int_equal(parse("dpdk://10.0.0.1:7001 --source-ip 10.0.0.2"), -EINVAL);
    assert_non_null(strstr(fault, "--vdev"));
    snprintf(line, sizeof line, "dpdk://10.0.0.1:7001 %s", vdev);
    assert_int_equal(parse(line), -EINVAL);
    assert_non_null(strstr(fault, "--source-ip"));
    snprintf(line, sizeof line, "dpdk://[::1]:7001 --source-ip 10.0.0.2 %s", vdev);
    assert_int_equal(parse(line), -EINVAL);
    snprintf(line, sizeof line,
             "dpdk://10.0.0.1:7001 --source-ip 10.0.0.2 --stamp --no-huge --target-mac "
             "02:00:00:00:00:01 %s",
             vdev);
    assert_int_equal(parse(line), 0);
    assert_true(options.stamp && options.no_huge && options.has_target_mac);
}

#define PORT "--vdev net_virtio_user0,path=/x.sock --source-ip 10.0.0.2 "

static void http_has_a_path_connections_and_requests(void **state)
{
    (void)state;
    assert_int_equal(parse(PORT "http://10.0.0.1:8080/v1/events"), 0);
    assert_int_equal(options.target.kind, BLAST_TARGET_HTTP);
    assert_string_equal(options.target.host, "10.0.0.1:8080");
    assert_string_equal(options.target.path, "/v1/events");
    assert_int_equal(options.target.port, 8080);
    assert_int_equal(options.connections, 64);
    assert_int_equal(options.pipeline, 1);
    assert_int_equal(options.batch, 1);
    assert_null(options.ack);
    assert_int_equal(parse(PORT "http://10.0.0.1:1/ --connections 1k --pipeline 16 --batch 100 "
                                "--rate max --ack accepted"),
                     0);
    assert_int_equal(options.connections, 1000);
    assert_int_equal(options.pipeline, 16);
    assert_int_equal(options.batch, 100);
    assert_int_equal(options.pacer.stage_count, 0);
    assert_string_equal(options.ack, "accepted");
    assert_int_equal(parse("--answer --vdev net_vhost0,iface=/x.sock http://10.0.0.1:1/"), 0);
    assert_true(options.answer);
}

static void http_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "http://10.0.0.1:8080/v1/events",
        PORT "http://10.0.0.1:8080",
        PORT "http://10.0.0.1/v1/events",
        PORT "http://:8080/v1/events",
        PORT "http://[::1]:8080/v1/events",
        PORT "http://example.org:8080/v1/events",
        PORT "http://10.0.0.1:8080/v1#events",
        PORT "http://10.0.0.1:8080/\x7f",
        PORT "http://10.0.0.1:1/ --connections 0",
        PORT "http://10.0.0.1:1/ --connections 16385",
        PORT "http://10.0.0.1:1/ --connections 16384 --source-port 60000",
        PORT "http://10.0.0.1:1/ --pipeline 257",
        PORT "http://10.0.0.1:1/ --batch 10001",
        PORT "http://10.0.0.1:1/ --ack replicated",
        PORT "http://10.0.0.1:1/ --stamp",
        PORT "http://10.0.0.1:1/ --per-datagram 2",
        PORT "--answer dpdk://10.0.0.1:1",
        "--answer http://10.0.0.1:1/",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (parse(wrong[i]) == 0)
            fail_msg("'%s' was taken", wrong[i]);
        assert_true(fault[0] && !strchr(fault, '\n'));
    }
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "--events 5",
        "udp://1.2.3.4:1 udp://1.2.3.4:2",
        "--nope null:",
        "--events",
        "--events 0 null:",
        "--events many null:",
        "--size 63 null:",
        "--size 1473 null:",
        "--per-datagram 65 null:",
        "--zipf 5 null:",
        "--zipf x null:",
        "--users 0 null:",
        "--users 5G null:",
        "--source-port 65536 null:",
        "--source-ip 1.2.3 null:",
        "--target-mac 02 null:",
        "--stamp udp://1.2.3.4:1",
        "--huge --no-huge null:",
        "--duplicates 60% --malformed 41% null:",
        "--skew 60%:1s --late 41%:1s null:",
        "--replay x --per-datagram 2 null:",
        "--patience 2s null:",
        "--duration 5 null:",
        "--rate 5k..6k null:",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (parse(wrong[i]) == 0)
            fail_msg("'%s' was taken", wrong[i]);
        assert_true(fault[0] && !strchr(fault, '\n'));
    }
}

static void help_names_every_option_and_needs_no_target(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len;
    assert_int_equal(parse("--help"), 0);
    assert_true(options.help);
    FILE *file = open_memstream(&text, &len);
    blast_options_help(file);
    fclose(file);
    static const char *const names[] = {"--events",   "--rate",   "--replay", "--vdev",
                                        "--patience", "--run-id", "--stamp",  "TARGET"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_non_null(strstr(text, names[i]));
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        assert_true(strlen(line) <= 100);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_line_is_read),
        cmocka_unit_test(defaults_are_those_of_the_help),
        cmocka_unit_test(dpdk_needs_a_device_and_an_address),
        cmocka_unit_test(http_has_a_path_connections_and_requests),
        cmocka_unit_test(http_that_makes_no_sense_is_refused),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(help_names_every_option_and_needs_no_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
