/* http_problem.h - every answer that HTTP gives: the status codes, and under each the problems for
 * which a request is refused.
 *
 * One list makes the enum, the counters' names, the bodies (RFC 9457, application/problem+json) and
 * the manual's table.  A problem's name is the `code` of its body and stays what it is; its help is
 * the `detail`.
 *
 * Memory:  static text.  Threads: any.
 */
#pragma once

#include <stdbool.h>

/* HTTP_STATUS(number, phrase) */
#define HTTP_STATUS_LIST(HTTP_STATUS)                                                              \
    HTTP_STATUS(200, "OK")                                                                         \
    HTTP_STATUS(202, "Accepted")                                                                   \
    HTTP_STATUS(204, "No Content")                                                                 \
    HTTP_STATUS(400, "Bad Request")                                                                \
    HTTP_STATUS(404, "Not Found")                                                                  \
    HTTP_STATUS(405, "Method Not Allowed")                                                         \
    HTTP_STATUS(408, "Request Timeout")                                                            \
    HTTP_STATUS(411, "Length Required")                                                            \
    HTTP_STATUS(413, "Content Too Large")                                                          \
    HTTP_STATUS(414, "URI Too Long")                                                               \
    HTTP_STATUS(415, "Unsupported Media Type")                                                     \
    HTTP_STATUS(417, "Expectation Failed")                                                         \
    HTTP_STATUS(422, "Unprocessable Content")                                                      \
    HTTP_STATUS(429, "Too Many Requests")                                                          \
    HTTP_STATUS(431, "Request Header Fields Too Large")                                            \
    HTTP_STATUS(501, "Not Implemented")                                                            \
    HTTP_STATUS(503, "Service Unavailable")                                                        \
    HTTP_STATUS(505, "HTTP Version Not Supported")

enum http_status {
#define HTTP_STATUS_ENUM(number, phrase) HTTP_##number,
    HTTP_STATUS_LIST(HTTP_STATUS_ENUM)
#undef HTTP_STATUS_ENUM
        HTTP_STATUS_COUNT
};

/* What follows a problem: the framing of the next request is in doubt, or not. */
#define HTTP_CLOSES true
#define HTTP_STAYS  false

/* HTTP_PROBLEM(name, status, closes, help): why a request was refused.  Those of an event (`event`)
 * carry the code and detail of its enum reason instead. */
#define HTTP_PROBLEM_LIST(HTTP_PROBLEM)                                                            \
    HTTP_PROBLEM(none, 200, HTTP_STAYS, "not refused")                                             \
    HTTP_PROBLEM(request_line, 400, HTTP_CLOSES,                                                   \
                 "the request line is not METHOD SP TARGET SP HTTP/x.y")                           \
    HTTP_PROBLEM(control, 400, HTTP_CLOSES,                                                        \
                 "a NUL, a bare CR or LF, or another control character in the head")               \
    HTTP_PROBLEM(target, 400, HTTP_CLOSES, "the request target is no target of its method")        \
    HTTP_PROBLEM(header_name, 400, HTTP_CLOSES,                                                    \
                 "a header line is no token and a colon right behind it")                          \
    HTTP_PROBLEM(header_fold, 400, HTTP_CLOSES,                                                    \
                 "a header line begins with white space (obs-fold)")                               \
    HTTP_PROBLEM(header_value, 400, HTTP_CLOSES, "the value of this header means nothing here")    \
    HTTP_PROBLEM(header_repeated, 400, HTTP_CLOSES, "a header that may come once comes again")     \
    HTTP_PROBLEM(host_missing, 400, HTTP_CLOSES, "HTTP/1.1 without a Host header")                 \
    HTTP_PROBLEM(host_invalid, 400, HTTP_CLOSES, "Host is no host with an optional port")          \
    HTTP_PROBLEM(length_invalid, 400, HTTP_CLOSES,                                                 \
                 "Content-Length is not digits alone, without leading zeros")                      \
    HTTP_PROBLEM(length_and_coding, 400, HTTP_CLOSES,                                              \
                 "Content-Length and Transfer-Encoding together")                                  \
    HTTP_PROBLEM(coding_final, 400, HTTP_CLOSES,                                                   \
                 "chunked is not the last transfer coding, or not there once")                     \
    HTTP_PROBLEM(coding_version, 400, HTTP_CLOSES, "Transfer-Encoding in HTTP/1.0")                \
    HTTP_PROBLEM(                                                                                  \
        chunk_size, 400, HTTP_CLOSES,                                                              \
        "a chunk's size is not 1 to 8 hexadecimal digits, or its line does not end there")         \
    HTTP_PROBLEM(chunk_extension, 400, HTTP_CLOSES, "a chunk extension is malformed or too long")  \
    HTTP_PROBLEM(chunk_end, 400, HTTP_CLOSES, "a chunk's data is not followed by CRLF")            \
    HTTP_PROBLEM(trailer, 400, HTTP_CLOSES, "a trailer is malformed, or belongs in the head")      \
    HTTP_PROBLEM(event, 400, HTTP_STAYS, "the event was rejected: see its reason")                 \
    HTTP_PROBLEM(array, 400, HTTP_STAYS,                                                           \
                 "the array of events is not JSON; nothing of it was taken")                       \
    HTTP_PROBLEM(not_found, 404, HTTP_STAYS, "there is /v1/events and /healthz")                   \
    HTTP_PROBLEM(method, 405, HTTP_STAYS, "the resource does not have this method: see Allow")     \
    HTTP_PROBLEM(head_timeout, 408, HTTP_CLOSES, "the head did not come in time")                  \
    HTTP_PROBLEM(body_timeout, 408, HTTP_CLOSES, "the body came too slowly")                       \
    HTTP_PROBLEM(length_required, 411, HTTP_CLOSES,                                                \
                 "a POST without Content-Length and without chunked")                              \
    HTTP_PROBLEM(body_bytes, 413, HTTP_CLOSES, "the body is longer than listen.http.max_body")     \
    HTTP_PROBLEM(batch_events, 413, HTTP_STAYS,                                                    \
                 "more events than listen.http.max_batch; nothing of it was taken")                \
    HTTP_PROBLEM(array_event_bytes, 413, HTTP_STAYS,                                               \
                 "an element of the array is longer than any event; nothing of it was taken")      \
    HTTP_PROBLEM(event_bytes, 413, HTTP_STAYS, "the event was rejected: see its reason")           \
    HTTP_PROBLEM(line_bytes, 414, HTTP_CLOSES,                                                     \
                 "the request line is longer than listen.http.max_line")                           \
    HTTP_PROBLEM(media_type, 415, HTTP_STAYS,                                                      \
                 "Content-Type is neither application/json nor application/x-ndjson, in UTF-8")    \
    HTTP_PROBLEM(content_coding, 415, HTTP_STAYS, "a Content-Encoding: send the body as it is")    \
    HTTP_PROBLEM(expectation, 417, HTTP_CLOSES,                                                    \
                 "Expect asks for something else than 100-continue")                               \
    HTTP_PROBLEM(event_schema, 422, HTTP_STAYS, "the event was rejected: see its reason")          \
    HTTP_PROBLEM(rate, 429, HTTP_STAYS,                                                            \
                 "more events than one connection may send; nothing of it was taken")              \
    HTTP_PROBLEM(head_bytes, 431, HTTP_CLOSES, "the head is longer than listen.http.max_head")     \
    HTTP_PROBLEM(header_count, 431, HTTP_CLOSES, "more headers than listen.http.max_headers")      \
    HTTP_PROBLEM(method_unknown, 501, HTTP_STAYS, "the method is none of RFC 9110 and RFC 5789")   \
    HTTP_PROBLEM(coding_unknown, 501, HTTP_CLOSES, "a transfer coding other than chunked")         \
    HTTP_PROBLEM(not_ready, 503, HTTP_STAYS, "this host takes no events now; nothing was taken")   \
    HTTP_PROBLEM(no_room, 503, HTTP_STAYS,                                                         \
                 "a shard or its journal does not keep up; nothing of it was taken")               \
    HTTP_PROBLEM(state_full, 503, HTTP_STAYS, "no room for the event's id, user or tile")          \
    HTTP_PROBLEM(no_buffer, 503, HTTP_CLOSES, "no buffer for the request now")                     \
    HTTP_PROBLEM(no_batch, 503, HTTP_STAYS, "too many batches at once; nothing of it was taken")   \
    HTTP_PROBLEM(gave_way, 503, HTTP_CLOSES,                                                       \
                 "the request was slow and its buffer is needed; nothing of it was taken")         \
    HTTP_PROBLEM(                                                                                  \
        answer_late, 503, HTTP_CLOSES,                                                             \
        "no answer in time: whether it was taken is not known; the same id may come again")        \
    HTTP_PROBLEM(                                                                                  \
        not_durable, 503, HTTP_CLOSES,                                                             \
        "the journal failed: whether it was kept is not known; the same id may come again")        \
    HTTP_PROBLEM(version, 505, HTTP_CLOSES, "the version is neither HTTP/1.0 nor HTTP/1.1")

enum http_problem {
#define HTTP_PROBLEM_ENUM(name, status, closes, help) HTTP_PROBLEM_##name,
    HTTP_PROBLEM_LIST(HTTP_PROBLEM_ENUM)
#undef HTTP_PROBLEM_ENUM
        HTTP_PROBLEM_COUNT
};

/* http_status_number and http_status_phrase take a status in [0, HTTP_STATUS_COUNT); 0 and
 * "unknown" for what is none. */
unsigned http_status_number(unsigned status);
const char *http_status_phrase(unsigned status);

/* http_problem_* take a problem in [0, HTTP_PROBLEM_COUNT); "unknown", HTTP_400 and true for what
 * is none. */
const char *http_problem_name(unsigned problem);
const char *http_problem_help(unsigned problem);
enum http_status http_problem_status(unsigned problem);
bool http_problem_closes(unsigned problem);
