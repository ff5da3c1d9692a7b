/* blast_http_report.c - the end of a run over HTTP. */
#include <inttypes.h>

#include "bench/blast_http_report.h"
#include "bench/blast_report.h"
#include "bench/blast_run.h"

#define STATUSES (sizeof((struct blast_http_counts *)NULL)->status / sizeof(uint64_t))

static double us(const struct histogram *histogram, double percentile)
{
    return (double)histogram_percentile(histogram, percentile) / 1e3;
}

static double per_s(const struct blast_http *http, uint64_t count)
{
    return http->last_answer_ns ? (double)count * 1e9 / (double)http->last_answer_ns : 0;
}

/* Events a second of the plan, counted from the first request on; 0 without one. */
static double asked_per_s(const struct blast_http *http)
{
    const struct blast_tally *tally = &http->source->tally;
    double planned = (double)(tally->sent + tally->unsent) - (double)http->first_events;
    double span_s = (double)(http->last_due_ns - http->first_due_ns) / 1e9;
    return http->source->unpaced || span_s <= 0 ? 0 : planned / span_s;
}

uint64_t blast_http_report_good(const struct blast_http *http)
{
    uint64_t good = 0;
    for (unsigned i = 200; i < 300; i++)
        good += http->counts.status[i];
    return good;
}

bool blast_http_report_held(const struct blast_http *http)
{
    return !http->source->tally.unsent && !http->counts.unanswered &&
           per_s(http, http->counts.events) >= BLAST_RUN_HELD * asked_per_s(http);
}

static void put_statuses(FILE *out, const struct blast_http_counts *counts)
{
    const char *comma = "";
    fputs("\"status\":{", out);
    for (unsigned i = 0; i < STATUSES; i++) {
        if (!counts->status[i])
            continue;
        fprintf(out, "%s\"%u\":%" PRIu64, comma, i, counts->status[i]);
        comma = ",";
    }
    fputs("},", out);
}

static void put_times(FILE *out, const char *name, const struct histogram *times)
{
    fprintf(out, "\"%s\":{\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"p9999\":%.1f,\"max\":%.1f},",
            name, us(times, 50), us(times, 99), us(times, 99.9), us(times, 99.99),
            (double)times->max / 1e3);
}

static void put_connections(FILE *out, const struct blast_http *http)
{
    const struct blast_http_counts *counts = &http->counts;
    fprintf(out,
            "\"connections\":%u,\"pipeline\":%u,\"batch\":%u,\"resets\":%" PRIu64
            ",\"nonsense\":%" PRIu64 ",\"closes\":%" PRIu64 ",\"refused\":%" PRIu64
            ",\"timeouts\":%" PRIu64 ",",
            http->settings.connections, http->settings.pipeline, http->settings.batch,
            counts->resets, counts->nonsense, counts->closes, counts->refused, counts->timeouts);
    fprintf(out,
            "\"segments_out\":%" PRIu64 ",\"segments_in\":%" PRIu64 ",\"retransmitted\":%" PRIu64
            ",\"out_of_order\":%" PRIu64 ",\"delays\":%" PRIu64 ",",
            http->tcp.segments_out, http->tcp.segments_in, http->tcp.retransmitted,
            http->tcp.out_of_order, http->wire->delays);
}

void blast_http_report_json(FILE *out, const struct blast_http *http)
{
    const struct blast_http_counts *counts = &http->counts;
    const struct blast_tally *tally = &http->source->tally;
    uint64_t good = blast_http_report_good(http);
    double asked = asked_per_s(http);
    fprintf(out, "{\"sent\":%" PRIu64 ",\"unsent\":%" PRIu64 ",", tally->sent, tally->unsent);
    blast_report_events(out, http->source);
    fprintf(out,
            "\"bytes\":%" PRIu64 ",\"requests\":%" PRIu64 ",\"answered\":%" PRIu64
            ",\"answered_2xx\":%" PRIu64 ",\"answered_other\":%" PRIu64 ",\"unanswered\":%" PRIu64
            ",",
            tally->bytes, counts->requests, counts->answered, good, counts->answered - good,
            counts->unanswered);
    put_statuses(out, counts);
    put_connections(out, http);
    fprintf(out, "\"elapsed_s\":%.6f,", (double)http->last_answer_ns / 1e9);
    if (asked > 0)
        fprintf(out, "\"asked_per_s\":%.1f,", asked);
    else
        fputs("\"asked_per_s\":null,", out);
    fprintf(out, "\"events_per_s\":%.1f,\"requests_per_s\":%.1f,", per_s(http, counts->events),
            per_s(http, counts->answered));
    put_times(out, "answer_us", &http->answer);
    put_times(out, "lag_us", &http->lag);
    fprintf(out, "\"interrupted\":%s,\"held_rate\":%s}\n", http->interrupted ? "true" : "false",
            blast_http_report_held(http) ? "true" : "false");
}

static void warn(FILE *out, uint64_t count, const char *what)
{
    if (count)
        fprintf(out, "trove-blast: warning: %" PRIu64 " %s\n", count, what);
}

void blast_http_report_line(FILE *out, const struct blast_http *http)
{
    const struct blast_http_counts *counts = &http->counts;
    double asked = asked_per_s(http);
    fprintf(out, "trove-blast: %" PRIu64 " requests answered in %.2f s, ", counts->answered,
            (double)http->last_answer_ns / 1e9);
    blast_report_rate(out, per_s(http, counts->answered));
    fprintf(out, "; answer p50 %.1f us p99 %.1f us max %.1f us%s\n", us(&http->answer, 50),
            us(&http->answer, 99), (double)http->answer.max / 1e3,
            http->interrupted ? "; interrupted" : "");
    if (per_s(http, counts->events) < BLAST_RUN_HELD * asked) {
        fputs("trove-blast: warning: asked ", out);
        blast_report_rate(out, asked);
        fputs(", was answered ", out);
        blast_report_rate(out, per_s(http, counts->events));
        fputs(": times are not valid for that rate\n", out);
    }
    warn(out, http->source->tally.unsent, "planned events were not sent: no time counts them");
    warn(out, counts->unanswered, "requests were not answered");
    warn(out, counts->answered - blast_http_report_good(http), "answers were not 2xx");
    warn(out, counts->nonsense, "connections answered what is no HTTP of ours");
    warn(out, counts->resets, "connections were reset");
    warn(out, http->tcp.retransmitted, "segments were sent again: the link loses");
}
