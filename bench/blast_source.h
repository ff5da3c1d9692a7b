/* blast_source.h - where datagrams come from: a profile (blast_builder) or a file (blast_replay).
 *
 * The sender asks when the next datagram is due, has it built into its own buffer when it is, and
 * afterwards tells how many of those built since the last time were sent.  What counts as sent,
 * unique or duplicate is decided then and only then, so that the report can be checked against the
 * receiver's counters.
 *
 * Memory:  each source's own; embeds struct blast_source as its first member.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/base/reason.h"

#define BLAST_BURST_MAX    64   /* datagrams between two calls of settle */
#define BLAST_DATAGRAM_MAX 1472 /* UDP payload of an Ethernet frame over IPv4 */
#define BLAST_SLACK        768  /* a source may scribble this far beyond a datagram's end */

struct blast_tally {
    uint64_t sent; /* events: unique + duplicates + malformed, where the source knows them */
    uint64_t datagrams;
    uint64_t bytes;  /* UDP payload */
    uint64_t unsent; /* events */
    uint64_t unique;
    uint64_t duplicates;
    uint64_t malformed;
    uint64_t malformed_by_reason[REASON_COUNT];
    uint64_t skewed; /* of the unique ones: the client's clock is ahead */
    uint64_t late;   /* of the unique ones */
};

struct blast_source {
    struct blast_tally tally;
    uint64_t start_real_ns; /* CLOCK_REALTIME of the start; set by the sender */
    bool classified;        /* unique, duplicates and the rest of the tally are known */
    bool unpaced;           /* as fast as possible: due is always now */

    /* due gives when the next datagram is due, ns since the start; false when the plan is over. */
    bool (*due)(struct blast_source *source, uint64_t *due_ns);
    /* build writes the next datagram, in [1, BLAST_DATAGRAM_MAX] bytes, dated due_ns since the
     * start; out has room for BLAST_DATAGRAM_MAX + BLAST_SLACK.  Returns its length. */
    uint32_t (*build)(struct blast_source *source, uint64_t due_ns, uint8_t *out);
    /* settle: of the datagrams built since the last settle, in [0, BLAST_BURST_MAX], the first
     * sent ones were sent, the others never will be. */
    void (*settle)(struct blast_source *source, uint32_t sent);
    /* abandon gives up what the plan has left that is due before since_ns: unsent. */
    void (*abandon)(struct blast_source *source, uint64_t since_ns);
};
