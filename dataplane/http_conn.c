/* http_conn.c - connections: whose bytes these are, deadlines, and their ends.
 *
 * A connection has one timer, set for the earliest of its deadlines as they were when it was set: a
 * deadline that has moved on since is seen when the timer fires. */
#include "dataplane/base/counter.h"
#include "dataplane/http_impl.h"

#define DRAIN_CONNS 64                   /* looked at in a turn */
#define DRAIN_NS    UINT64_C(1000000000) /* for a new connection's request to come */
#define OVER        (HTTP_CONN_CLOSING | HTTP_CONN_FINISHED)

static struct http_conn *find(struct http *http, const struct tcp_conn *tcp)
{
    uint32_t number = tcp_conn_index(http->tcp, tcp);
    assert(number < http->connection_count);
    return &http->conns[number];
}

/* count_forgotten counts what will have no answer. */
static void count_forgotten(struct http *http, const struct http_conn *conn)
{
    unsigned incoming = conn->receiving != HTTP_NONE;
    counter_add(&http->counters.cut_short, incoming);
    counter_add(&http->counters.unanswered, conn->count - incoming);
}

static void forget(struct http *http, struct http_conn *conn)
{
    http_blocked_remove(http, conn);
    while (conn->first != HTTP_NONE) {
        uint32_t slot = conn->first;
        conn->first = http_request_at(http, slot)->next;
        http_request_orphan(http, slot);
    }
    conn->last = conn->receiving = HTTP_NONE;
    conn->count = 0;
}

void http_conn_finish(struct http *http, struct http_conn *conn)
{
    if (conn->flags & HTTP_CONN_FINISHED)
        return;
    conn->flags |= HTTP_CONN_FINISHED;
    forget(http, conn);
    tcp_wake(http->tcp, conn->tcp, UINT64_MAX);
    tcp_finish(http->tcp, conn->tcp);
}

void http_conn_abort(struct http *http, struct http_conn *conn)
{
    conn->flags |= HTTP_CONN_FINISHED;
    count_forgotten(http, conn);
    forget(http, conn);
    tcp_abort(http->tcp, conn->tcp);
}

/* http_conn_refuse answers a connection none of whose answers waits before this one, and ends it.
 */
void http_conn_refuse(struct http *http, struct http_conn *conn, enum http_problem problem,
                      bool has_offset, uint32_t offset)
{
    uint32_t len;
    const char *text = http_answer_plain(http, problem, has_offset, offset, &len);
    uint32_t sent = tcp_send(http->tcp, conn->tcp, text, len);
    if (sent < len) {
        http_conn_abort(http, conn);
        return;
    }
    counter_add(&http->counters.answer_bytes, len);
    counter_add(&http->counters.unanswered, conn->count > 1 ? conn->count - 1u : 0);
    http_conn_finish(http, conn);
}

/* drop takes the last request, which comes in, off its connection. */
static void drop_receiving(struct http *http, struct http_conn *conn)
{
    uint32_t slot = conn->receiving, before = conn->first;
    if (before == slot) {
        conn->first = conn->last = HTTP_NONE;
    } else {
        while (http_request_at(http, before)->next != slot)
            before = http_request_at(http, before)->next;
        http_request_at(http, before)->next = HTTP_NONE;
        conn->last = before;
    }
    conn->count--;
    http_request_orphan(http, slot);
}

/* http_conn_give_way ends the connection of a request that comes in: told why when it is the
 * connection's only one, else when the others are answered. */
void http_conn_give_way(struct http *http, uint32_t slot)
{
    struct http_conn *conn = &http->conns[http_request_at(http, slot)->conn];
    assert(conn->receiving == slot);
    if (conn->first == slot) {
        http_conn_refuse(http, conn, HTTP_PROBLEM_gave_way, false, 0);
        return;
    }
    counter_add(&http->counters.problems[HTTP_PROBLEM_gave_way], 1);
    drop_receiving(http, conn);
    conn->flags |= HTTP_CONN_CLOSING;
}

static uint64_t deadline_of_incoming(const struct http *http, const struct http_request *r)
{
    if (r->state == HTTP_REQUEST_HEAD)
        return r->since_ns + http_ms(http->settings.head_ms);
    return r->since_ns + http_ms(http->settings.body_ms) +
           r->received * UINT64_C(1000000000) / http->settings.body_bytes_per_s;
}

static uint64_t deadline_of_answer(const struct http *http, const struct http_conn *conn)
{
    return conn->since_ns + http_ms(http->settings.answer_ms);
}

static uint64_t deadline(const struct http *http, const struct http_conn *conn)
{
    if (conn->first == HTTP_NONE)
        return conn->since_ns + http_ms(http->settings.idle_ms);
    uint64_t at = UINT64_MAX;
    if (conn->receiving != HTTP_NONE)
        at = deadline_of_incoming(http, http_request_at(http, conn->receiving));
    uint64_t answer = deadline_of_answer(http, conn);
    return conn->first != conn->receiving && answer < at ? answer : at;
}

/* http_conn_arm sets the timer when it would fire too late. */
void http_conn_arm(struct http *http, struct http_conn *conn)
{
    if (conn->flags & HTTP_CONN_FINISHED)
        return;
    uint64_t at = deadline(http, conn);
    if (at >= conn->armed_ns)
        return;
    conn->armed_ns = at;
    tcp_wake(http->tcp, conn->tcp, at);
}

/* head_bad refuses a connection's next request, whose head is wrong. */
static void head_bad(struct http *http, struct http_conn *conn, const struct http_head *head)
{
    conn->flags |= HTTP_CONN_CLOSING;
    bool first = conn->first == HTTP_NONE || conn->first == conn->receiving;
    if (first && tcp_send_room(http->tcp, conn->tcp) >= HTTP_SMALL_BYTES) {
        http_conn_refuse(http, conn, head->problem, true, head->offset);
        return;
    }
    if (conn->receiving == HTTP_NONE && http_request_take(http, conn) == HTTP_NONE) {
        if (first)
            http_conn_abort(http, conn);
        return;
    }
    struct http_request *r = http_request_at(http, conn->receiving);
    r->method = HTTP_METHOD_OTHER;
    r->flags |= HTTP_REQUEST_HAS_OFFSET;
    r->offset = head->offset;
    http_request_refuse(http, conn->receiving, head->problem);
}

static uint32_t hold(struct http *http, struct http_conn *conn)
{
    counter_add(&http->counters.held, 1);
    conn->flags |= HTTP_CONN_HELD;
    return 0;
}

/* no_slot: whoever waits for answers can wait, others are told. */
static uint32_t no_slot(struct http *http, struct http_conn *conn, uint32_t len)
{
    if (conn->first != HTTP_NONE)
        return hold(http, conn);
    http_conn_refuse(http, conn, HTTP_PROBLEM_no_buffer, false, 0);
    return len;
}

/* whole_head reads a head by comparing it with the last one, which it mostly is, or by parsing it.
 */
static enum http_progress whole_head(struct http *http, const struct http_conn *conn,
                                     const uint8_t *bytes, uint32_t len, struct http_head *head,
                                     uint32_t *end)
{
    uint32_t slot = (uint32_t)(conn - http->conns);
    if (http_memo_find(&http->memo, slot, bytes, len, head, end))
        return HTTP_DONE;
    http_head_init(head);
    enum http_progress progress = http_head_parse(head, &http->head_limits, bytes, len, end);
    if (progress == HTTP_DONE)
        http_memo_keep(&http->memo, slot, bytes, *end, head);
    return progress;
}

/* new_head reads a head of which nothing has come before: most come in one piece. */
static uint32_t new_head(struct http *http, struct http_conn *conn, const uint8_t *bytes,
                         uint32_t len)
{
    struct http_head head;
    uint32_t end = 0;
    enum http_progress progress = whole_head(http, conn, bytes, len, &head, &end);
    if (progress == HTTP_BAD) {
        head_bad(http, conn, &head);
        return len;
    }
    uint32_t slot = http_request_take(http, conn);
    if (slot == HTTP_NONE)
        return no_slot(http, conn, len);
    if (progress == HTTP_DONE) {
        http_request_begin(http, slot, &head, bytes, end < len);
        return end;
    }
    http_request_at(http, slot)->head = head;
    if (!http_buffer_append(http, slot, bytes, len))
        http_request_refuse(http, slot, HTTP_PROBLEM_no_buffer);
    return len;
}

/* more_head goes on with a head whose first part is kept. */
static uint32_t more_head(struct http *http, struct http_conn *conn, const uint8_t *bytes,
                          uint32_t len)
{
    uint32_t slot = conn->receiving, end = 0;
    struct http_request *r = http_request_at(http, slot);
    uint32_t kept = r->len, room = HTTP_HEAD_BYTES_MAX - kept;
    uint32_t take = len < room ? len : room;
    if (!http_buffer_append(http, slot, bytes, take)) {
        http_request_refuse(http, slot, HTTP_PROBLEM_no_buffer);
        return len;
    }
    const uint8_t *head = http_buffer_bytes(http, r);
    enum http_progress progress = http_head_parse(&r->head, &http->head_limits, head, r->len, &end);
    if (progress == HTTP_BAD) {
        struct http_head bad = r->head;
        head_bad(http, conn, &bad);
        return len;
    }
    if (progress == HTTP_MORE)
        return take;
    http_request_begin(http, slot, &r->head, head, end - kept < len);
    return end - kept;
}

/* take gives bytes to what they belong to and returns how many it took; 0: the connection has to
 * wait. */
static uint32_t take(struct http *http, struct http_conn *conn, const uint8_t *bytes, uint32_t len)
{
    if (conn->flags & OVER)
        return len;
    if (conn->receiving != HTTP_NONE) {
        if (http_request_at(http, conn->receiving)->state == HTTP_REQUEST_HEAD)
            return more_head(http, conn, bytes, len);
        return http_request_body(http, conn->receiving, bytes, len);
    }
    if (conn->count >= http->settings.pipeline || conn->flags & HTTP_CONN_BLOCKED)
        return hold(http, conn);
    return new_head(http, conn, bytes, len);
}

static bool on_open(void *app, struct tcp_conn *tcp)
{
    struct http *http = app;
    struct http_conn *conn = find(http, tcp);
    *conn = (struct http_conn){
        .tcp = tcp,
        .since_ns = http->now_ns,
        .armed_ns = UINT64_MAX,
        .first = HTTP_NONE,
        .last = HTTP_NONE,
        .receiving = HTTP_NONE,
        .flags = HTTP_CONN_OPEN,
    };
    counter_add(&http->counters.connections, 1);
    counter_add(&http->counters.open_connections, 1);
    http_conn_arm(http, conn);
    return true;
}

static uint32_t on_data(void *app, struct tcp_conn *tcp, const uint8_t *bytes, uint32_t len)
{
    struct http *http = app;
    struct http_conn *conn = find(http, tcp);
    uint32_t at = 0;
    while (at < len) {
        uint32_t taken = take(http, conn, bytes + at, len - at);
        if (!taken)
            break;
        at += taken;
    }
    if (conn->receiving != HTTP_NONE)
        http_buffer_enlist(http, conn->receiving);
    http_conn_arm(http, conn);
    return at;
}

static void on_end(void *app, struct tcp_conn *tcp)
{
    struct http *http = app;
    struct http_conn *conn = find(http, tcp);
    if (conn->flags & HTTP_CONN_FINISHED)
        return;
    if (conn->receiving != HTTP_NONE) {
        counter_add(&http->counters.cut_short, 1);
        drop_receiving(http, conn);
    }
    conn->flags |= HTTP_CONN_ENDED;
    if (conn->first == HTTP_NONE)
        http_conn_finish(http, conn);
}

static void on_writable(void *app, struct tcp_conn *tcp)
{
    struct http *http = app;
    struct http_conn *conn = find(http, tcp);
    http_blocked_remove(http, conn);
    http_send_ready(http, (uint32_t)(conn - http->conns));
}

/* late_answer ends a connection whose answer did not come, or was not read, in time. */
static void late_answer(struct http *http, struct http_conn *conn)
{
    if (http_request_at(http, conn->first)->state != HTTP_REQUEST_READY) {
        http_conn_refuse(http, conn, HTTP_PROBLEM_answer_late, false, 0);
        return;
    }
    counter_add(&http->counters.stalled, 1);
    http_conn_abort(http, conn);
}

/* late_request refuses a request that did not come in in time; an empty line is none. */
static void late_request(struct http *http, struct http_conn *conn)
{
    uint32_t slot = conn->receiving;
    struct http_request *r = http_request_at(http, slot);
    bool head = r->state == HTTP_REQUEST_HEAD;
    enum http_problem problem = head ? HTTP_PROBLEM_head_timeout : HTTP_PROBLEM_body_timeout;
    if (head && r->head.line == r->len && !r->head.begun)
        http_conn_finish(http, conn);
    else if (conn->first == slot)
        http_conn_refuse(http, conn, problem, false, 0);
    else
        http_request_refuse(http, slot, problem);
}

static void on_wake(void *app, struct tcp_conn *tcp)
{
    struct http *http = app;
    struct http_conn *conn = find(http, tcp);
    uint64_t now = http->now_ns > conn->armed_ns ? http->now_ns : conn->armed_ns;
    conn->armed_ns = UINT64_MAX;
    if (deadline(http, conn) > now) {
        http_conn_arm(http, conn);
    } else if (conn->first == HTTP_NONE) {
        counter_add(&http->counters.idle_closed, 1);
        http_conn_finish(http, conn);
    } else if (conn->first != conn->receiving && deadline_of_answer(http, conn) <= now) {
        late_answer(http, conn);
    } else {
        late_request(http, conn);
        http_conn_arm(http, conn);
    }
}

static void on_closed(void *app, struct tcp_conn *tcp, enum tcp_end why)
{
    struct http *http = app;
    struct http_conn *conn = find(http, tcp);
    (void)why;
    count_forgotten(http, conn);
    forget(http, conn);
    conn->flags = 0;
    counter_add(&http->counters.open_connections, UINT64_MAX);
}

struct tcp_app http_app(struct http *http)
{
    return (struct tcp_app){
        .open = on_open,
        .data = on_data,
        .end = on_end,
        .writable = on_writable,
        .wake = on_wake,
        .closed = on_closed,
        .app = http,
    };
}

unsigned http_conn_drain(struct http *http)
{
    unsigned closed = 0;
    for (unsigned i = 0; i < DRAIN_CONNS; i++) {
        struct http_conn *conn = &http->conns[http->drain_at];
        http->drain_at = http->drain_at + 1 < http->connection_count ? http->drain_at + 1 : 0;
        if (conn->flags & HTTP_CONN_OPEN && !(conn->flags & OVER) && conn->first == HTTP_NONE &&
            http->now_ns - conn->since_ns >= DRAIN_NS) {
            http_conn_finish(http, conn);
            closed++;
        }
    }
    return closed;
}
