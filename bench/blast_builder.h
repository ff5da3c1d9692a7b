/* blast_builder.h - datagrams of events made from a profile, a function of its seed.
 *
 * An event is a template with its fields patched in.  Everything about event n but its time follows
 * from the seed and n, so that how the sender happens to group its bursts changes nothing.  A
 * duplicate is an earlier event among the last 10,000, byte for byte.  One whose original was never
 * sent counts as unique when it is sent: it is the first that the receiver sees.
 *
 * Memory:  the item table and 640 KiB of the past, taken by init.
 * Threads: one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "bench/blast_items.h"
#include "bench/blast_pacer.h"
#include "bench/blast_profile.h"
#include "bench/blast_source.h"
#include "bench/blast_zipf.h"

#define BLAST_PAST      16384 /* events remembered: DUPLICATE_REACH and those not settled yet */
#define BLAST_REACH     10000 /* how many events back a duplicate goes */
#define BLAST_PIECE     96
#define BLAST_TIME_TEXT 13

struct blast_piece {
    uint32_t len;
    char text[BLAST_PIECE]; /* copied whole, whatever len is */
};

struct blast_past; /* an event that was built */

/* What became of an event that was built and is not settled. */
struct blast_mark {
    uint8_t kind;
    uint8_t reason;
    uint16_t past; /* slot of the event, or of the duplicate's original */
};

struct blast_builder {
    struct blast_source source; /* first */
    const struct blast_profile *profile;
    struct blast_pacer *pacer;
    struct blast_items items;
    struct blast_zipf zipf;
    struct blast_piece types[BLAST_TYPES_MAX];
    struct blast_piece hunts[BLAST_HUNTS_MAX + 1]; /* the last: no hunt */
    uint8_t pad[BLAST_DATAGRAM_MAX];
    uint64_t random_seed;
    uint64_t id_seed;
    uint64_t next; /* event number */
    uint64_t past_count;
    struct blast_past *past;
    uint32_t malformed_next;
    uint64_t time_ms; /* what time_text says */
    char time_text[BLAST_TIME_TEXT + 3];

    uint32_t pending_count; /* datagrams not settled */
    struct {
        uint16_t events;
        uint16_t bytes;
    } pending[BLAST_BURST_MAX];
    uint32_t mark_count;
    struct blast_mark marks[BLAST_BURST_MAX * BLAST_PER_DATAGRAM_MAX];
};

/* blast_builder_init prepares a source of events; profile and pacer stay the caller's and must
 * outlive it.  Returns 0, or a negative errno with a line for the operator in fault[room]. */
int blast_builder_init(struct blast_builder *builder, const struct blast_profile *profile,
                       struct blast_pacer *pacer, char *fault, size_t room);
void blast_builder_fini(struct blast_builder *builder);
