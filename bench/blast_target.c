/* blast_target.c - addresses to send to. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "bench/blast_target.h"
#include "bench/blast_value.h"

static int parse_authority(struct blast_target *target, const char *text)
{
    char addr[INET6_ADDRSTRLEN];
    uint64_t port;
    bool bracket = *text == '[';
    const char *end = bracket ? strchr(text, ']') : strchr(text, ':');
    text += bracket;
    if (!end || end[bracket] != ':' || (size_t)(end - text) >= sizeof addr)
        return -EINVAL;
    memcpy(addr, text, (size_t)(end - text));
    addr[end - text] = '\0';
    target->family = bracket ? 6 : 4;
    if (inet_pton(bracket ? AF_INET6 : AF_INET, addr, target->addr) != 1)
        return -EINVAL;
    if (blast_value_count(end + bracket + 1, &port) < 0 || port < 1 || port > UINT16_MAX)
        return -EINVAL;
    target->port = (uint16_t)port;
    return 0;
}

/* A path of visible ASCII characters without a fragment, as it goes into the request line. */
static int parse_url(struct blast_target *target, const char *text)
{
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : 0;
    if (!len || len >= sizeof target->host)
        return -EINVAL;
    for (const char *at = slash; *at; at++) {
        if (*at <= ' ' || *at > '~' || *at == '#')
            return -EINVAL;
    }
    memcpy(target->host, text, len);
    target->host[len] = '\0';
    target->path = slash;
    return parse_authority(target, target->host);
}

int blast_target_parse(struct blast_target *target, const char *text)
{
    *target = (struct blast_target){0};
    if (strcmp(text, "null:") == 0)
        return 0;
    if (strncmp(text, "udp://", 6) == 0) {
        target->kind = BLAST_TARGET_UDP;
        return parse_authority(target, text + 6);
    }
    if (strncmp(text, "dpdk://", 7) == 0) {
        target->kind = BLAST_TARGET_DPDK;
        return parse_authority(target, text + 7);
    }
    if (strncmp(text, "http://", 7) == 0) {
        target->kind = BLAST_TARGET_HTTP;
        return parse_url(target, text + 7);
    }
    return -EINVAL;
}
