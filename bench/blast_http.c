/* blast_http.c - requests out, answers in. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/blast_http.h"
#include "dataplane/base/clock.h"

#define FILL_MAX  512               /* requests written in one turn */
#define REOPEN_NS (100 * NS_PER_MS) /* before a connection is tried again that was refused */

static struct blast_http_open *open_at(struct blast_http *http, uint32_t index, uint32_t place)
{
    uint32_t pipeline = http->settings.pipeline;
    return &http->opens[(size_t)index * pipeline + place % pipeline];
}

/* Puts a connection that can take a request into the ring, once. */
static void check_ready(struct blast_http *http, uint32_t index)
{
    struct blast_http_conn *conn = &http->conns[index];
    if (conn->ready || conn->answer.closes || conn->open >= http->settings.pipeline ||
        blast_tcp_room(&http->tcp, index) < http->request_max)
        return;
    conn->ready = true;
    uint32_t place = http->ready_first + http->ready_count++;
    http->ready[place % http->settings.connections] = index;
}

static void on_open(void *app, uint32_t index)
{
    struct blast_http *http = app;
    check_ready(http, index);
}

static void on_acked(void *app, uint32_t index)
{
    struct blast_http *http = app;
    check_ready(http, index);
}

static void count_answer(struct blast_http *http, uint32_t index, int status)
{
    struct blast_http_conn *conn = &http->conns[index];
    const struct blast_http_open *open = open_at(http, index, conn->first);
    uint64_t since_start_ns = http->now_ns - http->start_ns;
    conn->first = (conn->first + 1) % http->settings.pipeline;
    conn->open--;
    http->open_requests--;
    http->counts.answered++;
    http->counts.events += open->events;
    http->counts.status[status]++;
    http->last_answer_ns = since_start_ns;
    histogram_record(&http->answer, since_start_ns - open->due_ns);
}

static bool on_data(void *app, uint32_t index, const uint8_t *bytes, uint32_t len)
{
    struct blast_http *http = app;
    struct blast_http_conn *conn = &http->conns[index];
    uint32_t taken = 0;
    while (taken < len) {
        int status = blast_answer_take(&conn->answer, bytes + taken, len - taken, &taken);
        if (status < 0 || (status > 0 && !conn->open)) {
            http->counts.nonsense++;
            return false;
        }
        if (status > 0)
            count_answer(http, index, status);
    }
    check_ready(http, index);
    return true;
}

static void on_closed(void *app, uint32_t index, enum blast_tcp_end why)
{
    struct blast_http *http = app;
    struct blast_http_conn *conn = &http->conns[index];
    bool soon = why == BLAST_TCP_CLOSED || why == BLAST_TCP_RESET;
    http->counts.unanswered += conn->open;
    http->open_requests -= conn->open;
    conn->first = conn->open = 0;
    conn->answer = (struct blast_answer){0};
    if (http->ending)
        return;
    http->counts.resets += why == BLAST_TCP_RESET;
    http->counts.closes += why == BLAST_TCP_CLOSED;
    http->counts.refused += why == BLAST_TCP_REFUSED;
    http->counts.timeouts += why == BLAST_TCP_TIMEOUT;
    blast_tcp_open(&http->tcp, index, http->now_ns + (soon ? 0 : REOPEN_NS));
}

/* Pipelines are filled with usual requests; one of the longest always fits behind them. */
static uint32_t send_bytes(const struct blast_http_settings *settings)
{
    uint64_t usual = blast_request_max(settings->batch, settings->usual_bytes);
    uint64_t most = blast_request_max(settings->batch, settings->event_bytes);
    uint64_t bytes = most + usual * settings->pipeline;
    return bytes < 1u << 30 ? (uint32_t)bytes : 1u << 30;
}

static bool allocate(struct blast_http *http)
{
    uint32_t count = http->settings.connections;
    http->conns = calloc(count, sizeof *http->conns);
    http->opens = calloc((size_t)count * http->settings.pipeline, sizeof *http->opens);
    http->ready = calloc(count, sizeof *http->ready);
    return http->conns && http->opens && http->ready;
}

int blast_http_init(struct blast_http *http, char *fault)
{
    const struct blast_http_settings *settings = &http->settings;
    http->request_max = blast_request_max(settings->batch, settings->event_bytes);
    int rc = blast_request_init(&http->request, http->source, settings->host, settings->path,
                                settings->ack, settings->batch, settings->event_bytes);
    if (rc == 0)
        rc = blast_tcp_init(&http->tcp, http->wire, settings->connections, send_bytes(settings),
                            settings->seed);
    if (rc == 0 && !allocate(http))
        rc = -ENOMEM;
    if (rc < 0) {
        snprintf(fault, BLAST_HTTP_FAULT, "%s",
                 rc == -ENOMEM ? "out of memory: fewer --connections, --pipeline or --batch"
                               : "the target's path is too long");
        blast_http_fini(http);
        return rc;
    }
    http->tcp.app = (struct blast_tcp_app){on_open, on_data, on_acked, on_closed, http};
    return 0;
}

void blast_http_fini(struct blast_http *http)
{
    blast_request_fini(&http->request);
    blast_tcp_fini(&http->tcp);
    free(http->conns);
    free(http->opens);
    free(http->ready);
    http->conns = NULL;
    http->opens = NULL;
    http->ready = NULL;
}

void blast_http_connect(struct blast_http *http, uint64_t now_ns)
{
    for (uint32_t i = 0; i < http->settings.connections; i++)
        blast_tcp_open(&http->tcp, i, now_ns);
}

void blast_http_start(struct blast_http *http, uint64_t now_ns)
{
    http->start_ns = http->now_ns = now_ns;
    http->sending = true;
}

/* Takes the first connection out of the ring; what is in it may have ended meanwhile. */
static bool pop_ready(struct blast_http *http, uint32_t *index)
{
    while (http->ready_count) {
        *index = http->ready[http->ready_first];
        http->ready_first = (http->ready_first + 1) % http->settings.connections;
        http->ready_count--;
        http->conns[*index].ready = false;
        if (blast_tcp_room(&http->tcp, *index) >= http->request_max)
            return true;
    }
    return false;
}

static void write_request(struct blast_http *http, uint32_t index, uint64_t due_ns)
{
    struct blast_http_conn *conn = &http->conns[index];
    struct blast_request_bytes request = blast_request_build(&http->request, due_ns);
    blast_tcp_write(&http->tcp, index, request.bytes, request.len);
    *open_at(http, index, conn->first + conn->open) =
        (struct blast_http_open){due_ns, request.events};
    conn->open++;
    http->open_requests++;
    if (http->counts.requests++ == 0) {
        http->first_due_ns = due_ns;
        http->first_events = request.events;
    }
    http->last_due_ns = due_ns;
    histogram_record(&http->lag, http->now_ns - http->start_ns - due_ns);
}

/* Writes requests that are due.  Without a rate a connection is filled before the next one, with a
 * rate they take turns. */
static uint32_t fill(struct blast_http *http)
{
    struct blast_source *source = http->source;
    uint64_t since_start_ns = http->now_ns - http->start_ns;
    uint64_t due_ns;
    uint32_t count = 0;
    uint32_t index = 0;
    bool again = false;
    while (count < FILL_MAX && http->sending && !http->over) {
        http->over = !source->due(source, &due_ns);
        if (source->unpaced)
            due_ns = since_start_ns;
        if (http->over || due_ns > since_start_ns || (!again && !pop_ready(http, &index)))
            break;
        write_request(http, index, due_ns);
        count++;
        again = source->unpaced && http->conns[index].open < http->settings.pipeline &&
                blast_tcp_room(&http->tcp, index) >= http->request_max;
        if (!again)
            check_ready(http, index);
    }
    if (again)
        check_ready(http, index);
    return count;
}

bool blast_http_turn(struct blast_http *http, uint64_t now_ns)
{
    struct blast_wire_frame frames[BLAST_WIRE_BURST];
    http->now_ns = now_ns;
    uint32_t received = http->wire->receive(http->wire, frames);
    for (uint32_t i = 0; i < received; i++)
        blast_tcp_input(&http->tcp, frames[i].bytes, frames[i].len, now_ns);
    uint32_t written = fill(http);
    blast_tcp_poll(&http->tcp, now_ns);
    http->wire->flush(http->wire);
    return received + written > 0;
}

void blast_http_finish(struct blast_http *http)
{
    http->ending = true;
    http->sending = false;
    for (uint32_t i = 0; i < http->settings.connections; i++) {
        struct blast_http_conn *conn = &http->conns[i];
        http->counts.unanswered += conn->open;
        http->open_requests -= conn->open;
        conn->open = 0;
        if (http->tcp.conns[i].state == BLAST_TCP_OPEN)
            blast_tcp_finish(&http->tcp, i);
        else
            blast_tcp_abort(&http->tcp, i);
    }
}
