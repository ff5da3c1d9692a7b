/* story.h - what the journal tells about one user or one event: every event again through
 * state_apply, every correction of the user through state_correct, compared with what was recorded;
 * each verdict with the line that decided it.
 *
 * Only the partitions in which the user's events lie are applied, one after the other, each in a
 * state of its own: the running one is not touched, and nothing is written.
 *
 * Memory:  one partition's state, one configuration version's rules, STORY_EVENTS_MAX events as
 * JSON; freed before story_tell returns but for the answer.  Threads: any; the control thread, or
 * trovectl.
 */
#pragma once

#include <jansson.h>

#include "dataplane/replay.h"

#define STORY_EVENTS_MAX 2000u /* told; of more, the newest */

struct story_request {
    const struct store *store;
    const struct hash_key *key;
    const char *user;   /* whose story; NULL: of the event with this id, whoever sent it */
    const uint64_t *id; /* two words, as event.h has them */
    const char *hunt;   /* only what this hunt made of the events; NULL: all */
    replay_bound bound; /* as replay.h */
    const void *bound_arg;
    uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
    size_t bytes_max;     /* of a partition's state; 0: any */
};

enum story_result {
    STORY_TOLD,
    STORY_UNKNOWN,  /* the journal has no such event, or nothing of this user */
    STORY_TOO_LONG, /* the deadline came first */
    STORY_TOO_BIG,  /* the partition's state is over bytes_max, or there is no memory for it */
    STORY_FAULT,    /* the journal cannot be read */
};

/* story_tell makes the story.  STORY_TOLD: it is in *story, the caller's to decref; anything else:
 * why, in one line, in error. */
enum story_result story_tell(const struct story_request *request, json_t **story, char error[512]);

/* What a walk over all records of the journals asks for. */
struct story_walk {
    const struct store *store;
    const struct hash_key *key;
    replay_bound bound; /* as replay.h */
    const void *bound_arg;
    uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
    void (*take)(void *arg, const struct record *record);
    void *arg;
};

/* story_walk gives every record of the journals to take.  Returns STORY_TOLD, or STORY_TOO_LONG or
 * STORY_FAULT with one line in error. */
enum story_result story_walk(const struct story_walk *walk, char error[512]);

/* story_none writes that the journal has no such thing, and where it begins when its first records
 * were removed: what was decided before is in effect all the same.  Returns STORY_UNKNOWN. */
enum story_result story_none(const struct store *store, char error[512], const char *what);

/* story_items reads the data directory's item dictionary, the caller's to free; NULL with one line
 * in error. */
struct items *story_items(const struct store *store, char error[512]);

/* story_time and story_seq write a receive time (RFC 3339 with microseconds) and a sequence number
 * as JSON strings. */
json_t *story_time(uint64_t receive_ns);
json_t *story_seq(uint32_t partition, uint64_t seq);

/* story_text makes a JSON string of any bytes: what is not UTF-8 becomes U+FFFD. */
json_t *story_text(const uint8_t *bytes, size_t len);

/* story_hex makes a JSON string of bytes, two digits each. */
json_t *story_hex(const uint8_t *bytes, size_t len);
