/* feed.h - leaderboards for browsers: what has changed on them, published on a core NATS subject a
 * hunt, for whoever listens just then.
 *
 * Nothing is confirmed and nothing kept: every FEED_FULL_NS each hunt is told in full, so whoever
 * comes late or misses one is right again. At most one message a hunt in `every`, and at most a
 * tenth of a core's time.
 *
 * Memory:  one allocation, and one of FEED_ROWS_MAX rows per hunt.
 * Threads: feed_poll one; feed_configure, feed_cancel and feed_report any.
 */
#pragma once

#include "conf/conf.h"
#include "sinks/board.h"

#define FEED_FULL_NS (5ull * 1000000000ull)

struct feed;

struct feed_report {
    uint64_t messages;
    uint64_t errors;
    char error[200]; /* "" when all is well */
};

/* feed_new makes a feed of a board, which stays as long as the feed; it names pop and host.  NULL
 * without memory. */
struct feed *feed_new(struct board *board, const char *pop, const char *host);
void feed_free(struct feed *feed);

/* feed_configure has it go on as conf says from its next poll on. */
void feed_configure(struct feed *feed, const struct conf_feed *conf);

/* feed_poll publishes what is due.  Returns how many nanoseconds there is nothing to do. */
uint64_t feed_poll(struct feed *feed);

/* feed_cancel ends every wait, now and from here on. */
void feed_cancel(struct feed *feed);
void feed_report(struct feed *feed, struct feed_report *report);
