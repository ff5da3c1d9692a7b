/* mock.c - librdkafka's mock cluster as a server: kafka-mock BROKERS prints its addresses, then
 * does what the lines it reads say, each answered with "ok" or "no".
 *
 *   topic NAME PARTITIONS        errors APIKEY CODE COUNT      clear APIKEY
 *   down BROKER                  up BROKER                     rtt BROKER MS
 *   leader TOPIC PARTITION BROKER
 *   coordinator transaction|group KEY BROKER
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX  4
#define ERRORS_MAX 1000

static int number(const char *text)
{
    return (int)strtol(text, NULL, 10);
}

static int push_errors(rd_kafka_mock_cluster_t *cluster, int16_t api, int code, int count)
{
    rd_kafka_resp_err_t errors[ERRORS_MAX];
    if (count < 1 || count > ERRORS_MAX)
        return -1;
    for (int i = 0; i < count; i++)
        errors[i] = (rd_kafka_resp_err_t)code;
    rd_kafka_mock_push_request_errors_array(cluster, api, (size_t)count, errors);
    return 0;
}

static int obey(rd_kafka_mock_cluster_t *cluster, char words[WORDS_MAX][128])
{
    const char *verb = words[0];
    int one = number(words[1]), two = number(words[2]), three = number(words[3]);
    if (strcmp(verb, "topic") == 0)
        return rd_kafka_mock_topic_create(cluster, words[1], two, 1);
    if (strcmp(verb, "errors") == 0)
        return push_errors(cluster, (int16_t)one, two, three);
    if (strcmp(verb, "clear") == 0)
        return rd_kafka_mock_clear_request_errors(cluster, (int16_t)one), 0;
    if (strcmp(verb, "down") == 0)
        return rd_kafka_mock_broker_set_down(cluster, one);
    if (strcmp(verb, "up") == 0)
        return rd_kafka_mock_broker_set_up(cluster, one);
    if (strcmp(verb, "rtt") == 0)
        return rd_kafka_mock_broker_set_rtt(cluster, one, two);
    if (strcmp(verb, "leader") == 0)
        return rd_kafka_mock_partition_set_leader(cluster, words[1], two, three);
    if (strcmp(verb, "coordinator") == 0)
        return rd_kafka_mock_coordinator_set(cluster, words[1], words[2], three);
    return -1;
}

int main(int argc, char **argv)
{
    char error[256], line[600];
    int brokers = argc == 2 ? number(argv[1]) : 0;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    rd_kafka_mock_cluster_t *cluster =
        rk && brokers > 0 ? rd_kafka_mock_cluster_new(rk, brokers) : NULL;
    if (!cluster) {
        fprintf(stderr, "usage: kafka-mock BROKERS\n");
        return 2;
    }
    printf("%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        char words[WORDS_MAX][128] = {"", "", "", ""};
        (void)sscanf(line, "%127s %127s %127s %127s", words[0], words[1], words[2], words[3]);
        puts(obey(cluster, words) == 0 ? "ok" : "no");
        fflush(stdout);
    }
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(rk);
    return 0;
}
