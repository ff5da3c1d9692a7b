/* check_tls.c - how a sink shows who it is, and whom it trusts. */
#include <string.h>

#include "conf/check.h"

/* A key that is there and makes no sense, with what to do. */
static void conflict(struct reader *r, const struct yaml_node *node, const char *text)
{
    if (node)
        diag_add(r->diags, reader_at(r, node), "conflict", "%s", text);
}

static void check_sasl(struct reader *r, const struct yaml_node *map, const struct conf_sink *sink)
{
    const struct yaml_node *user = yaml_find(map, "user");
    const struct yaml_node *password = yaml_find(map, "password_file");
    if (sink->sasl && !(user && password))
        conflict(r, yaml_find(map, "sasl"),
                 "sasl needs user and password_file, the file that has the password");
    if (!sink->sasl)
        conflict(r, user ? user : password,
                 "Kafka takes a user by SASL alone; say how, such as sasl: scram-sha-512");
}

/* A NATS server takes one way to log in. */
static void check_ways(struct reader *r, const struct yaml_node *map)
{
    const struct yaml_node *ways[] = {yaml_find(map, "user"), yaml_find(map, "token_file"),
                                      yaml_find(map, "credentials")};
    const struct yaml_node *first = NULL;
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (first)
            conflict(r, ways[i],
                     "a sink logs in as user, by token_file or by credentials; keep one");
        first = first ? first : ways[i];
    }
}

void check_login(struct reader *r, const struct yaml_node *map, const struct conf_sink *sink)
{
    const struct yaml_node *user = yaml_find(map, "user");
    if (sink->type == CONF_SINK_KAFKA)
        check_sasl(r, map, sink);
    else if (!sink->password_file[0])
        conflict(r, user, "user needs password_file, the file that has the password");
    if (sink->type == CONF_SINK_NATS)
        check_ways(r, map);
}

/* What a sink has to have for its certificates to be of use; NULL: it has it. */
static const char *lack_of_tls(const struct conf_sink *sink)
{
    switch (sink->type) {
    case CONF_SINK_NATS:
    case CONF_SINK_KAFKA:
        return sink->tls.on ? NULL : "it is for TLS; set tls: true, or remove it";
    case CONF_SINK_WEBHOOK:
        return strncmp(sink->url, "http://", 7) ? NULL
                                                : "it is for TLS; make url https://, or remove it";
    case CONF_SINK_S3:
        return strncmp(sink->endpoint, "http://", 7)
                   ? NULL
                   : "it is for TLS; make endpoint https://, or remove it";
    default:
        return NULL; /* has no such keys */
    }
}

void check_tls(struct reader *r, const struct yaml_node *map, const struct conf_sink *sink)
{
    static const char *const keys[] = {"ca_file", "cert_file", "key_file"};
    const struct yaml_node *cert = yaml_find(map, "cert_file"), *key = yaml_find(map, "key_file");
    const char *lack = lack_of_tls(sink);
    for (unsigned i = 0; lack && i < sizeof keys / sizeof *keys; i++)
        conflict(r, yaml_find(map, keys[i]), lack);
    if (!cert != !key)
        conflict(r, cert ? cert : key,
                 "cert_file and key_file belong together; give both, or none");
}
