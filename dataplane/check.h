/* check.h - a configuration checked offline, catalogs and all, as `troved --check` and `trovectl
 * conf check` do.
 *
 * Memory:  its own, freed before it returns; the faults are the caller's.  Threads: any.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "conf/diag.h"

struct check_report {
    unsigned types, hunts, catalogs, sinks;
    uint64_t items, edges; /* summed over the catalogs */
    uint64_t http_bytes;   /* of memory that listen.http takes at start; 0: there is no HTTP */
};

/* check_run loads the configuration and compiles its rules.  Returns 0 with *report filled in, or
 * -EINVAL with at least one fault in *diags, the caller's to free, or -ENOMEM. */
int check_run(const char *file, struct check_report *report, struct diag_list *diags);

/* check_print_good writes the one line of a good configuration. */
void check_print_good(const char *file, const struct check_report *report, FILE *out);

/* check_file does both.  One line to out when it is good, the faults to err otherwise. Returns the
 * exit status: 0 or 1. */
int check_file(const char *file, FILE *out, FILE *err);
