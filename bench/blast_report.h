/* blast_report.h - what a run sent, as one JSON object for programs and a line for people.
 *
 * Memory:  none.  Threads: one.
 */
#pragma once

#include <stdio.h>

#include "bench/blast_run.h"

/* blast_report_json writes the object and a newline.  What a replayed file's events are is not
 * known here: null. */
void blast_report_json(FILE *out, const struct blast_run *run);

/* blast_report_events writes what is known of the events, as members of an object that go on with
 * a comma; blast_report_rate a rate for people, such as 240k/s. */
void blast_report_events(FILE *out, const struct blast_source *source);
void blast_report_rate(FILE *out, double rate);

/* blast_report_line writes what was sent, and a warning for each reason not to trust the figures.
 */
void blast_report_line(FILE *out, const struct blast_run *run);
