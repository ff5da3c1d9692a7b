/* kafka.h - one topic of a Kafka cluster, written in transactions, each of which carries a position
 * that can be read back.
 *
 * librdkafka does the protocol. The position is the offset, with its text, that a consumer group of
 * our own commits within the transaction: it is there if, and only if, the messages are (KIP-98,
 * KIP-447). Whoever enters under the same id ends what an older one has begun, and shuts it out.
 *
 * Memory:  one allocation and librdkafka's: what was produced and not yet acknowledged,
 *          KAFKA_QUEUE_BYTES at most.
 * Threads: one; librdkafka has its own, which inherit the caller's core.  *cancel may be set by
 *          any: it ends waits, some of them only after KAFKA_CALL_MS.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"

#define KAFKA_QUEUE_BYTES  (64u << 20)
#define KAFKA_CALL_MS      2000  /* what cannot be taken up again where it was cut short */
#define KAFKA_POSITION_MAX 4000u /* brokers take 4,096 bytes unless told otherwise */
#define KAFKA_NO_RECORD    UINT32_MAX

struct kafka;

struct kafka_settings {
    const char *servers; /* as the configuration has them: conf/servers.h */
    const char *topic;
    const char *id; /* the transactional id, and the name of the group */
    const struct conf_tls *tls;
    enum conf_sasl sasl;
    const char *user, *password; /* with SASL; may end with kafka_open */
    uint64_t timeout_ns;         /* of each function but kafka_close */
    const _Atomic bool *cancel;
};

struct kafka_message {
    uint32_t index; /* what kafka_refused calls it, but KAFKA_NO_RECORD */
    const char *key, *id, *content_type;
    int64_t time_ms;
    const void *body;
    size_t len;
};

struct kafka_position {
    uint64_t number;
    char text[KAFKA_POSITION_MAX]; /* "": there is none */
};

/* kafka_open connects and looks for the topic.  Returns 0 with a handle, or a negative errno with a
 * line in error: -ENOENT there is no such topic. */
int kafka_open(struct kafka **kafka, const struct kafka_settings *settings, char error[200]);
/* kafka_close ends what has begun, without a promise. */
void kafka_close(struct kafka *kafka);

/* kafka_enter makes this the only one that writes under the id; what an older one had begun is then
 * committed or aborted.  0 or a negative errno. */
int kafka_enter(struct kafka *kafka);

/* kafka_read_position reads what was committed last, before kafka_enter or behind it.
 * kafka_find_empty says whether the topic has never had a message.  kafka_end_reading gives back
 * what only these two need.  0 or a negative errno. */
int kafka_read_position(struct kafka *kafka, struct kafka_position *position);
int kafka_find_empty(struct kafka *kafka, bool *empty);
void kafka_end_reading(struct kafka *kafka);

/* kafka_produce takes a message into the transaction, which it begins when there is none.
 * kafka_commit ends it, or one with nothing else, with the position.  0 or a negative errno, after
 * which the handle is of no more use: -EBUSY somebody else has entered; -EINVAL a message was
 * refused for what it is, and kafka_refused says its index, or KAFKA_NO_RECORD when that is not
 * known. */
int kafka_produce(struct kafka *kafka, const struct kafka_message *message);
int kafka_commit(struct kafka *kafka, const struct kafka_position *position);
uint32_t kafka_refused(const struct kafka *kafka);

/* kafka_error says what went wrong last. */
const char *kafka_error(const struct kafka *kafka);
