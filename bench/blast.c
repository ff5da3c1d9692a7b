/* blast.c - trove-blast, the load generator: events from a profile or a file, sent as planned. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "bench/blast_builder.h"
#include "bench/blast_http.h"
#include "bench/blast_http_report.h"
#include "bench/blast_link.h"
#include "bench/blast_options.h"
#include "bench/blast_replay.h"
#include "bench/blast_report.h"
#include "bench/blast_run.h"
#include "bench/blast_save.h"
#include "bench/blast_server.h"
#include "bench/blast_wire.h"
#include "dataplane/base/clock.h"

#define GRACE_NS NS_PER_S

enum exit_code { EXIT_SENT = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static volatile sig_atomic_t stop;
static struct blast_options options;
static struct blast_builder builder;
static struct blast_replay replay;
static struct blast_run run;
static struct blast_http http;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

/* After the first signal the next one kills: a link that hangs can be left. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int pin(char *fault)
{
    cpu_set_t set;
    if (options.core == BLAST_CORE_ANY)
        return 0;
    CPU_ZERO(&set);
    CPU_SET((size_t)options.core, &set);
    if (sched_setaffinity(0, sizeof set, &set) == 0)
        return 0;
    int rc = -errno;
    snprintf(fault, BLAST_FAULT_MAX, "--core %lu: %s; see lscpu for the cores there are",
             options.core, strerror(-rc));
    return rc;
}

/* Who sleeps at the right moments and comes first when awake disturbs nobody and is never late.
 * Only while events are sent: to open and to close a link DPDK waits, in naps too short to be left,
 * for threads of its own that are to run on the same core, and had to wait for the kernel to take
 * it away by force. */
static int take_priority(char *fault)
{
    const struct sched_param priority = {.sched_priority = 3};
    if (!options.nap_ns)
        return 0;
    run.nap.ns = http.nap.ns = options.nap_ns;
    run.nap.last_ns = http.nap.last_ns = clock_monotonic_ns();
    prctl(PR_SET_TIMERSLACK, 1000ul);
    if (sched_setscheduler(0, SCHED_FIFO, &priority) == 0)
        return 0;
    int rc = -errno;
    snprintf(fault, BLAST_FAULT_MAX, "--nap needs real-time priority: %s; run it as root",
             strerror(-rc));
    return rc;
}

static void leave_priority(void)
{
    (void)sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){.sched_priority = 0});
}

static int limit(uint64_t events, char *fault)
{
    if (blast_pacer_limit(&options.pacer, events, options.duration_ns) == 0)
        return 0;
    snprintf(fault, BLAST_FAULT_MAX,
             "no end: give --events N or --duration T, or a --rate with a "
             "span such as 240k/10s");
    return -EINVAL;
}

static int open_replay(char *fault)
{
    int rc = blast_replay_open(&replay, options.replay, options.profile.datagram_bytes, fault,
                               BLAST_FAULT_MAX);
    if (rc < 0)
        return rc;
    run.source = &replay.source;
    run.end_ns = options.duration_ns ? options.duration_ns : UINT64_MAX;
    blast_replay_limit(&replay, options.events, options.duration_ns);
    replay.pace = options.pace;
    if (!options.pacer.stage_count)
        return 0;
    replay.pacer = &options.pacer;
    rc = limit(replay.count, fault);
    if (rc == 0 && options.pacer.total < replay.count)
        blast_replay_limit(&replay, options.pacer.total, 0);
    return rc;
}

static int open_builder(char *fault)
{
    int rc = limit(options.events, fault);
    if (rc == 0)
        rc = blast_builder_init(&builder, &options.profile, &options.pacer, fault, BLAST_FAULT_MAX);
    run.source = &builder.source;
    run.end_ns = options.pacer.end_ns;
    return rc;
}

static int open_source(char *fault)
{
    int rc = options.replay ? open_replay(fault) : open_builder(fault);
    if (rc < 0)
        return rc;
    run.stop = &stop;
    run.grace_ns = run.source->unpaced ? 0 : GRACE_NS;
    /* Who asks for a number of events gets them all, however late. */
    if (options.events && !options.duration_ns)
        run.end_ns = UINT64_MAX;
    return 0;
}

static int open_link(char *fault)
{
    switch (options.target.kind) {
    case BLAST_TARGET_UDP:
        return blast_link_socket_open(&run.link, &options, &stop, fault);
    case BLAST_TARGET_DPDK:
        return blast_link_dpdk_open(&run.link, &options, &stop, fault);
    case BLAST_TARGET_HTTP: /* no datagrams: post() */
    case BLAST_TARGET_NULL:
        break;
    }
    return blast_link_null_open(&run.link, fault);
}

static void close_source(void)
{
    if (options.replay)
        blast_replay_close(&replay);
    else
        blast_builder_fini(&builder);
}

/* Answers until a signal comes. */
static int answer(char *fault)
{
    static struct blast_server server;
    struct blast_wire *wire;
    int rc = blast_wire_dpdk_open(&wire, &options, &stop, fault);
    if (rc < 0)
        return rc;
    rc = blast_server_init(&server, wire);
    if (rc < 0)
        snprintf(fault, BLAST_FAULT_MAX, "out of memory");
    else
        rc = take_priority(fault);
    if (rc == 0)
        fputs("trove-blast: answering\n", stderr);
    while (rc == 0 && !stop) {
        uint64_t now_ns = clock_monotonic_ns();
        if (blast_server_turn(&server, now_ns))
            blast_nap_busy(&run.nap, now_ns);
        else
            blast_nap_idle(&run.nap);
    }
    leave_priority();
    blast_server_fini(&server);
    wire->close(wire);
    return rc;
}

static int post_all(char *fault)
{
    int rc = take_priority(fault);
    if (rc < 0)
        return rc;
    rc = blast_http_run(&http, fault);
    leave_priority();
    blast_http_report_json(stdout, &http);
    fflush(stdout);
    blast_http_report_line(stderr, &http);
    if (rc == 0)
        rc = blast_save_end(&http.log, &options, &http.answer, http.source->start_real_ns,
                            http.last_answer_ns, fault);
    return rc;
}

/* Sends the source's events as requests. */
static int post(char *fault)
{
    int rc = blast_wire_dpdk_open(&http.wire, &options, &stop, fault);
    if (rc < 0)
        return rc;
    http.settings = (struct blast_http_settings){
        .host = options.target.host,
        .path = options.target.path,
        .ack = options.ack,
        .connections = (uint32_t)options.connections,
        .pipeline = (uint32_t)options.pipeline,
        .batch = (uint32_t)options.batch,
        .event_bytes = (uint32_t)options.profile.datagram_bytes,
        .usual_bytes = (uint32_t)options.profile.event_bytes,
        /* Grows as RFC 9293 section 3.4.1 wants it, so that a port of an earlier run can be used
         * again at once. */
        .seed = (uint32_t)(clock_realtime_ns() >> 8),
    };
    http.source = run.source;
    http.stop = &stop;
    http.end_ns = run.end_ns;
    http.grace_ns = run.grace_ns;
    rc = blast_save_begin(&http.log, &options, &http.answer, fault);
    if (rc == 0)
        rc = blast_http_init(&http, fault);
    if (rc == 0) {
        rc = post_all(fault);
        blast_http_fini(&http);
    }
    http.wire->close(http.wire);
    return rc;
}

/* Sends the source's events as datagrams. */
static int send_datagrams(char *fault)
{
    int rc = blast_save_begin(&run.log, &options, &run.lag, fault);
    if (rc == 0)
        rc = open_link(fault);
    if (rc < 0)
        return rc;
    rc = take_priority(fault);
    if (rc < 0) {
        run.link->close(run.link);
        return rc;
    }
    blast_run(&run);
    leave_priority();
    blast_report_json(stdout, &run);
    fflush(stdout);
    blast_report_line(stderr, &run);
    rc = blast_save_end(&run.log, &options, &run.lag, run.source->start_real_ns, run.elapsed_ns,
                        fault);
    if (run.link->broken) {
        rc = -EIO;
        memcpy(fault, run.link->fault, BLAST_FAULT_MAX);
    }
    run.link->close(run.link);
    return rc;
}

static int blast(char *fault)
{
    int rc = pin(fault);
    if (rc == 0 && options.answer)
        return answer(fault);
    if (rc == 0)
        rc = open_source(fault);
    if (rc < 0)
        return rc;
    rc = options.target.kind == BLAST_TARGET_HTTP ? post(fault) : send_datagrams(fault);
    close_source();
    return rc;
}

int main(int argc, char **argv)
{
    char fault[BLAST_FAULT_MAX] = "";
    if (blast_options_parse(&options, argc, argv, fault, sizeof fault) < 0) {
        fprintf(stderr, "trove-blast: error: %s\n", fault);
        return EXIT_USAGE;
    }
    if (options.help) {
        blast_options_help(stdout);
        return EXIT_SENT;
    }
    if (options.version) {
        puts("trove-blast " TROVE_VERSION);
        return EXIT_SENT;
    }
    catch_signals();
    if (blast(fault) < 0) {
        fprintf(stderr, "trove-blast: error: %s\n", fault);
        return EXIT_FAILED;
    }
    return EXIT_SENT;
}
