/* http_kit.h - HTTP between a TCP and an intake that are played: connections are arrays, shards
 * answer when they are told to, time is a number.
 *
 * Memory:  one kit in static memory, and what http_init takes.  Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/http.h"

#define KIT_CONNS     64
#define KIT_OUT_BYTES (1u << 20)

struct kit_conn {
    bool open, finished, aborted;
    bool held;    /* it has not taken all that it was offered */
    bool resumed; /* and has asked for it since */
    bool starved; /* a send was cut short */
    uint8_t *in;  /* offered and not taken */
    uint32_t in_len;
    uint32_t room; /* that the send buffer still has; UINT32_MAX: endless */
    char *out;
    uint32_t out_len;
    uint64_t wake_ns;
};

struct kit_event {
    uint64_t token;
    const uint8_t *bytes;
    uint8_t *copy;
    uint32_t len;
    uint32_t shard;
    uint64_t wire_ns; /* as submitted */
};

struct kit {
    struct http *http;
    struct tcp_app app;
    struct kit_conn conns[KIT_CONNS];
    uint32_t conn_count;      /* that were ever open */
    struct kit_event *events; /* at shards, in order */
    uint32_t event_count, event_room;
    char *log; /* every event that was submitted, a line each */
    uint32_t log_len, log_room;
    uint64_t now_ns;
    uint64_t wire_ns; /* of the segment at hand */
    bool shut;        /* the rings are full, whatever room says */
    uint32_t room;    /* events that the rings have */
    uint64_t seq;     /* of the last answer */
    uint64_t ordinals[HTTP_SHARDS_MAX];
    uint64_t durable[HTTP_SHARDS_MAX];
    bool hold_disk; /* durable is not moved by itself */
    unsigned health;
    uint8_t claim;          /* what answers say of a claim */
    const uint8_t *claims;  /* or four of them, in turn */
    unsigned reason;        /* not none: shards reject every event for it */
    uint16_t reason_offset; /* there */
    bool refuse;            /* shards have no room */
    uint32_t shard_count;
};

extern struct kit kit;

/* kit_limits are small; kit_start begins anew with them, or with others. */
struct http_limits kit_limits(void);
void kit_start(const struct http_limits *limits, const struct http_settings *settings);

/* kit_begin goes on with the same instance and other settings, as if it were new. */
void kit_begin(const struct http_settings *settings);

/* kit_end_all ends all connections, answers all events, and requires that nothing is left; kit_stop
 * frees the instance as well. */
void kit_end_all(void);

void kit_stop(void);

uint32_t kit_open(void);
void kit_give(uint32_t conn, const void *bytes, uint32_t len); /* the client sends */
void kit_text(uint32_t conn, const char *text);
void kit_end(uint32_t conn);                 /* the client's FIN */
void kit_reset(uint32_t conn);               /* the connection is gone */
void kit_read(uint32_t conn, uint32_t room); /* the client reads: room in the send buffer */

/* kit_answer answers up to count events; kit_turn polls, offers what was resumed, and closes what
 * was finished; kit_settle does both until nothing happens. */
uint32_t kit_answer(uint32_t count);
void kit_answer_last(void); /* the one that came last, as another shard might */
unsigned kit_turn(void);
void kit_settle(void);
void kit_advance(uint64_t ms); /* in steps of 10 ms, with timers */

/* kit_output returns what a connection got, as a string. */
const char *kit_output(uint32_t conn);
void kit_forget_output(uint32_t conn);
/* kit_statuses writes the answers' statuses as "202 400 close"; `close` when the server ended it.
 */
const char *kit_statuses(uint32_t conn);
