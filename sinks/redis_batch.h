/* redis_batch.h - outcomes on their way to a Redis stream, as the bytes of the commands that take
 * them there (RESP2): one call of the script that adds entries, and one for each winner.
 *
 * Memory:  the caller's.  Threads: one.
 */
#pragma once

#include "sinks/body.h"

#define REDIS_BATCH_MAX   512u
#define REDIS_BATCH_BYTES (256u << 10)
#define REDIS_HEAD_MAX    256u
#define REDIS_SHA_MAX     40u
#define REDIS_ENTRY_ARGS  5 /* id, kind, hunt, user, outcome; no hunt and no user are "" */

struct redis_batch {
    uint32_t shard; /* outcomes of one shard */
    uint32_t count;
    uint32_t new_count; /* of the entries to be added */
    uint32_t win_count;
    size_t used, win_used;
    struct {
        struct sink_place place;
        bool is_new; /* the stream has it not */
    } entries[REDIS_BATCH_MAX];
    char args[REDIS_BATCH_BYTES]; /* entry behind entry */
    char wins[REDIS_BATCH_BYTES]; /* command behind command */
};

/* Where winners are kept, and the script for it. */
struct redis_winners {
    const char *name, *sha;
};

/* What the script said of the entries that were sent. */
struct redis_added {
    uint64_t added, repeats;
    const char *why; /* why it stopped behind these, "" when it did not */
};

/* redis_batch_clear makes it empty; redis_batch_is_full says whether another outcome may have no
 * room. */
void redis_batch_clear(struct redis_batch *batch);
bool redis_batch_is_full(const struct redis_batch *batch);

/* redis_batch_add takes an outcome: as an entry when it is new, as a winner where winners is not
 * NULL.  The batch is not full. */
void redis_batch_add(struct redis_batch *batch, const struct sink_item *item,
                     enum conf_format format, const struct line_origin *origin, bool is_new,
                     const struct redis_winners *winners);

/* redis_batch_head writes what comes in front of the entries; returns its length. */
size_t redis_batch_head(const struct redis_batch *batch, const char *sha, const char *stream,
                        uint64_t max_length, char out[REDIS_HEAD_MAX]);

/* redis_batch_answer reads the script's answer, into which *out then points.  False: it cannot be
 * an answer to this batch. */
bool redis_batch_answer(const struct redis_batch *batch, const char *text, struct redis_added *out);

/* redis_batch_place returns the n-th of the entries that were sent, from 0. */
const struct sink_place *redis_batch_place(const struct redis_batch *batch, uint64_t n);
