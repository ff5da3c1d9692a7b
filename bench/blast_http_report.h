/* blast_http_report.h - what a run over HTTP sent and was answered, as one JSON object for programs
 * and a line for people.
 *
 * Memory:  none.  Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "bench/blast_http.h"

/* blast_http_report_json writes the object and a newline.  Rates count what was answered, from the
 * start to the last answer. */
void blast_http_report_json(FILE *out, const struct blast_http *http);

/* blast_http_report_line writes what was answered, and a warning for each reason not to trust the
 * figures. */
void blast_http_report_line(FILE *out, const struct blast_http *http);

/* blast_http_report_good returns how many answers were 2xx. */
uint64_t blast_http_report_good(const struct blast_http *http);

/* blast_http_report_held returns whether everything planned was sent and answered, at the rate that
 * was asked for, if one was. */
bool blast_http_report_held(const struct blast_http *http);
