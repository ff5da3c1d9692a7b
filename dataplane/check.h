/* check.h - a configuration checked offline, catalogs and all, as `troved --check` and `trovectl
 * conf check` do.
 *
 * Memory:  its own, freed before it returns.  Threads: any.
 */
#pragma once

#include <stdio.h>

/* check_file loads the configuration and compiles its rules. One line to out when it is good, the
 * faults to err otherwise. Returns the exit status: 0 or 1. */
int check_file(const char *file, FILE *out, FILE *err);
