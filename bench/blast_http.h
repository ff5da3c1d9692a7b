/* blast_http.h - events as POST requests over keep-alive connections, as planned, and what was
 * answered to them.
 *
 * Open loop, as the plan of the source says: a request that finds every connection full waits, and
 * its time counts from when it was planned, so a server that stalls cannot hide it by being asked
 * less.  Without a rate, closed loop: each connection holds as many requests open as it may, and
 * time counts from the sending.
 *
 * A connection that ends is opened again; what was not answered on it is counted, never sent twice.
 *
 * Memory:  taken by init.
 * Threads: one.  Time is handed in, but for blast_http_run.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/blast_answer.h"
#include "bench/blast_log.h"
#include "bench/blast_nap.h"
#include "bench/blast_request.h"
#include "bench/blast_source.h"
#include "bench/blast_tcp.h"
#include "bench/blast_wire.h"
#include "dataplane/base/histogram.h"

#define BLAST_PIPELINE_MAX 256
#define BLAST_HTTP_FAULT   512

struct blast_http_settings {
    const char *host; /* HOST:PORT */
    const char *path;
    const char *ack;      /* of Trove-Ack, or NULL */
    uint32_t connections; /* [1, BLAST_TCP_CONNS_MAX] */
    uint32_t pipeline;    /* requests open at once on a connection, [1, BLAST_PIPELINE_MAX] */
    uint32_t batch;       /* events in a request, [1, BLAST_BATCH_MAX] */
    uint32_t event_bytes; /* that no event exceeds */
    uint32_t usual_bytes; /* that most events have */
    uint32_t seed;
};

struct blast_http_conn {
    uint32_t first; /* request that is answered next, of those open */
    uint32_t open;  /* requests not answered */
    bool ready;     /* in the queue of those that can take one more */
    struct blast_answer answer;
};

struct blast_http_open {
    uint64_t due_ns;
    uint32_t events;
};

/* What came of it. */
struct blast_http_counts {
    uint64_t requests;   /* written to a connection */
    uint64_t answered;   /* with any status */
    uint64_t events;     /* in the requests that were answered */
    uint64_t unanswered; /* their connection ended first, or the run did */
    uint64_t resets;     /* open connections that the peer reset, or that sent nonsense */
    uint64_t nonsense;   /* of these: what came was no answer */
    uint64_t closes;     /* open connections that the peer closed */
    uint64_t refused;    /* connections that it did not let open */
    uint64_t timeouts;   /* connections on which it fell silent */
    uint64_t status[600];
};

struct blast_http {
    struct blast_http_settings settings;
    struct blast_source *source;
    struct blast_wire *wire;
    const volatile sig_atomic_t *stop;
    uint64_t end_ns;   /* the plan's, since the start; UINT64_MAX when a count ends it */
    uint64_t grace_ns; /* how long after end_ns a late sender may go on */
    struct blast_nap nap;

    struct blast_tcp tcp;
    struct blast_request request;
    struct blast_http_conn *conns;
    struct blast_http_open *opens; /* settings.pipeline for each connection */
    uint32_t *ready;               /* a ring of connections that can take a request */
    uint32_t ready_first;
    uint32_t ready_count;
    uint32_t request_max;
    uint64_t open_requests;
    uint64_t now_ns; /* of this turn */
    uint64_t start_ns;
    bool sending; /* the plan runs */
    bool over;    /* the source has no more */
    bool ending;  /* connections that end stay so */

    /* What blast_http_run found. */
    struct blast_http_counts counts;
    bool interrupted;
    uint64_t first_due_ns, last_due_ns, last_answer_ns; /* since the start */
    uint64_t first_events;
    struct histogram lag; /* ns from planned to written, per request */
    struct histogram
        answer; /* ns from planned to answered, per request; from written without a rate */
    struct blast_log log; /* of answer, where the caller began one */
};

/* blast_http_init prepares everything but settings, source, wire, stop and the times, which the
 * caller has set.  Returns 0 or a negative errno with a line for the operator in
 * fault[BLAST_HTTP_FAULT]. */
int blast_http_init(struct blast_http *http, char *fault);
void blast_http_fini(struct blast_http *http);

/* blast_http_connect begins to open all connections at now_ns; blast_http_start begins the plan.
 * blast_http_turn receives, answers, sends what is due, and returns whether there was anything to
 * do.  blast_http_finish counts what is still open as unanswered and ends all connections. */
void blast_http_connect(struct blast_http *http, uint64_t now_ns);
void blast_http_start(struct blast_http *http, uint64_t now_ns);
bool blast_http_turn(struct blast_http *http, uint64_t now_ns);
void blast_http_finish(struct blast_http *http);

/* blast_http_run does all of that until the plan is over and answered, *stop is set, or there has
 * been no connection for 5 s.  Returns 0, or a negative errno with a line for the operator in
 * fault[BLAST_HTTP_FAULT]; what was found until then stands. */
int blast_http_run(struct blast_http *http, char *fault);
