/* http_head.h - the head of a request (RFC 9112 sections 2 to 6), read over contiguous bytes that
 * may end anywhere.
 *
 * The parser goes line by line and looks at no byte behind the first bad one: what it says of a
 * head does not depend on how the bytes were cut, and all cuts together cost time linear in the
 * bytes.  Where the framing of what follows would be in doubt, the head is refused; what can be
 * answered without closing (another resource, another media type) is left to who routes it.
 *
 * Refused although RFC 9112 would let it pass: more than one empty line in front, a bare LF, white
 * space other than one SP in the request line, a Content-Length with leading zeros or as a list of
 * equals, a Host with sub-delims.  A transfer coding that does not end in chunked is 400 as section
 * 6.3 demands, others in front of chunked 501.  HTTP/1.2 to 1.9 are read as HTTP/1.1.
 *
 * Memory:  holds offsets only; the caller keeps the bytes where they may move between calls.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/http_field.h"
#include "dataplane/http_target.h"

struct http_head_limits {
    uint32_t line_bytes;   /* of the request line without its CRLF */
    uint32_t head_bytes;   /* in all */
    uint32_t header_count; /* at most 65535 */
};

enum http_head_flag {
    HTTP_HEAD_MINOR_0 = 1 << 0, /* HTTP/1.0 */
    HTTP_HEAD_CLOSE = 1 << 1,
    HTTP_HEAD_KEEP_ALIVE = 1 << 2,
    HTTP_HEAD_CHUNKED = 1 << 3,
    HTTP_HEAD_LENGTH = 1 << 4,       /* Content-Length is there */
    HTTP_HEAD_CONTINUE = 1 << 5,     /* Expect: 100-continue, of HTTP/1.1 */
    HTTP_HEAD_EXPECTS = 1 << 6,      /* Expect: something else */
    HTTP_HEAD_ENCODED = 1 << 7,      /* Content-Encoding other than identity */
    HTTP_HEAD_PREFLIGHT = 1 << 8,    /* Access-Control-Request-Method */
    HTTP_HEAD_ACK_ACCEPTED = 1 << 9, /* Trove-Ack */
    HTTP_HEAD_ACK_DURABLE = 1 << 10,
};

struct http_head {
    uint64_t length;     /* Content-Length; UINT64_MAX for what is longer */
    uint32_t line;       /* where the line begins that is being read */
    uint32_t scanned;    /* no control character in [line, scanned) */
    uint32_t origin;     /* Origin's value, [origin, origin + origin_len) */
    uint32_t origin_len; /* 0: none */
    uint32_t length_at;  /* Content-Length's digits; with HTTP_HEAD_LENGTH */
    uint32_t offset;     /* of the problem */
    uint32_t seen;       /* bit of each enum http_field_name that has come */
    uint16_t header_count;
    uint16_t flags;   /* enum http_head_flag */
    uint8_t method;   /* enum http_method */
    uint8_t resource; /* enum http_resource */
    uint8_t media;    /* enum http_media */
    uint8_t problem;  /* enum http_problem */
    bool begun;       /* the request line is read */
};

enum http_progress { HTTP_MORE, HTTP_DONE, HTTP_BAD };

static inline void http_head_init(struct http_head *head)
{
    *head = (struct http_head){0};
}

/* http_head_parse goes on with the head in bytes[0, len); bytes before head->scanned are as they
 * were.  HTTP_DONE: *end is the offset behind the head.  HTTP_MORE: call again with more bytes.
 * HTTP_BAD: head->problem says why, head->offset where; it is over.  head->method is valid after
 * the request line. */
enum http_progress http_head_parse(struct http_head *head, const struct http_head_limits *limits,
                                   const uint8_t *bytes, uint32_t len, uint32_t *end);
