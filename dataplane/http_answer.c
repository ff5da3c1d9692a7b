/* http_answer.c - the text of answers: the body first, then the head in front of it, which tells
 * how long it is. */
#include <stddef.h>
#include <string.h>

#include "dataplane/base/counter.h"
#include "dataplane/base/outcome.h"
#include "dataplane/base/pointer.h"
#include "dataplane/http_impl.h"
#include "dataplane/http_text.h"

#define POINTER_BYTES 65536 /* of events that are parsed again for the pointers of one batch */

static enum http_status status_of(const struct http_request *r)
{
    if (r->problem)
        return http_problem_status(r->problem);
    if (r->method == HTTP_METHOD_OPTIONS)
        return HTTP_204;
    if (r->resource == HTTP_RESOURCE_EVENTS && r->batch == HTTP_NONE)
        return r->result == RESULT_DUPLICATE ? HTTP_200 : HTTP_202;
    return HTTP_200;
}

static void put_seq(struct http_text *t, const struct http_request *r)
{
    HTTP_PUT(t, "\"seq\":\"");
    http_text_number(t, r->partition);
    HTTP_PUT(t, ":");
    http_text_number(t, r->seq);
    HTTP_PUT(t, "\"");
}

static void put_single(struct http_text *t, const struct http_request *r)
{
    HTTP_PUT(t, "{\"id\":\"");
    http_text_uuid(t, r->id);
    if (r->result == RESULT_DUPLICATE)
        HTTP_PUT(t, "\",\"result\":\"duplicate\",");
    else
        HTTP_PUT(t, "\",\"result\":\"accepted\",");
    put_seq(t, r);
    if (r->claim != ANSWER_CLAIM_NONE) {
        HTTP_PUT(t, ",\"outcome\":\"");
        http_text_string(t, answer_claim_name(r->claim));
        HTTP_PUT(t, "\"");
    }
    HTTP_PUT(t, "}");
}

/* put_pointer says where in an event a byte stands, where that is a member. */
static void put_pointer(struct http_text *t, const uint8_t *event, uint32_t len, uint32_t offset)
{
    uint8_t pointer[POINTER_MAX];
    struct http_text before = *t;
    size_t size = pointer_find(event, len, offset, pointer);
    if (!size)
        return;
    HTTP_PUT(t, ",\"pointer\":");
    http_text_json(t, pointer, size);
    if (t->cut)
        *t = before;
}

static void put_error(struct http_text *t, const struct http_batch *batch,
                      const struct http_batch_error *error, const uint8_t *body, uint32_t len,
                      uint32_t *budget)
{
    bool rejected = error->result == RESULT_REJECTED;
    HTTP_PUT(t, "{\"index\":");
    http_text_number(t, error->index);
    HTTP_PUT(t, ",\"code\":\"");
    http_text_string(t, rejected ? reason_name(error->reason)
                                 : http_problem_name(HTTP_PROBLEM_state_full));
    HTTP_PUT(t, "\"");
    if (rejected) {
        HTTP_PUT(t, ",\"offset\":");
        http_text_number(t, error->offset);
        uint32_t size = http_batch_element(batch, body, len, error->at);
        if (size <= *budget) {
            *budget -= size;
            put_pointer(t, body + error->at, size, error->offset);
        }
    }
    HTTP_PUT(t, "}");
}

static void put_count(struct http_text *t, const char *name, uint64_t count)
{
    HTTP_PUT(t, "\"");
    http_text_string(t, name);
    HTTP_PUT(t, "\":");
    http_text_number(t, count);
    HTTP_PUT(t, ",");
}

/* put_indexes lists the events whose claims had an outcome, from the first of them on. */
static void put_indexes(struct http_text *t, const struct http_batch *batch, uint32_t first)
{
    uint8_t claim = batch->told[first].claim;
    HTTP_PUT(t, "\"");
    http_text_string(t, answer_claim_name(claim));
    HTTP_PUT(t, "\":[");
    for (uint32_t i = first; i < batch->claim_count; i++) {
        if (batch->told[i].claim != claim)
            continue;
        if (i > first)
            HTTP_PUT(t, ",");
        http_text_number(t, batch->told[i].index);
    }
    HTTP_PUT(t, "]");
}

/* put_claims tells claims by their outcome; those that are left out are told when they are sent
 * again. */
static void put_claims(struct http_text *t, const struct http_batch *batch)
{
    bool told[256] = {false};
    if (!batch->claims)
        return;
    HTTP_PUT(t, "\"claims\":{");
    for (uint32_t i = 0; i < batch->claim_count; i++) {
        if (told[batch->told[i].claim])
            continue;
        told[batch->told[i].claim] = true;
        if (i > 0)
            HTTP_PUT(t, ",");
        put_indexes(t, batch, i);
    }
    HTTP_PUT(t, "},\"claims_omitted\":");
    http_text_number(t, batch->claims - batch->claim_count);
    HTTP_PUT(t, ",");
}

/* put_batch lists as many errors as there is room for, and says how many it leaves out. */
static void put_batch(struct http *http, struct http_text *t, struct http_request *r)
{
    const struct http_batch *batch = http_batch_at(http, r->batch);
    const uint8_t *body = http_buffer_bytes(http, r);
    uint32_t budget = POINTER_BYTES, listed = 0;
    uint32_t faults = batch->results[RESULT_REJECTED] + batch->results[RESULT_REFUSED];
    HTTP_PUT(t, "{");
    put_count(t, "accepted", batch->results[RESULT_ACCEPTED]);
    put_count(t, "duplicate", batch->results[RESULT_DUPLICATE]);
    put_count(t, "rejected", batch->results[RESULT_REJECTED]);
    put_count(t, "refused", batch->results[RESULT_REFUSED]);
    put_claims(t, batch);
    HTTP_PUT(t, "\"errors\":[");
    t->end -= 64; /* for what stands behind the list */
    for (; listed < batch->error_count; listed++) {
        struct http_text before = *t;
        if (listed)
            HTTP_PUT(t, ",");
        put_error(t, batch, &batch->errors[listed], body, r->len, &budget);
        if (t->cut) {
            *t = before;
            break;
        }
    }
    t->end += 64;
    HTTP_PUT(t, "],\"errors_omitted\":");
    http_text_number(t, faults - listed);
    HTTP_PUT(t, "}");
}

/* is_reason returns whether a problem is told as an event's reason. */
static bool is_reason(const struct http_request *r)
{
    return r->problem == HTTP_PROBLEM_event || r->problem == HTTP_PROBLEM_event_schema ||
           r->problem == HTTP_PROBLEM_event_bytes || r->problem == HTTP_PROBLEM_array;
}

/* put_place says where the fault is: in the event, or in the head or the coded body. */
static void put_place(struct http *http, struct http_text *t, struct http_request *r)
{
    bool event = is_reason(r) && r->problem != HTTP_PROBLEM_array;
    if (!event && !(r->flags & HTTP_REQUEST_HAS_OFFSET))
        return;
    HTTP_PUT(t, ",\"offset\":");
    http_text_number(t, event ? r->reason_offset : r->offset);
    if (r->problem == HTTP_PROBLEM_event_schema)
        put_pointer(t, http_buffer_bytes(http, r), r->len, r->reason_offset);
}

static void put_problem(struct http *http, struct http_text *t, struct http_request *r)
{
    enum http_status status = http_problem_status(r->problem);
    bool reason = is_reason(r);
    HTTP_PUT(t, "{\"type\":\"about:blank\",\"title\":\"");
    http_text_string(t, http_status_phrase(status));
    HTTP_PUT(t, "\",\"status\":");
    http_text_number(t, http_status_number(status));
    HTTP_PUT(t, ",\"code\":\"");
    http_text_string(t, reason ? reason_name(r->reason) : http_problem_name(r->problem));
    HTTP_PUT(t, "\",\"detail\":");
    const char *detail = reason ? reason_help(r->reason) : http_problem_help(r->problem);
    http_text_json(t, (const uint8_t *)detail, strlen(detail));
    if (r->problem == HTTP_PROBLEM_not_ready) {
        HTTP_PUT(t, ",\"health\":\"");
        http_text_string(t, http_health_name(http->health));
        HTTP_PUT(t, "\"");
    }
    if (reason && r->seq) {
        HTTP_PUT(t, ",");
        put_seq(t, r);
    }
    t->end -= 1;
    put_place(http, t, r);
    t->end += 1;
    HTTP_PUT(t, "}");
}

static void put_body(struct http *http, struct http_text *t, struct http_request *r)
{
    if (r->problem)
        put_problem(http, t, r);
    else if (r->resource == HTTP_RESOURCE_HEALTH)
        HTTP_PUT(t, "{\"status\":\"ready\"}");
    else if (r->batch != HTTP_NONE)
        put_batch(http, t, r);
    else
        put_single(t, r);
}

static void put_allow(struct http_text *t, const struct http_request *r)
{
    if (r->resource == HTTP_RESOURCE_EVENTS)
        HTTP_PUT(t, "Allow: OPTIONS, POST\r\n");
    else if (r->resource == HTTP_RESOURCE_HEALTH)
        HTTP_PUT(t, "Allow: GET, HEAD, OPTIONS\r\n");
    else
        HTTP_PUT(t, "Allow: GET, HEAD, OPTIONS, POST\r\n");
}

/* put_cors says what a script in a browser may see and send (the Fetch standard). */
static void put_cors(const struct http *http, struct http_text *t, const struct http_request *r)
{
    const struct http_cors *cors = &http->settings.cors;
    if (r->origin == HTTP_ORIGIN_ANY) {
        HTTP_PUT(t, "Access-Control-Allow-Origin: *\r\n");
    } else {
        HTTP_PUT(t, "Access-Control-Allow-Origin: ");
        http_text_string(t, cors->origins[r->origin - 1]);
        HTTP_PUT(t, "\r\nVary: Origin\r\n");
    }
    if (r->method != HTTP_METHOD_OPTIONS || !(r->flags & HTTP_REQUEST_PREFLIGHT)) {
        HTTP_PUT(t, "Access-Control-Expose-Headers: Retry-After\r\n");
        return;
    }
    HTTP_PUT(t, "Access-Control-Allow-Methods: GET, HEAD, POST\r\n"
                "Access-Control-Allow-Headers: Content-Type, Trove-Ack\r\n"
                "Access-Control-Max-Age: ");
    http_text_number(t, cors->max_age_s);
    HTTP_PUT(t, "\r\n");
}

static void put_status(struct http_text *t, enum http_status status)
{
    if (status == HTTP_202) {
        HTTP_PUT(t, "HTTP/1.1 202 Accepted\r\n");
        return;
    }
    HTTP_PUT(t, "HTTP/1.1 ");
    http_text_number(t, http_status_number(status));
    HTTP_PUT(t, " ");
    http_text_string(t, http_status_phrase(status));
    HTTP_PUT(t, "\r\n");
}

static void put_head(const struct http *http, struct http_text *t, const struct http_request *r,
                     enum http_status status, uint32_t body_len)
{
    put_status(t, status);
    http_text_put(t, http->date, http->date_len);
    if (status != HTTP_204) {
        if (r->problem)
            HTTP_PUT(t, "Content-Type: application/problem+json\r\nContent-Length: ");
        else
            HTTP_PUT(t, "Content-Type: application/json\r\nContent-Length: ");
        http_text_number(t, body_len);
        HTTP_PUT(t, "\r\n");
    }
    if (r->flags & HTTP_REQUEST_CLOSE)
        HTTP_PUT(t, "Connection: close\r\n");
    else if (r->flags & HTTP_REQUEST_KEEP_ALIVE)
        HTTP_PUT(t, "Connection: keep-alive\r\n");
    if (status == HTTP_405 || status == HTTP_204)
        put_allow(t, r);
    if (status == HTTP_429 || status == HTTP_503) {
        HTTP_PUT(t, "Retry-After: ");
        http_text_number(t, http->settings.retry_after_s);
        HTTP_PUT(t, "\r\n");
    }
    if (r->resource == HTTP_RESOURCE_HEALTH)
        HTTP_PUT(t, "Cache-Control: no-store\r\n");
    if (r->origin)
        put_cors(http, t, r);
    HTTP_PUT(t, "\r\n");
}

const char *http_answer_write(struct http *http, struct http_request *r, uint32_t *len)
{
    char head[HTTP_HEAD_TEXT_MAX];
    enum http_status status = status_of(r);
    uint32_t room = r->batch == HTTP_NONE ? HTTP_SMALL_TEXT_MAX : HTTP_BATCH_TEXT_MAX;
    char *begin = http->scratch + HTTP_HEAD_TEXT_MAX;
    struct http_text body = {.at = begin, .end = begin + room};
    struct http_text front = {.at = head, .end = head + sizeof head};
    if (status != HTTP_204)
        put_body(http, &body, r);
    uint32_t body_len = (uint32_t)(body.at - begin);
    put_head(http, &front, r, status, body_len);
    assert(!body.cut && !front.cut);
    uint32_t head_len = (uint32_t)(front.at - head);
    counter_add(&http->counters.answers[status], 1);
    if (r->problem)
        counter_add(&http->counters.problems[r->problem], 1);
    *len = head_len + (r->method == HTTP_METHOD_HEAD ? 0 : body_len);
    return memcpy(begin - head_len, head, head_len);
}

const char *http_answer_plain(struct http *http, enum http_problem problem, bool has_offset,
                              uint32_t offset, uint32_t *len)
{
    struct http_request r;
    memset(&r, 0, offsetof(struct http_request, small));
    r.batch = HTTP_NONE;
    r.problem = (uint8_t)problem;
    r.flags = HTTP_REQUEST_CLOSE | (has_offset ? HTTP_REQUEST_HAS_OFFSET : 0);
    r.offset = offset;
    return http_answer_write(http, &r, len);
}
