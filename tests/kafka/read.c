/* read.c - kafka-read SERVERS TOPIC [KEY=VALUE...]: what a topic holds, as one JSON object a
 * message, partition by partition; KEY=VALUE are librdkafka's settings, read_committed is the
 * default. */
#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 10000

static char error[256];

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "kafka-read: %s: %s\n", what, why);
    return 1;
}

static rd_kafka_t *make(int argc, char **argv)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *const settings[][2] = {
        {"bootstrap.servers", argv[1]},        {"group.id", "kafka-read"},
        {"enable.auto.commit", "false"},       {"enable.partition.eof", "true"},
        {"isolation.level", "read_committed"}, {"allow.auto.create.topics", "false"}};
    int bad = 0;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        bad |= rd_kafka_conf_set(conf, settings[i][0], settings[i][1], error, sizeof error);
    for (int i = 3; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (value)
            *value++ = '\0';
        bad |= rd_kafka_conf_set(conf, argv[i], value ? value : "", error, sizeof error);
    }
    return bad ? NULL : rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
}

/* Returns the number of partitions that are read, or -1. */
static int assign(rd_kafka_t *rk, const char *topic)
{
    const struct rd_kafka_metadata *found;
    rd_kafka_topic_t *asked = rd_kafka_topic_new(rk, topic, NULL);
    rd_kafka_resp_err_t code = rd_kafka_metadata(rk, 0, asked, &found, WAIT_MS);
    rd_kafka_topic_destroy(asked);
    if (code)
        return fail("metadata", rd_kafka_err2str(code)), -1;
    int count = found->topics[0].err ? -1 : found->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(found);
    if (count < 1)
        return fail(topic, "there is no such topic"), -1;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);
    for (int i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    code = rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_poll_set_consumer(rk);
    return code ? -1 : count;
}

static void tell(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    json_t *named = json_object();
    const char *name;
    const void *value;
    size_t len;
    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
        for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &len); i++)
            json_object_set_new(named, name, json_stringn(value, len));
    json_t *json = json_pack("{s:i, s:I, s:I, s:s%, s:o, s:s%}", "partition",
                             (int)message->partition, "offset", (json_int_t)message->offset, "time",
                             (json_int_t)rd_kafka_message_timestamp(message, NULL), "key",
                             (const char *)message->key, message->key_len, "headers", named,
                             "value", (const char *)message->payload, message->len);
    json_dumpf(json, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(json);
}

static int read_all(rd_kafka_t *rk, int left)
{
    while (left) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, WAIT_MS);
        if (!message)
            return fail("poll", "nothing came");
        rd_kafka_resp_err_t code = message->err;
        if (code == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            left--;
        else if (!code)
            tell(message);
        rd_kafka_message_destroy(message);
        if (code && code != RD_KAFKA_RESP_ERR__PARTITION_EOF)
            return fail("poll", rd_kafka_err2str(code));
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: kafka-read SERVERS TOPIC [KEY=VALUE...]\n");
        return 2;
    }
    rd_kafka_t *rk = make(argc, argv);
    if (!rk)
        return fail("settings", error);
    int count = assign(rk, argv[2]);
    int rc = count < 0 ? 1 : read_all(rk, count);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return rc;
}
