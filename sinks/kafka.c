/* kafka.c - librdkafka: a producer that writes, and a consumer that is only there to ask. */
#include "sinks/kafka.h"

#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conf/servers.h"
#include "dataplane/base/clock.h"

#define SLICE_MS 100 /* between two looks at *cancel */
#define PAUSE_MS 10  /* before a call that failed is tried again */

struct kafka {
    rd_kafka_conf_t *common; /* of the two */
    rd_kafka_t *reader, *producer;
    rd_kafka_topic_t *asked; /* the topic, as the reader has it */
    rd_kafka_consumer_group_metadata_t *group;
    char topic[64], id[160];
    int32_t partition_count;
    bool in_transaction;
    uint32_t refused;
    rd_kafka_resp_err_t refused_code;
    uint64_t timeout_ns, deadline_ns;
    const _Atomic bool *cancel;
    char link[200]; /* what the last connection failed with */
    char error[200];
    char servers[SERVERS_MAX * SERVER_MAX];
};

/* ---- errors ---- */

static int errno_of(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        return -ETIMEDOUT;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        return -ENOENT;
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
        return -EBUSY;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
        return -EINVAL;
    default:
        return -EREMOTEIO;
    }
}

static int fail(struct kafka *kafka, const char *what, rd_kafka_resp_err_t code, const char *text)
{
    int rc = errno_of(code);
    const char *link = rc == -ETIMEDOUT && kafka->link[0] ? kafka->link : NULL;
    snprintf(kafka->error, sizeof kafka->error, "%s: %.60s%s%.120s", what,
             text ? text : rd_kafka_err2str(code), link ? "; " : "", link ? link : "");
    return rc;
}

static int fail_error(struct kafka *kafka, const char *what, rd_kafka_error_t *error)
{
    int rc = fail(kafka, what, rd_kafka_error_code(error), rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return rc;
}

static int fail_cancelled(struct kafka *kafka)
{
    snprintf(kafka->error, sizeof kafka->error, "%s", strerror(ECANCELED));
    return -ECANCELED;
}

const char *kafka_error(const struct kafka *kafka)
{
    return kafka->error;
}

uint32_t kafka_refused(const struct kafka *kafka)
{
    return kafka->refused;
}

/* What it would write to stderr is of use to nobody: the sink says what went wrong. */
static void on_log(const rd_kafka_t *rk, int level, const char *what, const char *text)
{
    (void)rk, (void)level, (void)what, (void)text;
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct kafka *kafka = opaque;
    (void)rk;
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        snprintf(kafka->link, sizeof kafka->link, "%s", reason);
}

/* The first message that was refused for what it is tells more than those that went with it. */
static void note_refused(struct kafka *kafka, rd_kafka_resp_err_t code, uint32_t index)
{
    if (kafka->refused != KAFKA_NO_RECORD)
        return;
    kafka->refused = index;
    kafka->refused_code = code;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka *kafka = opaque;
    (void)rk;
    if (errno_of(message->err) == -EINVAL)
        note_refused(kafka, message->err, (uint32_t)(uintptr_t)message->_private);
}

/* ---- time ---- */

static void begin_wait(struct kafka *kafka)
{
    kafka->deadline_ns = clock_monotonic_ns() + kafka->timeout_ns;
}

/* How long the next call may take; 0 when the time is over, or nobody waits any more. */
static int wait_ms(const struct kafka *kafka, int most)
{
    uint64_t now = clock_monotonic_ns();
    if (atomic_load_explicit(kafka->cancel, memory_order_relaxed) || now >= kafka->deadline_ns)
        return 0;
    uint64_t left = (kafka->deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS;
    return left < (uint64_t)most ? (int)left : most;
}

/* Says whether what a call failed with may be over when it is tried again. */
static bool is_passing(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR__TRANSPORT ||
           code == RD_KAFKA_RESP_ERR__WAIT_COORD || code == RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE ||
           code == RD_KAFKA_RESP_ERR_NOT_COORDINATOR ||
           code == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE ||
           code == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS ||
           code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
           code == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
           code == RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT;
}

/* Repeats a call that goes on where it was, until it is done. */
static int run(struct kafka *kafka, const char *what,
               rd_kafka_error_t *(*call)(rd_kafka_t *producer, int timeout_ms))
{
    while (!atomic_load(kafka->cancel)) {
        int ms = wait_ms(kafka, SLICE_MS);
        rd_kafka_error_t *error = call(kafka->producer, ms);
        if (!error)
            return 0;
        bool again = ms && rd_kafka_error_is_retriable(error);
        (void)rd_kafka_poll(kafka->producer, again ? PAUSE_MS : 0);
        int rc = fail_error(kafka, what, error);
        if (!again && !atomic_load(kafka->cancel))
            return rc;
    }
    return fail_cancelled(kafka);
}

/* Says what to do about a call of the reader, or of another that begins anew: go on, or not. */
static bool try_again(struct kafka *kafka, rd_kafka_t *rk, rd_kafka_resp_err_t code)
{
    bool again = code && is_passing(code) && wait_ms(kafka, 1) > 0;
    (void)rd_kafka_poll(rk, again ? PAUSE_MS : 0);
    return again;
}

static int end_call(struct kafka *kafka, const char *what, rd_kafka_resp_err_t code)
{
    if (code && atomic_load(kafka->cancel))
        return fail_cancelled(kafka);
    return code ? fail(kafka, what, code, NULL) : 0;
}

/* ---- opening ---- */

struct setting {
    const char *name, *value;
};

/* Each setting that has a value. */
static bool set_all(struct kafka *kafka, rd_kafka_conf_t *conf, const struct setting *settings,
                    unsigned count)
{
    bool good = true;
    for (unsigned i = 0; i < count && good; i++)
        if (settings[i].value && *settings[i].value)
            good = rd_kafka_conf_set(conf, settings[i].name, settings[i].value, kafka->error,
                                     sizeof kafka->error) == RD_KAFKA_CONF_OK;
    return good;
}

#define SET_ALL(kafka, conf, settings)                                                             \
    set_all(kafka, conf, settings, sizeof(settings) / sizeof *(settings))

static const char *protocol(const struct kafka_settings *settings)
{
    if (settings->sasl)
        return settings->tls->on ? "sasl_ssl" : "sasl_plaintext";
    return settings->tls->on ? "ssl" : "plaintext";
}

/* Who we are, and whom we trust.  librdkafka wipes its copy of the password. */
static bool set_security(struct kafka *kafka, const struct kafka_settings *settings)
{
    static const char *const mechanisms[] = {[CONF_SASL_PLAIN] = "PLAIN",
                                             [CONF_SASL_SCRAM_256] = "SCRAM-SHA-256",
                                             [CONF_SASL_SCRAM_512] = "SCRAM-SHA-512"};
    const struct conf_tls *tls = settings->tls;
    const struct setting security[] = {
        {"security.protocol", protocol(settings)},
        {"ssl.ca.location", tls->ca_file},
        {"ssl.certificate.location", tls->cert_file},
        {"ssl.key.location", tls->key_file},
        {"enable.ssl.certificate.verification", "true"},
        {"ssl.endpoint.identification.algorithm", "https"},
        {"sasl.mechanism", settings->sasl ? mechanisms[settings->sasl] : NULL},
        {"sasl.username", settings->sasl ? settings->user : NULL},
        {"sasl.password", settings->sasl ? settings->password : NULL},
    };
    return SET_ALL(kafka, kafka->common, security);
}

static int make_common(struct kafka *kafka, const struct kafka_settings *settings)
{
    char setup_ms[16];
    uint64_t ms = kafka->timeout_ns / NS_PER_MS;
    snprintf(setup_ms, sizeof setup_ms, "%u", ms < 1000 ? 1000u : (unsigned)ms);
    const struct setting common[] = {
        {"bootstrap.servers", kafka->servers},
        {"client.id", "trove"},
        {"socket.connection.setup.timeout.ms", setup_ms},
        {"reconnect.backoff.max.ms", "1000"},
    };
    kafka->common = rd_kafka_conf_new();
    rd_kafka_conf_set_error_cb(kafka->common, on_error);
    rd_kafka_conf_set_log_cb(kafka->common, on_log);
    rd_kafka_conf_set_opaque(kafka->common, kafka);
    return SET_ALL(kafka, kafka->common, common) && set_security(kafka, settings) ? 0 : -EINVAL;
}

static rd_kafka_conf_t *make_conf(struct kafka *kafka, const struct setting *settings,
                                  unsigned count)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(kafka->common);
    if (set_all(kafka, conf, settings, count))
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

static rd_kafka_t *make(struct kafka *kafka, rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    rd_kafka_t *rk = conf ? rd_kafka_new(type, conf, kafka->error, sizeof kafka->error) : NULL;
    if (conf && !rk)
        rd_kafka_conf_destroy(conf);
    return rk;
}

/* Nothing that it reads is still undecided once kafka_enter is done, so it needs not wait. */
static int open_reader(struct kafka *kafka)
{
    const struct setting settings[] = {
        {"group.id", kafka->id},
        {"enable.auto.commit", "false"},
        {"isolation.level", "read_uncommitted"},
        {"allow.auto.create.topics", "false"},
    };
    kafka->reader = make(kafka, RD_KAFKA_CONSUMER,
                         make_conf(kafka, settings, sizeof settings / sizeof *settings));
    kafka->asked = kafka->reader ? rd_kafka_topic_new(kafka->reader, kafka->topic, NULL) : NULL;
    return kafka->asked ? 0 : -EINVAL;
}

/* Looks for the topic; the handle then knows where its partitions are. */
static int find_topic(struct kafka *kafka, rd_kafka_t *rk, rd_kafka_topic_t *topic)
{
    const struct rd_kafka_metadata *found = NULL;
    rd_kafka_resp_err_t code;
    begin_wait(kafka);
    do {
        code = rd_kafka_metadata(rk, 0, topic, &found, wait_ms(kafka, KAFKA_CALL_MS));
        if (!code && found->topic_cnt == 1) {
            code = found->topics[0].err;
            kafka->partition_count = found->topics[0].partition_cnt;
        }
        if (found)
            rd_kafka_metadata_destroy(found);
        found = NULL;
    } while (try_again(kafka, rk, code));
    if (!code && kafka->partition_count < 1)
        code = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    return end_call(kafka, "connect", code);
}

/* As librdkafka wants them: commas and nothing else between two. */
static void name_servers(struct kafka *kafka, const char *list)
{
    char servers[SERVERS_MAX][SERVER_MAX];
    unsigned count = servers_split(list, servers);
    size_t at = 0;
    for (unsigned i = 0; i < count && i < SERVERS_MAX; i++)
        at += (size_t)snprintf(kafka->servers + at, sizeof kafka->servers - at, "%s%s",
                               i ? "," : "", servers[i]);
}

int kafka_open(struct kafka **out, const struct kafka_settings *settings, char error[200])
{
    struct kafka *kafka = calloc(1, sizeof *kafka);
    *out = NULL;
    if (!kafka) {
        snprintf(error, 200, "%s", strerror(ENOMEM));
        return -ENOMEM;
    }
    kafka->refused = KAFKA_NO_RECORD;
    kafka->timeout_ns = settings->timeout_ns;
    kafka->cancel = settings->cancel;
    name_servers(kafka, settings->servers);
    snprintf(kafka->topic, sizeof kafka->topic, "%s", settings->topic);
    snprintf(kafka->id, sizeof kafka->id, "%s", settings->id);
    int rc = make_common(kafka, settings);
    if (!rc)
        rc = open_reader(kafka);
    if (!rc)
        rc = find_topic(kafka, kafka->reader, kafka->asked);
    if (!rc) {
        *out = kafka;
        return 0;
    }
    snprintf(error, 200, "%s", kafka->error);
    kafka_close(kafka);
    return rc;
}

/* Otherwise the first message would wait until librdkafka asks by itself, a second later. */
static int prepare(struct kafka *kafka)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(kafka->producer, kafka->topic, NULL);
    int rc = topic ? find_topic(kafka, kafka->producer, topic) : -ENOMEM;
    if (topic)
        rd_kafka_topic_destroy(topic);
    return rc;
}

int kafka_enter(struct kafka *kafka)
{
    char queue_kb[16];
    snprintf(queue_kb, sizeof queue_kb, "%u", KAFKA_QUEUE_BYTES >> 10);
    const struct setting settings[] = {
        {"transactional.id", kafka->id},
        {"queue.buffering.max.messages", "16384"},
        {"queue.buffering.max.kbytes", queue_kb},
        /* Where Java's producers would put a key. */
        {"partitioner", "murmur2_random"},
    };
    rd_kafka_conf_t *conf = make_conf(kafka, settings, sizeof settings / sizeof *settings);
    if (conf)
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    kafka->producer = make(kafka, RD_KAFKA_PRODUCER, conf);
    kafka->group = rd_kafka_consumer_group_metadata_new(kafka->id);
    if (!kafka->producer || !kafka->group)
        return -ENOMEM;
    begin_wait(kafka);
    int rc = run(kafka, "enter", rd_kafka_init_transactions);
    return rc ? rc : prepare(kafka);
}

void kafka_end_reading(struct kafka *kafka)
{
    if (kafka->asked)
        rd_kafka_topic_destroy(kafka->asked);
    if (kafka->reader)
        rd_kafka_destroy_flags(kafka->reader, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    kafka->asked = NULL;
    kafka->reader = NULL;
}

/* A transaction that stays open holds up its readers until it times out. And librdkafka 2.0 ends
 * the process when it is destroyed at the moment at which it tells the coordinator of a partition:
 * who begins to abort has nothing more to tell, and who was committing has told it a moment later.
 */
static void abandon(struct kafka *kafka)
{
    if (!kafka->in_transaction)
        return;
    rd_kafka_error_t *error = rd_kafka_abort_transaction(kafka->producer, SLICE_MS);
    if (!error)
        return;
    rd_kafka_error_destroy(error);
    nanosleep(&(struct timespec){.tv_nsec = SLICE_MS * (long)NS_PER_MS}, NULL);
}

void kafka_close(struct kafka *kafka)
{
    if (!kafka)
        return;
    abandon(kafka);
    kafka_end_reading(kafka);
    if (kafka->group)
        rd_kafka_consumer_group_metadata_destroy(kafka->group);
    if (kafka->producer)
        rd_kafka_destroy(kafka->producer);
    if (kafka->common)
        rd_kafka_conf_destroy(kafka->common);
    free(kafka);
}

/* ---- what the topic has ---- */

static int take_position(struct kafka *kafka, const rd_kafka_topic_partition_t *at,
                         struct kafka_position *position)
{
    *position = (struct kafka_position){0};
    if (at->err)
        return fail(kafka, "position", at->err, NULL);
    if (at->offset < 0 || !at->metadata || !at->metadata_size)
        return 0;
    /* Longer than we would write it, or with a NUL in it: it is none of ours, and says so. */
    size_t len = at->metadata_size < sizeof position->text ? at->metadata_size : 1;
    memcpy(position->text, len == at->metadata_size ? at->metadata : "?", len);
    position->number = (uint64_t)at->offset;
    return 0;
}

int kafka_read_position(struct kafka *kafka, struct kafka_position *position)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_add(list, kafka->topic, 0);
    rd_kafka_resp_err_t code;
    begin_wait(kafka);
    do {
        code = rd_kafka_committed(kafka->reader, list, wait_ms(kafka, KAFKA_CALL_MS));
        if (!code)
            code = at->err;
    } while (try_again(kafka, kafka->reader, code));
    int rc = end_call(kafka, "position", code);
    if (!rc)
        rc = take_position(kafka, at, position);
    rd_kafka_topic_partition_list_destroy(list);
    return rc;
}

int kafka_find_empty(struct kafka *kafka, bool *empty)
{
    int64_t low, high = 0;
    rd_kafka_resp_err_t code = 0;
    begin_wait(kafka);
    for (int32_t i = 0; i < kafka->partition_count && !code && !high; i++)
        do
            code = rd_kafka_query_watermark_offsets(kafka->reader, kafka->topic, i, &low, &high,
                                                    wait_ms(kafka, KAFKA_CALL_MS));
        while (try_again(kafka, kafka->reader, code));
    *empty = high == 0;
    return end_call(kafka, "offsets", code);
}

/* ---- transactions ---- */

static rd_kafka_resp_err_t try_produce(struct kafka *kafka, const struct kafka_message *message)
{
    return rd_kafka_producev(
        kafka->producer, RD_KAFKA_V_TOPIC(kafka->topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(message->key, strlen(message->key)),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)message->body, message->len),
        RD_KAFKA_V_TIMESTAMP(message->time_ms), RD_KAFKA_V_HEADER("trove-id", message->id, -1),
        RD_KAFKA_V_HEADER("content-type", message->content_type, -1),
        RD_KAFKA_V_OPAQUE((void *)(uintptr_t)message->index), RD_KAFKA_V_END);
}

static int begin(struct kafka *kafka)
{
    begin_wait(kafka);
    rd_kafka_error_t *error =
        kafka->in_transaction ? NULL : rd_kafka_begin_transaction(kafka->producer);
    kafka->in_transaction |= !error;
    return error ? fail_error(kafka, "begin", error) : 0;
}

int kafka_produce(struct kafka *kafka, const struct kafka_message *message)
{
    int rc = begin(kafka);
    if (rc)
        return rc;
    rd_kafka_resp_err_t code = try_produce(kafka, message);
    while (code == RD_KAFKA_RESP_ERR__QUEUE_FULL && wait_ms(kafka, SLICE_MS)) {
        (void)rd_kafka_poll(kafka->producer, wait_ms(kafka, SLICE_MS));
        code = try_produce(kafka, message);
    }
    if (errno_of(code) == -EINVAL)
        note_refused(kafka, code, message->index);
    return end_call(kafka, "produce", code);
}

static int send_position(struct kafka *kafka, const struct kafka_position *position)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_add(list, kafka->topic, 0);
    rd_kafka_error_t *error;
    bool again;
    at->offset = (int64_t)position->number;
    at->metadata_size = strlen(position->text);
    at->metadata = strdup(position->text); /* the list frees it */
    do {
        error = rd_kafka_send_offsets_to_transaction(kafka->producer, list, kafka->group,
                                                     wait_ms(kafka, KAFKA_CALL_MS));
        again = error && rd_kafka_error_is_retriable(error) && wait_ms(kafka, 1) > 0;
        if (again)
            rd_kafka_error_destroy(error);
        (void)rd_kafka_poll(kafka->producer, again ? PAUSE_MS : 0);
    } while (again);
    rd_kafka_topic_partition_list_destroy(list);
    return error ? fail_error(kafka, "position", error) : 0;
}

static int flush(struct kafka *kafka)
{
    rd_kafka_resp_err_t code;
    int ms;
    do {
        ms = wait_ms(kafka, SLICE_MS);
        code = rd_kafka_flush(kafka->producer, ms);
    } while (ms && code == RD_KAFKA_RESP_ERR__TIMED_OUT && kafka->refused == KAFKA_NO_RECORD);
    return end_call(kafka, "produce", code);
}

/* Messages first: should the cluster's transactions be worth nothing, the position is behind what
 * is there, never in front of it. */
int kafka_commit(struct kafka *kafka, const struct kafka_position *position)
{
    int rc = begin(kafka);
    if (!rc)
        rc = flush(kafka);
    if (!rc)
        rc = send_position(kafka, position);
    if (!rc)
        rc = run(kafka, "commit", rd_kafka_commit_transaction);
    if (!rc)
        kafka->in_transaction = false;
    /* Where a transaction failed since a message did, that is the reason. */
    if (rc && rc != -EBUSY && rc != -ECANCELED && kafka->refused != KAFKA_NO_RECORD)
        rc = fail(kafka, "produce", kafka->refused_code, NULL);
    return rc;
}
