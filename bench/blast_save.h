/* blast_save.h - the files of a run for HdrHistogram's tools: --hgrm and --hlog.
 *
 * Memory:  the log's, between begin and end.  Threads: one.
 */
#pragma once

#include "bench/blast_log.h"
#include "bench/blast_options.h"

/* blast_save_begin begins the log of live, where --hlog asks for one.  Returns 0, or -ENOMEM with a
 * line for the operator in fault[BLAST_FAULT_MAX]. */
int blast_save_begin(struct blast_log *log, const struct blast_options *options,
                     const struct histogram *live, char *fault);

/* blast_save_end writes the files that options asks for, of the histogram that the run recorded
 * from start_real_ns (since 1970) on for elapsed_ns, and frees the log.  Returns 0, or a negative
 * errno with a line for the operator in fault. */
int blast_save_end(struct blast_log *log, const struct blast_options *options,
                   const struct histogram *live, uint64_t start_real_ns, uint64_t elapsed_ns,
                   char *fault);
