/* http_head.c - see http_head.h. */
#include "dataplane/http_head.h"

#include <string.h>

#include "dataplane/http_scan.h"

#define VERSION_LEN 8 /* HTTP/1.1 */
#define BIT(name)   (UINT32_C(1) << (name))

/* Of which one is enough: a second one would have to be reconciled with the first. */
#define ONCE                                                                                       \
    (BIT(HTTP_FIELD_HOST) | BIT(HTTP_FIELD_CONTENT_LENGTH) | BIT(HTTP_FIELD_TRANSFER_ENCODING) |   \
     BIT(HTTP_FIELD_CONTENT_TYPE) | BIT(HTTP_FIELD_EXPECT) | BIT(HTTP_FIELD_ORIGIN) |              \
     BIT(HTTP_FIELD_REQUEST_METHOD) | BIT(HTTP_FIELD_TROVE_ACK))

static enum http_problem bad(struct http_head *head, enum http_problem problem, uint32_t offset)
{
    head->problem = (uint8_t)problem;
    head->offset = offset;
    return problem;
}

static enum http_problem check_version(struct http_head *head, const uint8_t *text, uint32_t at)
{
    if (memcmp(text, "HTTP/", 5) != 0 || !http_is(text[5], HTTP_DIGIT) || text[6] != '.' ||
        !http_is(text[7], HTTP_DIGIT))
        return bad(head, HTTP_PROBLEM_request_line, at);
    if (text[5] != '1')
        return bad(head, HTTP_PROBLEM_version, at);
    if (text[7] == '0')
        head->flags |= HTTP_HEAD_MINOR_0;
    return HTTP_PROBLEM_none;
}

/* request_line reads bytes[at, end) as METHOD SP TARGET SP VERSION. */
static enum http_problem request_line(struct http_head *head, const uint8_t *bytes, uint32_t at,
                                      uint32_t end)
{
    static const char common[] = "POST /v1/events HTTP/1.1";
    const uint8_t *line = bytes + at;
    uint32_t len = end - at, method = 0;
    if (len == sizeof common - 1 && !memcmp(line, common, sizeof common - 1)) {
        head->method = HTTP_METHOD_POST;
        head->resource = HTTP_RESOURCE_EVENTS;
        return HTTP_PROBLEM_none;
    }
    while (method < len && http_is(line[method], HTTP_TOKEN))
        method++;
    if (!method || method == len || line[method] != ' ')
        return bad(head, HTTP_PROBLEM_request_line, at + method);
    uint32_t target = method + 1, version = len - VERSION_LEN;
    if (len < target + 1 + VERSION_LEN || line[version - 1] != ' ')
        return bad(head, HTTP_PROBLEM_request_line, end);
    if (memchr(line + target, ' ', version - 1 - target))
        return bad(head, HTTP_PROBLEM_request_line, at + target);
    if (check_version(head, line + version, at + version))
        return head->problem;
    head->method = (uint8_t)http_method_of(line, method);
    enum http_resource resource;
    uint32_t where;
    if (!http_target_check(head->method, line + target, version - 1 - target, &resource, &where))
        return bad(head, HTTP_PROBLEM_target, at + target + where);
    head->resource = (uint8_t)resource;
    return HTTP_PROBLEM_none;
}

static void connection(struct http_head *head, const struct http_field *field)
{
    const uint8_t *list = field->value;
    uint32_t rest = field->len;
    struct http_element option;
    while (http_field_element(&list, &rest, &option)) {
        if (http_same(option.text, option.len, "close"))
            head->flags |= HTTP_HEAD_CLOSE;
        else if (http_same(option.text, option.len, "keep-alive"))
            head->flags |= HTTP_HEAD_KEEP_ALIVE;
    }
}

static enum http_problem trove_ack(struct http_head *head, const struct http_field *field)
{
    if (http_same(field->value, field->len, "accepted"))
        head->flags |= HTTP_HEAD_ACK_ACCEPTED;
    else if (http_same(field->value, field->len, "durable"))
        head->flags |= HTTP_HEAD_ACK_DURABLE;
    else
        return HTTP_PROBLEM_header_value;
    return HTTP_PROBLEM_none;
}

/* HTTP/1.0 has no expectations: what it expects is ignored (RFC 9110 section 10.1.1). */
static void expect(struct http_head *head, const struct http_field *field)
{
    if (head->flags & HTTP_HEAD_MINOR_0)
        return;
    bool cont = http_same(field->value, field->len, "100-continue");
    head->flags |= cont ? HTTP_HEAD_CONTINUE : HTTP_HEAD_EXPECTS;
}

static enum http_problem coding(struct http_head *head, const struct http_field *field)
{
    if (head->flags & HTTP_HEAD_MINOR_0)
        return HTTP_PROBLEM_coding_version;
    head->flags |= HTTP_HEAD_CHUNKED;
    return http_field_coding(field->value, field->len);
}

static enum http_problem length(struct http_head *head, const struct http_field *field, uint32_t at)
{
    head->length_at = at;
    head->flags |= HTTP_HEAD_LENGTH;
    return http_field_length(field->value, field->len, &head->length) ? HTTP_PROBLEM_none
                                                                      : HTTP_PROBLEM_length_invalid;
}

/* read_field takes over what a header says.  `at` is the offset of its value. */
static enum http_problem read_field(struct http_head *head, const struct http_field *field,
                                    uint32_t at)
{
    switch (field->name) {
    case HTTP_FIELD_HOST:
        return http_host_check(field->value, field->len) ? HTTP_PROBLEM_none
                                                         : HTTP_PROBLEM_host_invalid;
    case HTTP_FIELD_CONNECTION:
        connection(head, field);
        return HTTP_PROBLEM_none;
    case HTTP_FIELD_CONTENT_LENGTH:
        return length(head, field, at);
    case HTTP_FIELD_TRANSFER_ENCODING:
        return coding(head, field);
    case HTTP_FIELD_CONTENT_TYPE:
        head->media = (uint8_t)http_field_media(field->value, field->len);
        return HTTP_PROBLEM_none;
    case HTTP_FIELD_CONTENT_ENCODING:
        if (!http_same(field->value, field->len, "identity"))
            head->flags |= HTTP_HEAD_ENCODED;
        return HTTP_PROBLEM_none;
    case HTTP_FIELD_EXPECT:
        expect(head, field);
        return HTTP_PROBLEM_none;
    case HTTP_FIELD_ORIGIN:
        head->origin = at;
        head->origin_len = field->len;
        return HTTP_PROBLEM_none;
    case HTTP_FIELD_REQUEST_METHOD:
        head->flags |= HTTP_HEAD_PREFLIGHT;
        return HTTP_PROBLEM_none;
    default: /* HTTP_FIELD_TROVE_ACK: there is no other that is read */
        return trove_ack(head, field);
    }
}

static enum http_problem header_line(struct http_head *head, const struct http_head_limits *limits,
                                     const uint8_t *bytes, uint32_t at, uint32_t end)
{
    const uint32_t framing = BIT(HTTP_FIELD_CONTENT_LENGTH) | BIT(HTTP_FIELD_TRANSFER_ENCODING);
    if (head->header_count >= limits->header_count)
        return bad(head, HTTP_PROBLEM_header_count, at);
    head->header_count++;
    struct http_field field;
    uint32_t where;
    enum http_problem problem = http_field_parse(bytes + at, end - at, &field, &where);
    if (problem)
        return bad(head, problem, at + where);
    if (field.name == HTTP_FIELD_OTHER)
        return HTTP_PROBLEM_none;
    uint32_t bit = BIT(field.name);
    if (head->seen & bit & ONCE)
        return bad(head, HTTP_PROBLEM_header_repeated, at);
    head->seen |= bit;
    if ((head->seen & framing) == framing)
        return bad(head, HTTP_PROBLEM_length_and_coding, at);
    uint32_t value = (uint32_t)(field.value - bytes);
    problem = read_field(head, &field, value);
    return problem ? bad(head, problem, value) : HTTP_PROBLEM_none;
}

/* end_of_head judges what only all headers together can say. */
static enum http_progress end_of_head(struct http_head *head, uint32_t at)
{
    bool host = head->seen & BIT(HTTP_FIELD_HOST);
    if (host || head->flags & HTTP_HEAD_MINOR_0)
        return HTTP_DONE;
    bad(head, HTTP_PROBLEM_host_missing, at);
    return HTTP_BAD;
}

enum line { LINE_MORE, LINE_WHOLE, LINE_BAD };

/* find_line moves head->scanned to the CR that ends the line. */
static enum line find_line(struct http_head *head, const struct http_head_limits *limits,
                           const uint8_t *bytes, uint32_t len)
{
    uint32_t end = len < limits->head_bytes ? len : limits->head_bytes;
    uint32_t at = http_scan(bytes, head->scanned, end);
    while (at < end && bytes[at] == '\t' && head->begun)
        at = http_scan(bytes, at + 1, end);
    head->scanned = at;
    if (!head->begun && at - head->line > limits->line_bytes) {
        bad(head, HTTP_PROBLEM_line_bytes, head->line + limits->line_bytes);
        return LINE_BAD;
    }
    if (end - at >= 2 && bytes[at] == '\r' && bytes[at + 1] == '\n')
        return LINE_WHOLE;
    if (at < end && (bytes[at] != '\r' || end - at >= 2)) {
        bad(head, HTTP_PROBLEM_control, at);
        return LINE_BAD;
    }
    if (end < limits->head_bytes)
        return LINE_MORE;
    bad(head, HTTP_PROBLEM_head_bytes, end);
    return LINE_BAD;
}

enum http_progress http_head_parse(struct http_head *head, const struct http_head_limits *limits,
                                   const uint8_t *bytes, uint32_t len, uint32_t *end)
{
    for (;;) {
        enum line found = find_line(head, limits, bytes, len);
        if (found != LINE_WHOLE)
            return found == LINE_MORE ? HTTP_MORE : HTTP_BAD;
        uint32_t at = head->line, stop = head->scanned;
        head->line = head->scanned = stop + 2;
        if (head->begun) {
            *end = head->line;
            if (stop == at)
                return end_of_head(head, at);
            if (header_line(head, limits, bytes, at, stop))
                return HTTP_BAD;
        } else if (stop > 0) { /* one empty line in front is ignored (RFC 9112 section 2.2) */
            if (request_line(head, bytes, at, stop))
                return HTTP_BAD;
            head->begun = true;
        }
    }
}
