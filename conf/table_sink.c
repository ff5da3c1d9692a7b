/* table_sink.c - the keys of a sink. */
#include "conf/check.h"
#include "conf/subject.h"
#include "conf/table_row.h"
#include "dataplane/base/outcome.h"

static const char *const sink_words[] = {[CONF_SINK_FILE] = "file",
                                         [CONF_SINK_REDIS] = "redis",
                                         [CONF_SINK_NATS] = "nats",
                                         [CONF_SINK_WEBHOOK] = "webhook",
                                         [CONF_SINK_S3] = "s3",
                                         [CONF_SINK_KAFKA] = "kafka",
                                         NULL};
static const char *const format_words[] = {
    [CONF_FORMAT_JSON] = "json", [CONF_FORMAT_CLOUDEVENTS] = "cloudevents", NULL};
static const char *const compress_words[] = {
    [CONF_COMPRESS_NONE] = "none", [CONF_COMPRESS_ZSTD] = "zstd", NULL};
static const char *const outcome_words[] = {
#define OUTCOME_WORD(name, help) #name,
    OUTCOME_KIND_LIST(OUTCOME_WORD)
#undef OUTCOME_WORD
        NULL};
static const char *const sasl_words[] = {[CONF_SASL_NONE] = "none",
                                         [CONF_SASL_PLAIN] = "plain",
                                         [CONF_SASL_SCRAM_256] = "scram-sha-256",
                                         [CONF_SASL_SCRAM_512] = "scram-sha-512",
                                         NULL};

#define SINK(member) AT(struct conf_sink, member)

static const struct key sink_keys[] = {
    {"name", KEY_NAME, KEY_HOT | KEY_REQUIRED, SINK(name), .max = CONF_NAME_MAX,
     .help = "what messages call the sink; its cursor belongs to the name"},
    {"type", KEY_CHOICE, KEY_HOT | KEY_REQUIRED, SINK(type), .words = sink_words,
     .help = "where outcomes go"},
    {"path", KEY_PATH, KEY_HOT, SINK(path), .absent = "none",
     .help = "of a file sink, which needs it or directory: the file that gets one JSON object per "
             "outcome and line; relative to data_dir"},
    {"directory", KEY_PATH, KEY_HOT, SINK(directory), .absent = "none",
     .help = "of a file sink: where it puts files by the hour, yyyy/mm/dd/hh/NAME-NNNNNN.ndjson, "
             "after the time at which events were received (UTC); relative to data_dir"},
    {"rotate_size", KEY_SIZE, KEY_HOT, SINK(rotate_bytes), .min = 64 << 10, .max = 1024 * GIB,
     .scale = 1, .fallback = "128MiB",
     .help = "of a file sink with a directory: a file of this size is closed; s3: an object is "
             "full with this much, before it is compressed, at most 4GiB"},
    {"rotate_after", KEY_TIME, KEY_HOT, SINK(rotate_after_ns), .min = SECOND, .max = DAY,
     .fallback = "1h",
     .help = "of a file sink with a directory: a file is closed this long after it was begun; s3: "
             "the span of time that an object is of, counted from the full hour, which it has to "
             "divide; 5m unless given"},
    {"compress", KEY_CHOICE, KEY_HOT, SINK(compress), .words = compress_words, .fallback = "none",
     .help = "of a file sink with a directory: zstd makes files of zstd frames, one a batch"},
    {"outcomes", KEY_BITS, KEY_HOT, SINK(outcomes), .min = 1, .max = OUTCOME_KIND_COUNT,
     .words = outcome_words, .absent = "all of them", .help = "which outcomes it gets"},
    {"hunts", KEY_ITEMS, KEY_HOT, LIST_AT(struct conf_sink, hunt), .min = 1, .max = CONF_HUNTS_MAX,
     .absent = "any, and none", .help = "only outcomes of these hunts"},
    {"format", KEY_CHOICE, KEY_HOT, SINK(format), .words = format_words, .fallback = "json",
     .help = "what it gets of an outcome: Trove's own JSON, or that as the data of a CloudEvent"},
    {"paused", KEY_BOOL, KEY_HOT, SINK(paused), .fallback = "false",
     .help = "it gets nothing, and goes on where it stood when this is false again"},
    {"address", KEY_TEXT, KEY_HOT, SINK(address), .absent = "none",
     .help =
         "of a redis, nats or kafka sink, which needs it: the server, as unix:/PATH (redis), "
         "HOST:PORT or '[IPV6]:PORT'; of nats and kafka up to 8, separated by commas; names are "
         "resolved at each connect"},
    {"user", KEY_NAME, KEY_HOT, SINK(user), .max = CONF_NAME_MAX,
     .absent = "the server's default user", .help = "redis, nats, kafka: who to log in as"},
    {"password_file", KEY_PATH, KEY_HOT, SINK(password_file), .absent = "none",
     .help = "redis, nats, kafka: the file whose first line is the password, read at each connect; "
             "relative to data_dir"},
    {"sasl", KEY_CHOICE, KEY_HOT, SINK(sasl), .words = sasl_words, .fallback = "none",
     .help = "kafka: how user and password are told; plain sends the password as it is: with tls "
             "only, or on a network of your own"},
    {"token_file", KEY_PATH, KEY_HOT, SINK(token_file), .absent = "none",
     .help = "nats: the file whose first line is the token to log in with, read at each connect; "
             "relative to data_dir"},
    {"tls", KEY_BOOL, KEY_HOT, SINK(tls.on), .fallback = "false",
     .help = "nats, kafka: speak TLS, to a server whose certificate is good and names the host of "
             "address; a webhook's and s3's do with https://"},
    {"ca_file", KEY_PATH, KEY_HOT, SINK(tls.ca_file), .absent = "the host's",
     .help = "nats, kafka, webhook, s3, with TLS: the certificates (PEM) of who vouches for the "
             "server; relative to data_dir"},
    {"cert_file", KEY_PATH, KEY_HOT, SINK(tls.cert_file), .absent = "none",
     .help = "nats, kafka, webhook, s3, with TLS: the certificate (PEM) to show when the server "
             "asks for one, and those behind it; relative to data_dir"},
    {"key_file", KEY_PATH, KEY_HOT, SINK(tls.key_file), .absent = "none",
     .help = "nats, kafka, webhook, s3: the key (PEM, without a password) of cert_file; relative "
             "to data_dir"},
    {"database", KEY_NUMBER, KEY_HOT, SINK(database), .max = 65535, .fallback = "0",
     .help = "redis: the number of the database"},
    {"stream", KEY_NAME, KEY_HOT, SINK(stream), .max = CONF_NAME_MAX, .fallback = "trove",
     .help = "redis: outcomes go to the streams NAME:0, NAME:1, ..., one a shard; nats: to the "
             "stream NAME, which is made when there is none; each data directory needs its own"},
    {"max_length", KEY_NUMBER, KEY_HOT, SINK(max_length), .max = 1000000000000,
     .fallback = "1_000_000",
     .help = "redis: about how many entries a stream keeps, the oldest go first; 0 keeps them all"},
    {"winners", KEY_NAME, KEY_HOT, SINK(winners), .max = CONF_NAME_MAX, .absent = "none",
     .help = "redis: keep each user's last award, or what an operator made of it, in the hash "
             "NAME:HUNT"},
    {"subject", KEY_TEXT, KEY_HOT, SINK(subject), .absent = SUBJECT_DEFAULT,
     .help =
         "nats: where messages go; {hunt}, {outcome}, {pop} and {host} stand for what they say, "
         "with _ for dots and - for none"},
    {"replicas", KEY_NUMBER, KEY_HOT, SINK(replicas), .min = 1, .max = 5, .fallback = "1",
     .help = "nats: of the stream, when the sink makes it"},
    {"confirm_after", KEY_TIME, KEY_HOT, SINK(confirm_after_ns), .max = HOUR, .fallback = "2m",
     .help =
         "nats: how long the journal keeps what the server has acknowledged, since it writes to "
         "its disk later; the stream has to remember ids for as long"},
    {"timeout", KEY_TIME, KEY_HOT, SINK(timeout_ns), .min = 10000000, .max = MINUTE,
     .fallback = "2s",
     .help = "redis, nats, kafka, webhook: the longest that connecting or an answer may take; s3: "
             "the same, and a second more for each 64 KiB; 10s unless given"},
    {"topic", KEY_NAME, KEY_HOT, SINK(topic), .max = CONF_NAME_MAX, .fallback = "trove",
     .help = "kafka: where messages go; it has to be there"},
    {"url", KEY_TEXT, KEY_HOT, SINK(url), .absent = "none",
     .help = "of a webhook sink, which needs it: where batches are sent by POST, http:// or "
             "https://"},
    {"secret_file", KEY_PATH, KEY_HOT, SINK(secret_file), .absent = "none",
     .help = "of a webhook sink, which needs it: the file whose first line is the key that batches "
             "are signed with, read for each; relative to data_dir"},
    {"batch", KEY_NUMBER, KEY_HOT, SINK(batch), .min = 1, .max = 500, .fallback = "100",
     .help = "webhook: outcomes in one POST, at most"},
    {"endpoint", KEY_TEXT, KEY_HOT, SINK(endpoint), .absent = "none",
     .help = "of an s3 sink, which needs it: the server, as http://HOST[:PORT] or https://; the "
             "bucket is addressed by path"},
    {"bucket", KEY_NAME, KEY_HOT, SINK(bucket), .max = 63, .absent = "none",
     .help = "of an s3 sink, which needs it: where the archive is"},
    {"region", KEY_NAME, KEY_HOT, SINK(region), .max = CONF_NAME_MAX, .fallback = "us-east-1",
     .help = "s3: the region that requests are signed for"},
    {"prefix", KEY_TEXT, KEY_HOT, SINK(prefix), .absent = "none",
     .help = "s3: what the names of all objects begin with, letters, digits and - . _ /; a slash "
             "is put behind it"},
    {"credentials", KEY_PATH, KEY_HOT, SINK(credentials), .absent = "none",
     .help = "of an s3 sink, which needs it: the file with the access key's id in its first line "
             "and the secret key in its second, perhaps a session token in its third; read for "
             "each request; nats: the file of credentials (.creds: a JWT and its key) to log in "
             "with; relative to data_dir"},
    {"part_size", KEY_SIZE, KEY_HOT, SINK(part_bytes), .min = 5 << 20, .max = 256 << 20, .scale = 1,
     .fallback = "8MiB",
     .help = "s3: an object is sent in parts of this size, each from memory; a smaller one in one "
             "request"},
    {0},
};

const struct key_set table_sink = {.noun = "sink",
                                   .keys = sink_keys,
                                   .id = &sink_keys[0],
                                   .bytes = sizeof(struct conf_sink),
                                   .place_offset = offsetof(struct conf_sink, place),
                                   .check = check_sink};
