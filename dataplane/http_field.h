/* http_field.h - one header line (RFC 9110 section 5, RFC 9112 section 5), and the values of those
 * that mean something here.
 *
 * Memory:  points into what it is given.  Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/http_problem.h"

/* The headers that are read; all others are checked for their form and ignored. */
enum http_field_name {
    HTTP_FIELD_OTHER,
    HTTP_FIELD_HOST,
    HTTP_FIELD_CONNECTION,
    HTTP_FIELD_CONTENT_LENGTH,
    HTTP_FIELD_TRANSFER_ENCODING,
    HTTP_FIELD_CONTENT_TYPE,
    HTTP_FIELD_CONTENT_ENCODING,
    HTTP_FIELD_EXPECT,
    HTTP_FIELD_ORIGIN,
    HTTP_FIELD_REQUEST_METHOD, /* Access-Control-Request-Method */
    HTTP_FIELD_TROVE_ACK,
};

struct http_field {
    enum http_field_name name;
    const uint8_t *value; /* without the white space around it */
    uint32_t len;
};

/* http_field_parse reads a line of len bytes, at least 1, without its CRLF and without control
 * characters other than HTAB.  Returns the problem, of the byte at *at, or none. */
enum http_problem http_field_parse(const uint8_t *line, uint32_t len, struct http_field *field,
                                   uint32_t *at);

/* http_field_name_of finds a header's name, in any case. */
enum http_field_name http_field_name_of(const uint8_t *name, uint32_t len);

/* http_field_in_trailer returns whether a header means nothing that a trailer could change (RFC
 * 9110 section 6.5.1): framing, routing and what is read belongs in the head. */
bool http_field_in_trailer(const uint8_t *name, uint32_t len);

/* http_field_element takes the next element of a comma-separated list from *rest bytes at *list,
 * without white space around it.  Returns false when there is none left.  Empty elements come as
 * such. */
struct http_element {
    const uint8_t *text;
    uint32_t len;
};

bool http_field_element(const uint8_t **list, uint32_t *rest, struct http_element *element);

/* http_field_length reads a Content-Length.  Returns false unless it is digits alone without a
 * leading zero (but "0"); what does not fit is UINT64_MAX. */
bool http_field_length(const uint8_t *value, uint32_t len, uint64_t *length);

enum http_media { HTTP_MEDIA_NONE, HTTP_MEDIA_JSON, HTTP_MEDIA_NDJSON, HTTP_MEDIA_FORM };

/* http_field_media reads a Content-Type (RFC 9110 section 8.3): application/json and
 * application/x-ndjson with no charset or UTF-8, other parameters ignored;
 * application/cloudevents+json and application/cloudevents-batch+json, which are JSON
 * (CloudEvents 1.0, JSON event format); application/x-www-form-urlencoded; else, and when it is
 * malformed, HTTP_MEDIA_NONE. */
enum http_media http_field_media(const uint8_t *value, uint32_t len);

/* http_field_coding reads a Transfer-Encoding: none when it is chunked alone, coding_final when
 * chunked is not the last one or not there exactly once (RFC 9112 section 6.3), coding_unknown when
 * others come before it. */
enum http_problem http_field_coding(const uint8_t *value, uint32_t len);
