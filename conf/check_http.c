/* check_http.c - what the keys of listen.http have to do with each other. */
#include <string.h>

#include "conf/check.h"

#define SHARE 4 /* of the largest body, or of a connection's buffers, in their pools at least */

/* at finds the key that was written, the first of two, or the section. */
static const struct diag *at(struct reader *r, const struct yaml_node *map, const char *one,
                             const char *other)
{
    const struct yaml_node *node = yaml_find(map, one);
    if (!node)
        node = yaml_find(map, other);
    return reader_at(r, node ? node : map);
}

/* RFC 6454 section 6.2: scheme, host and port, and nothing behind them. */
static bool is_origin(const char *text)
{
    const char *host = NULL;
    if (strncmp(text, "https://", 8) == 0)
        host = text + 8;
    else if (strncmp(text, "http://", 7) == 0)
        host = text + 7;
    if (!host || !*host)
        return false;
    size_t plain = strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]");
    return host[plain] == 0 && host[0] != ':' && host[plain - 1] != ':';
}

void check_cors(struct reader *r, const struct yaml_node *map, void *base)
{
    const struct conf_http *http = &((const struct conf *)base)->http;
    const struct yaml_node *node = yaml_find(map, "origins");
    for (uint32_t i = 0; i < http->origin_count; i++) {
        const char *origin = http->origin[i];
        if (strcmp(origin, "*") == 0 && http->origin_count > 1)
            diag_add(r->diags, reader_at(r, node), "conflict",
                     "'*' stands for every origin; remove it or the others");
        else if (*origin && strcmp(origin, "*") != 0 && !is_origin(origin))
            diag_add(r->diags, reader_at(r, node), "bad_value",
                     "an origin is a scheme, a host in lower case and a port where it is not the "
                     "usual one, such as https://shop.example, not '%s'",
                     origin);
    }
}

void check_tcp(struct reader *r, const struct yaml_node *map, void *base)
{
    const struct conf_tcp *tcp = &((const struct conf *)base)->http.tcp;
    if (tcp->rto_max_ns && tcp->rto_max_ns < tcp->rto_min_ns)
        diag_add(r->diags, at(r, map, "rto_max", "rto_min"), "conflict",
                 "rto_max must not be shorter than rto_min");
    if (tcp->keepalive_ns && tcp->keepalive_ns < 1000000000)
        diag_add(r->diags, reader_at(r, yaml_find(map, "keepalive")), "out_of_range",
                 "keepalive is at least 1s, or 0s for never");
}

static void check_buffers(struct reader *r, const struct yaml_node *map,
                          const struct conf_http *http)
{
    uint64_t connection = (uint64_t)http->receive_bytes + http->send_bytes;
    if (http->buffer_bytes && http->buffer_bytes < SHARE * connection)
        diag_add(r->diags, at(r, map, "buffers", "receive_buffer"), "conflict",
                 "buffers must hold at least %u times receive_buffer and send_buffer together",
                 SHARE);
    if (http->bodies_bytes && http->bodies_bytes < (uint64_t)SHARE * http->body_bytes)
        diag_add(r->diags, at(r, map, "bodies", "max_body"), "conflict",
                 "bodies must hold at least %u times max_body", SHARE);
}

void check_http_listen(struct reader *r, const struct yaml_node *map, void *base)
{
    const struct conf_http *http = &((const struct conf *)base)->http;
    if (!map)
        return;
    if (http->ack < http->ack_min)
        diag_add(r->diags, at(r, map, "ack", "ack_min"), "conflict",
                 "ack must not promise less than ack_min");
    if (http->head_bytes && http->line_bytes > http->head_bytes)
        diag_add(r->diags, at(r, map, "max_line", "max_head"), "conflict",
                 "max_line must not be more than max_head, which it is a part of");
    check_buffers(r, map, http);
}

void check_http_event(struct reader *r, const struct yaml_node *root, const struct conf *conf)
{
    const struct yaml_node *http = yaml_find(yaml_find(root, "listen"), "http");
    const struct yaml_node *body = yaml_find(http, "max_body");
    if (conf->http.port && conf->http.body_bytes &&
        conf->http.body_bytes < conf->limits.event_bytes)
        diag_add(r->diags, reader_at(r, body ? body : http), "conflict",
                 "listen.http.max_body must not be less than limits.event_bytes, or events that "
                 "UDP takes could not be posted");
}
