/* http_requests.h - pieces that the HTTP tests make requests of.
 *
 * Memory:  string literals.  Threads: any.
 */
#pragma once

#define EVENT_OF(id4)                                                                              \
    "{\"id\":\"7f3c1e2a-9b4d-4c8e-a1f2-0d9e8c7b" id4                                               \
    "\",\"time\":1795209600123,\"user\":\"u-1\",\"type\":\"view\",\"item\":\"A\"}"
#define EVENT     EVENT_OF("6a5f")
#define EVENT_DUP EVENT_OF("dddd") /* the kit says that it was seen before */
#define EVENT_LEN "104"

#define HOST      "Host: t\r\n"
#define JSON      "Content-Type: application/json\r\n"
#define NDJSON    "Content-Type: application/x-ndjson\r\n"
#define CHUNKED   "Transfer-Encoding: chunked\r\n"
#define LENGTH(n) "Content-Length: " n "\r\n"
#define END       "\r\n"
#define POST      "POST /v1/events HTTP/1.1\r\n" HOST
#define POST_ONE                                                                                   \
    POST JSON LENGTH(EVENT_LEN)                                                                    \
    END EVENT
#define GET "GET /healthz HTTP/1.1\r\n" HOST END
