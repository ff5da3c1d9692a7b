/* blast_http_run.c - the phases of a run: open, send, wait for answers, close. */
#include <errno.h>
#include <stdio.h>

#include "bench/blast_http.h"
#include "dataplane/base/clock.h"

#define CONNECT_NS (5 * NS_PER_S)
#define ANSWER_NS  (5 * NS_PER_S) /* for the last answers */
#define CLOSE_NS   NS_PER_S
#define NOBODY_NS  (5 * NS_PER_S)

static void turn(struct blast_http *http)
{
    if (blast_http_turn(http, clock_monotonic_ns()))
        blast_nap_busy(&http->nap, http->now_ns);
    else
        blast_nap_idle(&http->nap);
}

static int connect_all(struct blast_http *http, char *fault)
{
    uint32_t wanted = http->settings.connections;
    uint64_t give_up_ns = clock_monotonic_ns() + CONNECT_NS;
    blast_http_connect(http, clock_monotonic_ns());
    while (http->tcp.open_count < wanted) {
        turn(http);
        if (*http->stop) {
            http->interrupted = true;
            snprintf(fault, BLAST_HTTP_FAULT, "interrupted");
            return -EINTR;
        }
        if (http->counts.refused) {
            snprintf(fault, BLAST_HTTP_FAULT,
                     "%s refuses connections: is that the listener's port (listen.http.port)?",
                     http->settings.host);
            return -ECONNREFUSED;
        }
        if (clock_monotonic_ns() > give_up_ns) {
            snprintf(fault, BLAST_HTTP_FAULT,
                     "%s let %u of %u connections open within 5 s: is it listening, and does it "
                     "take that many?",
                     http->settings.host, http->tcp.open_count, wanted);
            return -ETIMEDOUT;
        }
    }
    return 0;
}

/* Gives up the part of the plan that was due before since_ns and not written. */
static void abandon(struct blast_http *http, uint64_t since_ns)
{
    uint64_t before = http->source->tally.unsent;
    http->source->abandon(http->source, since_ns);
    if (http->source->tally.unsent > before)
        http->last_due_ns = since_ns;
    http->over = true;
}

static bool is_over(struct blast_http *http, uint64_t since_start_ns)
{
    if (*http->stop && !http->over) {
        http->interrupted = true;
        abandon(http, since_start_ns);
    }
    if (!http->over && http->end_ns != UINT64_MAX &&
        since_start_ns >= http->end_ns + http->grace_ns)
        abandon(http, http->end_ns);
    return http->over;
}

/* Until all is sent and answered, or there is nobody to answer. */
static int send_all(struct blast_http *http, char *fault)
{
    uint64_t alive_ns = clock_monotonic_ns(); /* when there was a connection last */
    uint64_t over_ns = 0;
    http->source->start_real_ns = clock_realtime_ns();
    blast_http_start(http, clock_monotonic_ns());
    for (;;) {
        turn(http);
        uint64_t now_ns = http->now_ns;
        if (blast_log_due(&http->log, now_ns - http->start_ns))
            blast_log_tick(&http->log, now_ns - http->start_ns);
        if (http->tcp.open_count)
            alive_ns = now_ns;
        if (now_ns > alive_ns + NOBODY_NS) {
            abandon(http, now_ns - http->start_ns);
            snprintf(fault, BLAST_HTTP_FAULT, "%s has not let a connection open for 5 s",
                     http->settings.host);
            return -ENOTCONN;
        }
        if (!is_over(http, now_ns - http->start_ns))
            continue;
        over_ns = over_ns ? over_ns : now_ns;
        if (!http->open_requests || now_ns > over_ns + ANSWER_NS)
            return 0;
    }
}

static void close_all(struct blast_http *http)
{
    uint64_t give_up_ns = clock_monotonic_ns() + CLOSE_NS;
    blast_http_finish(http);
    while (http->tcp.open_count && clock_monotonic_ns() < give_up_ns)
        turn(http);
    for (uint32_t i = 0; i < http->settings.connections; i++)
        blast_tcp_abort(&http->tcp, i);
    http->wire->flush(http->wire);
}

int blast_http_run(struct blast_http *http, char *fault)
{
    int rc = connect_all(http, fault);
    if (rc == 0)
        rc = send_all(http, fault);
    close_all(http);
    return rc;
}
