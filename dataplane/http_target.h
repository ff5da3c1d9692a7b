/* http_target.h - what a request line asks for: methods, targets and hosts (RFC 9112 section 3).
 *
 * Paths are compared as they are written, without decoding: nobody needs to escape what is in
 * "/v1/events", and what is compared raw cannot be read in two ways.  A query is checked for its
 * characters and means nothing.
 *
 * Memory:  points into what it is given.  Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum http_method {
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_POST,
    HTTP_METHOD_OPTIONS,
    HTTP_METHOD_CONNECT,
    HTTP_METHOD_OTHER,  /* known to RFC 9110 or RFC 5789, not served here */
    HTTP_METHOD_UNKNOWN /* a token */
};

enum http_resource {
    HTTP_RESOURCE_NONE,
    HTTP_RESOURCE_EVENTS, /* /v1/events */
    HTTP_RESOURCE_HEALTH, /* /healthz */
    HTTP_RESOURCE_SERVER, /* OPTIONS *, and CONNECT's authority */
};

enum http_method http_method_of(const uint8_t *name, uint32_t len);

/* http_target_check reads a target of len bytes without spaces and control characters: origin-form,
 * absolute-form of http and https; asterisk-form for OPTIONS alone, authority-form for CONNECT
 * alone.  Returns whether it is one, else *at is the offset of the byte that decided, in [0, len].
 */
bool http_target_check(enum http_method method, const uint8_t *target, uint32_t len,
                       enum http_resource *resource, uint32_t *at);

/* http_host_check returns whether len bytes are uri-host [ ":" port ] (RFC 9110 section 4.2): a
 * registered name, an IPv4 address or a bracketed IPv6 address, and a port up to 65535 or empty.
 * Stricter than the grammar: not empty, no user information, and no sub-delims in a name, since a
 * comma may be taken for two hosts. */
bool http_host_check(const uint8_t *host, uint32_t len);
