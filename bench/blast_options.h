/* blast_options.h - trove-blast's command line: one table for parsing and help.
 *
 * Memory:  plain values; texts point into argv.  Threads: read-only once parsed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/blast_pacer.h"
#include "bench/blast_profile.h"
#include "bench/blast_target.h"

#define BLAST_CORE_ANY UINT64_MAX

struct blast_options {
    struct blast_target target;
    struct blast_profile profile;
    struct blast_pacer pacer;
    uint64_t events;      /* 0: no limit */
    uint64_t duration_ns; /* 0: no limit */
    const char *replay;
    double pace;
    uint64_t core;    /* or BLAST_CORE_ANY */
    uint64_t nap_ns;  /* asleep between looks at the plan; 0: spin */
    const char *hgrm; /* where histograms go; NULL: nowhere */
    const char *hlog;

    /* http:// */
    uint64_t connections;
    uint64_t pipeline;
    uint64_t batch;
    const char *ack; /* NULL: what the listener does */
    bool answer;     /* be the server */

    /* dpdk:// and http:// */
    const char *vdev;
    const char *file_prefix;
    uint8_t source_addr[4];
    bool has_source_addr;
    uint64_t source_port;
    uint8_t target_mac[6];
    bool has_target_mac;
    uint64_t patience_ns;
    bool stamp;
    bool huge;
    bool no_huge;

    bool help;
    bool version;
};

/* blast_options_parse reads a command line.  Returns 0 (with help or version set, nothing else is
 * checked), or -EINVAL with a line for the operator in fault[room]. */
int blast_options_parse(struct blast_options *options, int argc, char **argv, char *fault,
                        size_t room);
void blast_options_help(FILE *out);
