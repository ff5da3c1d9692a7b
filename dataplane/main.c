/* main.c - troved: arguments, start, the wait for a reason to stop, stop. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/admin.h"
#include "dataplane/admin_journal.h"
#include "dataplane/base/clock.h"
#include "dataplane/check.h"
#include "dataplane/eal.h"
#include "dataplane/topo.h"

#define DEV_DATA_DIR "/tmp/trove-dev"

static const char usage_text[] =
    "usage: troved --config FILE            run with a configuration\n"
    "       troved --dev [--data-dir DIR]   run with the embedded one: a tap interface trove0\n"
    "       troved --check FILE             check a configuration and its catalogs, offline\n"
    "       troved --version | --help\n";

struct options {
    const char *config;
    const char *check;
    const char *data_dir;
    bool dev;
};

static int usage(const char *fault)
{
    fprintf(stderr, "error: %s\n%s", fault, usage_text);
    return 2;
}

/* Returns -1 to go on, or the exit status. */
static int parse_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"dev", no_argument, NULL, 'd'},
        {"data-dir", required_argument, NULL, 'D'},
        {"check", required_argument, NULL, 'k'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "c:h", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            options->config = optarg;
            break;
        case 'd':
            options->dev = true;
            break;
        case 'D':
            options->data_dir = optarg;
            break;
        case 'k':
            options->check = optarg;
            break;
        case 'v':
            printf("troved %s\n", TROVE_VERSION);
            return 0;
        case 'h':
            fputs(usage_text, stdout);
            return 0;
        default:
            return usage("unknown option, or one without its value");
        }
    }
    if (optind < argc)
        return usage("troved takes no arguments besides its options");
    if ((options->config != NULL) + (options->check != NULL) + options->dev != 1)
        return usage("one of --config, --dev and --check is needed");
    if (options->data_dir && !options->dev)
        return usage("--data-dir goes with --dev; a configuration says data_dir itself");
    return -1;
}

/* The embedded configuration, with its data directory moved to where the command line says. */
static struct conf *load_dev(const char *data_dir, struct diag_list *diags)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return NULL;
    const char *at = conf_default_text(), *next;
    for (; (next = strstr(at, DEV_DATA_DIR)) != NULL; at = next + strlen(DEV_DATA_DIR))
        fprintf(out, "%.*s%s", (int)(next - at), at, data_dir);
    fputs(at, out);
    fclose(out);
    struct conf *conf = conf_load("(embedded)", text, len, diags);
    free(text);
    return conf;
}

static int fail(const char *error, struct diag_list *diags)
{
    diag_print(diags, stderr);
    if (*error)
        fprintf(stderr, "%s%s\n", strstr(error, "error:") ? "" : "error: ", error);
    diag_list_fini(diags);
    return 1;
}

/* SIGHUP: the configuration's file again, as `trovectl conf apply` would. */
static void reload(struct topo *topo)
{
    struct diag_list diags = {0};
    struct apply_result result = {0};
    const char *file = topo->conf->file;
    struct conf *conf = conf_load_file(file, &diags);
    int rc =
        conf ? topo_apply(topo, file, conf->text, conf->text_len, 0, &result, &diags) : -EINVAL;
    if (rc) {
        uint32_t version = topo_read_lock(topo)->version;
        topo_read_unlock(topo);
        fprintf(stderr, "error: config refused, v%u stays%s%s\n", version, diags.count ? "" : ": ",
                diags.count ? "" : strerror(-rc));
    } else {
        fprintf(stderr, "config v%u active in %.1f ms on %u lcores\n", result.version, result.ms,
                result.cores);
    }
    diag_print(&diags, stderr);
    diag_list_fini(&diags);
    conf_free(conf);
}

static void sample_rate(struct topo *topo)
{
    static uint64_t last_ns, last_received, last_requests;
    struct account account;
    struct http_totals http;
    uint64_t now = clock_monotonic_ns();
    if (now - last_ns < NS_PER_S)
        return;
    topo_account(topo, &account);
    topo_http_count(topo, &http);
    if (last_ns) {
        atomic_store(&topo->events_per_s,
                     (account.received - last_received) * NS_PER_S / (now - last_ns));
        atomic_store(&topo->requests_per_s,
                     (http.http.requests - last_requests) * NS_PER_S / (now - last_ns));
    }
    last_received = account.received;
    last_requests = http.http.requests;
    last_ns = now;
}

static void announce(const struct topo *topo, const struct conf *conf)
{
    char http[32] = "";
    plan_print(&topo->plan, conf, stderr);
    if (conf->http.port)
        snprintf(http, sizeof http, " http port %u,", conf->http.port);
    fprintf(stderr, "troved %s ready: udp port %u,%s control %s, config v%u, %s huge pages\n",
            TROVE_VERSION, conf->udp.port, http, conf->management.socket,
            topo_snapshot(topo)->version, topo->huge ? "with" : "without");
}

static void wait_for_stop(struct topo *topo, const sigset_t *signals)
{
    const struct timespec tick = {.tv_nsec = 100 * (long)NS_PER_MS};
    while (!atomic_load(&topo->stop_wanted)) {
        int signal = sigtimedwait(signals, NULL, &tick);
        if (signal == SIGTERM || signal == SIGINT)
            atomic_store(&topo->stop_wanted, true);
        else if (signal == SIGHUP)
            reload(topo);
        sample_rate(topo);
        admin_journal_report(topo, stderr);
        sinks_tend(topo);
    }
}

static int finish(struct topo *topo)
{
    struct account account;
    int rc = 0;
    fprintf(stderr, "stopping: waiting for the input to fall silent\n");
    topo_stop(topo);
    topo_account(topo, &account);
    topo_account_print(&account, stderr);
    rc |= account.in_flight != 0;
    for (uint32_t s = 0; s < topo->plan.shard_count; s++) {
        const struct journal *journal = topo->journals[s].journal;
        uint64_t forgotten =
            topo->shards[s]->counters.records - atomic_load(&journal->mark.ordinal);
        if (forgotten)
            fprintf(stderr,
                    "error: journal of shard %u stopped: %s; %llu records that were decided are "
                    "not durable, and forgotten at the next start\n",
                    s, strerror(atomic_load(&journal->error)), (unsigned long long)forgotten);
        rc |= forgotten != 0 || journal_has_failed(journal);
    }
    return rc;
}

/* open_http serves metrics and what else anybody may read.  Returns 0, or -1 with error. */
static int open_http(struct control *control, const struct conf *conf, char error[512])
{
    struct conf_endpoint at;
    if (strcmp(conf->management.http, "none") == 0)
        return 0;
    int rc = conf_endpoint_parse(conf->management.http, &at);
    if (!rc)
        rc = control_open(control, at.host, at.port);
    if (!rc)
        return 0;
    snprintf(error, 512, "management.http %s: %s", conf->management.http,
             rc == -EADDRINUSE ? "another program listens there (ss -ltnp shows which); stop it, "
                                 "give this one a port of its own, or set none to run without"
                               : strerror(-rc));
    return -1;
}

static int run(struct conf *conf, struct diag_list *diags)
{
    static struct topo topo;
    struct control *control = NULL;
    char error[512] = "";
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);

    int rc = topo_start(&topo, conf, diags, error);
    bool stopped = rc && atomic_load(&topo.stop_wanted);
    if (!rc) {
        rc = control_start(&control, conf->management.socket, admin_routes, &topo);
        if (rc) {
            snprintf(error, sizeof error, "management.socket %s: %s", conf->management.socket,
                     rc == -EADDRINUSE ? "a troved answers there already; stop it (trovectl stop), "
                                         "or give this one a socket of its own"
                                       : strerror(-rc));
        } else {
            rc = open_http(control, conf, error);
        }
        if (rc) {
            atomic_store(&topo.stop_wanted, true);
            topo_stop(&topo);
        }
    }
    if (stopped) {
        fprintf(stderr, "%s\n", error);
        rc = 0;
    } else if (rc) {
        control_stop(control);
        rc = fail(error, diags);
    } else {
        announce(&topo, conf);
        wait_for_stop(&topo, &signals);
        rc = finish(&topo);
        control_stop(control);
    }
    topo_fini(&topo);
    eal_stop();
    return rc;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct diag_list diags = {0};
    int status = parse_options(argc, argv, &options);
    if (status >= 0)
        return status;
    if (options.check)
        return check_file(options.check, stdout, stderr);
    struct conf *conf = options.dev
                            ? load_dev(options.data_dir ? options.data_dir : DEV_DATA_DIR, &diags)
                            : conf_load_file(options.config, &diags);
    if (!conf)
        return fail("", &diags);
    return run(conf, &diags);
}
