/* blast_report.c - the end of a run. */
#include <inttypes.h>

#include "bench/blast_report.h"
#include "bench/release.h"

static double lag_us(const struct blast_run *run, double percentile)
{
    return (double)histogram_percentile(&run->lag, percentile) / 1e3;
}

static void put_known(FILE *out, const struct blast_source *source, const char *name,
                      uint64_t value)
{
    if (source->classified)
        fprintf(out, "\"%s\":%" PRIu64 ",", name, value);
    else
        fprintf(out, "\"%s\":null,", name);
}

static void put_reasons(FILE *out, const struct blast_tally *tally)
{
    const char *comma = "";
    fputs("\"malformed_by_reason\":{", out);
    for (unsigned i = 0; i < REASON_COUNT; i++) {
        if (!tally->malformed_by_reason[i])
            continue;
        fprintf(out, "%s\"%s\":%" PRIu64, comma, reason_name(i), tally->malformed_by_reason[i]);
        comma = ",";
    }
    fputs("},", out);
}

void blast_report_events(FILE *out, const struct blast_source *source)
{
    const struct blast_tally *tally = &source->tally;
    put_known(out, source, "unique", tally->unique);
    put_known(out, source, "duplicates", tally->duplicates);
    put_known(out, source, "malformed", tally->malformed);
    put_reasons(out, tally);
    put_known(out, source, "skewed", tally->skewed);
    put_known(out, source, "late", tally->late);
}

void blast_report_json(FILE *out, const struct blast_run *run)
{
    const struct blast_tally *tally = &run->source->tally;
    fprintf(out, "{\"sent\":%" PRIu64 ",\"datagrams\":%" PRIu64 ",\"unsent\":%" PRIu64 ",",
            tally->sent, tally->datagrams, tally->unsent);
    blast_report_events(out, run->source);
    fprintf(out, "\"bytes\":%" PRIu64 ",\"elapsed_s\":%.6f,", tally->bytes,
            (double)run->elapsed_ns / 1e9);
    if (run->asked_per_s > 0)
        fprintf(out, "\"asked_per_s\":%.1f,", run->asked_per_s);
    else
        fputs("\"asked_per_s\":null,", out);
    fprintf(out,
            "\"sent_per_s\":%.1f,\"lag_us\":{\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,"
            "\"max\":%.1f},",
            run->sent_per_s, lag_us(run, 50), lag_us(run, 99), lag_us(run, 99.9),
            (double)run->lag.max / 1e3);
    fprintf(out,
            "\"delays\":%" PRIu64 ",\"unreachable\":%" PRIu64
            ",\"release\":%s,\"interrupted\":%s,\"held_rate\":%s}\n",
            run->link->delays, run->link->unreachable, RELEASE_BUILD ? "true" : "false",
            run->interrupted ? "true" : "false", run->held_rate ? "true" : "false");
}

void blast_report_rate(FILE *out, double rate)
{
    if (rate >= 1e6)
        fprintf(out, "%.2fM/s", rate / 1e6);
    else if (rate >= 1e4)
        fprintf(out, "%.0fk/s", rate / 1e3);
    else
        fprintf(out, "%.0f/s", rate);
}

void blast_report_line(FILE *out, const struct blast_run *run)
{
    const struct blast_tally *tally = &run->source->tally;
    fprintf(out, "trove-blast: sent %" PRIu64 " events in %" PRIu64 " datagrams, %.2f s, ",
            tally->sent, tally->datagrams, (double)run->elapsed_ns / 1e9);
    blast_report_rate(out, run->sent_per_s);
    fprintf(out, "; lag p50 %.1f us p99 %.1f us max %.1f us%s\n", lag_us(run, 50), lag_us(run, 99),
            (double)run->lag.max / 1e3, run->interrupted ? "; interrupted" : "");
    if (run->sent_per_s < BLAST_RUN_HELD * run->asked_per_s) {
        fputs("trove-blast: warning: asked ", out);
        blast_report_rate(out, run->asked_per_s);
        fputs(", sent ", out);
        blast_report_rate(out, run->sent_per_s);
        fputs(": latencies are not valid for ", out);
        blast_report_rate(out, run->asked_per_s);
        fputc('\n', out);
    }
    if (tally->unsent)
        fprintf(out,
                "trove-blast: warning: %" PRIu64
                " planned events were not sent: no latency counts them\n",
                tally->unsent);
    if (run->link->unreachable)
        fprintf(out,
                "trove-blast: warning: %" PRIu64
                " answers said that nobody listens there; is the receiver up?\n",
                run->link->unreachable);
    if (run->link->fault[0] && !run->link->broken)
        fprintf(out, "trove-blast: warning: %s\n", run->link->fault);
}
