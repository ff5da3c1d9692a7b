/* board_impl.h - what the files of the leaderboards share: board.c (counting, ranking) and
 * board_save.c (the file).  Nobody else includes it.
 *
 * Memory:  as board.h.  Threads: as board.h.
 */
#pragma once

#include <pthread.h>

#include "dataplane/base/event.h"
#include "sinks/board.h"

struct board_entry {
    uint32_t hunt; /* index + 1 in hunts, 0: empty */
    uint32_t user_len;
    uint8_t user[EVENT_USER_MAX];
    uint64_t value[BOARD_ORDER_COUNT];
};

struct board {
    pthread_mutex_t lock;
    struct hash_key key;
    uint32_t limit;
    uint32_t used;
    uint32_t slot_count; /* a power of two, at least twice the limit */
    uint64_t unranked;
    uint32_t hunt_count;
    char hunts[BOARD_HUNTS_MAX][EVENT_NAME_MAX + 1];
    uint64_t changes[BOARD_HUNTS_MAX]; /* of anybody's values, since the start */
    struct board_entry *slots;
    uint32_t *order; /* scratch of a reader: slots of the hunt asked for */
    uint64_t last_seq[RECORD_NO_PARTITION +
                      1]; /* [partition]: what a pump delivers again is counted once */

    /* The file; the pump's thread alone. */
    char path[CONF_PATH_MAX + 96]; /* "": none is kept */
    uint64_t kept_ns;              /* CLOCK_MONOTONIC of the last save */
    uint64_t kept_version;         /* of the cursor then */
};

/* board_slot returns the user's slot in the hunt, or the empty one where it belongs. */
struct board_entry *board_slot(struct board *board, uint32_t hunt, const uint8_t *user,
                               uint32_t len);

/* board_keep saves the board with the position that it is of, every so often: sink_ops.kept. */
void board_keep(void *sink, const struct sink_cursor *cursor);
