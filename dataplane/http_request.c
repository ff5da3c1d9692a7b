/* http_request.c - a request from its head to what is done with it. */
#include <stddef.h>
#include <string.h>

#include "dataplane/base/counter.h"
#include "dataplane/base/json.h"
#include "dataplane/http_impl.h"

static struct http_conn *conn_of(struct http *http, const struct http_request *r)
{
    return &http->conns[r->conn];
}

static uint32_t take_slot(struct http *http, const struct http_conn *conn)
{
    uint32_t slot = http_pool_take(&http->slots);
    for (unsigned class = HTTP_SMALL; slot == HTTP_NONE && class < HTTP_CLASSES; class ++) {
        if (http->incoming[class].first == HTTP_NONE)
            continue;
        http_conn_give_way(http, http->incoming[class].first);
        slot = http_pool_take(&http->slots);
    }
    if (slot == HTTP_NONE && http_blocked_give_way(http, conn))
        slot = http_pool_take(&http->slots);
    return slot;
}

uint32_t http_request_take(struct http *http, struct http_conn *conn)
{
    uint32_t slot = take_slot(http, conn);
    if (slot == HTTP_NONE)
        return HTTP_NONE;
    struct http_request *r = http_request_at(http, slot);
    memset(r, 0, offsetof(struct http_request, head));
    r->next = r->batch = HTTP_NONE;
    r->conn = (uint32_t)(conn - http->conns);
    r->state = HTTP_REQUEST_HEAD;
    r->since_ns = http->now_ns;
    if (conn->first == HTTP_NONE) {
        conn->first = slot;
        conn->since_ns = http->now_ns;
    } else {
        http_request_at(http, conn->last)->next = slot;
    }
    conn->last = conn->receiving = slot;
    conn->count++;
    return slot;
}

void http_request_give(struct http *http, uint32_t slot)
{
    struct http_request *r = http_request_at(http, slot);
    assert(r->state != HTTP_REQUEST_FREE && !r->open);
    http_buffer_release(http, slot);
    if (r->batch != HTTP_NONE)
        http_batch_give(http, slot);
    r->state = HTTP_REQUEST_FREE;
    http_pool_give(&http->slots, slot);
}

void http_request_ready(struct http *http, uint32_t slot)
{
    struct http_request *r = http_request_at(http, slot);
    if (r->conn == HTTP_NONE) {
        http_request_give(http, slot);
        return;
    }
    r->state = HTTP_REQUEST_READY;
    http_send_ready(http, r->conn);
}

/* over: nothing more of the request comes in. */
static void over(struct http *http, uint32_t slot)
{
    struct http_conn *conn = conn_of(http, http_request_at(http, slot));
    http_buffer_delist(http, slot);
    if (conn->receiving == slot)
        conn->receiving = HTTP_NONE;
}

void http_request_refuse(struct http *http, uint32_t slot, enum http_problem problem)
{
    struct http_request *r = http_request_at(http, slot);
    r->problem = (uint8_t)problem;
    if (http_problem_closes(problem))
        r->flags |= HTTP_REQUEST_CLOSE;
    if (r->conn != HTTP_NONE) {
        over(http, slot);
        if (r->flags & HTTP_REQUEST_CLOSE)
            conn_of(http, r)->flags |= HTTP_CONN_CLOSING;
    }
    http_request_ready(http, slot);
}

void http_request_orphan(struct http *http, uint32_t slot)
{
    struct http_request *r = http_request_at(http, slot);
    over(http, slot);
    r->conn = HTTP_NONE;
    if (r->state == HTTP_REQUEST_BATCH) {
        http_batch_stop(http, slot);
        r->state = HTTP_REQUEST_OPEN;
    }
    if (!r->open && r->state != HTTP_REQUEST_WAIT)
        http_request_give(http, slot);
}

bool http_request_pay(struct http *http, const struct http_request *r, uint32_t events)
{
    const uint64_t second = UINT64_C(1000000000);
    if (!http->settings.conn_events_per_s)
        return true;
    struct http_conn *conn = conn_of(http, r);
    if (conn->rate_ns > http->now_ns + second)
        return false;
    if (conn->rate_ns < http->now_ns)
        conn->rate_ns = http->now_ns;
    conn->rate_ns += events * second / http->settings.conn_events_per_s;
    return true;
}

void http_request_opened(struct http *http, struct http_request *r, uint32_t events)
{
    r->open += events;
    counter_add(&http->counters.events, events);
    counter_add(&http->counters.open_events, events);
}

bool http_request_submit(struct http *http, uint32_t slot)
{
    struct http_request *r = http_request_at(http, slot);
    const uint8_t *bytes = http_buffer_bytes(http, r);
    if (!http->intake.submit(http->intake.rx, http_token(slot, 0, 0), bytes, r->len, r->wire_ns,
                             r->id))
        return false;
    http_request_opened(http, r, 1);
    return true;
}

static void submit_single(struct http *http, uint32_t slot)
{
    struct http_request *r = http_request_at(http, slot);
    if (!http_request_pay(http, r, 1))
        http_request_refuse(http, slot, HTTP_PROBLEM_rate);
    else if (http_request_submit(http, slot))
        r->state = HTTP_REQUEST_OPEN;
    else
        http_request_refuse(http, slot, HTTP_PROBLEM_no_room);
}

/* is_array looks for a bracket, no further than an event may be long. */
static bool is_array(struct http *http, struct http_request *r)
{
    uint32_t len = r->len < EVENT_BYTES_MAX ? r->len : EVENT_BYTES_MAX;
    struct json json;
    json_init(&json, http_buffer_bytes(http, r), len, 1);
    size_t at = 0;
    return json_next(&json, &at) == '[';
}

static void post(struct http *http, uint32_t slot)
{
    struct http_request *r = http_request_at(http, slot);
    if (http->health != HTTP_HEALTH_ready)
        http_request_refuse(http, slot, HTTP_PROBLEM_not_ready);
    else if (r->media == HTTP_MEDIA_NDJSON)
        http_batch_begin(http, slot, false);
    else if (is_array(http, r))
        http_batch_begin(http, slot, true);
    else
        submit_single(http, slot);
}

/* complete: the body is there, or there is none. */
static void complete(struct http *http, uint32_t slot)
{
    struct http_request *r = http_request_at(http, slot);
    over(http, slot);
    r->flags &= (uint16_t)~HTTP_REQUEST_CONTINUE;
    if (r->flags & HTTP_REQUEST_CLOSE)
        conn_of(http, r)->flags |= HTTP_CONN_CLOSING;
    if (r->problem) {
        http_request_refuse(http, slot, r->problem);
    } else if (r->method == HTTP_METHOD_POST) {
        post(http, slot);
    } else if (r->resource == HTTP_RESOURCE_HEALTH && r->method != HTTP_METHOD_OPTIONS &&
               http->health != HTTP_HEALTH_ready) {
        http_request_refuse(http, slot, HTTP_PROBLEM_not_ready);
    } else {
        http_request_ready(http, slot);
    }
}

static bool serves(unsigned resource, unsigned method)
{
    switch ((enum http_resource)resource) {
    case HTTP_RESOURCE_EVENTS:
        return method == HTTP_METHOD_POST || method == HTTP_METHOD_OPTIONS;
    case HTTP_RESOURCE_HEALTH:
        return method == HTTP_METHOD_GET || method == HTTP_METHOD_HEAD ||
               method == HTTP_METHOD_OPTIONS;
    default:
        return method == HTTP_METHOD_OPTIONS;
    }
}

static bool has_media(const struct http_head *head)
{
    /* What `curl -d` says when it is told nothing; a browser's form could say it without asking
     * first, and a browser says where it comes from. */
    if (head->media == HTTP_MEDIA_FORM)
        return !head->origin_len;
    return head->media != HTTP_MEDIA_NONE;
}

/* route says what is wrong with a request whose head is right. */
static enum http_problem route(const struct http *http, const struct http_head *head)
{
    bool post = head->method == HTTP_METHOD_POST;
    if (head->method == HTTP_METHOD_UNKNOWN)
        return HTTP_PROBLEM_method_unknown;
    if (head->resource == HTTP_RESOURCE_NONE)
        return HTTP_PROBLEM_not_found;
    if (!serves(head->resource, head->method))
        return HTTP_PROBLEM_method;
    if (head->flags & HTTP_HEAD_EXPECTS)
        return HTTP_PROBLEM_expectation;
    if (post && !(head->flags & (HTTP_HEAD_LENGTH | HTTP_HEAD_CHUNKED)))
        return HTTP_PROBLEM_length_required;
    if (head->length > http->settings.body_bytes)
        return HTTP_PROBLEM_body_bytes;
    if (post && head->flags & HTTP_HEAD_ENCODED)
        return HTTP_PROBLEM_content_coding;
    if (post && !has_media(head))
        return HTTP_PROBLEM_media_type;
    return post && http->health != HTTP_HEALTH_ready ? HTTP_PROBLEM_not_ready : HTTP_PROBLEM_none;
}

static uint8_t allowed_origin(const struct http_cors *cors, const uint8_t *origin, uint32_t len)
{
    if (!len)
        return 0;
    for (uint32_t i = 0; i < cors->origin_count; i++)
        if (strlen(cors->origins[i]) == len && !memcmp(cors->origins[i], origin, len))
            return (uint8_t)(i + 1);
    return cors->any ? HTTP_ORIGIN_ANY : 0;
}

static uint16_t flags_of(const struct http *http, const struct http_head *head)
{
    unsigned flags = 0, ack = http->settings.ack;
    if (head->flags & HTTP_HEAD_CLOSE || head->method == HTTP_METHOD_CONNECT)
        flags |= HTTP_REQUEST_CLOSE;
    else if (head->flags & HTTP_HEAD_MINOR_0)
        flags |= head->flags & HTTP_HEAD_KEEP_ALIVE ? HTTP_REQUEST_KEEP_ALIVE : HTTP_REQUEST_CLOSE;
    if (head->flags & HTTP_HEAD_CHUNKED)
        flags |= HTTP_REQUEST_CHUNKED;
    if (head->flags & HTTP_HEAD_PREFLIGHT)
        flags |= HTTP_REQUEST_PREFLIGHT;
    if (head->flags & HTTP_HEAD_CONTINUE)
        flags |= HTTP_REQUEST_CONTINUE;
    if (head->flags & (HTTP_HEAD_ACK_ACCEPTED | HTTP_HEAD_ACK_DURABLE))
        ack = head->flags & HTTP_HEAD_ACK_DURABLE ? HTTP_ACK_DURABLE : HTTP_ACK_ACCEPTED;
    if (ack < http->settings.ack_weakest)
        ack = http->settings.ack_weakest;
    if (ack == HTTP_ACK_DURABLE)
        flags |= HTTP_REQUEST_DURABLE;
    return (uint16_t)flags;
}

/* expect_body goes on where a body follows the head: a refused one is read and dropped, so that the
 * connection can stay; but one that is to be asked for may never come, and whether it has begun to
 * come says nothing: the connection ends. */
static void expect_body(struct http *http, uint32_t slot, const struct http_head *head,
                        bool follows)
{
    struct http_request *r = http_request_at(http, slot);
    bool expects = r->flags & HTTP_REQUEST_CONTINUE, waits = expects && !follows;
    if (follows)
        r->flags &= (uint16_t)~HTTP_REQUEST_CONTINUE;
    if (r->problem && (expects || http_problem_closes(r->problem))) {
        r->flags |= HTTP_REQUEST_CLOSE;
        http_request_refuse(http, slot, r->problem);
        return;
    }
    if (r->problem)
        r->flags |= HTTP_REQUEST_DISCARD;
    if (r->flags & HTTP_REQUEST_CHUNKED)
        http_chunk_init(&r->chunk, http->settings.body_bytes, &http->head_limits);
    r->left = head->length;
    r->state = HTTP_REQUEST_BODY;
    r->since_ns = http->now_ns;
    if (waits)
        http_send_continue(http, r->conn);
}

void http_request_begin(struct http *http, uint32_t slot, const struct http_head *from,
                        const uint8_t *bytes, bool follows)
{
    struct http_request *r = http_request_at(http, slot);
    struct http_head head = *from; /* it may lie in the slot */
    counter_add(&http->counters.requests, 1);
    r->method = head.method;
    r->resource = head.resource;
    r->media = head.media;
    r->origin = allowed_origin(&http->settings.cors, bytes + head.origin, head.origin_len);
    r->flags |= flags_of(http, &head);
    r->problem = (uint8_t)route(http, &head);
    if (r->class != HTTP_SMALL)
        http_buffer_release(http, slot);
    r->len = 0;
    if (head.length || head.flags & HTTP_HEAD_CHUNKED)
        expect_body(http, slot, &head, follows);
    else
        complete(http, slot);
}

/* keep puts bytes of the body away; false: the request is refused. */
static bool keep(struct http *http, uint32_t slot, const uint8_t *bytes, uint32_t len)
{
    struct http_request *r = http_request_at(http, slot);
    counter_add(&http->counters.body_bytes, len);
    if (r->flags & HTTP_REQUEST_DISCARD || http_buffer_append(http, slot, bytes, len))
        return true;
    http_request_refuse(http, slot, HTTP_PROBLEM_no_buffer);
    return false;
}

static uint32_t sized_body(struct http *http, uint32_t slot, const uint8_t *bytes, uint32_t len)
{
    struct http_request *r = http_request_at(http, slot);
    uint32_t count = r->left < len ? (uint32_t)r->left : len;
    r->left -= count;
    r->received += count;
    if (keep(http, slot, bytes, count) && !r->left)
        complete(http, slot);
    return count;
}

static uint32_t chunked_body(struct http *http, uint32_t slot, const uint8_t *bytes, uint32_t len)
{
    struct http_request *r = http_request_at(http, slot);
    uint32_t at = 0, count;
    enum http_progress progress;
    do {
        progress = http_chunk_next(&r->chunk, bytes, len, &at, &count);
        if (count && !keep(http, slot, bytes + at - count, count))
            return at;
    } while (progress == HTTP_MORE && at < len);
    r->received += at;
    if (progress == HTTP_BAD) {
        r->flags |= HTTP_REQUEST_HAS_OFFSET;
        r->offset = r->chunk.offset;
        http_request_refuse(http, slot, r->chunk.problem);
    } else if (progress == HTTP_DONE) {
        complete(http, slot);
    }
    return at;
}

uint32_t http_request_body(struct http *http, uint32_t slot, const uint8_t *bytes, uint32_t len)
{
    struct http_request *r = http_request_at(http, slot);
    r->flags &= (uint16_t)~HTTP_REQUEST_CONTINUE;
    if (r->flags & HTTP_REQUEST_CHUNKED)
        return chunked_body(http, slot, bytes, len);
    return sized_body(http, slot, bytes, len);
}

static enum http_problem problem_of(const struct answer *answer)
{
    if (answer->result == RESULT_REFUSED)
        return HTTP_PROBLEM_state_full;
    if (answer->result != RESULT_REJECTED)
        return HTTP_PROBLEM_none;
    switch (answer->reason) {
    case REASON_too_large:
        return HTTP_PROBLEM_event_bytes;
    case REASON_empty:
    case REASON_syntax:
    case REASON_utf8:
    case REASON_surrogate:
    case REASON_depth:
    case REASON_trailing:
        return HTTP_PROBLEM_event;
    default:
        return HTTP_PROBLEM_event_schema;
    }
}

void http_request_answered(struct http *http, uint32_t slot, uint32_t shard,
                           const struct answer *answer)
{
    struct http_request *r = http_request_at(http, slot);
    if (!r->problem) { /* else it is the dead letter of what is no array */
        r->result = answer->result;
        r->reason = answer->reason;
        r->reason_offset = answer->reason_offset;
        r->problem = (uint8_t)problem_of(answer);
    }
    r->claim = answer->claim;
    r->partition = answer->partition;
    r->seq = answer->seq;
    if (r->conn == HTTP_NONE || !(r->flags & HTTP_REQUEST_DURABLE) || !answer->ordinal)
        http_request_ready(http, slot);
    else
        http_wait_push(http, slot, shard, answer->ordinal);
}
