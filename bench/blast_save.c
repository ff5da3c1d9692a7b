/* blast_save.c - a histogram, and its log, into files. */
#include "bench/blast_save.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench/blast_link.h"

int blast_save_begin(struct blast_log *log, const struct blast_options *options,
                     const struct histogram *live, char *fault)
{
    if (!options->hlog)
        return 0;
    int rc = blast_log_init(log, live, BLAST_LOG_INTERVAL_NS, BLAST_LOG_ROOM);
    if (rc < 0)
        snprintf(fault, BLAST_FAULT_MAX, "--hlog: out of memory");
    return rc;
}

static int unwritable(const char *name, int rc, char *fault)
{
    snprintf(fault, BLAST_FAULT_MAX, "cannot write %s: %s", name, strerror(-rc));
    return rc;
}

/* Ends a file; rc is what went wrong before. */
static int end(FILE *file, const char *name, int rc, char *fault)
{
    if (rc == 0 && ferror(file))
        rc = -EIO;
    if (fclose(file) && rc == 0)
        rc = -errno;
    return rc ? unwritable(name, rc, fault) : 0;
}

int blast_save_end(struct blast_log *log, const struct blast_options *options,
                   const struct histogram *live, uint64_t start_real_ns, uint64_t elapsed_ns,
                   char *fault)
{
    int rc = 0;
    FILE *file = options->hgrm ? fopen(options->hgrm, "we") : NULL;
    if (file) {
        (void)histogram_print_hgrm(live, file);
        rc = end(file, options->hgrm, 0, fault);
    } else if (options->hgrm)
        rc = unwritable(options->hgrm, -errno, fault);
    file = options->hlog && rc == 0 ? fopen(options->hlog, "we") : NULL;
    if (file) {
        rc = blast_log_write(log, (double)start_real_ns / 1e9, elapsed_ns, file);
        rc = end(file, options->hlog, rc, fault);
    } else if (options->hlog && rc == 0)
        rc = unwritable(options->hlog, -errno, fault);
    blast_log_fini(log);
    return rc;
}
