/* http_target.c - see http_target.h. */
#include "dataplane/http_target.h"

#include <string.h>

#include "dataplane/base/text.h"
#include "dataplane/http_scan.h"

static const struct {
    const char *name;
    uint32_t len;
    enum http_method method;
} methods[] = {
    {"POST", 4, HTTP_METHOD_POST},       {"GET", 3, HTTP_METHOD_GET},
    {"HEAD", 4, HTTP_METHOD_HEAD},       {"OPTIONS", 7, HTTP_METHOD_OPTIONS},
    {"PUT", 3, HTTP_METHOD_OTHER},       {"DELETE", 6, HTTP_METHOD_OTHER},
    {"PATCH", 5, HTTP_METHOD_OTHER},     {"TRACE", 5, HTTP_METHOD_OTHER},
    {"CONNECT", 7, HTTP_METHOD_CONNECT},
};

enum http_method http_method_of(const uint8_t *name, uint32_t len)
{
    for (unsigned i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (methods[i].len == len && !memcmp(methods[i].name, name, len))
            return methods[i].method;
    return HTTP_METHOD_UNKNOWN;
}

static bool is_escape(const uint8_t *bytes, uint32_t at, uint32_t len)
{
    return bytes[at] == '%' && len - at >= 3 && text_hex_digit(bytes[at + 1]) >= 0 &&
           text_hex_digit(bytes[at + 2]) >= 0;
}

/* skip returns the offset of the first byte from at on that is not of the classes, nor an escape.
 */
static uint32_t skip(const uint8_t *bytes, uint32_t at, uint32_t len, unsigned classes)
{
    while (at < len) {
        if (http_is(bytes[at], classes))
            at++;
        else if (is_escape(bytes, at, len))
            at += 3;
        else
            break;
    }
    return at;
}

static bool check_port(const uint8_t *port, uint32_t len)
{
    uint32_t value = 0;
    for (uint32_t i = 0; i < len; i++) {
        if (!http_is(port[i], HTTP_DIGIT) || i == 5)
            return false;
        value = value * 10 + (port[i] - '0');
    }
    return value <= UINT16_MAX;
}

bool http_host_check(const uint8_t *host, uint32_t len)
{
    uint32_t end;
    if (len && host[0] == '[') {
        end = 1;
        while (end < len && http_is(host[end], HTTP_ADDR6))
            end++;
        if (end < 3 || end == len || host[end] != ']')
            return false;
        end++;
    } else {
        end = skip(host, 0, len, HTTP_HOST);
    }
    if (end == 0)
        return false;
    return end == len || (host[end] == ':' && check_port(host + end + 1, len - end - 1));
}

static enum http_resource resource_of(const uint8_t *path, uint32_t len)
{
    const uint8_t *query = memchr(path, '?', len);
    if (query)
        len = (uint32_t)(query - path);
    if (len == 10 && !memcmp(path, "/v1/events", 10))
        return HTTP_RESOURCE_EVENTS;
    if (len == 8 && !memcmp(path, "/healthz", 8))
        return HTTP_RESOURCE_HEALTH;
    return HTTP_RESOURCE_NONE;
}

/* scheme_bytes returns the length of "http://" or "https://" in front, in any case, or 0. */
static uint32_t scheme_bytes(const uint8_t *target, uint32_t len)
{
    if (len >= 7 && http_same(target, 7, "http://"))
        return 7;
    return len >= 8 && http_same(target, 8, "https://") ? 8 : 0;
}

static uint32_t authority_end(const uint8_t *target, uint32_t at, uint32_t len)
{
    while (at < len && target[at] != '/' && target[at] != '?')
        at++;
    return at;
}

bool http_target_check(enum http_method method, const uint8_t *target, uint32_t len,
                       enum http_resource *resource, uint32_t *at)
{
    *at = 0;
    *resource = HTTP_RESOURCE_SERVER;
    if (method == HTTP_METHOD_CONNECT)
        return http_host_check(target, len);
    if (len == 1 && target[0] == '*')
        return method == HTTP_METHOD_OPTIONS;
    uint32_t path = 0;
    if (len && target[0] != '/') {
        uint32_t host = scheme_bytes(target, len);
        path = authority_end(target, host, len);
        if (!host || !http_host_check(target + host, path - host))
            return false;
    }
    *at = skip(target, path, len, HTTP_URI);
    if (*at < len || !len)
        return false;
    if (path < len || method != HTTP_METHOD_OPTIONS) /* RFC 9112 3.2.4: no path means * there */
        *resource = resource_of(target + path, len - path);
    return true;
}
