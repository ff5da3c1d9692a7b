/* board.h - leaderboards: per hunt, who has won how often and with what score, read from the
 * journal by a pump like any sink.
 *
 * A projection: never read by the decision path, as far behind as its pump.  It is saved with the
 * position that it is of, and goes on from there at the next start; without that file it is counted
 * from the journal's beginning. Users beyond the limit are not ranked, and how many that were is
 * part of every answer.
 *
 * Memory:  one table of board_bytes(limit) from malloc at board_new.
 * Threads: the pump's thread writes, any thread reads; a mutex between them, held by a reader for
 * one pass over the table.
 */
#pragma once

#include <stdint.h>

#include "dataplane/base/event.h"
#include "sinks/sink.h"

#define BOARD_HUNTS_MAX 256
#define BOARD_ROWS_MAX  1000

enum board_order { BOARD_AWARDS, BOARD_CLAIMS, BOARD_SCORE, BOARD_ORDER_COUNT };

struct board_row {
    uint32_t rank; /* from 1; equal values share one */
    char user[EVENT_USER_MAX + 1];
    uint64_t value[BOARD_ORDER_COUNT]; /* score is 16.16 fixed point, summed over awards */
};

struct board_view {
    uint32_t user_count; /* ranked in this hunt */
    uint64_t unranked;   /* awards and claims of users there was no room for, in all hunts */
    uint32_t row_count;
    struct board_row rows[BOARD_ROWS_MAX];
    bool has_own; /* the user asked for is in the hunt */
    struct board_row own;
};

struct board;

/* board_new makes room for limit users, summed over hunts. NULL without memory. */
struct board *board_new(uint32_t limit);
void board_free(struct board *board);

/* board_save_to has the board saved at path from now on, every 2 s at most, a large one less often.
 * board_load takes in what was saved there, and does so too.  0 with the position that it is of in
 * *cursor; -ENOENT there is no file; -EBADMSG it is damaged; or another negative errno: the board
 * is empty then, and *cursor all zero. */
void board_save_to(struct board *board, const char *path);
int board_load(struct board *board, const char *path, struct sink_cursor *cursor);

/* board_saved_at reads that position alone.  0 or a negative errno.  Thread: any. */
int board_saved_at(const char *path, struct sink_cursor *cursor);

/* board_read fills in the best count users, in [0, BOARD_ROWS_MAX], by an order (ties: by name),
 * and the row of user, unless that is NULL. Returns 0, or -ENOENT when nobody has won anything in
 * that hunt. */
int board_read(struct board *board, const char *hunt, enum board_order order, uint32_t count,
               const char *user, struct board_view *view);

/* board_hunts lists the hunts that somebody has won something in, in an order that stays, each with
 * a count that grows whenever somebody's values change.  Returns how many, at most BOARD_HUNTS_MAX.
 */
struct board_hunt {
    char name[EVENT_NAME_MAX + 1];
    uint64_t changes;
};
uint32_t board_hunts(struct board *board, struct board_hunt hunts[BOARD_HUNTS_MAX]);

/* Its pump's side; the sink is the struct board. */
extern const struct sink_ops board_ops;
