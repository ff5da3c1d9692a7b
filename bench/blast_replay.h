/* blast_replay.h - datagrams out of an event stream file, one event each, in file order.
 *
 * A line is OFFSET_MS<TAB>EVENT.  Thirteen characters in the event, the first run of
 *
 *   @@@@@@@@@@@@@   become the time at which the event is planned to be sent, ms since 1970;
 *   @@@@+00090000   the same plus 90,000 ms: a client whose clock is ahead;
 *   @@@@-01200000   or behind.
 *
 * The rest is sent as it is, be it an event or not.
 *
 * Memory:  the file is mapped; 24 bytes a line for the index.  Threads: one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "bench/blast_pacer.h"
#include "bench/blast_source.h"

struct blast_replay_line; /* where a line's event is, and when */

struct blast_replay {
    struct blast_source source; /* first */
    struct blast_pacer *pacer;  /* NULL: by the file's offsets */
    double pace;                /* real time for a unit of the file's time */
    uint64_t end_ns;            /* of the plan */
    uint64_t next;
    uint64_t count;
    struct blast_replay_line *lines;
    uint8_t *file;
    size_t file_bytes;
    uint32_t pending_count;
    uint16_t pending[BLAST_BURST_MAX]; /* bytes */
};

/* blast_replay_open maps and checks a stream: offsets that never decrease, events of 1 to
 * datagram_bytes bytes.  Returns 0, or a negative errno with a line for the operator in
 * fault[room]. */
int blast_replay_open(struct blast_replay *replay, const char *file, uint64_t datagram_bytes,
                      char *fault, size_t room);
void blast_replay_close(struct blast_replay *replay);

/* blast_replay_limit keeps the first events lines (0: all), and those due before duration_ns (0: no
 * end). */
void blast_replay_limit(struct blast_replay *replay, uint64_t events, uint64_t duration_ns);
