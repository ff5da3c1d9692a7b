/* check_sink.c - which keys a sink of each type has, and needs. */
#include <stdio.h>
#include <string.h>

#include "conf/check.h"
#include "conf/servers.h"
#include "conf/subject.h"

#define FILES (1u << CONF_SINK_FILE)
#define REDIS (1u << CONF_SINK_REDIS)
#define NATS  (1u << CONF_SINK_NATS)
#define HOOKS (1u << CONF_SINK_WEBHOOK)
#define S3    (1u << CONF_SINK_S3)
#define KAFKA (1u << CONF_SINK_KAFKA)

static const struct {
    const char *key;
    unsigned types; /* that have it */
    const char *words;
    unsigned required; /* by these */
} sink_rules[] = {
    {"path", FILES, "file", 0},
    {"directory", FILES, "file", 0},
    {"rotate_size", FILES | S3, "file and s3", 0},
    {"rotate_after", FILES | S3, "file and s3", 0},
    {"compress", FILES, "file", 0},
    {"address", REDIS | NATS | KAFKA, "redis, nats and kafka", REDIS | NATS | KAFKA},
    {"user", REDIS | NATS | KAFKA, "redis, nats and kafka", 0},
    {"password_file", REDIS | NATS | KAFKA, "redis, nats and kafka", 0},
    {"sasl", KAFKA, "kafka", 0},
    {"token_file", NATS, "nats", 0},
    {"tls", NATS | KAFKA, "nats and kafka", 0},
    {"ca_file", NATS | KAFKA | HOOKS | S3, "nats, kafka, webhook and s3", 0},
    {"cert_file", NATS | KAFKA | HOOKS | S3, "nats, kafka, webhook and s3", 0},
    {"key_file", NATS | KAFKA | HOOKS | S3, "nats, kafka, webhook and s3", 0},
    {"database", REDIS, "redis", 0},
    {"stream", REDIS | NATS, "redis and nats", 0},
    {"max_length", REDIS, "redis", 0},
    {"winners", REDIS, "redis", 0},
    {"timeout", REDIS | NATS | HOOKS | S3 | KAFKA, "redis, nats, kafka, webhook and s3", 0},
    {"topic", KAFKA, "kafka", 0},
    {"url", HOOKS, "webhook", HOOKS},
    {"secret_file", HOOKS, "webhook", HOOKS},
    {"batch", HOOKS, "webhook", 0},
    {"endpoint", S3, "s3", S3},
    {"bucket", S3, "s3", S3},
    {"region", S3, "s3", 0},
    {"prefix", S3, "s3", 0},
    {"credentials", NATS | S3, "nats and s3", S3},
    {"part_size", S3, "s3", 0},
    {"subject", NATS, "nats", 0},
    {"replicas", NATS, "nats", 0},
    {"confirm_after", NATS, "nats", 0},
};

static const char *const type_names[] = {
    [CONF_SINK_FILE] = "file",       [CONF_SINK_REDIS] = "redis", [CONF_SINK_NATS] = "nats",
    [CONF_SINK_WEBHOOK] = "webhook", [CONF_SINK_S3] = "s3",       [CONF_SINK_KAFKA] = "kafka"};

static void check_keys(struct reader *r, const struct yaml_node *map, const struct conf_sink *sink)
{
    for (unsigned i = 0; i < sizeof sink_rules / sizeof *sink_rules; i++) {
        const char *key = sink_rules[i].key;
        const struct yaml_node *node = yaml_find(map, key);
        bool applies = sink_rules[i].types >> sink->type & 1;
        if (node && !applies)
            diag_add(r->diags, reader_at(r, node), "conflict",
                     "%s belongs to sinks of type %s, and sink '%s' is of type %s; remove it", key,
                     sink_rules[i].words, sink->name, type_names[sink->type]);
        if (!node && sink_rules[i].required >> sink->type & 1)
            diag_add(r->diags, reader_at(r, map), "missing_key", "a sink of type %s needs %s",
                     type_names[sink->type], key);
    }
}

static void check_file(struct reader *r, const struct yaml_node *map, struct conf_sink *sink)
{
    static const char *const keys[] = {"rotate_size", "rotate_after", "compress"};
    const struct yaml_node *path = yaml_find(map, "path");
    const struct yaml_node *directory = yaml_find(map, "directory");
    if (path && directory)
        diag_add(r->diags, reader_at(r, directory), "conflict",
                 "sink '%s' has a path and a directory; keep path for one file, or directory for "
                 "files by the hour",
                 sink->name);
    if (!path && !directory)
        diag_add(r->diags, reader_at(r, map), "missing_key",
                 "a sink of type file needs path, or directory");
    for (unsigned i = 0; !directory && i < sizeof keys / sizeof *keys; i++)
        if (yaml_find(map, keys[i]))
            diag_add(r->diags, reader_at(r, yaml_find(map, keys[i])), "conflict",
                     "%s belongs to a file sink with a directory; give that, or remove it",
                     keys[i]);
}

void check_servers(struct reader *r, const struct yaml_node *map, const char *servers,
                   const char *example)
{
    const struct yaml_node *address = yaml_find(map, "address");
    char words[SERVERS_MAX][SERVER_MAX];
    unsigned count = servers_split(servers, words), bad = 0;
    for (unsigned i = 0; i < count && i < SERVERS_MAX; i++) {
        struct conf_endpoint endpoint;
        bad += conf_server_parse(words[i], &endpoint) || !endpoint.port;
    }
    if (address && (bad || !count || count > SERVERS_MAX))
        diag_add(r->diags, reader_at(r, address), "bad_value",
                 "address must be one to eight of HOST:PORT or [IPv6]:PORT, separated by commas, "
                 "such as '%s', not %s",
                 example, reader_quote(r, address));
}

static void check_kafka(struct reader *r, const struct yaml_node *map, struct conf_sink *sink)
{
    check_servers(r, map, sink->address, "10.0.0.1:9092, 10.0.0.2:9092");
}

static void check_nats(struct reader *r, const struct yaml_node *map, struct conf_sink *sink)
{
    const struct yaml_node *subject = yaml_find(map, "subject");
    const struct yaml_node *stream = yaml_find(map, "stream");
    check_servers(r, map, sink->address, "10.0.0.1:4222, 10.0.0.2:4222");
    if (!subject)
        snprintf(sink->subject, sizeof sink->subject, "%s", SUBJECT_DEFAULT);
    if (subject && subject_check(sink->subject))
        diag_add(
            r->diags, reader_at(r, subject), "bad_value",
            "subject must be words of letters, digits, _, - and up to %d of {hunt}, {outcome}, "
            "{pop} and {host}, with dots between them, not %s",
            SUBJECT_PLACES_MAX, reader_quote(r, subject));
    if (stream && strchr(sink->stream, '.'))
        diag_add(r->diags, reader_at(r, stream), "bad_value",
                 "the name of a NATS stream has no dots; use another instead of %s",
                 reader_quote(r, stream));
}

static void check_redis(struct reader *r, const struct yaml_node *map, struct conf_sink *sink)
{
    const struct yaml_node *address = yaml_find(map, "address");
    struct conf_endpoint endpoint;
    if (address && sink->address[0] && conf_server_parse(sink->address, &endpoint))
        diag_add(r->diags, reader_at(r, address), "bad_value",
                 "address must be unix:/PATH (at most 107 bytes), a host and a port such as "
                 "127.0.0.1:6379, or [IPv6]:PORT, not %s",
                 reader_quote(r, address));
}

/* The key is for a host alone: no name and password in front of it. */
static void check_webhook(struct reader *r, const struct yaml_node *map, struct conf_sink *sink)
{
    const struct yaml_node *url = yaml_find(map, "url");
    const char *host = strncmp(sink->url, "http://", 7) == 0    ? sink->url + 7
                       : strncmp(sink->url, "https://", 8) == 0 ? sink->url + 8
                                                                : "";
    size_t len = strcspn(host, "/?#");
    bool plain = true;
    for (const char *c = sink->url; *c; c++)
        plain &= *c > ' ' && *c < 0x7f;
    if (url && (!len || !plain || memchr(host, '@', len)))
        diag_add(r->diags, reader_at(r, url), "bad_value",
                 "url must be http:// or https:// with a host and a path, such as "
                 "https://coupons.example/awards, not %s",
                 reader_quote(r, url));
}

void check_sink(struct reader *r, const struct yaml_node *map, void *base)
{
    static void (*const checks[])(struct reader *, const struct yaml_node *, struct conf_sink *) = {
        [CONF_SINK_FILE] = check_file,  [CONF_SINK_REDIS] = check_redis,
        [CONF_SINK_NATS] = check_nats,  [CONF_SINK_WEBHOOK] = check_webhook,
        [CONF_SINK_S3] = check_archive, [CONF_SINK_KAFKA] = check_kafka};
    struct conf_sink *sink = base;
    const struct yaml_node *type = yaml_find(map, "type");
    if (!type || type->broken)
        return;
    check_keys(r, map, sink);
    checks[sink->type](r, map, sink);
    check_login(r, map, sink);
    check_tls(r, map, sink);
}
