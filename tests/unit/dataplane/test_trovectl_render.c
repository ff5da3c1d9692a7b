/* test_trovectl_render.c - what trovectl prints of the daemon: its status, latency, cores and
 * configurations. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/dataplane/trovectl_kit.h"

static const char status_json[] =
    "{\"version\":\"0.1.0\",\"pop\":\"fra1\",\"host\":\"e07\",\"pid\":4711,\"uptime_s\":274261.5,"
    "\"state\":\"running\",\"config\":{\"version\":41,\"digest\":\"9c1f2e0011223344\",\"applied\":"
    "\"2026-11-20T09:14:07Z\",\"file\":\"/etc/trove/trove.yaml\",\"hunts\":2},"
    "\"events_per_s\":1284113,"
    "\"account\":{\"received\":4811020114,\"accepted\":4790551031,\"duplicate\":19004310,"
    "\"rejected\":1464773,\"refused\":0,\"lost\":0,\"in_flight\":0,\"balanced\":true},"
    "\"rejected\":{\"syntax\":1464000,\"utf8\":0,\"future\":773},\"lost\":{\"ring_full\":0},"
    "\"packets\":{\"received\":5000000000,\"delivered\":4811020114,\"replied\":12,"
    "\"dropped\":{\"fragment\":7,\"foreign\":1200,\"checksum\":0}},"
    "\"outcomes\":{\"visit\":9000,\"award\":118204},\"refusals\":{\"too_fast\":2911},"
    "\"hunts\":[{\"name\":\"spring-26\",\"kind\":\"trail\",\"awards\":118000},"
    "{\"name\":\"baskets\",\"kind\":\"basket\",\"awards\":204}],"
    "\"latency\":{\"decision\":{\"count\":10,\"p50_us\":3.14,\"p99_us\":12,\"p999_us\":40.2,"
    "\"max_us\":99.6},\"durable\":{\"count\":10,\"p50_us\":9.1,\"p99_us\":31.2,\"p999_us\":74.4,"
    "\"max_us\":1911},\"ring_wait\":{\"count\":0},\"sync\":{\"count\":1,\"p50_us\":999.4,"
    "\"p99_us\":999.6,\"p999_us\":2500000,\"max_us\":0}},"
    "\"journal\":[{\"shard\":0,\"state\":\"ok\",\"segment\":831,\"offset\":110100480,\"durable_"
    "ordinal\":4811,"
    "\"bytes\":1288490188,\"syncs\":8211,\"error\":null},{\"shard\":1,\"segment\":2,\"offset\":0,"
    "\"state\":\"degraded\",\"refusing\":false,\"given_up\":3,\"spare\":1,\"ahead\":3,\"reserve\":"
    "1,"
    "\"since\":\"2026-11-20T09:15:00.000Z\","
    "\"durable_ordinal\":0,\"bytes\":512,\"syncs\":0,\"error\":\"Input/output error\"}],"
    "\"usage\":{\"dedupe_used\":54000000,\"dedupe_capacity\":216000000,"
    "\"dedupe_left_early\":1234567,\"users_used\":1,"
    "\"users_capacity\":0},"
    "\"sinks\":[{\"name\":\"file\",\"type\":\"file\",\"state\":\"ok\",\"delivered\":7000,\"lag_"
    "records\":12,"
    "\"error\":null},{\"name\":\"old\",\"type\":\"file\",\"state\":\"error\",\"lag_records\":88213,"
    "\"error\":\"No space left on device\"}],"
    "\"ports\":[{\"name\":\"p0\",\"device\":\"0000:8a:00.0\",\"checks\":[\"ipv4\",\"tcp\"],"
    "\"makes\":[\"tcp\"]},{\"name\":\"p1\",\"device\":\"net_af_packet0,iface=eth1\",\"checks\":[],"
    "\"makes\":[]}],"
    "\"lcores\":[{\"core\":1,\"node\":0,\"roles\":\"rx+shard\",\"busy\":0.612},{\"core\":2,"
    "\"node\":0,\"roles\":\"control\",\"busy\":0}],\"warnings\":[\"disk 91% full\"]}";

static void status_shows_every_part_on_a_line_of_its_own(void **state)
{
    (void)state;
    json_t *status = parse(status_json);
    trovectl_print_status(status, begin());
    end_with(
        "troved 0.1.0  pop fra1  host e07  pid 4711  up 3d 04:11  degraded, 1 warning\n"
        "config    v41  digest 9c1f2e  applied 2026-11-20 09:14  2 hunts  /etc/trove/trove.yaml\n"
        "ingest    1,284,113 ev/s\n"
        "account   received 4,811,020,114 = accepted 4,790,551,031 + duplicate 19,004,310 + "
        "rejected 1,464,773 + refused 0 + lost 0   balanced\n"
        "rejected  syntax 1,464,000  future 773\n"
        "packets   received 5,000,000,000  delivered 4,811,020,114  replied 12\n"
        "dropped   fragment 7  foreign 1,200\n"
        "ports     p0 0000:8a:00.0  checks ipv4 tcp  makes tcp | p1 net_af_packet0,iface=eth1\n"
        "latency   wire -> decision  p50 3.1us  p99 12us  p99.9 40us  max 100us\n"
        "          wire -> durable   p50 9.1us  p99 31us  p99.9 74us  max 1.9ms\n"
        "          write+fdatasync   p50 999us  p99 1.0ms  p99.9 2.5s  max 0.0us\n"
        "journal   shard 0  seg 000831 at 105.0 MiB  durable to record 4,811  1.2 GiB in 8,211 "
        "syncs  ok\n"
        "          shard 1  seg 000002 at 0 B  durable to record 0  512 B in 0 syncs  "
        "degraded: Input/output error since 2026-11-20 09:15  3 segments given up  1 of 4 spare "
        "segments\n"
        "outcomes  visit 9,000  award 118,204\n"
        "refusals  too_fast 2,911\n"
        "awards    spring-26 118,000 (trail)\n"
        "          baskets 204 (basket)\n"
        "state     ids 54,000,000 of 216,000,000 (25.0%), 1,234,567 left early  users 1 of 0 "
        "(0.0%)\n"
        "sinks     file ok delivered 7,000 lag 12 | old ERROR delivered 0 lag 88,213: No space "
        "left on device\n"
        "lcores    1 rx+shard 61% | 2 control 0%\n"
        "warn      disk 91% full\n");
    assert_true(trovectl_is_well(status));
    json_decref(status);
}

static void status_of_an_empty_answer_prints_what_it_can(void **state)
{
    (void)state;
    json_t *status = parse("{\"state\":7,\"sinks\":\"none\",\"latency\":[],\"warnings\":[3]}");
    trovectl_print_status(status, begin());
    end_with("troved -  pop -  host -  pid 0  up 00:00:00  -, 1 warning\n"
             "config    v0  digest -  applied -  0 hunts  -\n"
             "ingest    0 ev/s\n"
             "account   received 0 = accepted 0 + duplicate 0 + rejected 0 + refused 0 + lost 0   "
             "NOT BALANCED\n"
             "packets   received 0  delivered 0  replied 0\n"
             "latency   nothing measured yet\n"
             "state     ids 0 of 0 (0.0%)  users 0 of 0 (0.0%)\n"
             "warn      -\n");
    assert_false(trovectl_is_well(status));
    json_decref(status);
}

/* set replaces a member of the status, or of an object in it. */
static json_t *status_with(const char *object, const char *key, json_t *value)
{
    json_t *status = parse(status_json);
    json_object_set_new(status, "warnings", json_array());
    json_object_set_new(status, "sinks", json_array());
    json_object_set_new(object ? json_object_get(status, object) : status, key, value);
    return status;
}

static void assert_line(const json_t *status, const char *line, bool shown)
{
    trovectl_print_status(status, begin());
    fclose(memory);
    if (shown)
        assert_non_null(strstr(text, line));
    else
        assert_null(strstr(text, line));
    free(text);
}

static void status_names_the_health_of_the_daemon(void **state)
{
    (void)state;
    json_t *status = status_with(NULL, "state", json_string("running"));
    assert_line(status, "  healthy\n", true);
    json_decref(status);
    status = status_with(NULL, "state", json_string("draining"));
    assert_line(status, "  draining\n", true);
    assert_true(trovectl_is_well(status));
    json_decref(status);
    status = status_with(NULL, "state", json_string("journal_failed"));
    assert_line(status, "  JOURNAL FAILED\n", true);
    assert_false(trovectl_is_well(status));
    json_decref(status);
    status = status_with(NULL, "state", json_string("disk_full"));
    assert_line(status, "  DISK FULL\n", true);
    assert_true(trovectl_is_well(status));
    json_decref(status);
    status = status_with(NULL, "journal",
                         json_pack("[{s:s, s:b}]", "state", "disk_full", "refusing", 1));
    assert_line(status, "  DISK FULL, refusing", true);
    assert_false(trovectl_is_well(status));
    json_decref(status);
    status = status_with("account", "balanced", json_false());
    assert_line(status, "  degraded\n", true);
    assert_line(status, "   NOT BALANCED\n", true);
    assert_false(trovectl_is_well(status));
    json_decref(status);
}

static void status_shows_what_is_out_of_the_ordinary_only_when_there_is_any(void **state)
{
    (void)state;
    json_t *status = status_with("account", "in_flight", json_integer(1234));
    assert_line(status, " + lost 0 + in flight 1,234   balanced\n", true);
    assert_line(status, "\nlost ", false);
    json_decref(status);
    status = status_with("lost", "nic", json_integer(5));
    assert_line(status, "\nlost      nic 5\n", true);
    assert_line(status, "in flight", false);
    assert_line(status, "recovered", false);
    assert_line(status, "not sent", false);
    json_decref(status);
    status =
        status_with(NULL, "recovery",
                    json_pack("{s:i, s:f, s:n}", "events", 1500, "seconds", 0.25, "checkpoint"));
    assert_line(status, "\nrecovered 1,500 events in 0.2 s, from the first record\n", true);
    json_decref(status);
    status = status_with(NULL, "recovery",
                         json_pack("{s:i, s:f, s:s}", "events", 0, "seconds", 1.5, "checkpoint",
                                   "000001-000007.ckp"));
    assert_line(status, "\nrecovered 0 events in 1.5 s, behind checkpoint 000001-000007.ckp\n",
                true);
    json_decref(status);
    status = status_with(NULL, "checkpoint",
                         json_pack("{s:b, s:f, s:f, s:i, s:i, s:n}", "enabled", 1, "age_s", 12.4,
                                   "took_s", 0.31, "bytes", 1 << 20, "made", 3, "error"));
    assert_line(status, "\ncheckpoint 12 s old, 1.0 MiB made in 0.3 s\n", true);
    json_decref(status);
    status = status_with(NULL, "checkpoint",
                         json_pack("{s:b, s:n, s:i, s:s}", "enabled", 1, "age_s", "made", 0,
                                   "error", "No space left on device"));
    assert_line(status, "\ncheckpoint none yet  FAILED No space left on device\n", true);
    json_decref(status);
    status = status_with("packets", "reply_failed", json_integer(3));
    json_object_set_new(json_object_get(status, "packets"), "bad_stamps", json_integer(4));
    assert_line(status, "replied 12  not sent 3  bad time stamps 4\n", true);
    json_decref(status);
}

static void latency_draws_a_bar_per_percentile_on_a_log_scale(void **state)
{
    (void)state;
    json_t *stage =
        parse("{\"stage\":\"durable\",\"count\":771204110,\"mean_us\":12.34,\"max_us\":1911.2,"
              "\"percentiles\":[{\"percentile\":50.0,\"us\":9.1},{\"percentile\":90.0,\"us\":17},"
              "{\"percentile\":99.0,\"us\":31.2},{\"percentile\":99.9,\"us\":99.94},"
              "{\"percentile\":99.99,\"us\":99.96},{\"percentile\":99.999,\"us\":902.4},"
              "{\"percentile\":100.0,\"us\":1911.2}]}");
    trovectl_print_stage(stage, begin());
    end_with("wire -> durable   n 771,204,110   mean 12us\n"
             "      us  1       10      100     1k      10k\n"
             " p50     |########                                          9.1\n"
             " p90     |##########                                       17.0\n"
             " p99     |############                                     31.2\n"
             " p99.9   |################                                 99.9\n"
             " p99.99  |################                                  100\n"
             " p99.999 |########################                          902\n"
             " max     |###########################                     1,911\n");
    json_decref(stage);
}

static void a_bar_never_leaves_its_plot(void **state)
{
    (void)state;
    json_t *stage =
        parse("{\"stage\":\"x\",\"count\":1,\"mean_us\":-1,\"max_us\":1e300,"
              "\"percentiles\":[{\"percentile\":50,\"us\":0},{\"percentile\":90,\"us\":1e300},"
              "{\"percentile\":99,\"us\":0.2},7]}");
    trovectl_print_stage(stage, begin());
    end_with("x   n 1   mean -1.0us\n"
             "      us  1   10  100 1k  10k 100k1M  10M 100M\n"
             " p50     |                                              0.0\n"
             " p90     |#################################### 1,000,000,000,000,000\n"
             " p99     |#                                             0.2\n"
             " p0      |                                              0.0\n"
             " max     |#################################### 1,000,000,000,000,000\n");
    json_decref(stage);
}

static void latency_of_a_stage_without_a_measurement_says_so(void **state)
{
    (void)state;
    json_t *stage = parse("{\"stage\":\"sync\",\"count\":0}");
    trovectl_print_stage(stage, begin());
    end_with("write+fdatasync   n 0   nothing measured yet\n");
    json_decref(stage);
}

static void lcores_show_what_grew_between_two_answers(void **state)
{
    (void)state;
    static const char format[] =
        "{\"uptime_s\":%d,\"control_core\":0,\"idle\":\"poll\",\"lcores\":[{\"core\":1,\"node\":0,"
        "\"roles\":\"rx+shard\",\"busy_ns\":%d,\"idle_ns\":1000,\"received\":%d,\"decided\":%d,"
        "\"cycles\":{\"receive\":%d,\"parse\":%d,\"decide\":%d},\"queues\":[\"p0/0\"],"
        "\"ring\":{\"used\":4096,\"slots\":16384},"
        "\"memory\":{\"bytes\":2097152,\"pages_looked_at\":4,\"pages_elsewhere\":%d},"
        "\"remote\":[%s]}]}";
    char answer[1024];
    snprintf(answer, sizeof answer, format, 10, 0, 500, 500, 7, 7, 7, 0, "");
    json_t *before = parse(answer);
    snprintf(answer, sizeof answer, format, 12, 3000, 2000500, 1000500, 200000007, 400000007,
             500000007, 1, "\"port p0 is on node 1\"");
    json_t *now = parse(answer);
    trovectl_print_lcores(now, before, begin());
    end_with(
        "control on core 0  idle: poll  over 2.0 s\n"
        "                                               cycles per event\n"
        " CORE NODE  ROLE      BUSY%        EV/s receive   parse  decide  RING  QUEUES  REMOTE\n"
        "    1    0  rx+shard  100.0   1,000,000     100     200     500   25%  p0/0  port p0 is "
        "on "
        "node 1\n"
        "memory  core 1: 2.0 MiB, 25% of it NOT on node 0\n");
    trovectl_print_lcores(before, NULL, begin());
    end_with(
        "control on core 0  idle: poll  over 10.0 s\n"
        "                                               cycles per event\n"
        " CORE NODE  ROLE      BUSY%        EV/s receive   parse  decide  RING  QUEUES  REMOTE\n"
        "    1    0  rx+shard    0.0          50       0       0       0   25%  p0/0  none\n"
        "memory  core 1: 2.0 MiB on node 0\n");
    json_decref(now);
    json_decref(before);
}

static void lcores_of_an_empty_answer_print_what_they_can(void **state)
{
    (void)state;
    json_t *answer = parse("{\"lcores\":[7,{\"memory\":[],\"remote\":[1],\"queues\":\"x\"}]}");
    trovectl_print_lcores(answer, answer, begin());
    fclose(memory);
    assert_non_null(strstr(text, "the kernel does not say on which node"));
    free(text);
    json_decref(answer);
}

static void hgrm_is_a_percentile_distribution_in_microseconds(void **state)
{
    (void)state;
    json_t *stage = parse("{\"stage\":\"durable\",\"count\":4,\"mean_us\":2.5,\"max_us\":4,"
                          "\"buckets\":[[1000,1],[2000,1],[3001,1],[4001,1]]}");
    assert_true(trovectl_print_hgrm(stage, begin()));
    end_with("       Value     Percentile TotalCount 1/(1-Percentile)\n"
             "\n"
             "       1.000 0.000000000000          1           1.00\n"
             "       1.000 0.100000000000          1           1.11\n"
             "       1.000 0.200000000000          1           1.25\n"
             "       2.000 0.300000000000          2           1.43\n"
             "       2.000 0.400000000000          2           1.67\n"
             "       2.000 0.500000000000          2           2.00\n"
             "       3.001 0.550000000000          3           2.22\n"
             "       3.001 0.600000000000          3           2.50\n"
             "       3.001 0.650000000000          3           2.86\n"
             "       3.001 0.700000000000          3           3.33\n"
             "       3.001 0.750000000000          3           4.00\n"
             "       4.001 0.775000000000          4           4.44\n"
             "       4.001 1.000000000000          4\n"
             "#[Mean    =        2.500, StdDeviation   =        1.118]\n"
             "#[Max     =        4.000, Total count    =            4]\n"
             "#[Buckets =           27, SubBuckets     =         2048]\n");
    json_decref(stage);
}

static void hgrm_ends_whatever_the_counts(void **state)
{
    (void)state;
    json_t *stage = parse("{\"buckets\":[[1,9223372036854775807],[2,1],[3,-5],4,[\"x\"],[5,1]]}");
    assert_true(trovectl_print_hgrm(stage, begin()));
    fclose(memory);
    assert_true(text_len < 100000);
    free(text);
    json_decref(stage);
    stage = parse("{\"buckets\":[]}");
    assert_false(trovectl_print_hgrm(stage, begin()));
    end_with("");
    json_decref(stage);
}

static void diff_lines_up_and_says_what_waits_for_a_restart(void **state)
{
    (void)state;
    json_t *diff =
        parse("{\"version\":41,\"differences\":["
              "{\"sign\":\"~\",\"path\":\"hunts.spring-26.min_step\",\"from\":\"1s\",\"to\":"
              "\"200ms\",\"hot\":true},"
              "{\"sign\":\"+\",\"path\":\"sinks.s3\",\"from\":null,\"to\":\"bucket fra1\",\"hot\":"
              "true},"
              "{\"sign\":\"-\",\"path\":\"pop\",\"from\":\"fra1\",\"to\":\"\",\"hot\":true},"
              "{\"sign\":\"~\",\"path\":\"ports.p0.rx_queues\",\"from\":\"4\",\"to\":\"8\",\"hot\":"
              "false}]}");
    trovectl_print_diff(diff, "new.yaml", begin());
    end_with("~ hunts.spring-26.min_step   1s -> 200ms   hot\n"
             "+ sinks.s3                   bucket fra1   hot\n"
             "- pop                        fra1          hot\n"
             "~ ports.p0.rx_queues         4 -> 8        needs restart\n");
    json_decref(diff);
    diff = parse("{\"version\":41,\"differences\":[]}");
    trovectl_print_diff(diff, "new.yaml", begin());
    end_with("no differences: new.yaml is what runs, v41\n");
    json_decref(diff);
}

static void applied_says_what_is_live_and_what_waits(void **state)
{
    (void)state;
    json_t *applied = parse("{\"version\":42,\"ms\":3.14,\"lcores\":8,\"changes\":2,"
                            "\"restart\":[\"ports.p0.rx_queues\"]}");
    trovectl_print_applied(applied, begin());
    end_with("v42 active in 3.1 ms on 8 lcores; 2 changes, 1 waits for a restart "
             "(ports.p0.rx_queues)\n");
    json_decref(applied);
    applied = parse("{\"version\":43,\"ms\":0.25,\"lcores\":1,\"changes\":1,\"restart\":[]}");
    trovectl_print_applied(applied, begin());
    end_with("v43 active in 0.2 ms on 1 lcore; 1 change\n");
    json_decref(applied);
    applied = parse("{\"version\":44,\"restart\":[\"a\",\"b\"]}");
    trovectl_print_applied(applied, begin());
    end_with("v44 active in 0.0 ms on 0 lcores; 0 changes, 2 wait for a restart (a, b)\n");
    json_decref(applied);
}

static void a_problem_names_the_next_command(void **state)
{
    (void)state;
    json_t *problem = parse("{\"status\":404,\"detail\":\"nothing at /x\",\"next\":\"trovectl "
                            "help\"}");
    trovectl_print_problem(problem, begin());
    end_with("error: nothing at /x.  See: trovectl help\n");
    json_decref(problem);
    problem = parse("{}");
    trovectl_print_problem(problem, begin());
    end_with("error: -\n");
    json_decref(problem);
}

static void a_problem_with_configuration_faults_shows_each_first(void **state)
{
    (void)state;
    json_t *problem =
        parse("{\"detail\":\"2 errors; nothing was applied\",\"next\":\"trovectl conf manual\","
              "\"errors\":[{\"file\":\"/etc/a.yaml\",\"line\":18,\"column\":16,\"length\":2,"
              "\"code\":\"bad_value\",\"text\":\"max_depth is a whole number, not '4x'\","
              "\"source\":\"    max_depth:  4x\"},"
              "{\"file\":\"/etc/b.yaml\",\"line\":1,\"column\":1,\"length\":1,\"code\":\"syntax\","
              "\"text\":\"100%s of it is wrong\",\"source\":null}]}");
    trovectl_print_problem(problem, begin());
    fclose(memory);
    assert_non_null(
        strstr(text, "/etc/a.yaml:18:16: error: max_depth is a whole number, not '4x'"));
    assert_non_null(strstr(text, "max_depth:  4x\n"));
    assert_non_null(strstr(text, "^~\n"));
    assert_non_null(strstr(text, "/etc/b.yaml:1:1: error: 100%s of it is wrong"));
    assert_non_null(strstr(text, "\nerror: 2 errors; nothing was applied.  See: "));
    free(text);
    json_decref(problem);
}

static void figures_are_written_as_people_read_them(void **state)
{
    (void)state;
    assert_string_equal(figure_count(0).text, "0");
    assert_string_equal(figure_count(999).text, "999");
    assert_string_equal(figure_count(1000).text, "1,000");
    assert_string_equal(figure_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
    assert_string_equal(figure_us(9.94).text, "9.9us");
    assert_string_equal(figure_us(9.96).text, "10us");
    assert_string_equal(figure_us(137e6).text, "137s");
    assert_string_equal(figure_bytes(1023).text, "1023 B");
    assert_string_equal(figure_bytes(1024).text, "1.0 KiB");
    assert_string_equal(figure_bytes(1048575).text, "1.0 MiB");
    assert_string_equal(figure_bytes(UINT64_MAX).text, "16.0 EiB");
    assert_string_equal(figure_uptime(59.9).text, "00:00:59");
    assert_string_equal(figure_uptime(86399).text, "23:59:59");
    assert_string_equal(figure_uptime(86400).text, "1d 00:00");
    assert_string_equal(figure_uptime(-1).text, "00:00:00");
    assert_string_equal(figure_time("yesterday").text, "yesterday");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_shows_every_part_on_a_line_of_its_own),
        cmocka_unit_test(status_of_an_empty_answer_prints_what_it_can),
        cmocka_unit_test(status_names_the_health_of_the_daemon),
        cmocka_unit_test(status_shows_what_is_out_of_the_ordinary_only_when_there_is_any),
        cmocka_unit_test(latency_draws_a_bar_per_percentile_on_a_log_scale),
        cmocka_unit_test(a_bar_never_leaves_its_plot),
        cmocka_unit_test(latency_of_a_stage_without_a_measurement_says_so),
        cmocka_unit_test(lcores_show_what_grew_between_two_answers),
        cmocka_unit_test(lcores_of_an_empty_answer_print_what_they_can),
        cmocka_unit_test(hgrm_is_a_percentile_distribution_in_microseconds),
        cmocka_unit_test(hgrm_ends_whatever_the_counts),
        cmocka_unit_test(diff_lines_up_and_says_what_waits_for_a_restart),
        cmocka_unit_test(applied_says_what_is_live_and_what_waits),
        cmocka_unit_test(a_problem_names_the_next_command),
        cmocka_unit_test(a_problem_with_configuration_faults_shows_each_first),
        cmocka_unit_test(figures_are_written_as_people_read_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
