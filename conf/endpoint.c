/* endpoint.c - where a server listens, as one word. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

static int read_port(const char *text, uint16_t *port)
{
    size_t len = strlen(text);
    if (len < 1 || len > 5 || strspn(text, "0123456789") != len)
        return -EINVAL;
    unsigned long value = strtoul(text, NULL, 10);
    *port = (uint16_t)value;
    return value >= 1 && value <= 65535 ? 0 : -EINVAL;
}

/* A name as RFC 1123 section 2.1 has it: labels of letters, digits and hyphens, the last one not
 * all digits, or it would be an address gone wrong. */
static bool is_host(const char *name)
{
    static const char label_chars[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    for (;;) {
        size_t len = strspn(name, label_chars);
        bool digits = strspn(name, "0123456789") == len;
        if (!len || len > 63 || name[0] == '-' || name[len - 1] == '-')
            return false;
        if (!name[len])
            return !digits;
        if (name[len] != '.')
            return false;
        name += len + 1;
    }
}

static int parse(const char *text, bool names, struct conf_endpoint *endpoint)
{
    uint8_t address[16];
    *endpoint = (struct conf_endpoint){0};
    if (strncmp(text, "unix:", 5) == 0) {
        size_t len = strlen(text + 5);
        if (text[5] != '/' || len >= sizeof endpoint->host)
            return -EINVAL;
        memcpy(endpoint->host, text + 5, len);
        return 0;
    }
    bool six = *text == '[';
    const char *end = six ? strstr(text, "]:") : strchr(text, ':');
    const char *host = text + six;
    if (!end || (size_t)(end - host) >= sizeof endpoint->host)
        return -EINVAL;
    memcpy(endpoint->host, host, (size_t)(end - host));
    if (inet_pton(six ? AF_INET6 : AF_INET, endpoint->host, address) != 1 &&
        (six || !names || !is_host(endpoint->host)))
        return -EINVAL;
    return read_port(end + 1 + six, &endpoint->port);
}

/* Addresses, not names: a resolver may take as long as it likes. */
int conf_endpoint_parse(const char *text, struct conf_endpoint *endpoint)
{
    return parse(text, false, endpoint);
}

int conf_server_parse(const char *text, struct conf_endpoint *endpoint)
{
    return parse(text, true, endpoint);
}
