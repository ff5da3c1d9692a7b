/* test_kafka.c - the Kafka sink against librdkafka's mock cluster in this process: what it goes on
 * from, what it does about refusals, and that it keeps out of somebody else's work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "sinks/line.h"

enum {
    API_PRODUCE = 0,
    API_INIT_PRODUCER_ID = 22,
    API_ADD_PARTITIONS = 24,
    API_ADD_OFFSETS = 25,
    API_END_TXN = 26,
    API_TXN_OFFSET_COMMIT = 28
};

static struct {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
    struct conf_sink conf;
    struct line_origin origin;
} world;

static int set_up(void **state)
{
    char error[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    (void)state;
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    world.rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    world.cluster = rd_kafka_mock_cluster_new(world.rk, 1);
    assert_non_null(world.cluster);
    assert_int_equal(rd_kafka_mock_topic_create(world.cluster, "outcomes", 1, 1), 0);
    world.conf = (struct conf_sink){
        .name = "k", .type = CONF_SINK_KAFKA, .topic = "outcomes", .timeout_ns = 5 * NS_PER_S};
    snprintf(world.conf.address, sizeof world.conf.address, "%s",
             rd_kafka_mock_cluster_bootstraps(world.cluster));
    assert_int_equal(line_origin_init(&world.origin, "pop", "host", "0123456789abcdef"), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rd_kafka_mock_cluster_destroy(world.cluster);
    rd_kafka_destroy(world.rk);
    return 0;
}

static void *make_sink(void)
{
    void *sink = sink_kafka_ops.make(
        &(struct sink_setup){.conf = &world.conf, .origin = &world.origin, .state_path = ""});
    assert_non_null(sink);
    return sink;
}

static int deliver(void *sink, uint64_t ordinal)
{
    struct record record = {.kind = RECORD_OUTCOME, .partition = 7, .seq = ordinal};
    const struct sink_item item = {
        .outcome = &record,
        .view = {.outcome = {.kind = OUTCOME_duplicate, .hunt = OUTCOME_NO_HUNT}},
        .epoch = 1,
        .ordinal = ordinal};
    return sink_kafka_ops.deliver(sink, &item);
}

static int deliver_all(void *sink, uint64_t from, uint64_t to)
{
    uint64_t resume;
    int rc = 0;
    for (uint64_t ordinal = from; !rc && ordinal <= to; ordinal++)
        rc = deliver(sink, ordinal);
    return rc ? rc : sink_kafka_ops.commit(sink, &resume);
}

/* Opens a sink as a pump does that has confirmed what came before. */
static int open_at(void *sink, uint64_t ordinal)
{
    struct sink_end end = {.epoch = ordinal ? 1 : 0, .ordinal = ordinal};
    int rc = sink_kafka_ops.open(sink, ordinal ? ordinal : SINK_RESUME_NONE);
    return rc ? rc : sink_kafka_ops.end(sink, 0, &end);
}

static void free_sink(void *sink)
{
    sink_kafka_ops.free(sink);
}

static void refuse(int16_t api, rd_kafka_resp_err_t code, size_t count)
{
    rd_kafka_resp_err_t codes[16];
    assert_true(count <= 16);
    for (size_t i = 0; i < count; i++)
        codes[i] = code;
    rd_kafka_mock_push_request_errors_array(world.cluster, api, count, codes);
}

/* The mock forgets positions (tests/system/test_kafka_faults.py has a cluster that does not), so
 * the pump's word counts. */
static void delivers_behind_what_the_pump_says(void **state)
{
    (void)state;
    void *sink = make_sink();
    assert_int_equal(open_at(sink, 0), 0);
    assert_int_equal(deliver_all(sink, 1, 10), 0);
    sink_kafka_ops.close(sink);
    assert_int_equal(open_at(sink, 10), 0);
    assert_int_equal(deliver_all(sink, 5, 12), 0);
    assert_int_equal(sink_kafka_ops.repeats(sink), 6);
    free_sink(sink);
}

static void a_topic_that_is_not_there_is_not_made(void **state)
{
    (void)state;
    rd_kafka_mock_topic_set_error(world.cluster, "outcomes",
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    void *sink = make_sink();
    assert_int_equal(open_at(sink, 0), -ENOENT);
    assert_non_null(strstr(sink_kafka_ops.fault(sink)->text, "there is no topic outcomes"));
    free_sink(sink);
}

static void what_is_refused_with_others_is_found_alone(void **state)
{
    (void)state;
    void *sink = make_sink();
    assert_int_equal(open_at(sink, 0), 0);
    refuse(API_PRODUCE, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 1);
    assert_int_equal(deliver_all(sink, 1, 5), -EINVAL);
    assert_false(sink_kafka_ops.fault(sink)->of_record);
    sink_kafka_ops.close(sink);
    assert_int_equal(open_at(sink, 0), 0);
    assert_int_equal(deliver(sink, 1), 0);
    assert_int_equal(deliver(sink, 2), 0);
    refuse(API_PRODUCE, RD_KAFKA_RESP_ERR_INVALID_RECORD, 1);
    assert_int_equal(deliver(sink, 3), -EINVAL);
    const struct sink_fault *fault = sink_kafka_ops.fault(sink);
    assert_true(fault->of_record);
    assert_int_equal(fault->at.ordinal, 3);
    assert_int_equal(fault->at.epoch, 1);
    sink_kafka_ops.close(sink);
    assert_int_equal(open_at(sink, 2), 0);
    assert_int_equal(deliver_all(sink, 4, 9), 0);
    free_sink(sink);
}

static void whoever_is_shut_out_says_so(void **state)
{
    (void)state;
    void *sink = make_sink();
    assert_int_equal(open_at(sink, 0), 0);
    assert_int_equal(deliver_all(sink, 1, 5), 0);
    refuse(API_END_TXN, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, 1);
    assert_int_equal(deliver_all(sink, 6, 6), -EBUSY);
    assert_non_null(strstr(sink_kafka_ops.fault(sink)->text, "another troved has taken over"));
    sink_kafka_ops.close(sink);
    assert_int_equal(open_at(sink, 5), 0);
    assert_int_equal(deliver_all(sink, 6, 7), 0);
    free_sink(sink);
}

static void what_passes_is_tried_again_unseen(void **state)
{
    static const struct {
        int16_t api;
        rd_kafka_resp_err_t code;
    } passing[] = {
        {API_PRODUCE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION},
        {API_PRODUCE, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS},
        {API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS},
        {API_ADD_OFFSETS, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE},
        {API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS},
        {API_END_TXN, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE},
    };
    (void)state;
    void *sink = make_sink();
    refuse(API_INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, 2);
    refuse(API_INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, 2);
    assert_int_equal(open_at(sink, 0), 0);
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
        refuse(passing[i].api, passing[i].code, 2);
        int rc = deliver_all(sink, i + 1, i + 1);
        if (rc)
            fail_msg("%d: %s", (int)passing[i].code, sink_kafka_ops.fault(sink)->text);
    }
    free_sink(sink);
}

static void a_cluster_that_hangs_costs_the_timeout(void **state)
{
    (void)state;
    world.conf.timeout_ns = 300 * NS_PER_MS;
    void *sink = make_sink();
    assert_int_equal(open_at(sink, 0), 0);
    assert_int_equal(deliver(sink, 1), 0);
    rd_kafka_mock_broker_set_rtt(world.cluster, 1, 60000);
    uint64_t resume, began = clock_monotonic_ns();
    assert_int_equal(sink_kafka_ops.commit(sink, &resume), -ETIMEDOUT);
    sink_kafka_ops.close(sink);
    assert_int_equal(open_at(sink, 0), -ETIMEDOUT);
    assert_true(clock_monotonic_ns() - began < 5 * NS_PER_S);
    free_sink(sink);
}

static void a_cancelled_sink_does_nothing_more(void **state)
{
    (void)state;
    void *sink = make_sink();
    assert_int_equal(open_at(sink, 0), 0);
    assert_int_equal(deliver(sink, 1), 0);
    rd_kafka_mock_broker_set_rtt(world.cluster, 1, 60000);
    sink_kafka_ops.cancel(sink);
    uint64_t resume;
    assert_int_equal(sink_kafka_ops.commit(sink, &resume), -ECANCELED);
    sink_kafka_ops.close(sink);
    assert_int_equal(open_at(sink, 0), -ECANCELED);
    free_sink(sink);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(delivers_behind_what_the_pump_says),
        TEST(a_topic_that_is_not_there_is_not_made),
        TEST(what_is_refused_with_others_is_found_alone),
        TEST(whoever_is_shut_out_says_so),
        TEST(what_passes_is_tried_again_unseen),
        TEST(a_cluster_that_hangs_costs_the_timeout),
        TEST(a_cancelled_sink_does_nothing_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
